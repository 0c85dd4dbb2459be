"""The boxes of a run, placed: fan-outs folded, nested graphs as frames around what happens inside.

A scene depends only on the shape of the picture. What changes often, a box's status and its second line, is its `Face`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..record import facts as f
from ..record import schema
from ..record.status import NodeStatus
from .groups import Group, finished, overall
from .labels import cut, duration, line, width
from .layout import Layout, Point, layout
from .picture import Node, Picture, error_text, tried

HEIGHT, SMALLEST, WIDEST = 44, 104, 210
FRAMED = 12  # a nested graph of more boxes is one box
MOST = 400  # of more boxes, all of one callee and scope become one
DEEPEST = 3
_MARGIN, _HEAD, _PAD = 12, 30, 12

_ARRAY = re.compile(r"^\w+ \(([\d, ]+)\) \w+$")  # as previews tell an array: only its shape is shown
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
Outputs = Callable[[bytes], dict[str, str]]  # previews of the outputs in a payload, by name


@dataclass(frozen=True, slots=True)
class Box:
    """`key` is the number of its first node; `group`: the nodes it stands for, if many. A frame holds other boxes."""

    key: int
    name: str
    x: int
    y: int
    w: int
    h: int
    group: Group | None = None
    frame: bool = False

    @property
    def count(self) -> int:
        """How many nodes it stands for."""
        return len(self.group.members) if self.group is not None else 1

    @property
    def label(self) -> str:
        """Its name, and how many nodes it stands for by now: a scene is not placed again for one more of them."""
        return self.name if self.group is None else f"{self.name} \u00d7{self.count}"


@dataclass(slots=True)
class Scene:
    """Boxes with frames before what is in them, and paths (from, to, SVG path data, whether it is only an order)."""

    boxes: dict[int, Box] = field(default_factory=dict)
    paths: list[tuple[int, int, str, bool]] = field(default_factory=list)
    width: int = 0
    height: int = 0
    merged: dict[tuple[str, int], int] = field(default_factory=dict)  # callee and scope -> the box of them all

    def home(self, picture: Picture, no: int) -> int:
        """The box that shows node `no`; 0 where there is none."""
        while no:
            group = picture.groups.of.get(no)
            if group is None:
                return 0
            key = group.first if group.folded else no
            key = self.merged.get((group.callee, group.scope), key)
            if key in self.boxes:
                return key
            no = picture.nodes[no].scope
        return 0


@dataclass(frozen=True, slots=True)
class Face:
    """What a box shows. `fraction` fills its bar; `began` and `ended` are seconds of the run."""

    status: NodeStatus
    sub: str
    fraction: float | None
    began: float
    ended: float | None
    counts: str = ""  # for several nodes: how many are in which status


# ---------------------------------------------------------------------- placing


def scene(picture: Picture, most: int = MOST) -> Scene:
    """Place everything that is to be seen; where that is more than `most` boxes, folded further."""
    fine = sum(1 if group.folded else len(group.members) for group in picture.groups.within.get(0, ()))
    merge = fine > most
    inner = _part(picture, 0, 0, merge=merge)
    shown = Scene(width=inner.width + 2 * _MARGIN, height=inner.height + 2 * _MARGIN)
    if merge:
        shown.merged = {(box.group.callee, 0): box.key for box in inner.boxes if box.group is not None}
    _add(shown, inner, _MARGIN, _MARGIN)
    return shown


@dataclass(slots=True)
class _Part:
    """One scope laid out on its own, from (0, 0). `inside`: the parts in its frames, by the frame's key."""

    boxes: list[Box]
    routes: list[tuple[int, int, list[Point], bool]]
    inside: dict[int, _Part]
    width: int
    height: int


@dataclass(slots=True)
class _Unit:
    """What one box stands for."""

    key: int
    group: Group
    parents: dict[int, None]
    soft: bool


def _part(picture: Picture, scope: int, depth: int, *, merge: bool = False) -> _Part:
    units = _units(picture, _merged(picture, scope) if merge else picture.groups.within.get(scope, []))
    merged = {unit.group.callee: unit.key for unit in units if unit.group.folded} if merge else {}
    index = {unit.key: i for i, unit in enumerate(units)}
    inside, boxes = {}, []
    for unit in units:
        part = _inside(picture, unit, depth)
        if part is not None:
            inside[unit.key] = part
        boxes.append(_box(picture, unit, part))
    edges: dict[tuple[int, int], bool] = {}
    for i, unit in enumerate(units):
        for parent in unit.parents:
            key = _lift(picture, parent, scope, index, merged)
            if key is not None and key != unit.key:
                edges[index[key], i] = unit.soft and edges.get((index[key], i), True)
    edges = _needed(edges, len(units))
    placed: Layout = layout([(box.w, box.h) for box in boxes], list(edges))
    boxes = [replace(box, x=x, y=y) for box, (x, y) in zip(boxes, placed.at, strict=True)]
    routes = [(units[a].key, units[b].key, points, edges[a, b]) for a, b, points in placed.routes]
    return _Part(boxes, routes, inside, placed.width, placed.height)


def _needed(edges: dict[tuple[int, int], bool], count: int) -> dict[tuple[int, int], bool]:
    """`edges` without those that only say an order which a longer way says as well."""
    before: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        before[b].append(a)
    reach = [0] * count  # as bits: all boxes from which one comes here
    for b in range(count):
        for a in before[b]:
            if a < b:
                reach[b] |= reach[a] | 1 << a
    return {
        (a, b): soft
        for (a, b), soft in edges.items()
        if not (soft and any(reach[other] >> a & 1 for other in before[b] if other != a))
    }


def _merged(picture: Picture, scope: int) -> list[Group]:
    """All nodes of one callee as one group, where they are many."""
    groups = picture.groups.within.get(scope, [])
    wide = [group for group in picture.groups.wide.get(scope, {}).values() if group.folded]
    return wide + [group for group in groups if group.wide not in wide]


def _units(picture: Picture, groups: list[Group]) -> list[_Unit]:
    units = []
    for group in groups:
        if group.folded:
            first = picture.nodes[group.first]
            units.append(_Unit(group.first, group, group.parents, not first.deps))
        else:
            for no in group.members:
                node = picture.nodes[no]
                units.append(_Unit(no, group, dict.fromkeys(node.deps or node.after), not node.deps))
    return sorted(units, key=lambda unit: unit.key)


def _inside(picture: Picture, unit: _Unit, depth: int) -> _Part | None:
    if unit.group.folded or depth >= DEEPEST:
        return None
    groups = picture.groups.within.get(unit.key, ())
    count = sum(1 if group.folded else len(group.members) for group in groups)
    return _part(picture, unit.key, depth + 1) if 0 < count <= FRAMED else None


def _lift(picture: Picture, parent: int, scope: int, index: dict[int, int], merged: dict[str, int]) -> int | None:
    """The box of `scope` in which node `parent` lies, if it does."""
    while parent:
        node = picture.nodes.get(parent)
        if node is None:
            return None
        if node.scope == scope:
            group = picture.groups.of[parent]
            key = merged.get(group.callee, group.first if group.folded else parent)
            return key if key in index else None
        parent = node.scope
    return None


def _box(picture: Picture, unit: _Unit, part: _Part | None) -> Box:
    node = picture.nodes[unit.key]
    many = len(unit.group.members) if unit.group.folded else len(_hidden(picture, unit.key))
    name = unit.group.callee if unit.group.folded else node.label
    label = cut(name, WIDEST - 40)
    room = width(label) + (width("0" * len(f" x{many}")) if unit.group.folded else 0) + 40
    wide = int(min(max(room, SMALLEST if many < 2 else SMALLEST + 12), WIDEST + 30))
    if part is None:
        return Box(unit.key, label, 0, 0, wide, HEIGHT, unit.group if unit.group.folded else None)
    wide = max(int(width(label)) + 150, part.width + 2 * _PAD)  # its second line stands beside its name
    return Box(unit.key, label, 0, 0, wide, part.height + _HEAD + _PAD, None, True)


def _hidden(picture: Picture, scope: int) -> list[int]:
    return [no for group in picture.groups.within.get(scope, ()) for no in group.members[:2]]


def _add(shown: Scene, part: _Part, x: int, y: int) -> None:
    for a, b, points, soft in part.routes:
        shown.paths.append((a, b, path([(px + x, py + y) for px, py in points]), soft))
    for box in part.boxes:
        shown.boxes[box.key] = replace(box, x=box.x + x, y=box.y + y)
        if box.frame:
            inner = part.inside[box.key]
            _add(shown, inner, x + box.x + (box.w - inner.width) // 2, y + box.y + _HEAD)


def path(points: list[Point]) -> str:
    """SVG path data: straight along columns, curves between them."""
    (x, y), *rest = points
    data = f"M{x:.0f} {y:.0f}"
    for to_x, to_y in rest:
        middle = (x + to_x) / 2
        flat = abs(to_y - y) < 1
        curve = f"C{middle:.0f} {y:.0f} {middle:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
        data += f"H{to_x:.0f}" if flat else curve
        x, y = to_x, to_y
    return data


# ---------------------------------------------------------------------- faces


def face(picture: Picture, box: Box, outputs: Outputs) -> Face:
    """What `box` shows now."""
    if box.group is not None:
        return _many(picture, box.group.members, box.group.counts)
    node = picture.nodes[box.key]
    hidden = picture.groups.within.get(box.key, ())
    if hidden:
        return _nest(picture, node, box, hidden)
    return Face(shown(node), _sub(picture, node, outputs), _fraction(node), node.began, node.ended)


def shown(node: Node) -> NodeStatus:
    """The status to show: a node that waits for an answer given inside it waits."""
    return NodeStatus.WAITING if node.asking and node.status is NodeStatus.RUNNING else node.status


def _many(picture: Picture, members: list[int], counts: Counter[NodeStatus]) -> Face:
    status, done, total = overall(counts), finished(counts), len(members)
    failed = counts[NodeStatus.FAILED]
    sub = f"{done} of {total}" + (f" \u00b7 {failed} failed" if failed else "")
    began = picture.nodes[members[0]].began
    last = picture.nodes[members[-1]].ended if done + failed == total else None
    words = ", ".join(f"{n} {status.value}" for status, n in sorted(counts.items()) if n)
    return Face(status, sub, done / total, began, last, words)


def _nest(picture: Picture, node: Node, box: Box, groups: list[Group] | tuple[()]) -> Face:
    counts = sum((group.counts for group in groups), Counter[NodeStatus]())
    done, total = finished(counts), sum(counts.values())
    parts = [f"{done} of {total}"]
    if node.ended is not None:
        parts = [f"{total} node{'s' if total != 1 else ''}", duration(node.ended - node.began)]
    if node.error is not None:
        parts = [line(error_text(node.error)[:300])]
    status = shown(node)
    if status is NodeStatus.RUNNING and counts[NodeStatus.WAITING] and not counts[NodeStatus.RUNNING]:
        status = NodeStatus.WAITING
    sub = cut(" \u00b7 ".join(parts), box.w - 20 - (width(box.label) + 30 if box.frame else 0), 10.5)
    return Face(status, sub, None if box.frame else done / max(total, 1), node.began, node.ended)


def _sub(picture: Picture, node: Node, outputs: Outputs) -> str:
    if node.error is not None:
        return line(error_text(node.error)[:300])
    if node.kind == f.WAIT and node.answer:
        return line(node.answer[:200])
    match shown(node):
        case NodeStatus.DONE:
            return " \u00b7 ".join(part for part in (_took(node), _gave(node, outputs)) if part)
        case NodeStatus.REUSED:
            return " \u00b7 ".join(part for part in ("reused", _gave(node, outputs)) if part)
        case NodeStatus.WAITING:
            return _waits_for(picture, node)
        case NodeStatus.RUNNING:
            return _doing(node)
        case NodeStatus.READY:
            return "to be run again"
        case status:
            return status.value


def _waits_for(picture: Picture, node: Node) -> str:
    if node.kind != f.WAIT:
        return "waits for an answer"
    awaited = picture.awaited.get(node.no)
    if awaited is None:
        return "waits for you" if node.no in picture.asks else "waits"
    if awaited.question.kind == schema.EVENT:
        return f"waits for the signal {awaited.question.name!r}"
    return "waits for an answer from outside" if awaited.question.kind == schema.EXTERNAL else "waits"


def _took(node: Node) -> str:
    return duration((node.ended or node.began) - node.began)


def _gave(node: Node, outputs: Outputs) -> str:
    if node.volatile:
        return "not stored"
    previews = outputs(node.value) if node.value else {}
    texts = [
        _ARRAY.sub(lambda found: found[1].strip(",").replace(", ", " \u00d7 "), text) for text in previews.values()
    ]
    short = [text for text in texts if 0 < len(text) <= 24 and text not in ("None", "{}")]
    return next((text for text in short if _NUMBER.fullmatch(text)), short[0] if short else "")


def _doing(node: Node) -> str:
    if node.failures:
        return tried(node)
    bar = node.notes.bar() if node.notes else None
    if bar is not None:
        return line(bar.sub or bar.title) or "running"
    return "running"


def _fraction(node: Node) -> float | None:
    if node.status is not NodeStatus.RUNNING or node.notes is None:
        return None
    bar = node.notes.bar()
    return bar.fraction if bar is not None else None
