"""What is to happen at a time of the wall clock: one heap for a whole runtime, and at most one timer of its loop."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

from ..clock import Clock
from .loop import Host

# Timers stand still while a laptop sleeps, the wall clock does not: looked at so often, no alarm is later than this.
LONGEST_S = 60.0


class Alarm:
    """One entry; `when` in seconds since the epoch."""

    __slots__ = ("call", "number", "when")

    def __init__(self, when: float, number: int, call: Callable[[], object]) -> None:
        self.when, self.number = when, number
        self.call: Callable[[], object] | None = call

    def __lt__(self, other: Alarm) -> bool:
        return (self.when, self.number) < (other.when, other.number)


class Alarms:
    """The alarms of one runtime. All methods are called on the loop's thread."""

    def __init__(self, clock: Clock, thread: Callable[[], Host]) -> None:
        self._clock, self._thread = clock, thread
        self._heap: list[Alarm] = []
        self._numbers = itertools.count()
        self._off = 0  # entries of the heap that were cancelled
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0

    def __len__(self) -> int:
        return len(self._heap) - self._off

    def at(self, when: float, call: Callable[[], object]) -> Alarm:
        """Call on the loop when the wall clock shows `when`, or soon where it does already."""
        alarm = Alarm(when, next(self._numbers), call)
        heapq.heappush(self._heap, alarm)
        self._arm()
        return alarm

    def cancel(self, alarm: Alarm) -> None:
        """It is not to happen."""
        if alarm.call is None:
            return
        alarm.call = None
        self._off += 1
        if self._off > 64 and self._off > len(self._heap) // 2:
            self._heap = [one for one in self._heap if one.call is not None]
            heapq.heapify(self._heap)
            self._off = 0
        self._arm()

    def look(self) -> None:
        """Call what is due. The clock may have been set, or told to go on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock.now()
        while self._heap and (self._heap[0].call is None or self._heap[0].when <= now):
            alarm = heapq.heappop(self._heap)
            call, alarm.call = alarm.call, None
            if call is None:
                self._off -= 1
            else:
                call()
        self._arm()

    def _arm(self) -> None:
        while self._heap and self._heap[0].call is None:
            heapq.heappop(self._heap)
            self._off -= 1
        if self._timer is not None and (not self._heap or self._heap[0].when != self._armed_for):
            self._timer.cancel()
            self._timer = None
        if self._heap and self._timer is None:
            self._armed_for = self._heap[0].when
            delay = min(LONGEST_S, max(0.0, self._armed_for - self._clock.now()))
            loop = self._thread().loop
            self._timer = loop.raw_at(loop.raw_time() + delay, self.look)
