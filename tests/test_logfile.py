"""The file of the write-ahead log grows in large steps, and holds nothing that SQLite would take for a commit."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aethergraph.storage import logfile
from aethergraph.storage.disk import DATABASE, DiskStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    with closing(DiskStore(tmp_path / "store")) as store:
        yield store


def file_of(store: DiskStore) -> Path:
    return store.folder / f"{DATABASE}-wal"


def commit(store: DiskStore, first: int, count: int) -> list[int]:
    """Rows `first` and on, one commit each; the size of the log after each."""
    sizes = []
    for number in range(first, first + count):
        with store.transact() as rows:
            rows.set(f"row:{number:06d}", b"%06d" % number * 10)
        sizes.append(file_of(store).stat().st_size)
    return sizes


def numbers(store: DiskStore) -> list[int]:
    return [int(key[4:]) for key, _ in store.scan("row:")]


def whole(store: DiskStore) -> bool:
    with closing(sqlite3.connect(store.folder / DATABASE)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


def test_a_few_commits_take_what_they_need(store: DiskStore) -> None:
    sizes = commit(store, 0, logfile.EVERY - 2)
    assert sizes[-1] < 30 * 4096


def test_a_log_that_grows_gets_room_for_many_commits(store: DiskStore) -> None:
    sizes = commit(store, 0, 100)
    grown = [after - before for before, after in zip(sizes, sizes[1:], strict=False) if after != before]
    assert max(grown) >= logfile.STEP
    assert sizes[3 * logfile.EVERY :].count(sizes[-1]) == 100 - 3 * logfile.EVERY  # no commit has made it longer
    assert numbers(store) == list(range(100)) and whole(store)


def test_the_log_does_not_grow_without_end(store: DiskStore) -> None:
    """Two processes that commit by turns see each other's steps as growth; and after its 1,000 pages it begins anew."""
    with closing(DiskStore(store.folder)) as other:
        sizes = [commit(one, 2 * turn + place, 1)[0] for turn in range(700) for place, one in enumerate((store, other))]
    assert max(sizes) < logfile.ENOUGH + 2 * logfile.STEP
    assert numbers(store) == list(range(1400)) and whole(store)


def test_a_transaction_that_is_undone_is_not_in_the_room_ahead(store: DiskStore) -> None:
    commit(store, 0, 40)
    with pytest.raises(ValueError, match="not this"), store.transact() as rows:
        rows.set("row:999999", b"x" * 3_000_000)  # more than the room, and more than SQLite keeps in memory
        raise ValueError("not this")
    commit(store, 40, 3)
    with closing(DiskStore(store.folder)) as other:
        assert numbers(other) == list(range(43)) and whole(other)


@pytest.mark.parametrize("stretched", [False, True])
def test_a_process_that_is_killed_leaves_what_it_committed(tmp_path: Path, stretched: bool) -> None:
    """The log with its zeros is read after a crash: the next process finds each commit, and no other."""
    count = 50 if stretched else 3
    code = (
        "import os, sys; sys.path[:0] = sys.argv[2:]; from test_logfile import *\n"
        f"store = DiskStore(Path(sys.argv[1])); commit(store, 0, {count}); os._exit(9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent), *sys.path], timeout=60, check=False
    )
    assert done.returncode == 9
    left = (tmp_path / f"{DATABASE}-wal").read_bytes()
    with closing(DiskStore(tmp_path)) as store:
        assert file_of(store).read_bytes() == left  # the next process opens it, and does not put it away first
        assert (len(left) >= logfile.STEP) is stretched and (left.endswith(bytes(10_000))) is stretched
        assert numbers(store) == list(range(count))
        commit(store, count, 5)
        assert numbers(store) == list(range(count + 5)) and whole(store)


def test_a_log_that_cannot_be_stretched_is_a_log_all_the_same(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    sizes = commit(store, 0, 50)
    assert max(sizes) < logfile.STEP
    assert numbers(store) == list(range(50))


def test_a_store_without_a_log_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network file system."""
    from aethergraph.storage import mounts

    monkeypatch.setattr(mounts, "network", lambda folder: "nfs")
    with closing(DiskStore(tmp_path)) as store:
        for number in range(30):
            with store.transact() as rows:
                rows.set(f"row:{number}", b"1")
        assert not file_of(store).exists() and len(list(store.scan("row:"))) == 30
