"""What every store promises: in memory, on disk, in the wrapper whose power can be cut, and by a second handle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aethergraph.errors import DamagedRecord
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.disk import DiskStore
from aethergraph.storage.store import MemoryStore, Store, StoreBusy
from aethergraph.testing import Fragile

LIMIT_S = 10


def in_memory(folder: Path) -> Store:
    return MemoryStore(folder, DiskBlobs(folder / "blobs"))


def unbroken(folder: Path) -> Store:
    return Fragile(in_memory(folder), 0)


def on_disk_unbroken(folder: Path) -> Store:
    return Fragile(DiskStore(folder), 0)


@pytest.fixture(params=[in_memory, DiskStore, unbroken, on_disk_unbroken])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    make: Callable[[Path], Store] = request.param
    made = make(tmp_path / "store")
    yield made
    made.close()


@pytest.fixture
def other(store: Store) -> Iterator[Store]:
    """A second handle on the store: a disk is opened a second time, memory has but one."""
    within = store._store if isinstance(store, Fragile) else store
    made = DiskStore(store.folder) if isinstance(within, DiskStore) else store
    yield made
    made.close()


def elsewhere(store: Store, work: Callable[[], object]) -> None:
    """Do `work` in a thread of its own, to its end; what it raises is raised here."""

    def run() -> None:
        try:
            work()
        finally:
            store.close()  # its connection: those of others stay

    with ThreadPoolExecutor(1) as thread:
        thread.submit(run).result(LIMIT_S)


def put(store: Store, **rows: bytes) -> None:
    with store.transact() as transaction:
        for key, row in rows.items():
            transaction.set(key, row)


def test_a_row_comes_back_after_its_transaction(store: Store) -> None:
    put(store, a=b"1")
    assert store.get("a") == b"1"
    assert store.get("b") is None


def test_a_transaction_sees_its_own_writes(store: Store) -> None:
    put(store, a=b"1")
    with store.transact() as transaction:
        transaction.set("a", b"2")
        assert transaction.get("a") == b"2"
        transaction.delete("a")
        assert transaction.get("a") is None


def test_an_error_undoes_the_whole_transaction(store: Store) -> None:
    put(store, a=b"1", b=b"1")
    with pytest.raises(RuntimeError), store.transact() as transaction:
        transaction.set("a", b"2")
        transaction.delete("b")
        transaction.set("c", b"3")
        raise RuntimeError
    assert (store.get("a"), store.get("b"), store.get("c")) == (b"1", b"1", None)


def test_after_an_error_the_next_transaction_works(store: Store) -> None:
    with pytest.raises(RuntimeError), store.transact():
        raise RuntimeError
    put(store, a=b"1")
    assert store.get("a") == b"1"


def test_deleting_what_is_not_there_is_fine(store: Store) -> None:
    with store.transact() as transaction:
        transaction.delete("nothing")


def test_a_scan_gives_rows_of_the_prefix_in_key_order(store: Store) -> None:
    with store.transact() as transaction:
        for key in ("j:b:2", "j:b:10", "j:a:1", "k:x", "j", "j:", "j:\u00e9", "j:\U0001f600"):
            transaction.set(key, key.encode())
    assert [key for key, _ in store.scan("j:")] == ["j:", "j:a:1", "j:b:10", "j:b:2", "j:\u00e9", "j:\U0001f600"]
    assert list(store.scan("k:")) == [("k:x", b"k:x")]
    assert list(store.scan("z")) == []


def test_a_prefix_has_no_wild_cards(store: Store) -> None:
    put(store, a1=b"", b1=b"")
    assert list(store.scan("%")) == list(store.scan("_")) == list(store.scan("[ab]")) == []


def test_a_scan_may_be_left_early_and_written_beside(store: Store) -> None:
    put(store, a1=b"", a2=b"")
    for _ in store.scan("a"):
        put(store, a3=b"")
    assert [key for key, _ in store.scan("a")] == ["a1", "a2", "a3"]


@pytest.mark.parametrize("size", [0, 1, 40_000, 3_000_000])
def test_rows_of_any_size_come_back(store: Store, size: int) -> None:
    put(store, a=bytes(size))
    assert store.get("a") == bytes(size)


def test_other_threads_read_what_was_committed(store: Store) -> None:
    put(store, a=b"1")
    seen: list[bytes | None] = []
    thread = threading.Thread(target=lambda: (seen.append(store.get("a")), store.close()))
    thread.start()
    thread.join()
    assert seen == [b"1"]


def test_one_writer_at_a_time(store: Store) -> None:
    """Eight threads add 25 each to one counter; every transaction reads what the one before it wrote."""

    def add() -> None:
        for _ in range(25):
            with store.transact() as transaction:
                transaction.set("n", str(int(transaction.get("n") or b"0") + 1).encode())
        store.close()

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("n") == b"200"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, ValueError])
def test_whatever_ends_a_transaction_early_undoes_it(store: Store, other: Store, error: type[BaseException]) -> None:
    put(store, a=b"1")
    with pytest.raises(error), store.transact() as transaction:
        transaction.set("a", b"2")
        transaction.set("b", b"2")
        raise error
    assert [(one.get("a"), one.get("b")) for one in (store, other)] == [(b"1", None)] * 2
    put(other, b=b"3")
    assert store.get("b") == b"3"


def test_other_threads_and_handles_read_past_an_open_transaction(store: Store, other: Store) -> None:
    """They neither wait for it nor see it: an owner's long commit must not hold up whoever reads."""
    put(store, a=b"1", ab=b"1")

    def look(handle: Store) -> None:
        assert (handle.get("a"), handle.get("b")) == (b"1", None)
        assert list(handle.scan("a")) == [("a", b"1"), ("ab", b"1")]

    with store.transact() as transaction:
        transaction.set("a", b"2")
        transaction.delete("ab")
        transaction.set("b", b"2")
        for handle in (store, other):
            elsewhere(handle, lambda handle=handle: look(handle))
    assert [(one.get("a"), one.get("ab"), one.get("b")) for one in (store, other)] == [(b"2", None, b"2")] * 2


def test_the_thread_of_a_transaction_reads_what_it_wrote_and_loses_it_with_it(store: Store) -> None:
    put(store, a1=b"1", a2=b"1")
    with pytest.raises(RuntimeError), store.transact() as transaction:
        transaction.set("a1", b"2")
        transaction.delete("a2")
        transaction.set("a3", b"2")
        assert (store.get("a1"), store.get("a2")) == (b"2", None)
        assert list(store.scan("a")) == [("a1", b"2"), ("a3", b"2")]
        raise RuntimeError
    assert list(store.scan("a")) == [("a1", b"1"), ("a2", b"1")]


def test_a_transaction_inside_another_is_part_of_it(store: Store) -> None:
    put(store, a=b"1")
    with pytest.raises(RuntimeError), store.transact() as outer:
        outer.set("a", b"2")
        with store.transact() as inner:
            assert inner.get("a") == b"2"
            inner.set("b", b"2")
        assert outer.get("b") == b"2"
        raise RuntimeError
    assert (store.get("a"), store.get("b")) == (b"1", None)


def test_who_does_not_wait_is_told_that_somebody_else_writes(store: Store, other: Store) -> None:
    def impatient() -> None:
        with pytest.raises(StoreBusy), other.transact(wait=False) as rows:
            rows.set("a", b"2")

    with store.transact() as rows:
        rows.set("a", b"1")
        elsewhere(other, impatient)
    assert other.get("a") == b"1"
    with other.transact(wait=False) as rows, other.transact(wait=False) as inner:
        inner.set("b", b"1")
    assert store.get("b") == b"1"


def test_writers_of_two_handles_take_turns(store: Store, other: Store) -> None:
    def add(handle: Store) -> None:
        for _ in range(15):
            with handle.transact() as transaction:
                transaction.set("n", str(int(transaction.get("n") or b"0") + 1).encode())

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(elsewhere, one, lambda one=one: add(one)) for one in (store, other, store, other)]:
            done.result(LIMIT_S)
    assert store.get("n") == other.get("n") == b"60"


@pytest.mark.parametrize(("key", "row"), [(1, b""), (b"k", b""), ("k", "text"), ("k", 5), ("k", None), ("k", [1])])
def test_only_bytes_under_texts_are_rows(store: Store, key: object, row: object) -> None:
    with pytest.raises(TypeError, match="a row is bytes under a text key"), store.transact() as transaction:
        transaction.set("before", b"")
        transaction.set(key, row)  # type: ignore[arg-type]
    assert store.get("before") is None


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_row_is_copied(store: Store, kind: Callable[[bytearray], bytes]) -> None:
    given = bytearray(b"1")
    with store.transact() as transaction:
        transaction.set("a", kind(given))
        given[0] = ord("2")
        assert transaction.get("a") == b"1"
    found = store.get("a")
    assert found == b"1" and type(found) is bytes


def test_a_scan_shows_the_store_as_it_was_when_it_began(store: Store, other: Store) -> None:
    put(store, a1=b"1", a2=b"1", a3=b"1")
    seen = []
    for key, row in store.scan("a"):
        seen.append((key, row))
        with other.transact() as transaction:
            transaction.set("a2", b"2")
            transaction.delete("a3")
    assert seen == [("a1", b"1"), ("a2", b"1"), ("a3", b"1")]
    assert list(other.scan("a")) == [("a1", b"1"), ("a2", b"2")]


def test_a_closed_store_opens_again_and_its_other_handle_never_noticed(store: Store, other: Store) -> None:
    put(store, a=b"1")
    store.close()
    assert other.get("a") == store.get("a") == b"1"
    put(store, b=b"1")
    assert other.get("b") == b"1"
    other.compact()
    assert dict(store.scan("")).items() >= {"a": b"1", "b": b"1"}.items()


def test_both_handles_have_the_same_contents(store: Store, other: Store, tmp_path: Path) -> None:
    digest = store.blobs.put(b"large")
    file = tmp_path / "file"
    file.write_bytes(b"large")
    assert other.blobs.put_file(file) == (digest, 5)
    assert other.blobs.has(digest) and other.blobs.keep(digest)
    assert other.blobs.path(digest).read_bytes() == b"large"
    with other.blobs.open(digest) as stream:
        assert stream.read() == b"large"
    assert [(blob.digest, blob.size) for blob in store.blobs.all()] == [(digest, 5)]


def test_a_content_that_was_moved_aside_is_gone_for_both_until_it_is_stored_again(store: Store, other: Store) -> None:
    digest = store.blobs.put(b"large")
    (blob,) = store.blobs.all()
    assert store.blobs.move_aside(blob) and not other.blobs.move_aside(blob)
    assert not other.blobs.has(digest) and not other.blobs.keep(digest)
    for read in (other.blobs.get, other.blobs.path, other.blobs.open):
        with pytest.raises(DamagedRecord, match="gone"):
            read(digest)
    assert other.blobs.put(b"large") == digest
    store.blobs.empty_trash(0.0)
    assert store.blobs.get(digest) == b"large"


def test_blobs_come_with_the_store(store: Store) -> None:
    assert store.blobs.get(store.blobs.put(b"large")) == b"large"


keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(keys, max_size=12), prefix=st.text("ab\U0010ffff\ud7ff", max_size=2), after=keys,
    limit=st.none() | st.integers(0, 5),
)  # fmt: skip
def test_a_page_is_what_a_sorted_list_gives(
    store: Store, rows: list[str], prefix: str, after: str, limit: int | None
) -> None:
    rows += [prefix + row for row in rows]
    with store.transact() as transaction:
        for key in rows:
            transaction.set("p:" + key, key.encode())
    page = list(store.scan("p:" + prefix, after="p:" + after, limit=limit))
    bare = list(store.scan("p:" + prefix, limit=limit))
    with store.transact() as transaction:
        for key in rows:
            transaction.delete("p:" + key)
    fit = sorted({key for key in rows if key.startswith(prefix)})
    assert bare == [("p:" + key, key.encode()) for key in fit][:limit]
    assert page == [("p:" + key, key.encode()) for key in fit if "p:" + key > "p:" + after][:limit]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=st.lists(st.tuples(keys, st.none() | st.binary(max_size=8)), max_size=12), prefix=keys)
def test_it_behaves_like_a_sorted_dict(store: Store, steps: list[tuple[str, bytes | None]], prefix: str) -> None:
    expected: dict[str, bytes] = {}
    for key, row in steps:
        with store.transact() as transaction:
            if row is None:
                transaction.delete("x:" + key)
                expected.pop("x:" + key, None)
            else:
                transaction.set("x:" + key, row)
                expected["x:" + key] = row
    found = dict(store.scan("x:" + prefix))
    with store.transact() as transaction:
        for key in expected:
            transaction.delete(key)
    assert found == {key: row for key, row in expected.items() if key.startswith("x:" + prefix)}
