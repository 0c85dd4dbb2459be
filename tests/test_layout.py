"""Boxes stand apart, edges go to the right, and the same graph always looks the same."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aethergraph.views.layout import Engine, apart, components, layered, layout, sugiyama

try:
    import fast_sugiyama  # noqa: F401

    ENGINES: list[Engine] = [layered, sugiyama]
except ImportError:
    ENGINES = [layered]

engines = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    count = draw(st.integers(1, 14))
    sizes = draw(
        st.lists(st.tuples(st.integers(90, 200), st.sampled_from([44, 44, 150])), min_size=count, max_size=count)
    )
    box = st.integers(0, count - 1)
    return sizes, draw(st.lists(st.tuples(box, box), max_size=25))


@engines
@settings(deadline=None, max_examples=60)
@given(graphs())
def test_boxes_do_not_overlap_and_edges_lead_to_the_right(
    engine: Engine, graph: tuple[list[tuple[int, int]], list[tuple[int, int]]]
) -> None:
    sizes, edges = graph
    placed = layout(sizes, edges, engine=engine)
    boxes = [(x, y, x + w, y + h) for (x, y), (w, h) in zip(placed.at, sizes, strict=True)]
    for i, a in enumerate(boxes):
        assert min(a) >= 0 and a[2] <= placed.width and a[3] <= placed.height + 1
        for b in boxes[i + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    assert {(a, b) for a, b, _ in placed.routes} == {(a, b) for a, b in edges if a < b}
    for a, b, points in placed.routes:
        assert points[0] == (boxes[a][2], points[0][1]) and points[-1][0] == boxes[b][0]
        assert [x for x, _ in points] == sorted(x for x, _ in points)


@engines
def test_self_loops_and_edges_backwards_are_left_out(engine: Engine) -> None:
    assert [route[:2] for route in layout([(90, 44)] * 3, [(0, 0), (2, 1), (0, 2)], engine=engine).routes] == [(0, 2)]


@engines
def test_boxes_without_edges_are_placed(engine: Engine) -> None:
    placed = layout([(90, 44)] * 5, [(1, 4), (1, 3), (3, 4)], engine=engine)
    assert len(set(placed.at)) == 5


@engines
def test_an_edge_over_a_column_goes_through_it_beside_the_boxes(engine: Engine) -> None:
    placed = layout([(90, 44)] * 4, [(0, 1), (1, 2), (2, 3), (0, 3)], engine=engine)
    [long] = [points for a, b, points in placed.routes if (a, b) == (0, 3)]
    assert len(long) == 6
    top = placed.at[1][1]
    assert not any(top < y < top + 44 for _, y in long[1:-1])


def test_an_edge_leaves_a_column_straight_beside_a_wider_box() -> None:
    placed = layout([(90, 44), (90, 44), (300, 150), (90, 44)], [(0, 1), (0, 2), (1, 3), (2, 3)])
    [points] = [points for a, b, points in placed.routes if (a, b) == (1, 3)]
    wide_right = placed.at[2][0] + 300
    assert points[1] == (wide_right, points[0][1])


@engines
def test_later_boxes_stand_rather_below(engine: Engine) -> None:
    placed = layout([(90, 44)] * 4, [(0, 1), (0, 2), (0, 3)], engine=engine)
    assert [placed.at[i][1] for i in (1, 2, 3)] == sorted(placed.at[i][1] for i in (1, 2, 3))


def test_nothing_gives_an_empty_layout() -> None:
    assert layout([], []).width == 0


def test_the_layout_is_the_same_in_each_process() -> None:
    code = (
        "from aethergraph.views.layout import layout; "
        "print(layout([(90, 44)] * 30, [(i // 3, i) for i in range(1, 30)] + [(0, 29), (2, 25)]))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PATH": ""}, capture_output=True, check=True
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout


def test_components_hang_together() -> None:
    assert components(5, [(0, 3), (1, 4)]) == [[0, 3], [1, 4], [2]]


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(1, 20)), min_size=1, max_size=8))
def test_things_are_set_apart_in_order(things: list[tuple[float, float]]) -> None:
    wish, heights = [w for w, _ in things], [h for _, h in things]
    placed = apart(wish, heights, 2.0)
    for i in range(len(things) - 1):
        assert placed[i + 1] - placed[i] >= (heights[i] + heights[i + 1]) / 2 + 2.0 - 1e-6


def test_what_stands_apart_already_is_not_moved() -> None:
    assert apart([0.0, 10.0, 30.0], [4.0, 4.0, 4.0]) == [0.0, 10.0, 30.0]


def test_the_height_of_a_node_is_worked_out_once_however_many_edges_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand boxes with a few edges each took a second, most of it here."""
    rounded: list[float] = []

    def counted(number: float) -> int:
        rounded.append(number)
        return round(number)

    monkeypatch.setattr(sys.modules["aethergraph.views.layout"], "round", counted, raising=False)
    n = 60
    layout([(100, 30)] * n, [(i, j) for i in range(n) for j in range(i + 1, min(i + 6, n))], engine=layered)
    assert len(rounded) < 40 * n
