"""The rows of runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from aethergraph.errors import UnknownRun
from aethergraph.storage import roster
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.roster import RunRow
from aethergraph.storage.store import MemoryStore


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    made = MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs"))
    rows = [RunRow("study-abc", "study", "done", 2.0), RunRow("study-xyz", "study", "failed", 3.0, error="no")]
    with made.transact() as transaction:
        for row in rows:
            roster.write_op(row)(transaction)
    return made


def test_rows_are_listed_newest_first(store: MemoryStore) -> None:
    assert [row.run_id for row in roster.everything(store)] == ["study-xyz", "study-abc"]


def test_a_row_is_read_as_it_was_written(store: MemoryStore) -> None:
    assert roster.read(store, "study-xyz") == RunRow("study-xyz", "study", "failed", 3.0, error="no")


def test_an_unknown_run_is_told_with_those_that_are_near(store: MemoryStore) -> None:
    with pytest.raises(UnknownRun, match="no run 'study-abd'; did you mean study-abc"):
        roster.read(store, "study-abd")
    with pytest.raises(UnknownRun, match=r"no run 'q'; `aethergraph.runs\(\)`, or `%aether` in a notebook, lists"):
        roster.read(store, "q")
