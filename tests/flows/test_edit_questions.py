"""Semantics 26: a question that the edited code no longer asks is withdrawn when the run is first idle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph.record import facts as f

from .lab import LIMIT_S, Lab, laboratory

CELLS = """
@tool(outputs=["rows"])
def order(rows):
    return sorted(rows{})
@graph_fn
async def agent(*, context):
    rows = (await order([3, 1, 2])).rows
    await context.channel().send_text("sorted " + str(rows))
    return {{"kept": await context.channel().ask_choice("Which?", options=[str(row) for row in rows])}}
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    with laboratory(tmp_path) as made:
        yield made


def test_26_a_question_whose_options_changed_replaces_the_old_one(lab: Lab) -> None:
    lab.cell(CELLS.format(""))
    run = lab.start("agent")
    lab.asked(run, "Which?")
    lab.kill()
    lab.cell(CELLS.format(", reverse=True"))
    again = lab.resume(run)
    lab.until(again, lambda facts: any(isinstance(fact, f.WaitWithdrawn) for fact in facts))
    assert [wait.schema.options for wait in lab.runtime.waits()] == [["3", "2", "1"]]
    lab.answer(again, "Which?", "1")
    assert again.result(LIMIT_S) == {"kept": "1"}
