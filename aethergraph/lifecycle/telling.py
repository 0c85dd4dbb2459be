"""A run told afterwards, from its facts alone: what was said, when what ran, what came from what, and its plots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import known
from ..record import facts as f
from ..record.status import NodeStatus
from ..views.picture import Picture, error_text

__all__ = ["Span", "error_text", "picture_of", "plot", "timeline", "transcript"]

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        text = entry.text.rstrip("\n")
        if entry.kind == "ask":
            text += f" -> {entry.more}" if not entry.open else " (open)"
        owner = picture.owner(entry.scope) if entry.scope else ""
        lines.append(f"{owner}: {text}" if owner else text)
    return lines


def timeline(picture: Picture) -> list[Span]:
    """When each node ran, in the order in which they began."""
    spans = [Span(n.node_id, n.callee, n.status, n.began, n.ended) for n in picture.nodes.values()]
    return sorted(spans, key=lambda span: span.began)


def plot(picture: Picture, track: str | None = None) -> Figure:
    """A matplotlib figure with a line per track; tracks that share the part before `/` share an axis.

    Raises:
        LookupError: the run has no such track, or none at all.
    """
    from matplotlib.figure import Figure

    tracks = {name: line.points for name, line in picture.tracks.items()}
    chosen = {n: p for n, p in tracks.items() if track is None or n == track or n.partition("/")[0] == track}
    if not chosen:
        raise LookupError(f"run {picture.run_id} has no track {track or ''!r}; there are: {known(tracks)}")
    groups = list(dict.fromkeys(name.partition("/")[0] for name in chosen))
    figure = Figure(figsize=(6.4, 2.6 * len(groups) + 0.6), layout="constrained")
    axes = figure.subplots(len(groups), 1, squeeze=False)[:, 0]
    for axis, group in zip(axes, groups, strict=True):
        for name, points in chosen.items():
            if name.partition("/")[0] == group:
                axis.plot([x for x, _ in points], [y for _, y in points], label=name.partition("/")[2] or name)
        axis.set_title(group, loc="left", fontsize=10)
        axis.legend(frameon=False)
    return figure
