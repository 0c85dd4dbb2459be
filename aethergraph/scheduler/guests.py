"""Runs as guests on a loop that is not ours: `loop="kernel"`, for code that has to be where a kernel's own loop is.

The loop gets the hooks of `AetherLoop` by a change of its class, for as long as runs are on it. They look at the
context of each callback and leave alone what belongs to no run; nothing else of asyncio or of the kernel is changed.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..errors import NoLoop
from . import heart
from .loop import AetherLoop, OwnLoop
from .watchdog import WATCHDOG

T = TypeVar("T")
KERNEL = "kernel"  # how the option, and the fact that keeps it, name the loop that runs where a run is started


class GuestLoop:
    """A loop of somebody else with runs on it. Made, entered and left on its own thread."""

    own = False

    def __init__(self, loop: Any) -> None:
        self.loop: AetherLoop = loop
        self._thread = threading.get_ident()
        self._runs = 0
        self._heart: heart.Heart | None = None

    def enter(self) -> None:
        """A run begins on it."""
        if not self._runs:
            _hook(self.loop)
            _guests[self.loop] = self
            self._heart = heart.give(self.loop)
            if self._heart is not None:
                WATCHDOG.watch(self._heart)
                WATCHDOG.roused(self._heart)
        self._runs += 1

    def leave(self) -> None:
        """That run has ended; with the last one the loop is what it was."""
        self._runs -= 1
        if not self._runs:
            del _guests[self.loop]
            if self._heart is not None:
                WATCHDOG.forget(self._heart)
                heart.take(self._heart)
            _unhook(self.loop)

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on its thread."""
        return threading.get_ident() == self._thread

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run `coroutine` on the loop; from any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call soon on the loop; from any thread. At once where the loop has stopped and this was its thread."""
        if self.is_current and not self.loop.is_running():
            callback(*args)
            return
        with contextlib.suppress(RuntimeError):  # it was closed: what was on it has been cancelled
            self.loop.call_soon_threadsafe(callback, *args, context=self.loop.empty)


_guests: dict[AetherLoop, GuestLoop] = {}


def _hook(loop: Any) -> None:
    base = type(loop)
    if issubclass(base, AetherLoop):
        return
    try:
        loop.__class__ = type(base.__name__, (AetherLoop, base), {})
    except TypeError as error:
        kind = f"{base.__module__}.{base.__qualname__}"
        raise NoLoop(f"the loop that runs here is a {kind}, which is not one of asyncio's own") from error
    loop.empty = contextvars.Context()


def _unhook(loop: Any) -> None:
    hooked = type(loop)
    # Somebody who has patched the class meanwhile (nest_asyncio does) wants that to last: the hooks then stay.
    if "_nest_patched" not in vars(hooked):
        loop.__class__ = hooked.__bases__[1]


def here() -> GuestLoop:
    """The loop that runs in the caller's thread, as a place for runs.

    Raises:
        NoLoop: none runs, it is the one that runs are on anyway, or its class is not Python's (uvloop).
    """
    try:
        loop: Any = asyncio.get_running_loop()
    except RuntimeError:
        raise NoLoop("no loop is running here") from None
    if loop in _guests:
        return _guests[loop]
    if isinstance(loop, OwnLoop):
        raise NoLoop("this is the loop that runs have to themselves")
    _hook(loop)  # a loop that cannot take runs is told before anything of one is written
    _unhook(loop)
    return GuestLoop(loop)
