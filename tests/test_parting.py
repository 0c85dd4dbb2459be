"""A module as cells: nothing is lost, nothing is changed, and each definition stands alone."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent

import pytest

from aethergraph.code.parting import ABOUT, DEFINITION, IMPORTS, PLAIN, agents, parts

ROOT = Path(__file__).resolve().parent.parent
MODULE = dedent('''\
    """What it is.

    More of it.
    """

    from __future__ import annotations

    import math  # for pi

    # how often
    TIMES = 3
    NAMES = ["a", "b"]
    __all__ = ["agent"]


    # A helper.
    def area(r: float) -> float:
        return math.pi * r * r  # flat


    @tool(outputs=["a"])
    # between
    async def measured(r: float):
        """Of a circle."""
        return area(r)

    @graph_fn
    async def agent(r: float = 1.0): return await measured(r)

    @aethergraph.graphify(outputs=["a"])
    def static(r): return measured(r)

    # only as a script
    if __name__ == "__main__":
        print(agent.sync())
''')


def test_a_module_falls_into_its_parts() -> None:
    found = parts(MODULE)
    assert [(part.kind, part.name) for part in found] == [
        (ABOUT, ""),
        (IMPORTS, ""),
        (PLAIN, ""),
        (DEFINITION, "area"),
        (DEFINITION, "measured"),
        (DEFINITION, "agent"),
        (DEFINITION, "static"),
    ]
    assert found[0].text == "What it is.\n\nMore of it."
    assert found[2].text == '# how often\nTIMES = 3\nNAMES = ["a", "b"]'
    assert found[3].text.startswith("# A helper.\ndef area") and found[3].text.endswith("# flat")
    assert found[4].text.startswith('@tool(outputs=["a"])\n# between\nasync def')


def test_agents_are_known_by_their_decorator() -> None:
    assert agents(parts(MODULE)) == ["agent", "static"]


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("", []),
        ("# nothing but a comment\n", []),
        ("x = 1; y = 2\n", ["x = 1; y = 2"]),
        ("x = 1; import os\n", ["x = 1; import os"]),
        ("x = 1\n# at the end\n", ["x = 1\n# at the end"]),
        ('"""a"""; x = 1\n', ["a", '"""a"""; x = 1']),
        ("x = '''a\n\n\nb'''\n", ["x = '''a\n\n\nb'''"]),
        ("\ufeffx = 1\r\ny = 2\r\n", ["x = 1\ny = 2"]),
        ("if __name__ == '__main__':\n    main()\n", []),
        ("import a\n\nimport b\nx = 1\nimport c\n", ["import a\n\nimport b", "x = 1", "import c"]),
    ],
)
def test_cells_hold_the_text_as_it_is(source: str, texts: list[str]) -> None:
    assert [part.text for part in parts(source)] == texts


def left(tree: ast.Module) -> list[str]:
    """The statements of a module that cells should hold, as dumps."""
    kept = tree.body
    if ast.get_docstring(tree) is not None:
        kept = kept[1:]
    dumps = [ast.dump(one) for one in kept]
    return [one for one in dumps if "'__main__'" not in one[:200] and "Name(id='__all__'" not in one[:80]]


@pytest.mark.parametrize("path", sorted((ROOT / "aethergraph").rglob("*.py")), ids=lambda path: path.stem)
def test_no_statement_of_any_module_here_is_lost_or_changed(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    cells = [part for part in parts(source) if part.kind != ABOUT]
    found = [ast.dump(one) for cell in cells for one in ast.parse(cell.text).body]
    assert [one for one in found if "Name(id='__version__'" not in one[:80]] == [
        one for one in left(ast.parse(source)) if "Name(id='__version__'" not in one[:80]
    ]
    comments = [row for row in source.splitlines() if row.startswith("# ") and "__main__" not in source]
    assert [row for row in comments if not any(row in cell.text for cell in cells)] == []


def test_what_is_no_python_is_refused() -> None:
    with pytest.raises(SyntaxError):
        parts("def (")
