"""The one mailbox of a run: results, answers, timers and effects enter its bodies here, one at a time.

The next one is delivered only when no callback of the run is ready, live and on replay alike, so a race comes out as
it did. A live result is appended to the journal and pushed here in one step: mailbox order is journal order. On replay
the recorded order goes first. A record that nobody claims when the run is quiet is skipped, and stays claimable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..ids import Key
from ..record.flow import Delivery, Flow
from .loop import AetherLoop, Pulse

# Where what is delivered leaves no callbacks behind, so many deliveries of one run, within so many seconds, come before
# other runs have their turn.
AT_ONCE = 8
TURN_S = 0.001
SPIN = 10_000  # a body that never goes quiet still gets its mail after this many of its own callbacks

Deliver = Callable[[int], None]  # called with the position of the delivery


class Mailbox:
    """Delivers. `flush` hands on what the bodies called; `quiet` says that the run is idle and has no mail."""

    def __init__(
        self,
        loop: AetherLoop,
        pulse: Pulse,
        flow: Flow,
        flush: Callable[[], None],
        quiet: Callable[[], None],
    ) -> None:
        self._pulse, self._flow, self._flush, self._quiet = pulse, flow, flush, quiet
        self._recorded: deque[Delivery] = deque(flow.order)
        self._claimed: dict[Key, Deliver] = {}
        self._skipped: dict[Key, int] = {}
        self._box: deque[tuple[int, Deliver]] = deque()
        self._late: deque[tuple[int, Deliver]] = deque()
        self._held: set[Key] = set()
        self._taken: set[Key] = set()
        self._dead: set[int] = set()
        self._pumping = self.closed = False
        self.delivering = False  # no task of the run runs: who waits for what is delivered may go on at once
        self._mark = self._base = 0
        self._loop, self._clock = loop, loop.plain_time
        self._pump_soon = loop.again(self._pump)

    @property
    def replaying(self) -> bool:
        """Whether recorded deliveries are left."""
        return bool(self._recorded)

    @property
    def busy(self) -> bool:
        """Whether there is mail, or the run has not come to rest since the last was delivered."""
        return self._pumping or bool(self._box or self._late or self._recorded)

    @property
    def moving(self) -> bool:
        """Whether it looks for mail again in a moment, and then tells once more that the run is quiet."""
        return self._pumping

    def claim(self, key: Key, deliver: Deliver) -> None:
        """Somebody is there for the recorded delivery `key`."""
        position = self._skipped.pop(key, None)
        if position is not None:  # it came late: it is next in line, now and on every later replay
            self._late.append((position, deliver))
        else:
            self._claimed[key] = deliver
        self.kick()

    def unclaim(self, key: Key) -> None:
        """The claim is withdrawn; the record stays claimable."""
        self._claimed.pop(key, None)

    def push(self, position: int, deliver: Deliver) -> None:
        """A live delivery that was appended just now at `position`."""
        self._box.append((position, deliver))
        self.kick()

    def hold(self, key: Key) -> None:
        """The recorded delivery `key` is being made again: wait for it at its place in the order."""
        self._held.add(key)

    def release(self, key: Key) -> None:
        """It is there (claimed) or will not come."""
        self._held.discard(key)
        self.kick()

    def skip_scope(self, no: int) -> None:
        """The graph node `no` is reused: what happened inside it is not delivered."""
        self._dead.add(no)

    def kick(self) -> None:
        """Flush and deliver as soon as the run is quiet."""
        if not self._pumping:
            self._pumping = True
            self._mark = self._base = self._pulse.ticks
            self._pump_soon()

    def _pump(self) -> None:
        until = self._clock() + TURN_S
        for _ in range(AT_ONCE):
            if self.closed:
                return
            self._flush()
            ticks = self._pulse.ticks
            if ticks != self._mark and ticks - self._base < SPIN:  # a callback was queued after this one was: again
                self._mark = ticks
                self._pump_soon()
                return
            self._base = self._mark = ticks
            mail = self._next()
            if mail is None:
                self._pumping = False
                self._quiet()
                return
            self._deliver(*mail)  # where that schedules no callback of the run, it is as quiet as it was
            if self._clock() > until:
                break
        self._pump_soon()

    def _next(self) -> tuple[int, Deliver] | None:
        """What is next in line; None where nothing is, or it is still being made."""
        if self._late:
            return self._late.popleft()
        if self._recorded and (entry := self._next_recorded()) is not None:
            if entry.key in self._held:
                return None  # live mail waits behind it
            self._recorded.popleft()
            return entry.position, self._claimed.pop(entry.key)
        return self._box.popleft() if self._box else None

    def _deliver(self, position: int, deliver: Deliver) -> None:
        self.delivering = self._loop.catches
        try:
            deliver(position)
        except BaseException:
            self._pump_soon()  # or nothing would ever be delivered again
            raise
        finally:
            self.delivering = False

    def _next_recorded(self) -> Delivery | None:
        """The next recorded delivery that is claimed, or held; those that nobody claims are skipped."""
        recorded = self._recorded
        while recorded:
            entry = recorded[0]
            if entry.key in self._held:
                return entry
            moved = self._flow.positions.get(entry.key) != entry.position
            if moved or entry.key in self._taken or self._is_dead(entry):
                recorded.popleft()
            elif entry.key in self._claimed:
                return entry
            else:
                recorded.popleft()
                self._skipped[entry.key] = entry.position
        return None

    def _is_dead(self, entry: Delivery) -> bool:
        if entry.scope not in self._dead:
            return False
        node = self._flow.by_key.get(entry.key)
        if node is not None:
            self._dead.add(node.no)
        return True

    def take(self, key: Key) -> None:
        """The recorded delivery `key` was consumed in place, without waiting for its turn."""
        self._claimed.pop(key, None)
        self._skipped.pop(key, None)
        self._taken.add(key)
