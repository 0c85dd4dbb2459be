"""A run cut off at every fact: after each, it goes on to the same end, and nothing is done twice."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from aethergraph import Runtime, journal
from aethergraph.blobs import DiskBlobs
from aethergraph.errors import JournalBroken
from aethergraph.facts import AnyFact
from aethergraph.journal import Journal
from aethergraph.store import MemoryStore
from aethergraph.testing import PowerCut, ScriptedChannel

from .account import Life, facts_of
from .victim import LINES, RUN_ID, victim

LIMIT_S = 30


class OneByOne(Journal):
    """Commits one fact at a time, until the power goes: after `fatal` facts of this process.

    `told`: whether those who waited for the last fact still learned that it was on disk, and acted on it.
    """

    fatal = 0
    told = True

    def _commit(self) -> None:
        with self._lock:
            buffer, self._buffer = self._buffer, []
            number = self._appended - len(buffer)
        for entry in buffer:
            is_fact = entry[1] is not None
            if self.fatal == 0 and is_fact:
                self._broken = PowerCut("before the next fact")
                break
            with self.store.transact() as rows:
                written, fenced = self._put(rows, [entry])
            self.fatal -= is_fact
            number += 1
            if self.fatal == 0 and not self.told:
                self._broken = PowerCut("before anyone was told of the last fact")
                break
            self._acknowledge(number, written, fenced)
        if self._broken is not None:
            self._acknowledge(number, [], [])


class Mortal(Life):
    """A run in this process, on a store in memory."""

    def live(self) -> None:
        """Run it to its end, if it is not there."""
        runtime = Runtime(self.store)
        with (
            contextlib.closing(runtime),
            runtime.use(),
            ScriptedChannel(lambda asked: self.answer(asked.name, asked.token)),
        ):
            known = self.store.get(f"r:{RUN_ID}") is not None
            run = runtime.resume(RUN_ID) if known else runtime.start(victim, {"n": 4}, run_id=RUN_ID)
            run.result(LIMIT_S)

    def die(self, fatal: int, *, told: bool) -> bool:
        """Live until `fatal` more facts are on disk; False if the run was over before."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal, "Journal", OneByOne)
            patch.setattr(OneByOne, "fatal", fatal)
            patch.setattr(OneByOne, "told", told)
            try:
                self.live()
            except JournalBroken:
                self.died()
                return True
        return False


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Mortal]:
    """Make a run that has not begun."""

    def one(name: str) -> Mortal:
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.setenv(LINES, str(folder / "lines"))
        return Mortal(MemoryStore(folder, DiskBlobs(folder / "blobs")), folder / "lines")

    return one


@pytest.fixture
def alone(make: Callable[[str], Mortal]) -> list[AnyFact]:
    """The facts of a run that nothing disturbed."""
    life = make("alone")
    life.live()
    life.check(facts_of(life.store))
    return facts_of(life.store)


@pytest.mark.parametrize("told", [True, False])
def test_cut_off_at_every_fact(make: Callable[[str], Mortal], alone: list[AnyFact], told: bool) -> None:
    for fatal in itertools.count(0 if told else 1):
        life = make(str(fatal))
        try:
            if not life.die(fatal, told=told):
                break
            life.die(1 + fatal % 11, told=not told)  # and again, soon after
            life.live()
            life.check(alone)
        except Exception as error:
            error.add_note(f"cut off after {fatal} facts")
            raise
    assert fatal > 40, f"the run has far fewer facts than it should: {fatal}"
