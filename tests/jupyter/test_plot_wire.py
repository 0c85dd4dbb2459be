"""What browsers are told of plots: bounded, in proportion to what is new, and JSON."""

from __future__ import annotations

import base64
import json
import math
from array import array
from typing import Any

import numpy as np
import pytest

from aethergraph.record import points
from aethergraph.views import frames
from aethergraph.views.frames import Frame
from jupyter_ext import plot_wire
from jupyter_ext.patches import Teller
from jupyter_ext.plot_wire import content, detail, written
from tests.story import PROBE, Story


def column(text: str, count: int) -> list[float]:
    return list(points.numbers(text[:1].encode() + base64.b64decode(text[1:]), count))


def told(line: Any) -> tuple[int, int, list[float], list[float]]:
    start, end, count, steps, values = line
    return start, end, column(steps, count), column(values, count)


class Followed:
    """A story and what its view is told, patch by patch."""

    def __init__(self, story: Story) -> None:
        self.story, self.teller = story, Teller(story.picture())
        self.teller.picture.changes()
        self._known = len(story.facts)

    def patch(self) -> Any:
        for fact in self.story.facts[self._known :]:
            self.teller.picture.fold(fact)
        self._known = len(self.story.facts)
        patch = self.teller.patch(self.teller.picture.changes(), self.story.t, live=True)
        return json.loads(json.dumps(patch, allow_nan=False))

    def snapshot(self) -> Any:
        return json.loads(json.dumps(self.teller.snapshot(self.story.t, live=True), allow_nan=False))


@pytest.fixture
def followed() -> Followed:
    story = Story()
    fit = story.node("fit")
    for step in range(3):
        story.point(fit, "loss", step, step / 2)
    return Followed(story)


def test_points_are_appended_and_start_anew_when_superseded(followed: Followed) -> None:
    assert told(followed.snapshot()["tracks"]["loss"]) == (0, 3, [0, 1, 2], [0, 0.5, 1])
    followed.story.point(1, "loss", 3, math.nan)
    start, end, steps, values = told(followed.patch()["tracks"]["loss"])
    assert (start, end, steps) == (3, 4, [3]) and math.isnan(values[0])
    assert "tracks" not in followed.patch()
    followed.story.attempt_failed(1, 1)
    assert told(followed.patch()["tracks"]["loss"]) == (0, 0, [], [])


def test_a_patch_of_a_long_line_holds_what_is_new(followed: Followed) -> None:
    for step in range(50_000):
        followed.story.point(1, "loss", step, math.sin(step))
    assert len(json.dumps(followed.patch()["tracks"])) < 22_000
    followed.story.point(1, "loss", 50_000, 1)
    patch = followed.patch()["tracks"]
    assert told(patch["loss"])[:2] == (50_003, 50_004) and len(json.dumps(patch)) < 80


def test_a_line_that_grows_for_ever_is_told_anew_now_and_then(followed: Followed) -> None:
    """So a browser never holds more than a few thousand points, and no point is sent more than about twice."""
    begun, sent, total = 0, 0, 0
    for _ in range(100):
        for _ in range(200):
            followed.story.point(1, "loss", total, total % 7)
            total += 1
        start, end, steps, _ = told(followed.patch()["tracks"]["loss"])
        begun += start == 0
        sent += len(steps)
        assert end == total + 3
    assert 2 <= begun <= total // (plot_wire.MOST - plot_wire.POINTS) + 1
    assert sent <= 2 * total


def test_a_snapshot_of_a_hundred_lines_is_bounded() -> None:
    story = Story()
    fit = story.node("fit")
    for k in range(100):
        for step in range(2_000):
            story.point(fit, f"loss/{k}", step, math.sin(step * k))
    tracks = Followed(story).snapshot()["tracks"]
    assert sum(line[2] for line in tracks.values()) <= plot_wire.ALL
    assert len(json.dumps(tracks)) < 25 * plot_wire.ALL


def test_values_are_as_exact_as_can_be_seen() -> None:
    steps = np.arange(3.0)
    near = np.array([1e9, 1e9 + 0.25, 1e9 + 0.5])  # four bytes would make one number of them
    assert column(written(steps, near)[2], 3) == near.tolist()
    assert written(steps, np.array([0.1, 0.2, 0.35]))[2][0] == "f"
    assert column(written(steps, np.array([0.1] * 3))[2], 3) == [0.1] * 3


def test_a_range_has_all_its_points() -> None:
    story = Story()
    fit = story.node("fit")
    for step in range(50_000):
        story.point(fit, "loss", step, step)
    count, steps, _ = detail(story.picture(), ["loss", "gone"], 10_000.5, 11_000.0)["loss"]
    assert column(steps, count) == [*range(10_000, 11_002)]


def frame(kind: str, data: bytes, **about: Any) -> Frame:
    return Frame(0, 1, 4.0, kind, data, "", about)


def test_pictures_are_listed_by_number_and_not_sent(followed: Followed) -> None:
    for step in range(2):
        followed.story.frame(1, "attention", step, frames.MATRIX, frames.write_array(np.eye(20)))
    assert followed.patch()["frames"] == {"attention": [0, [[0, 0, "matrix"], [1, 1, "matrix"]]]}
    followed.story.frame(1, "attention", 2, frames.MATRIX, frames.write_array(np.eye(20)))
    assert followed.patch()["frames"] == {"attention": [2, [[2, 2, "matrix"]]]}
    assert followed.snapshot()["frames"]["attention"][1][-1] == [2, 2, "matrix"]
    followed.story.attempt_failed(1, 1)
    assert followed.patch()["frames"] == {"attention": [0, []]}


def test_a_large_matrix_is_sent_coarse() -> None:
    about, (cells,) = content(frame(frames.MATRIX, frames.write_array(np.ones((1000, 10)))), bytes)
    assert (about["rows"], about["columns"], about["shape"]) == (250, 10, [1000, 10])
    assert len(cells) == 4 * 250 * 10


def test_a_long_vector_is_thinned_and_keeps_its_spike() -> None:
    values = np.zeros(100_000)
    values[777] = 5
    _, (steps, kept) = content(frame(frames.VECTOR, frames.write_array(values)), bytes)
    assert len(kept) <= 8 * plot_wire.POINTS
    assert array("d", steps)[array("d", kept).index(5)] == 777


def test_a_table_is_json_and_text() -> None:
    data = frames.write_table(["a", PROBE], [[math.nan, PROBE]] * 500, 500)
    about, buffers = content(frame(frames.TABLE, data), bytes)
    json.dumps(about, allow_nan=False)
    assert (len(about["rows"]), about["total"], buffers) == (plot_wire.ROWS, 500, [])
    assert "\u202e" not in about["rows"][0][1]


def test_what_a_later_version_plots_is_told_by_its_kind() -> None:
    about, buffers = content(frame("volume", b"..."), bytes)
    assert (about["type"], buffers) == ("volume", [])
