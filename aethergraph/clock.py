"""Time for the engine, so that tests need not sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable


class Clock(Protocol):
    """Where wall-clock time comes from."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""


@runtime_checkable
class TellingClock(Clock, Protocol):
    """A clock that can be set, and tells those who wait for a time of it."""

    def when_set(self, call: Callable[[], None]) -> None:
        """Call after each time it was set, on any thread; as long as the object of the method `call` lives."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()
