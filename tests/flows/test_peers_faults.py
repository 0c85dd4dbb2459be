"""Faults that were seen when the peers were run; each is a thing that must not happen here."""

from __future__ import annotations

import io
import logging
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from aethergraph import RunStatus, Runtime
from aethergraph.errors import (
    AlreadyAnswered,
    GraphBuildError,
    NodeFailed,
    NoOneToAsk,
    NotCacheable,
    RunExists,
    UnknownRun,
    UnknownWait,
    Untrusted,
)
from aethergraph.record import facts as f
from aethergraph.storage.disk import DiskStore
from aethergraph.storage.keyring import MAC_SIZE

from .lab import LIMIT_S, Lab

ORDER = """
@tool(outputs=["id"])
async def prepare():
    ran("prepare")
    return "id"

@tool(outputs=["ok"])
async def pay(how, *, context: NodeContext):
    ran(f"pay {how}")
    return True

@graph_fn
async def order(*, context: NodeContext):
    await prepare()
    how = await context.channel().ask_text("How do you pay?")
    await pay(how)
    return how
"""


# ---------------------------------------------------------------------- 1 answers


def test_1_of_two_answers_from_two_processes_one_counts_and_is_acted_on_once(lab: Lab, tmp_path: Path) -> None:
    lab.cell(ORDER)
    owner, others = _disk(tmp_path), [_disk(tmp_path) for _ in range(4)]
    try:
        agent = lab.cells["order"]
        run = owner.start(agent, {})
        token = lab.asked(run, "How do you pay?")
        line = threading.Barrier(len(others))

        def answer(number: int) -> str:
            line.wait(LIMIT_S)
            try:
                others[number].answer(token, f"card {number}")
            except AlreadyAnswered:
                return ""
            return f"card {number}"

        with ThreadPoolExecutor(len(others)) as pool:
            taken = [told for told in pool.map(answer, range(len(others))) if told]
        assert len(taken) == 1
        assert run.result(LIMIT_S) == {"result": taken[0]}
        assert lab.took() == ["prepare", f"pay {taken[0]}"]
    finally:
        for runtime in (owner, *others):
            runtime.close()


def _disk(tmp_path: Path) -> Runtime:
    return Runtime(DiskStore(tmp_path / "disk", durability="process"))


def test_1_an_unknown_id_is_an_error_and_runs_nothing(lab: Lab) -> None:
    lab.cell(ORDER)
    run = lab.start("order")
    token = lab.asked(run, "How do you pay?")
    with pytest.raises(UnknownWait, match="no question 'ask-nothing' in this store"):
        lab.runtime.answer("ask-nothing", "card")
    with pytest.raises(UnknownRun, match=f"no run '{run.run_id}x'; did you mean {run.run_id}"):
        lab.runtime.resume(run.run_id + "x")
    assert lab.took() == ["prepare"] and [wait.token for wait in run.waits] == [token]


def test_1_what_came_before_a_question_does_not_run_again_when_it_is_answered(lab: Lab) -> None:
    lab.cell(ORDER)
    run = lab.start("order")
    lab.answer(run, "How do you pay?", "card")
    run.result(LIMIT_S)
    assert lab.took() == ["prepare", "pay card"]
    run = lab.start("order")
    token = lab.asked(run, "How do you pay?")
    lab.kill()
    lab.runtime.answer(token, "cash")
    assert lab.resume(run).result(LIMIT_S) == {"result": "cash"}
    assert lab.took() == ["prepare", "pay cash"]


# ---------------------------------------------------------------------- 2 edits while it waits


def test_2_the_tool_that_waits_is_renamed_and_says_what_became_of_its_question(lab: Lab) -> None:
    text = """
@tool(outputs=["name"])
async def christen(*, context: NodeContext):
    return await context.channel().ask_text("What name?")

@graph_fn
async def agent():
    return (await christen()).name
"""
    lab.cell(text)
    run = lab.start("agent")
    old = lab.asked(run, "What name?")
    lab.kill()
    lab.cell(text.replace("christen", "baptise"))
    again = lab.resume(run)
    lab.until(again, lambda facts: any(isinstance(fact, f.WaitWithdrawn) for fact in facts))
    with pytest.raises(AlreadyAnswered, match="was already withdrawn; your answer was not used"):
        lab.runtime.answer(old, "Ada")
    assert [line for line in again.transcript() if "withdrawn, since the code that asked is gone" in line]
    lab.answer(again, "What name?", "Bob")
    assert again.result(LIMIT_S) == {"result": "Bob"}


def test_2_any_other_edit_while_it_waits_leaves_the_question_open_and_its_answer_is_read(lab: Lab) -> None:
    lab.cell(ORDER)
    run = lab.start("order")
    token = lab.asked(run, "How do you pay?")
    lab.kill()
    lab.cell(ORDER.replace("return how\n", "return how.upper()\n"))
    again = lab.resume(run)
    assert lab.asked(again, "How do you pay?") == token
    lab.runtime.answer(token, "card")
    assert again.result(LIMIT_S) == {"result": "CARD"}
    assert lab.took() == ["prepare", "pay card"]


# ---------------------------------------------------------------------- 3 many branches, many questions


BRANCHES = """
from aethergraph import graphify

@tool
async def step(name, after=None):
    ran(name)
    return name

@tool
async def ask(what, *, context: NodeContext):
    return f"{what} is {await context.channel().ask_text(f'What is {what}?')}"

@graphify
def static():
    a = step("a3", step("a2", step("a1")))
    b = step("b3", step("b2", ask("b1")))
    return {"a": a, "b": b}

@graph_fn
async def reactive():
    async def left():
        await step("a1")
        await step("a2")
        return (await step("a3")).result

    async def right():
        await ask("b1")
        await step("b2")
        return (await step("b3")).result

    a, b = await asyncio.gather(left(), right())
    return {"a": a, "b": b}

@graphify
def static_questions():
    return {"all": [ask("x"), ask("y"), ask("z")]}

@graph_fn
async def reactive_questions():
    return {"all": [out.result for out in await asyncio.gather(ask("x"), ask("y"), ask("z"))]}
"""


@pytest.mark.parametrize("agent", ["static", "reactive"])
def test_3_the_question_of_one_branch_holds_up_no_other(lab: Lab, agent: str) -> None:
    lab.cell(BRANCHES)
    run = lab.start(agent)
    token = lab.asked(run, "What is b1?")
    lab.until(run, lambda facts: sum(isinstance(fact, f.NodeDone) for fact in facts) == 3)
    assert lab.took() == ["a1", "a2", "a3"] and [wait.token for wait in run.waits] == [token]
    lab.runtime.answer(token, "late")
    assert run.result(LIMIT_S) == {"a": "a3", "b": "b3"}
    assert lab.took() == ["b2", "b3"]


@pytest.mark.parametrize("agent", ["static_questions", "reactive_questions"])
def test_3_questions_of_one_tool_that_are_open_at_once_get_each_its_own_answer(lab: Lab, agent: str) -> None:
    """Also after a kill between the answers, in whatever order they come."""
    lab.cell(BRANCHES)
    run = lab.start(agent)
    tokens = {what: lab.asked(run, f"What is {what}?") for what in "xyz"}
    assert len(set(tokens.values())) == 3
    lab.runtime.answer(tokens["y"], "2")
    lab.kill()
    lab.runtime.answer(tokens["z"], "3")
    again = lab.resume(run)
    assert lab.asked(again, "What is x?") == tokens["x"]
    lab.runtime.answer(tokens["x"], "1")
    assert again.result(LIMIT_S) == {"all": ["x is 1", "y is 2", "z is 3"]}


# ---------------------------------------------------------------------- 4 what cannot be stored or compared


def test_4_a_result_that_cannot_be_stored_is_named_with_node_key_and_type_and_the_run_goes_on(lab: Lab) -> None:
    lab.cell(
        """
@tool(outputs=["file", "n"])
async def opened():
    return {"file": open(os.devnull), "n": 1}

@graph_fn
async def agent():
    out = await opened()
    out.file.close()
    return out.n
"""
    )
    run = lab.start("agent")
    assert run.result(LIMIT_S) == {"result": 1}
    (done,) = [fact for fact in lab.facts(run) if isinstance(fact, f.NodeDone)]
    assert (
        f"output 'file' of node opened of run {run.run_id} of type _io.TextIOWrapper cannot be stored" in done.volatile
    )


def test_4_an_argument_that_cannot_be_compared_is_never_left_out_of_a_cache_key(lab: Lab) -> None:
    lab.cell(
        """
class Model:
    def __init__(self, weight):
        self.weight = weight

@tool(outputs=["n"], cache=True)
async def predict(model, x):
    return model.weight * x

@graph_fn
async def agent(weight):
    return (await predict(Model(weight), 2)).n
"""
    )
    for weight in (1, 10):
        with pytest.raises(NotCacheable, match=r"'model' \(Model\)"):
            lab.run("agent", weight=weight)


# ---------------------------------------------------------------------- 5 pickles


class _Planted:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (_Planted.where,)

    where = ""


def test_5_reading_a_store_runs_no_code_that_somebody_put_there(lab: Lab, tmp_path: Path) -> None:
    lab.cell("@graph_fn\nasync def agent():\n    return 1")
    run = lab.start("agent")
    run.result(LIMIT_S)
    _Planted.where = str(tmp_path / "it-ran")
    forged = _forged(pickle.dumps(_Planted()))
    end = f.RunDone(forged, 1.0)
    with lab.store.transact() as rows:
        rows.set(f"j:{run.run_id}:000000009", f.encode([end]))
    lab.kill()
    with pytest.raises(Untrusted):
        dict(lab.runtime.load(run.run_id).outputs)
    assert not (tmp_path / "it-ran").exists()


def _forged(data: bytes) -> bytes:
    """Outputs with a pickle whose signature is made up."""
    part = b"p" + msgspec.msgpack.encode(["a value", b"\0" * MAC_SIZE + data])
    return b"o" + msgspec.msgpack.encode({"result": part})


# ---------------------------------------------------------------------- 6 the first of its name


def test_6_a_retried_tool_with_a_bug_runs_as_often_as_it_says(lab: Lab) -> None:
    lab.cell(
        """
@tool(outputs=["n"], retries=3, backoff_s=0.001)
async def broken():
    ran("tried")
    raise ValueError("a bug")

@graph_fn
async def agent():
    return (await broken()).n
"""
    )
    run = lab.start("agent")
    with pytest.raises(ValueError, match="a bug"):
        run.result(LIMIT_S)
    assert lab.took() == ["tried"] * 4 and run.status is RunStatus.FAILED


CLOSURES = """
from aethergraph import graphify

def made(factor, home):
    if home == "loop":
        @tool(outputs=["n"])
        async def times(x):
            return factor * x
    else:
        @tool(outputs=["n"], runs_in=home)
        def times(x):
            return factor * x
    return times

@graph_fn
async def reactive(home):
    @tool
    async def ask(prompt, *, context):
        return home + await context.channel().ask_text(prompt)

    triple, fivefold = made(3, home), made(5, home)
    return {"n": (await fivefold((await triple(2)).n)).n, "asked": (await ask("go?")).result}

def graph_of(home):
    @tool
    async def ask(prompt, *, context):
        return home + await context.channel().ask_text(prompt)

    @graphify
    def static():
        return {"n": made(5, home)(made(3, home)(2)), "asked": ask("go?")}

    return static
"""


@pytest.mark.parametrize("home", ["loop", "thread", "process"])
@pytest.mark.parametrize("kind", ["reactive", "static"])
def test_6_a_tool_in_a_closure_does_not_hang_the_run_which_goes_on_after_a_kill(lab: Lab, kind: str, home: str) -> None:
    lab.cell(CLOSURES)
    agent = lab.cells["reactive"] if kind == "reactive" else lab.cells["graph_of"](home)
    run = lab.start(agent, **({"home": home} if kind == "reactive" else {}))
    lab.asked(run, "go?")
    lab.kill()
    again = lab.resume(run, agent)
    lab.answer(again, "go?", "!")
    assert again.result(LIMIT_S) == {"n": 30, "asked": f"{home}!"}


def test_6_the_exception_of_a_tool_arrives_as_it_was_raised(lab: Lab) -> None:
    lab.cell(
        """
class Refused(Exception):
    pass

@tool(outputs=["n"])
def fails():
    raise Refused("no such thing", 7)

@graph_fn
async def agent():
    return (await fails()).n
"""
    )
    with pytest.raises(Exception, match="no such thing") as caught:
        lab.run("agent")
    assert type(caught.value) is lab.cells["Refused"] and caught.value.args == ("no such thing", 7)


@pytest.mark.parametrize("home", ["loop", "thread", "process"])
def test_6_the_exception_of_a_failed_tool_is_never_lost_whoever_asks_for_it(lab: Lab, home: str) -> None:
    """Not at the run, not in what is read back, not beside another failure, and not as the failure of who needed it."""
    lab.cell("""
from aethergraph import graphify

class Refused(Exception):
    pass

def refuse(x):
    raise Refused("no such thing", x)

async def refuse_later(x):
    refuse(x)
""")
    lab.cells.names["HOME"] = home
    lab.cell("""
fails = tool(outputs=["n"], name="fails", runs_in=HOME)(refuse_later if HOME == "loop" else refuse)

@tool(outputs=["m"])
async def needs(n):
    return n

@graphify
def agent():
    first, second = fails(1), fails(2)
    return {"needed": needs(first.n), "second": second}
""")
    run = lab.start("agent")
    with pytest.raises(NodeFailed, match=r"node 'fails(-2)?' of run .* failed: Refused: .*no such thing") as caught:
        run.result(LIMIT_S)
    both = [caught.value.__cause__, *caught.value.__context__.exceptions]  # type: ignore[union-attr]
    assert {type(error) for error in both} == {lab.cells["Refused"]}
    assert sorted(error.args for error in both if error) == [("no such thing", 1), ("no such thing", 2)]
    lab.kill()
    told = lab.runtime.load(run.run_id)
    assert told.status is RunStatus.FAILED and "Refused: ('no such thing'" in str(told.error)
    assert [node.node_id for node in told.nodes] == ["fails", "fails-2"]


def test_6_a_handle_that_is_passed_as_an_input_gives_its_value(lab: Lab) -> None:
    """What holds one where no value would be put is refused: `test_static.py` and `test_call_rules.py`."""
    lab.cell("""
from aethergraph import graphify

@tool(outputs=["n"])
async def one(x):
    return x + 1

@graphify
def inner(x, many):
    return {"x": one(x), "many": many}

@graph_fn
async def child(x, many):
    return {"x": x, "many": many}

@graphify
def static(x):
    h = one(x)
    return {"inner": inner(h, [h, {"k": h.n}]).many, "child": child(x=h, many=(h,)).many, "x": inner(x=h, many=0).x}

@graph_fn
async def reactive(x):
    h = one(x)
    return {"inner": inner(h, [h, {"k": h.n}]).many, "child": child(x=h, many=(h,)).many, "x": inner(x=h, many=0).x}
""")
    expected = {"inner": [2, {"k": 2}], "child": (2,), "x": 3}
    assert lab.run("static", x=1) == expected
    assert lab.run("reactive", x=1) == expected


def test_6_an_input_reference_is_not_iterated_even_if_the_input_will_be_a_dict(lab: Lab) -> None:
    lab.cell("""
from aethergraph import graphify

@tool
async def one(x):
    return x

@graphify
def agent(rows):
    return [one(row) for row in rows]
""")
    with pytest.raises(GraphBuildError, match=r"ipykernel_0/\d+.py:10: <input rows> has no value .* be iterated"):
        lab.run("agent", rows={"a": 1, "b": 2})


def test_6_setup_runs_once_and_the_answer_to_its_token_counts_however_often_the_kernel_dies(lab: Lab) -> None:
    lab.cell("""
from aethergraph import DualStageTool, WaitSpec

@tool(outputs=["model"])
class Train(DualStageTool):
    async def setup(self, n, *, context):
        ran(f"setup {n}")
        return WaitSpec("the job")
    async def on_resume(self, payload, *, n, context):
        return {"model": [payload, n]}

@graph_fn
async def agent():
    return (await Train(4)).model
""")
    run = lab.start("agent")
    token = lab.asked(run, "the job")
    for _ in range(3):
        lab.kill()
        run = lab.resume(run)
        assert lab.asked(run, "the job") == token
    lab.kill()
    lab.runtime.answer(token, "svm")
    assert lab.resume(run).result(LIMIT_S) == {"result": ["svm", 4]}
    assert lab.took() == ["setup 4"]


def test_6_nobody_to_ask_is_an_error_and_no_wait_for_ever(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AETHERGRAPH_CHANNEL")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    lab.cell(ORDER)
    run = lab.start("order")
    with pytest.raises(NoOneToAsk, match="How do you pay"):
        run.result(LIMIT_S)
    assert [wait.prompt for wait in lab.runtime.waits()] == ["How do you pay?"]


def test_6_no_line_is_logged_or_printed_for_a_node(
    lab: Lab, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    lab.cell(ORDER)
    run = lab.start("order")
    lab.answer(run, "How do you pay?", "card")
    run.result(LIMIT_S)
    assert [record for record in caplog.records if record.name != "ran"] == []
    assert capfd.readouterr() == ("", "")


def test_6_the_same_run_id_with_other_inputs_is_refused(lab: Lab) -> None:
    lab.cell("@graph_fn\nasync def agent(x):\n    return x")
    assert lab.start("agent", run_id="mine", x=1).result(LIMIT_S) == {"result": 1}
    with pytest.raises(RunExists, match="run 'mine' exists already and has other inputs"):
        lab.start("agent", run_id="mine", x=2)
    assert lab.start("agent", run_id="mine", x=1).result(LIMIT_S) == {"result": 1}


def test_6_a_kill_repeats_no_finished_node_and_keeps_the_token_and_the_answer_to_it(lab: Lab) -> None:
    lab.cell(ORDER)
    run = lab.start("order")
    token = lab.asked(run, "How do you pay?")
    for _ in range(3):
        lab.kill()
        run = lab.resume(run)
        assert lab.asked(run, "How do you pay?") == token
    lab.kill()
    lab.runtime.answer(token, "card")
    assert lab.resume(run).result(LIMIT_S) == {"result": "card"}
    assert lab.took() == ["prepare", "pay card"]


def test_6_a_sync_tool_does_not_hold_up_the_loop(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.cell(
        """
@tool(outputs=["ok"])
def slow():
    while not flag("GO"):
        time.sleep(0.001)
    return True

@graph_fn
async def blocked():
    return (await slow()).ok

@graph_fn
async def quick():
    return 1
"""
    )
    run = lab.start("blocked")
    lab.until(run, lambda facts: any(isinstance(fact, f.NodeStarted) for fact in facts))
    assert lab.run("quick") == {"result": 1}
    monkeypatch.setenv("GO", "1")
    assert run.result(LIMIT_S) == {"result": True}
