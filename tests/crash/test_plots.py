"""A process is killed while it plots: in the end each step is there once (rules 14 and 16)."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from aethergraph import Runtime
from aethergraph.errors import UnknownRun
from tests.processes import bounded

from . import plotter

PLOTTER = str(Path(plotter.__file__))


def steps(runtime: Runtime) -> Counter[tuple[str, float]]:
    """How often each step of each track is there."""
    columns = runtime.load(plotter.RUN_ID).points()
    return Counter(zip(columns["track"], columns["step"], strict=True))


def live_until(folder: Path, points: int) -> bool:
    """Run it in a new process until the store holds that many points of lines, then kill that; True if it ended."""
    command = [sys.executable, PLOTTER, str(folder)]
    started = subprocess.Popen(command, stdout=subprocess.PIPE)
    with contextlib.closing(Runtime(folder)) as runtime, bounded(started) as process:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        while process.poll() is None:
            with contextlib.suppress(UnknownRun, LookupError):
                if sum(steps(runtime).values()) >= points:
                    break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.01)
        ended = process.poll()
        process.kill()
    assert ended in (0, None)
    return ended == 0


@pytest.mark.parametrize("kills", [(40,), (60, 120, 170, 230)], ids=["once", "again and again"])
def test_each_step_is_there_once_however_often_it_is_killed(tmp_path: Path, kills: tuple[int, ...]) -> None:
    for points in kills:
        assert not live_until(tmp_path, points)
        with contextlib.closing(Runtime(tmp_path)) as runtime:
            assert max(steps(runtime).values()) == 1  # also in between
    assert live_until(tmp_path, 1 << 30)
    with contextlib.closing(Runtime(tmp_path)) as runtime:
        wanted = [(f"loss/{name}", step) for name in ("svm", "mlp") for step in range(plotter.STEPS)]
        assert steps(runtime) == Counter([*wanted, ("begun", 0), ("begun", 1)])
        weights = runtime.load(plotter.RUN_ID).points("weights")
        assert list(zip(weights["track"], weights["step"], strict=True)) == [
            (f"weights/{name}", step) for name in ("svm", "mlp") for step in (0, 50, 100)
        ]


def test_what_was_plotted_for_some_while_is_on_disk_before_the_node_ends(tmp_path: Path) -> None:
    """At most about a tenth of a second of it can be lost: here the process is killed in the middle of one tool."""
    assert not live_until(tmp_path, 75)
    with contextlib.closing(Runtime(tmp_path)) as runtime:
        run = runtime.load(plotter.RUN_ID)
        assert [node.status.value for node in run.nodes] != ["done"]
        assert steps(runtime)[("loss/svm", 50)] == 1
