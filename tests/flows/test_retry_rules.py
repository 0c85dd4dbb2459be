"""Attempts, and what tells them apart: semantics 19."""

from __future__ import annotations

import asyncio
from typing import Any

from aethergraph import NodeContext, graph_fn, tool
from aethergraph import facts as f
from aethergraph.errors import RunSuspended

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
