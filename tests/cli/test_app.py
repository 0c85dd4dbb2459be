"""The commands, in this process: exit codes, what is printed, and JSON."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from aethergraph import Runtime, open_session
from aethergraph.cli.app import app
from aethergraph.cli.codes import Exit

from .conftest import AGENTS, Aether

STUDY = f"{AGENTS}:study"
NAMED = '{"name": "Ada"}'


def waiting(aether: Aether) -> str:
    """A run that waits for its answer."""
    assert aether("run", STUDY) == Exit.WAITING
    return str(aether.json("waits")[0]["run_id"])


def test_a_run_prints_its_outputs(aether: Aether) -> None:
    assert aether("run", STUDY, "-i", "n=2", "--answers", NAMED) == Exit.DONE
    assert aether.out == "total = 2\nname = 'Ada'\n"


def test_a_static_graph_runs_too(aether: Aether) -> None:
    assert aether.json("run", f"{AGENTS}:twice", "-i", "x=5")["outputs"] == {"y": 20}


def test_json_is_all_that_stands_on_the_standard_output(aether: Aether) -> None:
    done = aether.json("run", STUDY, "--answers", NAMED)
    assert (done["status"], done["outputs"]) == ("done", {"total": 6, "name": "Ada"})


def test_where_nobody_is_there_a_question_waits_in_the_store(aether: Aether) -> None:
    run_id = waiting(aether)
    assert aether("answer", run_id, "Bo") == Exit.DONE
    assert aether("resume", run_id) == Exit.DONE
    assert aether.out == "total = 6\nname = 'Bo'\n"


def test_what_waits_says_how_to_answer_it(aether: Aether) -> None:
    aether("run", STUDY)
    token = aether.err.split("aether answer ")[1].split()[0]
    assert aether("waits") == 0
    assert f"aether answer {token} VALUE" in aether.out
    assert aether("answer", token[:12], "Cy") == 0  # the beginning of a token is enough
    assert aether("waits") == 0
    assert "nothing waits" in aether.out


def test_a_failed_run_ends_with_1_and_says_how_to_go_on(aether: Aether) -> None:
    assert aether("run", f"{AGENTS}:broken") == Exit.FAILED
    said = aether.err
    assert "aether: ValueError: no good" in said
    run_id = aether.json("runs")[0]["run_id"]
    assert f"aether resume {run_id}" in said
    assert aether("retry", run_id) == Exit.FAILED
    failed = aether.json("run", f"{AGENTS}:broken")
    assert (failed["status"], failed["error"]) == ("failed", "ValueError: no good")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", f"{AGENTS}:nothing"], Exit.USAGE, "has no 'nothing'"),
        (["run", STUDY, "-i", "q=3"], Exit.USAGE, "its inputs are: n, label"),
        (["run", f"{AGENTS}:sleeper"], Exit.USAGE, "'sleeper' needs flag; its inputs are: flag"),
        (["run", STUDY, "--answers", "{"], Exit.USAGE, "--answers is not valid JSON"),
        (["show", "nosuch"], Exit.UNKNOWN, "no run 'nosuch'; `aether runs` lists"),
        (["resume", "nosuch"], Exit.UNKNOWN, "no run 'nosuch'"),
        (["cancel", "nosuch"], Exit.UNKNOWN, "no run 'nosuch'"),
        (["answer", "nosuch", "x"], Exit.UNKNOWN, "no question 'nosuch'"),
        (["artifacts", "--get", "nosuch"], Exit.UNKNOWN, "no artifact 'nosuch'"),
        (["runs", "--status", "asleep"], Exit.USAGE, "status='asleep'"),
        (["gc", "--older-than", "3 days"], Exit.USAGE, "--older-than 30d"),
        (["show"], Exit.USAGE, "no runs in"),
        (["runs", "--store", "x"], Exit.USAGE, "--store stands before the command"),
        (["frobnicate"], Exit.USAGE, "No such command 'frobnicate'"),
        (["run", STUDY, "--frobnicate"], Exit.USAGE, "No such option"),
    ],
)
def test_what_is_written_wrongly_ends_with_a_code_and_a_sentence(
    aether: Aether, arguments: list[str], code: Exit, said: str
) -> None:
    assert aether(*arguments) == code
    assert said in aether.err
    assert "Traceback" not in aether.err
    assert aether.out == ""


def test_no_error_names_a_magic(aether: Aether) -> None:
    run_id = waiting(aether)
    for arguments in (["resume", "no"], ["answer", "no", "x"], ["cancel", "no"], ["resume", run_id]):
        aether(*arguments)
        assert "%aether" not in aether.err + aether.out


def test_runs_are_listed_with_what_goes_on(aether: Aether) -> None:
    run_id = waiting(aether)
    aether("run", f"{AGENTS}:twice", "--tag", "mine")
    aether("runs")
    rows = aether.out.splitlines()
    assert len(rows) == 3
    assert "twice" in rows[1] and "done" in rows[1]
    assert run_id in rows[2] and "1 open" in rows[2]
    assert [row["name"] for row in aether.json("runs", "--tag", "mine")] == ["twice"]
    assert [row["name"] for row in aether.json("runs", "--status", "done")] == ["twice"]
    assert len(aether.json("runs", "--limit", "1")) == 1


def test_what_calls_say_of_themselves_is_shown_beside_their_nodes(aether: Aether) -> None:
    aether("run", f"{AGENTS}:twice")
    aether("show")
    first, second = (row for row in aether.out.splitlines() if row.startswith("  ✓"))
    assert first.startswith("  ✓ double  @first  #all  #small  ") and second.startswith("  ✓ double-2  #all  0")
    assert [node["labels"] for node in aether.json("show")["nodes"]] == [["all", "small"], ["all"]]


def test_one_run_is_shown(aether: Aether) -> None:
    run_id = waiting(aether)
    aether("show", run_id)
    assert [row.split()[1] for row in aether.out.splitlines() if row.startswith("  ✓")] == [
        "double",
        "double-2",
        "double-3",
    ]
    assert "◆ ask: name [ask]" in aether.out
    assert "waits: What shall I call it?" in aether.out
    aether("show", run_id, "--timeline")
    assert aether.out.count("│") == 8
    aether("show", run_id, "--transcript")
    assert "doubled 3 numbers" in aether.out
    assert aether.json("show", run_id)["waits"][0]["prompt"] == "What shall I call it?"


def test_a_picture_is_written(aether: Aether, tmp_path: Path) -> None:
    aether("run", f"{AGENTS}:twice")
    assert aether("show", "--svg", "-") == 0
    assert aether.out.startswith("<svg ")
    file = tmp_path / "run.svg"
    aether("show", "--svg", str(file))
    assert file.read_text(encoding="utf-8").startswith("<svg ")
    assert aether("show", "--svg", str(tmp_path / "no" / "run.svg")) == Exit.USAGE


def test_a_run_is_cancelled(aether: Aether) -> None:
    run_id = waiting(aether)
    assert aether("cancel", run_id) == 0
    assert aether("cancel", run_id) == Exit.USAGE
    assert "is cancelled already" in aether.err
    assert aether("resume", run_id) == Exit.USAGE


def test_a_fork_goes_on_differently(aether: Aether) -> None:
    aether("run", STUDY, "--answers", NAMED)
    run_id = aether.json("runs")[0]["run_id"]
    forked = aether.json("fork", run_id, "--at", "ask", "--answer", "Zoe")
    assert forked["outputs"] == {"total": 6, "name": "Zoe"}
    again = aether.json("fork", run_id, "-i", "n=1", "--answers", NAMED)
    assert again["outputs"] == {"total": 0, "name": "Ada"}
    assert aether("fork", run_id, "--at", "nothing") == Exit.USAGE
    assert "there are: ask, double" in aether.err


def test_artifacts_are_listed_and_got(aether: Aether, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    aether("run", f"{AGENTS}:saver")
    aether("artifacts")
    assert "note.txt" in aether.out
    one = aether.json("artifacts")[0]
    assert aether("artifacts", "--get", one["artifact_id"]) == 0
    assert (tmp_path / "note.txt").read_text() == "all is well"
    assert aether("artifacts", "--get", "note.txt") == Exit.USAGE  # it is there already
    assert aether("artifacts", one["run_id"], "--get", "note.txt", "-o", str(tmp_path / "copy")) == 0
    assert (tmp_path / "copy").read_text() == "all is well"


def test_the_store_is_tidied_when_told(aether: Aether) -> None:
    aether("run", f"{AGENTS}:twice")
    assert aether("gc", "--keep", "0") == 0
    assert "would delete" in aether.out
    assert len(aether.json("runs")) == 1
    assert aether.json("gc", "--keep", "0", "--yes")["done"] is True
    assert aether.json("runs") == []


def test_the_code_of_a_run_is_trusted(aether: Aether) -> None:
    run_id = waiting(aether)
    assert aether("trust", run_id, "--yes") == 0
    assert "no code is stored" in aether.out or "trusted" in aether.out


def test_the_doctor_names_the_store(aether: Aether, runtime: Runtime) -> None:
    assert aether.json("doctor")["store"] == str(runtime.store.folder)


def test_a_signal_wakes_who_waits(aether: Aether) -> None:
    assert aether("signal", "arrived", '{"n": 1}') == 0
    assert aether.out.strip().endswith(": arrived")


def test_every_command_says_what_it_does() -> None:
    assert all(command.callback is not None and command.callback.__doc__ for command in app.registered_commands)


def test_inputs_come_from_a_file(aether: Aether, tmp_path: Path) -> None:
    file = tmp_path / "inputs.json"
    file.write_text(json.dumps({"n": 1, "label": "!"}))
    assert aether.json("run", STUDY, "--inputs", str(file), "--answers", NAMED)["outputs"]["name"] == "Ada!"


def test_a_run_of_the_same_id_is_gone_on_with(aether: Aether) -> None:
    assert aether("run", STUDY, "--run-id", "mine") == Exit.WAITING
    aether("answer", "mine", "Di")
    assert aether.json("run", STUDY, "--run-id", "mine")["outputs"]["name"] == "Di"
    assert aether("run", STUDY, "--run-id", "mine", "-i", "n=9") == Exit.FAILED
    assert "'mine' exists already" in aether.err


def test_a_session_that_failed_is_shown_and_not_resumed(aether: Aether, runtime: Runtime) -> None:
    async def fail() -> None:
        async with open_session():
            raise ValueError("no good")

    with pytest.raises(ValueError, match="no good"):
        asyncio.run(fail())
    assert aether("runs") == 0
    assert "aether show " in aether.out and "aether resume " not in aether.out


def test_a_run_whose_budget_is_used_up_is_paused_and_goes_on_with_a_larger_one(
    aether: Aether, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENDLESS", "1")
    assert aether("run", f"{AGENTS}:worker", "--run-id", "mine", "--budget", "0.05") == Exit.WAITING
    assert "its budget is used up" in aether.err and "aether resume mine --budget SECONDS" in aether.err
    assert "paused: its budget is used up" in _shown(aether, "runs")
    monkeypatch.delenv("ENDLESS")
    assert aether("resume", "mine") == Exit.WAITING and "its budget is used up" in aether.err
    assert aether("resume", "mine", "--budget", "60") == Exit.DONE


def _shown(aether: Aether, *arguments: str) -> str:
    aether(*arguments)
    return aether.out


@pytest.mark.parametrize("command", [["run", f"{AGENTS}:twice"], ["resume"]])
def test_a_budget_is_above_0(aether: Aether, command: list[str]) -> None:
    assert aether(*command, "--budget", "0") == Exit.USAGE
    assert "a budget is above 0" in aether.err
