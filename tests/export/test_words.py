"""Pieces of source text, with other text in place of some expressions."""

from __future__ import annotations

import ast

import pytest

from aethergraph.exporting.words import Words, dedented, indented

TEXT = '''@decorated
async def f(a):
    # above
    text = f"é {about.rows:>{a}} {about.rows!r}"  # beside
    if a:
        more = """
  kept
"""
    return text
'''


def changed(words: Words, statements: list[ast.stmt]) -> str:
    found = {
        each: "rows" for statement in statements for each in ast.walk(statement) if isinstance(each, ast.Attribute)
    }
    return words.block(statements, dict(found))


def test_expressions_are_replaced_also_inside_of_f_strings() -> None:
    words = Words(TEXT)
    body = words.tree.body[0].body  # type: ignore[attr-defined]
    text = changed(words, body[:1])
    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse('text = f"é {rows:>{a}} {rows!r}"'))
    assert text.endswith("# beside")


def test_lines_inside_of_strings_stay_where_they_are() -> None:
    words = Words(TEXT)
    body = words.tree.body[0].body  # type: ignore[attr-defined]
    block = words.block(body[1:], {})
    assert block == 'if a:\n    more = """\n  kept\n"""\nreturn text'
    assert indented(block) == '    if a:\n        more = """\n  kept\n"""\n    return text'
    assert dedented(indented(block)) == block


def test_a_definition_begins_at_its_decorator() -> None:
    words = Words(TEXT)
    assert words.block([words.tree.body[0]], {}) == TEXT.rstrip()


def test_comments_are_known_by_their_lines() -> None:
    words = Words(TEXT)
    body = words.tree.body[0].body  # type: ignore[attr-defined]
    assert words.comments(1, 4) == ["# above"]
    assert words.beside(body[0]) == "# beside"


@pytest.mark.parametrize("text", ["x = 1; y = 2", "if 1: x = 1; y = 2"])
def test_statements_of_one_line_can_be_told_apart(text: str) -> None:
    words = Words(text)
    body = words.tree.body if isinstance(words.tree.body[0], ast.Assign) else words.tree.body[0].body  # type: ignore[attr-defined]
    assert words.block(body[1:], {}) == "y = 2"
