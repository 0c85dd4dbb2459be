"""Code that blocks the loop of the runs is named (design, section 6). It waits here until it was, or for `LIMIT_S`."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from aethergraph import start
from aethergraph.record import facts as f
from aethergraph.scheduler import watchdog
from aethergraph.scheduler.watchdog import WATCHDOG
from aethergraph.views.picture import Picture
from tests.cells import Notebook

from .lab import LIMIT_S, Lab

EVERY_S = 0.1

BLOCKING = """
import sys

async def helper():
    wait_told(20)

@tool
async def fetch(n=0):
    await helper()
    return n

@tool
async def quick(n):
    return n

@tool(runs_in="loop")
def sums():
    wait_told(20)
    return 1

@tool
def plain():
    wait_told(20)
    return 1

@graph_fn
async def calls():
    return (await fetch()).result

@graph_fn
async def twice():
    return [(await fetch(1)).result, (await fetch(1, _id="again")).result]

@graph_fn
async def body():
    await quick(1)
    wait_told(20)
    return 1

@graph_fn
async def grouped():
    async def inner():
        wait_told(20)
    await asyncio.gather(inner(), quick(1))
    return 1

@graph_fn
async def summed():
    return (await sums()).result

@graph_fn
async def unawaited():
    return plain().result + 1

@graph_fn
async def asks(*, context):
    wait_told(20)
    return await context.channel().ask_text("go on?")

@graph_fn
async def debugged():
    import pdb
    class Held(pdb.Pdb):
        def cmdloop(self, *args):
            looked.wait(20)
    Held(nosigint=True, readrc=False).set_trace()
    return 1

@graph_fn
async def traced():
    sys._getframe().f_trace = lambda *args: None
    looked.wait(20)
    return 1
"""


class Told(logging.Handler):
    """What was warned of; the code that blocks goes on then."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.records: list[Any] = []
        self.now = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.lines.append(record.getMessage())
        self.now.set()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, lab: Lab) -> Iterator[Told]:
    monkeypatch.setattr(watchdog, "EVERY_S", EVERY_S)
    handler, logger = Told(), logging.getLogger("aethergraph.watchdog")
    logger.addHandler(handler)
    lab.cells.names.update(wait_told=handler.now.wait, looked=threading.Event())
    lab.cell(BLOCKING)
    yield handler
    logger.removeHandler(handler)


def line_of(cells: Notebook, name: str, code: str) -> str:
    """Where `code` stands in the function `name`, as FILE, line N."""
    import inspect

    fn = cells[name]
    lines, first = inspect.getsourcelines(getattr(fn, "fn", fn))
    at = next(number for number, line in enumerate(lines, first) if code in line)
    return f"{inspect.getsourcefile(getattr(fn, 'fn', fn))}, line {at}"


def notes(lab: Lab, run: Any) -> list[str]:
    """Lines of the log of `run`, as NODE: text."""
    found = []
    for fact in lab.facts(run):
        if isinstance(fact, f.Noted) and fact.kind == "log":
            data = msgspec.msgpack.decode(fact.data)
            found.append(f"{fact.no} {data['level']}: {data['text']}")
    return found


def test_a_tool_that_blocks_is_named_with_run_node_line_and_advice(lab: Lab, told: Told) -> None:
    run = lab.start("calls")
    assert run.result(LIMIT_S).result == 0
    (text,) = told.lines
    assert f"node fetch of run {run.run_id} has blocked the loop" in text
    assert f"{line_of(lab.cells, 'helper', 'wait_told')}: `wait_told(20)`" in text, (
        "the line that blocks, not its caller's"
    )
    assert "make fetch a plain `def` tool, which runs in a thread, or `await asyncio.to_thread(...)`" in text
    assert [getattr(told.records[0], name) for name in ("run_id", "graph_id", "node_id")] == [
        run.run_id,
        "calls",
        "fetch",
    ]


def test_it_is_in_the_log_of_the_node(lab: Lab, told: Told) -> None:
    run = lab.start("calls")
    run.result(LIMIT_S)
    assert notes(lab, run) == [f"1 WARNING: {told.lines[0]}"]


def test_a_body_is_named_and_told_to_move_the_work_into_a_tool(lab: Lab, told: Told) -> None:
    run = lab.start("body")
    run.result(LIMIT_S)
    (text,) = told.lines
    assert f"the body of run {run.run_id} has blocked the loop" in text
    assert f"{line_of(lab.cells, 'body', 'wait_told')}: `wait_told(20)`" in text
    assert "move what takes long into a plain `def` tool, which runs in a thread" in text
    assert notes(lab, run) == [f"0 WARNING: {text}"]


def test_a_task_that_a_body_made_is_of_that_body(lab: Lab, told: Told) -> None:
    run = lab.start("grouped")
    run.result(LIMIT_S)
    assert [f"the body of run {run.run_id} has blocked" in line for line in told.lines] == [True]


def test_a_sync_tool_on_the_loop_is_told_to_leave_it(lab: Lab, told: Told) -> None:
    lab.run("summed")
    (text,) = told.lines
    assert text.endswith('leave out runs_in="loop" of sums: it runs in a thread then')


def test_a_tool_that_runs_in_place_is_told_to_be_awaited(lab: Lab, told: Told) -> None:
    lab.run("unawaited")
    (text,) = told.lines
    assert "node plain of run" in text
    assert text.endswith("write `await plain(...)` before its output is read: it runs in a thread then")


def test_each_node_is_told_of_once(lab: Lab, told: Told) -> None:
    again = threading.Event()
    seen: list[str] = []
    look = WATCHDOG.look

    def looked(*args: Any) -> None:
        look(*args)
        if told.lines and threading.current_thread().name == "aether-watchdog":
            seen.append("look")
            if len(seen) > 4:
                again.set()

    def wait(_: int) -> None:
        assert told.now.wait(LIMIT_S)
        assert again.wait(LIMIT_S)

    lab.cells.names["wait_told"] = wait
    WATCHDOG.look = looked  # type: ignore[method-assign]
    try:
        lab.run("twice")
    finally:
        del WATCHDOG.look  # type: ignore[method-assign]
    assert len(told.lines) == 1


def test_a_replay_does_not_tell_again_what_is_on_record(lab: Lab, told: Told) -> None:
    run = lab.start("asks")
    lab.asked(run, "go on?")
    assert len(told.lines) == 1
    lab.kill()
    noted = threading.Event()
    seen: list[f.AnyFact] = []

    def look(facts: list[f.AnyFact]) -> None:
        seen.extend(fact for fact in facts if isinstance(fact, f.Noted))
        if len(seen) == 2:
            noted.set()

    def wait(_: int) -> None:
        assert noted.wait(LIMIT_S), "the new log of the body has it, too"

    lab.cells.names["wait_told"] = wait
    resumed = lab.resume(run)
    resumed.follow(look)
    lab.answer(resumed, "go on?", "yes")
    assert resumed.result(LIMIT_S).result == "yes"
    assert len(told.lines) == 1, "warned of once"
    picture = Picture()
    for fact in lab.facts(run):
        picture.fold(fact)
    assert str(picture.body.log).count("has blocked the loop") == 1


@pytest.mark.parametrize("name", ["debugged", "traced"])
def test_where_a_debugger_holds_the_thread_nothing_is_said(lab: Lab, told: Told, name: str) -> None:
    looks: list[None] = []
    find = watchdog.find

    def counted(*args: Any) -> Any:
        found = find(*args)
        looks.append(None)
        if len(looks) >= 3:
            lab.cells["looked"].set()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watchdog, "find", counted)
        lab.run(name)
    assert len(looks) >= 3
    assert told.lines == []


def test_on_a_loop_that_is_not_ours_it_is_told_too(lab: Lab, told: Told) -> None:
    async def main() -> None:
        await start(lab.cells["calls"], loop="kernel")

    asyncio.run(main())
    (text,) = told.lines
    assert "node fetch of run" in text
    assert "has blocked the loop that it was started on" in text


def test_what_blocks_such_a_loop_and_is_no_run_is_not_ours_to_tell(lab: Lab, told: Told) -> None:
    looks = threading.Event()
    find = watchdog.find

    def counted(*args: Any) -> Any:
        found = find(*args)
        looks.set()
        return found

    async def main() -> None:
        run = start(lab.cells["asks"], loop="kernel")
        while not run.waits:
            await asyncio.sleep(0)
        before = len(told.lines)
        looks.clear()
        assert looks.wait(LIMIT_S)  # the cell itself blocks
        assert len(told.lines) == before
        lab.runtime.answer(run.waits[0].token, "yes")
        await run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watchdog, "find", counted)
        asyncio.run(main())
