"""Which calls say `_same=True`, and what the plan of a resume makes of it. Semantics 3 and 12."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph import Run
from tests.flows.lab import LIMIT_S, Lab, laboratory

TOOL = """
@tool(outputs=["n"])
async def costly(x):
    ran("costly")
    return x + {more}
"""
BODY = """
async def go_on(context):
    await context.channel().ask_text("go on?")

@graph_fn
async def agent(flag=True, *, context):
    first = (await costly(1{first})).n
    second = (await costly(2{second})).n
    await go_on(context)
    return [first, second]
"""
ALWAYS = {"first": ", _same=True", "second": ", _same=True"}
NEVER = {"first": "", "second": ""}
CHANGED = "the code of costly, or of something that it uses, changed"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    with laboratory(tmp_path / "store") as made:
        yield made


def _edited(lab: Lab, before: dict[str, str], after: dict[str, str]) -> tuple[Run, list[tuple[str, str]]]:
    """A run that was killed at its question and whose tool was edited then, and what the plan says of the tool."""
    lab.cell(TOOL.format(more=1) + BODY.format(**before))
    run = lab.start("agent")
    lab.asked(run, "go on?")
    lab.kill()
    lab.cell(TOOL.format(more=2) + BODY.format(**after))
    lab.took()
    return run, [(row.verdict, row.why) for row in lab.plan(run).rows if row.callee == "costly"]


@pytest.mark.parametrize("before", [ALWAYS, NEVER])
def test_12_what_each_call_says_to_keep_is_planned_as_reused_and_is(lab: Lab, before: dict[str, str]) -> None:
    """Whether it said so before, or was edited together with the tool."""
    run, told = _edited(lab, before, ALWAYS)
    assert told == [("reused", "")] * 2
    resumed = lab.resume(run)
    lab.answer(resumed, "go on?", "yes")
    assert resumed.result(LIMIT_S).result == [2, 3]
    assert lab.took() == []


def test_12_what_is_not_kept_any_more_is_planned_to_run_and_does(lab: Lab) -> None:
    run, told = _edited(lab, ALWAYS, NEVER)
    assert told == [("runs", CHANGED)] * 2
    resumed = lab.resume(run)
    lab.answer(resumed, "go on?", "yes")
    assert resumed.result(LIMIT_S).result == [3, 4]


@pytest.mark.parametrize("second", ["", ", _same=flag", ", _same=False"])
def test_12_where_not_each_call_says_it_they_may_run(lab: Lab, second: str) -> None:
    _, told = _edited(lab, NEVER, {"first": ", _same=True", "second": second})
    assert told == [("may run", f"{CHANGED}: it runs unless its call says _same=True")] * 2


def test_12_a_call_that_never_says_it_truly_runs(lab: Lab) -> None:
    _, told = _edited(lab, NEVER, {"first": ", _same=False", "second": ""})
    assert told == [("runs", CHANGED)] * 2


GIVING_UP = """
@graph_fn
async def agent(*, context):
    {first}
    await context.channel().ask_text("go on?")
"""
ASKED = 'await context.channel().ask_text("name?")'


def test_12_a_question_that_was_withdrawn_is_not_planned_to_be_asked(lab: Lab) -> None:
    """The code that asked it is gone, and nobody knows of code that asks it again."""
    lab.cell(GIVING_UP.format(first=ASKED))
    run = lab.start("agent")
    lab.asked(run, "name?")
    lab.kill()
    lab.cell(GIVING_UP.format(first="pass"))
    lab.asked(lab.resume(run), "go on?")
    lab.kill()
    rows = {row.node_id: (row.verdict, row.why) for row in lab.plan(run).rows}
    assert rows == {
        "ask": ("may run", "it was withdrawn: it opens only if the code asks it again"),
        "ask-2": ("runs", "the question is open"),
    }


def test_12_a_call_that_the_body_gave_up_is_not_planned_to_run(lab: Lab) -> None:
    """Semantics 18: it stays pending until the body gives it up again."""
    lab.cell(
        "@tool\nasync def long():\n    await asyncio.Event().wait()\n"
        + GIVING_UP.format(
            first="try:\n        await asyncio.wait_for(long(), 0.01)\n    except TimeoutError:\n        pass"
        )
    )
    run = lab.start("agent")
    lab.asked(run, "go on?")
    lab.kill()
    rows = {row.node_id: (row.verdict, row.why) for row in lab.plan(run).rows}
    assert rows["long"] == ("may run", "the body gave it up: it runs only if the body does not do that again")
