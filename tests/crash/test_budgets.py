"""The budget of a run whose process is killed, on a real disk. Semantics 14."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import bounded

from .victim import LINES

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 30


def process(folder: Path, *args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.crash.spender", str(folder), *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_14_what_was_used_is_known_after_a_kill_up_to_the_last_fact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, store = tmp_path / "lines", tmp_path / "store"
    monkeypatch.setenv(LINES, str(lines))

    def tells(*args: str) -> list[str]:
        with bounded(process(store, *args)) as one:
            return one.communicate(timeout=LIMIT_S)[0].splitlines()

    with bounded(process(store, "1e9", "100", "40", "hang")) as first:
        assert first.stdout is not None and first.stdout.readline() == "hangs\n"
        first.kill()  # 30 s are on disk, and 40 s that the tool was at work are not
    assert tells("2e9", "0", "70", "hang") == ["hangs", "100.0"]  # 30 before, 70 now; and it is stopped where it hangs
    assert tells("3e9", "0", "70") == ["100.0"]  # and nothing ran
    assert tells("4e9", "400", "70") == ["hangs", "{'n': 4}"]
    assert [json.loads(told)[1] for told in lines.read_text().splitlines()] == [1, 2, 3, 4]
