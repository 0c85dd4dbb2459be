"""A run as one SVG picture that stands alone: light colours, no script, no fonts or files from elsewhere."""

from __future__ import annotations

from html import escape

from .labels import cut, width
from .picture import Picture
from .scene import Box, Face, Outputs, Scene, face, scene
from .status import NodeStatus

# Okabe-Ito hues, darkened so that text keeps a contrast of 4.5 to its ground: (line, ground)
COLOURS = {
    NodeStatus.DONE: ("#2a7f62", "#e9f5f0"),
    NodeStatus.RUNNING: ("#2463c7", "#e8f0fd"),
    NodeStatus.WAITING: ("#a65f00", "#fff3dc"),
    NodeStatus.FAILED: ("#b3261e", "#fdeceb"),
    NodeStatus.REUSED: ("#5f7d72", "#eef2f0"),
    NodeStatus.READY: ("#77808a", "#f6f7f9"),
    NodeStatus.PENDING: ("#77808a", "#f6f7f9"),
    NodeStatus.SKIPPED: ("#77808a", "#f6f7f9"),
    NodeStatus.CANCELLED: ("#77808a", "#f6f7f9"),
}
_DOT = "M5 2a3 3 0 1 0 .01 0Z"
# Each status has a shape of its own, so that no colour has to be told apart. Drawn in a square of 10.
ICONS = {
    NodeStatus.DONE: "M1 5.4 4 8.4 10 1.6 8.8 .5 3.9 6 2.1 4.2Z",
    NodeStatus.RUNNING: "M5 0A5 5 0 1 0 10 5H8A3 3 0 1 1 5 2Z",
    NodeStatus.WAITING: "M5 0 10 5 5 10 0 5Z",
    NodeStatus.FAILED: "M1 0 5 4 9 0 10 1 6 5 10 9 9 10 5 6 1 10 0 9 4 5 0 1Z",
    NodeStatus.REUSED: "M5 1a4 4 0 1 0 4 4H7.4A2.4 2.4 0 1 1 5 2.6V4.4L8 1.9 5 -.6Z",
    NodeStatus.READY: _DOT,
    NodeStatus.PENDING: _DOT,
    NodeStatus.SKIPPED: "M1 4H9V6H1Z",
    NodeStatus.CANCELLED: "M5 0a5 5 0 1 0 .01 0ZM2 4H8V6H2Z",
}
_DASHED = frozenset({NodeStatus.READY, NodeStatus.PENDING, NodeStatus.SKIPPED, NodeStatus.CANCELLED})
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif"


def to_svg(picture: Picture, outputs: Outputs, *, placed: Scene | None = None) -> str:
    """The graph of the run, as it is now."""
    shown = placed if placed is not None else scene(picture)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{shown.width}" height="{shown.height}" '
        f'viewBox="0 0 {shown.width} {shown.height}" font-family="{_FONT}" font-size="12" fill="#1f2328">'
        f'<rect width="100%" height="100%" fill="#fff"/>'
    ]
    for box in shown.boxes.values():
        if box.frame:
            parts.append(_frame(box, face(picture, box, outputs)))
    for *_, data, soft in shown.paths:
        dash = ' stroke-dasharray="3 3"' if soft else ""
        parts.append(f'<path d="{data}" fill="none" stroke="#8b949e" stroke-width="1.25"{dash}/>')
    for box in shown.boxes.values():
        if not box.frame:
            parts.append(_box(box, face(picture, box, outputs)))
    return "".join(parts) + "</svg>"


def _frame(box: Box, look: Face) -> str:
    colour, ground = COLOURS[look.status]
    at = round(25 + width(box.label) + 12)
    sub = cut(look.sub, box.w - at - 8, 10.5)
    return (
        f'<g transform="translate({box.x},{box.y})"><rect width="{box.w}" height="{box.h}" rx="9" fill="{ground}" '
        f'fill-opacity=".45" stroke="{colour}" stroke-opacity=".6"/>{_icon(look.status, colour, 7)}'
        f'<text x="25" y="19">{escape(box.label)}</text>'
        f'<text x="{at}" y="19" font-size="10.5" fill="#667078">{escape(sub)}</text></g>'
    )


def _box(box: Box, look: Face) -> str:
    colour, ground = COLOURS[look.status]
    dash = ' stroke-dasharray="2 2"' if look.status in _DASHED else ""
    bar = _bar(box, look.fraction, colour) if look.fraction is not None else ""
    second = 33 if bar else 36
    return (
        f'<g transform="translate({box.x},{box.y})"><rect width="{box.w}" height="{box.h}" rx="7" fill="{ground}" '
        f'stroke="{colour}" stroke-width="1.25"{dash}/>{_icon(look.status, colour, 10)}'
        f'<text x="25" y="19">{escape(box.label)}</text>'
        f'<text x="10" y="{second}" font-size="10.5" fill="#667078">{escape(cut(look.sub, box.w - 18, 10.5))}</text>'
        f"{bar}</g>"
    )


def _icon(status: NodeStatus, colour: str, y: int) -> str:
    return f'<path transform="translate(10,{y + 1})" d="{ICONS[status]}" fill="{colour}"/>'


def _bar(box: Box, fraction: float, colour: str) -> str:
    room = box.w - 20
    return (
        f'<rect x="10" y="37.5" width="{room}" height="3" rx="1.5" fill="#dfe3e8"/>'
        f'<rect x="10" y="37.5" width="{round(room * fraction)}" height="3" rx="1.5" fill="{colour}"/>'
    )
