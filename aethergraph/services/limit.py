"""`async with context.timeout(5):` as a block whose error says what took too long."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Limit:
    """A limit of time for a block of an async body: `asyncio.timeout`, whose TimeoutError has a message.

    seconds: from the beginning of the block; None for no limit.
    whose: the node and run, for the message.
    """

    __slots__ = ("_timeout", "_whose", "seconds")

    def __init__(self, seconds: float | None, whose: str) -> None:
        self.seconds, self._whose = seconds, whose
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> asyncio.Timeout:
        return await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError as late:
            raise TimeoutError(self._told()) from late.__cause__

    def _told(self) -> str:
        if self.seconds is None:  # set later, by `reschedule`
            return f"a block of {self._whose} took longer than it may"
        return f"a block of {self._whose} took longer than {self.seconds:g} s: `context.timeout({self.seconds:g})`"

    def __repr__(self) -> str:
        return f"<limit of {self.seconds} s for a block of {self._whose}: write `async with`>"
