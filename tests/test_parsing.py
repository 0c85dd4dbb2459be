"""Parsing goes on where the interpreter mistook a switch of threads for an error."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from aethergraph.code import parsing
from aethergraph.code.parsing import parse


def disturbed(monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """The first `times` parses fail as they do on an interpreter with this fault; what was parsed."""
    plain, asked = ast.parse, []

    def once_in_a_while(text: str, *rest: Any) -> ast.Module:
        asked.append(text)
        if len(asked) <= times:
            raise SystemError("AST constructor recursion depth mismatch (before=198, after=252)")
        return plain(text, *rest)

    monkeypatch.setattr(parsing.ast, "parse", once_in_a_while)
    return asked


def test_a_text_is_parsed_again_where_only_the_count_was_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = disturbed(monkeypatch, 2)
    assert ast.unparse(parse("x = 1")) == "x = 1"
    assert asked == ["x = 1"] * 3


def test_what_fails_each_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = disturbed(monkeypatch, 1000)
    with pytest.raises(SystemError, match="recursion depth mismatch"):
        parse("x = 1")
    assert len(asked) == parsing.TRIES


def test_what_is_no_python_is_told_at_once_with_its_file() -> None:
    with pytest.raises(SyntaxError) as found:
        parse("x = = 1", "cell.py")
    assert found.value.filename == "cell.py"
