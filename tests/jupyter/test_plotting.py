"""`%aether plot` in a real IPython, over a real store."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.image import imread

from aethergraph import Runtime, graph_fn, load_run, plot_runs
from aethergraph.errors import UnknownRun
from aethergraph.storage.keyring import Keyring
from jupyter_ext import notebook
from jupyter_ext.commands import plotting
from jupyter_ext.magics import AetherMagics


@graph_fn
async def fit(rate: float = 0.1, *, context: Any) -> float:
    for step in range(5):
        await context.viz().scalar("loss/train", step, rate / (step + 1))
        await context.viz().matrix("weights", step, [[step, rate], [1, 2]])
    return rate


@graph_fn
async def plain() -> int:
    return 1


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    runtime = Runtime(tmp_path / "store", keyring=Keyring(tmp_path / "key"), durability="process")
    with runtime.use():
        for number in (1, 2):
            runtime.start(fit, {"rate": number / 10}, run_id=f"fit-{number}").result()
        runtime.start(plain, {}, run_id="plain-1").result()
        runtime.journal.flush()
        yield runtime
    runtime.close()


@pytest.fixture
def shown(shell: InteractiveShell, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What cells showed."""
    published: list[dict[str, Any]] = []
    monkeypatch.setattr(plotting, "publish_display_data", published.append)
    shell.register_magics(AetherMagics)
    return published


def height(data: dict[str, Any]) -> int:
    picture = imread(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.min() < 0.9  # something is drawn on it
    return int(picture.shape[0])


def test_runs_are_drawn_side_by_side(shell: InteractiveShell, shown: list[dict[str, Any]]) -> None:
    shell.run_line_magic("aether", "plot fit-1 fit-2 fit-1")
    shell.run_line_magic("aether", "plot fit-1 fit-2 --track loss")
    shell.run_line_magic("aether", "plot --track=weights fit-2 --step=2")
    assert [data["text/plain"] for data in shown] == [
        "plots of fit-1, fit-2", "plots of fit-1, fit-2", "plots of fit-2",
    ]  # fmt: skip
    both, chart, picture = map(height, shown)
    assert both > max(chart, picture)


def test_without_a_run_that_of_this_notebook_is_meant(
    shell: InteractiveShell, shown: list[dict[str, Any]], runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "session", lambda: "here.ipynb")
    runtime.start(fit, {}, run_id="fit-3", session_id="here.ipynb").result()
    runtime.journal.flush()
    shell.run_line_magic("aether", "plot")
    assert shown[0]["text/plain"] == "plots of fit-3"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("plot fit-1 --track los", "run fit-1 has no track 'los'; there are: loss/train, weights"),
        ("plot plain-1", "run plain-1 has no plots: a body or tool makes some with"),
        (
            "plot fit-1 plain-1 --track x",
            "none of the runs fit-1, plain-1 has a track 'x'; there are: loss/train, weights",
        ),
        ("plot fit-1 --track", "write `%aether plot RUN --track TRACK`: --track takes a value"),
        ("plot fit-1 --step soon", "--step takes a number, got 'soon'"),
        ("plot fit-1 --log", "`%aether plot` has no option --log"),
        ("plot gone-1", "gone-1"),
        ("plot loss", "'loss' is no run but a track: type `%aether plot fit-2 --track loss`"),
        ("plot weights --step 2", "type `%aether plot fit-2 --track weights`"),
        ("plot fit-1 loss/train", "'loss/train' is no run but a track: type `%aether plot fit-1 --track loss/train`"),
        ("plot loss --track loss", "no run 'loss'"),
        ("plot plain-1 loss", "no run 'loss'"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    shell: InteractiveShell, shown: list[dict[str, Any]], line: str, why: str
) -> None:
    with pytest.raises(UsageError) as told:
        shell.run_line_magic("aether", line)
    assert why in str(told.value)
    assert not shown


def test_a_track_is_looked_for_in_the_runs_of_this_notebook_first(
    shell: InteractiveShell, shown: list[dict[str, Any]], runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "session", lambda: "here.ipynb")
    runtime.start(fit, {}, run_id="ours-1", session_id="here.ipynb").result()
    runtime.start(fit, {}, run_id="theirs-1").result()
    runtime.journal.flush()
    with pytest.raises(UsageError, match="type `%aether plot ours-1 --track weights`"):
        shell.run_line_magic("aether", "plot weights")


def test_scripts_compare_runs_by_object_or_id(runtime: Runtime) -> None:
    figure = plot_runs(load_run("fit-1"), "fit-2", track="loss")
    assert [line.get_label() for line in figure.axes[0].lines] == ["fit-1", "fit-2"]
    with pytest.raises(UnknownRun, match="gone-1"):
        plot_runs("gone-1")
    with pytest.raises(TypeError, match="plot_runs takes runs or their ids, got int"):
        plot_runs("fit-1", 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"`plot_runs\(one, other\)`"):
        plot_runs()
