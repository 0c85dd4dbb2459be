"""Running tools: when their calls start, attempts with retries, and what an attempt leaves behind.

An attempt that runs holds slots (see `slots`), one that waits (for a question, a child, or its next attempt) does not:
slots limit, threads do not. What does not run on the loop is in `outside`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from ..engine import HERE
from ..errors import NoOneToAsk, OurBug, SlotCycle
from ..record import facts as f
from ..record.failures import describe, mark
from ..values.shapes import shape
from .calls import CallHandle
from .desks import AttemptDesk
from .mutation import changed, content
from .outside import Outside, Result
from .places import LOOP, THREAD, AttemptPlace
from .retries import RetryPolicy
from .slots import Limit, Seat

if TYPE_CHECKING:
    from ..authoring.tooling import Tool
    from .execution import Execution

LAZY_START_S = 0.05  # a pure tool that runs for longer is shown as running


class Attempts:
    """The attempts of one run."""

    def __init__(self, run: Execution, cap: int) -> None:
        self._run = run
        self._slots = run.runtime.slots
        self._own = Limit(cap)
        self.limits = (self._own, self._slots.process)
        self._outside = Outside(run)
        self._pausing = 0  # attempts that failed, and will be made again in a while
        self._waiting: set[Seat] = set()  # calls that stand in line for slots
        self._places: set[AttemptPlace] = set()  # attempts that run outside of the loop
        self._on_turn = self._turn  # one for all who stand in line
        self._watch: asyncio.TimerHandle | None = None  # looks for pure tools that take long

    @property
    def threads(self) -> int:
        """How many worker threads have not ended."""
        return self._outside.threads

    @property
    def in_line(self) -> list[CallHandle]:
        """The calls that wait for slots."""
        return [seat.call for seat in self._waiting]

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
        if self._own.used < self._own.cap and seat.take():
            self._begin(seat)
            return
        self._waiting.add(seat)
        try:
            seat.queue(self._on_turn)
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
        run, tool, known = self._run, handle.target, handle.node
        if self._waiting:
            self._waiting.discard(seat)
        if run.strict is not None:
            run.strict.arguments(handle)
        run.live.add(handle)
        first = 1 if known is None or not known.tried else known.tried + 1  # those before failed before a kill
        place = AttemptPlace(handle, first, tool.runs_in == THREAD, self._desk)
        handle.context.run(HERE.set, place)
        work = self._attempts(handle, place, seat)
        handle.task = asyncio.Task(work, loop=run.loop, name=handle.node_id, context=handle.context)
        if tool.pure and self._watch is None:
            self._watch = run.loop.raw_at(run.loop.raw_time() + LAZY_START_S, self._show_running, set())

    # ------------------------------------------------------------------ attempts

    async def _attempts(self, handle: CallHandle, place: AttemptPlace, seat: Seat) -> None:
        run, tool = self._run, handle.target
        started, dropped = run.clock(), False
        try:
            first = place.attempt
            if first > 1:
                await self._pause(seat, max(0.0, handle.node.retry_at - started) if handle.node is not None else 0.0)
                started = run.clock()
            for attempt in itertools.count(first):
                if attempt > first:
                    place = AttemptPlace(handle, attempt, tool.runs_in == THREAD, self._desk)
                    HERE.set(place)
                try:
                    if tool.runs_in != LOOP:
                        outputs, packed, volatile = await self._out_of_loop(handle, place)
                    elif handle.flat and tool.is_async and tool.timeout_s is None and not tool.context_name:
                        try:  # as `_in_loop` does it, without a coroutine in between
                            value = await tool.fn(*handle.args, **handle.kwargs)
                        finally:
                            if place.used:
                                run.runtime.attempt_ended(place)
                        outputs, packed, volatile = shape(value, tool.outputs, tool.name), None, ""
                    else:
                        outputs, packed, volatile = await self._in_loop(handle, place)
                except Exception as error:
                    if _is_given_up(handle):  # it awaited in a `finally`, which Python tells as an error of its own
                        dropped = True
                        raise
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
        except GeneratorExit:
            dropped = True  # it was given up, and is collected: nobody waits any more
            raise
        except BaseException as error:
            if dropped:
                raise
            handle.pass_on(error)
        finally:
            run.live.discard(handle)
            job = place.job
            if job is not None and not job.done():
                # A thread that cannot be stopped outlives its run: what it uses is not free before it ends.
                job.add_done_callback(seat.left, context=self._run.loop.empty)
            elif dropped:
                seat.drop(run.loop)
            else:
                seat.leave()

    async def _pause(self, seat: Seat, seconds: float) -> None:
        self._pausing += 1
        try:
            async with seat.away():
                await asyncio.sleep(seconds)
        finally:
            self._pausing -= 1

    def _desk(self, place: AttemptPlace) -> AttemptDesk:
        handle = place.handle
        # A pure tool that uses its context becomes a node now, or is shown to run again.
        if handle.target.pure and not (handle.redo or handle.begun):
            if self._run.host.is_current:
                self._run.dispatch.node_started(handle)
            else:
                self._run.host.submit(self._started(handle)).result()
        return AttemptDesk(self._run, place)

    async def _started(self, handle: CallHandle) -> None:
        if not handle.begun:
            self._run.dispatch.node_started(handle)

    async def _out_of_loop(self, handle: CallHandle, place: AttemptPlace) -> Result:
        self._places.add(place)
        try:
            return await self._outside.run(handle, place)
        finally:
            if not self._run.closed:
                self._places.discard(place)

    async def _in_loop(self, handle: CallHandle, place: AttemptPlace) -> Result:
        tool = handle.target
        before = None if handle.flat else content(handle)
        context, kwargs = self._outside.given(handle, place)
        call = tool.fn(*handle.args, **kwargs)
        try:
            if not tool.is_async:
                value = call
            else:
                value = await call if tool.timeout_s is None else await self._within(call, tool)
        finally:
            if place.used:
                self._run.runtime.attempt_ended(place)
        if context is not None:
            context.close()
        return shape(value, tool.outputs, tool.name), None, "" if before is None else changed(handle, before)

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
            outputs, packed, volatile = self._outside.here(handle, place)
        except Exception as error:  # noqa: BLE001 (the tool is the user's)
            run.delivery.failed(handle, error, started=started, in_place=True)
        else:
            run.delivery.done(handle, outputs, packed=packed, volatile=volatile, started=started, in_place=True)
        finally:
            place.closed = "its attempt has ended"
            seat.leave()
            HERE.reset(token)

    # ------------------------------------------------------------------ retries

    def _again(self, handle: CallHandle, attempt: int, error: Exception) -> bool:
        if isinstance(error, NoOneToAsk) or self._run.closed:
            return False
        return self._policy(handle).again(attempt, error)

    def _policy(self, handle: CallHandle) -> RetryPolicy:
        """That of its tool, else that of the run."""
        own: RetryPolicy | None = handle.target.retry
        return own if own is not None else self._run.retry

    def _record_failure(self, handle: CallHandle, attempt: int, error: Exception) -> float:
        """Put the failed attempt on record; seconds until the next."""
        run = self._run
        if handle.node is None:
            run.dispatch.node_started(handle)
        policy = self._policy(handle)
        pause = policy.pause(attempt, handle.key)
        mark(error, handle.no, f"in node {handle.node_id} of run {run.run_id}")
        error_ = describe(error, run.codec.dump)
        run.fact(f.AttemptFailed(handle.no, attempt, error_, pause, run.clock(), policy.max_attempts))
        run.journal.nudge()
        return pause

    def close(self) -> None:
        """The run is over here: fence what still runs."""
        waiting, self._waiting = self._waiting, set()
        for seat in waiting:
            seat.leave()
        if self._watch is not None:
            self._watch.cancel()
        for place in list(self._places):
            place.fence(self._run.closed)


def _is_given_up(handle: CallHandle) -> bool:
    """Whether the coroutine that asks does not run in its task any more: it is being closed."""
    try:
        return asyncio.current_task() is not handle.task
    except RuntimeError:  # on a thread without a loop
        return True
