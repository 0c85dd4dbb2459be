"""From what a function returned to its named outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

import pytest
from pydantic import BaseModel

from aethergraph.errors import GraphBuildError, MissingOutput
from aethergraph.values.shapes import declared, shape


class Typed(TypedDict):
    a: int
    b: int


@dataclasses.dataclass
class Data:
    a: int
    b: int


class Named(NamedTuple):
    a: int
    b: int


class Model(BaseModel):
    a: int
    b: int


def typed() -> Typed: ...  # type: ignore[empty-body]
def data() -> Data: ...  # type: ignore[empty-body]
def named() -> Named: ...  # type: ignore[empty-body]
def model() -> Model: ...  # type: ignore[empty-body]
def number() -> int: ...  # type: ignore[empty-body]
def unknown() -> Nowhere: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("function", [typed, data, named, model])
def test_names_come_from_the_return_annotation(function: Callable[..., Any]) -> None:
    assert declared(function, None) == ("a", "b")


@pytest.mark.parametrize("function", [number, unknown, lambda: 1])
def test_other_annotations_declare_nothing(function: Callable[..., Any]) -> None:
    assert declared(function, None) is None


def test_given_names_win_over_the_annotation() -> None:
    assert declared(typed, ["x"]) == ("x",)
    assert declared(typed, "x") == ("x",)
    assert declared(typed, []) == ()


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["a b"], "'a b' cannot be an output name: it is no identifier"),
        (["items"], "'items' cannot be an output name: every dict has that attribute; take another, as items_"),
        (["a", "a"], "an output is named twice"),
    ],
)
def test_bad_names_are_refused_with_file_and_line(names: list[str], why: str) -> None:
    with pytest.raises(GraphBuildError, match=rf"test_shapes.py:\d+: {why}"):
        declared(number, names)


@pytest.mark.parametrize(
    ("value", "names", "outputs"),
    [
        ({"a": 1, "b": 2}, ("a",), {"a": 1}),
        ({"a": 1}, None, {"a": 1}),
        ({}, None, {"result": {}}),
        ({1: 2}, None, {"result": {1: 2}}),
        (None, None, {}),
        (None, ("a",), {"a": None}),
        (7, None, {"result": 7}),
        (7, ("a",), {"a": 7}),
        ([1, 2], ("a",), {"a": [1, 2]}),
        ((1, 2), ("a", "b"), {"a": 1, "b": 2}),
        (Data(1, 2), ("a", "b"), {"a": 1, "b": 2}),
        (Named(1, 2), ("a", "b"), {"a": 1, "b": 2}),
        (Model(a=1, b=2), ("a", "b"), {"a": 1, "b": 2}),
        ("ignored", (), {}),
    ],
)
def test_values_are_named(value: Any, names: tuple[str, ...] | None, outputs: dict[str, Any]) -> None:
    assert shape(value, names, "who") == outputs


@pytest.mark.parametrize("value", [{"a": 1}, (1,), (1, 2, 3), None, "ab", [1, 2]])
def test_what_does_not_fit_is_refused(value: Any) -> None:
    with pytest.raises(MissingOutput, match="'who' declares the outputs a, b but did not give"):
        shape(value, ("a", "b"), "who")


def test_the_one_field_of_a_class_is_the_one_output() -> None:
    one = dataclasses.make_dataclass("One", ["a"])
    assert shape(one(3), ("a",), "f") == {"a": 3}
    assert shape(one(3), ("b",), "f") == {"b": one(3)}
