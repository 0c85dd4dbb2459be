"""The index of artifacts: whatever is written can be found, and nothing of it is left once it is removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aethergraph.errors import DamagedRecord
from aethergraph.services import catalogue
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.store import MemoryStore, Store

RECORD: dict[str, Any] = {
    "artifact_id": "loss.png-1", "run_id": "study-1", "sha256": "a" * 64, "kind": "figure", "name": "loss.png",
    "created_at": 1000.5, "session_id": "lab.ipynb", "tags": ["final"], "labels": {"model": "svm", "n": 3},
    "metrics": {"loss": 0.5},
}  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs"))


def rows(store: Store) -> list[str]:
    return [key for key, _ in store.scan("")]


def found(store: Store, prefix: str) -> list[str]:
    return [place.decode() for _, place in store.scan(prefix)]


def test_a_record_is_found_by_all_that_it_says(store: Store) -> None:
    with store.transact() as transaction:
        catalogue.write(transaction, RECORD)
    for prefix in (
        catalogue.by_id("loss.png-1"), catalogue.by_content("a" * 64), catalogue.by_time(),
        catalogue.by_session("lab.ipynb"), catalogue.by_kind("figure"), catalogue.by_tag("final"),
        catalogue.by_label("model", "svm"), catalogue.by_label("n", 3.0), catalogue.by_word("los"),
        catalogue.by_metric("loss", largest=True), catalogue.by_metric("loss", largest=False),
    ):  # fmt: skip
        assert found(store, prefix) == ["a:study-1:loss.png-1"], prefix
    assert found(store, catalogue.by_label("n", "3")) == []


def test_a_record_that_is_written_again_is_found_by_what_it_says_now(store: Store) -> None:
    with store.transact() as transaction:
        catalogue.write(transaction, RECORD)
        catalogue.write(transaction, RECORD | {"kind": "plot", "tags": [], "created_at": 1001.0})
    assert found(store, catalogue.by_kind("plot")) == ["a:study-1:loss.png-1"]
    assert found(store, catalogue.by_kind("figure")) == found(store, catalogue.by_tag("final")) == []
    assert len(found(store, catalogue.by_time())) == 1


@given(TEXTS, TEXTS, st.lists(TEXTS, max_size=3), st.dictionaries(TEXTS, st.one_of(TEXTS, st.floats(), st.booleans())))
def test_nothing_is_left_of_a_record_that_is_removed(
    kind: str, name: str, tags: list[str], labels: dict[str, Any]
) -> None:
    store = MemoryStore(Path(), DiskBlobs(Path("blobs")))
    with store.transact() as transaction:
        catalogue.write(transaction, RECORD | {"kind": kind, "name": name, "tags": tags, "labels": labels})
    assert all(len(key.encode()) < 200 for key in rows(store))
    with store.transact() as transaction:
        catalogue.remove(transaction, catalogue.key("study-1", "loss.png-1"))
    assert rows(store) == []


@given(st.lists(st.floats(allow_nan=False), min_size=2, unique=True))
def test_metrics_are_in_the_order_of_numbers(values: list[float]) -> None:
    store = MemoryStore(Path(), DiskBlobs(Path("blobs")))
    with store.transact() as transaction:
        for number, value in enumerate(values):
            catalogue.write(transaction, RECORD | {"artifact_id": f"{number}", "metrics": {"loss": value}})
    for largest in (True, False):
        ids = [int(place.rpartition(":")[2]) for place in found(store, catalogue.by_metric("loss", largest=largest))]
        assert [values[number] for number in ids] == sorted(values, reverse=largest)


def test_what_an_earlier_version_saved_is_indexed_once(store: Store) -> None:
    old = {name: value for name, value in RECORD.items() if name != "session_id"}
    with store.transact() as transaction:
        transaction.set(catalogue.key("study-1", "loss.png-1"), catalogue.encode(old))
    catalogue.build(store)
    assert found(store, catalogue.by_kind("figure")) == ["a:study-1:loss.png-1"]
    before = rows(store)
    catalogue.build(store)
    assert rows(store) == before


def test_a_damaged_record_is_named(store: Store) -> None:
    with pytest.raises(DamagedRecord, match="the record a:study-1:x"):
        catalogue.decode(b"\xc1", "a:study-1:x")
