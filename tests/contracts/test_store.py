"""What every store promises, in memory and on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.disk import DiskStore
from aethergraph.storage.store import MemoryStore, Store


def in_memory(folder: Path) -> Store:
    return MemoryStore(folder, DiskBlobs(folder / "blobs"))


@pytest.fixture(params=[in_memory, DiskStore], ids=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    make: Callable[[Path], Store] = request.param
    made = make(tmp_path / "store")
    yield made
    made.close()


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


def test_blobs_come_with_the_store(store: Store) -> None:
    assert store.blobs.get(store.blobs.put(b"large")) == b"large"


keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)


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
