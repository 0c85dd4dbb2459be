"""What a store keeps and promises, and a twin in memory that keeps the same promises.

Rows are bytes under text keys. Keys used: `j:RUN:BATCH` journal, `r:RUN` run row, `e:RUN` epoch, `w:TOKEN` wait,
`wo:TOKEN` one that is over, `a:RUN:ARTIFACT` artifact, `ax:` its index, `am:DIGEST` contents of a saved folder,
`d:DIGEST` definitions, `kv:LEVEL:OWNER:KEY` values of kv, `m:`, `ml:` and `m#` memory (see `services.event`); from
other processes `in:TOKEN` answers, `x:RUN` orders.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


class StoreBusy(Exception):
    """Somebody else writes just now; nothing was begun."""


class Transaction(Protocol):
    """Rows as one transaction sees them. Never keep it beyond its `with`, never await inside."""

    def get(self, key: str) -> bytes | None:
        """The row, or None."""

    def set(self, key: str, row: bytes) -> None:
        """Write the row, which is copied. Raises TypeError where the key is no text or the row is no bytes."""

    def delete(self, key: str) -> None:
        """Remove the row if it is there."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored content: size in bytes, and when it was stored last, in seconds since the epoch."""

    digest: str
    size: int
    stored: float


class Draft(Protocol):
    """A content that is being written piece by piece; discarded on leaving `with`, unless it was kept."""

    size: int

    def __enter__(self) -> Draft: ...

    def __exit__(self, *error: object) -> None: ...

    @property
    def path(self) -> Path:
        """The file, for a library that writes files itself."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data`. Raises OSError where the disk is full."""

    def digest(self) -> str:
        """The sha256 of what was written."""

    def keep(self) -> tuple[str, int]:
        """Store it; return digest and size in bytes."""

    def discard(self) -> None:
        """Let go of it; what was kept stays."""


class Blobs(Protocol):
    """Large contents, named by their sha256 in hex. The same content is stored once; what is stored is durable."""

    def put(self, data: bytes) -> str:
        """Store `data`; return its digest."""

    def put_file(self, path: Path) -> tuple[str, int]:
        """Store the content of a file, streamed; return digest and size in bytes."""

    def draft(self, suffix: str = "") -> Draft:
        """A new content that is written piece by piece."""

    def get(self, digest: str) -> bytes:
        """The whole content, verified. Raises DamagedRecord where it is gone or altered."""

    def check(self, digest: str) -> None:
        """Read it through, streamed. Raises DamagedRecord where it is gone or altered."""

    def copy(self, digest: str, target: Path) -> None:
        """A copy as the file `target`, streamed: whole and verified, or not at all."""

    def open(self, digest: str) -> BinaryIO:
        """The content as a stream, not verified. Raises DamagedRecord where it is gone."""

    def path(self, digest: str) -> Path:
        """Where the content lies as a file (read only). Raises DamagedRecord where it is gone."""

    def has(self, digest: str) -> bool:
        """Whether it is there."""

    def keep(self, digest: str) -> bool:
        """Whether it is there; a collection of garbage leaves it alone for now, as if it had been stored again."""

    def all(self) -> Iterator[Blob]:
        """Every content, in no order."""

    def move_aside(self, blob: Blob) -> bool:
        """Take a content away, to be deleted by `empty_trash`; False where it was stored again since it was listed."""

    def empty_trash(self, since: float) -> None:
        """Delete what was moved aside, and what writers that were killed left before `since`."""


class Store(Protocol):
    """One folder's worth of rows and blobs."""

    @property
    def folder(self) -> Path:
        """Where it lies."""

    @property
    def network(self) -> str:
        """The kind of network file system that it lies on; "" for a local one."""

    @property
    def blobs(self) -> Blobs:
        """Its large contents."""

    def get(self, key: str) -> bytes | None:
        """One committed row, from any thread; where that has a transaction open, the row as that sees it."""

    def scan(self, prefix: str, *, after: str = "", limit: int | None = None) -> Iterator[tuple[str, bytes]]:
        """Committed rows whose key starts with `prefix`, in key order; of these, the `limit` first `after` a key."""

    def transact(self, *, wait: bool = True) -> AbstractContextManager[Transaction]:
        """Write several rows or none, durably on leaving; one writer at a time over all processes.

        Readers do not wait for it. One that is opened inside another of the same thread is part of that.
        With `wait=False` it raises StoreBusy on entering where somebody else writes.
        """

    def compact(self) -> None:
        """Give the room of deleted rows back to the system, where nobody else uses the store at the moment."""

    def close(self) -> None:
        """Let go of files; the store can be opened again."""


class _MemoryTransaction:
    def __init__(self, rows: dict[str, bytes]) -> None:
        self.rows, self.changed = rows, dict[str, bytes | None]()

    def get(self, key: str) -> bytes | None:
        return self.changed[key] if key in self.changed else self.rows.get(key)

    def set(self, key: str, row: bytes) -> None:
        if not isinstance(key, str) or not isinstance(row, (bytes, bytearray, memoryview)):
            raise TypeError(f"a row is bytes under a text key, not {type(row).__name__} under {type(key).__name__}")
        self.changed[key] = bytes(row)

    def delete(self, key: str) -> None:
        self.changed[key] = None


class MemoryStore:
    """A store that lives as long as its process: for tests, and for runs that need not survive."""

    network = ""

    def __init__(self, folder: Path, blobs: Blobs) -> None:
        self.folder, self.blobs = folder, blobs
        self._rows: dict[str, bytes] = {}
        self._lock = threading.RLock()  # while the rows are read or changed
        self._writing = threading.Lock()  # while a transaction is open
        self._here = threading.local()  # `open`: the transaction of the thread

    def get(self, key: str) -> bytes | None:
        """One row."""
        opened: Transaction | None = getattr(self._here, "open", None)
        with self._lock:
            return self._rows.get(key) if opened is None else opened.get(key)

    def scan(self, prefix: str, *, after: str = "", limit: int | None = None) -> Iterator[tuple[str, bytes]]:
        """Rows by prefix, as they were when the scan began."""
        opened: _MemoryTransaction | None = getattr(self._here, "open", None)
        with self._lock:
            rows: dict[str, bytes | None] = {**self._rows, **opened.changed} if opened is not None else {**self._rows}
        yield from sorted((k, v) for k, v in rows.items() if v is not None and k.startswith(prefix) and k > after)[
            :limit
        ]

    @contextmanager
    def transact(self, *, wait: bool = True) -> Iterator[Transaction]:
        """All or nothing."""
        outer: Transaction | None = getattr(self._here, "open", None)
        if outer is not None:
            yield outer
            return
        if not self._writing.acquire(blocking=wait):
            raise StoreBusy
        try:
            transaction = self._here.open = _MemoryTransaction(self._rows)
            try:
                yield transaction
            finally:
                self._here.open = None
            with self._lock:
                for key, row in transaction.changed.items():
                    if row is None:
                        self._rows.pop(key, None)
                    else:
                        self._rows[key] = row
        finally:
            self._writing.release()

    def compact(self) -> None:
        """Nothing to give back."""

    def close(self) -> None:
        """Nothing to let go of."""
