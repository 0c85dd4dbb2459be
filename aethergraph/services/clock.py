"""Time, as a run sees it."""

from __future__ import annotations

import math
import numbers
from typing import cast

from .scope import Scope


class RunClock:
    """`context.clock()`."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __repr__(self) -> str:
        return "<clock>"

    async def now(self) -> float:
        """Seconds since the epoch (UTC); recorded, so a replay reads the same."""
        return cast(float, await self._scope.desk.read("clock.now", {}, self._scope.clock.now))

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`, which count from now on whatever becomes of this process.

        In a body it is a durable wait: it survives a kill, and a run that only sleeps leaves memory. In a tool, which
        is done anew after a kill, it gives back the slots of its run and of the process meanwhile; that of its tool,
        where it has a cap, is kept.
        """
        if not isinstance(seconds, numbers.Real):
            raise TypeError(f"sleep takes a number of seconds, got {seconds!r}")
        if type(seconds) not in (int, float):
            seconds = float(seconds)  # what is a number to numpy is none to the store
        if not 0 <= seconds < math.inf:
            raise ValueError(f"cannot sleep for {seconds:g} s")
        await self._scope.desk.sleep(seconds)
