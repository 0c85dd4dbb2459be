"""What a run says of itself in each status, to somebody who looks at it in a script."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import pytest

from aethergraph import NodeStatus, Run, RunStatus
from aethergraph.errors import RunCancelled, RunPaused
from aethergraph.record import facts as f

from .lab import LIMIT_S, Lab

CELL = """
@tool
async def work(x):
    if flag("BAD"):
        raise ValueError("no good")
    return x

@graph_fn
async def agent(*, context):
    await work(1)
    return {"name": await context.channel().ask_text("name?")}
"""


def _done(lab: Lab) -> Run:
    run = lab.start("agent")
    lab.answer(run, "name?", "Ada")
    run.result(LIMIT_S)
    return run


def _failed(lab: Lab) -> Run:
    run = lab.start("agent")
    with pytest.raises(ValueError, match="no good"):
        run.result(LIMIT_S)
    return run


def _waiting(lab: Lab) -> Run:
    run = lab.start("agent")
    lab.asked(run, "name?")
    lab.rests(run)
    return run


def _stopped(lab: Lab, stop: Callable[[Run], object], told: type[Exception]) -> Run:
    run = _waiting(lab)
    stop(run)
    with pytest.raises(told):
        run.result(LIMIT_S)
    return run


def _cancelled(lab: Lab) -> Run:
    return _stopped(lab, Run.cancel, RunCancelled)


def _paused(lab: Lab) -> Run:
    return _stopped(lab, Run.pause, RunPaused)


CASES: list[tuple[Callable[[Lab], Run], str, str, type[f.AnyFact] | None]] = [
    (_done, "done", ": done>", f.RunDone),
    (_failed, "failed", ": failed: ValueError: no good>", f.RunFailed),
    (_waiting, "waiting", ": waiting for an answer to 'name?'>", None),
    (_cancelled, "cancelled", ": cancelled>", f.RunCancelled),
    (_paused, "paused", ": paused, go on with resume('{run_id}')>", f.RunPaused),
]


@pytest.mark.parametrize(("made", "status", "shown", "last"), CASES, ids=[case[1] for case in CASES])
def test_a_run_tells_where_it_is_and_what_to_do_in_each_status(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, made: Callable[[Lab], Run], status: str, shown: str, last: Any
) -> None:
    if status == "failed":
        monkeypatch.setenv("BAD", "1")
    lab.cell(CELL)
    run = made(lab)
    assert run.status == status
    assert repr(run) == f"<run {run.run_id}{shown.format(run_id=run.run_id)}"
    assert dict(run.outputs) == ({"name": "Ada"} if status == "done" else {})
    assert (str(run.error) == "no good") if status == "failed" else run.error is None
    assert bool(run.why_in_memory) is (status == "waiting")
    assert [wait.prompt for wait in run.waits] == (["name?"] if status in ("waiting", "paused") else [])
    assert [span.callee for span in run.timeline()] == (["work"] if status == "failed" else ["work", "ask"])
    assert run.lineage("work")[0].inputs == {"x": "1"}
    if last is not None:
        assert isinstance(asyncio.run(_all(run))[-1], last)


async def _all(run: Run) -> list[Any]:
    return [fact async for fact in run.events()]


def test_who_waits_too_short_for_a_run_that_waits_is_told_for_what_and_what_to_type(lab: Lab) -> None:
    lab.cell(CELL)
    run = _waiting(lab)
    (wait,) = run.waits
    what = r"did not end within 0.01 s; it waits for an answer to 'name\?' \(node ask\)"
    told = rf"{what}: `aethergraph.answer\('{wait.token}', value\)`"
    with pytest.raises(TimeoutError, match=told):
        run.result(0.01)


def test_who_stopped_listening_to_a_run_is_not_called_at_its_end(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    """Its loop is closed by then."""
    lab.cell(CELL)
    run = _waiting(lab)

    async def first() -> Any:
        events = run.events()
        found = await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
        return found

    assert isinstance(asyncio.run(first()), f.RunStarted)
    with caplog.at_level(logging.ERROR):
        lab.answer(run, "name?", "Ada")
        assert run.result(LIMIT_S) == {"name": "Ada"} and run.status is RunStatus.DONE
        lab.runtime.close()  # every callback of its end has run
    assert not caplog.records


CUT_OFF = """
@tool
async def long():
    os.environ["LONG_RUNS"] = "1"
    await asyncio.Event().wait()

@tool
async def other(fails):
    while not flag("LONG_RUNS"):
        await asyncio.sleep(0)
    if fails:
        raise ValueError("no good")

@graph_fn
async def deepest():
    await long()

@graph_fn
async def deeper():
    await deepest()

@graph_fn
async def deep():
    await deeper()

@graph_fn
async def race(fails):
    both = [asyncio.ensure_future(call) for call in (deep(), other(fails))]
    done, late = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    for call in late:
        call.cancel()
    return [call.result() for call in done]
"""
INNER = ["deep", "deeper", "deepest", "long"]


@pytest.mark.parametrize("fails", [False, True])
def test_no_node_runs_once_its_run_has_ended(lab: Lab, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """A cancellation goes down a level with each turn of the loop, and the body may have ended by then."""
    monkeypatch.setenv("LONG_RUNS", "")
    monkeypatch.delenv("LONG_RUNS")
    lab.cell(CUT_OFF)
    run = lab.start("race", fails=fails)
    with pytest.raises(ValueError, match="no good") if fails else contextlib.nullcontext():
        run.result(LIMIT_S)
    assert {node.node_id: node.status for node in run.nodes} == {
        **dict.fromkeys(INNER, NodeStatus.CANCELLED),
        "other": NodeStatus.FAILED if fails else NodeStatus.DONE,
    }
    assert {span.node_id: span.status for span in run.timeline()} == {n.node_id: n.status for n in run.nodes}


def test_nodes_of_a_paused_run_are_to_be_done_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONG_RUNS", "")
    lab.cell(CUT_OFF)
    run = lab.start("deep")
    lab.until(run, lambda facts: len([fact for fact in facts if isinstance(fact, f.NodeStarted)]) == 3)
    run.pause()
    with pytest.raises(RunPaused):
        run.result(LIMIT_S)
    assert {node.node_id: node.status for node in run.nodes} == dict.fromkeys(INNER[1:], NodeStatus.READY)
    assert {span.status for span in run.timeline()} == {NodeStatus.READY}
