"""Functions of the view that need no DOM."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from aethergraph.record.files import amount
from jupyter_ext.plot_wire import written


def call(page: Page, module: str, function: str, *args: Any) -> Any:
    return page.evaluate(
        "async ([module, name, args]) => (await import(`/${module}.js`))[name](...args)", [module, function, list(args)]
    )


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.5, 1]), (0, 10, [0, 5, 10]), (-0.02, 0.31, [0, 0.1, 0.2, 0.3]), (3, 3, [3]), (0, 4.2, [0, 2, 4])],
)
def test_ticks_are_round_and_inside(page: Page, low: float, high: float, ticks: list[float]) -> None:
    assert call(page, "series", "ticks", low, high) == ticks


def line(*points: tuple[float, float], start: int = 0) -> list[Any]:
    """Points as Python tells of them."""
    steps, values = ([point[i] for point in points] for i in (0, 1))
    return [start, start + len(points), *written(np.array(steps, float), np.array(values, float))]


MERGED = """async (told) => {
  const { mergeTrack, charts, aligned } = await import("/series.js");
  const tracks = {};
  for (const [name, one] of told) {
    const line = mergeTrack(tracks[name], one);
    if (!line) return null;
    tracks[name] = line;
  }
  const shown = (line) => [line.name, line.to, [...line.xs], [...line.ys].map(String)];
  const cells = (column) => Array.from(column, (cell) => (cell === undefined ? "none" : cell));
  return charts(tracks).map(({ name, lines }) => [name, lines.map(shown), aligned(lines).map(cells)]);
}"""


def merged(page: Page, *told: tuple[str, list[Any]]) -> Any:
    return page.evaluate(MERGED, list(told))


def test_tracks_of_one_prefix_are_lines_of_one_chart(page: Page) -> None:
    tracks = [(name, line((0, 1))) for name in ("loss/svm", "loss/mlp", "speed", "/odd")]
    assert [(chart[0], [one[0] for one in chart[1]]) for chart in merged(page, *tracks)] == [
        ("loss", ["svm", "mlp"]),
        ("speed", ["speed"]),
        ("/odd", ["/odd"]),
    ]


def test_points_are_appended_once_and_sorted_by_step(page: Page) -> None:
    first, later = line((0, 1), (2, math.nan)), line((2, math.nan), (1, 5), start=1)
    assert merged(page, ("a", first), ("a", later)) == [
        ["a", [["a", 3, [0, 1, 2], ["1", "5", "NaN"]]], [[0, 1, 2], [1, 5, None]]]
    ]
    assert merged(page, ("a", later)) is None  # one before it was missed
    assert merged(page, ("a", first), ("a", line((9, 9), start=7))) is None
    assert merged(page, ("a", first), ("a", line((7, 7))))[0][1] == [["a", 1, [7], ["7"]]]


def test_columns_come_as_exact_as_they_were_sent(page: Page) -> None:
    steps = [1e9 + i * 0.25 for i in range(5)] + [2e9]
    values = [0.1, 1e-9, -3.5, math.inf, 1e300, 7]
    (chart,) = merged(page, ("a", line(*zip(steps, values, strict=True))))
    assert chart[1][0][2] == steps
    assert [float(value) for value in chart[1][0][3]] == values
    assert chart[2][1][3] is None  # infinity has no place, either


def test_lines_with_steps_of_their_own_go_on_where_they_have_no_point(page: Page) -> None:
    (chart,) = merged(page, ("l/a", line((0, 1), (2, 3), (2, 4))), ("l/b", line((1, math.nan), (2, 5))))
    assert chart[2] == [[0, 1, 2], [1, "none", 4], ["none", None, 5]]


def test_a_range_in_detail_takes_the_place_of_what_was_coarse(page: Page) -> None:
    found = page.evaluate(
        """async () => {
          const { spliced } = await import("/series.js");
          const of = (xs) => ({ xs: Float64Array.from(xs), ys: Float64Array.from(xs) });
          return [...spliced(of([0, 5, 10]), of([3, 4, 5, 6, 7]), 4, 6).xs];
        }"""
    )
    assert found == [0, 4, 5, 6, 10]


def test_the_nearest_point_of_a_step(page: Page) -> None:
    assert [call(page, "series", "nearest", [0, 2, 10], step) for step in (-5, 1.2, 7, 99)] == [0, 1, 2, 2]


def test_a_heat_map_has_its_lowest_dark_and_its_highest_light_and_gaps_clear(page: Page) -> None:
    found = page.evaluate(
        """async () => {
          const { bounds, pixels } = await import("/heatmap.js");
          const values = Float32Array.from([1, NaN, 3, Infinity]);
          return [bounds(values), [...pixels(values, 1, 3)], [...pixels([5, 5], 5, 5)].slice(0, 4), bounds([NaN])];
        }"""
    )
    assert found[0] == [1, 3] and found[3] == [0, 0]
    assert [found[1][i : i + 4] for i in range(0, 16, 4)] == [
        [0, 32, 81, 255], [0, 0, 0, 0], [253, 234, 69, 255], [0, 0, 0, 0],
    ]  # fmt: skip
    assert found[2] == [127, 124, 117, 255]


def test_a_summary_says_what_a_chart_shows(page: Page) -> None:
    lines = [{"name": "svm", "xs": [0, 3], "ys": [1, 0.25]}, {"name": "mlp", "xs": [0], "ys": [None]}]
    assert call(page, "series", "summary", "loss", lines) == (
        "plot of loss: 2 lines. svm from 0.25 to 1, last 0.25 at step 3; mlp: no values"
    )


@pytest.mark.parametrize(
    ("value", "text"), [(0.02556123, "0.02556"), (1e-7, "1.0e-7"), (1234567, "1.2e+6"), (0, "0"), (None, "")]
)
def test_numbers_are_short(page: Page, value: float | None, text: str) -> None:
    assert call(page, "series", "number", value) == text


def test_times_and_sizes(page: Page) -> None:
    assert [call(page, "dom", "clock", t) for t in (-1, 65.9, 3661)] == ["0:00", "1:05", "1:01:01"]
    assert [call(page, "dom", "span", t) for t in (0.04, 41, 61)] == ["0.0 s", "41 s", "1:01"]


@pytest.mark.parametrize(
    "size", [0, 999, 1000, 1250, 1350, 1750, 14_900, 999_600, 999_999, 2_250_000, 4_100_000, 10**13]
)
def test_sizes_are_said_as_python_says_them(page: Page, size: int) -> None:
    assert call(page, "dom", "bytes", size) == amount(size)


def test_transcript_entries_are_merged_by_id_in_order(page: Page) -> None:
    talk = [[1, 0, "say", "a"], [3, 0, "say", "c"]]
    merged = call(page, "store", "mergeTalk", talk, [[2, 0, "say", "b"], [3, 0, "say", "C"]], [1])
    assert [entry[3] for entry in merged] == ["b", "C"]


def test_a_running_bar_of_the_timeline_reaches_to_now(page: Page) -> None:
    state = {
        "boxes": [[1, "a", 0, 0, 0, 0, 1, 0], [2, "b", 0, 0, 0, 0, 1, 0]],
        "faces": {"1": ["done", "", None, 0, 2], "2": ["running", "", None, 2, None]},
    }
    rows = call(page, "timeline", "rows", state, 8)
    assert [(row["left"], row["width"]) for row in rows] == [(0, 25), (25, 75)]
