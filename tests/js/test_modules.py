"""Functions of the view that need no DOM."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page


def call(page: Page, module: str, function: str, *args: Any) -> Any:
    return page.evaluate(
        "async ([module, name, args]) => (await import(`/${module}.js`))[name](...args)", [module, function, list(args)]
    )


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.5, 1]), (0, 10, [0, 5, 10]), (-0.02, 0.31, [0, 0.1, 0.2, 0.3]), (3, 3, [3]), (0, 4.2, [0, 2, 4])],
)
def test_ticks_are_round_and_inside(page: Page, low: float, high: float, ticks: list[float]) -> None:
    assert call(page, "plots", "ticks", low, high) == ticks


def test_tracks_of_one_prefix_are_lines_of_one_chart(page: Page) -> None:
    found = call(page, "plots", "charts", {"loss/svm": [0, []], "loss/mlp": [0, []], "speed": [0, []]})
    assert [(chart["name"], [line["name"] for line in chart["lines"]]) for chart in found] == [
        ("loss", ["svm", "mlp"]),
        ("speed", ["speed"]),
    ]


def test_thinning_keeps_the_extremes_and_leaves_out_what_is_no_number(page: Page) -> None:
    points: list[list[float | None]] = [[i, 50 if i == 777 else i % 3] for i in range(5000)]
    points[10][1] = None
    kept = call(page, "plots", "thin", points, 100)
    assert len(kept) <= 200 and [777, 50] in kept
    assert call(page, "plots", "thin", [[2, 1], [1, None], [0, 3]], 100) == [[0, 3], [2, 1]]


def test_the_nearest_point_of_a_step(page: Page) -> None:
    points = [[0, 1], [2, 2], [10, 3]]
    assert [call(page, "plots", "nearest", points, step) for step in (-5, 1.2, 7, 99)] == [
        [0, 1],
        [2, 2],
        [10, 3],
        [10, 3],
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(0.02556123, "0.02556"), (1e-7, "1.0e-7"), (1234567, "1.2e+6"), (0, "0"), (None, "")]
)
def test_numbers_are_short(page: Page, value: float | None, text: str) -> None:
    assert call(page, "plots", "number", value) == text


def test_times_and_sizes(page: Page) -> None:
    assert [call(page, "dom", "clock", t) for t in (-1, 65.9, 3661)] == ["0:00", "1:05", "1:01:01"]
    assert [call(page, "dom", "span", t) for t in (0.04, 41, 61)] == ["0.0 s", "41 s", "1:01"]
    assert [call(page, "dom", "bytes", n) for n in (999, 4_100_000, 999_600)] == ["999 B", "4.1 MB", "1.0 MB"]


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
