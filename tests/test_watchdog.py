"""When the watchdog looks, and when it lets a loop rest. What it finds is in `flows/test_blocked_loop.py`."""

from __future__ import annotations

import asyncio
import selectors
import threading
from typing import Any

import pytest

from aethergraph.scheduler import heart, watchdog
from aethergraph.scheduler.blocking import Blocking
from aethergraph.scheduler.heart import Heart
from aethergraph.scheduler.loop import LoopThread
from aethergraph.scheduler.watchdog import LOOKS, Watchdog

LIMIT_S = 20


class Dog(Watchdog):
    """One whose rounds are made by hand."""

    def _work(self) -> None:
        """Nothing by itself."""


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads in which something was looked for."""
    threads: list[int] = []

    def find(thread: int) -> Blocking | None:
        threads.append(thread)
        return None

    monkeypatch.setattr(watchdog, "find", find)
    return threads


def at_work() -> tuple[Dog, Heart]:
    dog, one = Dog(), Heart()
    one.thread = 7
    dog.watch(one)
    assert dog.awake == []
    assert one.rouse is not None
    one.rouse()
    return dog, one


def test_a_loop_that_does_not_turn_is_looked_into_at_the_third_look(found: list[int]) -> None:
    dog, _ = at_work()
    for _ in range(LOOKS - 1):
        dog.look()
    assert found == []
    dog.look()
    assert found == [7]


def test_a_loop_that_turns_is_left_alone(found: list[int]) -> None:
    dog, one = at_work()
    for _ in range(3 * LOOKS):
        one.beats += 1
        dog.look()
    assert found == []


def test_a_loop_that_sleeps_is_not_looked_at_until_it_wakes_up(found: list[int]) -> None:
    dog, one = at_work()
    one.asleep = True
    dog.look()
    assert dog.awake == [], "its thread waits without a time"
    one.asleep = False
    assert one.rouse is not None
    one.rouse()
    assert (dog.awake, one.rouse) == ([one], None)


def test_a_loop_that_wakes_up_while_it_is_let_rest_is_not_lost() -> None:
    dog, one = at_work()

    class Waking(Heart):
        """It sleeps when it is looked at first."""

        looked = 0

        @property
        def asleep(self) -> bool:  # type: ignore[override]
            self.looked += 1
            return self.looked == 1

    dog.forget(one)
    waking = Waking()
    dog.watch(waking)
    assert waking.rouse is not None
    waking.rouse()
    dog.look()
    assert dog.awake == [waking]


def test_the_loop_of_runs_rouses_it_when_it_wakes_up_and_not_before() -> None:
    roused = threading.Event()
    thread = LoopThread()
    try:
        thread.submit(asyncio.sleep(0)).result(LIMIT_S)
        thread.heart.rouse = roused.set
        thread.call(lambda: None)
        assert roused.wait(LIMIT_S)
    finally:
        thread.stop()


def test_another_loops_selector_is_what_it_was_afterwards() -> None:
    async def main() -> tuple[Any, type, type]:
        selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        before = type(selector)
        given = heart.give(asyncio.get_running_loop())
        assert given is selector
        assert given.thread == threading.get_ident()
        beats = given.beats
        await asyncio.sleep(0)
        assert given.beats > beats
        heart.take(given)
        return selector, before, type(selector)

    _, before, after = asyncio.run(main())
    assert before is after


def test_a_selector_of_another_kind_is_not_touched() -> None:
    class Slotted:
        __slots__ = ("kept",)

    class Loop:
        _selector = Slotted()

    assert heart.give(Loop()) is None
    assert heart.give(object()) is None
    assert not issubclass(selectors.DefaultSelector, Heart)
