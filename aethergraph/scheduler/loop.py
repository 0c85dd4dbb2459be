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
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar

from ..engine import HERE
from .heart import Heart

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


class _Selector(Heart, selectors.DefaultSelector):  # an alias that depends on the platform
    """Looks for I/O only now and then while callbacks are ready: each look is a system call that gives up the GIL."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Ready file objects; with nothing to wait for, `POLL_EVERY - 1` of `POLL_EVERY` calls do not look."""
        if timeout is not None and timeout <= 0:
            self.beats += 1
            return [] if self.beats % POLL_EVERY else self.plain(timeout)
        return super().select(timeout)  # type: ignore[no-any-return]


if sys.platform == "win32":

    class _Proactor(Heart, asyncio.IocpProactor):
        """What waits for I/O there."""


class AetherLoop(asyncio.BaseEventLoop):
    """The hooks described above, to be put before a loop of asyncio: `class X(AetherLoop, base)`.

    Code that is in no body finds the loop as `base` makes it.
    """

    # For callbacks that belong to no run. One for each loop: a context is entered by one thread at a time.
    empty: contextvars.Context
    # What `base` does: looked up once, since the way through `super()` takes as long as the hook itself.
    plain_call_soon: Any
    plain_call_at: Any
    plain_call_later: Any
    plain_time: Any
    plain_create_task: Any
    plain_run_in_executor: Any

    catches = False  # whether `given` is heeded
    # The future that is being given its result, and whom it would call soon, to be called by who gives it, a turn
    # earlier. What else is scheduled meanwhile comes from what the garbage collector finds just then.
    given: asyncio.Future[Any] | None = None
    caught: list[tuple[Callable[..., object], contextvars.Context]]

    def __init_subclass__(cls) -> None:
        if len(cls.__bases__) < 2:  # a class of a hooked one
            return
        base: Any = cls.__bases__[1]
        cls.plain_call_soon, cls.plain_call_at, cls.plain_call_later = base.call_soon, base.call_at, base.call_later
        cls.plain_time, cls.plain_create_task = base.time, base.create_task
        cls.plain_run_in_executor = base.run_in_executor

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Count and schedule."""
        place: Any = HERE.get() if context is None else context.get(HERE)
        if place is not None:
            place.pulse.ticks += 1
        return self.plain_call_soon(callback, *args, context=context)  # type: ignore[no-any-return]

    def again(self, callback: Callable[[], object]) -> Callable[[], object]:
        """What schedules `callback`, which belongs to no run, each time that it is called."""
        return partial(self.plain_call_soon, callback, context=self.empty)

    def run_now(
        self, callback: Callable[..., object], future: asyncio.Future[Any], context: contextvars.Context
    ) -> None:
        """What a turn of the loop does with a callback of `future`."""
        try:
            context.run(callback, future)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 (whatever it was, it is told as asyncio tells it)
            self.call_exception_handler(
                {"message": f"Exception in callback {callback!r}", "exception": error, "future": future}
            )

    def time(self) -> float:
        """Frozen between deliveries inside a body, so that comparisons come out the same on replay."""
        place: Any = HERE.get()
        if place is None or not place.in_body:
            return self.plain_time()  # type: ignore[no-any-return]
        return place.now()  # type: ignore[no-any-return]

    def raw_time(self) -> float:
        """The real monotonic time."""
        return self.plain_time()  # type: ignore[no-any-return]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule; the timers of a body are delivered by its mailbox."""
        place: Any = HERE.get() if context is None else context.get(HERE)
        if place is None or not place.in_body:
            return self.plain_call_at(when, callback, *args, context=context)  # type: ignore[no-any-return]
        return place.timer(when, callback, args, context or contextvars.copy_context())  # type: ignore[no-any-return]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule after `delay` seconds."""
        place: Any = HERE.get() if context is None else context.get(HERE)
        if place is None or not place.in_body:
            return self.plain_call_later(delay, callback, *args, context=context)  # type: ignore[no-any-return]
        return place.timer(  # type: ignore[no-any-return]
            place.now() + delay, callback, args, context or contextvars.copy_context()
        )

    def raw_at(self, when: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """A timer that belongs to no run, at real time `when`."""
        return self.plain_call_at(when, callback, *args, context=self.empty)  # type: ignore[no-any-return]

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Give work to a pool; in a body the result comes through the mailbox."""
        job = self.plain_run_in_executor(executor, func, *args)
        place: Any = HERE.get()
        if place is None or not place.in_body:
            return job  # type: ignore[no-any-return]
        return place.foreign(job)  # type: ignore[no-any-return]

    def create_task(self, coro: Any, **options: Any) -> Any:
        """Make a task; in a body it has a lineage, and belongs to its scope."""
        place: Any = HERE.get()
        if place is None or not place.in_body:
            return self.plain_create_task(coro, **options)
        bare = place.bare(coro)
        if bare is not None:
            if options.get("name") is not None:
                bare.set_name(options["name"])
            return bare
        child = place.child(coro)
        context = options.pop("context", None) or contextvars.copy_context()
        context.run(HERE.set, child)
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, context=context, **options)
        place.adopt(task)
        return task


class OwnLoop(AetherLoop, _Base):  # type: ignore[misc, valid-type]  # the base depends on the platform
    """The loop of the thread that runs agents."""

    catches = True

    def __init__(self) -> None:
        self.empty, self.caught = contextvars.Context(), []
        if sys.platform == "win32":
            self.heart: Heart = _Proactor()
        else:
            self.heart = _Selector()
        super().__init__(self.heart)
        self.plain_time = time.monotonic

    # What asyncio's own loops do, in one step instead of four: nothing is called as often.

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Count and schedule."""
        if self.given is not None and context is not None and args and args[0] is self.given:
            self.caught.append((callback, context))
            return None  # type: ignore[return-value]  # a future has no use for it
        if self._debug or self._closed:  # which is to be told of as asyncio tells it
            return super().call_soon(callback, *args, context=context)
        place: Any = HERE.get() if context is None else context.get(HERE)
        if place is not None:
            place.pulse.ticks += 1
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def again(self, callback: Callable[[], object]) -> Callable[[], object]:
        """What schedules `callback`, which belongs to no run, each time that it is called."""
        return partial(self._ready.append, asyncio.Handle(callback, (), self, self.empty))


def on_a_loop() -> bool:
    """Whether a loop runs in the caller's thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Host(Protocol):
    """A loop that runs are on, as other threads reach it."""

    loop: AetherLoop
    own: bool  # whether it is there for runs alone

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on its thread."""

    def enter(self) -> None:
        """A run begins on it; on its own thread."""

    def leave(self) -> None:
        """That run has ended; on its own thread."""

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run `coroutine` on the loop; from any other thread."""

    def call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call soon on the loop; from any thread."""


class LoopThread:
    """A loop in a daemon thread of its own, which is there for runs alone: where they run unless they say otherwise."""

    own = True

    def __init__(self, name: str = "aether-loop") -> None:
        own = OwnLoop()
        self.loop: AetherLoop = own
        self.heart: Heart = own.heart
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.heart.thread = threading.get_ident()
        asyncio.set_event_loop(self.loop)
        try:
            while True:
                try:
                    self.loop.run_forever()
                    return
                except (SystemExit, KeyboardInterrupt):
                    # asyncio lets these through a task to whoever runs the loop, after telling the task's waiters:
                    # one agent's `sys.exit()` must not end the others.
                    continue
        finally:
            self.heart.thread = None  # the number is given to another thread later

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on this loop's thread."""
        return threading.get_ident() == self.heart.thread

    def enter(self) -> None:
        """It is always there."""

    def leave(self) -> None:
        """It stays."""

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
