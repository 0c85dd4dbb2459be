"""A run that shares the past of another and goes on differently: semantics 32."""

from __future__ import annotations

from typing import Any

import pytest

from aethergraph import RunStatus
from aethergraph.errors import BadAnswer
from aethergraph.record import facts as f

from .lab import LIMIT_S, Lab

CHAIN = """
@tool(outputs=["data"])
async def load(path):
    ran("load")
    return [1, 2, 3]

@tool(outputs=["model"])
async def fit(data, rate=1):
    ran(f"fit {rate}")
    return [rate * x for x in data]

@tool(outputs=["score"])
async def score(model):
    ran("score")
    return sum(model)

@tool(outputs=["ok"])
async def tidy(*, context: NodeContext):
    ran("tidy " + context.idempotency_key()[:6])
    return True

@graph_fn
async def study(path="a", bonus=0):
    loaded = await load(path)
    fitted = await fit(loaded.data)
    scored = await score(fitted.model)
    await tidy()
    return {"score": scored.score + bonus}
"""


def _end(run: Any) -> dict[str, Any]:
    return dict(run.result(LIMIT_S))


def _first(told: list[str]) -> list[str]:
    return [line.split()[0] for line in told]


def test_32_a_fork_shares_what_came_before_and_runs_the_named_node_again(lab: Lab) -> None:
    lab.cell(CHAIN)
    parent = lab.start("study")
    assert _end(parent) == {"score": 6}
    parents_keys = lab.took()[-1]
    fork = parent.fork(at="fit")
    assert _end(fork) == {"score": 6}
    told = lab.took()
    assert _first(told) == ["fit", "tidy"], (
        "score was given what fit gave; that tidy does not depend on fit nobody knows"
    )
    assert told[-1] != parents_keys, "a node that runs again has an idempotency key of the fork's"
    assert fork.run_id != parent.run_id and fork.parent == parent.run_id
    assert _end(parent) == {"score": 6}, "the parent is as it was"


def test_32_with_other_inputs_the_node_runs_with_these(lab: Lab) -> None:
    lab.cell(CHAIN)
    parent = lab.start("study")
    parent.result(LIMIT_S)
    lab.took()
    fork = parent.fork(at="fit", inputs={"rate": 10})
    assert _end(fork) == {"score": 60}
    assert _first(lab.took()) == ["fit", "score", "tidy"]
    lab.kill()
    assert _end(lab.runtime.load(fork.run_id)) == {"score": 60}


def test_32_with_other_outputs_the_node_does_not_run_and_the_rest_goes_on_with_them(lab: Lab) -> None:
    lab.cell(CHAIN)
    parent = lab.start("study")
    parent.result(LIMIT_S)
    lab.took()
    fork = parent.fork(at="fit", outputs={"model": [100, 1]})
    assert _end(fork) == {"score": 101}
    assert _first(lab.took()) == ["score", "tidy"]


def test_32_given_outputs_hold_when_the_node_is_edited(lab: Lab) -> None:
    lab.cell(CHAIN)
    parent = lab.start("study")
    parent.result(LIMIT_S)
    lab.took()
    lab.cell(CHAIN.replace("rate * x", "rate * x + 1"))
    assert _end(parent.fork(at="fit", outputs={"model": [7]})) == {"score": 7}
    assert "fit" not in _first(lab.took())


def test_32_a_fork_of_the_whole_takes_other_inputs_of_the_run(lab: Lab) -> None:
    lab.cell(CHAIN)
    parent = lab.start("study")
    parent.result(LIMIT_S)
    lab.took()
    assert _end(parent.fork(inputs={"bonus": 5})) == {"score": 11}
    assert lab.took() == [], "nothing depends on it but the end"
    assert _end(parent.fork(inputs={"path": "b"})) == {"score": 6}
    assert _first(lab.took())[0] == "load"


def test_32_a_fork_of_a_fork_still_finds_what_the_first_run_did(lab: Lab) -> None:
    lab.cell(CHAIN)
    parent = lab.start("study")
    parent.result(LIMIT_S)
    first = parent.fork(at="fit", inputs={"rate": 2})
    first.result(LIMIT_S)
    lab.took()
    second = first.fork(at="score-2", outputs={"score": 0})
    assert _end(second) == {"score": 0}
    assert _first(lab.took()) == ["tidy"]
    assert second.parent == first.run_id


def test_32_a_fork_that_is_killed_goes_on_without_doing_anything_twice(lab: Lab) -> None:
    lab.cell(
        CHAIN
        + """
@graph_fn
async def asking(*, context: NodeContext):
    loaded = await load("a")
    fitted = await fit(loaded.data)
    await tidy()
    name = await context.channel().ask_text("Name?")
    await tidy()
    return f"{name} {sum(fitted.model)}"
"""
    )
    parent = lab.start("asking")
    lab.asked(parent, "Name?")
    lab.took()
    fork = parent.fork(at="fit", outputs={"model": [5]})
    lab.asked(fork, "Name?")
    assert _first(lab.took()) == ["tidy"], "it follows fit"
    lab.kill()
    again = lab.resume(lab.runtime.load(fork.run_id))
    lab.answer(again, "Name?", "Ada")
    assert _end(again) == {"result": "Ada 5"}
    assert _first(lab.took()) == ["tidy"], "the one after the question, and not the one before it"


ASKING = """
@tool(outputs=["draft"])
async def draft(topic):
    ran("draft")
    return f"on {topic}"

@graph_fn
async def write(topic="bees", *, context: NodeContext):
    text = (await draft(topic)).draft
    good = await context.channel().ask_approval(f"Is {text} good?")
    tone = await context.channel().ask_choice("Tone?", ["dry", "warm"])
    return {"text": text, "good": good["approved"], "tone": tone}
"""


def test_32_open_questions_of_a_fork_are_its_own(lab: Lab) -> None:
    lab.cell(ASKING)
    parent = lab.start("write")
    first = lab.asked(parent, "Is on bees good?")
    fork = parent.fork()
    second = lab.asked(fork, "Is on bees good?")
    assert first != second
    lab.runtime.answer(second, "Reject")
    lab.answer(fork, "Tone?", "dry")
    assert _end(fork) == {"text": "on bees", "good": False, "tone": "dry"}
    assert [wait.token for wait in parent.waits] == [first], "the parent still waits, for an answer of its own"
    lab.runtime.answer(first, "Approve")
    lab.answer(parent, "Tone?", "warm")
    assert _end(parent) == {"text": "on bees", "good": True, "tone": "warm"}
    assert lab.took() == ["draft"]


def test_32_a_fork_at_a_question_asks_again_or_takes_the_answer_that_it_is_given(lab: Lab) -> None:
    lab.cell(ASKING)
    parent = lab.start("write")
    lab.answer(parent, "Is on bees good?", "Approve")
    lab.answer(parent, "Tone?", "warm")
    parent.result(LIMIT_S)
    with pytest.raises(BadAnswer):
        parent.fork(at="ask-2", outputs="loud")
    assert _end(parent.fork(at="ask-2", outputs="dry"))["tone"] == "dry"
    again = parent.fork(at="ask")
    lab.answer(again, "Is on bees good?", "Reject")
    assert _end(again) == {"text": "on bees", "good": False, "tone": "warm"}


NESTED = """
@tool(outputs=["n"])
async def add(a, b):
    ran(f"add {a} {b}")
    return a + b

@graph_fn
async def inner(x):
    one = await add(x, 1)
    two = await add(one.n, 10)
    return {"n": two.n}

@graph_fn
async def outer(x=0):
    made = await inner(x)
    last = await add(made.n, 100)
    return {"n": last.n}
"""


def test_32_a_node_inside_a_node_is_forked_in_its_place(lab: Lab) -> None:
    lab.cell(NESTED)
    parent = lab.start("outer")
    assert _end(parent) == {"n": 111}
    lab.took()
    assert _end(parent.fork(at="add", outputs={"n": 2})) == {"n": 112}
    assert lab.took() == ["add 2 10", "add 12 100"]
    assert _end(parent.fork(at="add-2", inputs={"b": 20})) == {"n": 121}
    assert lab.took() == ["add 1 20", "add 21 100"]


def test_32_a_graph_that_is_named_runs_again_with_all_that_is_inside_it(lab: Lab) -> None:
    lab.cell(NESTED)
    parent = lab.start("outer")
    parent.result(LIMIT_S)
    lab.took()
    assert _end(parent.fork(at="inner")) == {"n": 111}
    assert lab.took() == ["add 0 1", "add 1 10"]
    assert _end(parent.fork(at="inner", outputs={"n": 7})) == {"n": 107}
    assert lab.took() == ["add 7 100"]
    assert _end(parent.fork(at="inner", inputs={"x": 5})) == {"n": 116}


def test_32_static_graphs_fork_as_reactive_ones_do(lab: Lab) -> None:
    lab.cell(
        """
from aethergraph import graphify

@tool(outputs=["n"])
async def twice(x, by=2):
    ran(f"twice {x} {by}")
    return by * x

@graphify
def pipeline(x=1):
    a = twice(x, _id="a")
    b = twice(a.n, _id="b")
    c = twice(x, by=5, _id="c")
    return {"b": b.n, "c": c.n}
"""
    )
    parent = lab.start("pipeline")
    assert _end(parent) == {"b": 4, "c": 5}
    lab.took()
    assert _end(parent.fork(at="a", inputs={"by": 3})) == {"b": 6, "c": 5}
    assert lab.took() == ["twice 1 3", "twice 3 2"]
    assert _end(parent.fork(at="b", outputs={"n": 0})) == {"b": 0, "c": 5}
    assert lab.took() == []


def test_32_a_failed_run_is_forked_past_its_failure(lab: Lab) -> None:
    lab.cell(CHAIN.replace('ran("score")', 'raise KeyError("no such score")'))
    parent = lab.start("study")
    with pytest.raises(KeyError):
        parent.result(LIMIT_S)
    lab.took()
    fork = parent.fork(at="score", outputs={"score": 1})
    assert _end(fork) == {"score": 1}
    assert _first(lab.took()) == ["tidy"]
    assert parent.status is RunStatus.FAILED


def test_32_a_timer_inside_a_node_that_runs_again_is_waited_for_again(lab: Lab) -> None:
    lab.cell(
        """
@tool(outputs=["n"])
async def quick(x):
    ran(f"quick {x}")
    return x

@graph_fn
async def careful(x):
    async with asyncio.timeout(30):
        await asyncio.sleep(0.001)
        found = await quick(x)
    return {"n": found.n}

@graph_fn
async def outer():
    return (await careful(3)).n
"""
    )
    parent = lab.start("outer")
    parent.result(LIMIT_S)
    fork = parent.fork(at="careful")
    assert _end(fork) == {"result": 3}
    fired = [fact for fact in lab.facts(fork) if isinstance(fact, f.TimerFired)]
    assert len(fired) == 2 * len([fact for fact in lab.facts(parent) if isinstance(fact, f.TimerFired)])
    assert lab.took() == ["quick 3"] * 2


def test_32_what_shared_nodes_saved_is_the_forks_too(lab: Lab) -> None:
    lab.cell(
        """
@tool(outputs=["n"])
async def keep(x, *, context: NodeContext):
    await context.artifacts().save_text(f"it is {x}", name=f"{x}.txt")
    return x

@graph_fn
async def saving(*, context: NodeContext):
    await keep(1)
    await keep(2)
    return [one.name for one in await context.artifacts().list()]
"""
    )
    parent = lab.start("saving")
    assert _end(parent) == {"result": ["1.txt", "2.txt"]}
    fork = parent.fork(at="keep-2")
    assert _end(fork) == {"result": ["1.txt", "2.txt"]}
    assert [(one.name, one.run_id) for one in fork.artifacts] == [("1.txt", fork.run_id), ("2.txt", fork.run_id)]
    assert len(parent.artifacts) == 2


def test_32_what_does_not_fit_is_refused_before_there_is_a_fork(lab: Lab) -> None:
    lab.cell(CHAIN)
    parent = lab.start("study")
    parent.result(LIMIT_S)
    with pytest.raises(LookupError, match="no node 'fitt' in run study-.* there are: fit, load, score, tidy"):
        parent.fork(at="fitt")
    with pytest.raises(TypeError, match="fit has no input speed; its inputs are: data, rate"):
        parent.fork(at="fit", inputs={"speed": 1})
    with pytest.raises(ValueError, match="outputs of fit are model; got modell"):
        parent.fork(at="fit", outputs={"modell": []})
    with pytest.raises(ValueError, match="name it with at="):
        parent.fork(outputs={"score": 1})
    with pytest.raises(ValueError, match="exclude each other"):
        parent.fork(at="fit", inputs={"rate": 2}, outputs={"model": []})
    with pytest.raises(TypeError, match="there is no such input|unexpected|its inputs are"):
        parent.fork(inputs={"pathh": "b"})
    assert [info.run_id for info in lab.runtime.runs()] == [parent.run_id]


def test_32_a_fork_shows_where_it_comes_from(lab: Lab) -> None:
    lab.cell(CHAIN)
    parent = lab.start("study")
    parent.result(LIMIT_S)
    fork = parent.fork(at="fit", outputs={"model": [1]})
    fork.result(LIMIT_S)
    picture = fork.picture()
    assert (picture.parent, picture.forked_at) == (parent.run_id, "fit")
    assert {node.node_id: str(node.status) for node in picture.nodes.values()} == {
        "load": "reused", "fit": "reused", "score": "skipped", "score-2": "done", "tidy": "done",
    }  # fmt: skip
    assert lab.runtime.runs(name="study")[0].parent == parent.run_id
    assert [info.run_id for info in parent.children] == [fork.run_id]
    began = {span.node_id: span.began for span in fork.timeline()}
    assert began["load"] < began["score-2"]


def test_32_a_fork_is_made_from_stored_source_alone(lab: Lab) -> None:
    lab.cell(CHAIN)
    parent = lab.start("study")
    parent.result(LIMIT_S)
    left = {"ran": lab.cells["ran"]}  # cannot be stored
    lab.cells.names.clear()
    lab.took()
    lab.kill()
    fork = lab.runtime.fork(parent.run_id, at="fit", inputs={"rate": 4}, namespace=left)
    assert _end(fork) == {"score": 24}
    lab.kill()
    second = lab.runtime.fork(fork.run_id, at="fit", inputs={"rate": 5}, namespace=left)
    assert _end(second) == {"score": 30}
    assert _first(lab.took()) == ["fit", "score", "tidy"] * 2
