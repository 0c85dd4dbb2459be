"""What tests of services share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.disk import DiskStore
from aethergraph.storage.store import MemoryStore, Store
from tests.services.fake_desk import Room, room


def in_memory(folder: Path) -> Store:
    return MemoryStore(folder, DiskBlobs(folder / "blobs"))


@pytest.fixture(params=[in_memory, DiskStore])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Room]:
    """A context's surroundings, with each kind of store."""
    made = room(tmp_path)
    make: Callable[[Path], Store] = request.param
    made.store = make(tmp_path / "store")
    yield made
    made.store.close()
