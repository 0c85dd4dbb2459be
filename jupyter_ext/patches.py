"""What the run view in the browser is told: a snapshot, and patches of what changed. All of it is data."""

from __future__ import annotations

from typing import Any

import msgspec

from aethergraph.record import uploads
from aethergraph.record.schema import FILES
from aethergraph.record.status import NodeStatus, RunStatus
from aethergraph.services import showing
from aethergraph.storage import codec
from aethergraph.views import messages
from aethergraph.views.drawing import ICONS
from aethergraph.views.labels import clean, cut, line
from aethergraph.views.notes import settled
from aethergraph.views.picture import Ask, Changes, Node, Picture, plain, tried
from aethergraph.views.scene import Scene, face, scene
from aethergraph.views.transcript import Entry

from .below import is_asked_below
from .plot_wire import Plots

TALK = 300  # entries of the transcript that a view holds
_PREVIEW = 200
_HEAD = 400  # characters of the head of a text that was saved
_HEADS = 30  # artifacts whose heads are told

Json = Any


class Teller:
    """Tells one browser side about one picture. Whoever calls holds the picture's lock."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.seq = 0
        self.renew_asks = False  # something about the questions has changed that is not in the picture
        self._scene: Scene | None = None
        self._plots = Plots(picture)

    @property
    def scene(self) -> Scene:
        """The boxes, placed again only when the shape has changed."""
        if self._scene is None:
            self._scene = scene(self.picture)
        return self._scene

    def snapshot(self, now: float, *, live: bool) -> Json:
        """Everything that a view needs to begin with."""
        picture, placed = self.picture, self.scene
        return {
            "seq": self.seq,
            "head": head(picture, now, live=live),
            **_shape(placed),
            "faces": {str(key): self._face(key) for key in placed.boxes},
            "asks": [ask(one) for one in picture.asks.values()],
            "talk": [entry(picture, one) for one in list(picture.transcript)[-TALK:]],
            **self._plots.snapshot(),
            "artifacts": artifacts(picture),
            "icons": {status.value: path for status, path in ICONS.items()},
        }

    def patch(self, changes: Changes, now: float, *, live: bool) -> Json:
        """What is new since the last patch; numbered, so that a view sees when it missed one."""
        picture = self.picture
        self.seq += 1
        patch: dict[str, Json] = {"kind": "patch", "seq": self.seq, "head": head(picture, now, live=live)}
        if changes.shape:
            self._scene = None
            patch |= _shape(self.scene)
        keys = {self.scene.home(picture, no) for no in changes.nodes}
        keys |= {self.scene.home(picture, picture.nodes[no].scope) for no in changes.nodes if no in picture.nodes}
        if changes.shape:
            keys |= self.scene.boxes.keys()
        patch["faces"] = {str(key): self._face(key) for key in sorted(keys) if key in self.scene.boxes}
        if changes.asks or self.renew_asks:
            self.renew_asks = False
            patch["asks"] = [ask(one) for one in picture.asks.values()]
        if changes.artifacts:
            patch["artifacts"] = artifacts(picture)
        said, gone = picture.transcript.changes()
        if said or gone:
            patch["talk"], patch["gone"] = [entry(picture, one) for one in said[-TALK:]], gone
        return patch | self._plots.patch(changes)

    def _face(self, key: int) -> Json:
        box = self.scene.boxes[key]
        look = face(self.picture, box, codec.about_outputs)
        node = self.picture.nodes[key]
        return [
            look.status.value,
            line(look.sub) if box.frame else cut(look.sub, box.w - 18, 10.5),
            None if look.fraction is None else round(look.fraction, 3),
            round(look.began, 2),
            None if look.ended is None else round(look.ended, 2),
            look.counts if box.group is not None else peek(node),
            box.label if box.group is not None else None,
        ]


def head(picture: Picture, now: float, *, live: bool) -> Json:
    """The line on top. `live`: whether some process is running the run."""
    status = picture.state
    if status in (RunStatus.RUNNING, RunStatus.WAITING) and not live:
        status = RunStatus.PAUSED
    bar = picture.body.bar()
    return {
        "name": clean(picture.title),
        "id": clean(picture.run_id),
        "generation": picture.generation,
        "continues": clean(picture.continues),
        "status": status.value,
        "why": line(picture.why)[:_PREVIEW],
        "needs": picture.needs,
        "done": picture.done,
        "total": len(picture.nodes),
        "reused": picture.counts[NodeStatus.REUSED],
        "skipped": picture.counts[NodeStatus.SKIPPED],
        "failed": picture.counts[NodeStatus.FAILED],
        "elapsed": round(picture.elapsed(now), 2),
        "now": round(now, 2),
        "session": picture.is_session,  # of nobody's but its block's, so there is nothing to resume
        "ticking": status in (RunStatus.RUNNING, RunStatus.WAITING),
        "bar": None if bar is None else [line(bar.title)[:60], line(bar.sub)[:60], bar.fraction],
    }


def _shape(placed: Scene) -> dict[str, Json]:
    return {
        "boxes": [
            [box.key, box.label, box.x, box.y, box.w, box.h, box.count, int(box.frame)] for box in placed.boxes.values()
        ],
        "paths": [[a, b, data, int(soft)] for a, b, data, soft in placed.paths],
        "size": [placed.width, placed.height],
    }


def peek(node: Node) -> Json:
    """Short texts that travel with a node, so that a click works while the kernel is busy."""
    return [arguments(node.args), outputs(node.value), tried(node)]


def arguments(payload: bytes) -> list[list[str]]:
    """(name, preview) of what a node was given."""
    if payload[:1] == b"t":
        return [["", clean(payload[1:].decode("utf-8", "replace"))[:_PREVIEW]]]
    told = payload[:1] == b"n"  # texts already
    value = plain(b"m" + payload[1:]) if told else plain(payload)
    if not isinstance(value, list) or len(value) != 2:
        return []
    args, kwargs = value
    rows = [("", one) for one in args] + [(line(name)[:60], one) for name, one in kwargs.items()]
    return [[name, clean(one if told else repr(one))[:_PREVIEW]] for name, one in rows]


def outputs(payload: bytes) -> list[list[str]]:
    """(name, preview) of what a node gave."""
    if not payload:
        return []
    return [[line(name)[:60], clean(text)[:_PREVIEW]] for name, text in codec.about_outputs(payload).items()]


def ask(one: Ask) -> Json:
    """An open question with all that its form needs."""
    question = one.question
    asked: dict[str, Json] = msgspec.to_builtins(question)
    return asked | {
        "token": one.token,
        "no": one.no,
        "prompt": clean(question.prompt),
        "shown": [clean(option) for option in question.options],
        "options": question.options,
        "channel": question.channel,
        "refused": clean(one.refused),
        "asked": round(one.asked, 2),
        "round": one.round,
        "below": is_asked_below(one.token),
        "limits": clean(uploads.limits(question)) if question.kind == FILES else "",
    }


def entry(picture: Picture, one: Entry) -> Json:
    """One line of the transcript; of what a node printed only the last line, since its log has the rest."""
    return [
        one.id,
        round(one.t, 1),
        one.kind,
        clean(said(one)),
        clean(picture.owner(one.scope)),
        clean(one.more),
        one.open,
        None if one.data is None else messages.shown(one.kind, one.data),
    ]


def said(one: Entry) -> str:
    """The text of `one`, printed text as a terminal would leave it."""
    if one.kind not in ("out", "err"):
        return one.text
    text = settled(one.text)
    return text.rpartition("\n")[2] if one.scope else text


def artifacts(picture: Picture) -> list[Json]:
    """What the run saved, oldest first; with the heads of the last ones, since all are sent again after each save."""
    told = [artifact(picture, saved.scope, saved.record) for saved in picture.artifacts.values()]
    for one in told[:-_HEADS]:
        one |= {"head": "", "rows": [], "numeric": [], "more": ""}
    return told


def artifact(picture: Picture, scope: int, record: dict[str, Any]) -> Json:
    """One saved thing: where it came from and what is known of it."""
    text = {key: line(str(record.get(key) or ""))[:_PREVIEW] for key in ("name", "kind", "mime", "uri", "sha256")}
    size = record.get("size")
    size = size if isinstance(size, int) else 0
    head = str(record.get("preview") or "")
    rows = [[line(cell) for cell in row] for row in showing.table(head, text["mime"])]
    metrics = dict(record.get("metrics") or {})
    return text | {
        "size": size,
        "by": clean(picture.owner(scope)),
        "no": scope,
        "head": "" if rows else clean(head)[:_HEAD],
        "rows": rows,
        "numeric": showing.numeric(rows),
        "more": showing.left_out(head, text["mime"], size, record.get("rows")),
        "metrics": [f"{line(str(name))[:60]} {_amount(value)}" for name, value in metrics.items()][:6]
        if metrics
        else [],
        "tags": [line(str(tag))[:60] for tag in record.get("tags") or ()][:6],
    }


def _amount(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, (int, float)) else ""
