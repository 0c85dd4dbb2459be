"""Collecting garbage: told first, deleted on request, and never what somebody needs. Semantics 33."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Run, RunStatus
from aethergraph.errors import UnknownRun, UnknownWait
from aethergraph.lifecycle import collecting
from aethergraph.lifecycle.collecting import Garbage
from aethergraph.record import facts as f
from aethergraph.runner import gc
from aethergraph.scheduler.caching import PREFIX as KEPT
from aethergraph.services import catalogue
from aethergraph.storage import owner as owners
from aethergraph.storage import signals
from aethergraph.storage.store import MemoryStore, Transaction
from aethergraph.testing import FakeClock

from .lab import LIMIT_S, Lab, laboratory

LARGE = """
@tool(outputs=["data"], cache=True)
async def make(x):
    return [x] * 500_000

@graph_fn
async def agent(x=1):
    return len((await make(x)).data)

@graph_fn
async def saving(x=1, pin=False, *, context: NodeContext):
    await context.artifacts().save_text(f"{x}" * 1000, name="x.txt", pin=pin)
    return x

@graph_fn
async def asking(*, context: NodeContext):
    return await context.channel().ask_text("Go on?")
"""
DAY_S = 86400.0


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A lab with a clock; contents may be collected at once."""
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    with laboratory(tmp_path / "store", FakeClock()) as made:
        made.cell(LARGE)
        yield made


def _done(lab: Lab, agent: str, **inputs: object) -> Run:
    run = lab.start(agent, **inputs)
    run.result(LIMIT_S)
    _later(lab, 1)
    return run


def _later(lab: Lab, days: float) -> None:
    assert isinstance(lab.clock, FakeClock)
    lab.clock.advance(days * DAY_S)


def _age_contents(lab: Lab, days: float = 1000) -> None:
    for path in _contents(lab):
        os.utime(path, (path.stat().st_mtime - days * DAY_S,) * 2)


def _contents(lab: Lab) -> list[Path]:
    return sorted(path for path in (lab.store.folder / "blobs").rglob("*") if path.is_file())


def _collect(lab: Lab, **which: Any) -> Garbage:
    """Collect, with contents that nobody has stored for long; what it told before is what it did."""
    _age_contents(lab)
    told = gc(**which)
    assert not told.done and str(told).startswith("would delete")
    done = gc(**which, dry_run=False)
    assert done.done and str(done).replace("deleted", "would delete", 1) == str(told)
    assert (done.runs, done.kept, done.size, done.blobs) == (told.runs, told.kept, told.size, told.blobs)
    return done


def _left(lab: Lab) -> list[str]:
    return [info.run_id for info in lab.runtime.runs(limit=None)]


def test_33_without_being_told_which_no_run_goes(lab: Lab) -> None:
    run = _done(lab, "agent")
    _later(lab, 1000)
    assert not _collect(lab)
    assert _left(lab) == [run.run_id] and run.outputs == {"result": 500_000}


def test_33_runs_go_by_number_and_age_with_all_that_only_they_need(lab: Lab) -> None:
    old, middle, new = (_done(lab, "saving", x=x) for x in (1, 2, 3))
    assert len(_contents(lab)) == 3
    done = _collect(lab, keep=2)
    assert [item.run_id for item in done.runs] == [old.run_id] and done.blobs == 1 and done.blobs_size == 1000
    assert _left(lab) == [new.run_id, middle.run_id] and len(_contents(lab)) == 2
    assert not [key for key, _ in lab.store.scan("") if old.run_id in key]
    with pytest.raises(UnknownRun):
        lab.runtime.load(old.run_id)
    _collect(lab, older_than=timedelta(days=1.5))
    assert _left(lab) == [new.run_id]
    _collect(lab, keep=0, older_than=10 * DAY_S)
    assert _left(lab) == [new.run_id], "old enough, and beyond the number: both"
    assert gc(keep=0).runs[0].why == "done, 1 days old"


def test_33_what_may_still_be_needed_stays_and_the_report_says_why(lab: Lab) -> None:
    pinned, parent = _done(lab, "saving", x=1), _done(lab, "saving", x=2)
    pinned.pin()
    fork = parent.fork()
    fork.result(LIMIT_S)
    asking, paused = lab.start("asking"), lab.start("asking")
    for run in (asking, paused):
        lab.asked(run, "Go on?")
    paused.pause()
    with pytest.raises(Exception, match="is paused"):
        paused.result(LIMIT_S)
    fork.pin()
    _later(lab, 1000)
    done = _collect(lab, keep=0)
    assert done.runs == []
    assert {item.run_id: item.why for item in done.kept} == {
        pinned.run_id: "it is pinned",
        fork.run_id: "it is pinned",
        parent.run_id: f"{fork.run_id} was made from it",
        asking.run_id: "it is running",
        paused.run_id: "it waits for an answer",
    }
    lab.answer(asking, "Go on?", "yes")
    asking.result(LIMIT_S)
    fork.pin(False)
    assert {item.run_id for item in _collect(lab, keep=0).runs} == {asking.run_id, fork.run_id, parent.run_id}


def test_33_a_run_that_is_asked_for_goes_with_its_open_questions_unless_it_is_pinned(lab: Lab) -> None:
    run = lab.start("asking")
    token = lab.asked(run, "Go on?")
    lab.kill()
    run = lab.runtime.load(run.run_id)
    run.pin()
    assert _collect(lab, runs=run.run_id).runs == []
    run.pin(False)
    assert _collect(lab, keep=0).runs == []
    assert [item.why for item in _collect(lab, runs=[run.run_id]).runs] == ["it was asked for"]
    assert lab.runtime.waits() == []
    with pytest.raises(UnknownWait):
        lab.runtime.answer(token, "yes")
    with pytest.raises(UnknownRun):
        gc(runs=["no-such-run"])


def test_33_a_fork_keeps_what_it_shares_when_its_parent_goes(lab: Lab) -> None:
    parent = _done(lab, "agent", x=5)
    fork = parent.fork()
    fork.result(LIMIT_S)
    done = _collect(lab, runs=parent.run_id)
    assert len(done.runs) == 1 and done.blobs == 0
    lab.kill()
    again = lab.runtime.load(fork.run_id).fork()
    assert again.result(LIMIT_S) == {"result": 500_000}
    assert [node.node_id for node in again.nodes] == ["make"] and len(again.picture().nodes) == 1


def test_33_kept_results_are_roots_until_they_are_old(lab: Lab) -> None:
    _done(lab, "agent", x=7)
    _later(lab, 10)
    done = _collect(lab, keep=0)
    assert (len(done.runs), done.cached, done.blobs, done.definitions) == (1, 0, 0, 1)
    assert _done(lab, "agent", x=7).picture().nodes[1].status.value == "reused"
    done = _collect(lab, keep=0, older_than=timedelta(days=5))
    assert (done.cached, done.blobs) == (1, 0), "a run that is younger has the result, too"
    assert not list(lab.store.scan(KEPT))
    assert _collect(lab, keep=0).blobs == 1 and _contents(lab) == []


def test_33_pinned_artifacts_outlive_their_run(lab: Lab) -> None:
    run = _done(lab, "saving", x=8, pin=True)
    (artifact,) = run.artifacts
    done = _collect(lab, keep=0)
    assert len(done.runs) == 1 and done.blobs == 0
    lab.cell(
        f"""
@graph_fn
async def looking(*, context: NodeContext):
    found = await context.artifacts().list("all")
    return [one.name for one in found], await context.artifacts().load_text({artifact.uri!r})
"""
    )
    names, text = lab.run("looking")["result"]
    assert names == ["x.txt"] and text == "8" * 1000


def test_33_a_content_that_was_stored_lately_stays_though_nothing_refers_to_it(lab: Lab) -> None:
    digest = lab.store.blobs.put(b"about to be referred to")
    done = gc(dry_run=False)
    assert (done.blobs, done.young) == (0, 1) and lab.store.blobs.has(digest)
    _age_contents(lab)
    assert lab.store.blobs.put(b"about to be referred to") == digest  # the same again: as young as a new one
    assert gc(dry_run=False).young == 1
    _age_contents(lab)
    assert gc(dry_run=False).blobs == 1 and not lab.store.blobs.has(digest)


def test_33_what_a_process_stored_that_still_runs_stays(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "GRACE_S", -DAY_S)
    other = owners.Owner(lab.store)
    lab.store.blobs.put(b"by whom?")
    try:
        assert gc(dry_run=False).young == 1, "by the other process, perhaps"
    finally:
        other.close()
    assert gc(dry_run=False).blobs == 1
    run = lab.start("asking")
    lab.asked(run, "Go on?")
    lab.store.blobs.put(b"by ourselves?")
    assert run.live and gc(dry_run=False).young == 1


FAMILY = """
@graph_fn
async def parent(*, context: NodeContext):
    child = await context.spawn_run(agent, inputs={"x": 2})
    await context.channel().ask_text("Go on?")
    return (await context.wait_run(child))["result"]
"""


def test_33_a_run_stays_whose_parent_may_still_ask_what_it_gave(lab: Lab) -> None:
    """The child is done, and its parent, which waits for something else, has not had its outputs."""
    lab.cell(FAMILY)
    run = lab.start("parent")
    lab.asked(run, "Go on?")
    (child,) = lab.runtime.runs(parent=run.run_id)
    lab.runtime.load(child.run_id).result(LIMIT_S)
    for live in (True, False):
        _later(lab, 1000)
        done = _collect(lab, keep=0)
        assert done.runs == [], f"live here: {live}"
        assert {item.run_id: item.why for item in done.kept}[child.run_id] == f"{run.run_id} may wait for what it gave"
        lab.kill()
    again = lab.resume(lab.runtime.load(run.run_id))
    lab.answer(again, "Go on?", "yes")
    assert again.result(LIMIT_S).result == 500_000
    assert len(_collect(lab, keep=0).runs) == 2, "both are over"


HEARING = """
@graph_fn
async def hearing(n, *, context: NodeContext):
    return [await context.wait_event("go") for _ in range(n)]
"""


def _signals(lab: Lab) -> list[int]:
    return [signal.number for signal in signals.everything(lab.store)]


def test_33_a_signal_for_all_stays_as_long_as_a_run_that_began_before_it(lab: Lab) -> None:
    lab.cell(HEARING)
    lab.runtime.signal("go", "nobody was there")
    run = lab.start("hearing", n=1)
    lab.asked(run, "go")
    lab.runtime.signal("go", "first")
    lab.runtime.signal("go", "second")
    assert run.result(LIMIT_S).result == ["first"]
    _later(lab, 1)
    assert _collect(lab).signals == 1 and _signals(lab) == [2, 3]
    fork = run.fork(inputs={"n": 2})
    assert fork.result(LIMIT_S).result == ["first", "second"], "it has the position of its parent"
    done = _collect(lab, keep=0)
    assert (len(done.runs), done.signals, _signals(lab)) == (2, 2, [])
    assert not [key for key, _ in lab.store.scan("g:") if key != signals.LAST]
    assert lab.runtime.signal("go") == 4, "no number comes twice"


def test_33_a_signal_for_a_run_goes_once_the_run_and_those_that_go_on_from_it_are_over(lab: Lab) -> None:
    lab.cell(
        HEARING + "\n@graph_fn\nasync def talk(n=0, *, context: NodeContext):\n"
        "    if await context.wait_event('go') != 'stop':\n"
        "        await context.continue_as_new(n=n + 1)\n    return n\n"
    )
    other, run = lab.start("hearing", n=1), lab.start("talk")
    for payload in ("on", "on"):
        lab.runtime.signal("go", payload, run.run_id)
    last = f"{run.run_id}.3"
    lab.until(run, lambda facts: isinstance(facts[-1], f.RunContinued))
    lab.until(run.successor, lambda facts: isinstance(facts[-1], f.RunContinued))  # type: ignore[arg-type]
    lab.kill()
    lab.runtime.signal("go", "for the other", other.run_id)  # not before: it would be taken, or not
    assert not _collect(lab).signals and _signals(lab) == [1, 2, 3], "both can be resumed"
    assert lab.resume(lab.runtime.load(other.run_id)).result(LIMIT_S).result == ["for the other"]
    assert _collect(lab).signals == 1 and _signals(lab) == [1, 2]
    again = lab.resume(lab.runtime.load(last))
    lab.runtime.signal("go", "stop", run.run_id)
    assert again.result(LIMIT_S).result == 2
    assert _collect(lab).signals == 3 and _signals(lab) == []


def test_33_a_signal_that_a_failed_run_had_taken_is_there_when_it_is_tried_again(lab: Lab) -> None:
    lab.cell(
        HEARING + "\n@tool(outputs=['n'])\nasync def shaky(n):\n    raise ValueError(n)\n\n"
        "@graph_fn\nasync def agent(*, context: NodeContext):\n"
        "    return (await shaky(await context.wait_event('go'))).n\n"
    )
    run = lab.start("agent")
    lab.runtime.signal("go", 5, run.run_id)
    assert isinstance(run.future.exception(LIMIT_S), ValueError)
    assert not _collect(lab, keep=1).signals
    lab.cell("@tool(outputs=['n'])\nasync def shaky(n):\n    return n\n")
    assert lab.resume(run).result(LIMIT_S).result == 5


def test_33_definitions_of_runs_that_stay_stay(lab: Lab) -> None:
    first = _done(lab, "saving")
    lab.cell(LARGE.replace("* 1000", "* 1001"))
    second = _done(lab, "saving")
    assert len(list(lab.store.scan("d:"))) == 2
    assert _collect(lab, runs=second.run_id).definitions == 1
    lab.cells.names.clear()
    lab.kill()
    assert lab.runtime.fork(first.run_id, namespace={}).result(LIMIT_S) == {"result": 1}


class _Cut(Exception):
    """The process dies."""


STEPS = 13  # of the collection below; asserted in a test of its own


@pytest.mark.parametrize("fatal", range(1, STEPS + 1))
def test_33_a_kill_at_any_point_loses_nothing_that_is_needed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, fatal: int
) -> None:
    goes, *stay = _three(lab)
    with monkeypatch.context() as patched, pytest.raises(_Cut):
        _Steps(fatal).watch(patched, lab.store)
        gc(runs=[goes.run_id], dry_run=False)
    lab.kill()
    for run in stay:
        (artifact,) = lab.runtime.load(run.run_id).artifacts
        assert lab.store.blobs.get(artifact.sha256)
        assert lab.runtime.load(run.run_id).status is RunStatus.DONE
    left = [run_id for run_id in _left(lab) if run_id == goes.run_id]
    for run_id in left:
        assert lab.runtime.load(run_id).outputs == {"result": 0}
        assert lab.store.blobs.get(lab.runtime.load(run_id).artifacts[0].sha256)
    _age_contents(lab)
    gc(runs=left, dry_run=False)
    assert not gc() and len(_contents(lab)) == 1


def test_how_many_steps_a_collection_has(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    goes, *_ = _three(lab)
    steps = _Steps(0)
    with monkeypatch.context() as patched:
        steps.watch(patched, lab.store)
        assert gc(runs=[goes.run_id], dry_run=False).blobs == 2
    assert steps.count == STEPS


def _three(lab: Lab) -> list[Run]:
    """The first of these is to go; the others share a content."""
    runs = [_done(lab, "saving", x=x) for x in (0, 1, 2, 2)]
    lab.runtime.gc(runs=runs.pop(1).run_id, dry_run=False)  # leaves a content that is too young
    _age_contents(lab)
    (lab.store.folder / "blobs" / f"draft-{1}-left").write_bytes(b"by a process that was killed")
    _age_contents(lab)
    return runs


class _Steps:
    """Counts what a collection writes, and dies at the `fatal`-th step, before or after it took place."""

    def __init__(self, fatal: int) -> None:
        self.fatal, self.count = fatal, 0

    def watch(self, patched: pytest.MonkeyPatch, store: MemoryStore) -> None:
        """Be there at every step."""
        patched.setattr(store, "transact", self.in_transactions(store))
        patched.setattr(os, "replace", self.before(os.replace))
        patched.setattr(Path, "unlink", self.before(Path.unlink))

    def step(self) -> None:
        self.count += 1
        if self.count == self.fatal:
            raise _Cut

    def before(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(*args: Any, **how: Any) -> Any:
            self.step()
            return act(*args, **how)

        return acting

    def in_transactions(self, store: MemoryStore) -> Callable[[], Any]:
        real = store.transact

        @contextmanager
        def transact(*, wait: bool = True) -> Iterator[Transaction]:
            with real(wait=wait) as rows:
                yield rows
                self.step()
            self.step()

        return transact


FOLDER = """
@graph_fn
async def packing(x, *, context: NodeContext):
    artifacts = context.artifacts()
    folder = await artifacts.stage_dir()
    (folder / "deep").mkdir(exist_ok=True)
    (folder / "deep" / "own.txt").write_text(f"{x}" * 1000)
    (folder / "shared.txt").write_text("shared" * 1000)
    saved = await artifacts.ingest_dir(folder, kind="model")
    (await artifacts.tmp_path(".log")).write_text("left")
    return saved.uri

@graph_fn
async def holding(uri, *, context: NodeContext):
    return uri

@graph_fn
async def unpacking(uri, *, context: NodeContext):
    folder = await context.artifacts().as_local_dir(uri)
    return sorted(path.name for path in folder.rglob("*.txt"))
"""


def test_33_the_files_of_a_folder_stay_as_long_as_anything_names_the_folder(lab: Lab) -> None:
    lab.cell(FOLDER)
    one, other = _done(lab, "packing", x=1), _done(lab, "packing", x=2)
    assert len(_contents(lab)) == 5  # two lists, a file of each, and one that they share
    holder = _done(lab, "holding", uri=one.outputs["result"])
    assert _collect(lab).blobs == 0
    assert _collect(lab, runs=[one.run_id]).blobs == 0, "another run has its uri"
    assert lab.run("unpacking", uri=one.outputs["result"])["result"] == ["own.txt", "shared.txt"]
    assert _collect(lab, runs=[other.run_id]).blobs == 2, "its list and its own file"
    left = [info.run_id for info in lab.runtime.runs(limit=None) if info.name == "unpacking"]
    assert _collect(lab, runs=[holder.run_id, *left]).blobs == 3
    assert not [key for key, _ in lab.store.scan("a") if key != catalogue.BUILT]


def test_33_what_runs_were_working_on_goes_once_they_are_done(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.cell(FOLDER)
    run = _done(lab, "packing", x=1)
    scratch = lab.store.folder / "scratch" / run.run_id
    assert [path.suffix for path in scratch.iterdir()] == [".log"], "what was ingested is gone already"
    assert _collect(lab).scratch == 0, "just now"
    monkeypatch.setattr(collecting, "GRACE_S", -DAY_S)
    done = _collect(lab)
    assert done.scratch == 1 and not scratch.exists() and "1 folder" in str(done)


def test_33_uses_go_with_the_run_that_used(lab: Lab) -> None:
    lab.cell(FOLDER)
    one = _done(lab, "packing", x=1)
    user = _done(lab, "unpacking", uri=one.outputs["result"])
    assert len(list(lab.store.scan(catalogue.USE))) == 1
    _collect(lab, runs=[user.run_id])
    assert not list(lab.store.scan(catalogue.USE))
