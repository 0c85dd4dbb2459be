"""Runs that wait, beside durable peers: what each weighs, what all cost at rest, and answering one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench import KIB, MS, Sizes, sizes
from measure import Row
from peers import LIMIT_S, Sides, ask

__all__ = ["NOT_MEASURED", "measure", "sizes"]

NOT_MEASURED: list[str] = []


def measure(folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> list[Row]:
    """The lines of each side. As many wait as it could bring to that within the limit; its lines say how many."""
    sides = Sides(folder, sizes)
    NOT_MEASURED[:] = sides.absent
    rows: list[Row] = []

    def wait(side: str, folder: str) -> None:
        tell(f"{sizes.parked:,} runs that wait: {side}")
        found = ask(side, "park", folder, waits=sizes.parked, limit_s=LIMIT_S, idle_s=sizes.idle_s)
        took = ask(side, "answer", folder, waiting=found["waiting"])["seconds"]
        name = f"{found['waits']:,} runs that wait, {side}"
        rows.extend(
            [
                Row(f"{name}, memory of the process each", [found["memory"] / KIB], "KiB"),
                Row(f"{name}, disk each", [found["disk"] / KIB], "KiB"),
                Row(f"{name}, processor over {sizes.idle_s:g} s", [100 * found["processor"]], "%"),
                Row(f"{name}, one answered and done", [MS * s for s in found["answered"]], "ms"),
                Row(f"{name}, one answered and done in a new process", [MS * took], "ms"),
            ]
        )

    sides.each(wait)
    return rows
