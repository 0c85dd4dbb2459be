"""`Service`: an object of the user's own that nodes reach as `context.NAME()`, and that may outlive them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from ..engine import HERE, Desk
from .critical import Critical

P = ParamSpec("P")
R = TypeVar("R")
_making = threading.Lock()  # of a lock that few services need, so one serves all


class Service:
    """Base of services: `register_context_service("trainer", Trainer())`, then `context.trainer()` in nodes.

    One object serves all nodes of all runs, on whatever loop or thread they are. In an async body or tool its async
    methods are awaited; in a sync tool they block. What it does is not recorded: in a tool, which is not run again once
    it is done, it happens once; in an agent's own body it happens again on each replay.

    For a long job, let a dual-stage tool submit it with its `context.continuation_token`,
    and call `self.answer(token, payload)` when it is done: from any thread, even where the node's run was resumed by
    another process meanwhile. Nothing of a service survives a kill: what has to survive is the token and the payload.
    """

    _answer: Callable[[str, Any], None] | None = None
    _contexts: Callable[[Desk], Any] | None = None
    _critical: Critical | None = None

    def bind(self, contexts: Callable[[Desk], Any], answer: Callable[[str, Any], None]) -> None:
        """What registering gives it: how a context is made, and how a wait is answered."""
        self._contexts, self._answer = contexts, answer

    async def start(self) -> None:
        """Called once, when it is registered, on the loop that runs the agents: before any node can reach it.

        What it raises comes out of the cell that registers it, which is then not registered.
        """

    async def close(self) -> None:
        """Called once, on that loop: when another is registered in its place, or the process or its runtime ends.

        In the latter case runs are paused by then. It may take five seconds; what it raises is logged.
        """

    def ctx(self) -> Any:
        """The context of the node that calls.

        Raises:
            RuntimeError: no node does, or the service is not registered.
        """
        place = HERE.get()
        if place is None or self._contexts is None:
            raise RuntimeError(f"{type(self).__name__}.ctx() is for methods that a node calls by its context")
        return self._contexts(place.desk)

    def critical(self) -> Critical:
        """`async with self.critical():` one caller at a time, of all runs of this process; in a thread, `with`.

        Who waits longest is next. It is not re-entrant.

        Raises:
            RuntimeError: whoever enters it holds it already.
            TypeError: `with` in an async body or tool, where it would hold up all runs.
        """
        with _making:
            if self._critical is None:
                self._critical = Critical(f"{type(self).__name__}.critical()")
            return self._critical

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
