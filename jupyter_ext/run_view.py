"""The live view of a run: a widget that follows its facts, and the static copy beside it.

Two outputs, because each can do what the other cannot: a widget that is published again would be drawn anew and lose
what somebody is typing, and a static copy survives restart, reload, export and distrust.
"""

from __future__ import annotations

import contextvars
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from aethergraph import hub
from aethergraph.errors import AetherGraphError
from aethergraph.status import RunStatus

from . import following, lane, notebook
from .details import detail
from .following import Follower, StaticView
from .patches import Json, Teller
from .settings import settings
from .static_copy import bundle
from .view_thread import LOG, ViewThread

if TYPE_CHECKING:
    from aethergraph.running import Run

LIVE = 20  # views that stay live; older ones close
PACE_S = 0.1  # at most ten patches a second
SHARE = 20  # after a patch that cost t of processor time, the next one waits SHARE * t: drawing takes at most 5 %
SLOWEST_S = 5.0  # but not longer than this
STATIC_S = 30.0
SETTLED_S = 0.7  # a run that has only waited for so long is parked, as far as the static copy goes
BYTES = 32_000_000  # of one figure or file sent to the browser
_STATIC = Path(__file__).parent / "static"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_RECENT_S = 600.0

THREAD = ViewThread()
_open: deque[RunView] = deque()
_heard: dict[str, float] = {}  # name of a thread -> when a browser's message came on it


def open_view(run: Run) -> None:
    """Show `run` in the current cell: live where there is somebody to see it, else as a static copy."""
    if notebook.kernel() is None:
        return
    if not notebook.live():
        StaticView(run).show()
        return
    view = RunView(run)
    view.show()
    _open.append(view)
    while len(_open) > LIVE:
        _open.popleft().shut()


def publish_static(run: Run) -> None:
    """Show only the static copy of `run` in the current cell, as it is now."""
    following.publish(static_bundle(run))


def static_bundle(run: Run) -> dict[str, str]:
    """The static copy of `run` as it is now."""
    return bundle(run.picture(), live=run.live, small=settings.static == "small")


def heard_off_main() -> bool:
    """Whether a browser's message came lately on a thread that a blocked cell does not hold up."""
    main, now = threading.main_thread().name, time.monotonic()
    return any(name != main and now - at < _RECENT_S for name, at in _heard.items())


def heard() -> str:
    """On which threads messages of browsers arrived, for `%aether doctor`."""
    return ", ".join(f"{name} ({time.monotonic() - at:.0f} s ago)" for name, at in _heard.items()) or "none yet"


class RunView(anywidget.AnyWidget):  # type: ignore[misc,unused-ignore]  # anywidget has no types for mypy
    """The widget. What it shows comes from `patches`; what a person does arrives at `_hear`, on any thread."""

    _esm = _STATIC / "run_view.js"
    _css = _STATIC / "run_view.css"
    uid = traitlets.Unicode().tag(sync=True)
    # Evaluated whenever a browser asks for the state, so that a late or second view begins with the present.
    snap = traitlets.Any().tag(sync=True, to_json=lambda _, view: view._snapshot())

    def __init__(self, run: Run) -> None:
        self._of = Follower(run)
        self._teller = Teller(self._of.picture)
        self._routed: contextvars.Context | None = None
        self._next = 0.0
        self._waiting_since = 0.0
        self._copied: tuple[Any, ...] = ()
        self._source: str | None = None
        self._shut = False
        self._answered: set[str] = set()  # questions of this run that somebody answered here
        self._unfollow: Callable[[], None] = run.follow(self._take)
        super().__init__(uid=uuid.uuid4().hex)
        lane.OWN.add(self.model_id)
        self.on_msg(self._hear)

    def show(self) -> None:
        """Publish widget and static copy in the current cell."""
        run_id = self._of.run.run_id
        view = {"version_major": 2, "version_minor": 1, "model_id": self.model_id}
        following.publish({"text/plain": f"run {run_id}", _WIDGET: view})
        self._of.publish()

    def shut(self) -> None:
        """Stop being live: the static copy, up to date, takes over."""
        if self._shut:
            return
        self._shut = True
        self._unfollow()
        THREAD.forget(self._flush)
        self._of.publish()
        self._tell({"kind": "closed"})
        lane.OWN.discard(self.model_id)
        self.close()

    # ------------------------------------------------------------------ kernel to browser

    def _take(self, facts: Iterable[Any]) -> None:
        self._of.take(facts)
        if not self._shut:
            THREAD.at(self._flush, self._next)

    def _snapshot(self) -> Json:
        with self._of.lock:
            self._of.fold()
            return self._teller.snapshot(_now(), live=self._of.live)

    def _flush(self) -> None:
        started, cost = time.monotonic(), time.thread_time()
        with self._of.lock:
            self._of.fold()
            changes = self._of.picture.changes()
            if not self._shut:
                self._tell(self._teller.patch(changes, _now(), live=self._of.live))
            self._refresh(started)
        cost = time.thread_time() - cost
        self._next = started + min(max(PACE_S, SHARE * cost), SLOWEST_S)

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
        if self._routed is None:
            self.send(message, buffers)
        else:
            self._routed.copy().run(self.send, message, buffers)

    # ------------------------------------------------------------------ browser to kernel

    def _hear(self, _: Any, message: Any, buffers: Any) -> None:
        """Any thread, and perhaps one that everything waits for: hand over, and be gone."""
        _heard[threading.current_thread().name] = time.monotonic()
        if not isinstance(message, dict):
            return
        if message.get("kind") == "ready":
            # Newer kernels send the answers of a browser to the thread that spoke last: by replying in the context of
            # this message, and speaking in it from now on, answers reach us while a cell blocks the main thread.
            self._routed = contextvars.copy_context()
            self._tell({"kind": "heard"})
            return
        THREAD.post(lambda: self._serve(message))

    def _serve(self, message: dict[str, Any]) -> None:
        serve = _SERVES.get(str(message.get("kind")))
        if serve is not None and not self._shut:
            serve(self, message)

    def _sync(self, _: dict[str, Any]) -> None:
        self._tell({"kind": "snap", "snap": self._snapshot()})

    def _answer(self, message: dict[str, Any]) -> None:
        token, answer_id = str(message.get("token")), str(message.get("answer_id"))

        def done(why: str) -> None:
            self._tell({"kind": "ack", "token": token, "answer_id": answer_id, "why": why})

        with self._of.lock:
            if any(ask.token == token for ask in self._of.picture.asks.values()):
                self._answered.add(token)
        if token not in self._answered:  # one that came before is sent again where its acknowledgement was lost
            done("this question is not open any more")
            return
        hub.current().answer_soon(token, message.get("value"), answer_id, done)

    def _stop(self, _: dict[str, Any]) -> None:
        threading.Thread(target=self._of.run.cancel, name="aether-stop", daemon=True).start()

    def _detail(self, message: dict[str, Any]) -> None:
        source = self._definition()
        with self._of.lock:
            self._of.fold()
            key, no = int(message.get("key") or 0), int(message.get("no") or 0)
            box = self._teller.scene.boxes.get(key)
            known = detail(self._of.picture, box.group if box is not None else None, key, no, source)
        if known is not None:
            self._tell(known)

    def _definition(self) -> str:
        """The source that the run was started from, as it was stored; shown as text, never run here."""
        if self._source is None and self._of.picture.definition:
            self._source = _stored_source(self._of.picture.definition)
        return self._source or ""

    def _bytes(self, message: dict[str, Any]) -> None:
        digest = str(message.get("digest"))
        mime = self._known(digest)
        reply: dict[str, Any] = {"kind": "bytes", "digest": digest, "mime": mime or "", "why": ""}
        blobs = hub.current().store.blobs
        if mime is None:
            self._tell(reply | {"why": "this run has no such file"})
            return
        try:
            size = blobs.path(digest).stat().st_size
            if size > BYTES:
                self._tell(reply | {"why": f"too large to send to the browser; it lies at {blobs.path(digest)}"})
            else:
                self._tell(reply, [blobs.get(digest)])
        except (AetherGraphError, OSError) as error:
            self._tell(reply | {"why": str(error)})

    def _known(self, digest: str) -> str | None:
        """The type of a content that belongs to this run; None for any other."""
        with self._of.lock:
            for saved in self._of.picture.artifacts.values():
                if saved.record.get("sha256") == digest:
                    return str(saved.record.get("mime") or "application/octet-stream")
            return "image/png" if self._of.picture.drew(digest) else None


def _stored_source(digest: str) -> str:
    from aethergraph import definitions

    runtime = hub.current()
    try:
        source: str = definitions.load_definition(runtime.store, runtime.keyring, digest).source
        return source
    except AetherGraphError as error:
        LOG.info("the source of a run is not shown: %s", error)
        return ""


def _now() -> float:
    return hub.current().clock.now()


_SERVES: dict[str, Callable[[RunView, dict[str, Any]], None]] = {
    "sync": RunView._sync,
    "answer": RunView._answer,
    "stop": RunView._stop,
    "detail": RunView._detail,
    "bytes": RunView._bytes,
}
