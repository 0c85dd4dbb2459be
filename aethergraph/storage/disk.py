"""The store on disk: one folder, one SQLite file, and a folder of blobs.

The file is made by diskcache (see `making`), which can read and write it; rows of ours are read and written here by
SQLite itself. Transactions belong to the thread: never await inside one. One that cannot begin is tried again only
while the database is busy: a full or read-only disk would be tried for ever.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from ..errors import DamagedRecord, NewerStore
from ..record.facts import FORMAT
from . import mounts
from .blobs import DiskBlobs
from .connections import BUSY_S, Connections
from .logfile import LogFile
from .store import Blobs, StoreBusy, Transaction

HOME = "AETHERGRAPH_HOME"
NAME = ".aethergraph"
DATABASE = "cache.db"  # as diskcache calls it
RAW = 1  # the mode of bytes in the table of diskcache
NEVER_A_FILE = 1 << 40  # bytes; no row is that large
FORMAT_KEY = "format"
CHECK_SIZE = 4  # bytes of the checksum before each row
SIDE_FILES = 1 << 16  # bytes; what the shared memory and the head of the log of a store take at least
SYNCHRONOUS = {"power": 2, "process": 1}  # SQLite's FULL and NORMAL

_log = logging.getLogger("aethergraph.disk")

Durability = Literal["power", "process"]


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
        self._connections = Connections(self.folder / DATABASE, SYNCHRONOUS[durability])
        self._log = LogFile(self.folder / DATABASE)
        made, known = self._known()
        self.network = mounts.network(self.folder)
        if self.network:
            _log.warning(
                "%s lies on a network file system (%s): commits are slow there, and answers of other machines are "
                "looked for now and then; with %s=FOLDER the store is on a local disk",
                self.folder, self.network, HOME,
            )  # fmt: skip
        settings = self._settings(durability)
        if not (made and settings.items() <= known.items()):
            self.close()  # the way in which the file is written may be changed only where nobody has it open
            self._make(settings)

    def _make(self, settings: dict[str, Any]) -> None:
        from . import making  # with diskcache, which a store that is there does not need

        try:
            making.make(self.folder, settings)
            if self.get(FORMAT_KEY) is None:  # last: where it is, all tables are
                with self.transact() as rows:
                    rows.set(FORMAT_KEY, str(FORMAT).encode())
        except sqlite3.DatabaseError as error:
            raise _story(self.folder, error) from error

    def _known(self) -> tuple[bool, dict[str, Any]]:
        """Whether a store was made here, and the settings on record; asked before anything is written.

        The connection is kept: the last one to be closed would put the log, which a kill has left, where it belongs.

        Raises:
            NewerStore: a newer version wrote it; it is left exactly as it was.
        """
        if not (self.folder / DATABASE).exists():
            return False, {}
        try:
            found = _read(self._connections.here, FORMAT_KEY)
            if found is None:
                return False, {}
            if int(found) > FORMAT:
                raise NewerStore(str(self.folder), int(found), FORMAT)
            return True, dict(self._connections.here.execute("SELECT key, value FROM Settings").fetchall())
        except BaseException as error:
            if isinstance(error, sqlite3.OperationalError) and "no such table" in str(error):
                return False, {}  # made this instant by another process, which has not come to the tables yet
            self.close()
            if isinstance(error, sqlite3.DatabaseError):
                raise _story(self.folder, error) from error
            raise

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise _no_folder(self.folder) from error
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")

    def _settings(self, durability: Durability) -> dict[str, Any]:
        """What is on record of how the store is to be kept."""
        return {
            "disk_min_file_size": NEVER_A_FILE,
            "eviction_policy": "none",
            "cull_limit": 0,
            "size_limit": NEVER_A_FILE,
            "statistics": 0,
            "sqlite_synchronous": SYNCHRONOUS[durability],
            "sqlite_journal_mode": "delete" if self.network else "wal",  # WAL needs memory that all processes share
            "sqlite_mmap_size": 0,
            "sqlite_auto_vacuum": 0,
        }

    @property
    def doorbell(self) -> Path:
        """The file that is touched after a commit that other processes should notice."""
        return self.folder / "doorbell"

    def get(self, key: str) -> bytes | None:
        """One committed row, from any thread. Raises DamagedRecord where it is altered."""
        try:
            return _read(self._connections.here, key)
        except sqlite3.DatabaseError as error:
            raise _story(self.folder, error, key) from error

    def scan(self, prefix: str, *, after: str = "", limit: int | None = None) -> Iterator[tuple[str, bytes]]:
        """Committed rows whose key starts with `prefix`, in key order, as they were at one instant."""
        # One lower bound: of two, SQLite would enter its index at the first and step over all that the second excludes.
        bound, most = _beyond(prefix), -1 if limit is None else limit
        begins, first = ("key > ?", after) if after >= prefix else ("key >= ?", prefix)
        within, ends = ("AND key < ?", (bound,)) if bound else ("", ())
        query = f"SELECT key, value FROM Cache WHERE raw = 1 AND {begins} {within} ORDER BY key LIMIT ?"
        try:
            found = self._connections.here.execute(query, (first, *ends, most)).fetchall()
        except sqlite3.DatabaseError as error:
            raise _story(self.folder, error, prefix + "*") from error
        for key, sealed in found:
            yield key, _unseal(key, sealed)

    def transact(self, *, wait: bool = True) -> AbstractContextManager[Transaction]:
        """Write several rows or none, durably on leaving; one writer at a time over all processes."""
        if self.network and not wait:  # without a log beside it, a commit has to wait for those who read
            raise StoreBusy
        return _Transaction(self.folder, self._connections, self._log, wait)

    def compact(self) -> None:
        """Give the room of deleted rows back to the system, where nobody else uses the store at the moment."""
        with contextlib.suppress(sqlite3.OperationalError):  # in use: the room is used again
            self._connections.here.execute("VACUUM")

    def close(self) -> None:
        """Let go of files; the store can be opened again."""
        self._connections.close()


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


class _Transaction:
    """Rows inside one BEGIN IMMEDIATE ... COMMIT of the calling thread; one inside another is a part of it."""

    def __init__(self, folder: Path, connections: Connections, log: LogFile, wait: bool) -> None:
        self._folder, self._connections, self._log, self._wait = folder, connections, log, wait
        self._begun = False

    def __enter__(self) -> Transaction:
        until = time.monotonic() + BUSY_S
        while True:
            try:
                self._connection = self._connections.here if self._wait else self._connections.hasty
                if not self._connection.in_transaction:
                    self._connection.execute("BEGIN IMMEDIATE")
                    self._begun = True
            except sqlite3.Error as error:
                if not self._wait and _busy(error):
                    raise StoreBusy from error
                if not (_busy(error) and time.monotonic() < until):
                    raise _story(self._folder, error) from error
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._begun:
            return
        try:
            if error is None:
                self._log.will_commit()
                self._commit()
        except sqlite3.Error as failed:
            raise _story(self._folder, failed) from failed
        finally:
            # A commit that fails leaves the transaction open, and the next BEGIN would never succeed; and SQLite undoes
            # it by itself when the disk is full.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise _story(self._folder, error) from error

    def _commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if self._wait or not _busy(error):
                raise
            # There is no log beside the file, whoever changed that: who reads is waited for, or all would be lost.
            self._connections.here.execute("COMMIT")

    def get(self, key: str) -> bytes | None:
        return _read(self._connection, key)

    def set(self, key: str, row: bytes) -> None:
        if not isinstance(key, str) or not isinstance(row, (bytes, bytearray, memoryview)):
            raise TypeError(f"a row is bytes under a text key, not {type(row).__name__} under {type(key).__name__}")
        self._connection.execute(_SET, (key, RAW, _seal(key, bytes(row))))

    def delete(self, key: str) -> None:
        self._connection.execute(_DELETE, (key,))


def _read(connection: sqlite3.Connection, key: str) -> bytes | None:
    found = connection.execute(_GET, (key,)).fetchone()
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
        what = f"the row {key!r} of {folder}" if key else f"the database {folder / DATABASE}"
        return DamagedRecord(what, str(error))
    why = f"{error}; its disk is full" if "I/O" in str(error) and _is_full(folder) else str(error)
    return OSError(f"the store {folder} cannot be used: {why}")


def _is_full(folder: Path) -> bool:
    """Whether the disk has no room for what SQLite makes beside its file; it calls that an I/O error."""
    import shutil  # only where something is wrong

    try:
        return shutil.disk_usage(folder).free < SIDE_FILES
    except OSError:  # it is gone altogether
        return False
