"""pyplot, one set of open figures a node."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import matplotlib
import pytest

from jupyter_ext.figures import Figures

from .conftest import FakeDesk, inside

matplotlib.use("agg")
from matplotlib import pyplot as plt
from matplotlib._pylab_helpers import Gcf


@pytest.fixture
def figures() -> Iterator[Figures]:
    plt.close("all")
    figures = Figures()
    undo = figures.install()
    yield figures
    undo()
    plt.close("all")


def test_a_node_and_the_notebook_do_not_see_each_others_figures(figures: Figures) -> None:
    plt.figure("mine")
    with inside(FakeDesk()):
        assert plt.get_fignums() == []
        plt.plot([1, 2])
        plt.figure("second")
        assert plt.get_figlabels() == ["", "second"]
        plt.close()
        assert len(plt.gca().lines) == 1
    plt.close("all")  # what the end of a cell does
    with inside(FakeDesk()):
        assert len(plt.gca().lines) == 1


def test_two_nodes_draw_at_once(figures: Figures) -> None:
    both = threading.Barrier(2)

    def draw(points: list[int]) -> None:
        plt.plot(points)
        both.wait(10)
        plt.plot(points)

    desks, threads = [FakeDesk(1), FakeDesk(2)], []
    for desk in desks:
        with inside(desk):
            threads.append(threading.Thread(target=copy_context().run, args=(draw, [desk.no])))
        threads[-1].start()
    for thread in threads:
        thread.join()
    for desk in desks:
        with inside(desk):
            assert [list(found.get_ydata()) for found in plt.gca().lines] == [[desk.no]] * 2


def test_figures_left_open_are_kept_and_closed(figures: Figures) -> None:
    with inside(FakeDesk()) as desk:
        plt.plot([1, 2])
        figures.finish(desk)  # type: ignore[arg-type]
        assert plt.get_fignums() == []
    assert desk.notes == [("figure", {"png": "0"})]
    assert desk.store.blobs.kept[0].startswith(b"\x89PNG")


def test_a_figure_that_cannot_be_drawn_is_named(figures: Figures) -> None:
    with inside(FakeDesk()) as desk:
        plt.title("$\\nonsense$")
        figures.finish(desk)  # type: ignore[arg-type]
    ((kind, data),) = desk.notes
    assert kind == "out" and "figure 1 could not be drawn" in data["s"]


def test_undoing_gives_pyplot_its_own_dict_back() -> None:
    before = Gcf.figs
    undo = Figures().install()
    assert Gcf.figs is not before
    undo()
    assert Gcf.figs is before


def test_pyplot_may_be_imported_later() -> None:
    code = (
        "import sys\nfrom jupyter_ext.figures import Figures\nassert 'matplotlib' not in sys.modules\n"
        "before = list(sys.meta_path)\nfigures = Figures()\nundo = figures.install()\n"
        "import importlib.util, matplotlib\nassert importlib.util.find_spec('matplotlib._pylab_helpers')\n"
        "from matplotlib._pylab_helpers import Gcf\nassert Gcf.figs is figures\nassert sys.meta_path == before\n"
        "undo()\nassert Gcf.figs is figures.own\n"
    )
    done: subprocess.CompletedProcess[Any] = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
