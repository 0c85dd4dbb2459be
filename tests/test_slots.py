"""Slots: limits, lines and seats, without any run."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aethergraph.errors import SlotCycle
from aethergraph.scheduler import slots
from aethergraph.scheduler.loop import LoopThread
from aethergraph.scheduler.slots import Limit, Seat, Slots, checked_cap


@dataclass(eq=False)
class FakeRun:
    run_id: str = "run"


@dataclass
class FakeTool:
    name: str
    max_concurrency: int | None
    fn: Any = len


@dataclass
class FakeCall:
    node_id: str


def enter(seat: Seat, began: list[Seat]) -> None:
    if seat.take():
        began.append(seat)
    else:
        seat.queue(began.append)


def test_runs_in_line_are_served_in_turn() -> None:
    """29: fair between runs."""
    process, began = Limit(1), list[Seat]()
    a, b = FakeRun("a"), FakeRun("b")
    seats = [Seat(run, FakeCall(f"{run.run_id}{n}"), (process,)) for run in (a, b) for n in range(3)]
    for seat in seats:
        enter(seat, began)
    for n in range(6):
        began[n].leave()
    assert [seat.call.node_id for seat in began] == ["a0", "a1", "b0", "a2", "b1", "b2"]
    assert process.used == 0


def test_who_comes_back_from_a_wait_goes_ahead_of_new_starts() -> None:
    """29: waiting gives slots up and takes them again ahead of new starts."""

    async def scene() -> list[str]:
        own, process = Limit(1), Limit(5)
        run, began, told = FakeRun(), list[Seat](), list[str]()
        first, second, third = (Seat(run, FakeCall(name), (own, process)) for name in ("first", "second", "third"))
        enter(first, began)
        async with first.away():
            for seat in (second, third):
                enter(seat, began)
            told.append(f"{len(began)} began, {own.used} in use")
            coming = asyncio.ensure_future(asyncio.sleep(0))
            await coming
            asyncio.get_running_loop().call_soon(second.leave)
        told.append(f"{len(began)} began, first is back: {first.held}")
        first.leave()
        third.leave()
        return [*told, f"{own.used} {process.used}"]

    assert asyncio.run(scene()) == ["2 began, 1 in use", "2 began, first is back: True", "0 0"]


def test_one_that_leaves_the_line_gives_back_what_it_had() -> None:
    own, process = Limit(2), Limit(1)
    run, began = FakeRun(), list[Seat]()
    first, second, third = (Seat(run, None, (own, process)) for _ in range(3))
    for seat in (first, second, third):
        enter(seat, began)
    assert (own.used, process.used) == (2, 1)
    second.leave()
    assert (own.used, process.used) == (2, 1), "third has moved up"
    first.leave()
    assert began == [first, third]
    third.leave()
    assert (own.used, process.used) == (0, 0)


def test_the_slot_of_a_tool_is_kept_over_a_wait() -> None:
    """29: per-tool slots are a mutex."""

    async def scene() -> None:
        slots, run, began = Slots(5), FakeRun(), list[Seat]()
        tool = slots.of(FakeTool("fit", 1))
        first, second = (Seat(run, None, (slots.process,), tool) for _ in range(2))
        enter(first, began)
        enter(second, began)
        async with first.away():
            assert began == [first] and slots.process.used == 0
        first.leave()
        assert began == [first, second]

    asyncio.run(scene())


def test_a_tool_that_is_defined_again_has_the_same_slots() -> None:
    slots = Slots(5)
    assert slots.of(FakeTool("fit", 2)) is slots.of(FakeTool("fit", 2))
    assert slots.of(FakeTool("fit", 2)) is not slots.of(FakeTool("fit", 3))
    assert slots.of(FakeTool("fit", None)) is None


def test_29_a_call_that_waits_for_a_call_which_waits_for_it_is_refused_and_the_cycle_is_named() -> None:
    slots, parent, child = Slots(5), FakeRun("parent"), FakeRun("child")
    tool = slots.of(FakeTool("fit", 1))
    above, below = Seat(parent, FakeCall("fit"), (), tool), Seat(child, FakeCall("fit-2"), (), tool)
    assert above.take()
    slots.waiters["child"] = [above]
    with pytest.raises(SlotCycle, match=r"fit-2 of run child waits for a slot of the tool 'fit'.*fit of run parent"):
        below.queue(id)
    above.leave()
    assert below.take(), "nothing is left of the refused turn"


def test_29_two_tools_that_wait_for_each_other_are_found_too() -> None:
    slots, left, right = Slots(5), FakeRun("left"), FakeRun("right")
    a, b = slots.of(FakeTool("a", 1)), slots.of(FakeTool("b", 1))
    has_a, has_b = Seat(FakeRun(), FakeCall("a"), (), a), Seat(FakeRun(), FakeCall("b"), (), b)
    assert has_a.take() and has_b.take()
    slots.waiters["left"] = [has_a]
    slots.waiters["right"] = [has_b]
    Seat(left, FakeCall("b-2"), (), b).queue(id)
    assert slots.deadlocked() == []
    with pytest.raises(SlotCycle):
        Seat(right, FakeCall("a-2"), (), a).queue(id)


def test_29_a_slot_that_somebody_else_will_give_back_is_waited_for() -> None:
    slots, child, began = Slots(5), FakeRun("child"), list[Seat]()
    tool = slots.of(FakeTool("fit", 2))
    above, other, below = Seat(FakeRun(), None, (), tool), Seat(FakeRun(), None, (), tool), Seat(child, None, (), tool)
    assert above.take() and other.take()
    slots.waiters["child"] = [above]
    enter(below, began)
    other.leave()
    assert began == [below]


SCENES = {
    "caps": st.tuples(*[st.integers(1, 3)] * 5),
    "calls": st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 2)), max_size=30),
    "choices": st.lists(st.integers(0, 99), max_size=60),
}


def play(caps: tuple[int, ...], calls: list[tuple[int, int, int]], choices: list[int]) -> list[int]:
    """The calls in the order in which they began, ended in an order that `choices` says."""
    slots, choices = Slots(caps[0]), [*choices]
    runs = [(FakeRun(f"run {n}"), Limit(caps[1 + n % 2])) for n in range(3)]
    graphs = [Limit(caps[3]), Limit(caps[4])]
    tools = [None, slots.of(FakeTool("one", 1)), slots.of(FakeTool("two", 2))]
    plain = [(own, slots.process) for _, own in runs]  # one for all calls of a body, as a run has it
    within = (graphs[0], *plain[0])
    began, ended = list[Seat](), list[Seat]()
    for number, (run_no, nested, tool_no) in enumerate(calls):
        limits = within if nested and not run_no else plain[run_no]
        enter(Seat(runs[run_no][0], number, limits, tools[tool_no]), began)
        if choices and choices[0] % 2 and (running := [s for s in began if s not in ended]):
            ended.append(running[choices.pop(0) % len(running)])
            ended[-1].leave()
        for limit in (slots.process, *graphs, *(own for _, own in runs), *filter(None, tools)):
            assert 0 <= limit.used <= limit.cap
    while running := [seat for seat in began if seat not in ended]:
        ended.append(running[(choices.pop(0) if choices else 0) % len(running)])
        ended[-1].leave()
        assert all(limit.used <= limit.cap for limit in (slots.process, *graphs))
    assert len(began) == len(calls)
    assert not any(
        limit.used or limit.order or limit.lines for limit in (slots.process, *graphs, *(o for _, o in runs))
    )
    return [seat.call for seat in began]


@given(**SCENES)
def test_no_limit_is_exceeded_and_everything_begins(
    caps: tuple[int, ...], calls: list[tuple[int, int, int]], choices: list[int]
) -> None:
    """29: whatever the order of the ends, all calls begin."""
    play(caps, calls, choices)


@given(**SCENES)
def test_slots_that_are_handed_straight_on_go_to_whoever_would_have_taken_them(
    caps: tuple[int, ...], calls: list[tuple[int, int, int]], choices: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Seat, "_hand_over", lambda seat: False)
        given_back = play(caps, calls, choices)
    assert play(caps, calls, choices) == given_back


def test_the_next_of_a_fan_has_the_slots_of_the_one_before_without_giving_them_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits, run, began = (Limit(1), Limit(2)), FakeRun(), list[Seat]()
    for number in range(3):
        enter(Seat(run, number, limits), began)
    monkeypatch.setattr(slots, "release", lambda _: pytest.fail("they were given back"))
    began[0].leave()
    assert [seat.call for seat in began] == [0, 1] and [limit.used for limit in limits] == [1, 1]
    assert began[1].held and not began[0].held


@pytest.mark.parametrize("cap", [0, -1, True, 1.5, "2"])
def test_a_cap_is_a_positive_number(cap: Any) -> None:
    with pytest.raises(ValueError, match="how many may run at once"):
        checked_cap(cap)


def test_who_is_given_up_while_away_does_not_come_back() -> None:
    """A coroutine that is collected takes no slots, which nobody would give back, and awaits nothing on its way out."""

    async def scene() -> tuple[bool, int]:
        process, began = Limit(1), list[Seat]()
        seat = Seat(FakeRun(), FakeCall("first"), (process,))
        enter(seat, began)

        async def waits() -> None:
            async with seat.away():
                await asyncio.get_running_loop().create_future()

        given_up = waits()
        given_up.send(None)
        given_up.close()  # as the garbage collector does
        return seat.held, process.used

    assert asyncio.run(scene()) == (False, 0)


def test_who_was_cancelled_while_away_and_ends_in_line_waits_no_more() -> None:
    """A thread that asked is let go at once; what asked for it on the loop stands in line by then."""

    async def scene() -> tuple[bool, int]:
        process = Limit(1)
        first, second = (Seat(FakeRun(), FakeCall(name), (process,)) for name in ("first", "second"))
        enter(first, [])

        async def waits() -> None:
            async with first.away():
                enter(second, [])
                await asyncio.get_running_loop().create_future()

        asked = asyncio.ensure_future(waits())
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.sleep(0)
        first.leave()
        await asyncio.wait([asked], timeout=20)
        second.leave()
        return asked.cancelled(), process.used

    assert asyncio.run(scene()) == (True, 0)


@pytest.mark.parametrize("closed", [True, False])
def test_who_is_given_up_by_the_garbage_collector_lets_nobody_go_on_from_there(closed: bool) -> None:
    """29: its slot goes to the next in line, but not inside of what the collector interrupts: that may hold a lock."""
    process, threads, gone_on = Limit(1), list[int](), threading.Event()
    first, second = (Seat(FakeRun(name), FakeCall(name), (process,)) for name in ("first", "second"))

    def go_on(seat: Seat) -> None:
        threads.append(threading.get_ident())
        gone_on.set()

    assert first.take()
    second.queue(go_on)
    loop = LoopThread()
    if closed:
        loop.stop()
    with slots._lock:
        first.drop(loop.loop)
        assert not gone_on.is_set() and process.used == 1
    assert gone_on.wait(20) and process.used == 1
    loop.stop()
    assert threads != [threading.get_ident()]
    second.leave()
    assert process.used == 0


def test_whoever_cannot_go_on_is_no_business_of_who_sweeps(caplog: pytest.LogCaptureFixture) -> None:
    process = Limit(1)
    first, second = (Seat(FakeRun(name), FakeCall(name), (process,)) for name in ("first", "second"))

    def fails(seat: Seat) -> None:
        raise RuntimeError("its loop is closed")

    assert first.take()
    second.queue(fails)
    slots._dropped.append(first)
    other = Seat(FakeRun("other"), FakeCall("other"), (Limit(1),))
    assert other.take()
    assert "whoever was to have the slots of first of run first next could not begin" in caplog.text
