"""Where the boxes of a layered graph go, left to right. Pure; the same boxes and edges always give the same picture.

`fast_sugiyama` finds ranks and lanes where it can be imported, else a plain method of our own does (longest path,
barycentre sweeps). Both give layers of items; boxes of different sizes are then set apart in their columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

Size = tuple[int, int]
Edge = tuple[int, int]
Point = tuple[float, float]
GAP_X, GAP_Y = 34, 16
_BEND = (8, 8)  # the room that a passing edge takes in a column


@dataclass(frozen=True, slots=True)
class Layout:
    """`at`: the top left corner of each box. `routes`: for each edge the points through which it is drawn."""

    at: list[tuple[int, int]]
    routes: list[tuple[int, int, list[Point]]]
    width: int
    height: int


@dataclass(slots=True)
class Lanes:
    """Columns of items. Items below the number of boxes are boxes, the others bends of `chains`."""

    rank: dict[int, int]
    lane: dict[int, float]
    chains: list[list[int]]  # for each edge: its box, bends, and box


Engine = Callable[[int, list[Edge]], Lanes]


def layout(sizes: Sequence[Size], edges: Sequence[Edge], *, engine: Engine | None = None) -> Layout:
    """Place boxes of the given (width, height) in pixels.

    An edge must lead to a later box; others, and doubles, are left out, which keeps the graph free of cycles.
    """
    count = len(sizes)
    kept = [edge for edge in dict.fromkeys(edges) if 0 <= edge[0] < edge[1] < count]
    return _place(sizes, (engine or _engine())(count, kept))


def _engine() -> Engine:
    try:
        import fast_sugiyama  # noqa: F401
    except ImportError:
        return layered
    return sugiyama


def components(count: int, edges: Sequence[Edge]) -> list[list[int]]:
    """Boxes that hang together, each list in order, by first box."""
    root = list(range(count))

    def find(box: int) -> int:
        while root[box] != box:
            root[box] = root[root[box]]
            box = root[box]
        return box

    for a, b in edges:
        a, b = find(a), find(b)
        root[max(a, b)] = min(a, b)
    groups: dict[int, list[int]] = {}
    for box in range(count):
        groups.setdefault(find(box), []).append(box)
    return list(groups.values())


def sugiyama(count: int, edges: list[Edge]) -> Lanes:
    """Ranks and lanes by `fast_sugiyama`, one component under the other."""
    from fast_sugiyama import from_edges

    lanes, top, fresh = Lanes({}, {}, []), 0.0, count
    of = defaultdict[int, list[Edge]](list)
    parts = components(count, edges)
    home = {box: number for number, part in enumerate(parts) for box in part}
    for edge in edges:
        of[home[edge[0]]].append(edge)
    for number, part in enumerate(parts):
        if len(part) == 1:  # the library drops what has no edges
            lanes.rank[part[0]], lanes.lane[part[0]] = 0, top
            top += 1
            continue
        # Small numbers in stable order: text ids are laid out by hash, and ids beyond the boxes are its bends.
        small = {box: index for index, box in enumerate(part)}
        inner = [(small[a], small[b]) for a, b in of[number]]
        (found, *_) = from_edges(inner, vertex_spacing=1, dummy_vertices=True)
        positions = cast("list[tuple[int, Point]]", found[0])
        links = cast("list[Edge]", found[3] or inner)
        first_rank = max(y for _, (_, y) in positions)  # it counts upwards
        first_lane = min(x for _, (x, _) in positions)
        name = {i: part[i] if i < len(part) else fresh + i - len(part) for i, _ in positions}
        height = max(x for _, (x, _) in positions) - first_lane
        turned = _descending(positions, len(part))
        for i, (x, y) in positions:
            lane = first_lane + height - x if turned else x - first_lane
            lanes.rank[name[i]], lanes.lane[name[i]] = round(first_rank - y), top + lane
        lanes.chains += _chains([(name[a], name[b]) for a, b in links], count)
        fresh += max(name) + 1
        top += height + 1
    return lanes


def _descending(positions: list[tuple[int, Point]], count: int) -> bool:
    """Whether boxes stand rather with the later ones on top, so that the picture is better turned over."""
    columns = defaultdict[float, list[tuple[float, int]]](list)
    for i, (x, y) in positions:
        if i < count:
            columns[y].append((x, i))
    pairs = [pair for column in columns.values() for pair in pairwise(sorted(column))]
    return sum(1 if a > b else -1 for (_, a), (_, b) in pairs) > 0


def _chains(links: list[Edge], count: int) -> list[list[int]]:
    after = dict(edge for edge in links if edge[0] >= count)
    chains = []
    for a, b in links:
        if a < count:
            chain = [a, b]
            while chain[-1] >= count:
                chain.append(after[chain[-1]])
            chains.append(chain)
    return chains


def layered(count: int, edges: list[Edge]) -> Lanes:
    """Ranks by longest path, order by barycentre, long edges through bends of their own."""
    rank = dict.fromkeys(range(count), 0)
    for a, b in sorted(edges):  # edges lead to later boxes, so this order is topological
        rank[b] = max(rank[b], rank[a] + 1)
    chains, fresh = [], count
    for a, b in edges:
        bends = list(range(fresh, fresh + rank[b] - rank[a] - 1))
        fresh += len(bends)
        rank.update({bend: rank[a] + 1 + i for i, bend in enumerate(bends)})
        chains.append([a, *bends, b])
    columns = _columns(rank, {item: float(item) for item in rank})
    before, behind = _neighbours(chains)
    for sweep in range(8):
        _order(columns if sweep % 2 == 0 else columns[::-1], before if sweep % 2 == 0 else behind)
    place = {item: float(i) for column in columns for i, item in enumerate(column)}
    for sweep in range(6):
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            near = before if sweep % 2 == 0 else behind
            wish = [_mean([place[n] for n in near[item]], place[item]) for item in column]
            place.update(zip(column, apart(wish, [1.0] * len(column)), strict=True))
    low = min(place.values(), default=0.0)
    return Lanes(rank, {item: lane - low for item, lane in place.items()}, chains)


def _columns(rank: dict[int, int], lane: dict[int, float]) -> list[list[int]]:
    columns = defaultdict[int, list[int]](list)
    for item in sorted(rank, key=lambda item: (lane[item], item)):
        columns[rank[item]].append(item)
    return [columns[r] for r in sorted(columns)]


def _neighbours(chains: list[list[int]]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    before, behind = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
    for chain in chains:
        for a, b in pairwise(chain):
            before[b].append(a)
            behind[a].append(b)
    return before, behind


def _order(columns: list[list[int]], near: dict[int, list[int]]) -> None:
    place: dict[int, float] = {}
    for column in columns:
        old = {item: float(i) for i, item in enumerate(column)}
        column.sort(key=lambda item: _mean([place[n] for n in near[item] if n in place], old[item]))
        place.update({item: float(i) for i, item in enumerate(column)})


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def apart(wish: Sequence[float], heights: Sequence[float], gap: float = 0.0) -> list[float]:
    """Centres nearest to `wish` (least squares) such that things of these heights, in this order, do not overlap.

    >>> apart([0.0, 0.0, 9.0], [1.0, 1.0, 1.0])
    [-0.5, 0.5, 9.0]

    Source: pool adjacent violators (Ayer et al. 1955) on the wishes minus their least distances.
    """
    shift, shifts = 0.0, [0.0]
    for above, below in pairwise(heights):
        shift += (above + below) / 2 + gap
        shifts.append(shift)
    blocks: list[tuple[float, int]] = []  # mean and number of members
    for value, offset in zip(wish, shifts, strict=False):
        mean, size = value - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, number = blocks.pop()
            mean, size = (mean * size + other * number) / (size + number), size + number
        blocks.append((mean, size))
    means = [mean for mean, size in blocks for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, shifts, strict=False)]


def _place(sizes: Sequence[Size], lanes: Lanes) -> Layout:
    if not sizes:
        return Layout([], [], 0, 0)
    columns = _columns(lanes.rank, lanes.lane)
    widths = [max(_size(sizes, item)[0] for item in column) for column in columns]
    left, x = {}, 0
    for column, wide in zip(columns, widths, strict=True):
        for item in column:
            left[item] = (x, wide)
        x += wide + GAP_X
    centre = _centres(sizes, lanes, columns)
    top = min(centre[i] - sizes[i][1] / 2 for i in range(len(sizes)))
    low = min([top, *(centre[item] - 4 for item in centre if item >= len(sizes))])
    at = [(left[i][0], round(centre[i] - sizes[i][1] / 2 - low)) for i in range(len(sizes))]
    height = {item: round(y - low) for item, y in centre.items()}
    routes = [_route(chain, sizes, left, height) for chain in lanes.chains]
    bottom = max(round(centre[item] - low + _size(sizes, item)[1] / 2) for item in centre)
    return Layout(at, routes, x - GAP_X, bottom)


def _size(sizes: Sequence[Size], item: int) -> Size:
    return sizes[item] if item < len(sizes) else _BEND


def _centres(sizes: Sequence[Size], lanes: Lanes, columns: list[list[int]]) -> dict[int, float]:
    usual = min(h for _, h in sizes)
    unit = usual + GAP_Y
    centre = {item: lane * unit for item, lane in lanes.lane.items()}
    uneven = any(h != usual for _, h in sizes)
    before, behind = _neighbours(lanes.chains)
    for sweep in range(5 if uneven else 1):  # tall boxes push others aside: let those follow their neighbours
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            near = (behind, before)[sweep % 2]
            wish = [centre[i] if not sweep else _mean([centre[n] for n in near[i]], centre[i]) for i in column]
            centre.update(zip(column, apart(wish, [_size(sizes, i)[1] for i in column], GAP_Y), strict=True))
    return centre


def _route(
    chain: list[int], sizes: Sequence[Size], left: dict[int, tuple[int, int]], centre: dict[int, int]
) -> tuple[int, int, list[Point]]:
    a, b = chain[0], chain[-1]
    points: list[Point] = [(left[a][0] + sizes[a][0], centre[a])]
    if sum(left[a]) > points[0][0]:  # leave the column straight: a wider box above or below is not to be crossed
        points.append((sum(left[a]), centre[a]))
    for bend in chain[1:-1]:
        x, wide = left[bend]
        points += [(x, centre[bend]), (x + wide, centre[bend])]
    points.append((left[b][0], centre[b]))
    return a, b, points
