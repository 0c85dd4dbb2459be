"""The loop that runs agents: an asyncio loop in a thread of its own, which knows whose callback it runs.

It counts the callbacks of each run (`Pulse.ticks`), so that a run can tell when it is quiet: the queue of a loop is
first in, first out, so if the count has not moved since a callback was queued, nothing else of that run is ready.
Counting coroutine steps would fail at the first `gather`, and looking at the loop's own queue starves beside other
runs. It sends the timers and executor jobs of bodies through their run's mailbox, and gives each task of a body its
lineage.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import selectors
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from .engine import HERE

T = TypeVar("T")
_Base: type[asyncio.BaseEventLoop]
if sys.platform == "win32":  # subprocesses and pipes need it there
    _Base = asyncio.ProactorEventLoop
else:
    _Base = asyncio.SelectorEventLoop

POLL_EVERY = 16  # iterations of the loop; about 0.2 ms when it is busy


class Pulse:
    """How many callbacks of one run were scheduled so far."""

    __slots__ = ("ticks",)

    def __init__(self) -> None:
        self.ticks = 0


class Body(Protocol):
    """What the loop needs to know of the body whose code is running."""

    in_body: bool
    pulse: Pulse

    def now(self) -> float:
        """The frozen time of the run."""

    def timer(
        self, when: float, call: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context
    ) -> asyncio.TimerHandle:
        """Arrange for a timer that comes through the mailbox."""

    def foreign(self, job: asyncio.Future[Any]) -> asyncio.Future[Any]:
        """`job`, delivered through the mailbox."""

    def bare(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Future[Any] | None:
        """What stands for the task of a bare call, which runs no code of the user's; None for anything else."""

    def child(self, coroutine: Coroutine[Any, Any, Any]) -> Body:
        """The lineage of a new task."""

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """`task` belongs to this scope and ends with it."""


class _Selector(selectors.DefaultSelector):  # an alias that depends on the platform
    """Looks for I/O only now and then while callbacks are ready: each look is a system call that gives up the GIL."""

    _skipped = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Ready file objects; with nothing to wait for, `POLL_EVERY - 1` of `POLL_EVERY` calls do not look."""
        if timeout is not None and timeout <= 0:
            self._skipped += 1
            if self._skipped < POLL_EVERY:
                return []
        self._skipped = 0
        return super().select(timeout)


class AetherLoop(_Base):  # type: ignore[misc, valid-type]  # the base depends on the platform
    """The base loop of the platform, with the hooks described above."""

    def __init__(self) -> None:
        # For callbacks that belong to no run. One for each loop: a context is entered by one thread at a time.
        self.empty = contextvars.Context()
        if sys.platform == "win32":
            super().__init__()
        else:
            super().__init__(_Selector())

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Count and schedule."""
        place: Any = HERE.get() if context is None else context.get(HERE)
        if place is not None:
            place.pulse.ticks += 1
        return _call_soon(self, callback, *args, context=context)  # type: ignore[no-any-return]

    def time(self) -> float:
        """Frozen between deliveries inside a body, so that comparisons come out the same on replay."""
        place: Any = HERE.get()
        if place is None or not place.in_body:
            return _time(self)  # type: ignore[no-any-return]
        return place.now()  # type: ignore[no-any-return]

    def raw_time(self) -> float:
        """The real monotonic time."""
        return _time(self)  # type: ignore[no-any-return]

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule; the timers of a body are delivered by its mailbox."""
        place: Any = HERE.get() if context is None else context.get(HERE)
        if place is None or not place.in_body:
            return _call_at(self, when, callback, *args, context=context)  # type: ignore[no-any-return]
        return place.timer(when, callback, args, context or contextvars.copy_context())  # type: ignore[no-any-return]

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule after `delay` seconds."""
        place: Any = HERE.get() if context is None else context.get(HERE)
        if place is None or not place.in_body:
            return _call_at(self, _time(self) + delay, callback, *args, context=context)  # type: ignore[no-any-return]
        return place.timer(  # type: ignore[no-any-return]
            place.now() + delay, callback, args, context or contextvars.copy_context()
        )

    def raw_at(self, when: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """A timer that belongs to no run, at real time `when`."""
        return _call_at(self, when, callback, *args, context=self.empty)  # type: ignore[no-any-return]

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Give work to a pool; in a body the result comes through the mailbox."""
        job = _run_in_executor(self, executor, func, *args)
        place: Any = HERE.get()
        if place is None or not place.in_body:
            return job  # type: ignore[no-any-return]
        return place.foreign(job)  # type: ignore[no-any-return]


_call_soon: Any = _Base.call_soon
_call_at: Any = _Base.call_at
_time: Any = _Base.time
_run_in_executor: Any = _Base.run_in_executor


def _task(loop: Any, coroutine: Any, *, context: contextvars.Context | None = None, **options: Any) -> Any:
    place: Any = HERE.get()
    if place is None or not place.in_body:
        return asyncio.Task(coroutine, loop=loop, context=context, **options)
    bare = place.bare(coroutine)
    if bare is not None:
        return bare
    child = place.child(coroutine)
    if context is None:
        context = contextvars.copy_context()
    context.run(HERE.set, child)
    task = asyncio.Task(coroutine, loop=loop, context=context, **options)
    place.adopt(task)
    return task


class LoopThread:
    """One `AetherLoop` in one daemon thread, started when first needed."""

    def __init__(self, name: str = "aether-loop") -> None:
        self.loop = AetherLoop()
        self.loop.set_task_factory(_task)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while True:
            try:
                self.loop.run_forever()
                return
            except (SystemExit, KeyboardInterrupt):
                # asyncio lets these through a task to whoever runs the loop, after telling the task's waiters:
                # one agent's `sys.exit()` must not end the others.
                continue

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on this loop's thread."""
        return threading.current_thread() is self._thread

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run `coroutine` on the loop; from any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call soon on the loop; from any thread."""
        self.loop.call_soon_threadsafe(callback, *args, context=self.loop.empty)

    def stop(self) -> None:
        """End the thread; what is pending on the loop is dropped."""
        if self._thread.is_alive() and not self.is_current:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
        if not self.loop.is_running():
            self.loop.close()
