"""What fails, and what is tried again: semantics 17."""

from __future__ import annotations

from typing import Any

import pytest

from aethergraph import RunStatus

from .lab import LIMIT_S, Lab

FAILING = """
class Odd(Exception):
    pass

@tool
async def good(x):
    ran(f"good {x}")
    return x

@tool
async def bad(x):
    ran(f"bad {x}")
    if flag("BAD"):
        raise Odd(x, "no")
    return x
"""


@pytest.fixture
def failing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab with `good` and `bad`; `bad` fails while the variable BAD is set."""
    monkeypatch.setenv("BAD", "1")
    lab.cell(FAILING)
    return lab


def _fails(lab: Lab, agent: str) -> Any:
    run = lab.start(agent)
    with pytest.raises(BaseException) as raised:
        run.result(LIMIT_S)
    assert run.status is RunStatus.FAILED
    assert not isinstance(raised.value, TimeoutError)
    return run


def _resumed(lab: Lab, run: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[str]]:
    """What the run gives once `bad` is mended, and what ran for that."""
    monkeypatch.delenv("BAD")
    lab.kill()
    lab.took()
    return dict(lab.resume(run).result(LIMIT_S)), lab.took()


def test_17_an_exception_arrives_as_it_was_raised_and_says_where(failing: Lab) -> None:
    failing.cell("@graph_fn\nasync def agent():\n    await good(1)\n    await bad(2)")
    run = failing.start("agent")
    with pytest.raises(failing.cells["Odd"]) as raised:
        run.result(LIMIT_S)
    assert raised.value.args == (2, "no")
    assert raised.value.__notes__ == [f"in node bad of run {run.run_id}"]
    failing.kill()
    again = failing.runtime.load(run.run_id).error
    assert isinstance(again, failing.cells["Odd"]) and again.args == (2, "no")
    assert again.__notes__ == raised.value.__notes__


def test_17_a_failed_run_tries_again_what_failed_and_reuses_the_rest(
    failing: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing.cell("@graph_fn\nasync def agent():\n    return [(await good(1)).result, (await bad(2)).result]")
    run = _fails(failing, "agent")
    assert _resumed(failing, run, monkeypatch) == ({"result": [1, 2]}, ["bad 2"])


def test_17_a_failure_that_the_body_lived_with_replays_as_that_failure(failing: Lab) -> None:
    failing.cell("""
@graph_fn
async def agent(*, context):
    try:
        await bad(1)
    except Odd as error:
        told = [type(error).__name__, *error.args, *error.__notes__]
    return [told, await context.channel().ask_text("Go on?")]
""")
    run = failing.start("agent")
    token = failing.asked(run, "Go on?")
    failing.kill()
    failing.took()
    run = failing.resume(run)
    failing.runtime.answer(token, "yes")
    told, answer = run.result(LIMIT_S)["result"]
    assert told == ["Odd", 1, "no", f"in node bad of run {run.run_id}"] and answer == "yes"
    assert failing.took() == []


def test_17_a_failure_that_cannot_be_built_again_is_tried_again(failing: Lab) -> None:
    failing.cell("""
@tool
async def particular():
    ran("particular")
    raise Odd(letter for letter in "it holds what cannot be stored")

@graph_fn
async def agent(*, context):
    try:
        await particular()
    except Odd as error:
        told = next(error.args[0])
    return [told, await context.channel().ask_text("Go on?")]
""")
    run = failing.start("agent")
    token = failing.asked(run, "Go on?")
    failing.kill()
    failing.took()
    run = failing.resume(run)
    failing.runtime.answer(token, "yes")
    assert run.result(LIMIT_S) == {"result": ["i", "yes"]}
    assert failing.took() == ["particular"]


def test_17_what_a_finally_released_is_done_again(failing: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    failing.cell("""
@graph_fn
async def agent():
    await good("take")
    try:
        await bad(1)
    finally:
        await good("release")
    return "done"
""")
    run = _fails(failing, "agent")
    assert _resumed(failing, run, monkeypatch) == ({"result": "done"}, ["bad 1", "good release"])


def test_17_a_sibling_branch_keeps_its_records(failing: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    failing.cell("""
async def branch(call, x):
    return [(await good(x)).result, (await call(x)).result]

async def fine(x):
    return await branch(good, x)

async def failing(x):
    return await branch(bad, x)

@graph_fn
async def agent():
    left = asyncio.ensure_future(fine(1))
    right = asyncio.ensure_future(failing(2))
    await asyncio.wait([left, right])
    return [await left, await right]
""")
    run = _fails(failing, "agent")
    assert _resumed(failing, run, monkeypatch) == ({"result": [[1, 1], [2, 2]]}, ["bad 2"])


def test_17_a_failure_inside_a_nested_agent_reopens_it_and_keeps_what_it_did(
    failing: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing.cell("""
@graph_fn
async def inner(x):
    return [(await good(x)).result, (await bad(x)).result]

@graph_fn
async def agent():
    first = await good("first")
    return [first.result, (await inner(2)).result]
""")
    run = _fails(failing, "agent")
    assert _resumed(failing, run, monkeypatch) == ({"result": ["first", [2, 2]]}, ["bad 2"])


def test_17_what_was_cancelled_because_another_failed_runs_on_resume(
    failing: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing.cell("""
@tool
async def stuck(x):
    ran(f"stuck {x}")
    if flag("BAD"):
        await asyncio.Event().wait()
    return x

@graph_fn
async def nested(x):
    return (await stuck(x)).result

@graph_fn
async def agent(*, context):
    async with asyncio.TaskGroup() as group:
        left = group.create_task(stuck(1))
        inner = group.create_task(nested(2))
        asked = group.create_task(context.channel().ask_text("Go on?"))
        group.create_task(bad(3))
    return [left.result().result, inner.result().result, asked.result()]
""")
    run = _fails(failing, "agent")
    monkeypatch.delenv("BAD")
    failing.kill()
    failing.took()
    run = failing.resume(run)
    failing.answer(run, "Go on?", "yes")
    assert run.result(LIMIT_S) == {"result": [1, 2, "yes"]}
    assert sorted(failing.took()) == ["bad 3", "stuck 1", "stuck 2"]


@pytest.mark.parametrize(
    "body",
    [
        "    async with asyncio.TaskGroup() as g:\n        g.create_task(bad(1))\n        g.create_task(bad(2))",
        "    try:\n        await bad(1)\n    except Odd:\n        await bad(2)",
        "    try:\n        await bad(1)\n    except Odd as error:\n        raise ValueError('because') from error",
    ],
    ids=["group", "context", "cause"],
)
def test_17_all_failures_that_led_to_the_end_are_tried_again(
    failing: Lab, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    failing.cell(f"@graph_fn\nasync def agent():\n    await good(1)\n{body}\n    return 'done'")
    run = _fails(failing, "agent")
    outcome, ran = _resumed(failing, run, monkeypatch)
    assert outcome == {"result": "done"}
    assert "bad 1" in ran and "good 1" not in ran


def test_17_a_failure_that_nobody_retrieved_counts(failing: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    failing.cell("@graph_fn\nasync def agent():\n    bad(1)\n    return (await good(2)).result")
    run = _fails(failing, "agent")
    assert _resumed(failing, run, monkeypatch) == ({"result": 2}, ["bad 1"])


def test_17_a_caught_failure_stays_when_another_ends_the_run(failing: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    failing.cell("""
@graph_fn
async def agent():
    told = "nothing"
    try:
        await bad(1)
    except Odd as error:
        told = str(error.args[0])
    return [told, (await bad(2)).result]
""")
    run = _fails(failing, "agent")
    assert _resumed(failing, run, monkeypatch) == ({"result": ["1", 2]}, ["bad 2"])


def test_17_a_pure_tool_that_failed_and_was_edited_is_known_by_its_new_code(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules 3 and 17: what it gave when it was tried again counts for the code that gave it."""
    cell = """
@tool(pure=True)
async def fit(x):
    ran("fit")
    if flag("BAD"):
        raise ValueError(x)
    return x"""
    lab.cell(cell)
    lab.cell("""
@graph_fn
async def agent(*, context):
    return [(await fit(1)).result, await context.channel().ask_text("Go?")]
""")
    monkeypatch.setenv("BAD", "1")
    run = lab.start("agent")
    with pytest.raises(ValueError, match="1"):
        run.result(LIMIT_S)
    monkeypatch.delenv("BAD")
    lab.cell(cell + " + 1")
    lab.asked(lab.resume(run), "Go?")
    assert lab.took() == ["fit", "fit"]
    lab.kill()
    assert lab.verdicts(run)["fit"] == "reused"
    again = lab.resume(run)
    lab.answer(again, "Go?", "yes")
    assert dict(again.result(LIMIT_S)) == {"result": [2, "yes"]}
    assert lab.took() == []
