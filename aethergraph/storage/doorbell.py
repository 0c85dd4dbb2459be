"""How a process hears, without asking again and again, that another one answered or ordered something.

After a commit that others should notice, a file of the store is touched; the system wakes who watches it. It is never
the database that is watched, which changes with each commit. `watchfiles` looks 20 times a second whether it should
stop, so where the system can be asked directly (inotify, kqueue) it is: then an idle process does not wake at all.
"""

from __future__ import annotations

import logging
import os
import selectors
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

FULL = 4096  # bytes; a larger file is begun anew

_log = logging.getLogger("aethergraph.doorbell")


def file(folder: Path) -> Path:
    """The doorbell of the store in `folder`."""
    return folder / "doorbell"


def ring(folder: Path, *, hung: bool = False) -> bool:
    """Tell all processes that run the store's runs to look at their inbox. Call it after the commit, never before.

    With `hung` the bell is somebody's who may take it down at any time, and is never put up again; False: it is gone.
    """
    try:
        handle = os.open(file(folder), os.O_WRONLY | os.O_APPEND | (0 if hung else os.O_CREAT), 0o600)
        try:
            if os.fstat(handle).st_size > FULL:
                os.ftruncate(handle, 0)
            os.write(handle, b".")
        finally:
            os.close(handle)
    except OSError as error:
        if hung and isinstance(error, FileNotFoundError):
            return False
        # The answer is committed: failing here would make the answerer believe that it is not.
        _log.warning("an answer is stored, but %s could not be rung: %s", file(folder), error)
    return True


class _Watch(Protocol):
    """A file descriptor that is ready to be read once the file has changed."""

    def fileno(self) -> int:
        """For a selector."""

    def take(self) -> bool:
        """Take what was heard; False where the file is gone, so that it has to be watched anew."""

    def close(self) -> None:
        """Let go of it."""


if sys.platform == "linux":
    _MODIFY, _GONE, _IGNORED = 0x2, 0x400 | 0x800, 0x8000  # IN_MODIFY, IN_DELETE_SELF | IN_MOVE_SELF, IN_IGNORED

    class _Inotify:
        def __init__(self, path: Path) -> None:
            import ctypes

            libc = ctypes.CDLL(None, use_errno=True)
            self._fd: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
            watched = self._fd >= 0 and libc.inotify_add_watch(self._fd, os.fsencode(path), _MODIFY | _GONE) >= 0
            if not watched:
                error = ctypes.get_errno()
                self.close()
                raise OSError(error, os.strerror(error), str(path))

        def fileno(self) -> int:
            return self._fd

        def take(self) -> bool:
            events, there = os.read(self._fd, 1 << 16), True
            while events:  # int watch, u32 mask, u32 cookie, u32 length, name
                mask, length = (int.from_bytes(events[at : at + 4], sys.byteorder) for at in (4, 12))
                there = there and not mask & (_GONE | _IGNORED)
                events = events[16 + length :]
            return there

        def close(self) -> None:
            if self._fd >= 0:
                os.close(self._fd)

    _watch: Callable[[Path], _Watch] | None = _Inotify
elif sys.platform == "win32":
    _watch = None
else:
    import select

    class _Kqueue:
        def __init__(self, path: Path) -> None:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._queue = select.kqueue()
            changed = select.KQ_NOTE_WRITE | select.KQ_NOTE_EXTEND | select.KQ_NOTE_DELETE | select.KQ_NOTE_RENAME
            how = select.KQ_EV_ADD | select.KQ_EV_CLEAR
            self._queue.control([select.kevent(self._file, select.KQ_FILTER_VNODE, how, changed)], 0)

        def fileno(self) -> int:
            return self._queue.fileno()

        def take(self) -> bool:
            gone = select.KQ_NOTE_DELETE | select.KQ_NOTE_RENAME
            return not any(event.fflags & gone for event in self._queue.control(None, 16, 0))

        def close(self) -> None:
            self._queue.close()
            os.close(self._file)

    _watch = _Kqueue


class Doorbell:
    """Hears `ring`, also from other processes.

    The callback runs on a daemon thread: once as soon as the watch stands (what rang before that was not heard) and
    after each ring; rings that came during a callback are one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._stop: tuple[int, int] | None = None  # a pipe: its other end wakes the thread

    def start(self, callback: Callable[[], object], deaf: Callable[[], object] = lambda: None) -> None:
        """Begin to listen. Where the folder cannot be watched, `deaf` is called: now, or from the thread.

        The thread puts up the watch, and loads what that takes: a run that goes on need not wait for it.
        """
        self._stopping.clear()
        listen = self._by_watchfiles
        try:
            file(self.folder).touch(mode=0o600)
            if _watch is not None:
                self._stop, listen = os.pipe(), self._by_system
        except OSError as error:
            _cannot(error, deaf)
            return
        self._thread = threading.Thread(target=listen, args=(callback, deaf), name="aether-doorbell", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and wait until the thread has ended."""
        self._stopping.set()
        if self._stop is not None:
            os.write(self._stop[1], b".")
        if self._thread is threading.current_thread():
            return
        if self._thread is not None:
            self._thread.join()
        for end in self._stop or ():
            os.close(end)
        self._thread = self._stop = None

    # ------------------------------------------------------------------ by inotify or kqueue

    def _by_system(self, callback: Callable[[], object], deaf: Callable[[], object]) -> None:
        try:
            watch: _Watch | None = self._watched()
        except (OSError, ImportError, AttributeError) as error:  # AttributeError: a C library without inotify
            _cannot(error, deaf)
            return
        try:
            while watch is not None:
                _call(callback)
                watch = self._hear(watch, callback)
        except OSError as error:
            _log.warning("stopped listening for answers from other processes: %s", error)

    def _watched(self) -> _Watch:
        file(self.folder).touch(mode=0o600)
        if _watch is None:
            raise OSError("this system has neither inotify nor kqueue")
        return _watch(file(self.folder))

    def _hear(self, watch: _Watch, callback: Callable[[], object]) -> _Watch | None:
        """Listen until told to stop (None) or until the file was taken away (a new watch)."""
        with selectors.DefaultSelector() as selector:
            selector.register(watch.fileno(), selectors.EVENT_READ)
            if self._stop is not None:
                selector.register(self._stop[0], selectors.EVENT_READ)
            try:
                while not self._stopping.is_set():
                    selector.select()
                    if self._stopping.is_set():
                        return None
                    if not watch.take():
                        return self._watched()
                    _call(callback)
                return None
            finally:
                watch.close()

    # ------------------------------------------------------------------ by watchfiles

    def _by_watchfiles(self, callback: Callable[[], object], deaf: Callable[[], object]) -> None:
        try:
            import watchfiles
        except ImportError as error:
            _cannot(error, deaf)
            return
        armed = _Armed(self._stopping, lambda: _call(callback))
        try:
            for _ in watchfiles.watch(
                file(self.folder), watch_filter=None, debounce=50, stop_event=armed, raise_interrupt=False
            ):
                _call(callback)
        except (OSError, RuntimeError) as error:  # watchfiles raises these where the system cannot watch
            _log.warning("stopped listening for answers from other processes: %s", error)


class _Armed:
    """The stop event that watchfiles asks again and again; its first question tells that the watch stands."""

    def __init__(self, stopping: threading.Event, first: Callable[[], None]) -> None:
        self.stopping, self.first = stopping, first
        self.asked = False

    def is_set(self) -> bool:
        if not self.asked:
            self.asked = True
            self.first()
        return self.stopping.is_set()


def _cannot(error: Exception, deaf: Callable[[], object]) -> None:
    _log.warning("cannot listen for answers from other processes: %s", error)
    deaf()


def _call(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:  # noqa: BLE001  # the engine's callback: one failure must not deafen the store
        _log.exception("looking at the answered questions failed")
