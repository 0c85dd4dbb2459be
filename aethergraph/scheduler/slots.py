"""Slots: how many attempts run at once in a tool, in the graphs around it, in its run and in the process.

An attempt takes a slot of each of its limits, always in the same order (its tool, the graphs around it from the inside
out, its run, the process), and keeps those that it has while it stands in line for the next. Whoever has reached the
end runs, and then ends or waits; a wait gives all slots back but that of the tool. So every line moves, and nobody in
it starves. The slot of a tool is a mutex around something outside and is kept over a wait: `Slots.deadlocked`
finds the one thing that can come of that.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import SlotCycle

if TYPE_CHECKING:
    from .loop import AetherLoop

# Runs are on more than one loop where some were started with `loop="kernel"`; whoever is next may be on another.
_lock = threading.RLock()
_log = logging.getLogger("aethergraph.slots")
_dropped: deque[Seat] = deque()  # those whose coroutines were given up; `Seat.drop` says why they stand here

MADE = "aethergraph_run_"  # how the modules begin that hold the stored source of a run


class Owner(Protocol):
    """A run, as lines see it: turns are taken run by run."""

    run_id: str


def checked_cap(cap: int | None) -> int | None:
    """`cap`, which says how many run at once; None for no limit.

    Raises:
        ValueError: it is not a positive int.
    """
    if cap is not None and (type(cap) is not int or cap < 1):
        raise ValueError(f"max_concurrency={cap!r}: how many may run at once is a number from 1")
    return cap


class Limit:
    """At most `cap` at once. Runs in line are served in turn, each in its own order; those who come back go first."""

    __slots__ = ("back", "cap", "holders", "lines", "order", "used")

    def __init__(self, cap: int) -> None:
        self.cap, self.used = cap, 0
        self.holders: list[Seat] | None = None  # only a tool has to know who has its slots
        self.back: deque[Seat] = deque()
        self.order: deque[Owner] = deque()  # of those who have a line, the next one first
        self.lines: dict[Owner, deque[Seat]] = {}

    def join(self, seat: Seat) -> None:
        """Stand in line."""
        if seat.back:
            self.back.append(seat)
            return
        line = self.lines.get(seat.run)
        if line is None:
            line = self.lines[seat.run] = deque()
            self.order.append(seat.run)
        line.append(seat)

    def hand_on(self) -> None:
        """Slots are free: whoever is next in line goes on."""
        while self.used < self.cap and (seat := self._next()) is not None:
            seat.advance()

    def _next(self) -> Seat | None:
        while self.back:
            seat = self.back.popleft()
            if not seat.gone:
                return seat
        order = self.order
        while order:
            line = self.lines[order[0]]
            while line and line[0].gone:
                line.popleft()
            seat_or_none = line.popleft() if line else None
            if not line:
                del self.lines[order.popleft()]
            elif len(order) > 1:
                order.rotate(-1)
            if seat_or_none is not None:
                return seat_or_none
        return None

    def next_of(self, limits: tuple[Limit, ...]) -> Seat | None:
        """Whoever is next, where one run alone is in line, and needs these very limits; it is in line no more."""
        if len(self.order) != 1:
            return None
        line = self.lines[self.order[0]]
        if not line or line[0].gone or line[0].limits is not limits:
            return None
        seat = line.popleft()
        if not line:
            del self.lines[self.order.popleft()]
        return seat

    def waiting(self) -> list[Seat]:
        """Who stands in line."""
        return [seat for line in (self.back, *self.lines.values()) for seat in line if not seat.gone]


class ToolLimit(Limit):
    """The slots of one tool; it knows who has them."""

    __slots__ = ("name", "slots")
    holders: list[Seat]

    def __init__(self, slots: Slots, name: str, cap: int) -> None:
        super().__init__(cap)
        self.slots, self.name, self.holders = slots, name, []


class Capped(Protocol):
    """A tool, as far as its slots go."""

    name: str
    fn: Callable[..., Any]
    max_concurrency: int | None


class Slots:
    """The limits that all runs of a process share."""

    def __init__(self, cap: int) -> None:
        self.process = Limit(cap)
        self.waiters: dict[str, list[Seat | str]] = {}  # by run: the seats, and runs whose bodies, wait for its end
        self._tools: dict[tuple[str, str, str, int], ToolLimit] = {}

    def of(self, tool: Capped) -> ToolLimit | None:
        """The slots of `tool`. A tool that is defined again, in its cell or by a resume, is still the same."""
        cap = tool.max_concurrency
        if cap is None:
            return None
        place = getattr(tool.fn, "__module__", "")
        place = "" if place == "__main__" or place.startswith(MADE) else place
        key = (place, getattr(tool.fn, "__qualname__", ""), tool.name, cap)
        limit = self._tools.get(key)
        if limit is None:
            limit = self._tools.setdefault(key, ToolLimit(self, tool.name, cap))
        return limit

    def deadlocked(self) -> list[Seat]:
        """The seats in line for a tool whose slots are all with seats that wait, in the end, for one of these.

        A seat waits for another if it waits for its run, or for a run in which something does.
        """
        with _lock:
            stuck = [(limit, seat) for limit in self._tools.values() for seat in limit.waiting()]
            while stuck:
                held_up = {id(above) for _, seat in stuck for above in self._above(seat.run.run_id)}
                still = [(limit, seat) for limit, seat in stuck if all(id(one) in held_up for one in limit.holders)]
                if len(still) == len(stuck):
                    break
                stuck = still
            return [seat for _, seat in stuck]

    def _above(self, run_id: str) -> list[Seat]:
        """The seats that wait for a run to end, and for runs that do."""
        found: list[Seat] = []
        todo, seen = [run_id], set[str]()
        while todo:
            one = todo.pop()
            if one in seen:
                continue
            seen.add(one)
            for waiter in self.waiters.get(one, ()):
                if isinstance(waiter, Seat):
                    found.append(waiter)
                todo.append(waiter.run.run_id if isinstance(waiter, Seat) else waiter)
        return found

    @contextlib.contextmanager
    def awaiting(self, run_id: str, waiter: Seat | str) -> Iterator[None]:
        """`waiter` waits for a run to end."""
        with _lock:
            line = self.waiters.setdefault(run_id, [])
            line.append(waiter)
        try:
            yield
        finally:
            with _lock:
                line.remove(waiter)
                if not line:
                    self.waiters.pop(run_id, None)


def release(limits: tuple[Limit, ...]) -> None:
    """Give a slot of each back."""
    for limit in limits:
        limit.used -= 1
    for limit in limits[::-1]:  # who is nearest to running goes first
        if limit.order or limit.back:
            limit.hand_on()


class Seat:
    """The slots of one call, over all its attempts. `go` may be called on the thread of any loop."""

    __slots__ = ("_coming", "at", "back", "call", "go", "gone", "limits", "run", "tool")
    # of many calls only some stand in line: these are set when they do
    back: bool
    go: Callable[[Seat], object] | None

    def __init__(self, run: Owner, call: Any, limits: tuple[Limit, ...], tool: ToolLimit | None = None) -> None:
        self.run, self.call = run, call
        self.tool = tool
        self.limits = limits if tool is None else (tool, *limits)
        self.at = 0  # it has the slots of so many of its limits, and stands in line for the next, or has them all
        self.gone = False
        self._coming: asyncio.Future[None] | None = None

    @property
    def held(self) -> bool:
        """Whether it has all its slots."""
        return self.at == len(self.limits)

    @property
    def name(self) -> str:
        """As errors tell it."""
        return f"{self.call.node_id} of run {self.run.run_id}"

    def take(self) -> bool:
        """Take all slots if they are free now."""
        if _dropped:
            sweep()
        with _lock:
            for limit in self.limits:
                if limit.used >= limit.cap:
                    return False
            for limit in self.limits:
                limit.used += 1
            self.at = len(self.limits)
            if self.tool is not None:
                self.tool.holders.append(self)
            return True

    def queue(self, go: Callable[[Seat], object]) -> None:
        """Stand in line; `go` is called once it has all slots.

        Raises:
            SlotCycle: nobody who has a slot of its tool can go on before this call has run.
        """
        tool = self.tool
        if _dropped:
            sweep()
        with _lock:
            self.back, self.go = False, go
            self.advance()
            stuck = tool is not None and not self.at and self in tool.slots.deadlocked()
        if stuck and tool is not None:
            self.leave()
            raise SlotCycle(self.name, tool.name, tool.cap, [holder.name for holder in tool.holders])

    def advance(self) -> None:
        """Take what is free, and stand in line where nothing is."""
        for limit in self.limits[self.at :]:
            if limit.used >= limit.cap:
                limit.join(self)
                return
            limit.used += 1
            self.at += 1
            if limit.holders is not None:
                limit.holders.append(self)
        go, self.go = self.go, None
        if go is not None:
            go(self)

    def leave(self) -> None:
        """It has ended, or left the line: give everything back."""
        with _lock:
            had, self.at, self.gone = self.at, 0, True
            if had:
                limits = self.limits
                if self.tool is not None:
                    self.tool.holders.remove(self)
                elif had == len(limits) and self._hand_over():
                    return
                release(limits if had == len(limits) else limits[:had])
            if self._coming is not None:  # cancelled while it was away, and in line since: it will never be its turn
                self._there(self)

    def _hand_over(self) -> bool:
        """Let the next of the first line have all that this one had: what `release` comes to where only that has one.

        Of a large fan nearly every call ends so.
        """
        limits = self.limits
        for limit in limits[1:]:
            if limit.order or limit.back:
                return False
        if not limits or limits[0].back or self._coming is not None or (seat := limits[0].next_of(limits)) is None:
            return False
        seat.at = len(limits)
        go, seat.go = seat.go, None
        if go is not None:
            go(seat)
        return True

    def drop(self, loop: AetherLoop) -> None:
        """Its coroutine was given up: `leave` soon.

        The garbage collector does that in any thread, in the middle of anything: what goes on because of a free slot
        might need a lock that this very thread holds.
        """
        _dropped.append(self)
        with contextlib.suppress(RuntimeError):  # the interpreter ends, or the loop was closed just now
            if loop.is_running():
                loop.call_soon_threadsafe(sweep, context=loop.empty)
            else:  # not by `threading`, whose own locks this thread may hold
                _thread.start_new_thread(sweep, ())

    def left(self, _: object) -> None:
        """`leave`, as a callback of what outlives its run."""
        self.leave()

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """It waits for somebody else: only its tool's slot is kept. It gets the others again ahead of new starts.

        Where several of its tasks wait at once, it comes back with the first of them.
        """
        with _lock:
            if self.held:
                self.at = kept = 0 if self.tool is None else 1
                release(self.limits[kept:])
        collected = False
        try:
            yield
        except GeneratorExit:
            collected = True  # whoever waited was given up: what it would come back for, it would never let go
            raise
        finally:
            if not self.held and not self.gone and not collected:
                await self._come_back()

    async def _come_back(self) -> None:
        coming = self._coming
        if coming is None:
            coming = self._coming = asyncio.get_running_loop().create_future()
            with _lock:
                self.back, self.go = True, self._there
                self.advance()
        await asyncio.shield(coming)

    def _there(self, _: Seat) -> None:
        coming, self._coming = self._coming, None
        if coming is None:
            return
        loop = coming.get_loop()
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        if here:
            _arrived(coming)
        else:
            loop.call_soon_threadsafe(_arrived, coming)


def sweep() -> None:
    """Give back the slots of those that were dropped."""
    while True:
        try:
            seat = _dropped.popleft()
        except IndexError:
            return
        try:
            seat.leave()
        except Exception:  # noqa: BLE001 (whoever is next in line: that is no business of who happens to sweep)
            _log.exception("whoever was to have the slots of %s next could not begin", seat.name)


def _arrived(coming: asyncio.Future[None]) -> None:
    if not coming.done():
        coming.set_result(None)
