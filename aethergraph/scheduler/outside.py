"""Attempts that run outside of the loop: in a thread, in a worker process, or on a dask cluster.

A thread of ours stands for each of them. What it runs in a thread cannot be stopped: it is fenced, and keeps its slots
until it has really ended. A worker process is killed, and a task on a cluster is cancelled.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import sys
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..engine import HERE
from ..errors import RunSuspended
from ..storage import codec as values
from ..values.shapes import shape
from .calls import CallHandle
from .executors import cluster, processes
from .mutation import changed, content
from .places import DASK, PROCESS, AttemptPlace

if TYPE_CHECKING:
    from ..context import NodeContext
    from .execution import Execution

_T = TypeVar("_T")
Result = tuple[dict[str, Any], values.Packed | None, str]  # outputs, as they are stored, why they are volatile

STOPPING_S = 1.0  # a thread that goes on for longer after it was told to stop is told of
_log = logging.getLogger("aethergraph.outside")

# Threads are made on demand and kept; slots, not threads, limit what runs.
_threads = concurrent.futures.ThreadPoolExecutor(max_workers=4096, thread_name_prefix="aether-tool")


class Outside:
    """The attempts of one run that run outside of the loop."""

    def __init__(self, run: Execution) -> None:
        self._run = run
        self.threads = 0  # worker threads that have not ended

    async def run(self, handle: CallHandle, place: AttemptPlace) -> Result:
        """One attempt."""
        run, tool = self._run, handle.target
        self.threads += 1
        context = handle.context.copy()
        job = place.job = run.loop.run_in_executor(_threads, context.run, self.here, handle, place)
        job.add_done_callback(self._ended, context=run.loop.empty)
        try:
            done, _ = await asyncio.wait([job], timeout=tool.timeout_s)
        except asyncio.CancelledError:
            await self._stop(handle, place, job, "its call was cancelled")
            raise
        if done:
            return cast(Result, job.result())
        why = f"it took longer than {tool.timeout_s:g} s"
        await self._stop(handle, place, job, why)
        raise TimeoutError(f"{tool.name} took longer than {tool.timeout_s:g} s")

    async def _stop(self, handle: CallHandle, place: AttemptPlace, job: asyncio.Future[Any], why: str) -> None:
        """Stop it, or wait until it has ended."""
        place.fence(why)
        if not self._run.closed:
            done, _ = await asyncio.wait([job], timeout=STOPPING_S)
            if not done:
                self._tell(handle, place, why)
                await asyncio.wait([job])

    def _tell(self, handle: CallHandle, place: AttemptPlace, why: str) -> None:
        """A thread goes on though it was told to stop."""
        text = (
            f"{why}, but its thread still runs and cannot be stopped: its slots are not free before it ends. "
            f'With @tool(runs_in="process") it can be'
        )
        place.desk.note("log", {"level": "WARNING", "text": text})
        _log.warning("%s of run %s: %s", handle.node_id, self._run.run_id, text)

    def _ended(self, job: asyncio.Future[Any]) -> None:
        self.threads -= 1
        if not job.cancelled():
            job.exception()  # asked for here, since an attempt that was cancelled does not

    # ------------------------------------------------------------------ on the thread

    def here(self, handle: CallHandle, place: AttemptPlace) -> Result:
        """One attempt on this thread, and the encoding of what it gave."""
        run, tool = self._run, handle.target
        HERE.set(place)
        elsewhere = tool.runs_in in (PROCESS, DASK)
        before = None if elsewhere else content(handle)
        try:
            value = self._elsewhere(handle, place) if elsewhere else self._called(handle, place)
        except StopIteration as error:  # no future takes it, and in a coroutine Python does the same
            raise RuntimeError(f"{tool.name} raised StopIteration") from error
        finally:
            run.runtime.attempt_ended(place)
        outputs = shape(value, tool.outputs, tool.name)
        packed = run.codec.dump_outputs(outputs, f"node {handle.node_id} of run {run.run_id}")
        return outputs, packed, changed(handle, before)

    def _called(self, handle: CallHandle, place: AttemptPlace) -> Any:
        if place.closed:  # it was given up before a thread was there for it: then it never begins
            raise RunSuspended(self._run.run_id, place.closed)
        value = handle.target.fn(*handle.args, **self.given(handle, place)[1])
        return asyncio.run(value) if handle.target.is_async else value

    def _elsewhere(self, handle: CallHandle, place: AttemptPlace) -> Any:
        who = f"node {handle.node_id} of run {self._run.run_id}"
        fn, args, kwargs = handle.target.fn, handle.args, handle.kwargs
        if handle.target.runs_in == DASK:
            return cluster.call(fn, args, kwargs, who=who, stoppable=place.stops_by)
        call = processes.Call(fn, args, kwargs, who=who, told=_print)
        place.stops_by(call.stop)
        return processes.POOL.call(call)

    def given(self, handle: CallHandle, place: AttemptPlace) -> tuple[NodeContext | None, dict[str, Any]]:
        """The context of an attempt that wants one, and the keywords to call its tool with."""
        name = handle.target.context_name
        if not name:
            return None, handle.kwargs
        context = self._run.runtime.make_context(place.desk)
        return context, {**handle.kwargs, name: context}


def _print(text: str, err: bool) -> None:
    """What a worker process printed, printed where its node is known."""
    (sys.stderr if err else sys.stdout).write(text)
