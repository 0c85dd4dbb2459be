"""Each thread has a connection of its own, which goes with it."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aethergraph.storage.connections import BUSY_S, Connections


@pytest.fixture
def connections(tmp_path: Path) -> Iterator[Connections]:
    with closing(Connections(tmp_path / "file.db", 2)) as made:
        made.here.execute("CREATE TABLE t (x)")
        yield made


def descriptors(file: Path) -> int:
    """How many descriptors this process has open of a file."""
    folder = Path("/proc/self/fd")
    return sum(1 for one in folder.iterdir() if one.is_symlink() and os.readlink(one) == str(file))


def test_a_thread_keeps_its_connection_and_another_has_another(connections: Connections) -> None:
    assert connections.here is connections.here
    found: list[sqlite3.Connection] = []
    thread = threading.Thread(target=lambda: found.append(connections.here))
    thread.start()
    thread.join()
    assert found and found[0] is not connections.here


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="tells descriptors by /proc")
def test_a_connection_is_closed_when_its_thread_ends(connections: Connections, tmp_path: Path) -> None:
    before = descriptors(tmp_path / "file.db")
    within: list[int] = []

    def work() -> None:
        connections.here.execute("SELECT * FROM t").fetchall()
        within.append(descriptors(tmp_path / "file.db"))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert (within, descriptors(tmp_path / "file.db")) == ([before + 1], before)


def test_each_connection_commits_as_carefully_as_asked(tmp_path: Path) -> None:
    for level in (1, 2):
        with closing(Connections(tmp_path / "file.db", level)) as made:
            assert made.here.execute("PRAGMA synchronous").fetchall() == [(level,)]
            assert made.here.execute("PRAGMA mmap_size").fetchall() in ([(0,)], [])  # [] where SQLite has no mappings


def test_after_closing_a_thread_gets_another(connections: Connections) -> None:
    first = connections.here
    connections.close()
    connections.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        first.execute("SELECT 1")
    assert connections.here.execute("SELECT count(*) FROM t").fetchall() == [(0,)]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_does_not_use_the_connection_of_its_parent(connections: Connections) -> None:
    parent = connections.here
    child = os.fork()
    if child == 0:
        os._exit(0 if connections.here is not parent else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    parent.execute("INSERT INTO t VALUES (1)")
    assert connections.here is parent


def test_one_that_is_hasty_does_not_wait_and_is_patient_again_when_asked_for(tmp_path: Path) -> None:
    with closing(Connections(tmp_path / "file.db", 2)) as one, closing(Connections(tmp_path / "file.db", 2)) as other:
        one.here.execute("CREATE TABLE t (x)")
        one.here.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.hasty.execute("BEGIN IMMEDIATE")
            assert time.monotonic() - began < BUSY_S / 2
            assert other.hasty.execute("PRAGMA busy_timeout").fetchall() == [(0,)]
            assert other.here.execute("PRAGMA busy_timeout").fetchall() == [(BUSY_S * 1000,)]
            assert other.here is other.hasty
