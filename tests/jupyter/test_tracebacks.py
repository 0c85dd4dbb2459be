"""What a cell shows of an error: the user's frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from IPython.core.interactiveshell import InteractiveShell

from aethergraph import Runtime, errors
from aethergraph.storage.keyring import Keyring
from jupyter_ext import tracebacks

AGENT = """
from aethergraph import graph_fn, run, tool

@tool
def inner(x):
    d = {"k": 1}
    return d[x]

@graph_fn
async def outer(x: str):
    try:
        return await inner(x)
    except KeyError as error:
        raise RuntimeError("wrapped") from error
"""


@pytest.fixture
def ip(shell: InteractiveShell, tmp_path: Path) -> Iterator[InteractiveShell]:
    undo = tracebacks.install(shell)
    runtime = Runtime(tmp_path / "store", keyring=Keyring(tmp_path / "key"), durability="process")
    with runtime.use():
        shell.run_cell(AGENT).raise_error()
        yield shell
    runtime.close()
    undo()


def shown(ip: InteractiveShell, cell: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert ip.run_cell(cell).error_in_exec is not None
    return capsys.readouterr().out


def test_only_the_users_frames_are_shown_of_a_failed_run(
    ip: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    for cell in ("await outer('n')", "run(outer, x='n')"):
        text = shown(ip, cell, capsys)
        assert "return d[x]" in text and "await inner(x)" in text and cell in text  # the causes too
        assert "RuntimeError: wrapped" in text and "in node inner of run outer-" in text
        for file in ("running.py", "execution.py", "tasks.py", "thread.py"):
            assert file not in text, text


def test_an_error_raised_on_purpose_shows_only_the_line_that_caused_it(
    ip: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(ip, "outer(3)", capsys)
    assert "outer(x=...) takes str, got int: 3" in text and "outer(3)" in text
    assert "reactive.py" not in text


def test_a_bug_of_ours_is_shown_whole(ip: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    ours = ModuleType("aethergraph.broken")
    exec("def fails():\n    nothing_of_this_name", ours.__dict__)
    ip.user_ns["ours"] = ours
    text = shown(ip, "ours.fails()", capsys)
    assert "NameError" in text and "in fails()" in text


def test_verbose_tracebacks_hide_nothing(ip: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    ip.run_line_magic("xmode", "Verbose")
    assert "reactive.py" in shown(ip, "outer(3)", capsys)


def test_unloaded_it_hides_nothing(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    undo = tracebacks.install(shell)
    shell.run_cell(AGENT).raise_error()
    assert "reactive.py" not in shown(shell, "outer(3)", capsys)
    undo()
    assert "reactive.py" in shown(shell, "outer(3)", capsys)


def test_a_stored_traceback_names_the_cell(
    ip: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(errors, "cell_name", lambda filename: tracebacks.cell_name(ip, filename))
    shown(ip, "outer_run = run(outer, x='n')", capsys)
    ip.run_cell("from aethergraph import runs, load_run\nstored = load_run(runs()[0].run_id)").raise_error()
    failed = ip.user_ns["stored"].picture().nodes[1].error.traceback
    assert 'File "Cell In[' in failed and "return d[x]" in failed
    assert "thread.py" not in failed
