"""Plots from inside a run: what is taken, how it is refused, and that each point is there once (rule 16)."""

from __future__ import annotations

import asyncio
import io
import math
import time
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from aethergraph import Run, Runtime, graph_fn, tool
from aethergraph.errors import RunSuspended
from aethergraph.record import facts as f
from aethergraph.record import points
from aethergraph.record.status import RunStatus
from aethergraph.services import plottable
from aethergraph.storage import journal
from aethergraph.views import frames
from tests.services.fake_desk import FakeDesk, Room, room


class Tensor:
    """What matters of a torch tensor."""

    def __init__(self, values: Any, dtype: str = "torch.float32") -> None:
        self._values, self.dtype, self.on_graph = np.asarray(values, np.float32), dtype, True
        self.shape = self._values.shape

    def item(self) -> Any:
        return self._values.item()

    def detach(self) -> Tensor:
        off = Tensor(self._values, self.dtype)
        off.on_graph = False
        return off

    def cpu(self) -> Tensor:
        return self

    def float(self) -> Tensor:
        wide = Tensor(self._values)
        wide.on_graph = self.on_graph
        return wide

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if self.on_graph or "bfloat16" in self.dtype:
            raise RuntimeError("Can't call numpy() on it")
        return self._values


class Frame:
    """What matters of a polars frame."""

    columns = ("model", "score")

    def __len__(self) -> int:
        return 2

    def head(self, n: int) -> Frame:
        return self

    def iter_rows(self) -> Iterator[tuple[Any, ...]]:
        yield "svm", 0.5
        yield "mlp", None


@pytest.fixture
def here(tmp_path: Path) -> tuple[Room, Any, FakeDesk]:
    made = room(tmp_path)
    context, desk = made.context()
    return made, context.viz(), desk


def do(call: Any) -> None:
    asyncio.run(call)


def shown(where: Room, desk: FakeDesk) -> tuple[str, bytes]:
    """Kind and content of the last picture."""
    note = desk.noted("frame")[-1]
    return note["kind"], note["data"] or where.store.blobs.get(note["blob"])


def test_a_track_shows_one_kind_of_thing(here: Any) -> None:
    _, viz, desk = here
    do(viz.scalar("loss", 0, 1.0))
    do(viz.figure("digits", 0, Figure()))
    with pytest.raises(ValueError, match=r"vector\('loss', step 1\): in this node this track shows scalars already"):
        do(viz.vector("loss", 1, [1.0, 2.0]))
    with pytest.raises(ValueError, match="this track shows images already"):
        do(viz.table("digits", {"a": [1]}))
    do(viz.scalar("loss", 1, 0.5))
    assert [note["value"] for note in desk.noted("point")] == [1.0, 0.5]


# ---------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.array(2.5), 2.5),
        (np.array([[7]]), 7.0),
        (Tensor(1.5), 1.5),
        (Tensor([1.5]), 1.5),
        (Fraction(1, 4), 0.25),
        (Decimal("0.5"), 0.5),
        (-math.inf, -math.inf),
    ],
)
def test_a_number_of_any_library_is_a_point(here: Any, value: Any, number: float) -> None:
    _, viz, desk = here
    do(viz.scalar("loss/svm", np.int64(3), value))
    assert desk.notes == [("point", {"track": "loss/svm", "step": 3.0, "value": number})]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("0.5", r"viz\(\)\.scalar\('loss', step 3\): value is a number, got str '0.5'"),
        (None, r"scalar\('loss', step 3\): value is a number, got NoneType None"),
        (1j, "got complex 1j"),
        ([1.0], r"got list \[1.0\]"),
        (np.arange(4.0), r"got ndarray of shape \(4,\): plot a number made of it, as its mean, or all of it with"),
        (Tensor([1, 2]), r"got Tensor of shape \(2,\)"),
        (np.array("x"), "got an array of str 'x'"),
        ({}, "got dict"),
    ],
)
def test_what_is_no_number_is_refused_with_track_and_step(here: Any, value: Any, why: str) -> None:
    _, viz, desk = here
    with pytest.raises(TypeError, match=why):
        do(viz.scalar("loss", 3, value))
    assert desk.notes == []


@pytest.mark.parametrize(("track", "step"), [("", 1), (3, 1), ("t", "1"), ("t", None), ("t", [1])])
def test_a_track_is_a_text_and_a_step_a_number(here: Any, track: Any, step: Any) -> None:
    _, viz, desk = here
    for call in (viz.scalar(track, step, 1), viz.matrix(track, step, [[1]]), viz.figure(track, step, Figure())):
        with pytest.raises(TypeError, match="a track is named by a text|step is a number"):
            do(call)
    assert desk.notes == []


def test_a_step_has_a_place_on_the_axis(here: Any) -> None:
    _, viz, _ = here
    with pytest.raises(ValueError, match="step is nan, which has no place on an axis"):
        do(viz.scalar("loss", math.nan, 1))
    with pytest.raises(ValueError, match="value is too large for a plot: an int of 1329 bits"):
        do(viz.scalar("loss", 1, 10**400))


# ---------------------------------------------------------------------- pictures


@pytest.mark.parametrize(
    ("values", "array"),
    [
        ([1, 2.5], [1, 2.5]),
        ((1, None), [1, math.nan]),
        (range(3), [0, 1, 2]),
        (np.array([True, False]), [1, 0]),
        (Tensor([1, 2]), [1, 2]),
        (Tensor([1, 2], "torch.bfloat16"), [1, 2]),
        (np.ma.masked_array([1.0, 2.0], [False, True]), [1, math.nan]),
        (iter([4, 5]), [4, 5]),
    ],
)
def test_a_vector_of_any_library(here: Any, values: Any, array: list[float]) -> None:
    where, viz, desk = here
    do(viz.vector("spectrum", 1, values))
    kind, data = shown(where, desk)
    assert kind == frames.VECTOR
    np.testing.assert_array_equal(frames.read_array(data).astype(float), array)


@pytest.mark.parametrize("values", [[[1, 2], [3, 4]], np.eye(2), np.eye(2, dtype=np.float16), Tensor(np.eye(2))])
def test_a_matrix_of_any_library(here: Any, values: Any) -> None:
    where, viz, desk = here
    do(viz.matrix("attention", 1, values))
    kind, data = shown(where, desk)
    wanted = np.eye(2) if not isinstance(values, list) else values
    assert kind == frames.MATRIX
    np.testing.assert_array_equal(frames.read_array(data), wanted)


@pytest.mark.parametrize(
    ("values", "error", "why"),
    [
        ([[1, 2], [3]], TypeError, r"matrix\('a', step 2\): values are rows of numbers, all of one length, got list"),
        ([1, 2], TypeError, r"got an array of shape \(2,\)"),
        ("ab", TypeError, "got str 'ab'"),
        ([["a"]], TypeError, "got an array of <U1"),
        ([[1j]], TypeError, "got an array of complex128"),
        ([[]], ValueError, r"there is nothing in it: its shape is \(1, 0\)"),
        (np.zeros((2000, 3000)), ValueError, r"2,000 x 3,000 cells, and a plot takes at most 1,000,000: plot a"),
    ],
)
def test_what_is_no_matrix_is_refused(here: Any, values: Any, error: type[Exception], why: str) -> None:
    _, viz, desk = here
    with pytest.raises(error, match=why):
        do(viz.matrix("a", 2, values))
    assert desk.notes == []


def test_the_advice_for_a_matrix_or_vector_that_is_too_large_works(here: Any) -> None:
    _, viz, desk = here
    large = np.zeros((2000, 3000), np.int8)
    with pytest.raises(ValueError, match=r"`values\[::3, ::3\]`"):
        do(viz.matrix("a", 2, large))
    do(viz.matrix("a", 2, large[::3, ::3]))
    with pytest.raises(ValueError, match=r"`values\[::3\]`"):
        do(viz.vector("v", 2, np.zeros(2 * plottable.VECTOR + 1)))
    do(viz.vector("v", 2, np.zeros(2 * plottable.VECTOR + 1)[::3]))
    assert [note["about"]["shape"] for note in desk.noted("frame")] == [[667, 1000], [66_667]]


def test_what_is_large_lies_in_the_store_once(here: Any) -> None:
    where, viz, desk = here
    for step in range(3):
        do(viz.matrix("a", step, np.zeros((100, 100))))
    notes = desk.noted("frame")
    assert {note["data"] for note in notes} == {b""} and len({note["blob"] for note in notes}) == 1
    do(viz.matrix("a", 3, np.zeros((10, 10))))
    assert desk.noted("frame")[-1]["blob"] == ""


def test_figures_and_images(here: Any) -> None:
    where, viz, desk = here
    figure = Figure()
    axis = figure.subplots()
    axis.plot([1, 2])
    do(viz.figure("fit", 1, figure))
    kind, png = shown(where, desk)
    assert (kind, png[:4], desk.noted("frame")[-1]["about"]["mime"]) == (frames.IMAGE, b"\x89PNG", "image/png")
    do(viz.figure("fit", 2, axis))
    do(viz.image_from_bytes("fit", 3, bytearray(png)))
    assert shown(where, desk) == (frames.IMAGE, png)
    file = io.BytesIO()
    figure.savefig(file, format="jpeg")
    do(viz.image_from_bytes("fit", 4, file.getvalue()))
    assert desk.noted("frame")[-1]["about"]["mime"] == "image/jpeg"


def test_an_image_of_an_artifact_is_not_stored_again(tmp_path: Path) -> None:
    where = room(tmp_path)
    context, desk = where.context()

    async def body() -> None:
        figure = Figure()
        figure.subplots()
        saved = await context.artifacts().save_figure(figure)
        await context.viz().image_from_artifact("a", 1, saved)
        await context.viz().image_from_artifact("a", 2, saved.uri)
        text = await context.artifacts().save_text("hello")
        with pytest.raises(ValueError, match=r"artifact 'text.txt' .*: an image is a PNG, JPEG, GIF or WebP file"):
            await context.viz().image_from_artifact("a", 3, text)
        assert [note["blob"] for note in desk.noted("frame")] == [saved.sha256, saved.sha256]

    asyncio.run(body())


@pytest.mark.parametrize(
    ("method", "given", "error", "why"),
    [
        ("image_from_bytes", b"<svg>", ValueError, r"image_from_bytes\('a', step 7\): an image is a PNG, JPEG"),
        ("image_from_bytes", "x.png", TypeError, "given as the bytes of its file, got str"),
        ("image_from_bytes", b"\x89PNG\r\n\x1a\n" + bytes(17 << 20), ValueError, "an image of 17.8 MB, and a plot"),
        ("image_from_artifact", 3, TypeError, "expected an artifact or its uri, got int"),
        ("image_from_artifact", "x.png", ValueError, "'x.png' is no uri of an artifact"),
        ("figure", [1, 2], TypeError, r"figure\('a', step 7\): expected a matplotlib Figure or Axes, got list"),
    ],
)
def test_what_is_no_image_is_refused(here: Any, method: str, given: Any, error: type[Exception], why: str) -> None:
    _, viz, desk = here
    with pytest.raises(error, match=why):
        do(getattr(viz, method)("a", 7, given))
    assert desk.notes == []


# ---------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    "data",
    [
        {"model": ["svm", "mlp"], "score": np.array([0.5, math.nan])},
        [{"model": "svm", "score": np.float64(0.5)}, {"model": "mlp", "score": math.nan}],
    ],
)
def test_a_table_of_columns_or_rows(here: Any, data: Any) -> None:
    where, viz, desk = here
    do(viz.table("scores", data))
    columns, rows, total = frames.read_table(shown(where, desk)[1])
    assert (columns, rows[0], rows[1][0], total) == (["model", "score"], ["svm", 0.5], "mlp", 2)
    assert math.isnan(rows[1][1])


def test_tables_of_frames(here: Any) -> None:
    where, viz, desk = here
    do(viz.table("scores", Frame()))
    assert frames.read_table(shown(where, desk)[1]) == (["model", "score"], [["svm", 0.5], ["mlp", None]], 2)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"score": [0.5] * 3000}, index=pandas.date_range("2026-01-01", periods=3000, name="day"))
    do(viz.table("scores", frame))
    columns, rows, total = frames.read_table(shown(where, desk)[1])
    assert (columns, rows[0], len(rows), total) == (["day", "score"], ["2026-01-01 00:00:00", 0.5], 1000, 3000)


def test_tables_of_a_track_are_numbered_unless_a_step_is_given(here: Any) -> None:
    _, viz, desk = here
    for track, step in (("a", None), ("a", None), ("b", None), ("a", 7)):
        do(viz.table(track, {"x": [1]}, *([] if step is None else [step])))
    assert [note["step"] for note in desk.noted("frame")] == [0, 1, 0, 7]


@pytest.mark.parametrize(
    ("data", "error", "why"),
    [
        ({"a": [1], "b": [1, 2]}, ValueError, r"table\('t', step 0\): the columns have several lengths: \[1, 2\]"),
        ({"a": 1}, TypeError, "a dict is a table if each value is a list"),
        ([[1, 2]], TypeError, r"a data frame, a dict of columns or a list of dicts \(a row each\), got list"),
        ("x", TypeError, "got str 'x'"),
        ([], TypeError, r"got list \[\]"),
    ],
)
def test_what_is_no_table_is_refused(here: Any, data: Any, error: type[Exception], why: str) -> None:
    _, viz, desk = here
    with pytest.raises(error, match=why):
        do(viz.table("t", data))
    assert desk.notes == []


def test_cells_are_plain_and_short(here: Any) -> None:
    where, viz, desk = here
    do(viz.table("t", {"x": [10**30, "y" * 900, {"a": 1}, "half \ud800"]}))
    _, rows, _ = frames.read_table(shown(where, desk)[1])
    assert [row[0][:8] for row in rows] == ["10000000", "yyyyyyyy", "{'a': 1}", "half ?"]
    assert len(rows[1][0]) == plottable.CELL


# ---------------------------------------------------------------------- in real runs

COUNT = 3_000


@tool(outputs=["n"])
def plot_many(k: int, *, context: Any) -> int:
    for step in range(COUNT):
        context.viz().scalar(f"loss/{k}", step, math.sin(step * k + 0.1))
    return k


@graph_fn
async def many(*, context: Any) -> int:
    await context.viz().table("scores", {"model": ["svm"], "score": [0.5]})
    for step in range(3):
        await context.viz().matrix("attention", step, np.eye(4) * step)
    return sum(out.n for out in await asyncio.gather(*(plot_many(k) for k in range(1, 5))))


TRIES: list[int] = []


@tool(outputs=["n"], retries=2, backoff_s=0.0)
def shaky(*, context: Any) -> int:
    TRIES.append(1)
    for step in range(5):
        context.viz().scalar("loss", step, len(TRIES))
        context.viz().matrix("m", step, [[len(TRIES)]])
        if step == 3 and len(TRIES) < 3:
            raise OSError("busy")
    return 1


@graph_fn
async def retried(*, context: Any) -> int:
    return int((await shaky()).n)


@graph_fn
async def asks(*, context: Any) -> str:
    for step in range(4):
        await context.viz().scalar("before", step, step)
    name = await context.channel("inbox").ask_text("Name?")
    await context.viz().scalar("after", 0, 1)
    return str(name)


@tool(outputs=["n"])
def bad_value(*, context: Any) -> int:
    context.viz().scalar("loss", 12, "low")
    return 1


@graph_fn
async def wrong(*, context: Any) -> int:
    return int((await bad_value()).n)


def last(runtime: Runtime, agent: Any) -> Run:
    runtime.journal.flush()
    assert agent.last_run is not None
    return runtime.load(agent.last_run.run_id)


def test_points_lie_in_few_rows_of_few_bytes(runtime: Runtime) -> None:
    many.sync()
    run = last(runtime, many)
    facts = [fact for batch in journal.read(runtime.store, run.run_id) for fact in batch]
    noted = [fact for fact in facts if isinstance(fact, f.Noted) and fact.kind in ("point", "points")]
    assert {fact.kind for fact in noted} == {"points"}
    assert sum(len(fact.data) for fact in noted) < 12 * 4 * COUNT
    columns = run.points("loss")
    assert columns["track"][::COUNT] == [f"loss/{k}" for k in range(1, 5)]
    assert columns["step"][:COUNT] == list(range(COUNT))
    assert columns["value"][COUNT : 2 * COUNT] == [math.sin(step * 2 + 0.1) for step in range(COUNT)]


def test_all_that_a_node_plotted_is_on_disk_before_its_result(runtime: Runtime) -> None:
    """Rule 14: what is on disk is a prefix of what happened."""
    many.sync()
    seen = dict[int, int]()
    for fact in (fact for batch in journal.read(runtime.store, last(runtime, many).run_id) for fact in batch):
        if isinstance(fact, f.Noted) and fact.kind == "points" and fact.no:
            seen[fact.no] = seen.get(fact.no, 0) + sum(len(steps) for _, steps, _ in points.unpack(fact.data))
        if isinstance(fact, f.NodeDone) and fact.no in seen:
            assert seen[fact.no] == COUNT
    assert list(seen.values()) == [COUNT] * 4


def test_pictures_come_back_as_they_were_given(runtime: Runtime) -> None:
    many.sync()
    run = last(runtime, many)
    attention = run.points("attention")
    assert attention["step"] == [0, 1, 2]
    np.testing.assert_array_equal(attention["value"][2], np.eye(4) * 2)
    assert run.points("scores")["value"] == [{"model": ["svm"], "score": [0.5]}]
    assert {name.partition("/")[0] for name in run.points()["track"]} == {"loss"}


def test_a_retry_draws_anew(runtime: Runtime) -> None:
    """Rule 16: superseded when the node runs again."""
    TRIES.clear()
    retried.sync()
    run = last(runtime, retried)
    assert run.points("loss") == {"track": ["loss"] * 5, "step": [0, 1, 2, 3, 4], "value": [3.0] * 5}
    assert [int(value[0, 0]) for value in run.points("m")["value"]] == [3] * 5


def test_a_replay_draws_no_point_twice(runtime: Runtime) -> None:
    run = runtime.start(asks, {})
    while not run.waits:
        runtime.journal.flush()
    run.pause()
    resumed = runtime.resume(run.run_id)
    while not resumed.waits:
        runtime.journal.flush()
    resumed.answer("Ada")
    assert resumed.result(30) == {"result": "Ada"}
    runtime.journal.flush()
    columns = runtime.load(run.run_id).points()
    assert list(zip(columns["track"], columns["step"], strict=True)) == [
        ("before", 0), ("before", 1), ("before", 2), ("before", 3), ("after", 0),
    ]  # fmt: skip


def test_a_wrong_value_fails_its_node_and_says_where(runtime: Runtime) -> None:
    with pytest.raises(TypeError, match=r"viz\(\)\.scalar\('loss', step 12\): value is a number, got str 'low'"):
        wrong.sync()
    assert last(runtime, wrong).status is RunStatus.FAILED


BROKEN: list[int] = [1]


@tool(outputs=["n"], pure=True)
def pure_plot(*, context: Any) -> int:
    for step in range(4):
        context.viz().scalar("loss", step, len(BROKEN))
        context.viz().matrix("m", step, [[len(BROKEN)]])
    if BROKEN:
        raise OSError("busy")
    return 1


@graph_fn
async def purely(*, context: Any) -> int:
    return int((await pure_plot()).n)


def test_a_pure_tool_that_runs_again_keeps_what_it_draws_then(runtime: Runtime) -> None:
    """Rule 16; a pure tool is a node only once it has run, or uses its context."""
    BROKEN[:] = [1]
    with pytest.raises(OSError, match="busy"):
        purely.sync()
    BROKEN.clear()
    run = runtime.resume(last(runtime, purely).run_id)
    run.result(30)
    runtime.journal.flush()
    again = runtime.load(run.run_id)
    assert again.points("loss")["value"] == [0.0] * 4
    assert [int(value[0, 0]) for value in again.points("m")["value"]] == [0] * 4


STOPPED: list[BaseException] = []


@tool(outputs=["n"], retries=1, backoff_s=0.0, timeout_s=0.1)
def late(*, context: Any) -> int:
    TRIES.append(1)
    context.viz().scalar("loss", 0, len(TRIES))
    end = time.monotonic() + 20
    try:
        while len(TRIES) == 1 and time.monotonic() < end:
            context.viz().scalar("late", 1, 1)
    except BaseException as error:
        STOPPED.append(error)
        raise
    return len(TRIES)


@graph_fn
async def lately(*, context: Any) -> int:
    return int((await late()).n)


def test_a_thread_that_goes_on_after_its_attempt_can_plot_no_more(runtime: Runtime) -> None:
    """Rule 19: a finished or abandoned attempt is fenced; rule 16: what it drew is superseded."""
    TRIES.clear()
    STOPPED.clear()
    assert lately.sync() == {"result": 2}
    assert [type(error) for error in STOPPED] == [RunSuspended]
    assert last(runtime, lately).points() == {"track": ["loss"], "step": [0.0], "value": [2.0]}
