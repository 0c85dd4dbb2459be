"""The connections of a process to the database file of a store: one for each thread, which closes it when it ends."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from pathlib import Path

BUSY_S = 60.0  # how long to wait for another process's transaction


class Closer:
    """Lies beside a thread's connection and closes it when the thread ends: by SQLite's rules, nobody else may."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.patient = True

    def __del__(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # collected by another thread after all: the system closes it
            self.connection.close()


class Connections:
    """Connections to `file`, made when a thread needs one.

    synchronous: how carefully each of them commits, as SQLite counts it (1 NORMAL, 2 FULL).
    """

    def __init__(self, file: Path, synchronous: int) -> None:
        self._file = file
        self._pragmas = (
            f"PRAGMA synchronous = {synchronous}",
            "PRAGMA cache_size = 8192",  # pages
            "PRAGMA mmap_size = 0",  # a file cut short under a mapping kills the process; a read of it is an error
        )
        self._local = threading.local()

    @property
    def here(self) -> sqlite3.Connection:
        """That of the calling thread; nothing is in a transaction that was not begun. A forked child has its own."""
        return self._which(patient=True)

    @property
    def hasty(self) -> sqlite3.Connection:
        """The same, but it fails at once where it would have to wait for another; it is so until `here` is asked for.

        SQLite compiles what changes that anew each time, which takes as long as to begin a transaction: many that do
        not wait come one after the other.
        """
        return self._which(patient=False)

    def _which(self, *, patient: bool) -> sqlite3.Connection:
        closer: Closer | None = getattr(self._local, "closer", None)
        if closer is None or self._local.process != os.getpid():
            closer = self._open()
        if closer.patient is not patient:
            closer.connection.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000) if patient else 0}")
            closer.patient = patient
        return closer.connection

    def _open(self) -> Closer:
        closer = Closer(sqlite3.connect(self._file, timeout=BUSY_S, isolation_level=None))
        for pragma in self._pragmas:
            closer.connection.execute(pragma)
        self._local.closer, self._local.process = closer, os.getpid()
        return closer

    def close(self) -> None:
        """Let go of the calling thread's; it gets another one when it needs it."""
        closer: Closer | None = getattr(self._local, "closer", None)
        if closer is not None:
            closer.connection.close()
            del self._local.closer
