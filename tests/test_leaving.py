"""Staying with a run: a script that takes its time is somebody who answers."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Runtime, graph_fn, start
from aethergraph.lifecycle.leaving import stay
from aethergraph.storage import uploads
from aethergraph.storage.keyring import Keyring

LOOK_S = 0.02
LOOKS = 5
DEADLINE_S = 60.0


@graph_fn
async def counting(*, context: Any) -> dict[str, Any]:
    file = await context.channel("inbox").ask_file("Which file?", name="data")
    return {"size": file.size, "said": await context.channel("inbox").ask_text("And now?", name="now")}


def test_a_scripted_answer_may_take_longer_than_two_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As reading a large file does. What the script has no answer to is left."""
    data = tmp_path / "data.csv"
    data.write_text("a,b\n")
    gate, looks = threading.Event(), 0
    take_in = uploads.take_in

    def slowly(*given: Any) -> Any:
        assert gate.wait(DEADLINE_S)
        return take_in(*given)

    def looked() -> bool:
        nonlocal looks
        looks += 1
        if looks > LOOKS:
            gate.set()
        return False

    monkeypatch.setattr(uploads, "take_in", slowly)
    runtime = Runtime(tmp_path / "store", keyring=Keyring(tmp_path / "key"), durability="process")
    runtime.bus.scripts.append(lambda: {"data": str(data), "now": []})
    with runtime.use():
        run = start(counting)
        left = stay(run, LOOK_S, looked)
        assert [wait.schema.name for wait in left] == ["now"]
        assert looks > LOOKS
    runtime.close()
