"""Figures and columns of what runs plotted, from their facts alone."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from aethergraph.lifecycle import plotting
from aethergraph.lifecycle.plotting import Plotted
from aethergraph.views import frames
from tests.story import Story


def plotted(story: Story) -> Plotted:
    return Plotted(story.run_id, story.picture(), lambda digest: pytest.fail(f"asked for {digest}"))


def png() -> bytes:
    file = io.BytesIO()
    Figure(figsize=(1, 1)).savefig(file, format="png")
    return file.getvalue()


@pytest.fixture
def story() -> Story:
    told = Story()
    fit = told.node("fit")
    for step in range(4):
        told.point(fit, "loss/svm", step, 1 / (step + 1))
        told.point(fit, "loss/mlp", step, math.nan if step == 2 else 0.5)
        told.frame(fit, "attention", step, frames.MATRIX, frames.write_array(np.eye(3) * step))
    told.point(fit, "speed", 1, 7)
    told.frame(fit, "spectrum", 0, frames.VECTOR, frames.write_array(np.arange(5.0)))
    told.frame(fit, "photo", 2, frames.IMAGE, png(), mime="image/png")
    told.frame(fit, "scores", 0, frames.TABLE, frames.write_table(["model", "score"], [["svm", 0.5]], 1))
    return told


def titles(figure: Figure) -> list[str]:
    return [axis.get_title(loc="left") for axis in figure.axes if axis.get_title(loc="left")]


def test_a_chart_for_each_group_and_a_picture_for_each_track(story: Story) -> None:
    figure = plotting.figure([plotted(story)])
    assert titles(figure) == [
        "loss", "speed", "attention, step 3", "spectrum, step 0", "photo, step 2", "scores, step 0",
    ]  # fmt: skip
    loss, speed = figure.axes[:2]
    assert [line.get_label() for line in loss.lines] == ["svm", "mlp"]
    assert math.isnan(np.asarray(loss.lines[1].get_ydata())[2])
    assert speed.lines[0].get_marker() == "o"  # one point is no line
    figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (5, 40)])
def test_a_heat_map_counts_whole_rows_and_columns_in_the_colours_of_the_run_view(shape: tuple[int, int]) -> None:
    story = Story()
    story.frame(0, "read as", 0, frames.MATRIX, frames.write_array(np.arange(float(math.prod(shape))).reshape(shape)))
    figure = plotting.figure([plotted(story)])
    figure.canvas.draw()
    heat = figure.axes[0]
    rows, columns = shape
    for axis, count in ((heat.yaxis, rows), (heat.xaxis, columns)):
        seen = [tick for tick in axis.get_majorticklocs() if -0.5 <= tick <= count - 0.5]
        assert seen and all(tick == int(tick) for tick in seen)
    assert heat.images[0].get_cmap().name == "cividis"


def test_curves_name_their_axis(story: Story) -> None:
    figure = plotting.figure([plotted(story)])
    assert [axis.get_xlabel() for axis in figure.axes[:2]] == ["step", "step"]


def test_one_track_and_one_step(story: Story) -> None:
    assert titles(plotting.figure([plotted(story)], "loss/mlp")) == ["loss"]
    (figure,) = [plotting.figure([plotted(story)], "attention", 1.4)]
    assert titles(figure) == ["attention, step 1"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), np.eye(3))


def test_several_runs_share_a_chart_and_stand_beside_each_other(story: Story) -> None:
    other = Story(run_id="study-b2b2b")
    no = other.node("fit")
    other.point(no, "loss/svm", 0, 3)
    other.frame(no, "attention", 9, frames.MATRIX, frames.write_array(np.eye(2)))
    figure = plotting.figure([plotted(story), plotted(other)], None)
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert labels == ["study-7f3ka svm", "study-7f3ka mlp", "study-b2b2b svm"]
    colours = [line.get_color() for line in figure.axes[0].lines]
    assert colours[0] == colours[1] != colours[2]
    assert "attention, step 3\nstudy-7f3ka" in titles(figure) and "attention, step 9\nstudy-b2b2b" in titles(figure)


def test_columns_hold_every_point_by_step() -> None:
    story = Story()
    no = story.node("fit")
    for step in (2, 0, 1):
        story.point(no, "loss", step, step * 10)
    story.point(no, "acc", 0, 1)
    assert plotting.columns(plotted(story)) == {
        "track": ["loss"] * 3 + ["acc"], "step": [0, 1, 2, 0], "value": [0, 10, 20, 1],
    }  # fmt: skip


def test_columns_of_pictures_hold_what_was_given(story: Story) -> None:
    def value(track: str) -> Any:
        return plotting.columns(plotted(story), track)["value"][-1]

    np.testing.assert_array_equal(value("attention"), np.eye(3) * 3)
    np.testing.assert_array_equal(value("spectrum"), np.arange(5.0))
    assert value("photo") == png()
    assert value("scores") == {"model": ["svm"], "score": [0.5]}


def test_what_is_not_there_is_named(story: Story) -> None:
    there = "there are: attention, loss/mlp, loss/svm, photo, scores, spectrum, speed"
    with pytest.raises(LookupError, match=f"run study-7f3ka has no track 'los'; {there}"):
        plotting.figure([plotted(story)], "los")
    with pytest.raises(LookupError, match="run study-7f3ka has no plots: a body or tool makes some with `context.viz"):
        plotting.columns(plotted(Story()))
    with pytest.raises(TypeError, match="a track is named by a text, got 3"):
        plotting.figure([plotted(story)], 3)  # type: ignore[arg-type]
