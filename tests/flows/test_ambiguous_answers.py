"""Semantics 3, last sentence: where several recorded answers would fit one question after an edit, none is guessed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph.testing import ScriptedChannel

from .lab import LIMIT_S, Lab, laboratory

TWICE = """
@graph_fn
async def agent(*, context):
    channel = context.channel()
    first = await channel.ask_text("more?")
    second = await channel.ask_text("more?")
    name = await channel.ask_text("name?")
    return {"told": [first, second, name]}
"""
ONCE = TWICE.replace('    second = await channel.ask_text("more?")\n', "").replace("first, second", "first")
COMMENTED = TWICE.replace("    first", "    # the first of two\n    first")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with laboratory(tmp_path) as made:
        yield made


def stopped(lab: Lab) -> str:
    """A run that has two equal questions answered and stands at its third."""
    lab.cell(TWICE)
    with ScriptedChannel({"more?": ["a", "b"]}):
        started = lab.start("agent")
        with pytest.raises(Exception, match="nobody can be asked 'name\\?'"):
            started.result(LIMIT_S)
    lab.kill()
    return started.run_id


def go_on(lab: Lab, run_id: str, answers: dict[str, object]) -> tuple[list[str], list[str]]:
    with ScriptedChannel(answers) as script:
        out = lab.runtime.resume(run_id, namespace=lab.cells.names).result(LIMIT_S)
    return out["told"], script.asked


def test_3_a_body_that_did_not_change_finds_its_answers(lab: Lab) -> None:
    run_id = stopped(lab)
    assert go_on(lab, run_id, {"name?": "Ada"}) == (["a", "b", "Ada"], ["name?"])


def test_3_a_comment_is_no_change(lab: Lab) -> None:
    run_id = stopped(lab)
    lab.cell(COMMENTED)
    assert go_on(lab, run_id, {"name?": "Ada"}) == (["a", "b", "Ada"], ["name?"])


def test_3_after_an_edit_equal_questions_are_asked_again(lab: Lab) -> None:
    run_id = stopped(lab)
    lab.cell(ONCE)
    assert go_on(lab, run_id, {"more?": "new", "name?": "Ada"}) == (["new", "Ada"], ["more?", "name?"])


def test_3_what_was_asked_again_is_not_asked_a_third_time(lab: Lab) -> None:
    run_id = stopped(lab)
    lab.cell(ONCE)
    with ScriptedChannel({"more?": "new"}):
        again = lab.runtime.resume(run_id, namespace=lab.cells.names)
        with pytest.raises(Exception, match="nobody can be asked 'name\\?'"):
            again.result(LIMIT_S)
    lab.kill()
    assert go_on(lab, run_id, {"name?": "Ada"}) == (["new", "Ada"], ["name?"])


NESTED = """
{decorator}
async def inner(*, context):
    channel = context.channel()
    first = await channel.ask_text("more?")
    second = await channel.ask_text("more?")
    name = await channel.ask_text("name?")
    return {{"told": [first, second, name]}}
@graph_fn
async def agent(*, context):
    return {{"told": (await inner()).told}}
"""
KINDS = pytest.mark.parametrize("decorator", ["@graph_fn", "@tool(outputs=['told'])"])


@KINDS
def test_3_the_same_holds_inside_nested_agents_and_tools(lab: Lab, decorator: str) -> None:
    cell = NESTED.format(decorator=decorator)
    lab.cell(cell)
    with ScriptedChannel({"more?": ["a", "b"]}):
        run = lab.start("agent")
        with pytest.raises(Exception, match="nobody can be asked 'name\\?'"):
            run.result(LIMIT_S)
    lab.kill()
    lab.cell(cell.replace('    second = await channel.ask_text("more?")\n', "").replace("first, second", "first"))
    told, asked = go_on(lab, run.run_id, {"more?": "c", "name?": "Ada"})
    assert (told, sorted(asked)) == (["c", "Ada"], ["more?", "name?"])


@KINDS
def test_3_inside_them_too_a_body_that_did_not_change_finds_its_answers(lab: Lab, decorator: str) -> None:
    cell = NESTED.format(decorator=decorator)
    lab.cell(cell)
    with ScriptedChannel({"more?": ["a", "b"]}):
        run = lab.start("agent")
        with pytest.raises(Exception, match="nobody can be asked 'name\\?'"):
            run.result(LIMIT_S)
    lab.kill()
    lab.cell(cell.replace("    first", "    # the first of two\n    first"))
    assert go_on(lab, run.run_id, {"name?": "Ada"}) == (["a", "b", "Ada"], ["name?"])
