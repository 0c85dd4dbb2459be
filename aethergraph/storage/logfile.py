"""The file of SQLite's write-ahead log, made longer in large steps while it grows.

A commit that makes the file longer has the file system write its own records, too, before it is on disk: it takes
twice as long as one that writes where the file has room already. SQLite begins each log with an empty file and grows it
by each commit, up to some four MiB, where it begins anew at the front. So zeros are put at its end, ahead of need. By
the format of the log (sqlite.org/fileformat2.html, section 4.3), what does not carry the salt of its header is no part
of it: zeros are room to SQLite, also after a crash.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

EVERY = 8  # commits from one look to the next
STEP = 1 << 20  # bytes
ENOUGH = 4 << 20  # bytes; SQLite begins at the front again about here (its 1,000 pages)

_ZEROS = bytes(STEP)


class LogFile:
    """The log beside `database`, if it has one."""

    def __init__(self, database: Path) -> None:
        self._file = f"{database}-wal"
        self._commits = 0
        self._size: int | None = None  # at the last look

    def will_commit(self) -> None:
        """A transaction is about to be committed, and so no other process writes: give the log room if it grows."""
        self._commits += 1
        if self._commits % EVERY == 0:
            with contextlib.suppress(OSError):  # no log, no right, no space: it is only for speed
                self._look()

    def _look(self) -> None:
        before, self._size = self._size, os.stat(self._file).st_size
        if before is not None and before < self._size < ENOUGH:
            self._stretch()

    def _stretch(self) -> None:
        file = os.open(self._file, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
        try:
            os.write(file, _ZEROS)
        finally:
            os.close(file)
        self._size = os.stat(self._file).st_size
