"""Ends, slots and owners: semantics 18, 28 and 29."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from typing import Any

import pytest

from aethergraph import RunStatus, graph_fn, run, start, tool
from aethergraph.errors import RunCancelled, RunPaused, RunSuspended, WouldBlock
from aethergraph.record import facts as f
from aethergraph.scheduler.loop import LoopThread
from aethergraph.scheduler.places import AttemptPlace
from aethergraph.storage import waiting

from .lab import LIMIT_S, Lab

# ---------------------------------------------------------------------- 18 cancelling


def test_18_cancelling_is_final(lab: Lab) -> None:
    lab.cell("""
@tool
async def waits():
    await asyncio.Event().wait()

@graph_fn
async def agent(*, context):
    waits()
    await context.channel().ask_text("?")
""")
    started = lab.start("agent")
    token = lab.asked(started, "?")
    started.cancel("Ada")
    with pytest.raises(RunCancelled):
        started.result(LIMIT_S)
    assert started.status is RunStatus.CANCELLED
    assert not lab.runtime.waits() and waiting.read(lab.runtime.store, token) is not None
    for _ in range(2):
        with pytest.raises(RunCancelled, match="start a new run"):
            lab.resume(started)
        lab.kill()


def test_18_a_run_that_no_process_has_can_be_cancelled_too(lab: Lab) -> None:
    lab.cell("@graph_fn\nasync def agent(*, context):\n    await context.channel().ask_text('?')")
    started = lab.start("agent")
    lab.asked(started, "?")
    lab.kill()
    lab.runtime.load(started.run_id).cancel()
    assert lab.runtime.load(started.run_id).status is RunStatus.CANCELLED
    assert not lab.runtime.waits()


def test_18_a_pause_lets_go_of_a_run_which_goes_on_later(lab: Lab) -> None:
    lab.cell("@graph_fn\nasync def agent(*, context):\n    return await context.channel().ask_text('?')")
    started = lab.start("agent")
    token = lab.asked(started, "?")
    started.pause()
    with pytest.raises(RunPaused, match=f"resume.*{started.run_id}"):
        started.result(LIMIT_S)
    assert started.status is RunStatus.PAUSED and [wait.token for wait in lab.runtime.waits()] == [token]
    again = lab.resume(started)
    lab.answer(again, "?", "yes")
    assert again.result(LIMIT_S) == {"result": "yes"}


STILL = """
@tool
async def slow():
    ran("slow")
    await asyncio.Event().wait()

@graph_fn
async def agent(*, context):
    try:
        async with asyncio.timeout(0.005):
            await slow()
    except TimeoutError:
        pass
    return await context.channel().ask_text("?")
"""


def test_18_a_call_that_the_body_cancelled_never_runs_on_replay(lab: Lab) -> None:
    lab.cell(STILL)
    started = lab.start("agent")
    token = lab.asked(started, "?")
    assert lab.took() == ["slow"]
    lab.kill()
    again = lab.resume(started)
    lab.runtime.answer(token, "yes")
    assert again.result(LIMIT_S) == {"result": "yes"}
    assert lab.took() == []


def test_18_a_call_that_an_edited_body_does_not_cancel_runs(lab: Lab) -> None:
    lab.cell(STILL)
    started = lab.start("agent")
    lab.asked(started, "?")
    lab.kill()
    lab.took()
    lab.cell("""
@tool
async def slow():
    ran("slow")
    return "it ended"

@graph_fn
async def agent(*, context):
    return (await slow()).result
""")
    assert lab.resume(started).result(LIMIT_S) == {"result": "it ended"}
    assert lab.took() == ["slow"]


# ---------------------------------------------------------------------- 28 sync bridges


@graph_fn
async def quick() -> int:
    return 1


@graph_fn
async def blocks() -> Any:
    return run(quick)


def test_28_a_blocking_call_on_the_loop_says_what_to_write(lab: Lab) -> None:
    with pytest.raises(WouldBlock, match=r"await quick\(\.\.\.\)"):
        lab.run(blocks)


_cut = threading.Event()


@tool
def is_cut_off() -> str:
    try:
        _cut.set()
        return f"it gave {start(quick).result()}"
    except RunSuspended as error:
        return str(error)


@graph_fn
async def cuts_off() -> Any:
    return (await is_cut_off()).result


def test_28_a_blocking_call_that_is_cut_off_before_it_began_leaves_nothing_unawaited(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that is fenced between the turn that makes the task and its first step: from 3.12 on no line of it
    runs."""
    gone, submit = threading.Event(), LoopThread.submit

    def late(host: LoopThread, coroutine: Any) -> Any:
        if _cut.is_set():
            host.loop.call_soon_threadsafe(gone.wait, LIMIT_S)
        return submit(host, coroutine)

    def fenced(place: AttemptPlace, job: Any) -> Any:
        place.handle.run.loop.call_soon_threadsafe(job.cancel)
        gone.set()
        return job

    monkeypatch.setattr(LoopThread, "submit", late)
    monkeypatch.setattr(AttemptPlace, "blocks", fenced)
    _cut.clear()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert "takes no more calls" in lab.run(cuts_off)["result"]
        gc.collect()
    assert [str(one.message) for one in told] == []


@tool
def talks(*, context: Any) -> Any:
    context.channel("inbox").send_text("hello")
    return context.channel().ask_text("Name?")


@graph_fn
async def asks_in_a_thread() -> Any:
    return (await talks()).result


def test_28_the_context_of_a_sync_tool_blocks(lab: Lab) -> None:
    started = lab.start(asks_in_a_thread)
    lab.answer(started, "Name?", "Ada")
    assert started.result(LIMIT_S) == {"result": "Ada"}
    assert [fact.name for fact in lab.facts(started) if isinstance(fact, f.Effect)] == ["send_text"]


# ---------------------------------------------------------------------- 29 caps

together = threading.Barrier(3, timeout=LIMIT_S)


@tool(mutates=())
def meets(x: int) -> int:
    together.wait()
    return x


@graph_fn
async def meeting() -> Any:
    return [out.result for out in await asyncio.gather(*[meets(i) for i in range(3)])]


def test_29_sync_tools_run_in_threads_beside_each_other(lab: Lab) -> None:
    assert dict(lab.start(meeting, cap=3).result(LIMIT_S)) == {"result": [0, 1, 2]}


CAPPED = """
@tool
async def step(x, *, context):
    ran("in")
    for _ in range(5):
        await asyncio.sleep(0)
    ran("out")

@graph_fn
async def inner(x):
    await step(x)

@graph_fn
async def fan():
    await asyncio.gather(*[step(i) for i in range(20)], *[inner(i) for i in range(5)])

@tool
def thread_step(x):
    ran("in")
    ran("out")

@graph_fn
async def thread_fan():
    await asyncio.gather(*[thread_step(i) for i in range(20)])

@tool
def asks(x, *, context):
    return context.channel().ask_text(f"question {x}?")

@graph_fn
async def waiting():
    answers, _, _ = await asyncio.gather(asks(1), asks(2), step(3))
    return answers.result
"""


@pytest.mark.parametrize("agent", ["fan", "thread_fan"])
@pytest.mark.parametrize("cap", [1, 3])
def test_29_no_more_tools_run_at_once_than_the_cap_allows(lab: Lab, agent: str, cap: int) -> None:
    lab.cell(CAPPED)
    lab.start(agent, cap=cap).result(LIMIT_S)
    told, inside, most = lab.took(), 0, 0
    for what in told:
        inside += 1 if what == "in" else -1
        most = max(most, inside)
    assert len(told) == (50 if agent == "fan" else 40) and most <= cap
    if agent == "fan":
        assert most == cap


def test_29_who_waits_for_a_person_gives_its_slot_up(lab: Lab) -> None:
    lab.cell(CAPPED)
    started = lab.start("waiting", cap=1)
    lab.asked(started, "question 1?")
    lab.asked(started, "question 2?")
    lab.until(started, lambda facts: any(isinstance(fact, f.NodeDone) for fact in facts))
    assert lab.took() == ["in", "out"]
    lab.answer(started, "question 2?", "two")
    lab.answer(started, "question 1?", "one")
    assert started.result(LIMIT_S) == {"result": "one"}
