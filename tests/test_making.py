"""A store is a file of diskcache: that can read what we write, and finds its own habits turned off."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import diskcache  # type: ignore[import-untyped]
import pytest

from aethergraph.storage import disk, making
from aethergraph.storage.disk import DiskStore


def test_our_names_are_those_of_diskcache() -> None:
    assert (disk.DATABASE, disk.RAW) == (diskcache.core.DBNAME, diskcache.core.MODE_RAW)


def test_diskcache_reads_our_rows_and_we_read_its(tmp_path: Path) -> None:
    with closing(DiskStore(tmp_path)) as store, diskcache.Cache(str(tmp_path)) as cache:
        with store.transact() as rows:
            rows.set("a", b"1")
            rows.set("b", b"2")
        sealed = cache["a"]
        assert sealed.endswith(b"1") and set(cache) == {"a", "b", disk.FORMAT_KEY}
        del cache["b"]
        assert (store.get("a"), store.get("b")) == (b"1", None)
        cache["a"] = sealed
        assert store.get("a") == b"1"


def test_a_commit_does_not_write_the_page_of_the_counters(tmp_path: Path) -> None:
    log = tmp_path / f"{disk.DATABASE}-wal"
    with closing(DiskStore(tmp_path)) as store:
        sizes = []
        for key in ("a", "b"):  # with the first, each table has its page
            with store.transact() as rows:
                rows.set(key, b"1")
            sizes.append(log.stat().st_size)
        assert (sizes[1] - sizes[0]) // 4096 == 2  # that of the row, and that of its key in the index


def test_diskcache_counts_what_it_stored_itself(tmp_path: Path) -> None:
    with closing(DiskStore(tmp_path)) as store, diskcache.Cache(str(tmp_path)) as cache:
        with store.transact() as rows:
            rows.set("ours", b"1")
        cache["mine"] = b"2"
        assert len(cache) == 1
        del cache["ours"]
        assert len(cache) == 1
        del cache["mine"]
        assert len(cache) == 0


def test_settings_are_changed_where_they_differ(tmp_path: Path) -> None:
    making.make(tmp_path, {"cull_limit": 0, "sqlite_journal_mode": "wal"})
    making.make(tmp_path, {"cull_limit": 3, "sqlite_journal_mode": "delete"})
    with closing(sqlite3.connect(tmp_path / disk.DATABASE)) as connection:
        settings = dict(connection.execute("SELECT key, value FROM Settings").fetchall())
        assert (settings["cull_limit"], settings["sqlite_journal_mode"]) == (3, "delete")
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("delete",)]


def test_there_is_no_index_of_rows_that_expire(tmp_path: Path) -> None:
    making.make(tmp_path, {"eviction_policy": "none"})
    with closing(sqlite3.connect(tmp_path / disk.DATABASE)) as connection:
        indexes = {row[1] for row in connection.execute("PRAGMA index_list(Cache)")}
    assert indexes == {"Cache_key_raw"}


def test_what_is_no_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / disk.DATABASE).write_bytes(b"no database" * 1000)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        making.make(tmp_path, {})
