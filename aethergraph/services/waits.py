"""Waiting for what no person is asked: an answer from another system, a signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..record import schema
from ..record.schema import Question
from .scope import Scope, clean


@dataclass(frozen=True, slots=True)
class Continuation:
    """The address of a wait: whoever has `token` can answer it, with `aethergraph.answer(token, payload)`."""

    token: str
    run_id: str
    node_id: str


class Waits:
    """`context.wait_event`, `context.create_continuation` and `context.wait_for_resume`."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def wait_event(self, name: str, *, timeout_s: float | None = None, default: Any = ...) -> Any:
        """The payload of the next signal `name` that this run has not had yet. See `NodeContext.wait_event`."""
        if not isinstance(name, str) or not name:
            raise ValueError(f"a signal has a name, got {name!r}")
        question = Question(schema.EVENT, clean(name), clean(name), timeout_s=schema.limit(timeout_s, name))
        return await self._scope.desk.ask(question if default is ... else schema.with_default(question, default))

    async def create_continuation(self, name: str = "") -> Continuation:
        """An address that can be given to another system now, and waited on later."""
        desk = self._scope.desk
        return Continuation(await desk.reserve(clean(name)), desk.run_id, desk.node_id)

    async def wait_for_resume(
        self,
        continuation: Continuation | str,
        *,
        prompt: str = "",
        timeout_s: float | None = None,
        default: Any = ...,
    ) -> Any:
        """The payload that was answered at this address. See `NodeContext.wait_for_resume`."""
        token = continuation.token if isinstance(continuation, Continuation) else continuation
        what = clean(prompt) or "an answer from outside"
        question = Question(schema.EXTERNAL, what, timeout_s=schema.limit(timeout_s, what))
        return await self._scope.desk.wait(
            token, question if default is ... else schema.with_default(question, default)
        )

    async def continue_as_new(self, inputs: dict[str, Any]) -> Any:
        """See `NodeContext.continue_as_new`."""
        return await self._scope.desk.continue_as_new(inputs)
