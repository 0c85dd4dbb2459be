"""How points lie in the journal (rule 16: no barrier, keyed by execution)."""

from __future__ import annotations

import math
from array import array
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aethergraph.record import facts as f
from aethergraph.record import points


def note(no: int, kind: str, **data: Any) -> f.Noted:
    return f.Noted(no, kind, msgspec.msgpack.encode(data), 1.0)


def point(no: int, track: str, step: float, value: float) -> f.Noted:
    return note(no, "point", track=track, step=step, value=value)


def told(fact: f.AnyFact) -> list[tuple[str, list[float], list[float]]]:
    assert isinstance(fact, f.Noted) and fact.kind == "points"
    return [(track, list(steps), list(values)) for track, steps, values in points.unpack(fact.data)]


@given(st.lists(st.floats(allow_nan=True), min_size=1))
def test_no_digit_is_lost(numbers: list[float]) -> None:
    column = array("d", numbers)
    assert points.numbers(points.column(column), len(column)).tobytes() == column.tobytes() or all(
        a == b or (math.isnan(a) and math.isnan(b))
        for a, b in zip(points.numbers(points.column(column), len(column)), numbers, strict=True)
    )


@pytest.mark.parametrize(
    ("numbers", "size"),
    [
        ([float(i) for i in range(1000)], 17),  # counted steps
        ([0.5, 0.25, 3.0, 7.0], 17),  # exact in four bytes
        ([0.1, 0.2, 0.35], 25),
        ([0.5], 5),
        ([1e300, 1.0], 17),
    ],
)
def test_a_column_takes_what_it_needs(numbers: list[float], size: int) -> None:
    column = array("d", numbers)
    assert len(points.column(column)) == size
    assert list(points.numbers(points.column(column), len(column))) == numbers


def test_points_of_a_batch_are_one_fact_a_node() -> None:
    log = note(1, "log", level="INFO", text="hm")
    batch = [point(1, "a", 0, 1), point(2, "a", 0, 5), log, point(1, "b", 0, 2), point(1, "a", 1, 3)]
    one, two, other = points.gather(list[f.AnyFact](batch))
    assert told(one) == [("a", [0, 1], [1, 3]), ("b", [0], [2])]
    assert told(two) == [("a", [0], [5])]
    assert other is log


def test_points_stay_on_their_side_of_what_drops_them() -> None:
    again = f.AttemptFailed(1, 1, f.Error("builtins", "OSError", "busy"), 0.1, 1.0)
    first, between, second = points.gather([point(1, "a", 0, 1), again, point(1, "a", 0, 2)])
    assert (told(first), between, told(second)) == ([("a", [0], [1])], again, [("a", [0], [2])])


def test_a_batch_without_points_is_left_alone() -> None:
    batch: list[f.AnyFact] = [note(1, "log", level="INFO", text="hm")]
    assert points.gather(batch) is batch


def test_many_points_take_about_nine_bytes_each() -> None:
    batch = [point(1, f"loss/{k}", step, math.sin(step * k + 0.1)) for step in range(500) for k in range(20)]
    (fact,) = points.gather(list[f.AnyFact](batch))
    assert isinstance(fact, f.Noted) and len(fact.data) < 9 * len(batch)
