"""The control words of a call, which mean the same in a `@graph_fn` and in a `@graphify`."""

from __future__ import annotations

from typing import Any

import pytest

from aethergraph import RunStatus
from aethergraph.record import facts as f
from aethergraph.record.status import NodeStatus

from .lab import LIMIT_S, Lab

CELL = """
from aethergraph import graphify

@tool
async def work(x, after=None):
    ran(f"work {x}")
    return x

@tool
async def over(x, *, than):
    return x > than

@tool(outputs=["low", "high"])
async def both(x):
    ran(f"both {x}")
    return x - 1, x + 1

@graph_fn
async def twin(x):
    return {"a": (await work(x)).result, "b": 1}
"""
KINDS = pytest.mark.parametrize("kind", ["@graph_fn\nasync def", "@graphify\ndef"], ids=["reactive", "static"])


@pytest.fixture
def words(lab: Lab) -> Lab:
    """A lab with the tools of this file."""
    lab.cell(CELL)
    return lab


def body(lab: Lab, kind: str, *lines: str) -> Any:
    """An agent of these lines, of either tempo."""
    lab.cell("\n    ".join([f"{kind} agent(n=1):", *lines]))
    return lab.cells["agent"]


@KINDS
@pytest.mark.parametrize(
    ("words_", "order"),
    [
        ('_after="first"', True),
        ("_after=one", True),
        ("_after=[one, two]", True),
        ('_after="@best"', True),
        ('_after="#slow"', True),
        ('_after=["#slow", "@best"]', True),
        ("_labels='x'", False),
    ],
)
def test_what_a_call_follows_is_named_by_call_id_alias_or_label(
    words: Lab, kind: str, words_: str, order: bool
) -> None:
    agent = body(
        words, kind,
        'one = work(1, _id="first", _alias="best", _labels=["slow", "small"])',
        'two = work(2, _labels="slow", _name="second")',
        f"last = work(3, {words_})",
        'return {"one": one.result, "two": two.result, "last": last.result}',
    )  # fmt: skip
    run = words.start(agent)
    assert run.result(LIMIT_S) == {"one": 1, "two": 2, "last": 3}
    nodes = {node.node_id: node for node in run.nodes}
    assert nodes["first"].callee == "work"
    before = {node.node_id for node in run.nodes if node.no in (*run.nodes[2].deps, *run.nodes[2].after)}
    assert ("first" in before) is order
    if order:
        assert words.took()[-1] == "work 3"


@KINDS
@pytest.mark.parametrize(("n", "told"), [(5, ["work 5"]), (1, [])])
def test_a_condition_that_does_not_hold_skips_the_call_and_its_outputs_are_none(
    words: Lab, kind: str, n: int, told: list[str]
) -> None:
    agent = body(
        words, kind,
        'given = work(n, _id="made", _condition=over(n, than=3))',
        'pair = both(n, _condition=False, _name="never")',
        'on = work(0, _condition=True)',
        'return {"given": given.result, "low": pair.low, "high": pair["high"], "on": on.result}',
    )  # fmt: skip
    run = words.start(agent, n=n)
    assert run.result(LIMIT_S) == {"given": n if told else None, "low": None, "high": None, "on": 0}
    assert sorted(words.took()) == ["work 0", *told] and run.status is RunStatus.DONE
    skipped = [node for node in run.nodes if node.status is NodeStatus.SKIPPED]
    assert [node.callee for node in skipped] == (["both"] if told else ["both", "work"])
    assert {node.why for node in run.picture().nodes.values() if node.status is NodeStatus.SKIPPED} == {
        "its condition does not hold"
    }


ASKS = """
@graph_fn
async def agent(*, context):
    off = await both(1, _id="off", _condition={first})
    late = work(2, _condition=over(1, than=2).result)
    again = await work(7)
    name = await context.channel().ask_text("name?")
    return {{"off": [off.low, off.high], "late": (await late).result, "again": again.result, "name": name}}
"""


def test_2_what_was_skipped_is_skipped_on_replay_and_what_is_no_more_runs(words: Lab) -> None:
    words.cell(ASKS.format(first="False"))
    run = words.start("agent")
    words.asked(run, "name?")
    assert words.took() == ["work 7"]
    skipped = [fact for fact in words.facts(run) if isinstance(fact, f.NodeSkipped)]
    words.kill()
    again = words.resume(run)
    words.asked(again, "name?")
    assert words.took() == [] and [x for x in words.facts(run) if isinstance(x, f.NodeSkipped)] == skipped
    words.kill()
    words.cell(ASKS.format(first="True"))
    again = words.resume(run)
    words.answer(again, "name?", "Ada")
    assert again.result(LIMIT_S) == {"off": [0, 2], "late": None, "again": 7, "name": "Ada"}
    assert "both 1" in words.took()


def test_a_sub_agent_and_a_map_can_be_skipped_too(words: Lab) -> None:
    words.cell("""
@graph_fn
async def agent():
    none = await twin(1, _condition=False)
    many = await work.map([1, 2], _condition=False)
    return {"none": dict(none), "many": many.result}
""")
    assert words.run("agent") == {"none": {"result": None}, "many": None}
    assert words.took() == []


@KINDS
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("work(2, _alias='best')", "_alias='best' was"),
        ("work(2, _id='first')", "_id='first' was used"),
        ("work(2, _alias=3)", "_alias= takes a text, got 3"),
        ("work(2, _name=3)", "_name= takes a text, got 3"),
        ("work(2, _id='')", "_id= takes a text, got ''"),
        ("work(2, _labels=[3])", r"_labels= takes a text or a list of texts, got \[3\]"),
        (r"work(2, _alias='\ud800')", r"_alias= has half a character .* '\\ud800'"),
        (r"work(2, _labels=['a', '\ud800'])", r"_labels= has half a character .* '\\ud800'"),
        (r"work(2, _name='\ud800')", r"_name= has half a character .* '\\ud800'"),
        (r"work(2, _id='\ud800')", r"_id= has half a character .* '\\ud800'"),
        ("work(2, _condition=3)", "condition.* got 3"),
        ("work(2, _after=3)", "_after= takes .* or a list of"),
        ("work(2, _after='@nobody')", "'@nobody'.* no "),
        ("work(2, _after='#nobody')", "'#nobody'.* no "),
    ],
)
def test_a_wrong_control_word_is_refused_where_it_stands(words: Lab, kind: str, line: str, told: str) -> None:
    agent = body(words, kind, "first = work(1, _id='first', _alias='best')", f"second = {line}", "return second")
    with pytest.raises(Exception, match=told):
        words.start(agent).result(LIMIT_S)


def test_a_condition_that_gives_no_truth_value_fails_the_call_that_has_it(words: Lab) -> None:
    words.cell("""
@graph_fn
async def agent():
    return (await work(2, _condition=work(3).result)).result
""")
    with pytest.raises(TypeError, match="_condition= takes True, False, or an output of a call .* got 3"):
        words.run("agent")


def test_the_failure_of_what_decides_is_that_of_the_call(words: Lab) -> None:
    words.cell("""
@graph_fn
async def agent():
    return (await work(2, _condition=over("a", than=3).result)).result
""")
    with pytest.raises(TypeError, match="not supported between"):
        words.run("agent")
