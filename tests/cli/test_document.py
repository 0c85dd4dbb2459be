"""`--json`: each command of the app gives one document on the standard output, where it works and where it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from aethergraph.cli.app import app
from aethergraph.cli.codes import Exit

from .conftest import AGENTS, Aether
from .test_terminal import PATIENCE_S, environment

STUDY, NAMED = f"{AGENTS}:study", '{"name": "Ada"}'


@dataclass(frozen=True)
class Case:
    """How a command is called so that it works, and so that it does not; with the code that the page names for that."""

    works: list[str]
    key: str  # that the document has; of a list, that its entries have
    wrong: list[str]
    code: Exit


CASES = {
    "run": Case([f"{AGENTS}:twice"], "outputs", [f"{AGENTS}:nothing"], Exit.USAGE),
    "resume": Case(["waits", "--answers", NAMED], "outputs", ["nosuch"], Exit.UNKNOWN),
    "retry": Case(["failed"], "outputs", ["done"], Exit.USAGE),
    "fork": Case(["done"], "outputs", ["nosuch"], Exit.UNKNOWN),
    "runs": Case([], "run_id", ["--status", "asleep"], Exit.USAGE),
    "show": Case(["done"], "run_id", ["nosuch"], Exit.UNKNOWN),
    "waits": Case([], "token", ["more"], Exit.USAGE),
    "answer": Case(["waits", "Ada"], "token", ["done", "Ada"], Exit.UNKNOWN),
    "signal": Case(["arrived", "3"], "signal", [], Exit.USAGE),
    "cancel": Case(["waits"], "status", ["done"], Exit.USAGE),
    "export": Case(["done", "-o", "twice_again.py", "--verify"], "proof", ["nosuch"], Exit.UNKNOWN),
    "artifacts": Case(["--get", "note.txt"], "written_to", ["--get", "nosuch"], Exit.UNKNOWN),
    "gc": Case(["--keep", "1"], "kept", ["--older-than", "long"], Exit.USAGE),
    "trust": Case(["done", "--yes"], "trusted", ["nosuch"], Exit.UNKNOWN),
    "doctor": Case([], "store", ["more"], Exit.USAGE),
    "nb": Case(["fine.ipynb"], "notebook", ["bad.ipynb"], Exit.FAILED),
}
COMMANDS = sorted(command.callback.__name__ for command in app.registered_commands if command.callback is not None)


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aether: Aether) -> Aether:
    """A store with a run that is done, one that failed and would not again, one that waits, and an artifact."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AETHERGRAPH_HOME", str(tmp_path / "of the kernel"))
    assert aether("run", f"{AGENTS}:twice", "--run-id", "done") == Exit.DONE
    flag = tmp_path / "flag"
    assert aether("run", f"{AGENTS}:second_time", "-i", f"flag={flag}", "--run-id", "failed") == Exit.FAILED
    flag.touch()
    assert aether("run", STUDY, "--run-id", "waits") == Exit.WAITING
    assert aether("run", f"{AGENTS}:saver") == Exit.DONE
    for name, text in (("fine", "print(1)"), ("bad", "1 / 0")):
        nbformat.write(new_notebook(cells=[new_code_cell(text)]), f"{name}.ipynb")  # type: ignore[no-untyped-call]
    return aether


def test_each_command_is_proved_here() -> None:
    assert sorted(CASES) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_what_works_gives_one_document(prepared: Aether, command: str) -> None:
    case = CASES[command]
    document = prepared.json(command, *case.works)
    assert prepared.code == Exit.DONE, prepared.err
    assert "exit_code" not in document
    assert all(case.key in entry for entry in (document if isinstance(document, list) else [document]))
    assert document


@pytest.mark.parametrize("command", COMMANDS)
def test_what_does_not_work_gives_a_document_too_and_the_code(prepared: Aether, command: str) -> None:
    case = CASES[command]
    document = prepared.json(command, *case.wrong)
    assert prepared.code == case.code, prepared.err
    assert document["error"] and document.get("exit_code", case.code) == case.code
    assert document["error"].splitlines()[0] in prepared.err  # a person reads it, too


@pytest.mark.parametrize("command", COMMANDS)
def test_a_misspelt_option_gives_a_document_too(aether: Aether, command: str) -> None:
    document = aether.json(command, "--frobnicate")
    assert (aether.code, document["exit_code"]) == (Exit.USAGE, Exit.USAGE)
    assert "--frobnicate" in document["error"]


def test_a_run_that_waits_gives_its_questions(aether: Aether) -> None:
    document = aether.json("run", STUDY)
    assert aether.code == Exit.WAITING
    assert [wait["name"] for wait in document["waits"]] == ["name"]
    assert f"aether answer {document['waits'][0]['token']}" in aether.err


def test_two_documents_cannot_have_the_same_output(prepared: Aether) -> None:
    assert "want the standard output" in prepared.json("show", "done", "--svg", "-")["error"]


def in_a_process(folder: Path, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    options = {"env": environment(folder), "stdin": subprocess.DEVNULL, **more}
    command = [sys.executable, "-m", "aethergraph.cli", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE_S, check=False, **options)


def test_what_agents_and_their_children_print_stays_out_of_the_document(tmp_path: Path) -> None:
    done = in_a_process(tmp_path, "run", f"{AGENTS}:talker", "--json")
    assert json.loads(done.stdout)["outputs"] == {"said": "a tool"}
    for printed in ("a print of the body", "a print of a tool", "a print of a child"):
        assert printed in done.stderr
    plain = in_a_process(tmp_path, "run", f"{AGENTS}:talker")
    assert "a print of a child\n" in plain.stdout  # without --json it goes where it was sent


def test_a_document_is_ascii_where_the_output_has_no_more(tmp_path: Path) -> None:
    narrow = {**environment(tmp_path), "PYTHONIOENCODING": "ascii"}
    command = ["run", STUDY, "--answers", '{"name": "Zoë ✓"}', "--json"]
    done = in_a_process(tmp_path, *command, env=narrow)
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["outputs"]["name"] == "Zoë ✓"


def test_signs_that_the_output_does_not_have_end_nothing(tmp_path: Path) -> None:
    bare = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    assert in_a_process(tmp_path, "run", f"{AGENTS}:twice").returncode == Exit.DONE
    shown = in_a_process(tmp_path, "show", env={**environment(tmp_path), **bare})
    assert (shown.returncode, shown.stderr) == (Exit.DONE, "")
    assert "? double [double]" in shown.stdout or "? double  " in shown.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path, more: list[str]) -> None:
    command = [sys.executable, "-m", "aethergraph.cli", "doctor", *more]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            command, env=environment(tmp_path), stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    assert done.returncode == Exit.FAILED
    assert "No space left" in done.stderr and "Traceback" not in done.stderr


def test_a_question_that_nobody_answers_is_open(tmp_path: Path) -> None:
    forced = {**environment(tmp_path), "AETHERGRAPH_INTERACTIVE": "1"}
    done = in_a_process(tmp_path, "run", STUDY, env=forced)
    assert done.returncode == Exit.WAITING
    assert "nobody can be asked" in done.stderr and "aether answer ask-" in done.stderr
    refused = in_a_process(tmp_path, "run", STUDY, env={**forced, "AETHERGRAPH_INTERACTIVE": "maybe"})
    assert refused.returncode == Exit.USAGE
    assert "AETHERGRAPH_INTERACTIVE='maybe'" in refused.stderr
