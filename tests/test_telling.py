"""A run told afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph import Run, Runtime, graph_fn, tool
from aethergraph.record.status import NodeStatus
from aethergraph.storage.keyring import Keyring
from aethergraph.testing import ScriptedChannel


@tool(outputs=["y"])
def train(x: int, *, context):  # type: ignore[no-untyped-def]
    for step in range(3):
        context.viz().scalar(f"loss/{x}", step, 1 / (step + x))
    return x * 10


@tool(outputs=["best"])
async def compare(scores):  # type: ignore[no-untyped-def]
    return max(scores)


@graph_fn
async def study(*, context):  # type: ignore[no-untyped-def]
    fits = await asyncio.gather(train(1), train(2))
    best = await compare([fit.y for fit in fits])
    await context.channel().send_text(f"the best is {best.best}")
    return {"name": await context.channel().ask_text("What name?")}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    runtime = Runtime(tmp_path / "store", keyring=Keyring(tmp_path / "key"))
    with runtime.use(), ScriptedChannel({"What name?": "Ada"}):
        study.sync()
        done = runtime.load(study.last_run.run_id) if study.last_run else None
    assert done is not None
    yield done
    runtime.close()


def test_the_transcript_has_messages_questions_and_answers_in_order(run: Run) -> None:
    assert run.transcript() == ["the best is 20", "What name? -> Ada"]


def test_the_timeline_has_every_node(run: Run) -> None:
    spans = run.timeline()
    assert [span.node_id for span in spans][-2:] == ["compare", "ask"]
    assert all(span.status is NodeStatus.DONE and span.ended is not None for span in spans)


def test_lineage_follows_values_and_order(run: Run) -> None:
    assert [one.node_id for one in run.lineage("compare")] == ["train", "train-2", "compare"]
    assert [one.node_id for one in run.lineage("ask")] == ["train", "train-2", "compare", "ask"]
    with pytest.raises(LookupError, match="no node or artifact 'fit' in run study-"):
        run.lineage("fit")


def test_plots_have_a_line_for_each_track(run: Run) -> None:
    (axis,) = run.plot().axes
    assert [line.get_label() for line in axis.lines] == ["1", "2"]
    assert list(axis.lines[0].get_ydata()) == pytest.approx([1.0, 0.5, 1 / 3])
    assert len(run.plot("loss/2").axes[0].lines) == 1
    with pytest.raises(LookupError, match="there are: loss/1, loss/2"):
        run.plot("accuracy")
