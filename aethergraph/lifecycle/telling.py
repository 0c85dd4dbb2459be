"""A run told afterwards, from its facts alone: what was said, and when what ran."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..record import facts as f
from ..record.status import NodeStatus
from ..views.picture import Picture, error_text

__all__ = ["Span", "error_text", "picture_of", "timeline", "transcript"]


@dataclass(frozen=True, slots=True)
class Span:
    """When a node ran: seconds since the run began, without the times when nobody ran it; `ended` None: not yet."""

    node_id: str
    callee: str
    status: NodeStatus
    began: float
    ended: float | None


def picture_of(history: Iterable[f.AnyFact]) -> Picture:
    """The picture after these facts."""
    picture = Picture()
    for fact in history:
        picture.fold(fact)
    return picture


def transcript(picture: Picture) -> list[str]:
    """What was said, asked and answered, printed and drawn, a line each, in order."""
    lines = []
    for entry in picture.transcript:
        text = entry.whole.rstrip("\n")
        if entry.kind == "ask":
            text += f" -> {entry.more}" if not entry.open else " (open)"
        owner = picture.owner(entry.scope) if entry.scope else ""
        lines.append(f"{owner}: {text}" if owner else text)
    return lines


def timeline(picture: Picture) -> list[Span]:
    """When each node ran, in the order in which they began."""
    spans = [Span(n.node_id, n.callee, n.status, n.began, n.ended) for n in picture.nodes.values()]
    return sorted(spans, key=lambda span: span.began)
