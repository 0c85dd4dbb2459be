"""What nodes do and leave behind: messages, artifacts, prints, plots, progress, figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ...record import facts as f
from ...record import points
from .. import messages
from ..frames import Frames
from ..notes import KEPT, Bar
from ..plots import Track
from .canvas import Canvas
from .parts import Saved, plain

_decode = msgspec.msgpack.decode


def _effect(canvas: Canvas, fact: f.Effect) -> None:
    t = canvas.clock(fact.t)
    if not fact.ok:
        return
    if fact.name == "artifacts.save":
        record = plain(fact.value)
        if isinstance(record, dict):
            canvas.artifacts[fact.key] = Saved(fact.scope, fact.execution, record)
            canvas.changed.artifacts = True
            canvas.changed.nodes.add(fact.scope)
    elif fact.name == "send_text" or fact.name == "send_phase":
        kind = "say" if fact.name == "send_text" else "phase"
        canvas.transcript.add(t, kind, _message(fact), fact.scope, key=fact.key, execution=fact.execution)
    elif (kind := fact.name.removeprefix("send_")) in messages.KINDS and kind != fact.name:
        _sent(canvas, fact, kind, t)


def _sent(canvas: Canvas, fact: f.Effect, kind: str, t: float) -> None:
    """More than a text: what it is comes from what was recorded of it."""
    data = plain(fact.value)
    if isinstance(data, dict):
        text = str(data.get("text") or data.get("title") or "")
        entry = canvas.transcript.add(t, kind, text, fact.scope, key=fact.key, execution=fact.execution)
        entry.data = data


def _superseded(canvas: Canvas, fact: f.EffectsSuperseded) -> None:
    for key in fact.keys:
        canvas.transcript.supersede_key(key)
        if canvas.artifacts.pop(key, None) is not None:
            canvas.changed.artifacts = True


def _noted(canvas: Canvas, fact: f.Noted) -> None:
    if fact.kind in f.PLOTTED:
        _plotted(canvas, fact)
    elif (note := _NOTES.get(fact.kind)) is not None:  # a later version may note what this one does not show
        note(canvas, fact.no, _decode(fact.data), canvas.clock(fact.t))
    if fact.no:
        canvas.changed.nodes.add(fact.no)


def _plotted(canvas: Canvas, fact: f.Noted) -> None:
    if fact.kind == "points":
        for name, steps, values in points.unpack(fact.data):
            _points(canvas, fact.no, name, steps, values)
        return
    data = _decode(fact.data)
    name = str(data["track"])
    if fact.kind == "point":
        _points(canvas, fact.no, name, [float(data["step"])], [float(data["value"])])
    else:
        known = canvas.frames.get(name)
        if known is None:
            known = canvas.frames[name] = Frames(name)
        _changed(canvas.changed.frames, name, known.add(fact.no, data))


def _points(canvas: Canvas, no: int, name: str, steps: Iterable[float], values: Iterable[float]) -> None:
    track = canvas.tracks.get(name)
    if track is None:
        track = canvas.tracks[name] = Track(name)
    _changed(canvas.changed.tracks, name, track.add(no, steps, values))


def _changed(changes: dict[str, int], name: str, index: int) -> None:
    changes[name] = min(index, changes.get(name, index))


def _out(canvas: Canvas, no: int, data: dict[str, Any], t: float) -> None:
    _write(canvas, no, str(data["s"]))
    canvas.transcript.printed(t, "err" if data.get("err") else "out", str(data["s"]), no)


def _log(canvas: Canvas, no: int, data: dict[str, Any], t: float) -> None:
    text = f"{str(data['level']).lower()}: {data['text']}"
    _write(canvas, no, text + "\n")
    if str(data["level"]).upper() not in ("DEBUG", "NOTSET"):
        canvas.transcript.add(t, "log", text, no)


def _write(canvas: Canvas, no: int, text: str) -> None:
    log = canvas.notes(no).log
    log.write(text)
    canvas.printed += len(text)
    if canvas.printed > KEPT:
        _trim(canvas)


def _trim(canvas: Canvas) -> None:
    """Halve every long log, so that this happens seldom."""
    logs = [canvas.body.log, *(node.notes.log for node in canvas.nodes.values() if node.notes is not None)]
    share = KEPT // 2 // max(1, sum(1 for log in logs if log))
    for log in logs:
        log.trim(share)
    canvas.printed = sum(log.size for log in logs)


def _progress(canvas: Canvas, no: int, data: dict[str, Any], t: float) -> None:
    bars = canvas.notes(no).bars
    now, total = float(data.get("now") or 0.0), float(data.get("total") or 0.0)
    title, sub = str(data.get("title") or ""), str(data.get("sub") or "")
    bars[str(data["id"])] = Bar(title, now, total, sub, bool(data.get("end")))
    if not no:
        canvas.changed.head = True


def _figure(canvas: Canvas, no: int, data: dict[str, Any], t: float) -> None:
    canvas.notes(no).figures.append(str(data["png"]))
    canvas.transcript.add(t, "figure", "figure", no).more = str(data["png"])


def _show(canvas: Canvas, no: int, data: dict[str, Any], t: float) -> None:
    shown = {str(mime): str(value) for mime, value in data.items() if isinstance(value, str)}
    canvas.notes(no).shows.append(shown)
    entry = canvas.transcript.add(t, "show", shown.get("text/plain", ""), no)
    entry.more = shown.get("image/png", "")


def _use(canvas: Canvas, no: int, data: dict[str, Any], t: float) -> None:
    canvas.uses.setdefault(no, {})[str(data["sha256"])] = data


def _message(fact: f.Effect) -> str:
    args = plain(fact.args)
    if isinstance(args, (list, tuple)):
        args = next((part for part in args if isinstance(part, dict)), args)
    if isinstance(args, dict):
        if fact.name == "send_phase":
            return f"{args.get('phase', '')}: {args.get('status', '')}"
        return str(args.get("text", ""))
    return str(args) if args is not None else ""


_NOTES: dict[str, Callable[[Canvas, int, dict[str, Any], float], None]] = {
    "out": _out,
    "log": _log,
    "progress": _progress,
    "figure": _figure,
    "show": _show,
    "use": _use,
}
FOLD: dict[type[f.Fact], Callable[[Canvas, Any], None]] = {
    f.Effect: _effect,
    f.EffectsSuperseded: _superseded,
    f.Noted: _noted,
}
