"""A body that is given up while it waits is collected some day, in whatever code runs then: that stays where it is."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from aethergraph import NodeContext, Runtime, graph_fn, tool
from aethergraph.record import facts as f
from aethergraph.scheduler.slots import Seat
from aethergraph.storage import journal
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.store import MemoryStore

from .lab import LIMIT_S, Lab

ended: list[str] = []


@tool
async def double(x: int) -> int:
    return 2 * x


@tool
async def resting(*, context: NodeContext) -> None:
    try:
        await context.clock().sleep(3600)
    except BaseException as error:
        ended.append(f"resting {type(error).__name__}")  # nothing is awaited on the way out
        raise


@graph_fn
async def collecting() -> Any:
    first = (await double(1)).result
    gc.collect()
    return [first, (await double(2)).result, asyncio.get_running_loop().time() > 0]


def given_up(folder: Path) -> tuple[weakref.ref[Any], MemoryStore, str]:
    """A run that waits, of a runtime and a loop that nobody has any more: its coroutine, store and id."""

    @graph_fn
    async def inner() -> Any:
        double(1)  # nobody awaits it: it is the scope's
        resting()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("inner")

    @graph_fn
    async def outer() -> Any:
        try:
            return await inner()
        finally:
            ended.append("outer")

    store = MemoryStore(folder, DiskBlobs(folder / "blobs"))
    runtime, loop = Runtime(store), asyncio.new_event_loop()

    there = {"double": "done", "resting": "running"}

    async def begin() -> Any:
        run = runtime.start(outer, {}, loop="kernel")
        while {node.callee: node.status for node in run.nodes if node.callee != "inner"} != there:
            await asyncio.sleep(0)
        return run

    run = loop.run_until_complete(begin())
    coroutine = run.execution.task.get_coro()
    run.execution.task._log_destroy_pending = False
    runtime.inbox.close()  # its threads, and that of the journal, would keep it
    runtime.journal.close()
    loop.close()
    return weakref.ref(coroutine), store, run.run_id


def test_collecting_a_body_leaves_the_one_that_runs_in_its_place(lab: Lab, tmp_path: Path) -> None:
    gc.disable()  # it happens where the test says so
    try:
        body, store, run_id = given_up(tmp_path / "given up")
        before = [fact for batch in journal.read(store, run_id) for fact in batch]
        ended.clear()
        assert body() is not None
        run = lab.start(collecting)
        assert run.result(20) == {"result": [2, 4, True]}
        assert body() is None and sorted(ended) == ["inner", "outer", "resting GeneratorExit"], (
            "it was collected in the other body"
        )
    finally:
        gc.enable()
    assert [node.callee for node in run.nodes] == ["double", "double"]
    assert not isinstance(before[-1], f.RunPaused)
    assert [fact for batch in journal.read(store, run_id) for fact in batch] == before


HANGING = """
@tool
async def hangs():
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await asyncio.sleep(0)  # which Python does not allow while a coroutine is closed

@graph_fn
async def agent():
    await hangs()
"""


def test_a_tool_that_awaits_while_it_is_collected_has_not_failed(lab: Lab) -> None:
    lab.cell(HANGING)
    run = lab.start("agent")
    lab.until(run, lambda facts: any(isinstance(fact, f.NodeStarted) for fact in facts))
    (handle,) = run.execution.live  # type: ignore[union-attr]
    swept = threading.Event()
    leave = Seat.leave

    def leaving(seat: Seat) -> None:
        assert threading.current_thread() is not threading.main_thread()
        leave(seat)
        swept.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Seat, "leave", leaving)
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            handle.task.get_coro().close()
        assert swept.wait(LIMIT_S)
    assert [node.status for node in run.nodes] == ["running"]
    handle.task._log_destroy_pending = False
