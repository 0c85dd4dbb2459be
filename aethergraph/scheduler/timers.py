"""Timers and executor jobs of bodies: they are delivered by the mailbox, so on replay they come where they came."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..record import facts as f
from .places import BodyPlace

if TYPE_CHECKING:
    from .execution import Execution


class BodyTimer(asyncio.TimerHandle):
    """A timer of a body; the real one behind it is armed only where there is no record."""

    real: asyncio.TimerHandle | None = None
    owner: Timers | None = None

    def cancel(self) -> None:
        """Disarm."""
        if self.real is not None and self.owner is not None:
            self.real.cancel()
            self.real = None
            self.owner.pending -= 1
        super().cancel()


class Timers:
    """The pending timers and jobs of one run."""

    def __init__(self, run: Execution) -> None:
        self._run = run
        self.pending = 0  # a run with pending timers or jobs does not only wait for people
        self.jobs = 0  # given to executors so far: a replay does them again

    def timer(
        self,
        place: BodyPlace,
        when: float,
        call: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context,
    ) -> asyncio.TimerHandle:
        """Arrange for `call(*args)` at frozen time `when`; on replay at its recorded place, without waiting."""
        run = self._run
        key = place.identity("timer", b"")
        handle = BodyTimer(when, call, args, run.loop, context)

        def deliver(position: int) -> None:
            run.advance(position)
            if not handle.cancelled():
                run.loop.call_soon(call, *args, context=context)

        if key in run.flow.positions:
            run.mailbox.claim(key, deliver)
            return handle

        def due() -> None:
            self.pending -= 1
            handle.real = None
            if not run.closed:
                run.mailbox.push(run.fact(f.TimerFired(key, place.no, place.path, run.at)), deliver)

        self.pending += 1
        handle.owner, handle.real = self, run.loop.raw_at(when, due)
        return handle

    def foreign(self, place: BodyPlace, job: asyncio.Future[Any]) -> asyncio.Future[Any]:
        """The outcome of `job`: it runs again on replay, but arrives at its recorded place, which is held for it."""
        run = self._run
        key = place.identity("executor", b"")
        result: asyncio.Future[Any] = run.loop.create_future()
        recorded = key in run.flow.positions
        if recorded:
            run.mailbox.hold(key)

        def deliver(position: int) -> None:
            run.advance(position)
            _copy(job, result)

        def finished(_: asyncio.Future[Any]) -> None:
            self.pending -= 1
            if run.closed:
                return
            if recorded:
                run.mailbox.claim(key, deliver)
                run.mailbox.release(key)
            else:
                run.mailbox.push(run.fact(f.TimerFired(key, place.no, place.path, run.at)), deliver)

        self.pending += 1
        self.jobs += 1
        job.add_done_callback(finished, context=run.loop.empty)
        result.add_done_callback(lambda done: done.cancelled() and job.cancel(), context=run.loop.empty)
        return result


def _copy(source: asyncio.Future[Any], target: asyncio.Future[Any]) -> None:
    if target.done():
        return
    if source.cancelled():
        target.cancel()
        return
    error = source.exception()
    if error is not None:
        target.set_exception(error)
    else:
        target.set_result(source.result())
