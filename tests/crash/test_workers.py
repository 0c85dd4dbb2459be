"""Kills of a process whose tools run in worker processes."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph import Runtime
from aethergraph.record import facts as f
from aethergraph.scheduler.executors import processes
from aethergraph.storage import journal
from aethergraph.storage.store import MemoryStore, Store

from . import working
from .cutting import cut_everywhere, maker
from .working import BEGUN, FOLDER, GO, RUN_ID

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60


@pytest.fixture(autouse=True)
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workers of its own, which can import what the tests can, and know the folder."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    with contextlib.closing(processes.Processes()) as own:
        monkeypatch.setattr(processes, "POOL", own)
        yield


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="tells the end of a process that is no child by Linux's way")
def test_a_killed_process_takes_its_worker_along_and_the_call_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = tmp_path / "life"
    life.mkdir()
    begun, go = life / BEGUN, life / GO
    os.mkfifo(begun)
    os.mkfifo(go)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests"), *sys.path]))
    program = f"import {working.__name__} as working; working.main()"
    command = [sys.executable, "-c", program, str(tmp_path / "store"), life.name]
    with subprocess.Popen(command, cwd=ROOT) as owner:
        worker = os.pidfd_open(int(begun.read_text()))  # once it is in the middle of the call
        owner.send_signal(signal.SIGKILL)
    assert select.select([worker], [], [], LIMIT_S)[0], "the worker outlived its process"
    os.close(worker)
    with contextlib.closing(Runtime(tmp_path / "store")) as runtime, runtime.use():
        run = runtime.resume(RUN_ID, agent=working.working)
        begun.read_text()
        go.write_text("go")
        assert run.result(LIMIT_S) == {"y": 10}
        ends = [fact for fact in _facts(runtime.store) if isinstance(fact, f.NodeDone)]
    assert [(end.no, end.ok) for end in ends] == [(1, True), (2, True), (3, True)]
    assert _lines(life) == ["square 3", "crashes 9", "crashes 9", "held 9", "held 9"]


class Mortal:
    """A run in this process, on a store in memory."""

    def __init__(self, store: MemoryStore, lines: Path) -> None:
        self.store, self.folder = store, lines.parent

    def live(self) -> None:
        """Run it to its end, if it is not there."""
        with contextlib.closing(Runtime(self.store)) as runtime, runtime.use():
            if self.store.get(f"r:{RUN_ID}") is not None:
                run = runtime.resume(RUN_ID, agent=working.working)
            else:
                run = runtime.start(working.working, {"life": self.folder.name}, run_id=RUN_ID)
            assert run.result(LIMIT_S) == {"y": 10}

    def died(self) -> None:
        """Nothing is counted: the journal tells how often each call began."""

    def check(self) -> None:
        """Each call has one end on record, and was not made more often than it began; a crash is one more."""
        facts, ran = _facts(self.store), _lines(self.folder)
        assert [fact.no for fact in facts if isinstance(fact, f.NodeDone)] == [1, 2, 3]
        calls = ["square 3", "crashes 9", "held 9"]
        for no, call in enumerate(calls, 1):
            starts = sum(isinstance(fact, f.NodeStarted) and fact.no == no for fact in facts)
            assert 1 <= ran.count(call) <= starts + (no == 2), (call, ran)
        assert ran == sorted(ran, key=calls.index)


@pytest.mark.parametrize("told", [True, False])
def test_cut_off_at_every_fact_of_calls_in_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    fatal = cut_everywhere(maker(Mortal, tmp_path, monkeypatch), Mortal.check, told=told, again=3)
    assert fatal >= 9, f"the run has fewer facts than it should: {fatal}"


def _facts(store: Store) -> list[f.AnyFact]:
    return [fact for batch in journal.read(store, RUN_ID) for fact in batch]


def _lines(folder: Path) -> list[str]:
    return (folder / "lines").read_text().split("\n")[:-1]
