"""Running tools: attempts with retries, the threads of sync tools, and what an attempt leaves behind.

An attempt that runs holds slots (see `slots`), one that waits (for a question, a child, or its next attempt) does not.
Sync tools run in worker threads. Slots limit, threads do not: a thread that is blocked in the engine gives its slots
back.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import random
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from . import codec as values
from . import contents
from . import facts as f
from .calls import CallHandle
from .desks import AttemptDesk
from .engine import HERE
from .errors import NoOneToAsk, OurBug, SlotCycle
from .failures import describe, mark
from .places import AttemptPlace
from .shapes import shape
from .slots import Limit, Seat

if TYPE_CHECKING:
    from .context import NodeContext
    from .execution import Execution
    from .tooling import Tool

_T = TypeVar("_T")
_Result = tuple[dict[str, Any], values.Packed | None, str]  # outputs, as they are stored, why they are volatile

LAZY_START_S = 0.05  # a pure tool that runs for longer is shown as running

# Threads are made on demand and kept; slots, not threads, limit what runs.
_threads = concurrent.futures.ThreadPoolExecutor(max_workers=4096, thread_name_prefix="aether-tool")


class Attempts:
    """The attempts of one run."""

    def __init__(self, run: Execution, cap: int) -> None:
        self._run = run
        self._slots = run.runtime.slots
        self._own = Limit(cap)
        self.limits = (self._own, self._slots.process)
        self.threads = 0  # worker threads that have not ended
        self._pausing = 0  # attempts that failed, and will be made again in a while
        self._waiting: set[Seat] = set()  # calls that stand in line for slots
        self._blocked: set[concurrent.futures.Future[Any]] = set()  # what worker threads wait for
        self._watch: asyncio.TimerHandle | None = None  # looks for pure tools that take long

    @property
    def busy(self) -> bool:
        """Whether any attempt runs or is about to."""
        return bool(self._own.used or self._waiting or self._pausing)

    # ------------------------------------------------------------------ starting

    def enqueue(self, handle: CallHandle) -> None:
        """Start `handle` now, or when it has its slots."""
        if handle.future.done() or self._run.closed:
            return
        target = handle.target
        tool = None if target.max_concurrency is None else self._slots.of(target)
        limits = handle.place.limits
        seat = handle.seat = Seat(self._run, handle, limits, tool)
        if seat.take():
            self._begin(seat)
            return
        self._waiting.add(seat)
        try:
            seat.queue(self._turn)
        except SlotCycle as error:
            self._waiting.discard(seat)
            self._run.delivery.failed(handle, error)

    def refuse_deadlocked(self) -> None:
        """Somebody began to wait for a run: calls that can now never have a slot of their tool fail."""
        for seat in self._slots.deadlocked():
            tool = seat.tool
            if tool is not None:
                error = SlotCycle(seat.name, tool.name, tool.cap, [holder.name for holder in tool.holders])
                run = seat.call.run
                if run.host.is_current:
                    run.attempts.refuse(seat, error)
                else:
                    run.host.call(run.attempts.refuse, seat, error)

    def refuse(self, seat: Seat, error: SlotCycle) -> None:
        """A call of this run cannot be started."""
        if seat in self._waiting:
            self._waiting.discard(seat)
            seat.leave()
            self._run.delivery.failed(seat.call, error)

    def forget(self, handle: CallHandle) -> None:
        """Its body does not want it any more: it leaves the line."""
        if handle.seat in self._waiting:
            self._waiting.discard(handle.seat)
            handle.seat.leave()

    def _turn(self, seat: Seat) -> None:
        """Somebody gave slots back, in whatever run and on whatever loop."""
        if self._run.host.is_current:
            self._begin(seat)
        else:
            self._run.host.call(self._begin_late, seat)

    def _begin_late(self, seat: Seat) -> None:
        if seat in self._waiting and not self._run.closed:
            self._begin(seat)
        else:
            seat.leave()

    def _begin(self, seat: Seat) -> None:
        handle: CallHandle = seat.call
        if self._waiting:
            self._waiting.discard(seat)
        if self._run.strict is not None:
            self._run.strict.arguments(handle)
        self._run.live.add(handle)
        tool = handle.target
        place = AttemptPlace(handle, 1, not tool.is_async, self._desk)
        handle.context.run(HERE.set, place)
        work = self._attempts(handle, place, seat)
        handle.task = asyncio.Task(work, loop=self._run.loop, context=handle.context)
        if tool.pure and self._watch is None:
            self._watch = self._run.loop.raw_at(self._run.loop.raw_time() + LAZY_START_S, self._show_running, set())

    # ------------------------------------------------------------------ attempts

    async def _attempts(self, handle: CallHandle, place: AttemptPlace, seat: Seat) -> None:
        run, tool = self._run, handle.target
        started = run.clock()
        try:
            for attempt in itertools.count(1):
                if attempt > 1:
                    place = AttemptPlace(handle, attempt, not tool.is_async, self._desk)
                    HERE.set(place)
                try:
                    if tool.is_async:
                        outputs, packed, volatile = await self._in_loop(handle, place)
                    else:
                        outputs, packed, volatile = await self._in_thread(handle, place)
                except Exception as error:  # noqa: BLE001 (the tool is the user's)
                    if not self._again(handle, attempt, error):
                        run.delivery.failed(handle, error, started=started, attempt=attempt)
                        return
                    pause = self._record_failure(handle, attempt, error)
                else:
                    run.delivery.done(
                        handle, outputs, packed=packed, volatile=volatile, started=started, attempt=attempt
                    )
                    return
                finally:
                    place.closed = "its attempt has ended"  # fences a context that outlived it
                await self._pause(seat, pause)
        except asyncio.CancelledError as error:
            if not handle.future.done() and not run.closed:
                run.delivery.failed(handle, error, started=started)
        except BaseException as error:  # noqa: BLE001 (an exit, or what could not be recorded: it goes to who waits)
            handle.pass_on(error)
        finally:
            run.live.discard(handle)
            job = place.job
            if job is None or job.done():
                seat.leave()
            else:  # a thread that cannot be stopped outlives its run: what it uses is not free before it ends
                job.add_done_callback(seat.left, context=self._run.loop.empty)

    async def _pause(self, seat: Seat, seconds: float) -> None:
        self._pausing += 1
        try:
            async with seat.away():
                await asyncio.sleep(seconds)
        finally:
            self._pausing -= 1

    def _desk(self, place: AttemptPlace) -> AttemptDesk:
        if place.handle.node is None:  # a pure tool that uses its context becomes a node now
            if self._run.host.is_current:
                self._run.dispatch.node_started(place.handle)
            else:
                self._run.host.submit(self._started(place.handle)).result()
        return AttemptDesk(self._run, place)

    async def _started(self, handle: CallHandle) -> None:
        if handle.node is None:
            self._run.dispatch.node_started(handle)

    async def _in_loop(self, handle: CallHandle, place: AttemptPlace) -> _Result:
        tool = handle.target
        before = None if handle.flat else self._content(handle)
        context, kwargs = self._context(handle, place)
        call = tool.fn(*handle.args, **kwargs)
        try:
            value = await call if tool.timeout_s is None else await self._within(call, tool)
        finally:
            if place.used:
                self._run.runtime.attempt_ended(place)
        if context is not None:
            context.close()
        return shape(value, tool.outputs, tool.name), None, "" if before is None else self._changed(handle, before)

    async def _within(self, call: Awaitable[Any], tool: Tool) -> Any:
        limit = asyncio.timeout(tool.timeout_s)
        try:
            async with limit:
                return await call
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TimeoutError(f"{tool.name} took longer than {tool.timeout_s:g} s") from error

    def _show_running(self, before: set[CallHandle]) -> None:
        """Pure tools that ran already when this looked last become nodes that can be seen."""
        run = self._run
        live = {handle for handle in run.live if handle.target.kind == f.TOOL and handle.target.pure}
        for handle in live & before:
            if handle.node is None and not handle.future.done() and not run.closed:
                run.dispatch.node_started(handle)
                run.journal.nudge()
        again = live and not run.closed
        due = run.loop.raw_time() + LAZY_START_S
        self._watch = run.loop.raw_at(due, self._show_running, live) if again else None

    async def _in_thread(self, handle: CallHandle, place: AttemptPlace) -> _Result:
        run, tool = self._run, handle.target
        self.threads += 1
        context = handle.context.copy()
        job = place.job = run.loop.run_in_executor(_threads, context.run, self._sync, handle, place)
        job.add_done_callback(self._thread_ended, context=run.loop.empty)
        # A thread cannot be stopped: fence it, and hold the slot until it has really ended.
        try:
            done, _ = await asyncio.wait([job], timeout=tool.timeout_s)
        except asyncio.CancelledError:
            place.closed = "its call was cancelled"
            if not run.closed:
                await asyncio.wait([job])
            raise
        if done:
            return cast(_Result, job.result())
        place.closed = f"its attempt took longer than {tool.timeout_s:g} s"
        await asyncio.wait([job])
        raise TimeoutError(f"{tool.name} took longer than {tool.timeout_s:g} s")

    def blocked(self, job: concurrent.futures.Future[_T]) -> concurrent.futures.Future[_T]:
        """A worker thread is about to wait for `job`: it must not wait longer than the run is here."""
        self._blocked.add(job)
        job.add_done_callback(self._blocked.discard)
        if self._run.closed:
            job.cancel()
        return job

    def _thread_ended(self, job: asyncio.Future[Any]) -> None:
        self.threads -= 1
        if not job.cancelled():
            job.exception()  # asked for here, since an attempt that was cancelled does not

    def _sync(self, handle: CallHandle, place: AttemptPlace) -> _Result:
        """A sync tool on this thread, and the encoding of what it gave."""
        run, tool = self._run, handle.target
        HERE.set(place)
        before = self._content(handle)
        try:
            value = tool.fn(*handle.args, **self._context(handle, place)[1])
        except StopIteration as error:  # no future takes it, and in a coroutine Python does the same
            raise RuntimeError(f"{tool.name} raised StopIteration") from error
        finally:
            run.runtime.attempt_ended(place)
        outputs = shape(value, tool.outputs, tool.name)
        packed = run.codec.dump_outputs(outputs, f"node {handle.node_id} of run {run.run_id}")
        return outputs, packed, self._changed(handle, before)

    def _context(self, handle: CallHandle, place: AttemptPlace) -> tuple[NodeContext | None, dict[str, Any]]:
        """The context of an attempt that wants one, and the keywords to call its tool with."""
        name = handle.target.context_name
        if not name:
            return None, handle.kwargs
        context = self._run.runtime.make_context(place.desk)
        return context, {**handle.kwargs, name: context}

    def may_run_here(self, handle: CallHandle) -> bool:
        """Whether a slot of its tool is free."""
        limit = self._slots.of(handle.target)
        return limit is None or limit.used < limit.cap

    def run_here(self, handle: CallHandle) -> None:
        """Run a sync tool now, on this thread, because the body reads its output before awaiting it.

        That is the body's own work and takes no slot but the tool's, which is a promise to something outside.
        """
        run = self._run
        seat = Seat(run, handle, (), self._slots.of(handle.target))
        if not seat.take():
            raise OurBug(f"{handle.callee} was run in place without a slot of its tool")
        if run.strict is not None:
            run.strict.arguments(handle)
        started = run.clock()
        place = AttemptPlace(handle, 1, False, self._desk)
        token = HERE.set(place)
        try:
            outputs, packed, volatile = self._sync(handle, place)
        except Exception as error:  # noqa: BLE001 (the tool is the user's)
            run.delivery.failed(handle, error, started=started, in_place=True)
        else:
            run.delivery.done(handle, outputs, packed=packed, volatile=volatile, started=started, in_place=True)
        finally:
            place.closed = "its attempt has ended"
            seat.leave()
            HERE.reset(token)

    # ------------------------------------------------------------------ mutation

    def _content(self, handle: CallHandle) -> bytes | None:
        """The content of the arguments that the tool could change; None where there is nothing to compare."""
        if handle.flat or handle.target.mutates == () or _still(handle.args, handle.kwargs):
            return None
        return contents.content((handle.args, handle.kwargs))

    def _changed(self, handle: CallHandle, before: bytes | None) -> str:
        if before is None:
            return ""
        after = contents.content((handle.args, handle.kwargs))
        if after == before and before != contents.UNKNOWN:
            return ""
        if before == contents.UNKNOWN:
            return "it was given a value that cannot be compared, so it may have changed it"
        return "it changed one of its arguments"

    # ------------------------------------------------------------------ retries

    def _again(self, handle: CallHandle, attempt: int, error: Exception) -> bool:
        tool = handle.target
        if isinstance(error, NoOneToAsk) or self._run.closed:
            return False
        return attempt <= tool.retries and isinstance(error, tool.retry_on)

    def _record_failure(self, handle: CallHandle, attempt: int, error: Exception) -> float:
        """Put the failed attempt on record; seconds until the next."""
        run, tool = self._run, handle.target
        if handle.node is None:
            run.dispatch.node_started(handle)
        seeded = random.Random(handle.key + attempt.to_bytes(4, "big"))  # the same after a resume
        pause: float = min(tool.backoff_cap_s, tool.backoff_s * 2.0 ** min(attempt - 1, 60)) * (0.5 + seeded.random())
        mark(error, handle.no, f"in node {handle.node_id} of run {run.run_id}")
        run.fact(f.AttemptFailed(handle.no, attempt, describe(error, run.codec.dump), pause, run.clock()))
        run.journal.nudge()
        return pause

    def close(self) -> None:
        """The run is over here: fence what still runs."""
        waiting, self._waiting = self._waiting, set()
        for seat in waiting:
            seat.leave()
        if self._watch is not None:
            self._watch.cancel()
        for job in list(self._blocked):
            job.cancel()


def _still(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether nothing in the arguments can be changed."""
    return all(type(value) in _IMMUTABLE for value in args) and (
        not kwargs or all(type(value) in _IMMUTABLE for value in kwargs.values())
    )


_IMMUTABLE = frozenset({int, float, str, bytes, bool, type(None), complex, type, type(_still), frozenset, range})
