"""Two processes on one store, with real processes: owners, readers, answers. Semantics 30."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph import Run, RunStatus, Runtime
from aethergraph.errors import RunIsLive
from aethergraph.lifecycle import bells
from aethergraph.record import facts as f
from aethergraph.storage import journal
from aethergraph.storage import owner as owners

from .owning import RUN_ID, asked, owned

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 30.0


class Other:
    """Another process, told by a command; what it prints is read line by line."""

    def __init__(self, folder: Path, command: str, **environment: str) -> None:
        module = owned.fn.__module__  # as pytest calls it: code of another module is other code
        words = [sys.executable, "-c", f"import {module} as owning; owning.main()", str(folder), command]
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *sys.path])
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path, **environment},
        )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.process.pid

    def says(self) -> str:
        """The next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, line: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Other:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Runtime]:
    runtime = Runtime(tmp_path / "store")
    yield runtime
    runtime.close()


def _facts(runtime: Runtime) -> list[f.AnyFact]:
    return [fact for batch in journal.read(runtime.store, RUN_ID) for fact in batch]


def _resumed(here: Runtime) -> Run:
    return here.resume(RUN_ID, agent=owned)


def test_30_a_live_run_is_read_and_answered_by_another_process_which_cannot_take_it(here: Runtime) -> None:
    with Other(here.store.folder, "own") as other:
        assert other.says() == "asked"
        with pytest.raises(RunIsLive, match=f"run {RUN_ID} is being run by process {other.pid} on "):
            _resumed(here)
        seen = here.load(RUN_ID)
        assert seen.status is RunStatus.WAITING and [node.node_id for node in seen.nodes] == ["step", "ask"]
        assert [info.live_elsewhere for info in here.runs()] == [True]
        (wait,) = seen.waits
        here.answer(wait.token, "yes")
        assert other.says() == "done {'n': 3, 'answer': 'yes', 'heard': 'heard'}"
        assert seen.status is RunStatus.DONE and seen.result() == {"n": 3, "answer": "yes", "heard": "heard"}


def test_30_a_kill_of_the_owner_frees_the_run_at_once(here: Runtime) -> None:
    with Other(here.store.folder, "own") as other:
        assert other.says() == "asked"
        other.kill()
        began = time.monotonic()
        seen = here.load(RUN_ID)
        assert seen.status is RunStatus.PAUSED
        run = _resumed(here)
        assert time.monotonic() - began < 1.0
    asked(run)
    run.answer("yes")
    assert run.result(LIMIT_S)["answer"] == "yes"
    assert [fact.node_id for fact in _facts(here) if isinstance(fact, f.NodeStarted)].count("step") == 1


@pytest.mark.skipif(os.name != "posix", reason="needs SIGSTOP")
def test_30_a_process_that_stands_still_keeps_its_run(here: Runtime) -> None:
    with Other(here.store.folder, "own") as other:
        assert other.says() == "asked"
        os.kill(other.pid, signal.SIGSTOP)
        with pytest.raises(RunIsLive):
            _resumed(here)
        os.kill(other.pid, signal.SIGCONT)
        here.answer(here.waits()[0].token, "yes")
        assert other.says().startswith("done")


def test_30_a_process_that_was_taken_for_dead_writes_nothing_more(here: Runtime) -> None:
    with Other(here.store.folder, "own", LISTENS="1") as zombie:
        assert zombie.says() == "asked"
        here.answer(here.waits()[0].token, "yes")
        assert zombie.says() == "listening"
        epoch = owners.read(here.store, RUN_ID)
        assert epoch is not None
        (here.store.folder / "owners" / f"{epoch.owner}.lock").unlink()  # as if its file system had lost the lock
        run = _resumed(here)
        assert run.result(LIMIT_S)["heard"] == "heard"
        told = _facts(here)
        zombie.tell()
        assert zombie.says().startswith(f"RunIsLive run {RUN_ID} is being run by process {os.getpid()} on ")
        assert _facts(here) == told


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_30_a_forked_child_refuses_and_does_not_keep_the_run_of_its_dead_parent(here: Runtime) -> None:
    with Other(here.store.folder, "fork") as other:
        lines = [other.says() for _ in range(4)]
        refused = [
            line for line in lines if line.startswith(f"Forked this process was forked from process {other.pid}")
        ]
        assert len(refused) == 3, lines
        with pytest.raises(RunIsLive):
            _resumed(here)
        other.kill()
        try:
            run = _resumed(here)  # the child lives
            asked(run)
            run.answer("yes")
            assert run.result(LIMIT_S)["n"] == 3
        finally:
            assert other.process.stdin is not None
            other.process.stdin.close()
        assert other.says() == "left" and other.says() == "", "it comes to its end, too"


def test_30_who_follows_a_run_is_told_when_its_process_is_killed(
    here: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "ALIVE_S", 0.05)

    async def follow(other: Other) -> list[f.AnyFact]:
        seen = []
        async for fact in here.load(RUN_ID).events():
            seen.append(fact)
            if isinstance(fact, f.WaitOpened):
                other.kill()
        return seen

    with Other(here.store.folder, "own") as other:
        assert other.says() == "asked"
        seen = asyncio.run(asyncio.wait_for(follow(other), LIMIT_S))
    assert seen == _facts(here) and isinstance(seen[-1], f.WaitOpened)


def test_30_events_of_another_process_come_by_its_bell(here: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells, "ALIVE_S", 3600.0)

    async def follow() -> list[f.AnyFact]:
        seen = []
        async for fact in here.load(RUN_ID).events():
            seen.append(fact)
            if isinstance(fact, f.WaitOpened):
                here.answer(fact.token, "yes")
        return seen

    with Other(here.store.folder, "own") as other:
        assert other.says() == "asked"
        seen = asyncio.run(asyncio.wait_for(follow(), LIMIT_S))
        assert other.says().startswith("done")
    assert isinstance(seen[-1], f.RunDone)


def test_33_a_collection_leaves_alone_what_another_process_runs(here: Runtime) -> None:
    with Other(here.store.folder, "own") as other:
        assert other.says() == "asked"
        assert [item.why for item in here.gc(runs=RUN_ID, dry_run=False).kept] == ["it is running"]
        here.answer(here.waits()[0].token, "yes")
        assert other.says().startswith("done")
        assert len(here.gc(keep=0, dry_run=False).runs) == 1, "it is done, though its process lives"
    assert here.runs() == []
