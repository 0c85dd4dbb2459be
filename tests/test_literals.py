"""Constants as source."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import pathlib
import re
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aethergraph.values.canonical import canonical
from aethergraph.values.literals import LIMIT, NoLiteral, literal


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Config:
    a: int
    b: Color = Color.RED


@dataclasses.dataclass
class Computed:
    a: int
    twice: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        self.twice = 2 * self.a


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from([float("nan"), -float("nan")])  # other bits of a NaN cannot be written
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.sets(st.integers() | st.text(max_size=3), max_size=3)
    ),
    max_leaves=6,
)


@given(values)
def test_the_source_gives_the_value(value: Any) -> None:
    text, needs = literal(value)
    assert canonical(eval(text, dict(needs))).data == canonical(value).data


@pytest.mark.parametrize(
    "value",
    [
        pathlib.Path("/a b"),
        re.compile("a+", re.I),
        Color.RED,
        Config(1),
        [Config(2, Color.RED), {3: frozenset({4})}],
        range(1, 9, 2),
        bytearray(b"x"),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        decimal.Decimal("1.20"),
        uuid.UUID(int=1),
        ...,
    ],
    ids=repr,
)
def test_objects_that_constants_are_made_of(value: Any) -> None:
    text, needs = literal(value)
    assert eval(text, dict(needs)) == value


def test_names_that_are_not_the_users_cannot_meet_the_users() -> None:
    _, needs = literal([pathlib.Path("/a"), datetime.date(2020, 1, 1), re.compile("a")])
    assert all(name.startswith("_") for name in needs)


@pytest.mark.parametrize(("value", "why"), [(object(), "object"), (Computed(1), "Computed"), ("x" * LIMIT, "data")])
def test_what_is_no_constant_is_refused_with_the_reason(value: Any, why: str) -> None:
    with pytest.raises(NoLiteral, match=why):
        literal(value)


def test_a_value_that_contains_itself_is_refused() -> None:
    knot: list[Any] = []
    knot.append(knot)
    with pytest.raises(NoLiteral, match="itself"):
        literal(knot)
