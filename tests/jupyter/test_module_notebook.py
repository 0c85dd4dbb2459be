"""The third notebook, cell by cell in a kernel: its agent is exported, proved, run by `aether run`, and comes back."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.notebooks import code_cells

from .kernels import kernel

NAME = "03_from_notebook_to_module"
ANSWERS = {"penalty": "0.1"}


@pytest.mark.timeout(240)
def test_it_runs_from_top_to_bottom_and_a_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHERGRAPH_ANSWERS", json.dumps(ANSWERS))
    with kernel(tmp_path) as lab:
        ran = {name: lab.run(cell) for name, cell in code_cells(NAME).items()}
        assert "'penalty': 0.1" in ran["run"].text and "'strongest': 'bmi'" in ran["run"].text
        assert "all 12 equal" in ran["export"].text
        module = (tmp_path / "progression.py").read_text(encoding="utf-8")
        assert "# Stays as it is" not in module  # taken apart, each step a node
        assert [node.name for node in ast.parse(module).body if isinstance(node, ast.FunctionDef)][-1] == "progression"
        assert module in ran["module"].text
        assert "penalty = 0.01" in ran["terminal"].text and "strongest = 's5'" in ran["terminal"].text
        assert ran["runs"].text.count("✓ done") == 2
        assert "9 cells of progression.py in progression.ipynb" in ran["import"].text
        for name in ("export", "import"):  # what it has made does not stand in its way
            lab.run(code_cells(NAME)[name])
        back: Any = nbformat.read(tmp_path / "progression.ipynb", as_version=4)  # type: ignore[no-untyped-call]
        for cell in back.cells:
            if cell.cell_type == "code":
                lab.run(cell.source)
        assert "'penalty': 0.1" in lab.run("from aethergraph import run_async\nawait run_async(progression)").text
