"""A process killed with SIGKILL at random instants, on a real disk: the run goes on to the same end."""

from __future__ import annotations

import multiprocessing
import random
import sys
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from aethergraph.disk import DiskStore

from . import account, victim

KILLS = 60
LONGEST_S = 0.25  # an undisturbed life takes about so long
MOST = 12  # kills of one run; then it may end

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> multiprocessing.context.ForkServerContext:
    """Processes that are made from one which has imported everything and started nothing: each lives a moment."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[victim.__name__.count(".")]))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([victim.__name__])
    return context


def test_kills_at_random_instants(tmp_path: Path, processes: multiprocessing.context.ForkServerContext) -> None:
    kills = runs = 0
    while kills < KILLS:
        runs += 1
        folder, path = tmp_path / f"store-{runs}", tmp_path / f"lines-{runs}"
        kills += _one_run(folder, path, processes, min(MOST, KILLS - kills))
        assert runs < KILLS, "runs end before they are killed: the instants are badly chosen"


def _one_run(folder: Path, path: Path, processes: multiprocessing.context.ForkServerContext, most: int) -> int:
    """Kill one run over and over, at most `most` times, then let it end; how often it was killed."""
    kills = 0
    while True:
        done, told = _state(folder, path)
        life = processes.Process(target=victim.live, args=(str(folder), str(path)))
        life.start()
        killed = kills < most and _kill(life, random.uniform(0.02, LONGEST_S))
        life.join(60)
        assert killed or life.exitcode == 0, f"the process ended with {life.exitcode}"
        kills += killed
        again = [line[1] for line in account.lines(path)[told:] if line[0] == "ran" and line[1] in done]
        assert not again, f"committed nodes ran again: {again}"
        if not killed:
            break
    with closing(DiskStore(folder)) as store:
        account.check(store, victim.RUN_ID, path)
    return kills


def _kill(life: BaseProcess, after_s: float) -> bool:
    """Kill it unless it ends first; whether it was killed."""
    life.join(after_s)
    if life.exitcode is not None:
        return False
    life.kill()
    life.join(60)
    return life.exitcode != 0


def _state(folder: Path, path: Path) -> tuple[set[str], int]:
    """The nodes that are committed, and how many lines there are."""
    if not folder.exists():
        return set(), 0
    with closing(DiskStore(folder)) as store:
        return account.committed(store, victim.RUN_ID), len(account.lines(path))
