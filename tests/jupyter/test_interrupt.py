"""Jupyter's interrupt pauses what a cell waits for; it never cancels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aethergraph.storage import waiting
from aethergraph.storage.disk import DiskStore

from .kernels import kernel

AGENT = """
import os
os.environ["AETHERGRAPH_CHANNEL"] = "inbox"
os.environ["AETHERGRAPH_KEY_FILE"] = os.path.abspath("key")
from aethergraph import graph_fn, run, tool
@tool(outputs=["y"])
async def double(x):
    return 2 * x
@graph_fn
async def study(x: int, *, context):
    y = (await double(x)).y
    name = await context.channel().ask_text("What name?")
    return {"y": y, "name": name}
"""


def asked(folder: Path) -> Callable[[], bool]:
    """Whether a question is open in the store of `folder`."""
    return lambda: bool(waiting.open_waits(DiskStore(folder / ".aethergraph")))


@pytest.mark.parametrize(
    "cell", ["await study(4)", "run(study, x=4)", "handle = __import__('aethergraph').start(study, x=4)\nawait handle"]
)
def test_an_interrupt_pauses_the_run_and_it_can_be_resumed(tmp_path: Path, cell: str) -> None:
    with kernel(tmp_path) as one:
        one.run("%load_ext aethergraph")
        one.run(AGENT)
        ran = one.run_and_interrupt(cell, asked(tmp_path))
        assert ran.status == "error"
        assert "KeyboardInterrupt" in ran.text or "CancelledError" in ran.text
        assert "is paused (it was interrupted); go on with `%aether resume study-" in ran.text
        status = one.run(
            "from aethergraph import runs, waits, resume, answer\nprint(runs()[0].status, len(waits()))"
        ).text
        assert status == "paused 1\n"
        one.run("resumed = resume()\nanswer(waits()[0].token, 'Ada')")
        assert one.run("print(dict(resumed.result(10)))").text == "{'y': 8, 'name': 'Ada'}\n"
