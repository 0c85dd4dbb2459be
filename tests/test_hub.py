"""A runtime from its making to its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph import NodeContext, Run, RunStatus, Runtime, graph_fn, runs
from aethergraph.errors import RunCancelled, RunPaused
from aethergraph.lifecycle import hub
from tests.flows.lab import LIMIT_S


@graph_fn
async def talk(name: str, *, context: NodeContext):
    return {"answer": await context.channel("inbox").ask_text(f"{name}?")}


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(tmp_path / "store")
    with made.use():
        yield made
    made.close()


def test_the_runtime_of_a_process_is_made_once_and_can_be_replaced_for_a_while(
    runtime: Runtime, tmp_path: Path
) -> None:
    assert hub.current() is hub.current() is runtime
    other = Runtime(tmp_path / "other")
    with other.use():
        assert hub.current() is other
    assert hub.current() is runtime
    other.close()


def test_durability_is_one_of_two() -> None:
    with pytest.raises(ValueError, match='durability is "power" or "process", got \'none\''):
        Runtime(durability="none")


def test_closing_pauses_what_runs_and_can_be_done_twice(runtime: Runtime, tmp_path: Path) -> None:
    run = runtime.start(talk, {"name": "Ada"})
    runtime.close()
    with pytest.raises(RunPaused, match="its process ended"):
        run.result(LIMIT_S)
    runtime.close()
    again = Runtime(tmp_path / "store")
    assert [info.status for info in again.runs()] == [RunStatus.PAUSED]
    again.close()


@pytest.mark.parametrize(("end", "error"), [("pause", RunPaused), ("cancel", RunCancelled)])
def test_a_run_that_is_ended_before_its_body_began_ends(runtime: Runtime, end: str, error: type[Exception]) -> None:
    began: list[str] = []

    @graph_fn
    async def quick():
        began.append("body")

    async def start_and_end() -> Run:  # on the loop itself, so that nothing of the run can come in between
        run = runtime.start(quick, {})
        getattr(run, end)()
        return run

    run = runtime.thread.submit(start_and_end()).result(LIMIT_S)
    with pytest.raises(error):
        run.result(LIMIT_S)
    assert not began
    assert not run.live
    assert run.status is (RunStatus.PAUSED if end == "pause" else RunStatus.CANCELLED)


def test_runs_are_listed_by_status_name_and_number(runtime: Runtime) -> None:
    @graph_fn
    async def quick():
        return 1

    runtime.run(quick, {})
    runtime.run(quick, {})
    open_ = runtime.start(talk, {"name": "Ada"})
    assert [info.name for info in runs()] == ["talk", "quick", "quick"]
    assert len(runs(limit=2)) == 2
    assert [info.run_id for info in runs(name="talk")] == [open_.run_id]
    assert {info.name for info in runs(status="done")} == {"quick"}


def test_a_run_can_be_cancelled_from_elsewhere(runtime: Runtime, tmp_path: Path) -> None:
    run = runtime.start(talk, {"name": "Ada"})
    runtime.journal.flush()
    other = Runtime(tmp_path / "store")
    other.cancel(run.run_id, "a colleague")
    with pytest.raises(RunCancelled):
        run.result(LIMIT_S)
    assert run.status is RunStatus.CANCELLED
    assert run.flow().why == "a colleague"
    other.close()


def test_a_run_can_be_answered_from_elsewhere(runtime: Runtime, tmp_path: Path) -> None:
    run = runtime.start(talk, {"name": "Ada"})
    other = Runtime(tmp_path / "store")
    runtime.journal.flush()
    while not (open_ := other.waits()):
        runtime.journal.flush()
    other.answer(open_[0].token, "yes")
    assert run.result(LIMIT_S) == {"answer": "yes"}
    other.close()
