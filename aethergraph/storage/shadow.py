"""A store over another one: it reads what that has, and what is written to it is in memory and goes with it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from .store import Blobs, MemoryStore, Store, Transaction


class Shadow:
    """As `store`, which is not written to, but for contents (see `Blobs`), which are named by what they are."""

    network = ""

    def __init__(self, store: Store) -> None:
        self._store, self._own = store, MemoryStore(store.folder, store.blobs)

    @property
    def folder(self) -> Path:
        """Where the store below lies."""
        return self._store.folder

    @property
    def blobs(self) -> Blobs:
        """Large contents."""
        return self._store.blobs

    def get(self, key: str) -> bytes | None:
        """One row."""
        own = self._own.get(key)
        return self._store.get(key) if own is None else own

    def scan(self, prefix: str, *, after: str = "", limit: int | None = None) -> Iterator[tuple[str, bytes]]:
        """Rows by prefix; one that was written here hides the one below."""
        last = None
        both = heapq.merge(
            ((key, 0, row) for key, row in self._own.scan(prefix, after=after)),
            ((key, 1, row) for key, row in self._store.scan(prefix, after=after)),
        )
        for key, _, row in both:
            if key != last and limit != 0:
                yield key, row
                limit = None if limit is None else limit - 1
            last = key

    def transact(self, *, wait: bool = True) -> AbstractContextManager[Transaction]:
        """Write here."""
        return self._own.transact(wait=wait)

    def compact(self) -> None:
        """Nothing to give back."""

    def close(self) -> None:
        """The store below stays open."""
