"""Time, as a run sees it."""

from __future__ import annotations

import asyncio
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
        """Wait for `seconds`; a body that is replayed does not wait again."""
        if seconds < 0:
            raise ValueError(f"cannot sleep for {seconds:g} s")
        await asyncio.sleep(seconds)
