"""What fails, and what is tried again: semantics 17 and 19."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from aethergraph import NodeContext, RunStatus, graph_fn, tool
from aethergraph import facts as f
from aethergraph.errors import RunSuspended

from .lab import LIMIT_S, Lab

# ---------------------------------------------------------------------- 17 failures

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
    assert type(again) is failing.cells["Odd"] and again.args == (2, "no") and again.__notes__ == raised.value.__notes__


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
class Particular(Exception):
    def __init__(self, *, why):
        super().__init__(why)

@tool
async def particular():
    ran("particular")
    raise Particular(why="because")

@graph_fn
async def agent(*, context):
    try:
        await particular()
    except Particular as error:
        told = str(error)
    return [told, await context.channel().ask_text("Go on?")]
""")
    run = failing.start("agent")
    token = failing.asked(run, "Go on?")
    failing.kill()
    failing.took()
    run = failing.resume(run)
    failing.runtime.answer(token, "yes")
    assert run.result(LIMIT_S) == {"result": ["because", "yes"]}
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
        "    async with asyncio.TaskGroup() as group:\n        group.create_task(bad(1))\n        group.create_task(bad(2))",
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


# ---------------------------------------------------------------------- 19 retries

attempts_seen = threading.local()


@tool(retries=3, backoff_s=0.001)
async def shaky(x: int, *, context: NodeContext) -> Any:
    if context.attempt < 3:
        raise ConnectionError(f"attempt {context.attempt}")
    return [context.attempt, context.idempotency_key()]


@tool(retries=3, backoff_s=0.001, retry_on=ConnectionError)
async def picky(context: NodeContext) -> None:
    raise KeyError(context.attempt)


@tool(retries=1, backoff_s=0.001)
def hopeless(context: NodeContext) -> None:
    raise ConnectionError(context.attempt)


@graph_fn
async def retrying() -> Any:
    return (await shaky(1)).result


@graph_fn
async def giving_up() -> Any:
    told = []
    for call in (picky, hopeless):
        try:
            await call()
        except (KeyError, ConnectionError) as error:
            told.append(error.args[0])
    return told


def test_19_a_tool_is_tried_again_and_each_attempt_is_on_record(lab: Lab) -> None:
    run = lab.start(retrying)
    assert run.result(LIMIT_S)["result"][0] == 3
    failed = [fact for fact in lab.facts(run) if isinstance(fact, f.AttemptFailed)]
    assert [(fact.attempt, fact.error.qualname) for fact in failed] == [(1, "ConnectionError"), (2, "ConnectionError")]
    assert 0.0005 <= failed[0].retry_in_s <= 0.0015 and 0.001 <= failed[1].retry_in_s <= 0.003


def test_19_only_what_was_said_is_tried_again_and_only_so_often(lab: Lab) -> None:
    assert lab.run(giving_up) == {"result": [1, 2]}


def test_19_the_idempotency_key_is_the_same_for_all_attempts_and_after_a_kill(lab: Lab) -> None:
    lab.cell("""
@tool(retries=2, backoff_s=0.001)
async def call(x, *, context):
    ran(context.idempotency_key())
    if context.attempt == 1:
        raise ConnectionError("no")
    await context.channel().ask_text("Go on?")

@graph_fn
async def agent():
    await call(1)
    await call(2)
""")
    run = lab.start("agent")
    lab.asked(run, "Go on?")
    first = lab.took()
    lab.kill()
    run = lab.resume(run)
    lab.until(run, lambda facts: sum(isinstance(fact, f.AttemptFailed) for fact in facts) == 2)
    lab.answer(run, "Go on?", "yes")
    lab.until(run, lambda facts: any(isinstance(fact, f.NodeDone) and fact.no == 1 for fact in facts))
    lab.answer(run, "Go on?", "yes")
    run.result(LIMIT_S)
    later = lab.took()
    assert len(set(first)) == 1 and set(later[:2]) == set(first)
    assert len(set(later)) == 2


kept: list[NodeContext] = []


@tool
async def leaks(context: NodeContext) -> None:
    kept.append(context)


@tool
async def uses_what_leaked(after: Any) -> str:
    try:
        await kept.pop().channel("inbox").send_text("late")
    except RunSuspended as error:
        return str(error)
    return "it was let through"


@graph_fn
async def leaking() -> Any:
    return (await uses_what_leaked(await leaks())).result


def test_19_a_finished_attempt_is_fenced(lab: Lab) -> None:
    assert "its attempt has ended" in lab.run(leaking)["result"]


SLOW = """
@tool(timeout_s=0.02, retries=1, backoff_s=0.001)
def slow(*, context):
    if context.attempt == 2:
        ran("second attempt")
        return "done"
    try:
        while True:
            context.channel("inbox").send_text("still here")
    except Exception as error:
        ran(type(error).__name__)
    ran("first attempt ends")

@tool
async def other():
    ran("other")

@graph_fn
async def agent():
    done, _ = await asyncio.gather(slow(), other())
    return done.result
"""


def test_19_a_thread_that_took_too_long_is_fenced_and_keeps_its_slot_until_it_ends(lab: Lab) -> None:
    lab.cell(SLOW)
    assert dict(lab.start("agent", cap=1).result(LIMIT_S)) == {"result": "done"}
    told = lab.took()
    assert told[:2] == ["RunSuspended", "first attempt ends"]
    assert sorted(told[2:]) == ["other", "second attempt"]


@tool(timeout_s=0.01)
async def sleeps() -> None:
    await asyncio.Event().wait()


@graph_fn
async def impatient() -> str:
    try:
        await sleeps()
    except TimeoutError as error:
        return str(error)
    return "it ended"


def test_19_an_async_tool_that_takes_too_long_is_stopped(lab: Lab) -> None:
    assert lab.run(impatient) == {"result": "sleeps took longer than 0.01 s"}
