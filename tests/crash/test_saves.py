"""A process is killed in the middle of a save: afterwards it is there once and whole, and nothing half (rule 16)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aethergraph import Run, RunStatus, Runtime
from aethergraph.errors import UnknownRun
from aethergraph.lifecycle import collecting
from aethergraph.services import folders

from . import saver

SAVER = str(Path(saver.__file__))
NAMES = sorted([*(set(saver.SAVES) - {"figure", "table"}), "figure.png", "table.csv", "folder"])

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")


def live(folder: Path, marker: str = "", moment: str = "") -> int:
    """Run it in a new process, to its end or to its death."""
    done = subprocess.run(
        [sys.executable, SAVER, str(folder), marker, moment], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def check(run: Run) -> list[str]:
    """The names of what is saved, all of which is whole."""
    blobs = run.runtime.store.blobs
    for one in run.artifacts:
        data = blobs.get(one.sha256)
        if folders.is_folder(data):
            found = folders.decode(data, one.name)
            assert found is not None and [file.path for file in found.files] == ["one.txt", "two.txt"]
            for file in found.files:
                blobs.check(file.sha256)
    return sorted(one.name for one in run.artifacts)


def drafts(folder: Path) -> list[Path]:
    return list((folder / "store" / "blobs").glob("draft-*"))


@pytest.mark.parametrize("moment", ["half", "stored"])
@pytest.mark.parametrize("marker", saver.MARKERS)
def test_a_save_that_is_cut_off_is_done_once_and_nothing_half_is_told_of(
    tmp_path: Path, marker: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (marker, moment) == ("table", "half"):
        pytest.skip("a table writes itself")
    assert live(tmp_path, marker, moment) == -signal.SIGKILL
    with contextlib.closing(Runtime(tmp_path / "store")) as runtime, contextlib.suppress(UnknownRun):
        before = check(runtime.load(saver.RUN_ID))
        assert set(before) < set(NAMES) and marker not in before
    assert live(tmp_path) == 0
    with contextlib.closing(Runtime(tmp_path / "store")) as runtime:
        run = runtime.load(saver.RUN_ID)
        assert run.status is RunStatus.DONE
        assert check(run) == sorted(run.outputs["result"]) == NAMES
        contents = [blob.digest for blob in runtime.store.blobs.all()]
        assert len(contents) == len(set(contents)) == len(NAMES) + 2  # the list and files of the folder
        assert len(drafts(tmp_path)) <= (2 if marker == "in folder" else 1)  # its two files are stored at once
        if moment == "half":
            monkeypatch.setattr(collecting, "GRACE_S", -3600.0)
            later = time.time() + 7200
            monkeypatch.setattr(time, "time", lambda: later)
            runtime.gc(dry_run=False)
            assert drafts(tmp_path) == [] and check(run) == NAMES


def test_one_that_nothing_disturbs_leaves_nothing_behind(tmp_path: Path) -> None:
    assert live(tmp_path) == 0
    assert drafts(tmp_path) == [] and not list((tmp_path / "store" / "scratch" / saver.RUN_ID).iterdir())
