"""A store that an earlier version wrote: it is read, answered, gone on with, forked and collected. Design section 5.

`tests/data/store_of_format_1.zip` was written by the code before forks, the index of runs and parking; the agents in it
are those of `older_agents.py`, one run is done and one waits. Neither file is ever changed: fingerprints hang on both.
"""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aethergraph import RunStatus, Runtime
from aethergraph.record import facts as f
from aethergraph.storage import journal

from .lab import LIMIT_S

DATA = Path(__file__).resolve().parent.parent / "data"


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Runtime]:
    zipfile.ZipFile(DATA / "store_of_format_1.zip").extractall(tmp_path / "store")
    runtime = Runtime(tmp_path / "store", durability="process")
    yield runtime
    runtime.close()


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(DATA))
    return importlib.import_module("older_agents").asking


def test_its_runs_are_listed_and_read(older: Runtime) -> None:
    assert [(info.run_id, info.status) for info in older.runs()] == [
        ("waiting", RunStatus.PAUSED),
        ("finished", RunStatus.DONE),
    ]
    done = older.load("finished")
    assert done.result() == {"n": 12, "answer": "yes"} and done.transcript() == ["Go on? -> yes"]
    assert [one.name for one in done.artifacts] == ["n.txt"]
    assert older.store.blobs.get(done.artifacts[0].sha256) == b"6"
    assert [one.node_id for one in done.lineage("double-2")] == ["double", "double-2"]


def test_its_waiting_run_is_answered_and_goes_on_and_nothing_runs_twice(older: Runtime, asking: Any) -> None:
    (wait,) = older.waits()
    older.answer(wait.token, "sure")
    run = older.resume("waiting", agent=asking)
    assert run.result(LIMIT_S) == {"n": 20, "answer": "sure"}
    facts = [fact for batch in journal.read(older.store, "waiting") for fact in batch]
    started = [fact.node_id for fact in facts if isinstance(fact, f.NodeStarted)]
    assert sorted(started) == ["ask", "double", "double-2"]


def test_a_run_of_it_can_be_forked(older: Runtime, monkeypatch: pytest.MonkeyPatch, asking: Any) -> None:
    fork = older.fork("finished", at="ask", outputs="no", namespace={"asking": asking})
    assert fork.result(LIMIT_S) == {"n": 12, "answer": "no"}
    assert [info.run_id for info in older.runs(limit=None)] == [fork.run_id, "waiting", "finished"]


def test_it_is_collected_like_any_other(older: Runtime) -> None:
    found = older.gc(keep=0, dry_run=False)
    assert [item.run_id for item in found.runs] == ["finished"]
    assert [(item.run_id, item.why) for item in found.kept] == [("waiting", "it waits for an answer")]
    assert [info.run_id for info in older.runs()] == ["waiting"]
