"""Following a run: its facts folded into a picture, and the static copy of that published where the run was shown."""

from __future__ import annotations

import contextvars
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from aethergraph.lifecycle import hub
from aethergraph.record import facts as f
from aethergraph.record.status import RunStatus
from aethergraph.views.picture import Picture

from .settings import settings
from .static_copy import bundle

if TYPE_CHECKING:
    from aethergraph.lifecycle.running import Run

_OVER = (f.RunDone, f.RunFailed, f.RunPaused, f.RunCancelled, f.RunContinued)


def fold(picture: Picture, facts: Iterable[Any]) -> None:
    """Take `facts` into `picture`."""
    for fact in facts:
        picture.fold(fact)


def publish(data: dict[str, Any], display_id: str = "", *, update: bool = False) -> None:
    """Show `data` in the current cell, or in the place where `display_id` was shown before."""
    from IPython.display import publish_display_data

    display: Any = publish_display_data
    display(data, transient={"display_id": display_id} if display_id else {}, update=update)


class StaticCopy:
    """The static copy of one run in one cell, published again when it is worth it. Caller holds the picture's lock."""

    def __init__(self, run: Run, picture: Picture) -> None:
        self._run, self._picture = run, picture
        self._id = f"aether-{uuid.uuid4().hex}"
        self._cell = contextvars.copy_context()  # so that it goes to the cell where the run was shown
        self._last: dict[str, str] | None = None
        self.at = 0.0

    def after(self, run: Run, picture: Picture) -> StaticCopy:
        """That of `run`, in the place of this one."""
        other = StaticCopy(run, picture)
        other._id, other._cell, other._last, other.at = self._id, self._cell, self._last, self.at
        return other

    def publish(self, *, live: bool) -> None:
        """Publish it if it differs from the last one."""
        if settings.static == "off":
            return
        data = bundle(self._picture, live=live, small=settings.static == "small", blobs=hub.current().store.blobs)
        self.at = time.monotonic()
        if data != self._last:
            update, self._last = self._last is not None, data
            self._cell.copy().run(publish, data, self._id, update=update)


class Follower:
    """Folds the facts of a run into a picture. Facts come on any thread and are folded by whoever looks next."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.picture = Picture()
        self.picture.run_id, self.picture.name = run.run_id, run.name  # its first fact may not be on disk yet
        self.lock = threading.RLock()
        self.ended = False  # no process runs it any more
        self._inbox: deque[Iterable[Any]] = deque()
        self.copy = StaticCopy(run, self.picture)

    def after(self, run: Run) -> Follower:
        """One that follows `run` where this one was shown."""
        other = Follower(run)
        other.copy = self.copy.after(run, other.picture)
        return other

    def take(self, facts: Iterable[Any]) -> bool:
        """Keep new facts for later; whether the run has come to an end."""
        self._inbox.append(facts)
        for fact in facts:
            if isinstance(fact, _OVER):
                self.ended = True
            elif isinstance(fact, f.RunOpened):
                self.ended = False
        return self.ended

    def fold(self) -> None:
        """Fold what came in. Caller holds `lock`."""
        while self._inbox:
            for fact in self._inbox.popleft():
                self.picture.fold(fact)

    @property
    def live(self) -> bool:
        """Whether some process runs the run."""
        return not self.ended and (self.run.live or self.run.status in (RunStatus.RUNNING, RunStatus.WAITING))

    def publish(self) -> None:
        """Bring the static copy up to date."""
        with self.lock:
            self.fold()
            self.copy.publish(live=self.live)


class StaticView:
    """A run shown where nobody can answer: one output, brought up to date at the end."""

    def __init__(self, run: Run) -> None:
        self._of = Follower(run)
        self._shown = False

    @property
    def run_id(self) -> str:
        """The run that it shows."""
        return self._of.run.run_id

    def show(self) -> None:
        """Publish it in the current cell and once more when the run comes to its end."""
        self._of.run.follow(partial(self._take, self._of))
        self._of.publish()
        self._shown = True

    def go_on(self, run: Run) -> None:
        """Show `run`, which goes on from the one that was shown, in the same output."""
        self._of = of = self._of.after(run)
        run.follow(partial(self._take, of))

    def _take(self, of: Follower, facts: Iterable[Any]) -> None:
        # Not on the view thread: the cell may end, and with it all listening, as soon as this returns.
        if of.take(facts) and self._shown and of is self._of:
            of.publish()
