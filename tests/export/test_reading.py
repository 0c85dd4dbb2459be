"""What statements read, write and change, and what is bound whichever way they go."""

from __future__ import annotations

import ast

import pytest

from aethergraph.exporting.reading import changes, odd, reads_first, surely, writes


def parsed(text: str) -> list[ast.stmt]:
    return ast.parse(text).body


@pytest.mark.parametrize(
    ("text", "sure"),
    [
        ("x = 1", {"x"}),
        ("if a:\n    x = 1\nelse:\n    x = y = 2", {"x"}),
        ("if a:\n    x = 1", set()),
        ("for x in xs:\n    y = x", set()),
        ("while a:\n    x = 1", set()),
        ("with a as x:\n    y = 1", {"x"}),
        ("with open(a) as x:\n    y = 1", {"x", "y"}),
        ("try:\n    x = 1\nexcept E:\n    x = 2", {"x"}),
        ("try:\n    x = 1\nexcept E:\n    pass", set()),
        ("try:\n    pass\nfinally:\n    x = 1", {"x"}),
        ("y = a and (x := 1)", {"y"}),
        ("x = 1\ndel x", set()),
    ],
)
def test_what_is_bound_whichever_way_it_goes(text: str, sure: set[str]) -> None:
    assert surely(parsed(text)) == sure


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("x = a\ny = x", {"a"}),
        ("x += a", {"x", "a"}),
        ("if a:\n    x = 1\ny = x", {"a", "x"}),
        ("with a as x:\n    y = x", {"a"}),
        ("for x in xs:\n    y = x\n    z = y", {"xs"}),
        ("y = [x for x in xs]", {"xs"}),
    ],
)
def test_what_may_be_read_before_it_is_bound(text: str, read: set[str]) -> None:
    assert reads_first(parsed(text)) == read


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("x.append(1)", {"x"}),
        ("x[0].y = 1", {"x"}),
        ("x += 1", {"x"}),
        ("del x[0]", {"x"}),
        ("y = x.pop()", {"x"}),
        ("y = x.index(1)", set()),
        ("print(x)", set()),
    ],
)
def test_what_is_changed_in_place(text: str, changed: set[str]) -> None:
    assert changes(ast.parse(text)) == changed


def test_variables_of_comprehensions_are_not_written() -> None:
    assert writes(ast.parse("y = [x for x in xs if (z := x)]")) == {"y", "z"}


@pytest.mark.parametrize(("text", "why"), [("return 1", "`return`"), ("global x", "`global`"), ("def f(): ...", "`f`")])
def test_what_cannot_be_moved_into_a_function(text: str, why: str) -> None:
    found = odd(parsed(text))
    assert found is not None and why in found[0]
