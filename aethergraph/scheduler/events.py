"""The signals that a live run waits for: each open wait of a name gets the next one that the run has not had."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec

from ..ids import Token
from ..record import facts as f
from ..record import schema
from ..storage import signals, waiting
from ..storage.signals import Signal
from ..storage.waiting import WaitRow

if TYPE_CHECKING:
    from .execution import Execution


class Events:
    """The event waits of one run. On the loop's thread."""

    def __init__(self, run: Execution) -> None:
        self._run = run
        self._given: dict[Token, Signal] = {}  # is on its way to this wait: nobody else may have it
        self._floors: dict[str, int] = {}  # of each name: up to here all are taken

    @property
    def mailbox(self) -> str:
        """The run id that signals for this run are kept under: that of the first of its chain."""
        started = self._run.flow.started
        return (started.chain if started else "") or self._run.run_id

    @property
    def names(self) -> list[str]:
        """What it waits for."""
        return [one.question.name for one in self._run.asking.open.values() if one.question.kind == schema.EVENT]

    def look(self) -> None:
        """Somebody sent a signal, or one that was given to a wait is free again."""
        for token, one in list(self._run.asking.open.items()):
            if one.question.kind == schema.EVENT:
                self._run.asking.answered(token)

    def opened(self, token: Token, name: str) -> bool:
        """A wait is open; whether its signal is on its way to it. Who asked before it has the first choice."""
        if token not in self._given and self._next(name) is not None:
            self.look()
        return token in self._given

    def offer(self, token: Token, row: WaitRow) -> WaitRow | None:
        """The row of this open wait as it is with the signal whose turn it is; None where there is none in time."""
        name = row.question.name
        if token in self._given:
            return None
        signal = self._next(name)
        if signal is None or 0 < row.deadline <= signal.t:
            return None
        self._given[token] = signal
        return msgspec.structs.replace(
            row, state="answered", answer=signal.payload, answer_id=_id(signal), answered_at=signal.t
        )

    def missed(self) -> bool:
        """Whether there is a signal for a run that has left memory just now."""
        self._given.clear()  # what was on its way to a wait when the run left has not reached it
        return any(self._next(name) is not None for name in self._run.left_for)

    def _next(self, name: str) -> Signal | None:
        taken = self._taken(name) | {s.number for s in self._given.values() if s.name == name}
        floor = max(self._floors.get(name, 0), self._start(name))
        for signal in signals.waiting_for(self._run.runtime.store, name, self.mailbox, floor, taken):
            if not self._given:
                self._floors[name] = signal.number - 1
            return signal
        return None

    def _taken(self, name: str) -> set[int]:
        """Signals that this run took, or those that it goes on from and that are not below its start."""
        started = self._run.flow.started
        return {*self._run.flow.taken.get(name, ()), *(started.had.get(name, ()) if started else ())}

    def _start(self, name: str) -> int:
        started = self._run.flow.started
        return max(started.signals, started.heard.get(name, 0)) if started else 0

    def take(self, token: Token, row: WaitRow) -> None:
        """The wait goes on with `row`: where that is a signal, put on record that it is taken."""
        signal = self._given.pop(token, None)
        if signal is not None and row.answer_id == _id(signal):
            close = waiting.close_op(token, signal.value, row.answer_id, signal.t)
            self._run.fact(f.SignalTaken(row.no, signal.name, signal.number, self._run.clock()), [close])
        elif signal is not None:  # answered by its token before that
            self._run.loop.call_soon(self.look, context=self._run.loop.empty)

    def give_up(self, token: Token) -> None:
        """The wait is over: what it was given is somebody else's."""
        if self._given.pop(token, None) is not None:
            self._run.loop.call_soon(self.look, context=self._run.loop.empty)

    def freed(self, kind: str) -> None:
        """The body cancelled a call: a signal that was on its way to it, and on record as taken, is free again."""
        if kind == f.WAIT:
            self._floors.clear()
            self._run.loop.call_soon(self.look, context=self._run.loop.empty)

    def heard(self) -> tuple[dict[str, int], dict[str, list[int]]]:
        """For a run that goes on from this one: by name, up to which signal all were taken, and those taken beyond.

        A signal that was given to a wait and is free again may have a lower number than one that was taken.
        """
        run, started = self._run, self._run.flow.started
        heard, had = dict(started.heard) if started else {}, dict[str, list[int]]()
        for name in {*run.flow.taken, *(started.had if started else ())}:
            if not (taken := self._taken(name)):
                continue
            left = signals.waiting_for(run.runtime.store, name, self.mailbox, self._start(name), taken)
            heard[name] = min([max(taken), *(signal.number - 1 for signal in itertools.islice(left, 1))])
            if beyond := sorted(number for number in taken if number > heard[name]):
                had[name] = beyond
        return heard, had


def _id(signal: Signal) -> str:
    return f"signal-{signal.number}"
