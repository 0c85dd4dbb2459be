"""Live plots."""

from __future__ import annotations

from typing import SupportsFloat

from .scope import Scope, clean, never_waits


class Viz:
    """`context.viz()`: points that the run view plots while they come, and `run.plot()` afterwards."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __repr__(self) -> str:
        return "<viz>"

    @never_waits
    async def scalar(self, track: str, step: SupportsFloat, value: SupportsFloat) -> None:
        """Add a point to `track`; tracks named `loss/a` and `loss/b` share a plot. NaN leaves a gap.

        Points are cosmetic: a node that runs again draws its points anew.
        """
        if not isinstance(track, str) or not track:
            raise TypeError(f"a track is named by a text, got {track!r}")
        if not isinstance(step, SupportsFloat) or not isinstance(value, SupportsFloat):
            got = f"{type(step).__name__} and {type(value).__name__}"
            raise TypeError(f"scalar({track!r}, step, value) takes two numbers, got {got}")
        self._scope.desk.note("point", {"track": clean(track), "step": float(step), "value": float(value)})
