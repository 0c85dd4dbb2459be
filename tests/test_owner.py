"""Who runs a run: one process at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aethergraph.errors import RunIsLive
from aethergraph.storage import owner
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.owner import Owner
from aethergraph.storage.store import MemoryStore
from tests.processes import bounded

HOLD = """
import sys
from pathlib import Path
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.owner import Owner
from aethergraph.storage.store import MemoryStore
folder = Path(sys.argv[1])
owner = Owner(MemoryStore(folder, DiskBlobs(folder)))
print(owner.id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    return MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs"))


def take(one: Owner, store: MemoryStore) -> owner.Epoch:
    with store.transact() as rows:
        return one.take(rows, "r")


def test_each_taking_is_an_epoch_of_its_own(store: MemoryStore) -> None:
    one = Owner(store)
    assert [take(one, store).number for _ in range(3)] == [1, 2, 3]
    now = owner.read(store, "r")
    assert now is not None
    assert (now.number, now.owner) == (3, one.id)
    assert now.told.startswith(f"process {os.getpid()} on ")
    one.close()


def test_a_run_is_not_taken_from_a_living_owner(store: MemoryStore) -> None:
    one, two = Owner(store), Owner(store)
    take(one, store)
    with pytest.raises(RunIsLive, match="run r is being run by process"):
        take(two, store)
    assert two.is_alive(one.id)
    one.close()
    assert not two.is_alive(one.id)
    assert take(two, store).number == 2
    two.close()


def test_the_death_of_a_process_frees_its_runs_at_once(store: MemoryStore) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with bounded(holder) as process:
        assert process.stdout is not None
        other = process.stdout.readline().strip()
        one = Owner(store)
        assert one.is_alive(other)
        process.kill()
        process.wait()
        assert not one.is_alive(other)
        one.close()


def test_lock_files_of_the_dead_are_removed_once_they_are_old(store: MemoryStore) -> None:
    folder = store.folder / "owners"
    folder.mkdir()
    for name in ("old", "young"):
        (folder / f"{name}.lock").touch()
    os.utime(folder / "old.lock", (0, 0))
    living = Owner(store)
    os.utime(folder / f"{living.id}.lock", (0, 0))
    one = Owner(store)
    assert {path.stem for path in folder.glob("*.lock")} == {"young", living.id, one.id}
    one.close()
    living.close()
    assert {path.stem for path in folder.glob("*.lock")} == {"young"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_keep_its_parents_runs(store: MemoryStore) -> None:
    one, two = Owner(store), Owner(store)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)  # lives until the parent lets go
        os._exit(0)
    os.close(read)
    try:
        assert two.is_alive(one.id)  # the fork took nothing away
        one.close()
        assert not two.is_alive(one.id)
    finally:
        os.close(write)
        os.waitpid(child, 0)
        two.close()
