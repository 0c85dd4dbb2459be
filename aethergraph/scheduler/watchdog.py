"""The thread that looks whether a loop with runs on it still turns, and says what blocks it.

It costs a node nothing: the loop counts its turns anyway. It looks once in `EVERY_S` while a loop is at work; a loop
that it finds asleep wakes it when it begins again, so that a process at rest stays at rest.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import partial

from .blocking import find, tell
from .heart import Heart

_log = logging.getLogger("aethergraph.watchdog")
EVERY_S = 1.0
# A callback that ran at the first of so many looks and the last has blocked for 2 s. Looks, not seconds, are counted:
# a process that was stopped, or asleep with its machine, has not blocked anything meanwhile.
LOOKS = 3


class Watchdog:
    """One for the process; its daemon thread starts when a loop first wakes up."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._awake: dict[Heart, tuple[int, int]] = {}  # the beat of the last look, and in how many it was the same
        self._thread: threading.Thread | None = None

    @property
    def awake(self) -> list[Heart]:
        """The loops that it looks at now."""
        with self._changed:
            return list(self._awake)

    def watch(self, heart: Heart) -> None:
        """Look after this loop from the next time on that it wakes up."""
        heart.rouse = partial(self.roused, heart)

    def forget(self, heart: Heart) -> None:
        """Do not look at it any more."""
        heart.rouse = None
        with self._changed:
            self._awake.pop(heart, None)

    def roused(self, heart: Heart) -> None:
        """It woke up."""
        heart.rouse = None
        with self._changed:
            self._awake[heart] = (-1, 0)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="aether-watchdog", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._awake:
                    self._changed.wait()
            time.sleep(EVERY_S)
            try:
                self.look()
            except Exception:  # noqa: BLE001 (what is wrong with one run must not leave the others unwatched)
                _log.exception("looking at what blocks a loop failed")

    def look(self) -> None:
        """Look once at each loop that is awake."""
        for heart in self.awake:
            if heart.asleep:
                self._rest(heart)
                continue
            with self._changed:
                beat, same = self._awake.get(heart, (-1, 0))
                same = same + 1 if beat == heart.beats else 1
                if heart in self._awake:
                    self._awake[heart] = (heart.beats, same)
            if same >= LOOKS and heart.thread is not None:
                blocking = find(heart.thread)
                if blocking is not None:
                    tell(blocking)

    def _rest(self, heart: Heart) -> None:
        self.forget(heart)
        self.watch(heart)
        if not heart.asleep and heart.rouse is not None:  # it woke up in between, and roused nobody
            self.roused(heart)


WATCHDOG = Watchdog()
