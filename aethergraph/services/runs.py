"""Other runs, from inside of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..values.outputs import Outputs
from .scope import Scope

RUNS = ("spawn_run", "wait_run", "run_and_wait", "cancel_run")


class Runs:
    """`context.spawn_run(...)` and its like. They block in a sync tool, whose slots others use meanwhile."""

    _scope: Scope

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def spawn_run(
        self,
        graph: Any,
        *,
        inputs: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        tags: Sequence[str] = (),
        max_concurrency: int | None = None,
        budget: float | Mapping[str, float] | None = None,
        detached: bool = False,
    ) -> str:
        """Start a run of an agent, or of the one of that name, and go on; its id. It is found again after a kill.

        It goes on when this run is done, and is paused and cancelled with it; a `detached` one never minds its parent.
        `budget` is its own, as in `start`: what it uses is none of this run's.
        """
        options = {"run_id": run_id, "max_concurrency": max_concurrency, "budget": budget}
        given = {name: value for name, value in options.items() if value is not None}
        return await self._scope.desk.runs.spawn(graph, inputs, tags=tuple(tags), tied=not detached, **given)

    async def wait_run(
        self, run_id: str, *, timeout_s: float | None = None, return_outputs: bool = True
    ) -> Outputs | None:
        """Wait until a run has ended; its outputs. A run that was paused or failed goes on first.

        Raises:
            TimeoutError: it did not end within `timeout_s` seconds; it goes on.
            RunCancelled: it was cancelled.
            RunIsLive: another process runs it.
            Exception: what its body raised, unchanged.
        """
        outputs: Outputs = await self._scope.desk.runs.wait(run_id, timeout_s)
        return outputs if return_outputs else None

    async def run_and_wait(self, graph: Any, *, inputs: Mapping[str, Any] | None = None, **options: Any) -> Outputs:
        """`spawn_run`, then `wait_run`. Where the waiting is given up, the run is paused."""
        run_id = await self.spawn_run(graph, inputs=inputs, **options)
        outputs: Outputs = await self._scope.desk.runs.wait(run_id, owned=True)
        return outputs

    async def cancel_run(self, run_id: str) -> None:
        """End a run for good, and those that it started."""
        await self._scope.desk.runs.cancel(run_id)
