"""What a person does in a run view, done: answers, stop, resume, fork; details and files on request."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aethergraph.code import definitions
from aethergraph.errors import AetherGraphError
from aethergraph.lifecycle import hub
from aethergraph.views.labels import clean

from . import notebook, plot_wire
from .details import detail
from .following import Follower
from .patches import Json, Teller
from .uploading import Uploading
from .view_thread import LOG

PLOTTING = Path(__file__).parent / "static" / "plotting.js"
BYTES = 32_000_000  # of one figure or file sent to the browser
_WHY = 1_000  # characters of an error that a view tells


class Service:
    """Serves the messages of the browsers that show one view. `tell` answers all of them."""

    def __init__(self, of: Follower, teller: Teller, snapshot: Callable[[], Json], tell: Callable[..., None]) -> None:
        self._of, self._teller, self._snapshot, self._tell = of, teller, snapshot, tell
        self._source: str | None = None
        self._answered: set[str] = set()  # questions of this run that somebody answered here
        self._uploading = Uploading(tell)
        self._place = notebook.cell()
        self._cell = contextvars.copy_context()  # so that a fork is shown in the cell of its parent

    def turn_to(self, of: Follower, teller: Teller) -> None:
        """The view shows another run from now on. What was answered stays known: it may be sent once more."""
        self._of, self._teller, self._source = of, teller, None

    def serve(self, message: dict[str, Any]) -> None:
        """Do what `message` wants; one that makes no sense is ignored. On the view thread."""
        serve = _SERVES.get(str(message.get("kind")))
        if serve is not None:
            serve(self, message)

    def _sync(self, _: dict[str, Any]) -> None:
        self._tell({"kind": "snap", "snap": self._snapshot()})

    def _pong(self, _: dict[str, Any]) -> None:
        self._tell({"kind": "heard", "seq": self._teller.seq})

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

    def _upload(self, message: dict[str, Any]) -> None:
        """A piece of a file for an open question, or the question how much of it is there."""
        token = str(message.get("token"))
        with self._of.lock:
            ask = next((one for one in self._of.picture.asks.values() if one.token == token), None)
        if ask is not None:
            self._uploading.take(hub.current().store, ask.question, message)
            return
        gone = {"kind": "upload", "token": token, "id": message.get("id"), "have": 0}
        self._tell(gone | {"why": "this question is not open any more"})

    # ------------------------------------------------------------------ in threads: they read, run or wait

    def _stop(self, _: dict[str, Any]) -> None:
        threading.Thread(target=self._of.run.cancel, name="aether-stop", daemon=True).start()

    def _resume(self, _: dict[str, Any]) -> None:
        """Go on with the run, here: this view shows it."""

        def resume() -> str:
            with notebook.acting_for(self._place, shown=True):
                hub.current().resume(self._of.run.run_id, namespace=notebook.namespace())
            return ""

        self._start("resume", resume)

    def _fork(self, message: dict[str, Any]) -> None:
        """A run that shares what this one has done, but for the node `no`, which runs again; shown below this view."""
        no = int(message.get("no") or 0)
        with self._of.lock:
            node = self._of.picture.nodes.get(no)

        def fork() -> str:
            if node is None:
                raise LookupError(f"there is no node {no}")
            with notebook.acting_for(self._place, shown=False):
                made = hub.current().fork(self._of.run.run_id, at=node.node_id, namespace=notebook.namespace())
            return f"{made.run_id} is shown below (else: %aether show {made.run_id})"

        self._start("fork", fork)

    def _start(self, what: str, do: Callable[[], str]) -> None:
        def work() -> None:
            try:
                said, bad = self._cell.copy().run(do), False
            except Exception as error:  # noqa: BLE001 (the user's cells run, and may raise anything)
                said, bad = f"{type(error).__name__}: {error}", True
            self._tell({"kind": "told", "about": what, "said": said[:_WHY], "bad": bad})

        threading.Thread(target=work, name=f"aether-{what}", daemon=True).start()

    # ------------------------------------------------------------------ details

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

    # ------------------------------------------------------------------ plots

    def _plotting(self, _: dict[str, Any]) -> None:
        """The module that draws plots: larger than the view, so it is sent where there are some."""
        self._tell({"kind": "plotting"}, [PLOTTING.read_bytes()])

    def _frame(self, message: dict[str, Any]) -> None:
        """The picture of a track that was asked for."""
        track, id_ = str(message.get("track")), message.get("id")
        with self._of.lock:
            tracks = {clean(name): one for name, one in self._of.picture.frames.items()}
            frame = tracks[track].find(id_) if track in tracks and isinstance(id_, int) else None
        reply: dict[str, Any] = {"kind": "frame", "track": track, "id": id_}
        if frame is None:
            self._tell(reply | {"why": "this picture is not there any more"})
            return
        try:
            about, buffers = plot_wire.content(frame, hub.current().store.blobs.get)
        except (AetherGraphError, OSError, ValueError) as error:  # ValueError: what is stored is no such picture
            self._tell(reply | {"why": str(error)[:_WHY]})
            return
        self._tell(reply | about, buffers)

    def _range(self, message: dict[str, Any]) -> None:
        """All points of a range of steps, as far as they can be told apart."""
        names, low, high = message.get("tracks"), message.get("low"), message.get("high")
        if not isinstance(names, list) or not isinstance(low, (int, float)) or not isinstance(high, (int, float)):
            return
        with self._of.lock:
            tracks = plot_wire.detail(self._of.picture, map(str, names), float(low), float(high))
        reply = {"kind": "range", "chart": str(message.get("chart")), "low": low, "high": high, "tracks": tracks}
        self._tell(reply)

    def _known(self, digest: str) -> str | None:
        """The type of a content that belongs to this run; None for any other."""
        with self._of.lock:
            for saved in self._of.picture.artifacts.values():
                if saved.record.get("sha256") == digest:
                    return str(saved.record.get("mime") or "application/octet-stream")
            return "image/png" if self._of.picture.drew(digest) else self._of.picture.sent(digest) or None


def _stored_source(digest: str) -> str:
    runtime = hub.current()
    try:
        return definitions.load_definition(runtime.store, runtime.keyring, digest).source
    except AetherGraphError as error:
        LOG.info("the source of a run is not shown: %s", error)
        return ""


_SERVES: dict[str, Callable[[Service, dict[str, Any]], None]] = {
    "sync": Service._sync,
    "ping": Service._pong,
    "answer": Service._answer,
    "upload": Service._upload,
    "stop": Service._stop,
    "resume": Service._resume,
    "fork": Service._fork,
    "detail": Service._detail,
    "bytes": Service._bytes,
    "plotting": Service._plotting,
    "frame": Service._frame,
    "range": Service._range,
}
