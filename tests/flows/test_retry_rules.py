"""Attempts, and what tells them apart: semantics 19."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aethergraph import NodeContext, RetryPolicy, graph_fn, tool
from aethergraph.errors import RunSuspended
from aethergraph.record import facts as f

from .lab import LIMIT_S, Lab


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
    assert [fact.most for fact in failed] == [4, 4]
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
    lab.answer(run, "Go on?", "yes")
    lab.until(run, lambda facts: any(isinstance(fact, f.NodeDone) and fact.no == 1 for fact in facts))
    lab.answer(run, "Go on?", "yes")
    run.result(LIMIT_S)
    later = lab.took()
    assert len(set(first)) == 1 and set(later[:1]) == set(first)
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
@tool(timeout_s=0.3, retries=1, backoff_s=0.001)
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


COUNTS = """
@tool(retries=2, backoff_s=PAUSE)
async def counts(*, context):
    ran(f"attempt {context.attempt}")
    if context.attempt == 2:
        await context.channel().ask_text("Go on?")
    raise ConnectionError(context.attempt)

@graph_fn
async def agent():
    await counts()
"""


def test_19_attempts_are_counted_on_after_a_kill(lab: Lab) -> None:
    lab.cell(COUNTS.replace("PAUSE", "0.001"))
    run = lab.start("agent")
    lab.asked(run, "Go on?")
    assert lab.took() == ["attempt 1", "attempt 2"]
    lab.kill()
    again = lab.resume(run)
    lab.answer(again, "Go on?", "yes")
    with pytest.raises(ConnectionError, match="3"):
        again.result(LIMIT_S)
    assert lab.took() == ["attempt 2", "attempt 3"]


def test_19_a_kill_while_the_next_attempt_is_waited_for_gives_no_attempt_more(lab: Lab) -> None:
    lab.cell(COUNTS.replace("PAUSE", "0.3"))
    run = lab.start("agent")
    lab.until(run, lambda facts: any(isinstance(fact, f.AttemptFailed) for fact in facts))
    lab.kill()
    assert lab.took() == ["attempt 1"]
    again = lab.resume(run)
    (failed,) = [fact for fact in lab.facts(again) if isinstance(fact, f.AttemptFailed)]
    lab.answer(again, "Go on?", "yes")
    assert lab.runtime.clock.now() >= failed.t + failed.retry_in_s, "the rest of the pause was kept"
    assert lab.took()[0] == "attempt 2"


def test_17_a_run_that_failed_and_is_resumed_has_all_its_attempts_again(lab: Lab) -> None:
    lab.cell(COUNTS.replace("PAUSE", "0.001").replace("context.attempt == 2", "False"))
    run = lab.start("agent")
    for _ in range(2):
        with pytest.raises(ConnectionError):
            run.result(LIMIT_S)
        assert lab.took() == ["attempt 1", "attempt 2", "attempt 3"]
        lab.kill()
        run = lab.resume(run)
    with pytest.raises(ConnectionError):
        run.result(LIMIT_S)


def test_peers_6_a_tool_with_a_bug_runs_as_often_as_it_says(lab: Lab) -> None:
    """The first AetherGraph ran such a node 1,944 times in 3 s."""
    lab.cell("""
@tool(retries=3, backoff_s=0)
def buggy():
    ran("ran")
    return undefined_name

@graph_fn
async def agent():
    await buggy()
""")
    with pytest.raises(NameError):
        lab.run("agent")
    assert lab.took() == ["ran"] * 4


POLICY = """
class Busy(Exception):
    pass

@tool
async def says_nothing(*, context):
    ran(f"says nothing {context.attempt}")
    raise Busy(context.attempt)

@tool(retries=0)
async def says_never(*, context):
    ran(f"says never {context.attempt}")
    raise Busy(context.attempt)

@tool
async def other(*, context):
    ran(f"other {context.attempt}")
    raise KeyError(context.attempt)

@graph_fn
async def agent(*, context):
    for call in (says_nothing, says_never, other):
        try:
            await call()
        except Exception:
            pass
    await context.channel().ask_text("again?")
    await says_nothing()
"""


def test_19_a_run_says_for_tools_that_say_nothing_also_after_a_kill(lab: Lab) -> None:
    lab.cell(POLICY)
    policy = RetryPolicy(max_attempts=2, backoff_first=0.001, retry_on=lab.cells["Busy"])
    run = lab.runtime.start(lab.cells["agent"], {}, retry=policy)
    lab.asked(run, "again?")
    assert lab.took() == ["says nothing 1", "says nothing 2", "says never 1", "other 1"]
    lab.kill()
    again = lab.resume(run)
    lab.answer(again, "again?", "yes")
    with pytest.raises(lab.cells["Busy"]):
        again.result(LIMIT_S)
    assert lab.took() == ["says nothing 1", "says nothing 2"]
