"""Progress bars: cosmetic notes, however many steps there are."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sized
from dataclasses import asdict
from typing import Any, Generic, TypeVar

from ..channels.adapter import Progress
from . import expecting
from .scope import Scope, clean, never_waits

EVERY_S = 0.1  # a note at most so often; the first and the last always

T = TypeVar("T")


class Bar:
    """One bar of one scope: `async with` or plain calls of `show`."""

    def __init__(self, scope: Scope, title: str, total: float, channel: str = "", *, drawn: bool = True) -> None:
        title = expecting.text(scope.desk, "progress", "title", title)
        total = expecting.number(scope.desk, "progress", "total", total)
        if total < 0:
            raise ValueError(f"the total of progress {title!r} is negative: {total:g}")
        self._scope, self._channel, self._drawn = scope, channel, drawn
        self.id = f"{clean(title)}-{scope.count('progress')}"
        self.title, self.total = clean(title), float(total)
        self.now, self.sub = 0.0, ""
        self._noted_at: float | None = None

    async def __aenter__(self) -> Bar:
        self.show(force=True)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self.end()

    @never_waits
    async def update(self, inc: float | None = None, *, current: float | None = None, subtitle: str = "") -> None:
        """Go on by `inc` (1 where neither is given), or to `current`; `subtitle` says what is being done.

        Raises:
            TypeError: both are given, or what is given is no number.
        """
        if inc is not None and current is not None:
            raise TypeError("give update() either inc= or current=, not both")
        desk, method = self._scope.desk, "progress().update"
        sub = clean(expecting.text(desk, method, "subtitle", subtitle))
        if current is not None:
            self.now = float(expecting.number(desk, method, "current", current))
        elif inc is not None:
            self.now += float(expecting.number(desk, method, "inc", inc))
        else:
            self.now += 0.0 if sub else 1.0
        self.sub = sub or self.sub
        self.show()

    def show(self, *, force: bool = False, end: bool = False) -> None:
        """Note the state, unless that was done a moment ago."""
        at = self._scope.clock.now()
        if not force and self._noted_at is not None and at - self._noted_at < EVERY_S:
            return
        self._noted_at = at
        state = Progress(self.id, self.title, self.now, self.total, self.sub, end)
        self._scope.desk.note("progress", asdict(state))
        draw = getattr(self._scope.bus.route(self._channel).adapter, "progress", None) if self._drawn else None
        if draw is not None:
            draw(state)

    def end(self) -> None:
        """The last state of the bar, as far as it came."""
        self.show(force=True, end=True)


class Steps(Generic[T]):
    """An iterable that shows how far it is: for `for` and `async for`."""

    def __init__(self, scope: Scope, items: Iterable[T] | AsyncIterable[T], title: str) -> None:
        if not isinstance(items, (Iterable, AsyncIterable)):
            raise TypeError(f"progress() goes over an iterable, got {type(items).__name__}")
        self._scope, self._items, self._title = scope, items, title

    def _bar(self) -> Bar:
        length = len(self._items) if isinstance(self._items, Sized) else 0
        bar = Bar(self._scope, self._title, length)
        bar.show(force=True)
        return bar

    def __iter__(self) -> Iterator[T]:
        if not isinstance(self._items, Iterable):
            raise TypeError("this progress() goes over an async iterable: write `async for`")
        bar = self._bar()
        try:
            for item in self._items:
                yield item
                bar.now += 1.0
                bar.show()
        finally:
            bar.end()

    async def __aiter__(self) -> AsyncIterator[T]:
        bar = self._bar()
        try:
            if isinstance(self._items, Iterable):
                for item in self._items:
                    yield item
                    bar.now += 1.0
                    bar.show()
            else:
                async for item in self._items:
                    yield item
                    bar.now += 1.0
                    bar.show()
        finally:
            bar.end()
