"""`FakeClock`: time that passes when a test says so."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable


class FakeClock:
    """A clock that stands still until it is told to go on. Seconds since the epoch."""

    def __init__(self, start: float = 1_000_000_000.0) -> None:
        self._now = start
        self._lock = threading.Lock()
        self._told: list[weakref.WeakMethod[Callable[[], None]]] = []

    def now(self) -> float:
        """The time it stands at."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        if seconds < 0:
            raise ValueError(f"time does not go back: advance({seconds:g})")
        with self._lock:
            self._now += seconds
            told = [call for one in self._told if (call := one()) is not None]
        for call in told:
            call()

    def when_set(self, call: Callable[[], None]) -> None:
        """Call after each `advance`, as long as the object whose method it is lives."""
        with self._lock:
            self._told.append(weakref.WeakMethod(call))
