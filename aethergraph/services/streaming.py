"""A message that grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .progress import Bar
from .scope import clean, never_waits

if TYPE_CHECKING:
    from .sending import Sending

TAIL = 80  # characters of a growing message that views show


class Stream:
    """A message that is said piece by piece, and recorded once, when it is whole. Views show its end as it grows."""

    def __init__(self, channel: Sending, key: str | None, bar: Bar) -> None:
        self._channel, self._key, self._bar = channel, key, bar
        self._pieces: list[str] = []
        self._ended = False

    @property
    def text(self) -> str:
        """All that was said so far."""
        return "".join(self._pieces)

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        if kind is None:
            await self.end()
        elif not self._ended:
            self._bar.end()

    @never_waits
    async def delta(self, text: str) -> None:
        """Say the next piece."""
        if not isinstance(text, str):
            raise TypeError(f"delta takes a text, got {type(text).__name__}: write delta(str(...))")
        if self._ended:
            raise ValueError("this stream has ended; open a new one with channel.stream()")
        self._pieces.append(text)
        self._bar.now += len(text)
        self._bar.sub = clean((self._bar.sub + text)[-TAIL:])
        self._bar.show()

    async def end(self) -> None:
        """The message is whole: send it. Leaving the block does this too."""
        if not self._ended:
            self._ended = True
            self._bar.end()
            if self._pieces:
                await self._channel.send_text(self.text, channel=self._key)
