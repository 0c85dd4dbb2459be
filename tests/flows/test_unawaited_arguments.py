"""Semantics 3 and 11 for calls that are given calls: `await b(a(x))`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph.testing import ScriptedChannel

from .lab import LIMIT_S, Lab, laboratory

CELLS = """
ADD = {}
@tool
async def a(x):
    ran("a")
    return x + ADD
@tool
async def b(x):
    ran(f"b {{x}}")
    return x
@graph_fn
async def agent(x, *, context):
    out = await b(a(x))
    await context.channel().ask_text("go?")
    return out.result
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    with laboratory(tmp_path) as made:
        yield made


def resumed(lab: Lab, cells: str) -> tuple[object, list[str]]:
    """Kill a run at its question, run `cells`, go on; what it gives, and what ran again."""
    lab.cell(CELLS.format(1))
    run = lab.start("agent", x=1)
    lab.asked(run, "go?")
    lab.kill()
    lab.took()
    lab.cell(cells)
    again = lab.resume(run)
    lab.answer(again, "go?", "y")
    return again.result(LIMIT_S)["result"], lab.took()


def test_an_edit_that_changes_the_value_runs_the_call_that_was_given_it(lab: Lab) -> None:
    assert resumed(lab, CELLS.format(100)) == (101, ["a", "b 101"])


def test_an_edit_that_does_not_change_the_value_stops_there(lab: Lab) -> None:
    assert resumed(lab, CELLS.format(1).replace("x + ADD", "ADD + x")) == (2, ["a"])


def test_an_output_that_is_not_there_fails_at_the_await(lab: Lab) -> None:
    lab.cell(CELLS.format(1) + "\n@graph_fn\nasync def wrong(x):\n    return (await b(a(x).nothing)).result")
    with ScriptedChannel({}), pytest.raises((LookupError, AttributeError), match="nothing"):
        lab.start("wrong", x=1).result(LIMIT_S)
