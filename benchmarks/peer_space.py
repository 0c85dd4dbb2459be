"""What a step leaves on disk, and in memory while its run lives, beside durable peers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench import KIB, Sizes, sizes
from measure import Row
from peers import Sides, ask

__all__ = ["NOT_MEASURED", "measure", "sizes"]

NOT_MEASURED: list[str] = []


def measure(folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> list[Row]:
    """One line a side and thing; they are counted, not timed, so one round does."""
    sides, steps = Sides(folder, sizes), sizes.chains[-2]
    NOT_MEASURED[:] = sides.absent
    tell(f"disk and memory of a step: {', '.join(sides.names)}")
    found: dict[str, dict[str, float]] = {}

    def weigh(side: str, folder: str) -> None:
        found[side] = ask(side, "space", folder, steps=steps)

    sides.each(weigh)
    return [
        Row(f"{what} of {steps:,}, {side}", [found[side][what] / KIB], "KiB a step")
        for what in found["ours"]
        for side in sides.names
    ]
