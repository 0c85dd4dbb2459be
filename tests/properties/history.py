"""Runs whose histories are kept, cut off and gone on with."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from aethergraph import Runtime
from aethergraph.authoring.reactive import Agent
from aethergraph.engine import HERE
from aethergraph.ids import Key
from aethergraph.lifecycle.running import Run
from aethergraph.record.facts import AnyFact, RunDone, RunFailed, WaitWithdrawn, encode
from aethergraph.record.flow import Flow
from aethergraph.scheduler.execution import Execution
from aethergraph.storage import journal, roster, waiting
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.store import MemoryStore

RAN = "tests.ran"
LIMIT_S = 60.0


class Executions(logging.Handler):
    """Which calls of tools really ran, by identity: their tools told the logger `RAN` so."""

    def __init__(self) -> None:
        super().__init__()
        self.attempts: list[tuple[Key, int]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """A tool says that it runs."""
        place: Any = HERE.get()
        if not place.closed:  # a thread that was given up may tell late, when the next run is counted
            self.attempts.append((place.handle.key, place.attempt))

    def take(self) -> list[tuple[Key, int]]:
        """The attempts since the last time: whose, and which."""
        attempts, self.attempts = self.attempts, []
        return attempts


@contextmanager
def executions_counted() -> Iterator[Executions]:
    """Count executions inside the block."""
    logger, counter = logging.getLogger(RAN), Executions()
    logger.addHandler(counter)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield counter
    finally:
        logger.removeHandler(counter)


@dataclass
class Ended:
    """A run that ended: its outputs or error, its facts, and its state as the process that ran it had it."""

    run: Run
    outcome: Any
    facts: list[AnyFact]
    live: Flow

    @property
    def unfinished(self) -> list[AnyFact]:
        """The facts before the one that says how it ended."""
        return [fact for fact in self.facts if not isinstance(fact, (RunDone, RunFailed))]


def facts_of(runtime: Runtime, run_id: str) -> list[AnyFact]:
    """The facts that are on disk."""
    return [fact for batch in journal.read(runtime.store, run_id) for fact in batch]


def state(value: Any) -> Any:
    """All that a flow knows, as plain data: a list of a live fact is a tuple once it was read again."""
    if isinstance(value, Flow) and value.named:  # ids of pure calls that the end cut off before they were on record
        known = Flow()
        for node in value.nodes:
            known._count(node.callee, node.node_id)
        value = dataclasses.replace(value, counts=known.counts, named=set())
    if dataclasses.is_dataclass(value):
        return {field.name: state(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, msgspec.Struct):
        return [type(value).__name__, *map(state, msgspec.structs.astuple(value))]
    if isinstance(value, (list, tuple)):
        return [state(member) for member in value]
    if isinstance(value, dict):
        return {key: state(member) for key, member in value.items()}
    return value


def settled(flow: Flow) -> dict[Key, Any]:
    """The calls that need not run again: done for good, not cancelled."""
    return {
        node.key: node.outcome.value for node in flow.nodes if node.outcome is not None and not node.outcome.volatile
    }


class History:
    """One runtime on a store in memory, whose runs can be put back to any point of their history."""

    def __init__(self, folder: Path) -> None:
        self.store = MemoryStore(folder, DiskBlobs(folder / "blobs"))
        self.runtime = Runtime(self.store)

    def start(self, agent: Agent, limit_s: float = LIMIT_S, **inputs: Any) -> Ended:
        """Run it to its end."""
        return self.end(self.runtime.start(agent, inputs), limit_s)

    def resume(self, run_id: str, agent: Agent, facts: Sequence[AnyFact], limit_s: float = LIMIT_S) -> Ended:
        """Put the run back to where only `facts` had happened, as after a kill, and go on."""
        self.put_back(run_id, facts)
        return self.end(self.runtime.resume(run_id, agent=agent), limit_s)

    def put_back(self, run_id: str, facts: Sequence[AnyFact]) -> None:
        """Only `facts` have happened. What people answered stays in the store, as answers do."""
        row = roster.read(self.store, run_id)
        withdrawn = {fact.no for fact in facts if isinstance(fact, WaitWithdrawn)}
        rows = [key for key, _ in self.store.scan(f"j:{run_id}:")]
        with self.store.transact() as transaction:
            for key in rows:
                transaction.delete(key)
            transaction.set(journal.row_key(run_id, 0), encode(list(facts)))
            roster.write_op(roster.RunRow(run_id, row.name, "running", row.created))(transaction)
            for token, wait in self._withdrawn(run_id):
                if wait.no not in withdrawn:
                    for key in waiting.row_keys(token):
                        transaction.delete(key)
                    waiting.open_op(msgspec.structs.replace(wait, state="open"))(transaction)

    def answered(self) -> set[str]:
        """The tokens of all questions that have their answer."""
        return {token for token, row in self._waits() if row.state in ("answered", "timed out")}

    def _withdrawn(self, run_id: str) -> list[tuple[str, waiting.WaitRow]]:
        return [(token, row) for token, row in self._waits() if row.run_id == run_id and row.state == "withdrawn"]

    def _waits(self) -> list[tuple[str, waiting.WaitRow]]:
        return [(row.token, row) for row in waiting.everything(self.store)]

    def end(self, run: Run, limit_s: float) -> Ended:
        """Wait for the end of a run that goes."""
        assert run.execution is not None, "the run had ended before"
        try:
            outcome: Any = dict(run.result(limit_s))
        except TimeoutError as error:
            if not run.future.done():  # else its body raised it
                error.add_note(_where(run.execution))
                raise
            outcome = repr(run.future.exception())
        except Exception as error:
            outcome = repr(error)
        return Ended(run, outcome, facts_of(self.runtime, run.run_id), run.execution.flow)


def _where(stuck: Execution) -> str:
    """Where a run is that does not end."""
    nodes = [f"{n.no} {n.node_id} {n.status} in {n.scope}{n.path}" for n in stuck.flow.nodes if n.outcome is None]
    box = {name: value for name, value in vars(stuck.mailbox).items() if isinstance(value, (dict, deque, set, bool))}
    stacks = [repr(task.get_stack(limit=3)) for task in asyncio.all_tasks(stuck.loop)]
    return "\n".join([f"closed: {stuck.closed}", *nodes, f"mailbox: {box}", f"open: {stuck.asking.open}", *stacks])


@contextmanager
def history(folder: Path) -> Iterator[History]:
    """A history that is closed afterwards."""
    made = History(folder)
    try:
        with made.runtime.use():
            yield made
    finally:
        made.runtime.close()
