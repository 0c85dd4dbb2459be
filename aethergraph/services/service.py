"""`Service`: an object of the user's own that nodes reach as `context.NAME()`, and that may outlive them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, ParamSpec, TypeVar

from ..engine import HERE, Desk

P = ParamSpec("P")
R = TypeVar("R")


class Service:
    """Base of services: `register_context_service("trainer", Trainer())`, then `context.trainer()` in nodes.

    One object serves all nodes. For a long job, let a dual-stage tool submit it with its `context.continuation_token`,
    and call `self.answer(token, payload)` when it is done: from any thread, even where the node's run was resumed by
    another process meanwhile. Nothing of a service survives a kill: what has to survive is the token and the payload.
    """

    _answer: Callable[[str, Any], None] | None = None
    _contexts: Callable[[Desk], Any] | None = None
    _lock: asyncio.Lock | None = None

    def bind(self, contexts: Callable[[Desk], Any], answer: Callable[[str, Any], None]) -> None:
        """What registering gives it: how a context is made, and how a wait is answered."""
        self._contexts, self._answer = contexts, answer

    async def start(self) -> None:
        """Called once, when it is registered, on the loop that runs the agents."""

    async def close(self) -> None:
        """Called when the process or its runtime ends, on that loop; runs are paused by then."""

    def ctx(self) -> Any:
        """The context of the node that calls.

        Raises:
            RuntimeError: no node does, or the service is not registered.
        """
        place = HERE.get()
        if place is None or self._contexts is None:
            raise RuntimeError(f"{type(self).__name__}.ctx() is for methods that a node calls by its context")
        return self._contexts(place.desk)

    @contextlib.asynccontextmanager
    async def critical(self) -> AsyncIterator[None]:
        """`async with self.critical():` one caller at a time."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            yield

    async def run_blocking(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call `fn` in a worker thread, so that it does not hold up the agents."""
        return await asyncio.to_thread(fn, *args, **kwargs)

    def answer(self, token: str, payload: Any) -> None:
        """Answer the wait of a node, from any thread; it is on disk when this returns.

        Raises:
            UnknownWait, AlreadyAnswered, BadAnswer: it was not taken; says why.
            RuntimeError: the service is not registered.
        """
        if self._answer is None:
            raise RuntimeError(f"{type(self).__name__} is not registered; register_context_service(name, service)")
        self._answer(token, payload)
