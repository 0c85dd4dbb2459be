"""Previews: short, bounded work, no user code."""

from __future__ import annotations

from typing import Any

import pytest

from aethergraph.values.preview import LIMIT, Text, about_value, cut


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("never call me")

    __str__ = __repr__


class Endless(list[int]):
    def __iter__(self) -> Any:
        raise RuntimeError("never walk me")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a'b", '"a\'b"'),
        ([1, "x", None], "[1, 'x', None]"),
        ((1,), "(1,)"),
        ((), "()"),
        ({"a": {1}}, "{'a': {1}}"),
        (Rude(), "Rude"),
        ([Rude()], "[Rude]"),
        (Endless(), "Endless"),
        (Rude, "class Rude"),
        (len, "function len"),
        (2**5000, "int of 5001 bits"),
        (Text("as it is"), "as it is"),
    ],
)
def test_previews(value: Any, shown: str) -> None:
    assert about_value(value) == shown


@pytest.mark.parametrize(
    "value", ["x" * 10_000, list(range(10**6)), {n: "y" * 99 for n in range(999)}, [[[["z"] * 99]]]]
)
def test_large_values_are_cut(value: Any) -> None:
    shown = about_value(value)
    assert len(shown) == LIMIT
    assert shown.endswith("…")


def test_a_value_that_contains_itself_is_cut() -> None:
    knot: list[Any] = []
    knot.append(knot)
    assert about_value(knot) == "[" * (LIMIT - 1) + "…"


def test_cut_leaves_short_texts_alone() -> None:
    assert (cut("abc", 3), cut("abcd", 3)) == ("abc", "ab…")
