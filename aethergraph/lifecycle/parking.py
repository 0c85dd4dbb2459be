"""Runs that only wait leave memory, and come back when what they wait for is there.

A parked run is a row in a dict: which agent, which epoch of ours, where it was started. Its coroutines are gone; its
journal is all there is of it. It stays ours: another process gets `RunIsLive`, and frees it by our death alone. Waking
is a replay with the same code in the same process: what is on record is reused, and nothing is written or shown of it.

Which of the two a run is, in memory or parked, changes on the loop's thread and under `_lock`.
"""

from __future__ import annotations

import concurrent.futures
import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import RunCancelled, RunIsLive, RunPaused
from ..ids import Token
from ..record import facts as f
from ..record.flow import Flow
from ..record.status import RunStatus
from ..scheduler.alarms import Alarm
from ..storage import journal, owner, roster, waiting
from .lingering import why_not
from .running import Run

if TYPE_CHECKING:
    from ..scheduler.execution import Execution
    from .hub import Runtime

SMALL = 50  # nodes; a shorter journal is read in less time than two threads take to hand it over

_log = logging.getLogger("aethergraph.parking")


class Parked:
    """All that is kept of a run that left memory."""

    __slots__ = ("agent", "alarm", "context", "epoch", "leaving", "origin", "run", "run_id", "small")

    def __init__(self, run: Run, execution: Execution) -> None:
        self.run_id, self.agent, self.epoch = run.run_id, execution.agent, execution.epoch
        self.context, self.origin = execution.context, run.origin
        self.run: weakref.ref[Run] | None = weakref.ref(run)
        self.alarm: Alarm | None = None  # the first of its deadlines
        self.leaving = False  # it is being paused or cancelled
        self.small = len(execution.flow.nodes) <= SMALL


class Parking:
    """The parked runs of one runtime, and the queue of those that are to wake."""

    def __init__(self, runtime: Runtime, after_s: float) -> None:
        self._runtime, self._after_s = runtime, after_s
        self._lock = threading.RLock()
        self._parked: dict[str, Parked] = {}
        self._queue: deque[str] = deque()
        self._waking: set[str] = set()  # being read from disk, or not at rest yet
        # What was read last of a parked run, most often to answer it: it comes back from that. A flow and its batches.
        self._latest: tuple[Parked, Flow, int] | None = None
        self._cap = 2 * (os.cpu_count() or 1) + 2
        self._clerk = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="aether-waker")
        self._closed = False

    # ------------------------------------------------------------------ finding, from any thread

    def __len__(self) -> int:
        return len(self._parked)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._parked

    def is_ours(self, run_id: str) -> bool:
        """Whether this process runs it, in memory or parked."""
        with self._lock:
            return run_id in self._runtime.live or run_id in self._parked

    def find(self, run_id: str) -> Run | None:
        """The run of this process of that id, in memory or parked; None where it is neither."""
        with self._lock:
            live = self._runtime.live.get(run_id)
            parked = self._parked.get(run_id)
            return live if live is not None or parked is None else self._run_of(parked)

    def of_cell(self, cell: str) -> list[Run]:
        """The runs of this process, in memory or parked, that this cell started."""
        with self._lock:
            parked = [self._run_of(one) for one in self._parked.values() if one.origin.partition("#")[0] == cell]
            live = list(self._runtime.live.values())  # one that ends leaves it at any time
            return parked + [run for run in live if run.origin.partition("#")[0] == cell]

    def _run_of(self, parked: Parked) -> Run:
        run = parked.run() if parked.run is not None else None
        if run is None:
            run = Run(self._runtime, parked.run_id, parked.agent.name)
            run.parked, run.origin = True, parked.origin
            parked.run = weakref.ref(run)
        return run

    def peek(self, run_id: str) -> Flow:
        """The fold of what is on disk of a run that is not in memory; not to be kept: it may live in that soon.

        As long as it is parked nothing is added to that: `Parked` is another one each time that it leaves memory.
        """
        parked = self._parked.get(run_id)
        flow, batches = self._fold(run_id)
        with self._lock:
            if parked is not None and parked.small and self._parked.get(run_id) is parked:
                self._latest = parked, flow, batches
        return flow

    def _fold(self, run_id: str) -> tuple[Flow, int]:
        batches = journal.read(self._runtime.store, run_id)
        return Flow.of(fact for batch in batches for fact in batch), len(batches)

    # ------------------------------------------------------------------ leaving memory

    def quiet(self, execution: Execution) -> None:
        """A run has nothing to do but wait: let it leave after its grace."""
        if execution.grace is not None:  # the rest is looked at when that is over
            execution.waits_since = self._runtime.clock.now()
            return
        if self._closed or not _at_rest(execution):
            return
        if not execution.host.own:
            execution.lingers = "it is on a loop of somebody else, where only its own thread could start it again"
            return
        execution.waits_since = self._runtime.clock.now()
        execution.grace = self._alarm(execution.waits_since + self._after_s, partial(self._due, execution))

    def _alarm(self, when: float, call: Any) -> Alarm:
        return self._runtime.alarms.at(when, call)

    def _due(self, execution: Execution) -> None:
        execution.grace = None
        if not _at_rest(execution):
            return  # it will be quiet again
        due = execution.waits_since + self._after_s
        if due > self._runtime.clock.now():
            execution.grace = self._alarm(due, partial(self._due, execution))
            return
        execution.lingers = why_not(execution)
        if execution.lingers:
            _log.debug("run %s stays in memory: %s", execution.run_id, execution.lingers)
        else:
            execution.park()

    def left(self, run: Run, execution: Execution) -> None:
        """The coroutines of `run` are closed, and all of it is on disk."""
        with self._lock:
            self._runtime.journal.close_run(run.run_id)
            parked = self._parked[run.run_id] = Parked(run, execution)
            self._runtime.live.pop(run.run_id, None)
            run.parked = True  # first: whoever looks from another thread finds it live all the time
            run.execution = None
        for order in execution.after_parking:
            order()
        self._runtime.signals.left(execution)
        if self._look(execution) or execution.events.missed():
            self.wake(run.run_id)
        deadlines = [deadline for _, deadline in execution.left_open if deadline]
        if deadlines:
            parked.alarm = self._alarm(min(deadlines), partial(self.wake, run.run_id))

    def _look(self, execution: Execution) -> bool:
        """Whether a wait was closed while the run was leaving, when nobody was there to be told."""
        rows = (waiting.read(self._runtime.store, token) for token, _ in execution.left_open)
        return any(row is None or row.state != "open" for row in rows)

    # ------------------------------------------------------------------ coming back

    def told(self, run_id: str, token: str) -> bool:
        """Somebody answered a wait of this run, from any thread; False where the run is not this process's."""
        if not self.is_ours(run_id):
            return False
        self._runtime.thread.call(self._told, run_id, token)
        return True

    def _told(self, run_id: str, token: str) -> None:
        run = self._runtime.live.get(run_id)
        if run is None or run.execution is None:
            self._wake(run_id)
        else:  # where it is just leaving, it looks once more when it has left
            _on_its_loop(run.execution, run.execution.asking.answered, Token(token))

    def wake(self, run_id: str) -> None:
        """Let a parked run come back, when it is its turn; from any thread. Nothing happens where it is not parked."""
        self._runtime.thread.call(self._wake, run_id)

    def _wake(self, run_id: str) -> None:
        parked = self._parked.get(run_id)
        if parked is None or parked.leaving or run_id in self._waking or self._closed or run_id in self._queue:
            return
        self._queue.append(run_id)
        self._admit()

    def _admit(self) -> None:
        while self._queue and len(self._waking) < self._cap:
            parked = self._parked.get(self._queue.popleft())
            if parked is not None and not parked.leaving:
                self._waking.add(parked.run_id)
                if parked.small:
                    self._read(parked)
                else:
                    self._clerk.submit(self._read, parked)

    def _read(self, parked: Parked) -> None:
        """On the clerk's thread where the journal is long: it must not hold up the loop."""
        call = self._runtime.thread.call
        try:
            with self._lock:
                latest, self._latest = self._latest, None
            if latest is not None and latest[0] is parked:
                _, flow, batches = latest
            else:
                flow, batches = self._fold(parked.run_id)
            inputs = self._runtime.codec_for(parked.agent).load(flow.started.inputs) if flow.started else {}
        except BaseException as error:  # noqa: BLE001 (it belongs to whoever waits for the run)
            call(self._over, parked, error)
        else:
            call(self._come_back, parked, flow, batches, inputs)

    def _come_back(self, parked: Parked, flow: Flow, batches: int, inputs: dict[str, Any]) -> None:
        if parked.leaving or self._closed:
            self.settled(parked.run_id)
            return
        run = self._run_of(parked)
        epoch = self._runtime.owner.epoch(parked.epoch)
        try:
            with self._lock:
                self._runtime.launcher.rejoin(run, parked.agent, flow, batches, epoch, parked.context, inputs)
                run.parked = False
                self._forget(parked)
        except Exception as error:  # noqa: BLE001 (it belongs to whoever waits for the run)
            self._over(parked, error)

    def settled(self, run_id: str) -> None:
        """A run that woke is at rest or gone: the next may come."""
        self._waking.discard(run_id)
        self._admit()

    def gone(self, execution: Execution) -> None:
        """A run that was in memory is not any more."""
        if execution.grace is not None:
            self._runtime.alarms.cancel(execution.grace)
            execution.grace = None
        self.settled(execution.run_id)

    def _forget(self, parked: Parked) -> None:
        self._parked.pop(parked.run_id, None)
        if self._latest is not None and self._latest[0] is parked:
            self._latest = None
        self._runtime.signals.came_back(parked.run_id)
        if parked.alarm is not None:
            self._runtime.alarms.cancel(parked.alarm)

    def _over(self, parked: Parked, error: BaseException) -> None:
        """A parked run ends here, without coming back."""
        with self._lock:
            run = self._run_of(parked)
            run.parked = False
            self._forget(parked)
        self.settled(parked.run_id)
        run.end(error)

    # ------------------------------------------------------------------ ending without coming back

    def pause(self, run: Run, why: str) -> None:
        """Let go of a run, in memory or parked; from any thread."""
        run.leaves()
        self._runtime.thread.call(self._pause, run.run_id, why)

    def cancel(self, run: Run, by: str) -> None:
        """End a run for good; from any thread."""
        run.leaves()
        self._runtime.thread.call(self._cancel, run.run_id, by)

    def _pause(self, run_id: str, why: str) -> None:
        run = self._runtime.live.get(run_id)
        if run is None or run.execution is None:
            now = self._runtime.clock.now()
            self._end(run_id, f.RunPaused(why, now), RunStatus.PAUSED, RunPaused(run_id, why))
        elif run.execution.parking:
            run.execution.after_parking.append(partial(self._pause, run_id, why))
        else:
            _on_its_loop(run.execution, run.execution.suspend, why)

    def _cancel(self, run_id: str, by: str) -> None:
        run = self._runtime.live.get(run_id)
        if run is None or run.execution is None:
            now = self._runtime.clock.now()
            self._end(run_id, f.RunCancelled(by, now), RunStatus.CANCELLED, RunCancelled(run_id))
        elif run.execution.parking:
            run.execution.after_parking.append(partial(self._cancel, run_id, by))
        else:
            _on_its_loop(run.execution, run.execution.cancel, by)

    def _end(self, run_id: str, fact: f.AnyFact, status: RunStatus, error: Exception) -> None:
        parked = self._parked.get(run_id)
        if parked is None or parked.leaving:
            return
        parked.leaving = True
        self._clerk.submit(self._write_end, parked, fact, status, error)

    def _write_end(self, parked: Parked, fact: f.AnyFact, status: RunStatus, error: Exception) -> None:
        """On the clerk's thread: no code of the run's has to see its end, so it need not come back for that."""
        runtime, run_id, told = self._runtime, parked.run_id, error
        try:
            flow, batches = self._fold(run_id)
            ops = runtime.runlist.end_ops(roster.read(runtime.store, run_id), flow, status)
            flow.fold(fact)
            epoch = owner.encode(runtime.owner.epoch(parked.epoch))
            runtime.journal.open(run_id, batches, epoch, lambda _: None)
            runtime.journal.append(run_id, fact, ops)
            runtime.journal.flush()
            if runtime.journal.was_taken(run_id):
                now = owner.read(runtime.store, run_id)
                told = RunIsLive(run_id, now.told if now else "another process")
            runtime.journal.close_run(run_id)
            if flow.started_runs and isinstance(fact, f.RunPaused):
                runtime.runlist.pause_children(run_id, fact.why)
            elif flow.started_runs:
                runtime.runlist.cancel_children(run_id)
        except Exception as failed:  # noqa: BLE001 (it belongs to whoever waits for the run)
            told = failed
        runtime.thread.call(self._over, parked, told)

    # ------------------------------------------------------------------ the end of the process

    def close(self) -> None:
        """Pause the parked runs that somebody holds. The others are paused by our death, as their readers will see."""
        with self._lock:
            held = [one.run() for one in self._parked.values() if one.run is not None]
        runs = [run for run in held if run is not None]
        for run in runs:
            self.pause(run, "its process ended")
        if not self._runtime.on_loop():
            concurrent.futures.wait([run.future for run in runs], timeout=5)
        self._closed = True
        self._clerk.shutdown()


def _on_its_loop(execution: Execution, call: Callable[..., object], *args: Any) -> None:
    """Call now where it runs on the loop of the runs, and soon where that is somebody else's."""
    if execution.host.own:
        call(*args)
    else:
        execution.host.call(call, *args)


def _at_rest(execution: Execution) -> bool:
    """Whether it only waits, and all of that is on disk and known to whoever is to answer."""
    return execution.at_rest and not execution.closed and all(one.shown for one in execution.asking.open.values())
