"""Alarms by the wall clock: in order, one timer for all, none where nothing is due."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from aethergraph.scheduler.alarms import LONGEST_S, Alarms
from aethergraph.testing import FakeClock


class Loop:
    """Keeps what is to be called at what time; its own time stands still."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, asyncio.TimerHandle]] = []
        self._loop = asyncio.new_event_loop()

    def raw_time(self) -> float:
        return 100.0

    def raw_at(self, when: float, call: Any, *args: Any) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, call, args, self._loop)
        self.timers.append((when, timer))
        return timer

    def armed(self) -> list[float]:
        return [when for when, timer in self.timers if not timer.cancelled()]

    def close(self) -> None:
        self._loop.close()


class Thread:
    def __init__(self, loop: Loop) -> None:
        self.loop = loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000.0)


@pytest.fixture
def alarms(loop: Loop, clock: FakeClock) -> Alarms:
    thread: Any = Thread(loop)
    return Alarms(clock, lambda: thread)


def test_they_are_called_in_order_when_it_is_time(alarms: Alarms, clock: FakeClock) -> None:
    told: list[str] = []
    for when, name in ((1030.0, "late"), (1010.0, "soon"), (1010.0, "as soon"), (1500.0, "never")):
        alarms.at(when, lambda name=name: told.append(name))
    alarms.look()
    assert told == []
    clock.advance(30.0)
    alarms.look()
    assert told == ["soon", "as soon", "late"]
    assert len(alarms) == 1


def test_one_timer_serves_all_and_is_for_the_first(alarms: Alarms, loop: Loop) -> None:
    first = alarms.at(1020.0, int)
    alarms.at(1030.0, int)
    assert loop.armed() == [120.0]
    earlier = alarms.at(1005.0, int)
    assert loop.armed() == [105.0]
    alarms.cancel(earlier)
    alarms.cancel(earlier)
    assert loop.armed() == [120.0]
    alarms.cancel(first)
    assert loop.armed() == [130.0]


def test_without_alarms_there_is_no_timer(alarms: Alarms, loop: Loop) -> None:
    alarms.cancel(alarms.at(1020.0, int))
    assert loop.armed() == []
    assert len(alarms) == 0


def test_a_distant_alarm_is_looked_at_now_and_then(alarms: Alarms, loop: Loop) -> None:
    alarms.at(1000.0 + 1e6, int)
    assert loop.armed() == [100.0 + LONGEST_S]
    alarms.look()
    assert loop.armed() == [100.0 + LONGEST_S]


def test_an_alarm_may_set_and_cancel_others(alarms: Alarms, clock: FakeClock) -> None:
    told: list[str] = []
    other = alarms.at(1010.0, lambda: told.append("other"))

    def first() -> None:
        told.append("first")
        alarms.cancel(other)
        alarms.at(1005.0, lambda: told.append("set on the way"))

    alarms.at(1001.0, first)
    clock.advance(60.0)
    alarms.look()
    assert told == ["first", "set on the way"]


def test_cancelled_alarms_are_not_kept(alarms: Alarms) -> None:
    for many in [[alarms.at(2000.0 + n, int) for n in range(1000)]]:
        for alarm in many[1:]:
            alarms.cancel(alarm)
    assert len(alarms) == 1
    assert len(alarms._heap) < 200
