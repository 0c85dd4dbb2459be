"""Sending signals, and telling the runs of this process that wait for them."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Container, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import RunEnded
from ..record import facts as f
from ..record.status import RunStatus
from ..storage import doorbell, journal, roster, signals
from ..storage.store import Store

if TYPE_CHECKING:
    from ..scheduler.execution import Execution
    from .hub import Runtime

_OVER = (RunStatus.DONE, RunStatus.CANCELLED)


def spent(store: Store, gone: Container[str]) -> Iterator[signals.Signal]:
    """The signals that nobody can be given any more, the runs `gone` left out.

    One for all runs is needed while a run is there that began before it: also one that is over, since a fork of it has
    its position. One for a run is needed until that run is over, with those that go on from it; a fork has a mailbox of
    its own. What was taken is needed as long as the others: a failure that is tried again gives it back.
    """
    if not signals.last(store):
        return
    rows = [row for row in roster.everything(store) if row.run_id not in gone]
    mailboxes = {row.chain or row.run_id for row in rows if RunStatus(row.status) not in _OVER}
    heard = min((_heard(store, row.run_id) for row in rows), default=signals.last(store))
    for signal in signals.everything(store):
        if (signal.mailbox not in mailboxes) if signal.mailbox else (signal.number <= heard):
            yield signal


def _heard(store: Store, run_id: str) -> int:
    """The number of the last signal that was there before a run began; 0 where that cannot be read."""
    data = store.get(journal.row_key(run_id, 0))
    try:
        first = f.decode(data)[0] if data else None
    except msgspec.DecodeError:
        return 0
    return first.signals if isinstance(first, f.RunStarted) else 0


class Signals:
    """The signals of one runtime's store."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._parked: dict[str, dict[str, str]] = defaultdict(dict)  # name -> run that left memory -> its mailbox
        self._names: dict[str, list[str]] = {}  # run that left memory -> names that it waits for
        self._told = signals.last(runtime.store)  # number of the last signal that runs of this process were told of

    def send(self, name: str, payload: Any = None, run_id: str | None = None) -> int:
        """Send a signal; it is on disk when this returns. Its number in the log of the store.

        Raises:
            UnknownRun: there is no such run.
            RunEnded: that run is over, so that nothing of it will take the signal.
            TypeError, ValueError: the payload is not plain data, or there is no name.
        """
        mailbox = "" if run_id is None else self._mailbox(run_id, name)
        signal = signals.send(self._runtime.store, name, payload, mailbox, self._runtime.clock.now())
        self.rang()
        doorbell.ring(self._runtime.store.folder)
        return signal.number

    def _mailbox(self, run_id: str, name: str) -> str:
        row = roster.read(self._runtime.store, run_id)
        mailbox = row.chain or run_id
        while row.successor:
            row = roster.read(self._runtime.store, row.successor)
        if RunStatus(row.status) in _OVER:
            raise RunEnded(row.run_id, row.status, f"signal {name!r}")
        return mailbox

    # ------------------------------------------------------------------ telling

    def rang(self) -> None:
        """There may be new signals; from any thread."""
        with self._lock:
            new = list(signals.since(self._runtime.store, self._told))
            if not new:
                return
            self._told = new[-1].number
            wake = {
                run_id
                for signal in new
                for run_id, mailbox in self._parked.get(signal.name, {}).items()
                if signal.mailbox in ("", mailbox)
            }
        for run in list(self._runtime.live.values()):
            execution = run.execution  # asked once: it may leave memory at any time
            if execution is not None:
                execution.host.call(execution.events.look)
        for run_id in wake:
            self._runtime.parking.wake(run_id)

    def left(self, execution: Execution) -> None:
        """A run has left memory: what it waits for has to be known without it."""
        if not execution.left_for:
            return
        with self._lock:
            self._names[execution.run_id] = execution.left_for
            for name in execution.left_for:
                self._parked[name][execution.run_id] = execution.events.mailbox

    def came_back(self, run_id: str) -> None:
        """A run is in memory again, or over."""
        with self._lock:
            for name in self._names.pop(run_id, ()):
                self._parked[name].pop(run_id, None)
                if not self._parked[name]:
                    del self._parked[name]
