"""Arguments that are plainly of the wrong type."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from aethergraph.values.arguments import checks


def fit(x: int, rate: float = 0.1, names: list = (), flag: bool = False, *rest: int, text: str = "", **more: str):  # type: ignore[no-untyped-def, type-arg, assignment]
    pass


def loose(x: int = None, y: list[int] = (), z: object = 1, plain=2):  # type: ignore[no-untyped-def, assignment]
    pass


def check(function: Any, *args: Any, **kwargs: Any) -> None:
    for one in checks(inspect.signature(function)):
        one("fit", args, kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs", "why"),
    [
        (("three",), {}, r"fit\(x=...\) takes int, got str: 'three'"),
        ((True,), {}, r"fit\(x=...\) takes int, got bool: True"),
        ((), {"x": 1.5}, r"fit\(x=...\) takes int, got float: 1.5"),
        ((1, "0.1"), {}, r"fit\(rate=...\) takes float, got str"),
        ((1, 0.1, "abc"), {}, r"fit\(names=...\) takes list, got str"),
        ((1,), {"text": 5}, r"fit\(text=...\) takes str, got int"),
        ((None,), {}, r"fit\(x=...\) takes int, got NoneType"),
    ],
)
def test_the_parameter_the_wanted_type_and_the_value_are_named(
    args: tuple[Any, ...], kwargs: dict[str, Any], why: str
) -> None:
    with pytest.raises(TypeError, match=why):
        check(fit, *args, **kwargs)


def test_what_can_stand_for_the_wanted_type_is_let_through() -> None:
    check(fit, 1, 1, (1, 2), 1, "rest", text="t", more=3)
    check(fit, np.int64(3), np.float32(0.5), range(3))


def test_none_is_fine_where_it_is_the_default_and_other_annotations_are_not_judged() -> None:
    check(loose, None, "text", 5, [])
    check(loose, "text")


def test_a_long_value_is_cut_short() -> None:
    with pytest.raises(TypeError) as raised:
        check(fit, "x" * 1000)
    assert len(str(raised.value)) < 130
