"""A process ends when its main thread does, whatever its tools wait for, and its runs can be resumed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from aethergraph import Runtime
from aethergraph.record.status import RunStatus

LEAVER = str(Path(__file__).with_name("leaver.py"))


@pytest.mark.parametrize("how", ["pause", "cancel", "close", "end"])
def test_a_tool_that_waits_for_an_answer_does_not_keep_its_process(tmp_path: Path, how: str) -> None:
    subprocess.run([sys.executable, LEAVER, str(tmp_path), how], check=True, timeout=60)
    with contextlib.closing(Runtime(tmp_path)) as runtime:
        (info,) = runtime.runs()
        assert info.status is (RunStatus.CANCELLED if how == "cancel" else RunStatus.PAUSED)
        assert len(runtime.waits()) == (how != "cancel")
        if how != "cancel":
            run = runtime.resume("left")
            runtime.answer(runtime.waits()[0].token, "Ada")
            assert dict(run.result(20)) == {"result": "Ada"}
