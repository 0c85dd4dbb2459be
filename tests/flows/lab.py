"""A notebook with a store in memory whose kernel can be killed: its rows are kept as they are, all else is gone."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from aethergraph import Run, Runtime
from aethergraph.clock import Clock
from aethergraph.lifecycle import hub
from aethergraph.lifecycle.resuming import Plan
from aethergraph.record import facts as f
from aethergraph.storage import journal
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.store import MemoryStore
from tests.cells import Notebook, notebook

RAN = "ran"  # tools tell this logger what they do: a global that changes would count as a change of their code
LIMIT_S = 20

PRELUDE = """
import asyncio, logging, os, time
from aethergraph import NodeContext, graph_fn, tool
ran = logging.getLogger("ran").info
def flag(name):
    return name in os.environ
"""


_kernel: ContextVar[int] = ContextVar("kernel")  # the number of the kernel in which a run was started
_numbers = itertools.count(1)


class _Heard(logging.Handler):
    """What tools tell. A worker thread outlives its kernel here, as no thread does a real kill: it is not heard."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.kernel = 0
        self.next_kernel()

    def next_kernel(self) -> None:
        self.kernel = next(_numbers)
        _kernel.set(self.kernel)

    def emit(self, record: logging.LogRecord) -> None:
        if _kernel.get(self.kernel) == self.kernel:
            self.told.append(record.getMessage())


class Lab:
    """Cells, runs, kills. `ran` holds what tools told the logger since it was last taken."""

    def __init__(
        self, folder: Path, cells: Notebook, heard: _Heard, clock: Clock | None = None, park_after_s: float = 60.0
    ) -> None:
        self.cells, self.clock, self._heard, self._park_after_s = cells, clock, heard, park_after_s
        self._folder = folder
        self._decided = threading.Condition()  # told when a run left memory, or was found to have to stay
        self.runtime = self._open(MemoryStore(folder, DiskBlobs(folder / "blobs")))

    def _open(self, store: MemoryStore) -> Runtime:
        self.store = store
        hub._current = runtime = Runtime(store, clock=self.clock, park_after_s=self._park_after_s)
        for name in ("quiet", "left", "_due"):
            setattr(runtime.parking, name, self._telling(getattr(runtime.parking, name)))
        return runtime

    def _telling(self, call: Callable[..., None]) -> Callable[..., None]:
        def told(*args: Any) -> None:
            call(*args)
            with self._decided:
                self._decided.notify_all()

        return told

    # ------------------------------------------------------------------ cells and runs

    def cell(self, text: str) -> None:
        """Run a cell."""
        self.cells.run(text)

    def start(self, agent: Any, *, run_id: str | None = None, cap: int | None = None, **inputs: Any) -> Run:
        """Start a run of `agent`, which may be the name of one in the cells."""
        target = self.cells[agent] if isinstance(agent, str) else agent
        return self.runtime.start(target, target.bind((), inputs), run_id=run_id, max_concurrency=cap)

    def run(self, agent: Any, **inputs: Any) -> Any:
        """Run it to its end; its outputs as a dict."""
        return dict(self.start(agent, **inputs).result(LIMIT_S))

    def resume(self, run: Run, agent: Any = None) -> Run:
        """Go on, with what the cells define now."""
        return self.runtime.resume(run.run_id, namespace=None if agent else self.cells.names, agent=agent)

    def plan(self, run: Run) -> Plan:
        """What `resume` would do."""
        return self.runtime.plan(run.run_id, self.cells.names)

    def verdicts(self, run: Run) -> dict[str, str]:
        """The plan by node."""
        return {row.node_id: row.verdict for row in self.plan(run).rows}

    def took(self) -> list[str]:
        """What tools told since the last time."""
        told, self._heard.told = self._heard.told, []
        return told

    # ------------------------------------------------------------------ waiting for what happens

    def until(self, run: Run, happened: Callable[[list[f.AnyFact]], bool]) -> list[f.AnyFact]:
        """The committed facts of `run` once `happened` says so."""
        seen: list[f.AnyFact] = []
        yes = threading.Event()

        def look(facts: list[f.AnyFact]) -> None:
            seen.extend(facts)
            if happened(seen):
                yes.set()

        unfollow = run.follow(look)
        run.future.add_done_callback(lambda _: yes.set())
        try:
            assert yes.wait(LIMIT_S) and happened(seen), f"it did not happen; {run} has: {seen}"
        finally:
            unfollow()
        return seen

    def asked(self, run: Run, prompt: str) -> str:
        """The token of this question, once it is open; a signal that is there already may have closed it since."""
        found: list[str] = []

        def look(_: list[f.AnyFact]) -> bool:
            found.extend(wait.token for wait in (() if found else run.waits) if wait.prompt == prompt)
            return bool(found)

        self.until(run, look)
        return found[0]

    def answer(self, run: Run, prompt: str, value: Any) -> None:
        """Answer this question as soon as it is open."""
        self.runtime.answer(self.asked(run, prompt), value)

    def rests(self, run: Run) -> None:
        """Return once `run` only waits, and its time of grace runs."""
        with self._decided:
            assert self._decided.wait_for(lambda: run.execution is None or run.execution.grace is not None, LIMIT_S)

    def watched(self, run: Run) -> None:
        """Return once whoever is to answer was told of all that `run` waits for, and its deadlines are watched."""

        def all_are() -> bool:
            execution = run.execution
            waits = [] if execution is None else list(execution.asking.open.values())
            return all(one.shown and (one.question.timeout_s is None or one.alarm is not None) for one in waits)

        with self._decided:
            assert self._decided.wait_for(all_are, LIMIT_S), f"{run!r} does not wait as it should"

    def parked(self, run: Run) -> None:
        """Return once `run` has left memory."""
        with self._decided:
            assert self._decided.wait_for(lambda: run.parked or run.future.done(), LIMIT_S), f"{run!r} did not leave"
        assert run.parked, f"{run!r} ended"

    def stays(self, run: Run) -> str:
        """Why `run` stays in memory, once that is decided."""
        with self._decided:
            assert self._decided.wait_for(lambda: run.execution is None or run.execution.lingers != "", LIMIT_S)
        return run.why_in_memory

    def facts(self, run: Run) -> list[f.AnyFact]:
        """What is on disk."""
        return [fact for batch in journal.read(self.store, run.run_id) for fact in batch]

    # ------------------------------------------------------------------ kills

    def kill(self) -> None:
        """What is on disk now stays; a new kernel opens the store. Cells stay as they are."""
        self.runtime.journal.flush()
        rows = dict(self.store.scan(""))
        self.runtime.close()
        self._heard.next_kernel()
        store = MemoryStore(self._folder, DiskBlobs(self._folder / "blobs"))
        with store.transact() as transaction:
            for key, row in rows.items():
                transaction.set(key, row)
        self.runtime = self._open(store)

    def close(self) -> None:
        """Let go of the store."""
        self.runtime.close()
        hub._current = None


@contextmanager
def laboratory(folder: Path, clock: Clock | None = None, park_after_s: float = 60.0) -> Iterator[Lab]:
    """A lab whose cells have run `PRELUDE`; closed afterwards."""
    logger, heard = logging.getLogger(RAN), _Heard()
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(heard)
    try:
        with notebook(PRELUDE) as cells:
            lab = Lab(folder, cells, heard, clock, park_after_s)
            try:
                yield lab
            finally:
                lab.close()
    finally:
        logger.removeHandler(heard)
