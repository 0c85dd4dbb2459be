"""A run in this process, on a store in memory, that is cut off at every fact and goes on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from aethergraph.errors import JournalBroken
from aethergraph.storage import journal
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.journal import Journal
from aethergraph.storage.store import MemoryStore
from aethergraph.testing import PowerCut

from .victim import LINES


class OneByOne(Journal):
    """Commits one fact at a time, until the power goes: after `fatal` facts of this process.

    `told`: whether those who waited for the last fact still learned that it was on disk, and acted on it.
    """

    fatal = 0
    told = True

    def _commit(self, *, wait: bool = True) -> bool:
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
        return True


class Mortal(Protocol):
    """A run and what is known of it from outside."""

    def live(self) -> None:
        """Run it to its end, if it is not there."""

    def died(self) -> None:
        """The process that ran it is gone."""


M = TypeVar("M", bound=Mortal)


def maker(kind: Callable[[MemoryStore, Path], M], folder: Path, patch: pytest.MonkeyPatch) -> Callable[[str], M]:
    """Makes a run, by a name, that has not begun; its tools leave their lines in a file beside its store."""

    def one(name: str) -> M:
        own = folder / name
        own.mkdir()
        patch.setenv(LINES, str(own / "lines"))
        return kind(MemoryStore(own, DiskBlobs(own / "blobs")), own / "lines")

    return one


def die(life: Mortal, fatal: int, *, told: bool) -> bool:
    """Live until `fatal` more facts are on disk; False if the run was over before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "Journal", OneByOne)
        patch.setattr(OneByOne, "fatal", fatal)
        patch.setattr(OneByOne, "told", told)
        try:
            life.live()
        except JournalBroken:
            life.died()
            return True
    return False


def cut_everywhere(make: Callable[[str], M], check: Callable[[M], None], *, told: bool, again: int) -> int:
    """Cut a new run off after each fact, once more within `again` facts, then let it end; how many facts it has."""
    for fatal in itertools.count(0 if told else 1):
        life = make(str(fatal))
        try:
            if not die(life, fatal, told=told):
                return fatal
            die(life, 1 + fatal % again, told=not told)
            life.live()
            check(life)
        except Exception as error:
            error.add_note(f"cut off after {fatal} facts")
            raise
    raise AssertionError("a run has no end")
