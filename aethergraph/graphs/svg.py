"""A static graph as one SVG picture that stands alone."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ..views.labels import cut, line, width
from ..views.layout import Point, layout
from .text import edges

if TYPE_CHECKING:  # a graph draws itself with this
    from .graph import TaskGraph

_HEIGHT, _LEAST, _MOST, _EDGE = 34, 60, 220, 8
_STYLE = (
    ".b{fill:#f6f7f9;stroke:#77808a;stroke-width:1.25}.g{stroke-width:2.5}"
    ".e{fill:none;stroke:#8b949e;stroke-width:1.25}.s{stroke-dasharray:3 3}"
)


def to_svg(graph: TaskGraph) -> str:
    """Boxes from left to right; edges that carry no value are dashed, boxes of graphs have a heavy line."""
    order = graph.topological_order()
    index = {name: number for number, name in enumerate(order)}
    labels = [cut(graph.node(name).title, _MOST - 20) for name in order]
    sizes = [(max(_LEAST, round(width(label)) + 20), _HEIGHT) for label in labels]
    soft: dict[tuple[int, int], bool] = {}
    for start, end, what in edges(graph):
        pair = index[start], index[end]
        soft[pair] = soft.get(pair, True) and what in ("after", "if")
    placed = layout(sizes, list(soft))
    wide, high = placed.width + 2 * _EDGE, placed.height + 2 * _EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"'
        f' font-family="system-ui,sans-serif" font-size="12" fill="#1f2328"><style>{_STYLE}</style>'
        f'<title>{escape(line(graph.graph_id))}</title><rect width="100%" height="100%" fill="#fff"/>'
        f'<g transform="translate({_EDGE},{_EDGE})">'
    ]
    parts += [f'<path class="{"e s" if soft[a, b] else "e"}" d="{_path(points)}"/>' for a, b, points in placed.routes]
    for number, (x, y) in enumerate(placed.at):
        heavy = "b g" if graph.node(order[number]).kind == "graph" else "b"
        parts.append(
            f'<rect class="{heavy}" x="{x}" y="{y}" width="{sizes[number][0]}" height="{_HEIGHT}" rx="7"/>'
            f'<text x="{x + 10}" y="{y + 21}">{escape(labels[number])}</text>'
        )
    return "".join([*parts, "</g></svg>"])


def _path(points: list[Point]) -> str:
    (x, y), *rest = points
    data = f"M{x:.0f} {y:.0f}"
    for to_x, to_y in rest:
        middle = (x + to_x) / 2
        data += f"C{middle:.0f} {y:.0f} {middle:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
        x, y = to_x, to_y
    return data
