"""A definition that is cut out of its text is the one that the whole text has."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import aethergraph
from aethergraph.code.cutting import definition_at

FILES = sorted(Path(aethergraph.__file__).parent.rglob("*.py"))


def whole(text: str) -> dict[int, ast.AST]:
    """The definitions at the margin of a text, by their first line."""
    found = (n for n in ast.parse(text).body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)))
    return {min([node.lineno, *(each.lineno for each in node.decorator_list)]): node for node in found}


def assert_all_are_found(text: str) -> None:
    there = whole(text)
    for line in range(-1, text.count("\n") + 3):
        node = definition_at(text, line)
        assert (node is None) == (line not in there), line
        if node is not None:
            assert ast.dump(node, include_attributes=True) == ast.dump(there[line], include_attributes=True)


@pytest.mark.parametrize("folder", sorted({file.parent for file in FILES}), ids=lambda folder: folder.name)
def test_each_definition_of_our_own_files_is_found_where_it_is(folder: Path) -> None:
    for file in FILES:
        if file.parent == folder:
            text = file.read_text(encoding="utf-8")
            for line, node in whole(text).items():
                found = definition_at(text, line)
                assert found is not None, (file, line)
                assert ast.dump(found, include_attributes=True) == ast.dump(node, include_attributes=True)


@pytest.mark.parametrize(
    "text",
    [
        "def f(): return 1\nasync def g(): return 2\nclass A: pass\nx = 1\n",
        "def f():\n    return 1",
        "def f():\n    '''\nmargin\n  # more\n'''\n    return 1\n",
        "def f():\n    x = 1 + \\\n2\n    return x\n\ny = 2\n",
        "def f():\n    x = 1\n# a remark\n    return x\n",
        "def f(\n    a,\n    b=(\n1,\n),\n):\n    return a\n\n\ndef g(): pass\n",
        "import functools\n\n@functools.cache\n@functools.lru_cache(\n    1,\n)\ndef f(\n): return 1\n",
        "@cache\n\n# why\nclass A:\n    def m(self): pass\n",
        "if True:\n    def f(): return 1\nelse:\n    def f(): return 2\n\ndef g(): pass\n",
        "",
    ],
)
def test_it_is_found_at_its_first_line_and_nowhere_else(text: str) -> None:
    assert_all_are_found(text)


def test_it_is_found_where_the_rest_is_no_python() -> None:
    found = definition_at("def f():\n    return 1\n\nthis is no Python\n", 1)
    assert isinstance(found, ast.FunctionDef) and found.end_lineno == 2


@pytest.mark.parametrize(
    "text",
    [
        "def f():\r\n    return 1\r\n",
        "def f():\n    return 1\n\f\ndef g(): pass\n",
        "def f():\n    return '''" + "\nmargin" * 20 + "'''\n",
        "def f(:\n    return 1\n",
    ],
)
def test_what_only_the_whole_text_tells_is_left_to_it(text: str) -> None:
    assert definition_at(text, 1) is None
