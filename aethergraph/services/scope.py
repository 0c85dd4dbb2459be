"""What every service of a context is made from, and how its methods become fit for a body or for a sync tool."""

from __future__ import annotations

import functools
import hashlib
import inspect
import linecache
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec

from ..channels.bus import Bus
from ..clock import Clock
from ..engine import Desk
from ..errors import GraphBuildError
from ..storage.codec import Codec
from . import expecting

_stable = msgspec.msgpack.Encoder(order="deterministic").encode
_F = TypeVar("_F", bound=Callable[..., Any])


class Scope(msgspec.Struct):
    """One scope's engine, channels and time. Services keep nothing else, and nothing beyond the scope."""

    desk: Desk
    bus: Bus
    codec: Codec
    clock: Clock
    calls: Calls = msgspec.field(default_factory=lambda: Calls())
    written: dict[str, bytes] = {}  # rows of this scope's effects, for its own reads
    writing: set[str] = set()  # names of artifacts that are being written
    used: set[str] = set()  # contents of artifacts that were loaded
    tracks: dict[str, str] = {}  # what kind of thing each track that it plotted shows
    _counts: Counter[str] = msgspec.field(default_factory=Counter)

    def count(self, name: str) -> int:
        """How many calls of `name` this scope made before this one."""
        self._counts[name] += 1
        return self._counts[name] - 1

    def effect_id(self, name: str, args: Any) -> str:
        """A stable id for the next effect of this name and arguments (plain values) of the running task."""
        digest = hashlib.blake2b(_stable([name, args]), digest_size=16).hexdigest()
        own = self.desk.seed(digest).hex()  # tells tasks of one body apart, so that each counts for itself
        return hashlib.blake2b(f"{own}:{self.count(own)}".encode(), digest_size=16).hexdigest()


class _Made(msgspec.Struct):
    name: str
    coroutine: Coroutine[Any, Any, Any]
    file: str
    line: int


class Calls:
    """The coroutines that a body got from its services. One that never started is an effect that never happened."""

    __slots__ = ("_limit", "_made")

    def __init__(self) -> None:
        self._made: list[_Made] = []
        self._limit = 64

    def add(self, name: str, coroutine: Coroutine[Any, Any, Any], frame: Any) -> None:
        """Remember a coroutine that the code of `frame` was given."""
        if len(self._made) >= self._limit:
            self._made = self._unstarted()
            self._limit = max(64, 2 * len(self._made))
        self._made.append(_Made(name, coroutine, frame.f_code.co_filename, frame.f_lineno))

    def _unstarted(self) -> list[_Made]:
        return [made for made in self._made if inspect.getcoroutinestate(made.coroutine) == inspect.CORO_CREATED]

    def pending(self) -> list[str]:
        """The calls whose coroutine was made but never started."""
        return [made.name for made in self._unstarted()]

    def close(self) -> None:
        """At the end of the scope.

        Raises:
            GraphBuildError: calls that nobody awaited; names them and the line of the first.
        """
        left, self._made = self._unstarted(), []
        for made in left:
            made.coroutine.close()
        if not left:
            return
        names = ", ".join(f"`{name}(...)`" for name in dict.fromkeys(made.name for made in left))
        first = left[0]
        text = linecache.getline(first.file, first.line).strip()
        shown = f" (in `{text}`)" if text else ""
        raise GraphBuildError(
            f"{names} was called but never awaited, so it did not happen; write `await {first.name}(...)`{shown}",
            where=f"{first.file}:{first.line}",
        )


def clean(text: str) -> str:
    """`text`, with what has no form in UTF-8 (half of a surrogate pair) replaced, so that it can be written.

    Raises:
        TypeError: it is no text.
    """
    expecting.is_a_text(text, "what is written here")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def never_waits(method: _F) -> _F:
    """Mark an async method that never suspends and may run in any thread: a sync tool then calls it in place."""
    method.__never_waits__ = True  # type: ignore[attr-defined]
    return method


class Watched:
    """A service as an async body sees it: what it calls and forgets to await is known by the end of the scope."""

    __slots__ = ("_calls", "_name", "_service")

    def __init__(self, service: Any, name: str, calls: Calls) -> None:
        self._service, self._name, self._calls = service, name, calls

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._service, name)
        if not callable(value) or name.startswith("_"):
            return value
        full, calls = f"{self._name}.{name}", self._calls

        @functools.wraps(value)
        def call(*args: Any, **kwargs: Any) -> Any:
            result = value(*args, **kwargs)
            if inspect.iscoroutine(result):
                calls.add(full, result, sys._getframe(1))
                return result
            return _WatchedManager(result, full, calls) if _is_manager(result) else result

        return call

    def __dir__(self) -> list[str]:
        return dir(self._service)

    def __repr__(self) -> str:
        return repr(self._service)


class _WatchedManager:
    """An async context manager whose inner object is watched."""

    __slots__ = ("_calls", "_manager", "_name")

    def __init__(self, manager: Any, name: str, calls: Calls) -> None:
        self._manager, self._name, self._calls = manager, name, calls

    async def __aenter__(self) -> Any:
        return Watched(await self._manager.__aenter__(), f"{self._name}()", self._calls)

    async def __aexit__(self, *error: Any) -> Any:
        return await self._manager.__aexit__(*error)

    def __enter__(self) -> Any:
        raise TypeError(f"write `async with {self._name}(...)`: in an async body its block is async")

    def __exit__(self, *error: Any) -> None:
        """Never reached; `with` looks for it before it enters."""


class Blocking:
    """A service as a sync tool sees it: its async methods wait for their result, `async with` becomes `with`."""

    __slots__ = ("_desk", "_service")

    def __init__(self, service: Any, desk: Desk) -> None:
        self._service, self._desk = service, desk

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._service, name)
        if not callable(value) or name.startswith("_"):
            return value
        desk, in_place = self._desk, getattr(value, "__never_waits__", False)

        @functools.wraps(value)
        def call(*args: Any, **kwargs: Any) -> Any:
            result = value(*args, **kwargs)
            if inspect.isawaitable(result):
                return _finish(result) if in_place else desk.block(result)
            return _BlockingManager(result, desk) if _is_manager(result) else result

        return call

    def __dir__(self) -> list[str]:
        return dir(self._service)

    def __repr__(self) -> str:
        return repr(self._service)


class _BlockingManager:
    """`with` for an async context manager."""

    __slots__ = ("_desk", "_manager")

    def __init__(self, manager: Any, desk: Desk) -> None:
        self._manager, self._desk = manager, desk

    def __enter__(self) -> Any:
        return Blocking(self._desk.block(self._manager.__aenter__()), self._desk)

    def __exit__(self, *error: Any) -> Any:
        return self._desk.block(self._manager.__aexit__(*error))

    async def __aenter__(self) -> Any:
        raise TypeError("in a sync tool write `with`, not `async with`: its context blocks")

    async def __aexit__(self, *error: Any) -> None:
        """Never reached; `async with` looks for it before it enters."""


def _is_manager(value: Any) -> bool:
    return hasattr(value, "__aenter__") and hasattr(value, "__aexit__")


def _finish(coroutine: Any) -> Any:
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} is marked as never waiting, but it waited")
