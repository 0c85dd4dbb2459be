"""One daemon thread that does the work of all run views: neither a blocked cell nor a busy loop freezes them."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

LOG = logging.getLogger("aethergraph.view")

Job = Callable[[], None]


class ViewThread:
    """Runs jobs in order, and jobs that were put off when their time has come. Started with the first job."""

    def __init__(self, name: str = "aether-view") -> None:
        self._name = name
        self._changed = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._due: dict[Job, float] = {}
        self._thread: threading.Thread | None = None

    def post(self, job: Job) -> None:
        """Run `job` soon. From any thread, never blocks."""
        with self._changed:
            self._jobs.append(job)
            self._wake()

    def at(self, job: Job, when: float) -> None:
        """Run `job` at `when` (`time.monotonic()`); if it was put off already, at the earlier time."""
        with self._changed:
            known = self._due.get(job)
            if known is None or when < known:
                self._due[job] = when
                self._wake()

    def forget(self, job: Job) -> None:
        """Do not run a job that was put off."""
        with self._changed:
            self._due.pop(job, None)

    def _wake(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._changed.notify()

    def _work(self) -> None:
        while True:
            job = self._next()
            try:
                job()
            except Exception:  # a view that fails must not take the others with it
                LOG.exception("a run view could not be updated")

    def _next(self) -> Job:
        with self._changed:
            while True:
                now = time.monotonic()
                due = min(self._due, key=self._due.__getitem__, default=None)
                if due is not None and self._due[due] <= now:
                    del self._due[due]
                    return due
                if self._jobs:
                    return self._jobs.popleft()
                self._changed.wait(None if due is None else self._due[due] - now)
