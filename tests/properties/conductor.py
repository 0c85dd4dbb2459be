"""Lets runs of gated calls go through a chosen order of ends, cuts them off at any fact, and goes on."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aethergraph import Runtime
from aethergraph.authoring.reactive import Agent
from aethergraph.code import fingerprint
from aethergraph.engine import HERE
from aethergraph.lifecycle.running import Run
from aethergraph.record import facts as f
from aethergraph.record import schema
from aethergraph.record.flow import Flow
from aethergraph.scheduler.execution import Execution
from aethergraph.storage import waiting
from aethergraph.storage.journal import Journal

from .history import LIMIT_S, Ended, History, history
from .interleaving import GATES, Order

CAP = 32  # attempts at once: a cancelled thread holds its slot until its gate opens


@dataclass
class Going:
    """What is known of one run while it goes; touched on the loop of the runs only. A gate opens when the run is quiet.

    Attributes:
        ends: the calls that are still to end, in order.
        late: by call, those whose gates open as soon as it has ended, before the body knows.
        ran: the calls whose tools ran, or that were asked. log: what the outermost body saw.
    """

    ends: list[int]
    late: dict[int, tuple[int, ...]]
    ran: list[int] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    calls: dict[int, int] = field(default_factory=dict)  # by the number of their node
    keys: dict[bytes, int] = field(default_factory=dict)  # by the key of their node
    gates: dict[int, Callable[[], None]] = field(default_factory=dict)
    tools: list[int] = field(default_factory=list)
    due: int | None = None  # the call whose end is awaited
    quiet: bool = False  # the body has seen all that ended, and done what it does then

    def go_on(self) -> None:
        """Open the next gate, if it is there and its turn has come."""
        if self.due is None and self.quiet and self.ends and self.ends[0] in self.gates:
            self.due = self.ends.pop(0)
            self.open(self.due)

    def open(self, no: int) -> None:
        """Open the gate of a call, if there is one."""
        gate = self.gates.pop(no, None)
        if gate is not None:
            gate()

    def ended(self, no: int) -> None:
        """A call has ended, on record."""
        if no == self.due:
            self.due, self.quiet = None, False
            for other in self.late.get(no, ()):
                if other in self.tools:  # an answer would come from another thread, at any time
                    self.open(other)


class Conductor(logging.Handler):
    """Hears of the gates of all runs of one runtime, and of their facts."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__()
        self.runtime = runtime
        self.going: dict[str, Going] = {}

    def on_loop(self, call: Callable[..., None], *args: Any) -> None:
        """Call it on the loop of the runs, for no run."""
        loop = self.runtime.thread.loop
        soon = loop.call_soon if self.runtime.on_loop() else loop.call_soon_threadsafe  # which costs two system calls
        soon(call, *args, context=loop.empty)

    def emit(self, record: logging.LogRecord) -> None:
        """A tool says that it waits at its gate; a body, where its log is."""
        place: Any = HERE.get()
        gate: Any = record.gate  # type: ignore[attr-defined]
        if isinstance(gate, list):
            self.going[place.run.run_id].log = gate
            return
        handle, no = place.handle, int(record.getMessage())
        going = self.going[handle.run.run_id]
        opens = gate.set if isinstance(gate, threading.Event) else lambda: gate.done() or gate.set_result(None)
        going.tools.append(no)
        self.on_loop(self._there, going, no, handle, opens)

    def _there(self, going: Going, no: int, handle: Any, opens: Callable[[], None]) -> None:
        going.ran.append(no)
        going.gates[no] = opens
        going.keys[handle.key] = no
        if handle.no:
            going.calls[handle.no] = no
        going.go_on()

    def appended(self, run_id: str, fact: f.AnyFact | None) -> None:
        """A fact of a run is appended, on the loop."""
        going = self.going.get(run_id)
        if going is None:
            return
        if isinstance(fact, f.NodeStarted) and fact.key in going.keys:  # a pure tool that takes long
            going.calls[fact.no] = going.keys[fact.key]
        elif isinstance(fact, f.NodeRan) and fact.key in going.keys:  # not one without a gate
            going.ended(going.keys[fact.key])
        elif isinstance(fact, f.NodeDone) and fact.no in going.calls:
            going.ended(going.calls[fact.no])
        elif isinstance(fact, f.CallCancelled) and going.calls.get(fact.no) in going.tools:
            going.open(going.calls[fact.no])  # so that a thread ends
        if going.ends or going.gates:
            self.on_loop(going.go_on)

    def asked(self, execution: Execution, token: str, question: schema.Question) -> None:
        """A question can be answered now; told on the loop."""
        no, handle = int(question.prompt), execution.asking.open[token].handle
        runtime, going = self.runtime, self.going[execution.run_id]
        self._there(going, no, handle, lambda: runtime.answer_soon(token, f"v{no}", token, lambda why_not: None))

    def is_quiet(self, run_id: str) -> None:
        """The bodies of a run have seen all that ended."""
        going = self.going.get(run_id)
        if going is not None and going.due is None:
            going.quiet = True
            going.go_on()


class Stage:
    """Runs of one agent, each of which goes through an order of ends."""

    def __init__(self, runs: History, conductor: Conductor) -> None:
        self.runs, self.conductor = runs, conductor
        self._made = 0

    def start(self, agent: Agent, order: Order, *, late: bool, **inputs: Any) -> tuple[Ended, Going]:
        """A new run, to its end."""
        self._made += 1
        run_id = f"run-{self._made}"
        going = self._going(run_id, list(order.ends), order, late)
        run = self.runs.runtime.start(agent, inputs, run_id=run_id, max_concurrency=CAP)
        return self._end(run, going), going

    def go_on(
        self, run_id: str, agent: Agent, facts: Sequence[f.AnyFact], ends: Sequence[int], order: Order, *, late: bool
    ) -> tuple[Ended, Going]:
        """Put the run back to where only `facts` had happened, and let it go on with `ends`."""
        self.put_back(run_id, facts)
        going = self._going(run_id, list(ends), order, late)
        return self._end(self.runs.runtime.resume(run_id, agent=agent), going), going

    def put_back(self, run_id: str, facts: Sequence[f.AnyFact]) -> None:
        """Only `facts` have happened: what was asked later was not asked, what was answered later is open."""
        self.runs.put_back(run_id, facts)
        flow, store = Flow.of(facts), self.runs.store
        known = {node.wait.token for node in flow.nodes if node.wait is not None}
        done = {node.wait.token for node in flow.nodes if node.wait is not None and node.outcome is not None}
        rows = list(waiting.everything(store))
        with store.transact() as transaction:
            for row in rows:
                if row.run_id == run_id and row.token not in done:
                    for key in waiting.row_keys(row.token):
                        transaction.delete(key)
                    if row.token in known:
                        again = msgspec.structs.replace(row, state="open", answer=b"", answer_id="", answered_at=0.0)
                        waiting.open_op(again)(transaction)

    def forget(self, run_id: str) -> None:
        """Take a run out of the store."""
        self.conductor.going.pop(run_id, None)
        store = self.runs.store
        waits = [key for wait in waiting.everything(store) for key in waiting.row_keys(wait.token)]
        own = [key for key, _ in store.scan("") if run_id in key.split(":")]
        with store.transact() as transaction:  # all of it: each scan looks at every row that there is
            for key in [*waits, *own]:
                transaction.delete(key)

    def _going(self, run_id: str, ends: list[int], order: Order, late: bool) -> Going:
        lost = dict(zip(order.ends, order.late, strict=True)) if late else {}
        going = self.conductor.going[run_id] = Going(ends, lost)
        return going

    def _end(self, run: Run, going: Going) -> Ended:
        try:
            return self.runs.end(run, LIMIT_S)
        finally:
            for no in going.tools:
                self.conductor.on_loop(going.open, no)  # so that threads end


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """A stage in an own store, closed afterwards."""
    append, quiet = Journal.append, Execution._quiet
    logger = logging.getLogger(GATES)
    with history(folder) as runs, pytest.MonkeyPatch.context() as patch:
        conductor = Conductor(runs.runtime)

        def appending(self: Journal, run_id: str, fact: f.AnyFact | None, ops: Sequence[Any] = ()) -> int:
            number = append(self, run_id, fact, ops)
            if self is runs.runtime.journal:
                conductor.appended(run_id, fact)
            return number

        def quieting(self: Execution) -> None:
            quiet(self)
            if not self.mailbox.replaying:
                conductor.is_quiet(self.run_id)

        for reading in ("code", "own_text"):  # no code is edited here: 3 times faster
            patch.setattr(fingerprint, reading, functools.cache(getattr(fingerprint, reading)))
        patch.setattr(Journal, "append", appending)
        patch.setattr(Execution, "_quiet", quieting)
        patch.setattr(runs.runtime.inbox, "opened", conductor.asked)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(conductor)
        try:
            yield Stage(runs, conductor)
        finally:
            logger.removeHandler(conductor)
