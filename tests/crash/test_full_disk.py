"""A whole run on a real disk that fills up: nothing that was committed is lost, and the run goes on when there is room.

The disk is a file system in memory of some megabytes, which only root may make: elsewhere these are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aethergraph.record import facts as f
from aethergraph.storage import journal
from aethergraph.storage.disk import DiskStore
from tests.processes import bounded

from .filler import RUN_ID
from .victim import LINES

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60
STEPS = 200  # of 40,000 bytes each: 8 MB, and as much again in the log


def mount(*args: str) -> None:
    subprocess.run(["mount", *args], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mount("-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk can be made here: {error}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def tells(store: Path) -> str:
    """What the process says of its run."""
    command = [sys.executable, "-m", "tests.crash.filler", str(store), str(STEPS)]
    with bounded(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)) as process:
        return process.communicate(timeout=LIMIT_S)[0].strip()


def committed(store: Path) -> set[int]:
    """The steps whose results are on disk."""
    with closing(DiskStore(store)) as opened:
        facts = [fact for batch in journal.read(opened, RUN_ID) for fact in batch]
    return {fact.no - 1 for fact in facts if isinstance(fact, f.NodeDone) and fact.ok}


def ran(lines: Path) -> Counter[int]:
    """How often each step ran."""
    return Counter(json.loads(told)[1] for told in lines.read_text(encoding="utf-8").splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="the disk is made as Linux makes it")
def test_a_run_that_fills_the_disk_goes_on_when_there_is_room(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, store = tmp_path / "lines", disk / "store"
    monkeypatch.setenv(LINES, str(lines))
    said = tells(store)
    assert said.startswith(f"JournalBroken: the store {store} cannot be written")
    assert "full" in said and said.endswith("free the disk and resume the run")
    assert "JournalBroken" in tells(store) or "full" in tells(store)  # as long as there is none, it says so again
    mount("-o", "remount,size=64m", str(disk))
    kept, before = committed(store), ran(lines)
    assert kept and not kept - before.keys()
    assert tells(store) == str(STEPS * 40_000)
    assert {step for step in kept if ran(lines)[step] > before[step]} == set(), "what was on disk ran again"
    assert set(ran(lines)) == set(range(STEPS))


@pytest.mark.skipif(sys.platform != "linux", reason="the disk is made as Linux makes it")
def test_a_disk_without_any_room_is_told_of_at_once(disk: Path) -> None:
    (disk / "other").write_bytes(bytes(6 * 2**20 - 8 * os.sysconf("SC_PAGESIZE")))
    said = tells(disk / "store")
    assert said.startswith(f"OSError: the store {disk / 'store'} cannot be used: ") and said.endswith("full")
