"""A run as lines of text: its nodes under the nodes that called them, with status and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..record.status import NodeStatus
from ..views.labels import duration, line
from ..views.marks import MARKS
from ..views.notes import Bar
from ..views.picture import HIDDEN, Node, Picture, error_text, tried
from ..views.scene import shown
from .output import clipped

BAR = 16  # characters of a progress bar
TIMELINE = 48  # characters of the timeline


@dataclass(frozen=True, slots=True)
class Row:
    """One node: how deep it lies in others, its status, and what is written beside it."""

    depth: int
    status: NodeStatus
    label: str
    more: str

    def __str__(self) -> str:
        return f"{'  ' * self.depth}{MARKS[self.status]} {self.label}{f'  {self.more}' if self.more else ''}"


def rows(picture: Picture, now: float) -> Iterator[Row]:
    """Each node below the one that called it, in the order in which they began. `now`: seconds of the run."""
    inside: dict[int, list[Node]] = {}
    for node in picture.nodes.values():
        inside.setdefault(node.scope, []).append(node)
    stack = [(node, 0) for node in reversed(inside.get(0, []))]
    while stack:
        node, depth = stack.pop()
        name = line(node.label)
        named = name if name == node.node_id else f"{name} [{line(node.node_id)}]"  # the id is what is typed
        marks = "".join(f"  {line(mark)}" for mark in node.marks)
        yield Row(depth, shown(node), named + marks, _more(node, now))
        stack += [(child, depth + 1) for child in reversed(inside.get(node.no, []))]


def _more(node: Node, now: float) -> str:
    parts = [_bar(newest)] if node.notes is not None and (newest := node.notes.bar()) is not None else []
    if node.status in (NodeStatus.RUNNING, NodeStatus.WAITING) or node.ended is not None:
        parts.append(duration((node.ended if node.ended is not None else now) - node.began))
    parts += [tried(node)] if tried(node) else []
    parts += [clipped(error_text(node.error), 160)] if node.error is not None else []
    if node.answer and node.answer != HIDDEN:
        parts.append(f"-> {clipped(node.answer, 60)}")
    parts += [node.why] if node.why else []
    return "  ".join(part for part in parts if part)


def _bar(newest: Bar) -> str:
    count = f"{newest.now:g}/{newest.total:g}" if newest.total else f"{newest.now:g}"
    if newest.fraction is None:
        return count
    full = round(BAR * newest.fraction)
    return f"[{'#' * full}{'-' * (BAR - full)}] {count}"


def head(picture: Picture, now: float, live: bool = True) -> str:
    """`study  paused  3 of 5 nodes done  0:12`; `live`: some process runs it."""
    status = picture.state
    word = status.value if live or status.value not in ("running", "waiting") else "paused"
    told = [s for s in (NodeStatus.REUSED, NodeStatus.SKIPPED) if picture.counts[s]]
    more = "".join(f", {picture.counts[status]} {status.value}" for status in told)
    count = f"{picture.done} of {len(picture.nodes)} nodes done{more}"
    return f"{MARKS[word]} {line(picture.title)}  {word}  {count}  {duration(now)}"


def timeline(picture: Picture, now: float) -> Iterator[str]:
    """A line for each node, with a bar from its beginning to its end; the whole width is the time of the run."""
    whole = max([now, *(node.ended or 0.0 for node in picture.nodes.values())], default=0.0) or 1.0
    wide = min(max((len(line(node.label)) for node in picture.nodes.values()), default=0), 32)
    for node in sorted(picture.nodes.values(), key=lambda node: node.began):
        end = node.ended if node.ended is not None else now
        left = min(int(TIMELINE * node.began / whole), TIMELINE - 1)
        size = max(1, min(round(TIMELINE * (end - node.began) / whole), TIMELINE - left))
        drawn = f"{' ' * left}{'█' * size}".ljust(TIMELINE)
        yield f"{MARKS[shown(node)]} {clipped(node.label, 32).ljust(wide)} │{drawn}│ {duration(end - node.began)}"
