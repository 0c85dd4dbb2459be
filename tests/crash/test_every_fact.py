"""A run cut off at every fact: after each, it goes on to the same end, and nothing is done twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Runtime, journal
from aethergraph import facts as f
from aethergraph.blobs import DiskBlobs
from aethergraph.engine import Op
from aethergraph.errors import JournalBroken
from aethergraph.store import MemoryStore, Store, Transaction
from aethergraph.testing import PowerCut, ScriptedChannel

from . import account, victim


class OneByOne(journal.Journal):
    """A journal on a machine that loses power when exactly `fatal` facts are on disk; the writer is never told."""

    fatal = 0

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.written = 0

    def _put(self, rows: Transaction, buffer: list[tuple[str, f.AnyFact | None, Sequence[Op]]]) -> Any:
        left = self.fatal - self.written
        before = [sum(entry[1] is not None for entry in buffer[:n]) for n in range(len(buffer) + 1)]
        if before[-1] >= left:
            buffer = buffer[: before.index(left)]
        self.written += min(left, before[-1])
        return super()._put(rows, buffer)

    def _acknowledge(self, *told: Any) -> None:
        if self.written == self.fatal and self._broken is None:
            self._broken = PowerCut(f"after {self.fatal} facts")
        super()._acknowledge(*told)


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """The file of lines of each case."""

    def of(case: int) -> Path:
        path = tmp_path / f"lines-{case}"
        monkeypatch.setenv(victim.LINES, str(path))
        return path

    return of


def _store(folder: Path) -> MemoryStore:
    return MemoryStore(folder, DiskBlobs(folder / "blobs"))


def _live(store: MemoryStore) -> None:
    runtime = Runtime(store)
    try:
        with runtime.use(), ScriptedChannel(victim._answer):
            victim.line("ended", dict(runtime.start(victim.victim, {"n": 4}, run_id=victim.RUN_ID).result(30)))
    finally:
        runtime.close()


def _die(store: MemoryStore, fatal: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Live until `fatal` facts are on disk; False if the run was done before that."""
    monkeypatch.setattr(OneByOne, "fatal", fatal)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "Journal", OneByOne)
        try:
            _live(store)
        except JournalBroken:
            return True
    return False


def test_every_fact(tmp_path: Path, lines: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for fatal in itertools.count():
        path, store = lines(fatal), _store(tmp_path / str(fatal))
        if not _die(store, fatal, monkeypatch):
            break
        done, told = account.committed(store, victim.RUN_ID), len(account.lines(path))
        if any(isinstance(fact, f.RunDone) for fact in account.facts_of(store, victim.RUN_ID)):
            victim.line("ended", account.EXPECTED)  # it was over; nobody had been told
        else:
            _live(store)
        again = [line[1] for line in account.lines(path)[told:] if line[0] == "ran" and line[1] in done]
        assert not again, f"after a cut at fact {fatal} these ran again: {again}"
        account.check(store, victim.RUN_ID, path)
    assert fatal > 40, "the run has far fewer facts than it should"
