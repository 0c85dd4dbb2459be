"""Sending signals, and telling the runs of this process that wait for them."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ..errors import RunEnded
from ..record.status import RunStatus
from ..storage import doorbell, roster, signals

if TYPE_CHECKING:
    from ..scheduler.execution import Execution
    from .hub import Runtime

_OVER = (RunStatus.DONE, RunStatus.CANCELLED)


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
            if run.execution is not None:
                run.execution.host.call(run.execution.events.look)
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
