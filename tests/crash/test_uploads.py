"""A kernel killed between the pieces of an upload, after the last one, and after the answer: nothing half is taken."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aethergraph import Runtime
from aethergraph.storage.uploads import FOLDER, PARTS

from .uploader import MESSAGES, PIECE, data

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the process kills itself by SIGKILL")


def live(folder: Path, kill: int) -> tuple[int, dict[str, str]]:
    """One kernel: its return code, and what it told."""
    command = [sys.executable, "-m", "tests.crash.uploader", str(folder), str(kill)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode, dict(line.split(" ", 1) for line in ended.stdout.splitlines() if " " in line)


@pytest.mark.parametrize("kill", range(1, MESSAGES + 1))
def test_an_upload_survives_a_kill_after_each_message(tmp_path: Path, kill: int) -> None:
    """Semantics 7, 13: the question stays open, what has arrived stays, and the answer is whole or not there."""
    code, _ = live(tmp_path, kill)
    assert code == -signal.SIGKILL
    with contextlib.closing(Runtime(tmp_path)) as runtime:
        blobs = [blob.size for blob in runtime.store.blobs.all()]
        assert [size for size in blobs if size > 1000] in ([], [len(data())])  # never a part of it
        assert len(runtime.waits()) == (kill < MESSAGES)
    code, told = live(tmp_path, 0)
    assert (code, told["gave"]) == (0, "{'name': 'a.bin', 'whole': True, 'latest': ['a.bin']}")
    if kill < MESSAGES - 1:  # the last piece makes it whole, and then there is no part of it any more
        assert int(told["had"]) == min((kill - 1) * PIECE, len(data()))
    assert list((tmp_path / FOLDER / PARTS).iterdir()) == []


def test_without_a_kill_it_sends_as_many_messages_as_are_tried(tmp_path: Path) -> None:
    code, told = live(tmp_path, MESSAGES + 1)
    assert (code, told["had"]) == (0, "0")
