"""The live view of a run: a widget that follows its facts, and the static copy beside it.

Two outputs, because each can do what the other cannot: a widget that is published again would be drawn anew and lose
what somebody is typing, and a static copy survives restart, reload, export and distrust.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from aethergraph.lifecycle import hub
from aethergraph.record.status import RunStatus

from . import below, following, lane, notebook
from .following import Follower, StaticView
from .patches import Json, Teller
from .serving import Service
from .settings import settings
from .static_copy import bundle
from .view_thread import ViewThread

if TYPE_CHECKING:
    from aethergraph.lifecycle.running import Run

LIVE = 20  # views that stay live; older ones close
PACE_S = 0.1  # at most ten patches a second
SHARE = 20  # after a patch that cost t of processor time, the next one waits SHARE * t: drawing takes at most 5 %
SLOWEST_S = 5.0  # but not longer than this
STATIC_S = 30.0
REPEATS_S = (1.0, 4.0)  # after so long a view that nobody was heard from is told everything once more
SETTLED_S = 0.7  # a run that has only waited for so long is parked, as far as the static copy goes
_STATIC = Path(__file__).parent / "static"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_RECENT_S = 600.0

THREAD = ViewThread()
_open: deque[RunView] = deque()
_static: deque[StaticView] = deque(maxlen=LIVE)
_heard: dict[str, float] = {}  # name of a thread -> when a browser's message came on it


def open_view(run: Run) -> None:
    """Show `run` in the current cell: live where there is somebody to see it, else as a static copy.

    A run that goes on from one that is shown goes on in its view, whatever cell runs now.
    """
    if notebook.kernel() is None:
        return
    if (shown := _view_of(_before(run))) is not None:
        shown.go_on(run)
        return
    if notebook.SHOWN.get():
        return
    if not notebook.live():
        static = StaticView(run)
        static.show()
        _static.append(static)
        return
    view = RunView(run)
    view.show()
    _open.append(view)
    while len(_open) > LIVE:
        _open.popleft().shut()


def _before(run: Run) -> str:
    """The run that `run` goes on from; "" for most."""
    execution = run.execution
    started = execution.flow.started if execution is not None else None
    return started.continues if started is not None else ""


def _view_of(run_id: str) -> RunView | StaticView | None:
    """The latest view of a run."""
    views: list[RunView | StaticView] = [*_static, *_open] if run_id else []
    return next((view for view in reversed(views) if view.run_id == run_id), None)


def publish_static(run: Run) -> None:
    """Show only the static copy of `run` in the current cell, as it is now."""
    following.publish(static_bundle(run))


def static_bundle(run: Run) -> dict[str, str]:
    """The static copy of `run` as it is now."""
    return bundle(run.picture(), live=run.live, small=settings.static == "small", blobs=hub.current().store.blobs)


def heard_off_main() -> bool:
    """Whether a browser's message came lately on a thread that a blocked cell does not hold up."""
    main, now = threading.main_thread().name, time.monotonic()
    return any(name != main and now - at < _RECENT_S for name, at in _heard.items())


def heard() -> str:
    """On which threads messages of browsers arrived, for `%aether doctor`."""
    return ", ".join(f"{name} ({time.monotonic() - at:.0f} s ago)" for name, at in _heard.items()) or "none yet"


class RunView(anywidget.AnyWidget):  # type: ignore[misc,unused-ignore]  # anywidget has no types for mypy
    """The widget. What it shows comes from `patches`; what a person does arrives at `_hear`, on any thread."""

    # As texts: of a path, anywidget would keep an eye on the file, and with that on each view that there ever was.
    _esm = traitlets.Unicode((_STATIC / "run_view.js").read_text("utf-8")).tag(sync=True)
    _css = traitlets.Unicode((_STATIC / "run_view.css").read_text("utf-8")).tag(sync=True)
    uid = traitlets.Unicode().tag(sync=True)
    # Evaluated whenever a browser asks for the state, so that a late or second view begins with the present.
    snap = traitlets.Any().tag(sync=True, to_json=lambda _, view: view._snapshot())

    def __init__(self, run: Run) -> None:
        of = Follower(run)
        self._shown = of, Teller(of.picture)
        self._later: Run | None = None  # goes on from the run that is shown, and is shown next
        self._greeted = False
        self._next = 0.0
        self._waiting_since = 0.0
        self._copied: tuple[Any, ...] = ()
        self._shut = False
        self._repeats: deque[float] = deque()
        self._service = Service(self._of, self._teller, self._snapshot, self._tell)
        self._unfollow: Callable[[], None] = run.follow(partial(self._take, of))
        super().__init__(uid=uuid.uuid4().hex)
        lane.OWN.add(self.model_id)
        lane.keep_route(self.comm)
        self.on_msg(self._hear)
        below.listeners.append(self._asked_below)

    @property
    def _of(self) -> Follower:
        return self._shown[0]

    @property
    def _teller(self) -> Teller:
        return self._shown[1]

    @property
    def run_id(self) -> str:
        """The run that it shows, or will show in a moment."""
        return (self._later or self._of.run).run_id

    def show(self) -> None:
        """Publish widget and static copy in the current cell."""
        run_id = self._of.run.run_id
        view = {"version_major": 2, "version_minor": 1, "model_id": self.model_id}
        following.publish({"text/plain": f"run {run_id}", _WIDGET: view})
        self._of.publish()
        self._repeats.extend(time.monotonic() + after for after in REPEATS_S)
        THREAD.at(self._repeat, self._repeats.popleft())

    def go_on(self, run: Run) -> None:
        """Show `run`, which goes on from the one that is shown, in the same place; of many soon, only the last."""
        self._later = run
        THREAD.at(self._turn, self._next)

    def shut(self) -> None:
        """Stop being live: the static copy, up to date, takes over."""
        if self._shut:
            return
        self._shut = True
        self._unfollow()
        below.listeners.remove(self._asked_below)
        THREAD.forget(self._flush)
        THREAD.forget(self._repeat)
        THREAD.forget(self._turn)
        self._of.publish()
        self._tell({"kind": "closed"})
        lane.OWN.discard(self.model_id)
        layout = self.layout
        self.close()
        layout.close()  # it is a widget, too, and ipywidgets keeps all that are not closed

    # ------------------------------------------------------------------ kernel to browser

    def _turn(self) -> None:
        """Show the run that goes on. On the view thread, as all that tells of the run."""
        run, self._later = self._later, None
        if run is None or self._shut:
            return
        started, cost = time.monotonic(), time.thread_time()
        self._unfollow()
        of = self._of.after(run)
        teller = Teller(of.picture)
        teller.seq = self._teller.seq  # browsers count on
        self._shown = of, teller
        self._service.turn_to(of, teller)
        self._waiting_since, self._copied = 0.0, ()
        self._unfollow = run.follow(partial(self._take, of))
        self._tell({"kind": "snap", "snap": self._snapshot()})
        of.publish()
        self._pace(started, time.thread_time() - cost)

    def _take(self, of: Follower, facts: Iterable[Any]) -> None:
        of.take(facts)
        if not self._shut and of is self._of:
            THREAD.at(self._flush, self._next)

    def _asked_below(self, token: str) -> None:
        """An input line below the cell asks, or no longer asks, for the answer to `token`: its form is told."""

        def tell() -> None:
            with self._of.lock:
                self._of.fold()
                self._teller.renew_asks = any(ask.token == token for ask in self._of.picture.asks.values())
            if self._teller.renew_asks and not self._shut:
                self._flush()

        THREAD.post(tell)

    def _snapshot(self) -> Json:
        of, teller = self._shown
        with of.lock:
            of.fold()
            return teller.snapshot(_now(), live=of.live)

    def _flush(self) -> None:
        started, cost = time.monotonic(), time.thread_time()
        with self._of.lock:
            self._of.fold()
            changes = self._of.picture.changes()
            if over := self._of.picture.state is not RunStatus.RUNNING:
                self._refresh(started)  # first: who sees that it is done and saves has a copy that says so
            if not self._shut:
                self._tell(self._teller.patch(changes, _now(), live=self._of.live))
            if not over:
                self._refresh(started)
        self._pace(started, time.thread_time() - cost)

    def _pace(self, started: float, cost: float) -> None:
        self._next = started + min(max(PACE_S, SHARE * cost), SLOWEST_S)

    def _repeat(self) -> None:
        """Patches that come while a browser loads the view are lost, and a blocked cell hears no complaint."""
        if self._shut or self._greeted:
            return
        self._tell({"kind": "snap", "snap": self._snapshot()})
        if self._repeats:
            THREAD.at(self._repeat, self._repeats.popleft())

    def _refresh(self, now: float) -> None:
        """The static copy: at once when the run ends, soon when it parks, else seldom."""
        picture, copy = self._of.picture, self._of.copy
        if not copy.at:  # not shown yet
            return
        state = (picture.status, *picture.asks) if picture.state is not RunStatus.RUNNING else ()
        if not state:
            self._waiting_since = 0.0
            if now - copy.at >= STATIC_S:
                copy.publish(live=self._of.live)
            return
        if state == self._copied:
            return
        if picture.status is RunStatus.RUNNING:
            self._waiting_since = self._waiting_since or now
            if now - self._waiting_since < SETTLED_S:
                THREAD.at(self._flush, self._waiting_since + SETTLED_S)
                return
        self._copied = state
        copy.publish(live=self._of.live)

    def _tell(self, message: Json, buffers: list[bytes] | None = None) -> None:
        """To all browsers that show this view."""
        self.send(message, buffers)

    # ------------------------------------------------------------------ browser to kernel

    def _hear(self, _: Any, message: Any, buffers: Any) -> None:
        """Any thread, and perhaps one that everything waits for: hand over, and be gone."""
        _heard[threading.current_thread().name] = time.monotonic()
        if not isinstance(message, dict):
            return
        if message.get("kind") == "ready":
            self._greeted = True
            self._tell({"kind": "heard", "seq": self._teller.seq})
            return
        brought = {**message, "buffers": buffers} if buffers else message
        THREAD.post(lambda: self._serve(brought))

    def _serve(self, message: dict[str, Any]) -> None:
        if not self._shut:
            self._service.serve(message)


def _now() -> float:
    return hub.current().clock.now()
