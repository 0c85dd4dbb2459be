"""Memory in real runs: written once with its record, read as it was, gone with the run that it belonged to."""

from __future__ import annotations

from typing import Any

import pytest

from aethergraph.errors import RunPaused
from aethergraph.runner import gc
from aethergraph.services import event as events

from .lab import LIMIT_S, Lab

REMEMBERING = """
@tool(outputs=["n"])
def note_in_thread(n, *, context: NodeContext):
    context.memory().record("note", n, text=f"thread {n}")
    return len(context.memory().recent("note"))

@tool(outputs=["found"])
async def look(word, *, context: NodeContext):
    return [event.data for event in await context.memory().search(word)]

@graph_fn
async def agent(*, context: NodeContext):
    memory = context.memory()
    await memory.record("note", 1, text="body one")
    found = [event.data for event in await memory.search("body")]
    count = (await note_in_thread(2)).n
    await memory.record_chat_user("hello")
    summary = await memory.distill_long_term()
    await context.channel().ask_text("Go on?")
    last = await memory.distill_long_term()
    return [found, count, (await look("thread")).found, summary["events"], last, len(await memory.recent())]

@graph_fn
async def keeping(level, *, context: NodeContext):
    for n in range(3):
        await context.memory(level).record("note", n, tags=["t"], text="keeping")
    return [event.data for event in await context.memory(level).search("keeping")]

@graph_fn
async def finding(level, *, context: NodeContext):
    return [event.data for event in await context.memory(level).search("keeping")]
"""


@pytest.fixture(autouse=True)
def cells(lab: Lab) -> None:
    lab.cell(REMEMBERING)


def log(lab: Lab) -> list[str]:
    return [key for key, _ in lab.store.scan(events.LOG)]


def test_16_it_is_written_once_and_read_as_it_was_whatever_is_killed(lab: Lab) -> None:
    run = lab.start("agent")
    lab.asked(run, "Go on?")
    written = log(lab)
    lab.kill()
    with pytest.raises(RunPaused):
        run.result(LIMIT_S)
    again = lab.resume(run)
    lab.answer(again, "Go on?", "yes")
    assert again.result(LIMIT_S)["result"] == [[1], 2, [2], 3, None, 4]
    assert log(lab) == written and len(written) == 4


def test_gc_takes_the_memory_of_a_run_with_it(lab: Lab) -> None:
    runs = [lab.start("keeping", level=level) for level in ("run", "session", "user", "run")]
    for run in runs:
        assert sorted(run.result(LIMIT_S)["result"]) == [0, 1, 2]
    with lab.runtime.use():
        gc(runs=[run.run_id for run in runs[:3]], dry_run=False)
    homes = {key.rpartition(":")[0].rpartition(":")[0] for key, _ in lab.store.scan("m:") if ":e:" in key}
    kept = f"m:run:{runs[3].run_id}"
    assert homes == {kept, "m:session:", "m:user:"}
    assert len(log(lab)) == 9, "and what led to it"
    assert not [key for key, _ in lab.store.scan(f"m:run:{runs[0].run_id}:")]
    for level in ("session", "user"):
        assert sorted(lab.run("finding", level=level)["result"]) == [0, 1, 2]


def test_a_result_of_a_search_that_gc_took_is_not_given(lab: Lab) -> None:
    """The index is a copy: what the store does not hold any more is not found."""
    run = lab.start("keeping", level="session")
    run.result(LIMIT_S)
    (key, *_) = [key for key, _ in lab.store.scan("m:session::e:")]
    with lab.store.transact() as rows:
        rows.delete(key)
    assert sorted(lab.run("finding", level="session")["result"]) == [0, 1]


def test_what_a_failed_attempt_remembered_stays_and_its_retry_remembers_anew(lab: Lab) -> None:
    lab.cell("""
@tool(outputs=["n"], retries=1, backoff_s=0.001)
async def shaky(*, context: NodeContext):
    await context.memory().record("try", context.attempt)
    if context.attempt == 1:
        raise ConnectionError("no answer")
    return context.attempt

@graph_fn
async def trying(*, context: NodeContext):
    await shaky()
    return await context.memory().recent_data("try")
""")
    assert lab.run("trying") == {"result": [1, 2]}


def test_many_write_at_once_and_each_has_its_number(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def many(*, context: NodeContext):
    await asyncio.gather(*[note_in_thread(n) for n in range(20)])
    return sorted(await context.memory().recent_data("note"))
""")
    runs: list[Any] = [lab.start("many") for _ in range(2)]
    for run in runs:
        run.result(LIMIT_S)
    assert log(lab) == [f"ml:{number:016x}" for number in range(1, 41)]
