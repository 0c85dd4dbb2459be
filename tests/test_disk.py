"""The store on disk: what diskcache would do by default and must not, durability, damage, other processes."""

from __future__ import annotations

import pickle
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import diskcache  # type: ignore[import-untyped]
import pytest

from aethergraph import Runtime
from aethergraph.errors import DamagedRecord, NewerStore
from aethergraph.record.facts import FORMAT
from aethergraph.storage.disk import DATABASE, DiskStore, find_store

Opener = Callable[..., DiskStore]


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Opens stores and closes them at the end."""
    with ExitStack() as stack:
        yield lambda folder, **options: stack.enter_context(closing(DiskStore(folder, **options)))


@pytest.fixture
def store(tmp_path: Path, opened: Opener) -> DiskStore:
    return opened(tmp_path / "store")


def put(store: DiskStore, key: str, row: bytes) -> None:
    with store.transact() as transaction:
        transaction.set(key, row)


def sql(store: DiskStore, statement: str, *args: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(store.folder / "cache.db")) as connection, connection:
        return connection.execute(statement, args).fetchall()


def synchronous(store: DiskStore) -> int:
    """How carefully the calling thread's connection commits."""
    ((level,),) = store._connections.here.execute("PRAGMA synchronous").fetchall()
    return int(level)


def test_nothing_is_ever_evicted(store: DiskStore) -> None:
    settings = dict(sql(store, "SELECT key, value FROM Settings"))
    assert settings["eviction_policy"] == "none"
    assert settings["cull_limit"] == 0
    assert settings["size_limit"] > 1 << 39  # type: ignore[operator]


def test_no_row_becomes_a_file(store: DiskStore) -> None:
    put(store, "large", bytes(2 << 20))
    assert sql(store, "SELECT count(*) FROM Cache WHERE filename IS NOT NULL") == [(0,)]
    assert {path.name.partition("-")[0] for path in store.folder.iterdir()} <= {".gitignore", "cache.db", "blobs"}


@pytest.mark.parametrize(("durability", "level"), [("power", 2), ("process", 1)])
def test_commits_are_as_durable_as_asked(tmp_path: Path, opened: Opener, durability: str, level: int) -> None:
    store = opened(tmp_path, durability=durability)  # type: ignore[arg-type]
    assert synchronous(store) == level
    assert store._connections.here.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


def test_a_store_is_opened_again_as_durable_as_asked(tmp_path: Path, opened: Opener) -> None:
    for durability, level in (("power", 2), ("process", 1), ("process", 1), ("power", 2)):
        store = opened(tmp_path, durability=durability)
        assert synchronous(store) == level
        with ThreadPoolExecutor(1) as pool:  # another thread has another connection
            assert pool.submit(synchronous, store).result(20) == level
            pool.submit(store.close).result(20)
        store.close()


def test_git_ignores_the_folder(store: DiskStore) -> None:
    assert (store.folder / ".gitignore").read_text() == "*\n"


def test_a_pickle_that_was_smuggled_in_is_not_loaded(store: DiskStore, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "boom",)

    data = pickle.dumps(Bomb())
    put(store, "a", b"")
    sql(store, "UPDATE Cache SET value = ?, mode = ? WHERE key = 'a'", data, diskcache.core.MODE_PICKLE)
    with pytest.raises(DamagedRecord):
        store.get("a")
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("bad", [lambda row: row[:-1], lambda row: row[:-1] + bytes([row[-1] ^ 1]), lambda row: b""])
def test_a_damaged_row_is_named_and_those_beside_it_open(store: DiskStore, bad: object) -> None:
    put(store, "j:run:1", b"facts")
    put(store, "j:run:2", b"facts")
    ((value,),) = sql(store, "SELECT value FROM Cache WHERE key = 'j:run:1'")
    sql(store, "UPDATE Cache SET value = ? WHERE key = 'j:run:1'", bad(value))  # type: ignore[operator]
    with pytest.raises(DamagedRecord, match="j:run:1"):
        store.get("j:run:1")
    assert store.get("j:run:2") == b"facts"


def test_a_row_under_another_key_is_damage(store: DiskStore) -> None:
    put(store, "a", b"1")
    sql(store, "UPDATE Cache SET key = 'b' WHERE key = 'a'")
    with pytest.raises(DamagedRecord, match="'b'"):
        store.get("b")


def test_a_file_that_is_no_database_is_damage(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "cache.db").write_bytes(b"this is no database, however long it may be" * 100)
    with pytest.raises(DamagedRecord, match=r"cache\.db"):
        opened(tmp_path)


def test_a_newer_store_is_refused_and_left_as_it_was(tmp_path: Path, opened: Opener) -> None:
    store = opened(tmp_path)
    put(store, "format", str(FORMAT + 1).encode())
    sql(store, "UPDATE Settings SET value = 7 WHERE key = 'cull_limit'")  # as a newer version may want it
    with pytest.raises(NewerStore, match=f"format {FORMAT + 1}"):
        opened(tmp_path)
    assert sql(store, "SELECT value FROM Settings WHERE key = 'cull_limit'") == [(7,)]


def test_opening_again_finds_everything(tmp_path: Path, opened: Opener) -> None:
    first = opened(tmp_path)
    put(first, "a", b"1")
    first.close()
    assert opened(tmp_path).get("a") == b"1"


def test_opening_an_existing_store_does_not_look_through_its_tables(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tmp_path).close()
    monkeypatch.delattr(diskcache.Cache, "__init__")
    put(opened(tmp_path), "a", b"1")
    assert opened(tmp_path).get("a") == b"1"


@pytest.mark.parametrize("made", ["", "CREATE TABLE Settings (key TEXT NOT NULL UNIQUE, value)"])
def test_a_store_whose_maker_was_killed_is_made(tmp_path: Path, opened: Opener, made: str) -> None:
    with closing(sqlite3.connect(tmp_path / "cache.db")) as connection, connection:
        connection.execute("PRAGMA user_version = 1")  # the file is there
        connection.execute(made)
    put(opened(tmp_path), "a", b"1")
    assert dict(sql(opened(tmp_path), "SELECT key, value FROM Settings"))["eviction_policy"] == "none"


def test_opening_an_existing_store_writes_nothing(tmp_path: Path, opened: Opener) -> None:
    opened(tmp_path)
    with closing(sqlite3.connect(tmp_path / "cache.db")) as watcher:
        version = watcher.execute("PRAGMA data_version").fetchall()
        opened(tmp_path)
        assert watcher.execute("PRAGMA data_version").fetchall() == version


@pytest.mark.parametrize(("key", "row"), [(1, b""), ("a", "text"), ("a", {"a": 1})])
def test_only_text_keys_and_bytes_are_taken(store: DiskStore, key: object, row: object) -> None:
    with pytest.raises(TypeError), store.transact() as transaction:
        transaction.set(key, row)  # type: ignore[arg-type]


def test_a_commit_that_fails_is_an_error_and_the_store_goes_on(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "a", b"1")
    store._connections.here.execute("PRAGMA max_page_count = 1")  # the smallest full disk there is
    with pytest.raises(OSError, match="full"):
        put(store, "a", bytes(5 << 20))
    store._connections.here.execute("PRAGMA max_page_count = 1000000")
    put(store, "b", b"2")
    assert (store.get("a"), store.get("b")) == (b"1", b"2")


def test_a_commit_waits_for_who_reads_where_there_is_no_log_beside_the_file(store: DiskStore) -> None:
    store.close()
    with closing(sqlite3.connect(store.folder / DATABASE, isolation_level=None, check_same_thread=False)) as reader:
        reader.execute("PRAGMA journal_mode = delete")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM Cache").fetchone()
        done = threading.Timer(0.2, lambda: reader.execute("COMMIT"))
        done.start()
        with store.transact(wait=False) as rows:
            rows.set("a", b"1")
        done.join()
    assert store.get("a") == b"1"


def test_a_transaction_in_another_is_a_part_of_it(store: DiskStore) -> None:
    with pytest.raises(KeyError), store.transact() as outer:
        outer.set("a", b"1")
        with store.transact() as inner:
            inner.set("b", b"2")
        raise KeyError
    assert (store.get("a"), store.get("b")) == (None, None)
    with store.transact() as outer:
        outer.set("a", b"1")
        with pytest.raises(KeyError), store.transact() as inner:
            inner.set("b", b"2")
            raise KeyError
    assert (store.get("a"), store.get("b")) == (b"1", b"2")


def test_what_a_transaction_wrote_is_there_after_kill_9_and_nothing_of_the_one_it_was_in(
    tmp_path: Path, opened: Opener
) -> None:
    script = f"""
import os, signal
from pathlib import Path
from aethergraph.storage.disk import DiskStore
store = DiskStore(Path({str(tmp_path)!r}))
with store.transact() as rows:
    rows.set("done", b"1")
with store.transact() as rows:
    rows.set("open", b"1")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    store = opened(tmp_path)
    assert (store.get("done"), store.get("open")) == (b"1", None)


def test_processes_take_turns(tmp_path: Path, opened: Opener) -> None:
    script = f"""
from pathlib import Path
from aethergraph.storage.disk import DiskStore
store = DiskStore(Path({str(tmp_path)!r}))
for _ in range(20):
    with store.transact() as rows:
        rows.set("n", str(int(rows.get("n") or b"0") + 1).encode())
"""
    started = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]
    assert opened(tmp_path).get("n") == b"40"


def test_the_store_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHERGRAPH_HOME", str(tmp_path / "elsewhere"))
    assert find_store(tmp_path) == tmp_path / "elsewhere"


@pytest.mark.parametrize("below", ["", "store", "a/store"])
def test_a_file_where_the_store_is_to_be_is_named_with_the_variable_that_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    monkeypatch.setenv("AETHERGRAPH_HOME", str(file / below))
    with pytest.raises(NotADirectoryError) as raised:
        Runtime(find_store(tmp_path))
    assert str(raised.value) == (
        f"the store needs a folder {file / below}, but {file} is a file; "
        f"AETHERGRAPH_HOME={file / below} names it: let it name a folder"
    )
    assert file.read_text() == "mine"
    monkeypatch.delenv("AETHERGRAPH_HOME")
    with pytest.raises(NotADirectoryError, match="move it away, or set AETHERGRAPH_HOME to a folder"):
        DiskStore(file)


def test_the_store_is_found_walking_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AETHERGRAPH_HOME", raising=False)
    (tmp_path / ".aethergraph").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_store(tmp_path / "a" / "b") == tmp_path / ".aethergraph"


def test_without_a_store_it_is_beside_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AETHERGRAPH_HOME", raising=False)
    assert find_store(tmp_path) == tmp_path / ".aethergraph"


def test_a_page_costs_what_is_in_it_wherever_it_begins(store: DiskStore) -> None:
    with store.transact() as rows:
        for number in range(100_000):
            rows.set(f"p:{number:06d}", b"")
    steps: list[None] = []
    connection = store._connections.here
    connection.set_progress_handler(lambda: steps.append(None), 1)  # called for each instruction of SQLite's machine
    try:
        page = [key for key, _ in store.scan("p:", after="p:099989", limit=5)]
        late = len(steps)
        first = [key for key, _ in store.scan("p:", limit=5)]
        early = len(steps) - late
    finally:
        connection.set_progress_handler(None, 0)
    assert (page[0], first[0]) == ("p:099990", "p:000000")
    assert late <= early + 10, "it walks over what comes before"
