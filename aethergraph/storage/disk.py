"""The store on disk: one folder, one SQLite file driven by diskcache, and a folder of blobs.

diskcache is made for caches, so three of its habits are turned off here, each tested: it forgets rows (eviction,
1 GiB limit), it pickles what is no text or bytes, and it moves large rows to files that it does not flush. Its
transactions belong to the thread: never await inside one. A transaction that cannot begin is retried only while the
database is busy; `Cache.transact(retry=True)` would spin for ever on a full or read-only disk.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import diskcache  # type: ignore[import-untyped]

from ..errors import DamagedRecord, NewerStore
from ..record.facts import FORMAT
from . import mounts
from .blobs import DiskBlobs
from .store import Blobs, Transaction

HOME = "AETHERGRAPH_HOME"
NAME = ".aethergraph"
BUSY_S = 60.0  # how long to wait for another process's transaction
NEVER_A_FILE = 1 << 40  # bytes; no row is that large
FORMAT_KEY = "format"
CHECK_SIZE = 4  # bytes of the checksum before each row
SYNCHRONOUS = {"power": 2, "process": 1}  # SQLite's FULL and NORMAL

_log = logging.getLogger("aethergraph.disk")

Durability = Literal["power", "process"]


class _Disk(diskcache.Disk):  # type: ignore[misc]
    """Text keys and raw bytes, nothing else: reading a store never unpickles."""

    def put(self, key: Any) -> tuple[str, bool]:
        if type(key) is not str:
            raise TypeError(f"keys of a store are text, not {type(key).__name__}")
        return key, True

    def get(self, key: Any, raw: Any) -> str:
        return str(key)

    def store(self, value: Any, read: Any, key: Any = None) -> tuple[int, int, None, bytes]:
        if type(value) is not bytes:
            raise TypeError(f"rows of a store are bytes, not {type(value).__name__}")
        return 0, diskcache.core.MODE_RAW, None, value

    def fetch(self, mode: Any, filename: Any, value: Any, read: Any) -> bytes:
        if mode != diskcache.core.MODE_RAW or type(value) is not bytes:
            return b""  # fails its checksum
        return value


class _Closer:
    """Lies beside a thread's connection and closes it when the thread ends: by SQLite's rules, nobody else may."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # collected by another thread after all: the system closes it
            self.connection.close()


class _Cache(diskcache.Cache):  # type: ignore[misc]
    """A cache that opens without writing where its settings are stored already, and has no index that we do not use.

    diskcache writes each setting twice at every opening, some fifty commits: a third of a second on a slow disk.
    """

    def __init__(self, folder: str, settings: dict[str, Any]) -> None:
        if not self._is_made(folder, settings):
            self.close()
            super().__init__(folder, timeout=BUSY_S, disk=_Disk, **settings)

    def _is_made(self, folder: str, settings: dict[str, Any]) -> bool:
        """Whether a store lies there already, with these settings: then it is open.

        diskcache looks at each setting, table and trigger anew, which is a tenth of what a run waits for that goes on.
        """
        self._directory, self._timeout, self._local, self._txn_id = folder, BUSY_S, threading.local(), None
        self._disk = _Disk(folder)
        if not Path(folder, diskcache.core.DBNAME).exists():
            return False
        try:
            stored = dict(self._sql("SELECT key, value FROM Settings").fetchall())
            # Written last when a store is made: with it, all tables are there.
            made = self._sql(_GET, (FORMAT_KEY,)).fetchone() is not None
        except sqlite3.OperationalError:  # another process is making it
            return False
        return made and settings.items() <= stored.items()

    @property
    def _con(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = super()._con
        closer = getattr(self._local, "closer", None)
        if closer is None or closer.connection is not connection:
            self._local.closer = _Closer(connection)
        return connection

    @property
    def _sql_retry(self) -> Callable[..., Any]:
        execute = super()._sql_retry

        def unless_same(statement: str, args: tuple[Any, ...] = ()) -> Any:
            if statement.startswith(("INSERT OR REPLACE INTO Settings", "UPDATE Settings SET value = ? WHERE key = ?")):
                key, value = args if statement.startswith("INSERT") else reversed(args)
                if execute("SELECT value FROM Settings WHERE key = ?", (key,)).fetchall() == [(value,)]:
                    return None
            if statement.startswith(_INDEX):
                return None
            return execute(statement, args)

        return unless_same


class DiskStore:
    """One folder's worth of rows and blobs, shared by any number of threads and processes.

    With `durability="power"` what was committed survives a power cut; with "process" only the death of the process.
    `close()` lets go of the calling thread's connection; those of other threads close when their threads end.

    Raises:
        NewerStore: a newer version wrote it.
        NotADirectoryError: a file lies there, or where one of the folders above it would be.
        DamagedRecord: its database file is no database any more.
    """

    def __init__(self, folder: Path, *, durability: Durability = "power") -> None:
        self.folder = Path(folder)
        self._make_folder()
        self.blobs: Blobs = DiskBlobs(self.folder / "blobs")
        _refuse_newer(self.folder)
        self.network = mounts.network(self.folder)
        if self.network:
            _log.warning(
                "%s lies on a network file system (%s): commits are slow there, and answers of other machines are "
                "looked for now and then; with %s=FOLDER the store is on a local disk",
                self.folder, self.network, HOME,
            )  # fmt: skip
        try:
            self._cache = self._open(durability)
            if self.get(FORMAT_KEY) is None:
                with self.transact() as rows:
                    rows.set(FORMAT_KEY, str(FORMAT).encode())
        except sqlite3.DatabaseError as error:
            raise _story(self.folder, error) from error

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise _no_folder(self.folder) from error
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")

    def _open(self, durability: Durability) -> Any:
        return _Cache(
            str(self.folder),
            {
                "disk_min_file_size": NEVER_A_FILE,
                "eviction_policy": "none",
                "cull_limit": 0,
                "size_limit": NEVER_A_FILE,
                "statistics": 0,
                "sqlite_synchronous": SYNCHRONOUS[durability],
                "sqlite_journal_mode": "delete" if self.network else "wal",  # WAL needs memory that all processes share
                "sqlite_mmap_size": 0,  # a file cut short under a mapping kills the process; a read of it is an error
                "sqlite_auto_vacuum": 0,
            },
        )

    @property
    def doorbell(self) -> Path:
        """The file that is touched after a commit that other processes should notice."""
        return self.folder / "doorbell"

    def get(self, key: str) -> bytes | None:
        """One committed row, from any thread. Raises DamagedRecord where it is altered."""
        try:
            return _read(self._cache, key)
        except sqlite3.DatabaseError as error:
            raise _story(self.folder, error, key) from error

    def scan(self, prefix: str, *, after: str = "", limit: int | None = None) -> Iterator[tuple[str, bytes]]:
        """Committed rows whose key starts with `prefix`, in key order, as they were at one instant."""
        # diskcache can only walk all keys: this asks its table directly, by its own connection, as `_SET` writes to it.
        # One lower bound: of two, SQLite would enter its index at the first and step over all that the second excludes.
        bound, most = _beyond(prefix), -1 if limit is None else limit
        begins, first = ("key > ?", after) if after >= prefix else ("key >= ?", prefix)
        within, ends = ("AND key < ?", (bound,)) if bound else ("", ())
        query = f"SELECT key, value FROM Cache WHERE raw = 1 AND {begins} {within} ORDER BY key LIMIT ?"
        try:
            found = self._cache._sql(query, (first, *ends, most)).fetchall()
        except sqlite3.DatabaseError as error:
            raise _story(self.folder, error, prefix + "*") from error
        for key, sealed in found:
            yield key, _unseal(key, sealed)

    def transact(self) -> AbstractContextManager[Transaction]:
        """Write several rows or none, durably on leaving; one writer at a time over all processes."""
        return _Transaction(self.folder, self._cache)

    def compact(self) -> None:
        """Give the room of deleted rows back to the system, where nobody else uses the store at the moment."""
        with contextlib.suppress(sqlite3.OperationalError, diskcache.Timeout):  # in use: the room is used again
            self._cache._sql("VACUUM")

    def close(self) -> None:
        """Let go of files; the store can be opened again."""
        self._cache.close()


# What diskcache's `set` comes to for a row of ours. It looks the row up first and then culls, in four nested context
# managers, which would be 60 us of each commit of a journal. The file stays one that diskcache reads and writes. It
# keeps times only to decide what to forget: 0 takes no room, a time 16 bytes a row.
_SET = (
    "INSERT INTO Cache(key, raw, store_time, access_time, mode, value) VALUES (?, 1, 0, 0, ?, ?)"
    " ON CONFLICT(key, raw) DO UPDATE SET value = excluded.value"
)
# Likewise: rows of ours never expire, are never culled, and lie in no file beside the database.
_GET = "SELECT value FROM Cache WHERE key = ? AND raw = 1"
_DELETE = "DELETE FROM Cache WHERE key = ? AND raw = 1"
_INDEX = "CREATE INDEX IF NOT EXISTS Cache_expire_time"  # of rows that expire: ours never do


class _Transaction:
    """Rows inside one BEGIN IMMEDIATE ... COMMIT of the calling thread."""

    def __init__(self, folder: Path, cache: Any) -> None:
        self._folder, self._cache = folder, cache
        self._open: Any = None

    def __enter__(self) -> Transaction:
        until = time.monotonic() + BUSY_S
        while True:
            opened = self._cache.transact()
            try:
                opened.__enter__()
            except diskcache.Timeout as error:
                cause = error.__context__  # diskcache hides what SQLite said
                if isinstance(cause, sqlite3.Error) and not (_busy(cause) and time.monotonic() < until):
                    raise _story(self._folder, cause) from cause
            else:
                self._open = opened
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            self._open.__exit__(kind, error, trace)
        except BaseException as failed:
            # A commit that fails leaves the transaction open, and the next BEGIN would never succeed; and SQLite undoes
            # it by itself when the disk is full, so that diskcache's own ROLLBACK fails and hides the reason.
            if self._cache._con.in_transaction:
                self._cache._con.execute("ROLLBACK")
            reason = error or failed
            if isinstance(reason, sqlite3.Error):
                raise _story(self._folder, reason) from reason
            if failed is not error and error is None:
                raise
        return None

    def get(self, key: str) -> bytes | None:
        return _read(self._cache, key)

    def set(self, key: str, row: bytes) -> None:
        if not isinstance(key, str) or not isinstance(row, (bytes, bytearray, memoryview)):
            raise TypeError(f"a row is bytes under a text key, not {type(row).__name__} under {type(key).__name__}")
        self._cache._sql(_SET, (key, diskcache.core.MODE_RAW, _seal(key, bytes(row))))

    def delete(self, key: str) -> None:
        self._cache._sql(_DELETE, (key,))


def _read(cache: Any, key: str) -> bytes | None:
    found = cache._sql(_GET, (key,)).fetchone()
    return None if found is None else _unseal(key, found[0])


def find_store(start: Path) -> Path:
    """The store for work in `start`: `AETHERGRAPH_HOME`, else the `.aethergraph` found walking up, else one there."""
    home = os.environ.get(HOME)
    if home:
        return Path(home).expanduser().absolute()
    start = Path(start).absolute()
    for folder in (start, *start.parents):
        if (folder / NAME).is_dir():
            return folder / NAME
    return start / NAME


def _refuse_newer(folder: Path) -> None:
    """Look at the format before diskcache writes anything, so a newer store is left exactly as it was."""
    file = folder / diskcache.core.DBNAME
    if not file.exists():
        return
    connection = sqlite3.connect(file, timeout=BUSY_S)
    try:
        found = connection.execute("SELECT value FROM Cache WHERE key = ? AND raw = 1", (FORMAT_KEY,)).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise _story(folder, error) from error
        return  # made this instant by another process, which has not come to the tables yet
    except sqlite3.DatabaseError as error:
        raise _story(folder, error) from error
    finally:
        connection.close()
    if found is not None and int(_unseal(FORMAT_KEY, found[0])) > FORMAT:
        raise NewerStore(str(folder), int(_unseal(FORMAT_KEY, found[0])), FORMAT)


def _beyond(prefix: str) -> str:
    """The first text that is greater than all that begin with `prefix`; "" where there is none."""
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return ""
    last = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if last == 0xD800 else last)  # between the two no text can be encoded


def _seal(key: str, row: bytes) -> bytes:
    return zlib.crc32(row, zlib.crc32(key.encode())).to_bytes(CHECK_SIZE, "big") + row


def _unseal(key: str, sealed: Any) -> bytes:
    """The row without its checksum, which tells a flipped bit or a row under a wrong key."""
    row = bytes(sealed)[CHECK_SIZE:] if isinstance(sealed, bytes) else b""
    if _seal(key, row) != sealed:
        raise DamagedRecord(f"the row {key!r}", "it does not have its checksum")
    return row


def _busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and any(word in str(error) for word in ("locked", "busy"))


def _no_folder(folder: Path) -> NotADirectoryError:
    """What to raise where a file lies where the store is to be."""
    file = next(path for path in (folder, *folder.parents) if path.is_file())
    named = os.environ.get(HOME)
    told = f"{HOME}={named} names it: let it name a folder" if named else f"move it away, or set {HOME} to a folder"
    return NotADirectoryError(f"the store needs a folder {folder}, but {file} is a file; {told}")


def _story(folder: Path, error: sqlite3.Error, key: str = "") -> Exception:
    """What to raise for an error of SQLite: damage is told apart from a disk that is full, read only or gone."""
    damaged = isinstance(error, sqlite3.DatabaseError) and any(
        word in str(error) for word in ("malformed", "not a database", "corrupt")
    )
    if damaged:
        what = f"the row {key!r} of {folder}" if key else f"the database {folder / diskcache.core.DBNAME}"
        return DamagedRecord(what, str(error))
    return OSError(f"the store {folder} cannot be used: {error}")
