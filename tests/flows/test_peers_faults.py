"""Faults that were seen when the peers were run; each is a thing that must not happen here."""

from __future__ import annotations

import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from aethergraph import RunStatus, Runtime
from aethergraph.errors import AlreadyAnswered, NotCacheable, RunExists, UnknownRun, UnknownWait, Untrusted
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


def test_6_a_tool_in_a_closure_works(lab: Lab) -> None:
    lab.cell(
        """
def made(factor):
    @tool(outputs=["n"])
    async def times(x):
        return factor * x
    return times

@graph_fn
async def agent():
    triple, fivefold = made(3), made(5)
    return (await fivefold((await triple(2)).n)).n
"""
    )
    assert lab.run("agent") == {"result": 30}


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
