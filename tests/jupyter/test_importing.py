"""`%aether import`: a module as a notebook, which runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from jupyter_ext.commands import importing
from jupyter_ext.magics import AetherMagics

MODULE = '''\
"""Twice as much."""

from aethergraph import graph_fn, tool


@tool(outputs=["y"])
def double(x: int):
    return 2 * x


@graph_fn(outputs=["y"])
async def twice(x: int = 4):
    return {"y": (await double(x)).y}


if __name__ == "__main__":
    raise SystemExit("not in a notebook")
'''


@pytest.fixture
def ip(shell: InteractiveShell) -> InteractiveShell:
    shell.register_magics(AetherMagics)
    return shell


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "twice_agents.py"
    path.write_text(MODULE)
    return path


def test_a_module_becomes_a_notebook_that_runs(
    ip: InteractiveShell, module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ip.run_line_magic("aether", "import twice_agents.py")
    assert "3 cells of twice_agents.py in twice_agents.ipynb" in capsys.readouterr().out
    book: Any = nbformat.read(module.with_suffix(".ipynb"), as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(book)  # type: ignore[no-untyped-call]
    texts = [cell.source for cell in book.cells]
    assert texts[0] == "Twice as much."
    assert texts[1] == "%load_ext aethergraph"
    assert [text.splitlines()[0] for text in texts[2:5]] == [
        "from aethergraph import graph_fn, tool",
        '@tool(outputs=["y"])',
        '@graph_fn(outputs=["y"])',
    ]
    for text in texts[2:5]:
        assert ip.run_cell(text).success
    assert asyncio.run(_awaited(ip.user_ns["twice"])) == {"y": 8}


async def _awaited(agent: Any) -> Any:
    return await agent(4)


def test_here_is_one_cell_below(ip: InteractiveShell, module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wished: list[str] = []
    monkeypatch.setattr(ip, "set_next_input", wished.append)
    ip.run_line_magic("aether", "import twice_agents.py --here")
    assert len(wished) == 1
    assert wished[0].startswith("from aethergraph import") and "SystemExit" not in wished[0]
    assert not module.with_suffix(".ipynb").exists()


def test_a_notebook_that_is_there_is_left_alone(ip: InteractiveShell, module: Path) -> None:
    module.with_suffix(".ipynb").write_text("mine")
    with pytest.raises(UsageError, match="is there already and is left as it is"):
        importing.import_module(ip, "twice_agents.py")
    assert module.with_suffix(".ipynb").read_text() == "mine"
    importing.import_module(ip, "twice_agents.py -o other.ipynb")
    assert (module.parent / "other.ipynb").exists()


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("", "write `%aether import"),
        ("a.py b.py", "write `%aether import"),
        ("missing.py", "cannot be read: No such file"),
        ("twice_agents.py -o", "-o needs the name"),
        ("twice_agents.py --there", "no option --there"),
        ("twice_agents.py --here -o x.ipynb", "has nothing to name"),
        ("twice_agents.py -o no/such/folder.ipynb", "cannot be written"),
        ("bad.py", "is no Python: "),
        ("binary.py", "is no text"),
    ],
)
def test_what_cannot_be_imported_is_told(ip: InteractiveShell, module: Path, rest: str, said: str) -> None:
    (module.parent / "bad.py").write_text("def (")
    (module.parent / "binary.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError) as caught:
        importing.import_module(ip, rest)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("book.ipynb", "is a notebook already"),
        ("twice_agents", "write `%aether import twice_agents.py`"),
        ("twice_agents.py -o cells.py", "ends with .ipynb, got cells.py"),
    ],
)
def test_what_is_named_wrongly_says_what_to_write(ip: InteractiveShell, module: Path, words: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ip.run_line_magic("aether", f"import {words}")
    assert not module.with_name("cells.py").exists()


def test_what_was_made_says_what_to_do_with_it(
    ip: InteractiveShell, module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ip.run_line_magic("aether", f"import {module.name}")
    assert "twice_agents.ipynb: open it and run them from the top" in capsys.readouterr().out
