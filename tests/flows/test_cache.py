"""`@tool(cache=True)`: results are kept for other runs, and nothing is left out of their key. Semantics 6 and 11."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aethergraph import Run
from aethergraph.errors import NodeFailed, NotCacheable
from aethergraph.record import facts as f
from aethergraph.scheduler.caching import PREFIX

from .lab import LIMIT_S, Lab

SQUARE = """
@tool(outputs=["n"], cache=True)
async def square(x, plus=0):
    print("square")
    return x * x + plus

@graph_fn
async def agent(x=3, plus=0):
    return (await square(x, plus)).n
"""


def _cached(lab: Lab, run: Run) -> list[tuple[str, str]]:
    return [(fact.run_id, fact.node_id) for fact in lab.facts(run) if isinstance(fact, f.Cached)]


def _runs(lab: Lab, agent: str, **inputs: object) -> Run:
    run = lab.start(agent, **inputs)
    run.result(LIMIT_S)
    return run


def test_6_another_run_gets_what_the_first_one_made_and_says_from_where(lab: Lab) -> None:
    lab.cell(SQUARE)
    first, second = _runs(lab, "agent"), _runs(lab, "agent")
    assert first.outputs == second.outputs == {"result": 9}
    assert (_cached(lab, first), _cached(lab, second)) == ([], [(first.run_id, "square")])
    node = second.picture().nodes[1]
    assert str(node.status) == "reused" and node.why.startswith(f"the same as square of run {first.run_id}, which took")
    lab.kill()
    assert _cached(lab, _runs(lab, "agent")) == [(first.run_id, "square")]


@pytest.mark.parametrize("call", ["square(3, 0)", "square(x=3, plus=0)", "square(plus=0, x=3)", "square(3)"])
def test_6_how_arguments_are_passed_does_not_count(lab: Lab, call: str) -> None:
    lab.cell(SQUARE)
    first = _runs(lab, "agent")
    lab.cell(f"@graph_fn\nasync def other():\n    return (await {call}).n")
    assert _cached(lab, _runs(lab, "other")) == [(first.run_id, "square")]


@pytest.mark.parametrize("x", [3.0, True, "3", (3,), -3])
def test_6_types_of_arguments_count(lab: Lab, x: object) -> None:
    lab.cell(SQUARE.replace("x * x + plus", "[x]"))
    _runs(lab, "agent", x=1 if x is True else 3)
    assert _cached(lab, _runs(lab, "agent", x=x)) == []


def test_6_code_and_what_it_uses_count(lab: Lab) -> None:
    lab.cell("def helper(x):\n    return x * x")
    lab.cell(SQUARE.replace("x * x", "helper(x)"))
    first = _runs(lab, "agent")
    lab.cell("def helper(x):\n    # the same\n    return x * x")
    assert _cached(lab, _runs(lab, "agent")) == [(first.run_id, "square")]
    lab.cell("def helper(x):\n    return x * x * x")
    third = _runs(lab, "agent")
    assert _cached(lab, third) == [] and third.outputs == {"result": 27}


def test_6_files_that_arguments_name_count_by_size_and_time(lab: Lab, tmp_path: Path) -> None:
    lab.cell(
        """
@tool(outputs=["n"], cache=True)
def count(path):
    return os.path.getsize(path)

@graph_fn
async def agent(path):
    return (await count(path)).n
"""
    )
    file = tmp_path / "data.txt"
    file.write_text("abc")
    first = _runs(lab, "agent", path=str(file))
    assert _cached(lab, _runs(lab, "agent", path=str(file))) == [(first.run_id, "count")]
    file.write_text("abcd")
    third = _runs(lab, "agent", path=str(file))
    assert _cached(lab, third) == [] and third.outputs == {"result": 4}
    os.utime(file, ns=(1, 1))
    assert _cached(lab, _runs(lab, "agent", path=str(file))) == []


def test_6_a_file_that_the_result_names_must_be_as_it_was(lab: Lab, tmp_path: Path) -> None:
    lab.cell(
        """
@tool(outputs=["path"], cache=True)
def make(path):
    with open(path + "/made.txt", "w") as file:
        file.write("made")
    return path + "/made.txt"

@graph_fn
async def agent(path):
    return (await make(path)).path
"""
    )
    _runs(lab, "agent", path=str(tmp_path))
    (tmp_path / "made.txt").unlink()
    again = _runs(lab, "agent", path=str(tmp_path))
    assert _cached(lab, again) == [] and (tmp_path / "made.txt").read_text() == "made"


OPAQUE = """
class Loader:
    def __init__(self):
        self.handle = object()

@tool(outputs=["n"], cache=True)
async def use(a, loader):
    ran("used")
    return a

@graph_fn
async def agent():
    return (await use(1, Loader())).n
"""


def test_6_an_argument_that_cannot_be_compared_is_an_error_that_names_it(lab: Lab) -> None:
    lab.cell(OPAQUE.replace("    ran", "    pass; ran"))
    with pytest.raises(NotCacheable, match=r"use has cache=True, but the argument 'loader' \(Loader\) cannot be"):
        lab.run("agent")
    assert lab.took() == []


def test_6_a_global_that_cannot_be_compared_is_an_error_too(lab: Lab) -> None:
    lab.cell("model = object()")
    lab.cell(
        """
@tool(outputs=["n"], cache=True)
async def use(a):
    return (a, str(model))[0]

@graph_fn
async def agent():
    return (await use(1)).n
"""
    )
    with pytest.raises(NotCacheable, match=r"use has cache=True, but the global model \(object\) cannot be compared"):
        lab.run("agent")


def test_6_what_cannot_be_stored_or_changed_its_argument_is_not_kept_and_says_so(lab: Lab) -> None:
    lab.cell(
        """
@tool(outputs=["n"], cache=True)
def spoil(xs):
    xs.append(1)
    return len(xs)

@graph_fn
async def agent():
    return (await spoil([0])).n
"""
    )
    first, second = _runs(lab, "agent"), _runs(lab, "agent")
    assert first.outputs == second.outputs == {"result": 2}
    assert _cached(lab, second) == [] and not list(lab.store.scan(PREFIX))
    assert (
        "spoil: warning: its result is not kept for other runs: it changed one of its arguments" in first.transcript()
    )


def test_6_large_values_are_kept_and_looked_for_before_they_are_promised(lab: Lab) -> None:
    lab.cell(
        SQUARE.replace("x * x + plus", "[x] * 100_000").replace(
            "(await square(x, plus)).n", "len((await square(x, plus)).n)"
        )
    )
    first = _runs(lab, "agent")
    assert _cached(lab, _runs(lab, "agent")) == [(first.run_id, "square")]
    for blob in lab.store.blobs.folder.rglob("*"):  # type: ignore[attr-defined]
        if blob.is_file():
            blob.unlink()
    third = _runs(lab, "agent")
    assert _cached(lab, third) == [] and third.outputs == {"result": 100_000}


def test_6_maps_and_static_graphs_use_it_item_by_item(lab: Lab) -> None:
    lab.cell(
        SQUARE
        + """
from aethergraph import graphify

@graphify
def pipeline(xs):
    squares = square.map(xs)
    last = square(squares.n[0])
    return {"all": squares.n, "last": last.n}
"""
    )
    first = _runs(lab, "pipeline", xs=[2, 3])
    second = _runs(lab, "pipeline", xs=[2, 5, 3])
    assert second.outputs == {"all": [4, 25, 9], "last": 16}
    assert {run_id for run_id, _ in _cached(lab, second)} == {first.run_id} and len(_cached(lab, second)) == 3


def test_6_an_opaque_argument_of_a_static_node_names_the_node(lab: Lab) -> None:
    lab.cell(OPAQUE + "\nfrom aethergraph import graphify\n\n@graphify\ndef pipeline():\n    return use(1, Loader())\n")
    with pytest.raises(NodeFailed, match="NotCacheable: use has cache=True, but the argument 'loader'"):
        lab.run("pipeline")


def test_6_a_call_that_is_read_without_await_is_looked_up_too(lab: Lab) -> None:
    lab.cell(SQUARE.replace("async def square", "def square").replace("(await square(x, plus)).n", "square(x, plus).n"))
    first = _runs(lab, "agent")
    second = _runs(lab, "agent")
    assert _cached(lab, second) == [(first.run_id, "square")] and second.outputs == {"result": 9}


def test_6_of_two_runs_that_compute_the_same_the_first_commit_is_kept(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.cell(
        """
@tool(outputs=["n"], cache=True)
def slow(x):
    while not flag("GO"):
        time.sleep(0.001)
    return x

@graph_fn
async def agent(x=3):
    return (await slow(x)).n
"""
    )
    first, second = lab.start("agent"), lab.start("agent")
    for run in (first, second):  # neither waits for the other
        lab.until(run, lambda facts: any(isinstance(fact, f.NodeStarted) for fact in facts))
    monkeypatch.setenv("GO", "1")
    assert first.result(LIMIT_S) == second.result(LIMIT_S) == {"result": 3}
    assert _cached(lab, first) == _cached(lab, second) == []
    (third,) = _cached(lab, _runs(lab, "agent"))
    assert third[0] in (first.run_id, second.run_id) and len(list(lab.store.scan(PREFIX))) == 1


def test_6_a_fork_at_a_cached_node_runs_it(lab: Lab) -> None:
    lab.cell(SQUARE)
    _runs(lab, "agent")
    fork = _runs(lab, "agent").fork(at="square")
    assert fork.result(LIMIT_S) == {"result": 9}
    assert len(_cached(lab, fork)) == 1, "the one that it shares with its parent, and no other"


def test_11_a_tool_with_cache_does_not_run_again_because_of_what_it_follows(lab: Lab) -> None:
    lab.cell(
        SQUARE
        + """
@tool(outputs=["ok"])
async def before():
    return 1

@graph_fn
async def steps(*, context: NodeContext):
    await before()
    await square(7)
    await context.channel().ask_text("Go on?")
"""
    )
    run = lab.start("steps")
    lab.asked(run, "Go on?")
    lab.kill()
    lab.cell("@tool(outputs=['ok'])\nasync def before():\n    return 2")
    assert lab.verdicts(run)["square"] == "reused"
    again = lab.resume(run)
    lab.answer(again, "Go on?", "yes")
    again.result(LIMIT_S)
    executions = [fact.node_id for fact in lab.facts(run) if isinstance(fact, f.NodeStarted)]
    assert executions.count("square") == 1 and executions.count("before") == 2


def test_6_a_cached_result_keeps_nothing_out_of_the_store(lab: Lab) -> None:
    with pytest.raises(ValueError, match="cache=True keeps outputs in the store"):
        lab.cell("@tool(outputs=['n'], cache=True, store=False)\ndef f(x):\n    return x")


def test_a_hit_survives_a_kill_and_is_not_looked_up_again(lab: Lab) -> None:
    lab.cell(SQUARE + ASK)
    first = _runs(lab, "agent")
    run = lab.start("asking")
    lab.asked(run, "Go on?")
    lab.kill()
    with lab.store.transact() as rows:
        for key, _ in lab.store.scan(PREFIX):
            rows.delete(key)
    again = lab.resume(run)
    lab.answer(again, "Go on?", "yes")
    assert again.result(LIMIT_S) == {"result": 9}
    assert _cached(lab, run) == [(first.run_id, "square")]


ASK = """
@graph_fn
async def asking(*, context: NodeContext):
    n = (await square(3)).n
    await context.channel().ask_text("Go on?")
    return n
"""
