"""The canonical form: equal exactly where values are equal and of equal types, in every process."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aethergraph.values.canonical import canonical, canonical_call, plain


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Point:
    x: Any


class Model(pydantic.BaseModel):
    x: int


class Opaque:
    pass


SAMPLES: list[Any] = [
    None,
    True,
    1,
    1.0,
    "1",
    b"1",
    0.0,
    -0.0,
    float("nan"),
    2**70,
    -(2**70),
    1j,
    [],
    (),
    {},
    set(),
    frozenset(),
    [1, [2]],
    [[1], 2],
    [1, 2],
    (1, 2),
    {1, 2},
    frozenset({1, 2}),
    {"a": 1},
    {1: "a"},
    [("a", 1)],
    bytearray(b"1"),
    "\ud800",
    ["\ud800"],
    datetime.date(2020, 1, 1),
    datetime.datetime(2020, 1, 1),
    datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    Path("/a"),
    Color.RED,
    Color.BLUE,
    Point(1),
    Point((1,)),
    Model(x=1),
    np.arange(3),
    np.arange(3.0),
    np.arange(3).reshape(3, 1),
    np.int64(1),
    np.array([None, 1], dtype=object),
    re.compile("a"),
    re.compile("a", re.I),
    range(3),
]


def test_different_samples_have_different_forms() -> None:
    forms = {canonical(value).data for value in SAMPLES}
    assert len(forms) == len(SAMPLES)


def test_none_of_the_samples_is_opaque() -> None:
    assert [value for value in SAMPLES if canonical(value).opaque] == []


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3)
hashable = leaves | st.lists(leaves, max_size=3).map(tuple) | st.frozensets(leaves, max_size=3)
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(hashable, inner, max_size=3)
        | st.sets(hashable, max_size=3)
        | st.builds(Point, inner)
    ),
    max_leaves=8,
)


def turned(value: Any) -> Any:
    """An equal value, built the other way round."""
    if type(value) is dict:
        return {turned(key): turned(item) for key, item in reversed(value.items())}
    if type(value) in (set, frozenset):
        return type(value)([turned(item) for item in list(value)[::-1]])
    if type(value) in (list, tuple):
        return type(value)([turned(item) for item in value])
    return Point(turned(value.x)) if type(value) is Point else value


def shape(value: Any) -> Any:
    """Something that is equal exactly where value and types are."""
    if type(value) is dict:
        return dict, frozenset((shape(key), shape(item)) for key, item in value.items())
    if type(value) in (set, frozenset):
        return type(value), frozenset(map(shape, value))
    if type(value) in (list, tuple):
        return type(value), tuple(map(shape, value))
    return (Point, shape(value.x)) if type(value) is Point else (type(value), repr(value))


@settings(max_examples=300, deadline=None)
@given(values)
def test_order_of_making_does_not_count(value: Any) -> None:
    assert canonical(value).data == canonical(turned(value)).data


@settings(max_examples=500, deadline=None)
@given(values, values)
def test_equal_forms_mean_equal_values_of_equal_types(one: Any, other: Any) -> None:
    assert (canonical(one).data == canonical(other).data) == (shape(one) == shape(other))


flat = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text()


@given(st.lists(flat).map(tuple), st.dictionaries(st.text(), flat))
def test_the_quick_form_of_a_call_is_the_form_of_its_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Stores hold it: the results of a static graph are known by it on resume."""
    assert canonical_call(args, kwargs) == canonical((args, kwargs)).data


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_lone_surrogates_have_the_slow_form_of_a_call(text: str) -> None:
    assert canonical_call((text,), {"k": text}) == canonical(((text,), {"k": text})).data


def test_the_form_is_the_same_in_each_process() -> None:
    script = (
        "from aethergraph.values.canonical import canonical; import numpy; "
        "print(canonical([{'a', 'b', 'c'}, {'x': 1, 'y': (2,)}, numpy.eye(2), frozenset({('q', 1), 'z'})]).data.hex())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(seen) == 1


def test_what_has_no_content_counts_by_type_and_place() -> None:
    form = canonical([1, Opaque()])
    assert form.opaque
    assert form.data == canonical([1, Opaque()]).data
    assert form.data != canonical([Opaque(), 1]).data
    assert form.data != canonical([1, object()]).data


def test_functions_count_by_name_and_say_that_their_code_was_not_looked_at() -> None:
    form = canonical([len])
    assert form.opaque
    assert form.data != canonical([abs]).data


def test_known_objects_count_by_their_hash_and_are_named() -> None:
    model, other = Opaque(), Opaque()

    def known(value: Any) -> tuple[bytes, int] | None:
        return (b"hash", 7) if value is model else None

    form = canonical({"m": model, "k": 1}, known)
    assert (form.opaque, form.refs) == (False, [7])
    assert canonical({"m": other, "k": 1}, known).opaque


def test_known_is_not_asked_about_plain_data() -> None:
    asked: list[Any] = []
    known: Callable[[Any], None] = asked.append
    canonical((1, {"a": [2]}, "x"), known)
    assert asked == [(1, {"a": [2]}, "x")]


def test_a_value_that_contains_itself_has_a_form_and_is_opaque() -> None:
    knot: list[Any] = [1]
    knot.append(knot)
    assert canonical(knot).opaque
    assert canonical(knot).data == canonical(knot).data


def nested(depth: int) -> list[Any]:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]
    return deep


def test_nested_values_have_a_form_of_their_own() -> None:
    assert canonical(nested(100)).data == canonical(nested(100)).data != canonical(nested(101)).data


def test_what_is_nested_too_deeply_to_be_walked_is_opaque() -> None:
    assert canonical(nested(100_000)).opaque


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, True),
        (2**64 - 1, True),
        (2**64, False),
        ([1, {"a": [None, 2.5, b"", "x", True]}], True),
        ({1: 2}, False),
        ((1,), False),
        ([(1,)], False),
        (np.float64(1), False),
        (Color.RED, False),
        ([[], {}], True),
    ],
)
def test_plain_is_exactly_what_msgpack_gives_back(value: Any, expected: bool) -> None:
    assert plain(value) is expected
