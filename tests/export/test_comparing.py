"""Values of a run against values of a module: equal within rounding, and where they are not, said where."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from aethergraph.exporting.comparing import difference


@dataclasses.dataclass
class Point:
    x: float
    tags: list[str]


class Model:
    def __init__(self, weights: Any) -> None:
        self.weights = weights


class Frame:
    """What is read of a frame of pandas or polars."""

    def __init__(self, columns: dict[str, list[float]]) -> None:
        self._held, self.columns = columns, list(columns)
        self.shape = (len(next(iter(columns.values()))), len(columns))

    def __getitem__(self, name: str) -> list[float]:
        return self._held[name]

    def equals(self, other: Frame) -> bool:
        return self._held == other._held


NODES: list[Any] = [1, 2]
NODES.append(NODES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (0.1 + 0.2, 0.3),
        (float("nan"), float("nan")),
        ({"a": [1, (2, "x")]}, {"a": [1, (2, "x")]}),
        (np.array([1.0, np.nan]), np.array([1.0 + 1e-9, np.nan])),
        (np.float64(2.0), np.float64(2.0)),
        (Point(1.0, ["a"]), Point(1.0 + 1e-12, ["a"])),
        (Model(np.ones(3)), Model(np.ones(3) + 1e-10)),
        (Frame({"a": [1.0, 2.0]}), Frame({"a": [1.0, 2.0 + 1e-12]})),
        ({1, 2}, {2, 1}),
        (NODES, NODES),
    ],
)
def test_equal(one: Any, other: Any) -> None:
    assert difference(one, other) == ""


@pytest.mark.parametrize(
    ("one", "other", "where"),
    [
        (1, 2, "it: 1 and 2"),
        (1, True, "it"),
        (1, "1", "it"),
        ([1, 2], (1, 2), "it"),
        ([1, [2, 3]], [1, [2, 4]], "[1][1]: 3 and 4"),
        ({"a": 1}, {"a": 1, "b": 2}, "it"),
        (np.ones(3), np.array([1.0, 1.0, 1.5]), "differs by up to 0.5"),
        (np.ones(3), np.ones(4), "float64[3] and float64[4]"),
        (Point(1.0, ["a"]), Point(1.0, ["b"]), ".tags[0]: 'a' and 'b'"),
        (Model(np.ones(3)), Model(np.zeros(3)), ".weights"),
        (Frame({"a": [1.0]}), Frame({"b": [1.0]}), "it"),
        ({1, 2}, {1, 3}, "it"),
    ],
)
def test_different(one: Any, other: Any, where: str) -> None:
    assert where in difference(one, other)
