"""kv and memory under kills and beside another process: every change is there once. Semantics 16."""

from __future__ import annotations

import ast
import contextlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aethergraph import Runtime
from aethergraph.errors import AetherGraphError
from aethergraph.services import entry
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.store import MemoryStore
from aethergraph.testing import Fragile, PowerCut
from tests.processes import bounded

from .counter import RUN_ID, counter, expected

LIMIT_S = 60
ROOT = Path(__file__).resolve().parents[2]
N = 3


def live(store: MemoryStore, fatal: int, *, after: bool) -> tuple[object, int]:
    """Run it until the power is cut, or to its end; what it gave, and how many transactions that took."""
    fragile = Fragile(store, fatal, after=after)
    runtime = Runtime(fragile)
    try:
        with runtime.use():
            known = store.get(f"r:{RUN_ID}") is not None
            run = runtime.resume(RUN_ID, agent=counter) if known else runtime.start(counter, {"n": N}, run_id=RUN_ID)
            return run.result(LIMIT_S)["result"], fragile.count
    except (PowerCut, AetherGraphError):
        return None, fragile.count
    finally:
        with contextlib.suppress(PowerCut, AetherGraphError):
            runtime.close()


@pytest.mark.parametrize("after", [False, True])
def test_the_power_is_cut_at_every_write(tmp_path: Path, after: bool) -> None:
    fatal, cuts = 1, 0
    while True:
        store = MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs"))
        told, _ = live(store, fatal, after=after)
        ended = told is not None
        cuts += not ended
        if not ended:
            told, _ = live(store, 0, after=after)
        assert told == expected(N), f"cut at transaction {fatal}"
        if ended:
            break
        fatal += 1
    assert cuts > 15, f"it makes far fewer writes than it should: {cuts}"


def process(folder: Path, run_id: str, name: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT), *sys.path])
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("counter.py")), str(folder), run_id, name],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def killed_until_done(folder: Path, chance: random.Random) -> int:
    """Kill it at random instants, then let it come to its end, which is checked; how often it was killed."""
    kills = 0
    for _ in range(40):
        with bounded(process(folder, RUN_ID, "counter")) as one:
            assert one.stdout is not None and one.stdout.readline() == "up\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.wait(chance.uniform(0.01, 0.25) if kills < 6 else LIMIT_S)
            one.kill()
            said = one.stdout.read()
        if one.returncode == 0:
            break
        kills += 1
    assert ast.literal_eval(said) == expected(20)
    return kills


def test_a_process_that_is_killed_again_and_again_counts_everything_once(tmp_path: Path) -> None:
    chance = random.Random(5)
    # Where the machine is busy, one may come to its end before it is killed.
    assert any(killed_until_done(tmp_path / f"store-{turn}", chance) for turn in range(10))


def test_two_processes_work_at_the_same_keys(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    began = time.monotonic()
    with bounded(process(folder, "one", "beside")) as one, bounded(process(folder, "two", "beside")) as two:
        said = [other.communicate(timeout=LIMIT_S)[0].split("\n")[1] for other in (one, two)]
    assert time.monotonic() - began < LIMIT_S
    wins = [int(text) for text in said]
    runtime = Runtime(folder)
    with contextlib.closing(runtime):
        values = {}
        for key, row in runtime.store.scan("kv:user::"):
            found = entry.decode(row, 0.0, key)
            assert found is not None
            values[key.rpartition(":")[2]] = runtime.codec.load(found.payload)
        said_by = [key for key, _ in runtime.store.scan("m:user::e:")]
        numbers = [key for key, _ in runtime.store.scan("ml:")]
    assert len(said_by) == 40 and numbers == [f"ml:{number:016x}" for number in range(1, 41)]
    assert values == {"sum": 40, "turns": sum(wins)}
    assert all(wins)
