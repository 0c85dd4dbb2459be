"""`Fragile`: a store that dies in the middle."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from ..storage.store import Blobs, Store, Transaction


class PowerCut(Exception):
    """What a `Fragile` store raises when and after it dies."""


class Fragile:
    """A store that dies in its `fatal`-th transaction (1 is the first), and takes no other after that.

    With `after`, that transaction is still committed, but nobody is told: like a cut between the commit and the return.
    What was committed before can be read, as after the machine is on again. `count` says how many transactions began.
    """

    def __init__(self, store: Store, fatal: int, *, after: bool = False) -> None:
        self._store, self._fatal, self._after = store, fatal, after
        self.count = 0
        self.dead = False
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where the store lies."""
        return self._store.folder

    @property
    def network(self) -> str:
        """As of the store."""
        return self._store.network

    @property
    def blobs(self) -> Blobs:
        """Its large contents."""
        return self._store.blobs

    def get(self, key: str) -> bytes | None:
        """One committed row."""
        return self._store.get(key)

    def scan(self, prefix: str, *, after: str = "", limit: int | None = None) -> Iterator[tuple[str, bytes]]:
        """Committed rows by prefix."""
        return self._store.scan(prefix, after=after, limit=limit)

    def transact(self, *, wait: bool = True) -> AbstractContextManager[Transaction]:
        """The next transaction, which may be the last."""
        return self._transact(wait)

    @contextmanager
    def _transact(self, wait: bool) -> Iterator[Transaction]:
        with self._store.transact(wait=wait) as transaction:
            with self._lock:
                if self.dead:
                    raise PowerCut(f"the power was cut in transaction {self._fatal}")
                self.count += 1
                fatal = self.count == self._fatal
            yield transaction
            if fatal and not self._after:
                self.dead = True
                raise PowerCut(f"the power was cut before the commit of transaction {self._fatal}")
        if fatal:
            self.dead = True
            raise PowerCut(f"the power was cut after the commit of transaction {self._fatal}")

    def compact(self) -> None:
        """As the store."""
        self._store.compact()

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()
