"""The tables of `%aether`, as text and as HTML."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from aethergraph import RunInfo, RunStatus
from aethergraph.record.schema import Question
from jupyter_ext.table import Cell, Table, command, plan_table, run_table, short, wait_table

EVIL = "<img src=x onerror=alert(1)>"


def info(status: str = "done", **other: Any) -> RunInfo:
    facts: dict[str, Any] = {
        "run_id": "study-7f3ka",
        "name": "study",
        "status": RunStatus(status),
        "created_at": 1000.0,
        "duration_s": 2.0,
        "nodes_done": 3,
        "nodes": 7,
        "waiting": 0,
        "session": "",
        "error": "",
        "live_elsewhere": False,
        "kind": "",
    }
    return RunInfo(**{**facts, **other})


def test_runs_as_text() -> None:
    table = run_table([info("waiting", waiting=1), info("done", run_id="old-22222", nodes_done=7)], now=1300.0)
    assert str(table).splitlines() == [
        "2 runs",
        "run          agent  status     nodes  waits for  age    command",
        "study-7f3ka  study  ◆ waiting  3/7    1 answer   5 min  %aether resume study-7f3ka",
        "old-22222    study  ✓ done     7/7               5 min  %aether show old-22222",
    ]


@pytest.mark.parametrize(
    ("run", "typed"),
    [
        (info("failed", kind="session"), "%aether show study-7f3ka"),
        (info("paused"), "%aether resume study-7f3ka"),
        (info("failed"), "%aether resume study-7f3ka"),
        (info("running"), "%aether show study-7f3ka"),
        (info("waiting", live_elsewhere=True), "%aether show study-7f3ka"),
        (info("cancelled"), "%aether show study-7f3ka"),
    ],
)
def test_each_row_has_the_command_that_goes_on(run: RunInfo, typed: str) -> None:
    assert command(run) == typed


def test_a_failed_run_says_why_and_a_live_one_where() -> None:
    text = str(run_table([info("failed", error="ValueError: no"), info("running", live_elsewhere=True)], now=1000.0))
    assert "✗ failed: ValueError: no" in text
    assert "▶ running (another process)" in text


def test_an_empty_store_says_how_to_start() -> None:
    assert str(run_table([], now=0.0)).startswith("no runs in this store yet: start one with")


def test_nothing_in_a_table_is_markup() -> None:
    runs = run_table([info("failed", name=EVIL, run_id=EVIL, error=EVIL)], 1000.0, title=EVIL)
    wait = SimpleNamespace(
        prompt=EVIL, kind="choice", schema=Question("choice", EVIL, options=[EVIL]), run_id=EVIL, node_id=EVIL,
        created_at=0.0, deadline=None, token=EVIL,
    )  # fmt: skip
    row = SimpleNamespace(node_id=EVIL, verdict="runs", why=EVIL)
    for table in (runs, wait_table([wait], 0.0), plan_table(EVIL, SimpleNamespace(rows=[row], notes=[EVIL]))):
        page = table._repr_mimebundle_()["text/html"]
        assert "<img" not in page and "&lt;img src=x" in page


def test_lines_and_terminal_codes_cannot_break_a_row() -> None:
    text = str(run_table([info(name="a\nb\x1b[31mc", error="x\ny")], now=1000.0))
    assert len(text.splitlines()) == 3 and "\x1b" not in text


def test_open_questions() -> None:
    question = Question("approval", "Keep it?", options=["Approve", "Reject"])
    wait = SimpleNamespace(
        prompt="Keep it?", kind="approval", schema=question, run_id="r-1", node_id="ask", created_at=0.0,
        deadline=7300.0, token="ask-abc",
    )  # fmt: skip
    text = str(wait_table([wait], now=100.0))
    assert "approval: Approve | Reject" in text
    assert "2 h" in text and "%aether answer ask-abc ..." in text
    assert str(wait_table([], 0.0)) == "no open questions"


def test_a_plan_counts_what_is_reused_and_lists_the_rest() -> None:
    rows = [SimpleNamespace(node_id=f"n{i}", verdict="reused", why="") for i in range(3)]
    rows.append(SimpleNamespace(node_id="fit", verdict="runs", why="its code changed"))
    rows.append(SimpleNamespace(node_id="report", verdict="may run", why="it uses fit"))
    assert str(plan_table("r-1", SimpleNamespace(rows=rows, notes=["the code of study changed"]))).splitlines() == [
        "resuming r-1: 3 reused, 1 runs, 1 may run",
        "node    plan     why",
        "fit     runs     its code changed",
        "report  may run  it uses fit",
        "the code of study changed",
    ]


def test_a_long_plan_is_cut() -> None:
    rows = [SimpleNamespace(node_id=f"n{i}", verdict="runs", why="") for i in range(50)]
    lines = str(plan_table("r-1", SimpleNamespace(rows=rows, notes=[]))).splitlines()
    assert lines[-1] == "and 20 more nodes" and len(lines) == 33


def test_a_table_without_rows_is_its_title() -> None:
    table = Table("<none>", ("a",), [])
    assert table._repr_mimebundle_() == {
        "text/plain": "<none>",
        "text/html": '<div style="opacity:.75;margin:2px 0 4px">&lt;none&gt;</div>',
    }
    assert "<code>x</code>" in Table("t", ("a",), [[Cell("x", code=True)]])._repr_mimebundle_()["text/html"]


def test_a_token_is_shown_as_far_as_tells_it_apart() -> None:
    assert short(["ask-abcdefg", "ask-abcdxyz", "ask_2-abcdefg"]) == ["ask-abcde", "ask-abcdx", "ask_2-abcd"]
    assert short(["ask-a", "ask-a"]) == ["ask-a", "ask-a"]


def test_names_and_commands_stay_on_one_line() -> None:
    page = Table(
        "t", ("a", "b"), [[Cell("study-pb9nv"), Cell("a long text"), Cell("%aether show x", code=True)]]
    )._html()
    assert page.count("white-space:nowrap") == 2
