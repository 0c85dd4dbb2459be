"""A run as one SVG picture that stands alone: light colours, no script, no fonts or files from elsewhere."""

from __future__ import annotations

from html import escape

from ..record.status import NodeStatus
from .labels import cut, width
from .picture import Picture
from .scene import Box, Face, Outputs, Scene, face, scene

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
    """The graph of the run, as it is now. Colours are classes and shapes are used by name, which keeps it short."""
    shown = placed if placed is not None else scene(picture)
    looks = {key: face(picture, box, outputs) for key, box in shown.boxes.items()}
    used = sorted({look.status for look in looks.values()})
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{shown.width}" height="{shown.height}" '
        f'viewBox="0 0 {shown.width} {shown.height}" font-family="{_FONT}" font-size="12" fill="#1f2328">'
        f"<style>{_STYLE}{''.join(map(_class, used))}</style><defs>{''.join(map(_symbol, used))}</defs>"
        f'<rect width="100%" height="100%" fill="#fff"/>'
    ]
    parts += [_frame(box, looks[key]) for key, box in shown.boxes.items() if box.frame]
    parts += [f'<path class="{"e s" if soft else "e"}" d="{data}"/>' for *_, data, soft in shown.paths]
    parts += [_box(box, looks[key]) for key, box in shown.boxes.items() if not box.frame]
    return "".join(parts) + "</svg>"


_STYLE = (
    ".e{fill:none;stroke:#8b949e;stroke-width:1.25}.s{stroke-dasharray:3 3}.t{font-size:10.5px;fill:#667078}"
    ".f{fill-opacity:.45;stroke-opacity:.6}.r{fill:#dfe3e8}"
)


def _class(status: NodeStatus) -> str:
    colour, ground = COLOURS[status]
    dash = ";stroke-dasharray:2 2" if status in _DASHED else ""
    name = f".{status.value}"
    return f"{name} .b{{fill:{ground};stroke:{colour};stroke-width:1.25{dash}}}{name} .i{{fill:{colour}}}"


def _symbol(status: NodeStatus) -> str:
    return f'<path id="{status.value}" d="{ICONS[status]}"/>'


def _frame(box: Box, look: Face) -> str:
    at = round(25 + width(box.label) + 12)
    sub = cut(look.sub, box.w - at - 8, 10.5)
    return (
        f'<g class="{look.status.value}" transform="translate({box.x},{box.y})">'
        f'<rect class="b f" width="{box.w}" height="{box.h}" rx="9"/>{_icon(look.status, 10)}'
        f'<text x="25" y="19">{escape(box.label)}</text><text class="t" x="{at}" y="19">{escape(sub)}</text></g>'
    )


def _box(box: Box, look: Face) -> str:
    bar = _bar(box, look.fraction) if look.fraction is not None else ""
    second = 33 if bar else 36
    return (
        f'<g class="{look.status.value}" transform="translate({box.x},{box.y})">'
        f'<rect class="b" width="{box.w}" height="{box.h}" rx="7"/>{_icon(look.status, 10)}'
        f'<text x="25" y="19">{escape(box.label)}</text>'
        f'<text class="t" x="10" y="{second}">{escape(cut(look.sub, box.w - 18, 10.5))}</text>{bar}</g>'
    )


def _icon(status: NodeStatus, y: int) -> str:
    return f'<use class="i" href="#{status.value}" x="10" y="{y}"/>'


def _bar(box: Box, fraction: float) -> str:
    room = box.w - 20
    return (
        f'<rect class="r" x="10" y="37.5" width="{room}" height="3" rx="1.5"/>'
        f'<rect class="i" x="10" y="37.5" width="{round(room * fraction)}" height="3" rx="1.5"/>'
    )
