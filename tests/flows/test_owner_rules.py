"""One process runs a run: semantics 30."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from aethergraph import NodeContext, RunStatus, Runtime, graph_fn, hooks
from aethergraph.errors import RunIsLive
from aethergraph.record import facts as f
from aethergraph.record.status import NodeStatus
from aethergraph.storage import journal
from aethergraph.storage import owner as owners
from aethergraph.storage.disk import DiskStore
from aethergraph.testing import FakeClock
from aethergraph.views.picture import Picture

from .lab import LIMIT_S, Lab, laboratory


@graph_fn
async def patient(x: int = 0, *, context: NodeContext) -> Any:
    return await context.channel().ask_text("Go on?")


@pytest.fixture
def folder(lab: Lab, tmp_path: Path) -> Path:
    """Of a store on disk; questions wait in the inbox."""
    return tmp_path / "disk"


def _open(folder: Path) -> Runtime:
    return Runtime(DiskStore(folder, durability="process"))


def _asked(runtime: Runtime, started: Any) -> str:
    opened = threading.Event()

    def look(facts: list[f.AnyFact]) -> None:
        if any(isinstance(fact, f.WaitOpened) for fact in facts):
            opened.set()

    started.follow(look)
    assert opened.wait(LIMIT_S)
    return runtime.waits()[0].token


def test_30_a_run_belongs_to_one_process_and_is_read_and_answered_by_all(folder: Path) -> None:
    first, second = _open(folder), _open(folder)
    try:
        started = first.start(patient, {"x": 1})
        token = _asked(first, started)
        with pytest.raises(RunIsLive, match=f"run {started.run_id} is being run by process"):
            second.resume(started.run_id, agent=patient)
        seen = second.load(started.run_id)
        assert seen.status is RunStatus.WAITING and seen.inputs == {"x": 1}
        assert [info.live_elsewhere for info in second.runs()] == [True]
        with pytest.raises(RunIsLive, match=f"run {started.run_id} is being run by process"):
            seen.result()
        second.answer(token, "yes")
        assert started.result(LIMIT_S) == {"result": "yes"}
        assert seen.result() == {"result": "yes"}
    finally:
        first.close()
        second.close()


def test_30_a_run_is_free_when_its_process_has_let_go(folder: Path) -> None:
    first = _open(folder)
    started = first.start(patient, {"x": 1})
    token = _asked(first, started)
    first.close()
    second = _open(folder)
    try:
        assert second.load(started.run_id).status is RunStatus.PAUSED
        again = second.resume(started.run_id, agent=patient)
        second.answer(token, "yes")
        assert again.result(LIMIT_S) == {"result": "yes"}
    finally:
        second.close()


def test_30_a_process_that_was_taken_for_dead_writes_nothing_more(lab: Lab) -> None:
    started = lab.start(patient)
    token = lab.asked(started, "Go on?")
    before = lab.facts(started)
    with lab.store.transact() as rows:
        rows.set(owners.row_key(started.run_id), owners.encode(owners.Epoch(9, "another", "process 1 on other")))
    lab.runtime.answer(token, "yes")
    with pytest.raises(RunIsLive, match="process 1 on other"):
        started.result(LIMIT_S)
    assert lab.facts(started) == before


@graph_fn
async def addressed(*, context: NodeContext) -> Any:
    address = await context.create_continuation()
    await context.channel().ask_text("Go on?")
    return await context.wait_for_resume(address, prompt="the call")


def test_30_a_question_of_a_run_that_was_taken_is_shown_to_nobody(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(lab.runtime.inbox, "opened", lambda run, token, question: shown.append(question.prompt))
    started = lab.start(addressed)
    token = lab.asked(started, "Go on?")
    with lab.store.transact() as rows:
        rows.set(owners.row_key(started.run_id), owners.encode(owners.Epoch(9, "another", "process 1 on other")))
    lab.runtime.answer(token, "yes")
    with pytest.raises(RunIsLive, match="process 1 on other"):
        started.result(LIMIT_S)
    assert shown == ["Go on?"]


def test_31_who_looks_at_a_resumed_run_sees_that_it_was_opened_though_no_node_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    clock = FakeClock()
    with laboratory(tmp_path / "store", clock) as lab:
        lab.cell("""
@tool
async def fit():
    return 1

@graph_fn
async def agent(*, context):
    await fit()
    await context.channel().ask_text("Go on?")
""")
        started = lab.start("agent")
        lab.asked(started, "Go on?")
        clock.advance(5)
        lab.kill()
        clock.advance(3600)
        seen: list[Picture] = []
        held: list[tuple[Any, ...]] = []
        with monkeypatch.context() as patch:
            patch.setattr(lab.runtime.thread, "call", lambda *call: held.append(call))  # its body does not begin
            patch.setattr(hooks, "display_hook", lambda run: seen.append(run.picture()))
            lab.resume(started)
        for call in held:
            lab.runtime.thread.call(*call)
        clock.advance(2)
        assert seen[0].nodes[1].status is NodeStatus.REUSED
        assert seen[0].elapsed(clock.now()) == 2.0, "the hour, when nobody ran it, is left out"


def test_30_what_the_last_owner_wrote_at_the_last_moment_is_kept(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    started = lab.start(patient)
    lab.asked(started, "Go on?")
    lab.kill()
    take = lab.runtime.owner.take

    def late(rows: Any, run_id: str) -> owners.Epoch:
        number = len(journal.read(lab.store, run_id))
        rows.set(journal.row_key(run_id, number), f.encode([f.RunPaused("written late", lab.runtime.clock.now())]))
        return take(rows, run_id)

    monkeypatch.setattr(lab.runtime.owner, "take", late)
    resumed = lab.resume(started, patient)
    lab.answer(resumed, "Go on?", "yes")
    assert resumed.result(LIMIT_S) == {"result": "yes"}
    told = [fact for fact in lab.facts(resumed) if isinstance(fact, (f.RunPaused, f.RunOpened))]
    assert [getattr(fact, "why", "") for fact in told] == ["", "written late", ""]
