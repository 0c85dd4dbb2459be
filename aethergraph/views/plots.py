"""Points of a plot as they come, and thinned for drawing."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


class Track:
    """One line of a plot: steps and values, all of them, in order of arrival."""

    __slots__ = ("_stretches", "name", "steps", "values")

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps, self.values = array("d"), array("d")
        self._stretches: list[list[int]] = []  # [node, how many points in a row it gave]

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def points(self) -> list[tuple[float, float]]:
        """(step, value) of each."""
        return list(zip(self.steps, self.values, strict=True))

    def add(self, no: int, steps: Iterable[float], values: Iterable[float]) -> int:
        """Take points of node `no`; return the index of the first."""
        first = len(self.steps)
        self.steps.extend(steps)
        self.values.extend(values)
        count = len(self.steps) - first
        if self._stretches and self._stretches[-1][0] == no:
            self._stretches[-1][1] += count
        elif count:
            self._stretches.append([no, count])
        return first

    def owns(self, no: int) -> int:
        """How many points node `no` gave."""
        return sum(count for by, count in self._stretches if by == no)

    def take(self, no: int) -> tuple[array[float], array[float]] | None:
        """Give up the points of node `no`; None where it gave none."""
        if not self.owns(no):
            return None
        kept, taken = (array("d"), array("d")), (array("d"), array("d"))
        stretches, at = list[list[int]](), 0
        for by, count in self._stretches:
            steps, values = taken if by == no else kept
            steps += self.steps[at : at + count]
            values += self.values[at : at + count]
            if by != no:
                stretches.append([by, count])
            at += count
        (self.steps, self.values), self._stretches = kept, stretches
        return taken


def thin(
    steps: array[float], values: array[float], count: int, low: float | None = None, high: float | None = None
) -> tuple[Array, Array]:
    """About `count` points at most, by step, that look the same: of each stretch of steps the lowest and the highest.

    What is no finite number counts as a gap; a stretch that is nothing else stays one. With `low` and `high` only the
    points of that range, and the next one on each side.
    """
    import numpy as np

    x, y = np.frombuffer(steps, np.float64), np.frombuffer(values, np.float64)
    if len(x) > 1 and not (x[1:] >= x[:-1]).all():
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
    if low is not None and high is not None:
        first, last = np.searchsorted(x, low, "left"), np.searchsorted(x, high, "right")
        x, y = x[max(0, first - 1) : last + 1], y[max(0, first - 1) : last + 1]
    if len(x) <= count:
        return x.copy(), y.copy()
    span = (x[-1] - x[0]) or 1.0
    bucket = np.minimum(((x - x[0]) / span * (count // 2)).astype(np.int64), count // 2 - 1)
    finite = np.isfinite(y)
    real = np.flatnonzero(finite)
    by_value = real[np.lexsort((y[real], bucket[real]))]
    edges = np.flatnonzero(np.diff(bucket[by_value], prepend=-1)) if len(by_value) else by_value
    least, most = by_value[edges], by_value[np.append(edges[1:], len(by_value)) - 1] if len(edges) else by_value
    empty = np.setdiff1d(bucket[~finite], bucket[real])
    gaps = np.searchsorted(bucket, empty)
    kept = np.unique(np.concatenate([least, most, gaps]).astype(np.int64))
    return x[kept], y[kept]
