"""A lock on a file that one process holds at a time, and that dies with it, however it ends.

Where the system has `flock` it is used directly: it is all that `filelock` does there, and importing that package took
half of the time in which a waiting run is live again in a new process. Elsewhere `filelock` knows how. Both lock the
same file in the same way, so processes of older versions are kept out, too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from pathlib import Path
from typing import Any

RETRY_S = 0.01
_TAKEN = (errno.EACCES, errno.EAGAIN)


class LockFile:
    """An exclusive lock on the file `path`, which stays when the lock is let go."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._other: Any = None  # the lock of `filelock`, where there is no `flock`

    def acquire(self, within_s: float = 0.0) -> bool:
        """Take it; False where another process holds it all that time. The file is made where it is not there.

        Raises:
            OSError: the file cannot be opened or locked.
        """
        until = time.monotonic() + within_s
        while not self._try():
            if time.monotonic() >= until:
                return False
            time.sleep(RETRY_S)
        return True

    def release(self) -> None:
        """Let go."""
        if self._other is not None:
            self._other.release()
        self.forget()

    def forget(self) -> None:
        """Close the file alone: a forked child lets go of the descriptor, and its parent keeps the lock."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)  # the last one to be closed lets go of the lock

    def _try(self) -> bool:
        if sys.platform == "win32" or self._other is not None:
            return self._by_filelock()
        import fcntl  # is there on all other systems

        made = not self._path.exists()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _TAKEN:
                return False
            if error.errno != errno.ENOSYS:
                raise
            if made:  # on such a file system, a file that is there is the lock
                self._path.unlink(missing_ok=True)
            return self._by_filelock()
        self._descriptor = descriptor
        return True

    def _by_filelock(self) -> bool:
        import filelock  # takes as long as a tenth of this package

        self._other = self._other or filelock.FileLock(self._path, thread_local=False, is_singleton=False)
        try:
            self._other.acquire(timeout=0)
        except filelock.Timeout:
            return False
        return True
