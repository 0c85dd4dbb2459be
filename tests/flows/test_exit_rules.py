"""A run that stops without its own doing can go on: semantics 18."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from aethergraph import Run, RunStatus, graph_fn, tool

from .lab import LIMIT_S, Lab


class Halt(BaseException):
    """Neither an error nor an exit."""


@tool
async def exits() -> None:
    sys.exit("bye")


@tool
def exits_in_a_thread() -> None:
    sys.exit("bye")


@tool
async def halts() -> None:
    raise Halt("bye")


@graph_fn
async def nested_exit() -> None:
    sys.exit("bye")


@tool
async def fine() -> str:
    return "fine"


@graph_fn
async def well() -> Any:
    return (await fine()).result


@graph_fn
async def by_a_tool() -> None:
    await exits()


@graph_fn
async def by_a_thread() -> None:
    await exits_in_a_thread()


@graph_fn
async def by_something_else() -> None:
    await halts()


@graph_fn
async def by_a_nested_agent() -> None:
    await nested_exit()


@graph_fn
async def by_a_task() -> None:
    async def leave() -> None:
        sys.exit("bye")

    await asyncio.create_task(leave())


@graph_fn
async def by_itself() -> None:
    sys.exit("bye")


@pytest.mark.parametrize(
    "agent",
    [by_a_tool, by_a_thread, by_something_else, by_a_nested_agent, by_a_task, by_itself],
    ids=lambda agent: agent.name,
)
def test_18_an_exit_suspends_its_run_and_no_other(lab: Lab, agent: Any) -> None:
    left = lab.start(agent)
    with pytest.raises((SystemExit, Halt), match="bye"):
        left.result(LIMIT_S)
    assert left.status is RunStatus.PAUSED
    assert [node.node_id for node in left.nodes if node.outcome is not None] == []
    assert lab.run(well) == {"result": "fine"}


@tool
def runs_dry() -> Any:
    return next(iter([]))


@graph_fn
async def dry() -> Any:
    return (await runs_dry()).result


def test_a_stop_iteration_of_a_thread_arrives_as_in_a_coroutine(lab: Lab) -> None:
    with pytest.raises(RuntimeError, match="runs_dry raised StopIteration") as raised:
        lab.run(dry)
    assert isinstance(raised.value.__cause__, StopIteration)


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("cannot say")


@tool
async def mute() -> None:
    raise Mute()


@graph_fn
async def muted() -> None:
    await mute()


def test_a_failure_that_cannot_even_be_told_ends_the_run(lab: Lab) -> None:
    with pytest.raises((Mute, ValueError)):
        lab.run(muted)


ASKING = """
@graph_fn
async def asking(*, context):
    return await context.channel().ask_text("?")
"""


def test_18_a_run_that_was_just_paused_can_be_resumed_at_once(lab: Lab) -> None:
    lab.cell(ASKING)
    for _ in range(5):
        started = lab.start("asking")
        lab.asked(started, "?")
        started.pause()
        again = lab.resume(started)
        lab.answer(again, "?", "yes")
        assert again.result(LIMIT_S) == {"result": "yes"}


def test_30_threads_that_resume_one_run_get_one_run(lab: Lab) -> None:
    lab.cell(ASKING)
    started = lab.start("asking")
    lab.asked(started, "?")
    lab.kill()
    together, found = threading.Barrier(4), list[Run]()

    def go_on() -> None:
        together.wait(LIMIT_S)
        found.append(lab.runtime.resume(started.run_id, namespace=lab.cells.names))

    threads = [threading.Thread(target=go_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert len(found) == 4 and len(set(map(id, found))) == 1
    lab.answer(found[0], "?", "yes")
    assert found[0].result(LIMIT_S) == {"result": "yes"}


@pytest.mark.parametrize("error", ["ValueError", "SystemExit"])
def test_4_a_callback_of_a_call_that_raises_is_told_and_whoever_awaits_the_call_goes_on(
    lab: Lab, caplog: pytest.LogCaptureFixture, error: str
) -> None:
    """The callbacks of a delivered result run where it is delivered, as a turn of the loop would run them."""
    lab.cell(f"""
@tool
async def step(x):
    return x

@graph_fn
async def agent():
    order = []
    def raises(_):
        order.append("callback")
        raise {error}("in a callback")
    task = asyncio.create_task(step(1))
    task.add_done_callback(raises)
    total = (await task).result + (await step(2)).result
    return {{"total": total, "order": order}}
""")
    assert lab.start("agent").result(LIMIT_S) == {"total": 3, "order": ["callback"]}
    told = [record for record in caplog.records if record.name == "asyncio"]
    assert [str(record.exc_info[1]) for record in told if record.exc_info] == (
        ["in a callback"] if error == "ValueError" else []
    )
