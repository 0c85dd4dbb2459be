"""The agent of the first notebook, as the module that lies beside it."""

from __future__ import annotations

import ast
from pathlib import Path

from aethergraph.exporting import notebook
from aethergraph.exporting.module import module

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
MODULE = NOTEBOOKS / "exported" / "first_agent.py"


def without_docstring(text: str) -> str:
    tree = ast.parse(text)
    return "\n".join(text.splitlines()[tree.body[0].end_lineno :])


def test_the_module_beside_the_first_notebook_is_what_is_exported_from_it() -> None:
    with notebook.defined(NOTEBOOKS / "01_first_agent.ipynb", "study") as study:
        text = module(study, MODULE)
    assert without_docstring(text) == without_docstring(MODULE.read_text(encoding="utf-8"))


def test_it_is_taken_apart_and_not_kept_as_one_node() -> None:
    assert "# Stays as it is" not in MODULE.read_text(encoding="utf-8")
