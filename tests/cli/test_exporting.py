"""`aether export`: from a notebook file and from a run, proved on a run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from aethergraph import Runtime
from aethergraph.cli.codes import Exit

from .conftest import AGENTS, Aether

CELLS = (
    "%load_ext aethergraph\nfrom aethergraph import graph_fn, tool\nFACTOR = 2",
    "@tool(outputs=['y'])\ndef scaled(x: int):\n    return FACTOR * x",
    "@graph_fn(outputs=['y'])\nasync def agent(x: int = 3):\n    return {'y': (await scaled(x)).y}",
    "raise SystemExit('a cell was executed')",
)


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "book.ipynb"
    cells = [new_code_cell(cell) for cell in CELLS]  # type: ignore[no-untyped-call]
    nbformat.write(new_notebook(cells=cells), path)  # type: ignore[no-untyped-call]
    return path


def test_a_notebook_becomes_a_module_that_runs(book: Path, aether: Aether, runtime: Runtime) -> None:
    assert aether("export", "book.ipynb", "agent", "-o", "made_agent.py") == Exit.DONE, aether.err
    text = (book.parent / "made_agent.py").read_text()
    assert "FACTOR = 2" in text and "@graphify" in text and "SystemExit('a cell" not in text
    assert aether.json("run", "made_agent.py:agent", "-i", "x=5")["outputs"] == {"y": 10}
    assert aether("export", "book.ipynb", "agent", "-o", "made_again.py", "--verify") == Exit.DONE, aether.err
    assert "all 2 equal" in aether.out


def test_a_run_becomes_a_module_and_is_compared_with_itself(tmp_path: Path, aether: Aether) -> None:
    aether("run", f"{AGENTS}:study", "--answers", '{"name": "Ada"}')
    run_id = aether.json("runs")[0]["run_id"]
    out = str(tmp_path / "study_of_run.py")
    code = aether("export", run_id, "-o", out, "--verify")
    assert (code, aether.err) == (Exit.DONE, "")
    assert aether.out.startswith(out) and "differ" not in aether.out


def test_what_differs_ends_with_1_and_is_shown(book: Path, aether: Aether) -> None:
    aether("export", "book.ipynb", "agent", "-o", "other_agent.py")
    aether("run", "other_agent.py:agent")
    changed = book.read_text(encoding="utf-8").replace("FACTOR = 2", "FACTOR = 7")
    book.write_text(changed, encoding="utf-8")
    assert aether("export", "book.ipynb", "agent", "-o", "other_made.py", "--verify") == Exit.FAILED
    assert "differ" in aether.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["book.ipynb"], Exit.USAGE, "say which agent"),
        (["missing.ipynb", "agent"], Exit.USAGE, "there is no file"),
        (["nosuch"], Exit.UNKNOWN, "no run 'nosuch'"),
        (["nosuch", "agent"], Exit.USAGE, "is no notebook"),
        (["book.ipynb", "agent", "--verify"], Exit.USAGE, "run it once"),
        (["book.ipynb", "agent", "--run", "x"], Exit.USAGE, "write --verify"),
        (["book.ipynb", "nobody"], Exit.FAILED, "nobody"),
    ],
)
def test_what_cannot_be_exported_is_told(
    book: Path, aether: Aether, arguments: list[str], code: Exit, said: str
) -> None:
    assert aether("export", *arguments) == code
    assert said in aether.err and "Traceback" not in aether.err
