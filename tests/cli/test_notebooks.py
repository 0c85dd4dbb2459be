"""`aether nb`: a notebook in a real kernel, with answers that were written down."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from aethergraph.cli.codes import Exit

from .conftest import Aether

AGENT = """\
%load_ext aethergraph
from aethergraph import graph_fn
@graph_fn
async def hello(*, context):
    return {"said": "hello " + await context.channel().ask_text("Who are you?", name="who")}
print((await hello()).said)"""


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AETHERGRAPH_HOME", str(tmp_path / "of the kernel"))
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    return tmp_path / "book.ipynb"


def write(path: Path, *cells: str) -> None:
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), path)  # type: ignore[no-untyped-call]


def printed(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells  # type: ignore[no-untyped-call]
    return "".join(out.get("text", "") for cell in cells for out in cell.outputs)


def test_a_notebook_is_executed_with_answers_of_a_file(book: Path, tmp_path: Path, aether: Aether) -> None:
    write(book, AGENT)
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"who": "Ada"}))
    before = dict(os.environ)
    assert aether("nb", str(book), "--answers", str(answers)) == Exit.DONE, aether.err
    assert "hello Ada" in printed(tmp_path / "book.executed.ipynb")
    assert printed(book) == ""  # the notebook itself stays as it is
    assert dict(os.environ) == before, "what the kernel is told is not told to this process"


def test_a_cell_that_fails_is_named_and_what_ran_is_written(book: Path, tmp_path: Path, aether: Aether) -> None:
    write(book, "print('first')", "1 / 0", "print('third')")
    out = tmp_path / "out.ipynb"
    assert aether("nb", str(book), "-o", str(out)) == Exit.FAILED
    assert "cell 2 failed: ZeroDivisionError" in aether.err
    assert "first" in printed(out) and "third" not in printed(out)


def test_cells_of_text_are_no_steps(book: Path, tmp_path: Path, aether: Aether) -> None:
    cells = [make(text) for text in ("print(1)", "print(2)") for make in (new_markdown_cell, new_code_cell)]  # type: ignore[no-untyped-call]
    nbformat.write(new_notebook(cells=cells), book)  # type: ignore[no-untyped-call]
    assert aether("nb", str(book)) == Exit.DONE, aether.err
    assert [line for line in aether.err.splitlines() if line.startswith("cell")] == ["cell 1 of 2", "cell 2 of 2"]


@pytest.mark.parametrize(("text", "said"), [(None, "cannot be read"), ("{", "is no notebook")])
def test_what_is_no_notebook_is_told(book: Path, aether: Aether, text: str | None, said: str) -> None:
    if text is not None:
        book.write_text(text, encoding="utf-8")
    assert aether("nb", str(book)) == Exit.USAGE
    assert said in aether.err


def test_a_kernel_that_is_not_there_is_told(book: Path, tmp_path: Path, aether: Aether) -> None:
    write(book, "1")
    assert aether("nb", str(book), "--kernel", "nosuch") == Exit.USAGE
    assert "there is no kernel 'nosuch'" in aether.err and "kernelspec list" in aether.err
    assert not (tmp_path / "book.executed.ipynb").exists()
