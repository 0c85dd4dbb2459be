"""How things are measured here: interleaved rounds in one process, compared round by round, told as medians.

A busy machine slows everything that runs in the same moment, so two things are compared only within one round, and
the median over the rounds is what counts. Absolute times say little about another machine; ratios do.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Name = TypeVar("Name", bound=Hashable)

_marks: list[float] = []


def mark() -> None:
    """Note the time, and go on; for bodies, whose own clock stands still between deliveries."""
    _marks.append(time.perf_counter())


def weigh() -> None:
    """Note the bytes that Python holds while `tracemalloc` traces, garbage aside."""
    gc.collect()
    _marks.append(tracemalloc.get_traced_memory()[0])


def take_marks() -> list[float]:
    """The times (seconds) and weights (bytes) noted since the last call."""
    taken = _marks[:]
    _marks.clear()
    return taken


def seconds(call: Callable[[], object]) -> float:
    """How long `call` takes. The collector runs, as it does for users, but looks only at what `call` makes."""
    gc.collect()
    gc.freeze()
    try:
        began = time.perf_counter()
        call()
        return time.perf_counter() - began
    finally:
        gc.unfreeze()


def interleave(parts: Mapping[Name, Callable[[], float]], rounds: int) -> dict[Name, list[float]]:
    """Call each part once a round, every other round in reverse order; what they returned, by part and round."""
    samples: dict[Name, list[float]] = {name: [] for name in parts}
    for number in range(rounds):
        for name in list(parts)[:: -1 if number % 2 else 1]:
            samples[name].append(parts[name]())
    return samples


def ratios(these: Sequence[float], those: Sequence[float]) -> list[float]:
    """`these` by `those`, round by round."""
    return [one / other for one, other in zip(these, those, strict=True)]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    samples: one value a round (or one in all, where rounds make no difference), in `unit`.
    goal, must: what the value may be at most; neither for a line that only informs.
    """

    name: str
    samples: Sequence[float]
    unit: str
    goal: float | None = None
    must: float | None = None

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles; half of the rounds lie between them."""
        if len(self.samples) < 2:
            return self.value, self.value
        low, _, high = statistics.quantiles(self.samples, n=4, method="inclusive")
        return low, high

    @property
    def verdict(self) -> str:
        """Whether the budget was met; "" where there is none."""
        if self.must is None:
            return ""
        if self.value > self.must:
            return "missed"
        return "met" if self.goal is None or self.value <= self.goal else "met, goal missed"

    def to_dict(self) -> dict[str, Any]:
        """The line as plain data."""
        low, high = self.spread
        return {
            "name": self.name, "unit": self.unit, "value": self.value, "low": low, "high": high, "goal": self.goal,
            "must": self.must, "verdict": self.verdict, "samples": list(self.samples),
        }  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """The lines as text, one under the other."""
    head = ("what", "measured", "quartiles", "unit", "goal", "must", "verdict")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    left = {0, 3, 6}  # columns of words
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    low, high = row.spread
    spread = f"{_short(low)} .. {_short(high)}" if len(row.samples) > 1 else ""
    goal, must = ("" if limit is None else _short(limit) for limit in (row.goal, row.must))
    return row.name, _short(row.value), spread, row.unit, goal, must, row.verdict


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine() -> dict[str, str]:
    """What this was measured on."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": str(os.cpu_count() or 1),
        "load": load,
        "executable": sys.executable,
    }
