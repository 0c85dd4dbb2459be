"""Points of a plot as they come, and thinned for drawing."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

KEPT = 20_000  # points of one track; beyond that every other one goes


class Track:
    """One line of a plot: points (step, value) in order of arrival. `owners`: how many points each node gave."""

    __slots__ = ("_by", "name", "owners", "points")

    def __init__(self, name: str) -> None:
        self.name = name
        self.points: list[tuple[float, float]] = []
        self.owners: Counter[int] = Counter()
        self._by: list[int] = []

    def add(self, no: int, step: float, value: float) -> int:
        """Take a point of node `no`; return the index of the first point that is new or moved."""
        self.points.append((step, value))
        self._by.append(no)
        self.owners[no] += 1
        if len(self.points) <= KEPT:
            return len(self.points) - 1
        self.points, self._by = self.points[::2], self._by[::2]
        self.owners = Counter(self._by)
        return 0

    def drop(self, no: int) -> None:
        """Forget the points of node `no`: it runs again."""
        kept = [(point, by) for point, by in zip(self.points, self._by, strict=True) if by != no]
        self.points, self._by = [point for point, _ in kept], [by for _, by in kept]
        del self.owners[no]


def thin(points: list[tuple[float, float]], count: int) -> list[tuple[float, float]]:
    """At most about `count` points that look the same: of each stretch of steps the lowest and the highest value."""
    points = sorted(points, key=lambda point: point[0])
    if len(points) <= count:
        return points
    steps = [step for step, _ in points]
    low, high = steps[0], steps[-1]
    edges = [bisect_left(steps, low + (high - low) * i / (count // 2)) for i in range(count // 2)] + [len(points)]
    kept: list[tuple[float, float]] = []
    for start, end in zip(edges, edges[1:], strict=False):
        stretch = points[start:end]
        if stretch:
            pair = {min(stretch, key=_value), max(stretch, key=_value)}
            kept += sorted(pair)
    return kept


def _value(point: tuple[float, float]) -> float:
    return point[1]
