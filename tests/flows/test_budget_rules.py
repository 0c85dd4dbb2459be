"""`budget=`: how many seconds a run may be at work. Semantics 14, 18, 24, 26, 28 and 32."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aethergraph import Run, RunStatus
from aethergraph.errors import BudgetExceeded, RunPaused
from aethergraph.record import facts as f
from aethergraph.scheduler import budgets
from aethergraph.testing import FakeClock, replay

from .lab import LIMIT_S, Lab, laboratory

STEPS = """
takes = logging.getLogger("takes").info

@tool
async def step(n, seconds):
    ran(f"step {n}")
    takes(str(seconds))
    return n

@graph_fn
async def steps(seconds=30.0, count=3):
    for n in range(count):
        await step(n, seconds)
    return {"n": count}
"""


class Busy:
    """A clock that tells nobody that it goes on: as that of the machine does while the loop is blocked."""

    def __init__(self) -> None:
        self._now = 1e9

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds


class _Taking(logging.Handler):
    """Lets the clock go on for as long as a tool says that it takes."""

    def __init__(self, clock: FakeClock | Busy) -> None:
        super().__init__()
        self._clock = clock

    def emit(self, record: logging.LogRecord) -> None:
        self._clock.advance(float(record.getMessage()))


class Work(Lab):
    """A lab with budgets, and a clock that stands still."""

    clock: FakeClock  # or one that is busy

    def spend(self, agent: str, budget: budgets.Given, run_id: str | None = None, **inputs: Any) -> Run:
        """Start a run that has a budget."""
        target = self.cells[agent]
        return self.runtime.start(target, target.bind((), inputs), run_id=run_id, budget=budget)

    def go_on(self, run: Run, budget: budgets.Given = None) -> Run:
        """Resume it."""
        return self.runtime.resume(run.run_id, namespace=self.cells.names, budget=budget)

    def exceeds(self, run: Run) -> BudgetExceeded:
        """What `run` ends with here, when its budget is used up."""
        with pytest.raises(BudgetExceeded) as told:
            run.result(LIMIT_S)
        return told.value

    def spent(self, run: Run) -> float:
        """What is on record of its use."""
        return budgets.spent(self.facts(run))


@contextmanager
def working(folder: Path, clock: FakeClock | Busy) -> Iterator[Work]:
    """A lab whose clock stands still but for what its tools take, and whose runs leave memory at once."""
    takes, handler = logging.getLogger("takes"), _Taking(clock)
    takes.setLevel(logging.INFO)
    takes.propagate = False
    takes.addHandler(handler)
    try:
        with laboratory(folder, clock, park_after_s=0.0) as made:
            made.__class__ = Work
            assert isinstance(made, Work)
            made.cell(STEPS)
            yield made
    finally:
        takes.removeHandler(handler)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    with working(tmp_path / "store", FakeClock()) as made:
        yield made


def kinds(facts: list[f.AnyFact], kind: type[f.Fact]) -> int:
    return sum(isinstance(fact, kind) for fact in facts)


# ---------------------------------------------------------------------- used up


def test_a_run_is_paused_when_its_budget_is_used_up_and_says_what_to_type(work: Work) -> None:
    run = work.spend("steps", 50, "mine")
    told = work.exceeds(run)
    assert isinstance(told, RunPaused)
    assert (told.run_id, told.spent, told.budget) == ("mine", {"seconds": 60.0}, {"seconds": 50.0})
    assert str(told) == (
        "run mine is paused (its budget is used up: 60 of 50 seconds at work). What it has done is kept: go on with "
        "`aethergraph.resume('mine', budget=SECONDS)`, the whole budget with what is spent of it"
    )
    assert work.took() == ["step 0", "step 1"]  # and no third
    (info,) = work.runtime.runs()
    assert (info.status, info.error) == (RunStatus.PAUSED, "its budget is used up: 60 of 50 seconds at work")
    assert run.picture().why == "its budget is used up: 60 of 50 seconds at work"


def test_18_what_runs_is_cancelled_when_the_budget_is_used_up(work: Work) -> None:
    work.cell("""
@tool
async def endless():
    ran("began")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        ran("cancelled")
        raise
@graph_fn
async def agent():
    await endless()
""")
    run = work.spend("agent", {"seconds": 60})
    work.until(run, lambda facts: kinds(facts, f.NodeStarted) == 1)
    work.clock.advance(59.9)
    assert run.status is RunStatus.RUNNING
    work.clock.advance(0.1)
    assert work.exceeds(run).spent == {"seconds": pytest.approx(60.0)}
    assert work.took() == ["began", "cancelled"]


def test_19_a_thread_that_cannot_be_stopped_is_fenced(work: Work) -> None:
    gate, ended = threading.Event(), threading.Event()
    began = threading.Event()

    class Gate:
        def wait(self) -> None:
            began.set()
            assert gate.wait(LIMIT_S)

        def end(self) -> None:
            ended.set()

    work.runtime.register_service("gate", Gate())
    work.cell("""
@tool
def blocks(*, context):
    context.gate().wait()
    try:
        context.channel().send_text("too late")
    except Exception as error:
        ran(type(error).__name__)
    context.gate().end()
@graph_fn
async def agent():
    await blocks()
""")
    run = work.spend("agent", 60)
    assert began.wait(LIMIT_S)
    work.clock.advance(61)
    work.exceeds(run)
    assert run.status is RunStatus.PAUSED
    gate.set()
    assert ended.wait(LIMIT_S)
    assert work.took() == ["RunSuspended"]
    assert kinds(work.facts(run), f.Effect) == 0


@pytest.mark.parametrize("clock", [FakeClock, Busy])
def test_a_body_that_blocks_the_loop_for_longer_is_paused_when_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: type[FakeClock | Busy]
) -> None:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    with working(tmp_path / "store", clock()) as work:
        work.cell("""
@graph_fn
async def agent(*, context):
    takes("100")
    return {"it": await context.channel().ask_text("Well?")}
""")
        run = work.spend("agent", 60)
        assert work.exceeds(run).spent == {"seconds": 100.0}
        again = work.go_on(run, 201)  # the body runs again
        work.answer(again, "Well?", "yes")
        assert again.result(LIMIT_S) == {"it": "yes"}


# ---------------------------------------------------------------------- waiting

WAITS: Mapping[str, tuple[str, Callable[[Work, Run], object]]] = {
    "a question of a body": (
        "await context.channel().ask_text('Well?')",
        lambda work, run: work.answer(run, "Well?", "yes"),
    ),
    "a question of a tool": ("await asks()", lambda work, run: work.answer(run, "Well?", "yes")),
    "a question of a thread": ("await asks_in_thread()", lambda work, run: work.answer(run, "Well?", "yes")),
    "a timer": ("await context.clock().sleep(5000)", lambda work, run: work.clock.advance(5000)),
    "a signal": ("await context.wait_event('go')", lambda work, run: work.runtime.signal("go")),
    "two questions": (
        "await asyncio.gather(context.channel().ask_text('One?'), context.channel().ask_text('Well?'))",
        lambda work, run: (work.answer(run, "One?", "yes"), work.answer(run, "Well?", "yes")),
    ),
    "a question that keeps it in memory": (
        "await kept(context)",
        lambda work, run: work.answer(run, "Well?", "yes"),
    ),
}
WAITING = """
@tool
async def asks(*, context):
    return await context.channel().ask_text("Well?")
@tool
def asks_in_thread(*, context):
    return context.channel().ask_text("Well?")
async def kept(context):
    try:
        return await context.channel().ask_text("Well?")
    finally:
        pass
@graph_fn
async def agent(*, context):
    await step(1, 30)
    WAIT
    await step(2, 20)
    return {"done": True}
"""


@pytest.mark.parametrize("what", WAITS)
def test_24_a_run_that_only_waits_uses_nothing(work: Work, what: str) -> None:
    code, come = WAITS[what]
    work.cell(WAITING.replace("WAIT", code))
    run = work.spend("agent", 55)
    work.until(run, rests)
    work.clock.advance(3000)  # in memory, or parked
    come(work, run)
    assert run.result(LIMIT_S) == {"done": True}
    assert work.spent(run) == 50.0


def rests(facts: list[f.AnyFact]) -> bool:
    return any(isinstance(fact, f.BudgetUsed) and not fact.works for fact in facts)


def test_24_a_question_that_is_open_while_a_tool_works_saves_nothing(work: Work) -> None:
    work.cell("""
@graph_fn
async def agent(*, context):
    async def ask():
        return await context.channel().ask_text("Well?")
    asked = asyncio.create_task(ask())
    await asyncio.sleep(0)
    await step(1, 30)
    await step(2, 30)
    await asked
""")
    run = work.spend("agent", 50)
    assert work.exceeds(run).spent == {"seconds": 60.0}


def test_24_what_a_body_does_between_two_questions_counts(work: Work) -> None:
    work.cell("""
@graph_fn
async def agent(*, context):
    try:  # which keeps it in memory
        await context.channel().ask_text("One?")
        takes("30")
        await context.channel().ask_text("Two?")
    finally:
        pass
""")
    run = work.spend("agent", 100)
    for prompt in ("One?", "Two?"):
        work.answer(run, prompt, "yes")
    run.result(LIMIT_S)
    assert work.spent(run) == 30.0


def test_24_work_after_a_wait_is_stopped_in_time(work: Work) -> None:
    """The alarm is set anew when the run goes to work again, also where it had left memory."""
    work.cell("""
@tool
async def endless():
    await asyncio.Event().wait()
@graph_fn
async def agent(*, context):
    await step(1, 30)
    await context.channel().ask_text("Well?")
    await endless()
""")
    run = work.spend("agent", 50)
    work.parked(run)
    work.clock.advance(1000)
    work.answer(run, "Well?", "yes")
    work.until(run, lambda facts: any(isinstance(n, f.NodeStarted) and n.callee == "endless" for n in facts))
    work.clock.advance(19)
    assert run.status is RunStatus.RUNNING
    work.clock.advance(1)
    assert work.exceeds(run).spent == {"seconds": 50.0}


def test_a_pause_of_a_parked_run_keeps_what_it_has_used(work: Work) -> None:
    work.cell(WAITING.replace("WAIT", "await context.channel().ask_text('Well?')"))
    run = work.spend("agent", 40)
    work.parked(run)
    work.clock.advance(1000)
    run.pause()
    with pytest.raises(RunPaused) as told:
        run.result(LIMIT_S)
    assert not isinstance(told.value, BudgetExceeded)
    assert run.flow().spent == {"seconds": 30.0}
    again = work.go_on(run)
    work.answer(again, "Well?", "yes")
    assert work.exceeds(again).spent == {"seconds": 50.0}


# ---------------------------------------------------------------------- kills, and going on


def test_14_what_is_used_survives_a_kill_up_to_the_last_fact(work: Work) -> None:
    work.cell("""
@tool
async def endless():
    await asyncio.Event().wait()
@graph_fn
async def agent():
    await step(1, 30)
    await endless()
""")
    run = work.spend("agent", 100)
    work.until(run, lambda facts: any(isinstance(n, f.NodeStarted) and n.callee == "endless" for n in facts))
    work.clock.advance(40)  # of which nothing is on disk
    work.kill()
    work.clock.advance(5000)
    assert work.spent(run) == 30.0
    again = work.go_on(run)
    work.until(again, lambda facts: kinds(facts, f.RunOpened) == 2)
    assert again.flow().spent == {"seconds": 30.0}
    work.clock.advance(69.9)
    assert again.status is RunStatus.RUNNING
    work.clock.advance(0.1)
    assert work.exceeds(again).spent == {"seconds": pytest.approx(100.0)}


def test_14_a_run_that_was_killed_while_it_waited_has_used_nothing_meanwhile(work: Work) -> None:
    work.cell(WAITING.replace("WAIT", "await context.channel().ask_text('Well?')"))
    run = work.spend("agent", 55)
    work.parked(run)
    work.clock.advance(1000)
    work.kill()
    work.clock.advance(1000)
    again = work.go_on(run)
    work.answer(again, "Well?", "yes")
    assert again.result(LIMIT_S) == {"done": True}
    assert work.spent(again) == 50.0


def test_a_larger_budget_goes_on_and_repeats_nothing(work: Work) -> None:
    run = work.spend("steps", 50)
    work.exceeds(run)
    assert work.took() == ["step 0", "step 1"]
    work.clock.advance(10_000)  # while it is paused
    again = work.go_on(run, 90.5)
    assert again.result(LIMIT_S) == {"n": 3}
    assert work.took() == ["step 2"]
    assert work.spent(again) == 90.0


@pytest.mark.parametrize("budget", [None, 60, 59])
def test_a_resume_that_gives_no_more_stops_before_any_body_runs(work: Work, budget: float | None) -> None:
    run = work.spend("steps", 50)
    work.exceeds(run)
    work.took()
    work.kill()
    facts = work.facts(run)
    with pytest.raises(BudgetExceeded) as told:
        work.go_on(run, budget)
    assert told.value.budget == {"seconds": budget or 50.0} and told.value.spent == {"seconds": 60.0}
    with pytest.raises(BudgetExceeded):  # also who only reads it is told why
        work.runtime.load(run.run_id).result()
    assert work.facts(run) == facts and work.took() == []
    assert work.go_on(run, 100).result(LIMIT_S) == {"n": 3}  # it is nobody's


def test_a_budget_that_was_given_last_is_the_one_on_record(work: Work) -> None:
    run = work.spend("steps", 50, count=5)
    work.exceeds(run)
    assert work.exceeds(work.go_on(run, 80)).spent == {"seconds": 90.0}
    with pytest.raises(BudgetExceeded, match=r"90 of 80 seconds"):
        work.go_on(run)
    last = work.go_on(run, math.inf)
    assert last.result(LIMIT_S) == {"n": 5}
    assert last.flow().budget == {}


def test_what_a_run_does_while_it_has_no_budget_any_more_does_not_count(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.cell("""
@tool
async def held():
    if flag("HELD"):
        await asyncio.Event().wait()
@graph_fn
async def agent():
    await steps(30.0, 3)
    await held()
    await step(4, 10)
    return {"done": True}
""")
    run = work.spend("agent", 50)
    work.exceeds(run)
    monkeypatch.setenv("HELD", "1")
    without = work.go_on(run, math.inf)
    work.until(without, lambda facts: any(isinstance(n, f.NodeStarted) and n.callee == "held" for n in facts))
    work.kill()
    monkeypatch.delenv("HELD")
    again = work.go_on(run, 71)
    assert again.result(LIMIT_S) == {"done": True}
    assert work.spent(again) == 70.0


def test_a_run_that_had_no_budget_can_be_given_one(work: Work) -> None:
    work.cell(WAITING.replace("WAIT", "await context.channel().ask_text('Well?')"))
    run = work.start("agent")
    work.parked(run)
    assert kinds(work.facts(run), f.BudgetUsed) == 0
    work.kill()
    again = work.go_on(run, 19)  # what it did before it had one does not count
    work.answer(again, "Well?", "yes")
    assert work.exceeds(again).spent == {"seconds": 20.0}


def test_a_run_without_a_budget_has_nothing_of_it(work: Work) -> None:
    run = work.start("steps")
    run.result(LIMIT_S)
    facts = work.facts(run)
    assert kinds(facts, f.BudgetUsed) == 0 and run.execution is not None and run.execution.budget is None


def test_the_run_that_goes_on_here_keeps_its_budget(work: Work) -> None:
    work.cell(WAITING.replace("WAIT", "await context.channel().ask_text('Well?')"))
    run = work.spend("agent", 55, "mine")
    work.parked(run)
    assert work.spend("agent", 55, "mine") is run  # a cell that is run again
    with pytest.raises(ValueError, match=r"run mine goes on in this process, with a budget of 55 seconds; .*pause\(\)"):
        work.go_on(run, 60)
    work.answer(run, "Well?", "yes")
    assert run.result(LIMIT_S) == {"done": True}


def test_a_run_id_that_is_there_is_gone_on_with_and_gets_the_budget(work: Work) -> None:
    work.exceeds(work.spend("steps", 50, "mine"))
    assert work.spend("steps", 100, "mine").result(LIMIT_S) == {"n": 3}


# ---------------------------------------------------------------------- runs that come from runs


def test_17_a_retry_counts_on(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKEN", "1")
    work.cell("""
@tool
async def shaky():
    takes("10")
    if flag("BROKEN"):
        raise OSError("broken")
@graph_fn
async def agent():
    await step(1, 30)
    await shaky()
    await step(2, 30)
""")
    run = work.spend("agent", 75)
    with pytest.raises(OSError, match="broken"):
        run.result(LIMIT_S)
    monkeypatch.delenv("BROKEN")
    again = work.runtime.load(run.run_id).retry()
    assert work.exceeds(again).spent == {"seconds": 80.0}


def test_32_a_fork_has_the_same_budget_and_has_used_nothing_of_it(work: Work) -> None:
    run = work.spend("steps", 50)
    work.exceeds(run)
    fork = run.fork()
    assert fork.result(LIMIT_S) == {"n": 3}
    assert work.spent(fork) == 30.0
    facts = work.facts(fork)
    cut = next(n for n, fact in enumerate(facts) if isinstance(fact, f.Forked))
    assert work.spent(run) == 60.0 and budgets.spent(facts[: cut + 1]) == 0.0  # also where it was killed there
    assert work.exceeds(run.fork(inputs={"count": 5})).spent == {"seconds": 60.0}


def test_25_runs_that_go_on_from_each_other_have_one_budget(work: Work) -> None:
    work.cell("""
@graph_fn
async def chat(n=1, *, context):
    await step(n, 30)
    await context.continue_as_new(n=n + 1)
""")
    run = work.spend("chat", 100, "chat")
    told = work.exceeds(run)
    assert (told.run_id, told.spent) == ("chat.4", {"seconds": 120.0})
    with pytest.raises(BudgetExceeded):
        work.runtime.resume("chat", namespace=work.cells.names)
    going = work.runtime.resume("chat", namespace=work.cells.names, budget=130)
    assert going.run_id == "chat.4"
    assert work.exceeds(going).spent == {"seconds": 150.0}


FAMILY = """
@graph_fn
async def child(seconds, *, context):
    if flag("HELD"):
        await context.channel().ask_text("Go?")
    await step(1, seconds)
    await step(2, seconds)
    return {"y": 1}

@tool
async def calls(seconds, *, context):
    return dict(await context.run_and_wait(child, inputs={"seconds": seconds}, **how))
@tool
def calls_in_thread(seconds, *, context):
    return dict(context.run_and_wait(child, inputs={"seconds": seconds}, **how))
@graph_fn
async def parent(seconds, *, context):
    await step(0, 10)
    out = await context.run_and_wait(child, inputs={"seconds": seconds}, **how)
    await step(3, 10)
    return {"y": out["y"]}
@graph_fn
async def through_tool(seconds):
    await step(0, 10)
    out = await calls(seconds)
    await step(3, 10)
    return {"y": out["y"]}
@graph_fn
async def through_thread(seconds):
    await step(0, 10)
    out = await calls_in_thread(seconds)
    await step(3, 10)
    return {"y": out["y"]}
"""
PARENTS = ["parent", "through_tool", "through_thread"]


@pytest.mark.parametrize("parent", PARENTS)
def test_28_a_run_that_waits_for_a_run_uses_nothing(work: Work, parent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELD", "until its parent waits for it")
    work.cell("how = {}")
    work.cell(FAMILY)
    run = work.spend(parent, 25, seconds=1000)
    work.until(run, rests)
    (info,) = work.runtime.runs(parent=run.run_id)
    work.answer(work.runtime.load(info.run_id), "Go?", "yes")
    assert run.result(LIMIT_S) == {"y": 1}
    assert work.spent(run) == 20.0


@pytest.mark.parametrize("parent", PARENTS)
def test_28_a_run_whose_budget_is_used_up_pauses_the_run_that_waits_for_it(work: Work, parent: str) -> None:
    work.cell("how = {'budget': 15}")
    work.cell(FAMILY)
    run = work.start(parent, seconds=20)
    with pytest.raises(RunPaused, match=r"it waits for the run child-\w+: .* 20 of 15 seconds"):
        run.result(LIMIT_S)
    (info,) = work.runtime.runs(parent=run.run_id)
    assert work.took() == ["step 0", "step 1"]
    with pytest.raises(RunPaused, match=r"it waits for the run child-\w+: .* 20 of 15 seconds"):
        work.go_on(run).result(LIMIT_S)
    assert work.runtime.resume(info.run_id, namespace=work.cells.names, budget=100).result(LIMIT_S) == {"y": 1}
    assert work.go_on(run).result(LIMIT_S) == {"y": 1}
    assert work.took() == ["step 2", "step 3"]


def test_28_an_agent_that_is_called_is_part_of_the_run(work: Work) -> None:
    work.cell("""
@graph_fn
async def agent():
    await steps(30.0, 3)
""")
    assert work.exceeds(work.spend("agent", 50)).spent == {"seconds": 60.0}


def test_a_replay_minds_no_budget(work: Work) -> None:
    run = work.spend("steps", 50)
    work.exceeds(run)
    again = work.go_on(run, 95)
    again.result(LIMIT_S)
    assert replay(again) == {"n": 3}


# ---------------------------------------------------------------------- what a budget may be


@pytest.mark.parametrize(
    ("budget", "error", "told"),
    [
        (0, ValueError, "above 0"),
        (-1.5, ValueError, "above 0"),
        (math.nan, ValueError, "above 0"),
        ({"seconds": 0}, ValueError, "above 0"),
        ({}, ValueError, "caps nothing"),
        ({"tokens": 1000}, ValueError, "tokens is not counted; nothing in this version spends tokens or cost"),
        ({"seconds": 5, "cost": 1}, ValueError, "cost is not counted; nothing in this version spends"),
        ({"minutes": 5}, ValueError, "minutes is not counted; what is counted is seconds at work"),
        (True, TypeError, "seconds are a number, got bool"),
        ("60", TypeError, "seconds are a number, got str"),
        ({"seconds": None}, TypeError, "seconds are a number, got NoneType"),
        ([60], TypeError, "seconds are a number, got list"),
        (timedelta(minutes=1), TypeError, "seconds are a number, got timedelta"),
    ],
)
def test_what_is_no_budget_is_refused_before_there_is_a_run(
    work: Work, budget: Any, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told) as raised:
        work.spend("steps", budget)
    assert "budget=60, or budget={'seconds': 60}" in str(raised.value)
    assert work.runtime.runs() == []
    run = work.start("steps")
    run.result(LIMIT_S)
    with pytest.raises(error, match=told):
        work.runtime.resume(run.run_id, budget=budget)


@pytest.mark.parametrize("budget", [91, 91.0, np.float64(91), np.int64(91), {"seconds": 91}])
def test_what_is_a_budget(work: Work, budget: Any) -> None:
    run = work.spend("steps", budget)
    assert run.result(LIMIT_S) == {"n": 3}
    assert run.flow().budget == {"seconds": 91.0}


def test_a_budget_without_end_is_none(work: Work) -> None:
    run = work.spend("steps", math.inf)
    assert run.result(LIMIT_S) == {"n": 3}
    assert run.flow().budget == {} and kinds(work.facts(run), f.BudgetUsed) == 0
