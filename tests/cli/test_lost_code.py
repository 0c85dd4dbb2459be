"""A run whose code is not where it was: what is said, and that what it says to type goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from aethergraph.cli.codes import Exit

from .test_document import in_a_process
from .test_terminal import environment

ASKING = """\
from aethergraph import graph_fn, start
@graph_fn
async def asking(*, context):
    return {"x": await context.channel("inbox").ask_text("Which?", name="q")}
"""
STARTED = "start(asking, run_id='lost').pause('to see')\n"


def asked_from_nowhere(folder: Path, *, by_stdin: bool) -> None:
    text = ASKING + STARTED
    command, given = ([sys.executable, "-"], text) if by_stdin else ([sys.executable, "-c", text], "")
    subprocess.run(command, input=given, text=True, env=environment(folder), cwd=folder, check=True)


@pytest.mark.parametrize("by_stdin", [False, True])
def test_an_agent_that_was_in_no_file_is_told_and_goes_on_from_one(tmp_path: Path, by_stdin: bool) -> None:
    asked_from_nowhere(tmp_path, by_stdin=by_stdin)
    lost = in_a_process(tmp_path, "resume", "lost")
    assert lost.returncode == Exit.FAILED
    assert "could not be read when it was started" in lost.stderr and "python -c" in lost.stderr
    assert "aether resume lost --module FILE.py" in lost.stderr
    file = tmp_path / "written_down.py"
    file.write_text(ASKING)
    found = in_a_process(tmp_path, "resume", "lost", "--module", str(file), "--answers", '{"q": "this"}')
    assert (found.returncode, found.stdout) == (Exit.DONE, "x = 'this'\n"), found.stderr


def test_a_file_that_moved_is_told_and_named(tmp_path: Path) -> None:
    file = tmp_path / "moving_agents.py"
    file.write_text(ASKING)
    assert in_a_process(tmp_path, "run", str(file), "--run-id", "lost").returncode == Exit.WAITING
    moved = file.rename(tmp_path / "moved_agents.py")
    for command in ("resume", "fork"):
        lost = in_a_process(tmp_path, command, "lost")
        assert lost.returncode == Exit.FAILED
        assert f"it was started from {file}, which has been moved or deleted" in lost.stderr
        assert "aether resume lost --module FILE.py" in lost.stderr
    found = in_a_process(tmp_path, "fork", "lost", "--module", str(moved), "--answers", '{"q": "this"}', "--json")
    assert json.loads(found.stdout)["outputs"] == {"x": "this"}
    wrong = tmp_path / "other_agents.py"
    wrong.write_text(ASKING.replace("def asking", "def other"))
    refused = in_a_process(tmp_path, "resume", "lost", "--module", str(wrong))
    assert refused.returncode == Exit.USAGE
    assert "has no 'asking'; its agents are: other" in refused.stderr


def test_an_agent_that_was_renamed_is_told(tmp_path: Path) -> None:
    file = tmp_path / "renamed_agents.py"
    file.write_text(ASKING)
    assert in_a_process(tmp_path, "run", str(file), "--run-id", "lost").returncode == Exit.WAITING
    file.write_text(ASKING.replace("def asking", "def renamed"))
    lost = in_a_process(tmp_path, "resume", "lost")
    assert lost.returncode == Exit.FAILED
    assert f"started from {file}, which is there" in lost.stderr and "cannot import name 'asking'" in lost.stderr


def test_a_fork_finds_the_file_of_its_run_from_another_folder(tmp_path: Path) -> None:
    file = tmp_path / "far" / "far_agents.py"
    file.parent.mkdir()
    file.write_text(ASKING)
    assert in_a_process(tmp_path, "run", str(file), "--run-id", "lost", "--answers", '{"q": "a"}').returncode == 0
    forked = in_a_process(tmp_path, "fork", "lost", "--at", "ask", "--answer", "b", "--json")
    assert json.loads(forked.stdout)["outputs"] == {"x": "b"}, forked.stderr
