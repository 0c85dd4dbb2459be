"""Any nesting of runs, graphs and maps, cut off at random facts, ends as plain Python says: rules 13, 26, 28, 29."""

from __future__ import annotations

import contextlib
import logging
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aethergraph import Runtime
from aethergraph.errors import JournalBroken
from aethergraph.record.flow import Flow
from aethergraph.record.status import RunStatus
from aethergraph.storage import journal
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.store import MemoryStore
from tests.crash.cutting import OneByOne

from .driving import LONG
from .families import RAN, Tree, expected, family, labels, trees

LIMIT_S = 20
CUTS = 6  # how often one run is cut off
FACTS = 12  # on average, between two cuts


class _Heard(logging.Handler):
    """What tools told; of a power cut's time, too: they ran, whoever heard of it."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """A tool says that it runs."""
        self.told.append(record.getMessage())


@pytest.fixture
def heard() -> Iterator[_Heard]:
    """Hears of each tool that runs."""
    logger, handler = logging.getLogger(RAN), _Heard()
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


class Family:
    """One root run on a store in memory, with all that it starts."""

    def __init__(self, store: MemoryStore, tree: Tree, heard: _Heard) -> None:
        self.store, self.tree, self.heard = store, tree, heard
        self.deaths = 0

    def live(self) -> Any:
        """Run it to its end, if it is not there; what it gives."""
        runtime = Runtime(self.store)
        with contextlib.closing(runtime), runtime.use():
            known = self.store.get("r:root") is not None
            inputs = {"tree": self.tree, "label": "x"}
            run = runtime.resume("root") if known else runtime.start(family, inputs, run_id="root")
            return run.result(LIMIT_S).y

    def die(self, fatal: int, *, told: bool) -> bool:
        """Live until `fatal` more facts are on disk; False if it was over before."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal, "Journal", OneByOne)
            patch.setattr(OneByOne, "fatal", fatal)
            patch.setattr(OneByOne, "told", told)
            try:
                self.live()
            except JournalBroken:
                self.deaths += 1
                return True
        return False

    def flows(self) -> dict[str, Flow]:
        """What is on disk of each run."""
        ids = [key.removeprefix("r:") for key, _ in self.store.scan("r:")]
        return {one: Flow.of(fact for batch in journal.read(self.store, one) for fact in batch) for one in ids}

    def committed(self) -> set[str]:
        """The labels of the work whose results are on disk."""
        with contextlib.closing(Runtime(self.store)) as runtime:
            done = [
                runtime.codec.load(node.outcome.value)
                for flow in self.flows().values()
                for node in flow.nodes
                if node.callee in ("work", "work_in_thread") and node.outcome is not None and node.outcome.ok
            ]
        return {outputs["y"].removesuffix("!") for outputs in done}


def _check(tree: Tree, rng: random.Random, folder: Path, heard: _Heard) -> int:
    """Cut a run of `tree` off here and there, let it end, and look at all that it did; how often it was cut off."""
    heard.told.clear()
    one = Family(MemoryStore(folder, DiskBlobs(folder / "blobs")), tree, heard)
    for _ in range(CUTS):
        before, since = one.committed(), len(heard.told)
        died = one.die(int(rng.expovariate(1 / FACTS)), told=rng.random() < 0.5)
        assert not before & set(heard.told[since:]), "what was committed ran again"
        if not died:
            break
    before, since = one.committed(), len(heard.told)
    value = one.live() if one.flows().get("root", Flow()).status is not RunStatus.DONE else None
    assert not before & set(heard.told[since:]), "what was committed ran again"
    wanted = expected(tree, "x")
    assert value is None or value == wanted
    flows = one.flows()
    with contextlib.closing(Runtime(one.store)) as runtime:
        assert dict(runtime.load("root").outputs) == {"y": wanted}
    assert {name for name, flow in flows.items() if flow.status is not RunStatus.DONE} == set()
    assert len(flows) == 1 + _runs(tree), "each child is one run, however often its parent was cut off"
    told = Counter(heard.told)
    assert set(told) == set(labels(wanted))
    assert max(told.values(), default=1) <= 1 + one.deaths
    return one.deaths


def _runs(tree: Tree) -> int:
    """How many child runs it makes."""
    kind, *inside = tree
    parts = [one for one in inside if isinstance(one, list)]
    own = {"run": 1, "called": 1, "called in thread": 1, "spawned": len(parts)}.get(kind, 0)
    return own + sum(map(_runs, parts))


@settings(
    max_examples=120 if LONG else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # where it is cut off differs each time: smaller is not the same
)
@given(tree=trees, seed=st.integers(0, 2**32))
def test_families_are_cut_off_and_end(heard: _Heard, tree: Tree, seed: int) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        _check(tree, random.Random(seed), Path(folder), heard)


def test_the_trees_have_children_and_the_cuts_meet_them(heard: _Heard, tmp_path: Path) -> None:
    """One that has it all, so that no generation by chance leaves a kind out."""
    tree = ["all", ["spawned", ["run", ["map", 3]], ["called in thread", ["around", ["run", ["fixed"]]]]],
            ["seq", ["called", ["nested", ["thread"]]], ["around", ["spawned", ["work"], ["work"]]]]]  # fmt: skip
    deaths = sum(_check(tree, random.Random(seed), tmp_path / str(seed), heard) for seed in range(3))
    assert deaths >= 6
