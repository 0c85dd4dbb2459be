"""Runs that only wait leave memory and come back: semantics 22, 24 and 25."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import re
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Run
from aethergraph.errors import JournalBroken, RunCancelled, RunPaused
from aethergraph.record import facts as f
from aethergraph.record.status import NodeStatus, RunStatus
from aethergraph.scheduler.execution import Execution
from aethergraph.storage import signals
from aethergraph.testing import FakeClock

from .lab import LIMIT_S, Lab, laboratory

ASKING = """
@tool(outputs=["y"])
async def double(x):
    ran(f"double {x}")
    return 2 * x
@graph_fn
async def agent(x=2, *, context):
    y = (await double(x)).y
    choice = await context.channel().ask_choice("which?", ["a", "b"], name="pick")
    z = (await double(y)).y
    return {"choice": choice, "z": z}
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A lab whose runs leave memory as soon as they only wait."""
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    with laboratory(tmp_path / "store", park_after_s=0.0) as made:
        yield made


@pytest.fixture
def timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Lab, FakeClock]]:
    """The same with a clock that stands still."""
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    clock = FakeClock()
    with laboratory(tmp_path / "store", clock, park_after_s=0.0) as made:
        yield made, clock


def token(run: Run, prompt: str) -> str:
    """The token of an open question."""
    (found,) = [wait.token for wait in run.waits if wait.prompt == prompt]
    return str(found)


def kinds(lab: Lab, run: Run) -> list[str]:
    return [type(fact).__name__ for fact in lab.facts(run)]


def body_of(run: Run) -> Any:
    """The coroutine of the user's body, and its frame: the first one that is neither ours nor asyncio's."""
    assert run.execution is not None
    assert run.execution.task is not None
    coroutine: Any = run.execution.task.get_coro()
    while "aethergraph" in coroutine.cr_frame.f_globals["__name__"]:
        coroutine = coroutine.cr_await
    return coroutine


# ---------------------------------------------------------------------- 24 leaving memory


def test_24_a_run_that_only_waits_leaves_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 24: proved by weak references to the coroutine of its body and to what its frame held."""
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    clock = FakeClock()
    with laboratory(tmp_path / "store", clock, park_after_s=60.0) as lab:
        lab.cell(
            "class Big: pass\n@graph_fn\nasync def agent(*, context):\n    big = Big()\n"
            "    return {'name': await context.channel().ask_text('name?'), 'kind': type(big).__name__}"
        )
        run = lab.start("agent")
        lab.rests(run)
        coroutine = body_of(run)
        gone = [weakref.ref(coroutine), weakref.ref(coroutine.cr_frame.f_locals["big"]), weakref.ref(run.execution)]
        del coroutine
        clock.advance(59)
        lab.runtime.thread.submit(asyncio.sleep(0)).result(LIMIT_S)  # the loop has looked
        assert all(one() is not None for one in gone)
        assert not run.parked
        clock.advance(1)
        lab.parked(run)
        gc.collect()
        assert [one() for one in gone] == [None, None, None]
        lab.runtime.answer(token(run, "name?"), "Ada")
        assert run.result(LIMIT_S) == {"name": "Ada", "kind": "Big"}


def test_24_parking_and_waking_leave_no_trace_in_the_journal(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.parked(run)
    before = kinds(lab, run)
    run.answer("b")
    assert run.result(LIMIT_S) == {"choice": "b", "z": 8}
    assert lab.took() == ["double 2", "double 4"]
    assert kinds(lab, run) == [*before, "NodeDone", "NodeStarted", "NodeDone", "RunDone"]
    assert kinds(lab, run).count("RunOpened") == 1


def test_24_what_a_user_holds_of_a_parked_run_goes_on_to_work(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.parked(run)
    assert (run.status, run.live, run.why_in_memory) == (RunStatus.WAITING, True, "")
    assert [node.node_id for node in run.nodes] == ["double", "ask"]
    assert [(wait.prompt, wait.kind) for wait in run.waits] == [("which?", "choice")]
    assert [info.status for info in lab.runtime.runs()] == [RunStatus.WAITING]
    assert lab.runtime.load(run.run_id) is run
    assert run.to_dict()["status"] == "waiting"
    assert run.run_id not in lab.runtime.live
    with pytest.raises(concurrent.futures.TimeoutError):
        run.result(0.01)

    async def both() -> list[Any]:
        waits = asyncio.gather(_awaited(run), _awaited(run))
        await asyncio.get_running_loop().run_in_executor(None, run.answer, "a")
        return list(await waits)

    assert asyncio.run(both()) == [{"choice": "a", "z": 8}] * 2


async def _awaited(run: Run) -> Any:
    return await run


def test_24_who_follows_a_parked_run_goes_on_to_hear_of_it(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.parked(run)
    heard: list[f.AnyFact] = []
    unfollow = run.follow(heard.extend)
    run.answer("a")
    run.result(LIMIT_S)
    lab.runtime.journal.flush()
    unfollow()
    assert heard == lab.facts(run)

    async def last() -> str:
        return [type(fact).__name__ async for fact in lab.runtime.load(run.run_id).events()][-1]

    assert asyncio.run(last()) == "RunDone"


class Leaving(Run):
    """A run that leaves memory while it is looked at: it is there once, and then not any more."""

    looks = 0

    @property
    def execution(self) -> Any:
        self.looks += 1
        return self.__dict__["execution"] if self.looks % 2 else None

    @execution.setter
    def execution(self, value: Any) -> None:
        self.__dict__["execution"] = value


@pytest.mark.parametrize(
    "look",
    [
        lambda lab, run: [wait.prompt for wait in run.waits] == ["which?"],
        lambda lab, run: [info.nodes for info in lab.runtime.runs()] == [2],
        lambda lab, run: run.flow().started.run_id == run.run_id,
        lambda lab, run: run.status in (RunStatus.RUNNING, RunStatus.WAITING),
        lambda lab, run: lab.runtime.signal("nobody waits for it") == 1,
    ],
    ids=["waits", "runs", "flow", "status", "signal"],
)
def test_24_a_run_may_leave_memory_while_another_thread_looks_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: Any
) -> None:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    with laboratory(tmp_path / "store") as lab:
        lab.cell(ASKING)
        run = lab.start("agent")
        lab.asked(run, "which?")
        lab.rests(run)
        kept = run.execution
        run.__class__ = Leaving
        run.__dict__["execution"] = kept
        assert look(lab, run)
        run.__class__ = Run
        run.execution = kept


def test_24_a_run_that_nobody_holds_is_woken_by_its_answer(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.cells["agent"].last_run = None
    lab.parked(run)
    run_id, asked, held = run.run_id, token(run, "which?"), weakref.ref(run)
    del run
    gc.collect()
    assert held() is None
    lab.runtime.answer(asked, "a")
    done = lab.runtime.load(run_id)
    assert done.result(LIMIT_S).choice == "a"


def test_24_who_holds_only_the_future_holds_the_run(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.cells["agent"].last_run = None
    lab.parked(run)
    asked, future = token(run, "which?"), run.future
    del run
    gc.collect()
    lab.runtime.answer(asked, "a")
    assert future.result(LIMIT_S).choice == "a"


def test_24_a_run_may_park_as_often_as_it_asks(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def agent(*, context):
    return {"said": [await context.channel().ask_text(f"number {n}?") for n in range(4)]}
""")
    run = lab.start("agent")
    for n in range(4):
        lab.asked(run, f"number {n}?")
        lab.parked(run)
        run.answer(str(n))
    assert run.result(LIMIT_S) == {"said": list("0123")}


# ---------------------------------------------------------------------- 24 what keeps a run in memory

STAYS = {
    "with": (
        """
    with contextlib.nullcontext():
        name = await context.channel().ask_text("name?")
""",
        r"it waits inside `with contextlib.nullcontext\(\)`: cell line 4",
    ),
    "async with": (
        """
    async with asyncio.TaskGroup() as group:
        name = await context.channel().ask_text("name?")
""",
        r"it waits inside `async with asyncio.TaskGroup\(\) as group`: cell line 4",
    ),
    "try": (
        """
    try:
        name = await context.channel().ask_text("name?")
    finally:
        ran("finally")
""",
        r"it waits inside `try`: cell line \d",
    ),
    "async for": (
        """
    async def names():
        yield await context.channel().ask_text("name?")
    async for name in names():
        pass
""",
        "it waits inside `async for name in names\\(\\)`: cell line 6",
    ),
    "body of async for": (
        """
    async def names():
        yield "name?"
    async for prompt in names():
        name = await context.channel().ask_text(prompt)
""",
        "in the middle of the generator `agent.<locals>.names`: cell line 7",
    ),
    "body of for": (
        """
    def prompts():
        with contextlib.nullcontext():
            yield "name?"
    for prompt in prompts():
        name = await context.channel().ask_text(prompt)
""",
        "in the middle of the generator `agent.<locals>.prompts`: cell line 8",
    ),
    "helper": (
        """
    name = await helper(context)
""",
        "it waits inside `with open",
    ),
    "task": (
        """
    async def inner():
        with contextlib.nullcontext():
            return await context.channel().ask_text("name?")
    name, = await asyncio.gather(asyncio.create_task(inner()))
""",
        "it waits inside `with contextlib",
    ),
    "queue": (
        """
    queue = asyncio.Queue()
    async def inner():
        queue.put_nowait(await context.channel().ask_text("name?"))
    task = asyncio.create_task(inner())
    name = await queue.get()
""",
        r"something that is no wait of the engine \(`name = await queue.get\(\)`: cell line 8\)",
    ),
    "callback": (
        """
    task = asyncio.create_task(context.channel().ask_text("name?"))
    task.add_done_callback(lambda task: ran("called"))
    name = await task
""",
        "lambda>` is to be called when one of its tasks is done",
    ),
    "iterator": (
        """
    async def names():
        yield await context.channel().ask_text("name?")
    name = await anext(names())
""",
        "cannot be looked into",
    ),
    "thread": (
        """
    await asyncio.to_thread(ran, "in a thread")
    name = await context.channel().ask_text("name?")
""",
        "its body has given work to an executor or thread",
    ),
    "volatile": (
        """
    lock = await make_lock()
    name = await context.channel().ask_text("name?")
""",
        "node make_lock would have to run again",
    ),
    "tool": (
        """
    name = (await consult()).name
""",
        "node consult waits inside its tool",
    ),
    "sync tool": (
        """
    name = (await consult_in_thread()).name
""",
        "node consult_in_thread waits inside its tool",
    ),
}

STAYING = """
import contextlib, threading
@tool(outputs=["lock"])
async def make_lock():
    return threading.Lock()
@tool(outputs=["name"])
async def consult(*, context):
    return await context.channel().ask_text("name?")
@tool(outputs=["name"])
def consult_in_thread(*, context):
    return context.channel().ask_text("name?")
async def helper(context):
    with open(os.devnull) as nothing:
        return await context.channel().ask_text("name?")
"""


@pytest.mark.parametrize("case", STAYS)
def test_24_a_run_that_could_not_come_back_as_it_was_stays_and_says_why(lab: Lab, case: str) -> None:
    body, why = STAYS[case]
    lab.cell(STAYING)
    lab.cell(f"\n@graph_fn\nasync def agent(*, context):\n{body.strip(chr(10))}\n    return {{'name': name}}")
    run = lab.start("agent")
    asked = lab.asked(run, "name?")
    assert re.search(why, lab.stays(run)), run.why_in_memory
    assert not run.parked
    assert f"in memory: {run.why_in_memory}" in repr(run)
    assert run.to_dict()["why_in_memory"] == run.why_in_memory
    lab.took()
    lab.runtime.answer(asked, "Ada")
    assert run.result(LIMIT_S) == {"name": "Ada"}
    assert run.why_in_memory == ""


def test_24_a_run_with_a_timer_or_sleeping_task_stays(lab: Lab) -> None:
    """It does not only wait: its status says so, and nothing is decided about it."""
    lab.cell("""
@graph_fn
async def agent(*, context):
    task = asyncio.create_task(asyncio.sleep(3600))
    return {"name": await context.channel().ask_text("name?")}
""")
    run = lab.start("agent")
    lab.asked(run, "name?")
    assert run.status is RunStatus.RUNNING
    run.answer("Ada")
    assert run.result(LIMIT_S) == {"name": "Ada"}


MAY = {
    "gather": 'a, b = await asyncio.gather(ask("one?"), ask("two?"))',
    "tasks": 'tasks = [asyncio.create_task(ask(p)) for p in ("one?", "two?")]; a, b = [await task for task in tasks]',
    "shield": 'a, b = await asyncio.shield(ask("one?")), await ask("two?")',
    "wait": (
        'tasks = [asyncio.create_task(ask("one?")), asyncio.create_task(ask("two?"))]; await asyncio.wait(tasks); '
        "a, b = [task.result() for task in tasks]"
    ),
    "nested": 'a, b = (await inner("one?")).said, (await inner("two?")).said',
    "nested at once": 'a, b = [out.said for out in await asyncio.gather(inner("one?"), inner("two?"))]',
    "handler": """
    try:
        await broken()
    except ValueError:
        a = await ask("one?")
    b = await ask("two?")""",
    "comprehension": 'a, b = [await ask(prompt) for prompt in ("one?", "two?")]',
}


@pytest.mark.parametrize("case", MAY)
def test_24_waits_through_awaits_gathers_tasks_and_graphs_leave_memory(lab: Lab, case: str) -> None:
    lab.cell(f"""
@tool
async def broken():
    ran("broken")
    raise ValueError("no")
@graph_fn
async def inner(prompt, *, context):
    return {{"said": await context.channel().ask_text(prompt)}}
@graph_fn
async def agent(*, context):
    ask = context.channel().ask_text
    {MAY[case].strip()}
    return {{"said": [a, b]}}
""")
    run = lab.start("agent")
    for prompt, said in (("one?", "1"), ("two?", "2")):
        lab.asked(run, prompt)
        lab.parked(run)
        run.answer(said, prompt)
    assert run.result(LIMIT_S) == {"said": ["1", "2"]}
    assert len(lab.took()) <= 1  # what failed once did not run again
    assert [wait for wait in kinds(lab, run) if wait in ("WaitOpened", "RunOpened")] == [
        "RunOpened", "WaitOpened", "WaitOpened",
    ]  # fmt: skip


def test_24_a_parked_static_graph_comes_back(lab: Lab) -> None:
    lab.cell(ASKING)
    lab.cell("""
from aethergraph import graphify
@graph_fn
async def ask(prompt, *, context):
    return {"said": await context.channel().ask_text(prompt)}
@graphify
def both():
    first, second = ask("one?", _id="first"), ask("two?", _id="second")
    return {"said": [first.said, second.said], "y": double(2).y}
""")
    run = lab.start("both")
    lab.asked(run, "one?")
    lab.asked(run, "two?")
    lab.parked(run)
    run.answer("2", "two?")
    lab.until(run, lambda facts: sum(isinstance(fact, f.NodeDone) for fact in facts) >= 3)
    lab.parked(run)
    run.answer("1", "one?")
    assert run.result(LIMIT_S) == {"said": ["1", "2"], "y": 4}
    assert lab.took() == ["double 2"]


def test_24_no_code_of_the_users_runs_when_a_run_leaves(lab: Lab) -> None:
    """Not even that of a task of its own that is cancelled with it, nor what an attempt of a lambda could see."""
    lab.cell("""
@graph_fn
async def agent(*, context):
    tasks = set()
    async def ask(n):
        answer = await context.channel().ask_text(f"{n}?")
        ran(f"answered {n}")
        return answer
    for n in range(3):
        task = asyncio.create_task(ask(n))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    said = await context.channel().ask_text("go on?")
    ran(said)
    return {"tasks": len(tasks)}
""")
    run = lab.start("agent")
    lab.asked(run, "go on?")
    lab.parked(run)
    assert lab.took() == []
    assert len(run.waits) == 4
    run.answer("yes", "go on?")
    assert run.result(LIMIT_S) == {"tasks": 3}
    assert lab.took() == ["yes"]


def test_24_a_failure_that_a_body_lived_with_is_not_tried_again_by_a_wake(lab: Lab) -> None:
    lab.cell("""
@tool
async def broken():
    ran("broken")
    raise ValueError("no")
@graph_fn
async def agent(*, context):
    try:
        await broken()
    except ValueError as error:
        why = str(error)
    return {"why": why, "said": await context.channel().ask_text("name?")}
""")
    run = lab.start("agent")
    lab.parked(run)
    run.answer("Ada")
    assert run.result(LIMIT_S) == {"why": "no", "said": "Ada"}
    assert lab.took() == ["broken"]


def test_24_a_wake_runs_nothing_again_that_was_edited_meanwhile(lab: Lab) -> None:
    """As for a run in memory: an edit is for a resume."""
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.parked(run)
    lab.cell("@tool(outputs=['y'])\nasync def double(x):\n    ran(f'triple {x}')\n    return 3 * x")
    run.answer("a")
    assert run.result(LIMIT_S) == {"choice": "a", "z": 12}
    assert lab.took() == ["double 2", "triple 4"]


def test_24_what_a_body_notes_before_it_waits_is_noted_once(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def agent(*, context):
    context.logger().info("before")
    name = await context.channel().ask_text("name?")
    context.logger().info("after")
    return {"name": name}
""")
    run = lab.start("agent")
    lab.parked(run)
    run.answer("Ada")
    run.result(LIMIT_S)
    assert [line for line in run.transcript() if "before" in line or "after" in line] == run.transcript()[::2]
    assert kinds(lab, run).count("Noted") == 2


@pytest.mark.parametrize("grace_s", [0.0, 3600.0])
def test_24_a_run_that_waits_does_not_keep_the_loop_turning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grace_s: float
) -> None:
    """In memory or parked: nothing is asked of the loop's selector between one answer and the next."""
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    with laboratory(tmp_path / "store", FakeClock(), park_after_s=grace_s) as lab:
        lab.cell(ASKING)
        run = lab.start("agent")
        (lab.parked if grace_s == 0 else lab.rests)(run)
        loop = lab.runtime.thread.loop
        lab.runtime.thread.submit(asyncio.sleep(0)).result(LIMIT_S)
        limits: list[float | None] = []
        selector: Any = loop._selector  # type: ignore[attr-defined]
        select = selector.select
        monkeypatch.setattr(selector, "select", lambda timeout=None: (limits.append(timeout), select(timeout))[1])
        for _ in range(3):  # each call wakes the loop once, and only that
            lab.runtime.thread.submit(asyncio.sleep(0)).result(LIMIT_S)
        blocking = [limit for limit in limits if limit is None or limit > 0]
        assert len(blocking) <= 3
        assert all(limit is None or limit > 50 for limit in blocking)
        run.answer("a")
        run.result(LIMIT_S)


# ---------------------------------------------------------------------- 25 waking


@pytest.mark.parametrize("moment", ["it begins to leave", "it has left"])
def test_25_an_answer_in_the_very_moment_of_parking_is_not_lost(
    lab: Lab, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is answered when nobody is there any more to be told, and not yet anybody who could be woken."""
    lab.cell(ASKING)
    lab.cell("""
@graph_fn
async def around():  # whose nested body takes a turn of the loop to leave
    return dict(await agent())
""")
    parking, ready = lab.runtime.parking, threading.Event()
    begin, gone = Execution.park, parking.gone

    def answered(execution: Execution) -> None:
        if execution.parking and not ready.is_set():
            ready.set()
            (token, _), *_ = execution.left_open
            lab.runtime.answer(token, "b")

    def begins(execution: Execution) -> None:
        begin(execution)
        answered(execution)

    def left(execution: Execution) -> None:
        answered(execution)
        gone(execution)

    if moment == "it begins to leave":
        monkeypatch.setattr(Execution, "park", begins)
    else:
        parking.gone = left  # type: ignore[method-assign]
    assert lab.start("around").result(LIMIT_S) == {"choice": "b", "z": 8}
    assert ready.is_set()


def test_25_a_run_comes_back_from_what_is_on_disk_now_whatever_was_read_of_it_before(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads a parked run may be overtaken by an answer: what it has read is no place to go on from."""
    lab.cell("""
@graph_fn
async def agent(*, context):
    return {"said": [await context.channel().ask_text("one?"), await context.channel().ask_text("two?")]}
""")
    run, parking = lab.start("agent"), lab.runtime.parking
    lab.asked(run, "one?")
    lab.parked(run)
    read = parking._fold
    (first,) = lab.runtime.waits()

    def overtaken(run_id: str) -> Any:
        monkeypatch.setattr(parking, "_fold", read)
        found = read(run_id)
        lab.runtime.answer(first.token, "1")
        lab.asked(run, "two?")
        lab.parked(run)
        return found

    monkeypatch.setattr(parking, "_fold", overtaken)
    assert run.waits == []  # it has read of the first, which is answered
    written = lab.facts(run)
    (second,) = lab.runtime.waits()
    lab.runtime.answer(second.token, "2")
    assert run.result(LIMIT_S) == {"said": ["1", "2"]}
    assert lab.facts(run)[: len(written)] == written


@pytest.mark.parametrize("order", [("one?", "two?"), ("two?", "one?")])
def test_25_two_answers_to_one_parked_run_are_both_taken(lab: Lab, order: tuple[str, str]) -> None:
    lab.cell("""
@graph_fn
async def agent(*, context):
    said = []
    async def ask(prompt):
        await context.channel().ask_text(prompt)
        said.append(prompt)
    await asyncio.gather(ask("one?"), ask("two?"))
    return {"said": said}
""")
    run = lab.start("agent")
    lab.asked(run, "two?")
    lab.parked(run)
    tokens = [token(run, prompt) for prompt in order]
    for each in tokens:
        lab.runtime.answer(each, "yes")
    assert run.result(LIMIT_S) == {"said": list(order)}


def test_25_a_signal_in_the_very_moment_of_parking_is_not_lost(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is looked at when its run is already leaving, so that nobody takes what is found for it."""
    lab.cell("@graph_fn\nasync def agent(*, context):\n    return {'got': await context.wait_event('go')}")
    leave = Execution.park

    def park(execution: Execution) -> None:
        signals.send(lab.store, "go", 1, "", 0.0)
        leave(execution)
        execution.events.look()

    monkeypatch.setattr(Execution, "park", park)
    run = lab.start("agent")
    assert run.result(LIMIT_S) == {"got": 1}


@pytest.mark.parametrize("which", ["a?", "b"])
def test_25_what_woke_a_run_reaches_its_body_before_it_may_leave_again(
    timed: tuple[Lab, FakeClock], which: str
) -> None:
    """Rules 24 and 25: an answer that is on record and on its way to the body would wake nobody a second time."""
    lab, _ = timed
    lab.cell("""
@graph_fn
async def agent(*, context):
    asked = asyncio.create_task(context.channel().ask_text("a?"))
    heard = asyncio.create_task(context.wait_event("b"))
    done, rest = await asyncio.wait([asked, heard], return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await context.channel().ask_text("then?")
    return {"first": "a?" if asked in done else "b"}
""")
    run = lab.start("agent")
    lab.parked(run)
    if which == "b":
        lab.runtime.signal("b")
    else:
        lab.answer(run, "a?", "x")
    lab.answer(run, "then?", "y")
    assert run.result(LIMIT_S) == {"first": which}


def test_25_runs_that_wake_are_admitted_in_order_and_not_all_at_once(lab: Lab) -> None:
    lab.cell(ASKING)
    lab.runtime.parking._cap = 2
    runs = [lab.start("agent", x=n) for n in range(12)]
    for run in runs:
        lab.parked(run)
    at_once, order, rejoin = [], [], lab.runtime.launcher.rejoin

    def rejoined(run: Run, *args: Any) -> None:
        order.append(run.run_id)
        at_once.append(len(lab.runtime.parking._waking))
        rejoin(run, *args)

    lab.runtime.launcher.rejoin = rejoined  # type: ignore[method-assign]
    for run in reversed(runs):
        lab.runtime.answer(token(run, "which?"), "a")
    assert [run.result(LIMIT_S).z for run in runs] == [4 * n for n in range(12)]
    assert order == [run.run_id for run in reversed(runs)]
    assert max(at_once) <= 2


def test_25_one_answer_wakes_one_run(lab: Lab) -> None:
    lab.cell(ASKING)
    runs = [lab.start("agent", x=n) for n in range(5)]
    for run in runs:
        lab.parked(run)
    runs[3].answer("b")
    assert runs[3].result(LIMIT_S) == {"choice": "b", "z": 12}
    assert [run.parked for run in runs] == [True, True, True, False, True]


def test_25_a_parked_run_is_resumed_as_the_same_run(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.parked(run)
    assert lab.resume(run) is run
    lab.parked(run)
    run.answer("a")
    assert run.result(LIMIT_S).choice == "a"


def test_25_a_wake_for_a_run_that_is_not_parked_does_nothing(lab: Lab) -> None:
    lab.cell(ASKING)
    lab.runtime.parking.wake("nobody")
    run = lab.start("agent")
    lab.runtime.parking.wake(run.run_id)
    lab.parked(run)
    lab.runtime.parking.wake(run.run_id)
    lab.answer(run, "which?", "a")
    run.result(LIMIT_S)
    lab.runtime.parking.wake(run.run_id)
    assert lab.took() == ["double 2", "double 4"]


def test_14_a_run_that_cannot_be_written_any_more_says_so_when_it_would_wake(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.parked(run)
    asked = token(run, "which?")
    lab.runtime.journal._broken = OSError("no space left")
    lab.runtime.answer(asked, "a")
    with pytest.raises(JournalBroken, match="no space left"):
        run.result(LIMIT_S)
    assert not run.parked


# ---------------------------------------------------------------------- 18 ends of parked runs


def test_18_a_parked_run_is_cancelled_without_coming_back(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.parked(run)
    run.cancel("me")
    with pytest.raises(RunCancelled):
        run.result(LIMIT_S)
    assert run.status is RunStatus.CANCELLED
    assert kinds(lab, run)[-1] == "RunCancelled"
    assert lab.runtime.waits() == []
    assert lab.took() == ["double 2"]


def test_18_a_parked_run_is_paused_and_can_be_resumed(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.parked(run)
    run.pause("enough")
    resumed = lab.resume(run)
    with pytest.raises(RunPaused, match="enough"):
        run.result(LIMIT_S)
    assert resumed is not run
    lab.answer(resumed, "which?", "a")
    assert resumed.result(LIMIT_S) == {"choice": "a", "z": 8}
    assert lab.took() == ["double 2", "double 4"]


@pytest.mark.parametrize(
    ("how", "status"), [("cancel", RunStatus.CANCELLED), ("pause", RunStatus.PAUSED)], ids=["cancel", "pause"]
)
def test_18_the_children_of_a_parked_run_end_with_it(lab: Lab, how: str, status: RunStatus) -> None:
    lab.cell("""
@graph_fn
async def child(*, context):
    return await context.channel().ask_text("child?")
@graph_fn
async def parent(*, context):
    run_id = await context.spawn_run(child, inputs={})
    await context.channel().ask_text("parent?")
    return {"child": run_id}
""")
    run = lab.start("parent")
    lab.parked(run)
    (info,) = [info for info in lab.runtime.runs() if info.name == "child"]
    child = lab.runtime.load(info.run_id)
    lab.parked(child)
    getattr(run, how)()
    for each in (run, child):
        assert isinstance(each.future.exception(LIMIT_S), RunCancelled if how == "cancel" else RunPaused)
        assert each.status is status


@pytest.mark.parametrize("how", ["cancel", "pause"])
def test_18_what_is_ordered_in_the_moment_of_parking_is_done(lab: Lab, how: str) -> None:
    lab.cell(ASKING)
    parking, before = lab.runtime.parking, lab.runtime.parking.gone

    def in_between(execution: Any) -> None:
        if execution.parking:
            order = parking._cancel if how == "cancel" else parking._pause
            order(execution.run_id, "now")
        before(execution)

    parking.gone = in_between  # type: ignore[method-assign]
    run = lab.start("agent")
    with pytest.raises(RunCancelled if how == "cancel" else RunPaused):
        run.result(LIMIT_S)


def test_18_an_interrupt_pauses_a_parked_run(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.parked(run)

    async def interrupted() -> None:
        task = asyncio.ensure_future(_awaited(run))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(interrupted())
    with pytest.raises(RunPaused, match="it was interrupted"):
        run.result(LIMIT_S)
    assert run.status is RunStatus.PAUSED


def test_30_a_parked_run_stays_ours_until_we_are_gone(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.parked(run)
    asked = token(run, "which?")
    lab.kill()
    with pytest.raises(RunPaused, match="its process ended"):
        run.result(LIMIT_S)
    assert lab.runtime.load(run.run_id).status is RunStatus.PAUSED
    lab.runtime.answer(asked, "b")
    assert lab.resume(run).result(LIMIT_S) == {"choice": "b", "z": 8}
    assert lab.took() == ["double 2", "double 4"]


def test_30_a_parked_run_that_nobody_holds_reads_as_paused_once_we_are_gone(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.cells["agent"].last_run = None
    lab.parked(run)
    run_id = run.run_id
    del run
    gc.collect()
    lab.kill()
    after = lab.runtime.load(run_id)
    assert after.status is RunStatus.PAUSED
    assert kinds(lab, after)[-1] == "WaitOpened"
    resumed = lab.resume(after)
    lab.answer(resumed, "which?", "a")
    assert resumed.result(LIMIT_S).choice == "a"


# ---------------------------------------------------------------------- 22 deadlines

WITH_DEADLINE = """
@graph_fn
async def agent(*, context):
    said = []
    async def ask(prompt, timeout_s):
        said.append(await context.channel().ask_text(prompt, timeout_s=timeout_s, default=prompt))
    await asyncio.gather(ask("long", 60), ask("short", 30), ask("free", None))
    return {"said": said}
"""


def test_22_a_deadline_wakes_a_parked_run(timed: tuple[Lab, FakeClock]) -> None:
    lab, clock = timed
    lab.cell(WITH_DEADLINE)
    run = lab.start("agent")
    lab.asked(run, "free")
    lab.parked(run)
    assert len(lab.runtime.alarms) == 1
    clock.advance(30)
    lab.until(run, lambda facts: any(isinstance(fact, f.NodeDone) for fact in facts))
    lab.parked(run)
    assert [wait.prompt for wait in run.waits] == ["long", "free"]
    run.answer("yes", "free")
    lab.until(run, lambda facts: sum(isinstance(fact, f.NodeDone) for fact in facts) == 2)
    lab.parked(run)
    clock.advance(30)
    assert run.result(LIMIT_S) == {"said": ["short", "yes", "long"]}
    assert len(lab.runtime.alarms) == 0


def test_22_what_came_while_nobody_ran_the_run_is_delivered_in_the_order_of_its_time(
    timed: tuple[Lab, FakeClock],
) -> None:
    """Answers by when they were given, deadlines by when they were, whatever the order of the questions."""
    lab, clock = timed
    lab.cell(WITH_DEADLINE)
    run = lab.start("agent")
    asked = lab.asked(run, "free")
    lab.parked(run)
    lab.kill()
    clock.advance(40)
    lab.runtime.answer(asked, "in between")
    clock.advance(40)
    assert lab.resume(run).result(LIMIT_S) == {"said": ["short", "in between", "long"]}


def test_24_the_nodes_of_a_parked_run_keep_their_status(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def inner(*, context):
    return {"said": await context.channel().ask_text("name?")}
@graph_fn
async def agent(*, context):
    return {"said": (await inner()).said}
""")
    run = lab.start("agent")
    lab.parked(run)
    assert [(node.node_id, node.status) for node in run.nodes] == [
        ("inner", NodeStatus.RUNNING),
        ("ask", NodeStatus.WAITING),
    ]
    run.answer("Ada")
    assert run.result(LIMIT_S) == {"said": "Ada"}
    assert kinds(lab, run).count("NodeStarted") == 2  # the nested graph was not started again


def test_a_cell_that_is_run_again_pauses_its_parked_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    origins = iter(["cell#1", "cell#2"])
    monkeypatch.setattr("aethergraph.hooks.origin", lambda: next(origins))
    lab.cell(ASKING)
    first = lab.start("agent")
    lab.parked(first)
    second = lab.start("agent")
    with pytest.raises(RunPaused, match="its cell was run again"):
        first.result(LIMIT_S)
    lab.parked(second)
    assert isinstance(second.run_id, str)
