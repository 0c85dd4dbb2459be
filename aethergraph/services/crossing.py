"""A context's services for code on another loop: they run on the loop of their run, and are awaited on this one."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol

from .scope import Calls


class Crossing(Protocol):
    """The way from the loop of whoever awaits to the loop and place of a run."""

    def inside(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call something that does not wait, as code of the run."""

    async def over(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run `coroutine` as code of the run, on its loop; what it gives, once what it did is on disk."""


class Crossed:
    """A service as code on another loop sees it."""

    __slots__ = ("_calls", "_crossing", "_name", "_service")

    def __init__(self, service: Any, name: str, calls: Calls, crossing: Crossing) -> None:
        self._service, self._name, self._calls, self._crossing = service, name, calls, crossing

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._service, name)
        if not callable(value) or name.startswith("_"):
            return value
        full, calls, crossing = f"{self._name}.{name}", self._calls, self._crossing

        @functools.wraps(value)
        def call(*args: Any, **kwargs: Any) -> Any:
            result = crossing.inside(value, *args, **kwargs)
            if inspect.iscoroutine(result):
                calls.add(full, result, sys._getframe(1))
                return Hop(crossing, result)
            return _CrossedManager(result, full, calls, crossing) if hasattr(result, "__aenter__") else result

        return call

    def __dir__(self) -> list[str]:
        return dir(self._service)

    def __repr__(self) -> str:
        return repr(self._service)


class Hop(Coroutine[Any, Any, Any]):
    """One call on its way: awaited, or made a task, it crosses. What is never awaited never happened."""

    __slots__ = ("_crossing", "_going", "_inner")

    def __init__(self, crossing: Crossing, inner: Coroutine[Any, Any, Any]) -> None:
        self._crossing, self._inner = crossing, inner
        self._going: Generator[Any, Any, Any] | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._crossing.over(self._inner).__await__()

    def _go(self) -> Generator[Any, Any, Any]:
        if self._going is None:
            self._going = self.__await__()
        return self._going

    def send(self, value: Any) -> Any:
        """Go on."""
        return self._go().send(value)

    def throw(self, *error: Any) -> Any:
        """Raise at the await."""
        return self._go().throw(*error)

    def close(self) -> None:
        """Nobody awaits it any more."""
        if self._going is not None:
            self._going.close()


class _CrossedManager:
    """An async context manager that is entered and left on the loop of the run."""

    __slots__ = ("_calls", "_crossing", "_manager", "_name")

    def __init__(self, manager: Any, name: str, calls: Calls, crossing: Crossing) -> None:
        self._manager, self._name, self._calls, self._crossing = manager, name, calls, crossing

    async def __aenter__(self) -> Any:
        inner = await self._crossing.over(self._manager.__aenter__())
        return Crossed(inner, f"{self._name}()", self._calls, self._crossing)

    async def __aexit__(self, *error: Any) -> Any:
        return await self._crossing.over(self._manager.__aexit__(*error))
