"""Random bodies, forked as they are and at random nodes: what is shared does not run again, and the parent stays."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph.ids import Key
from aethergraph.record import facts as f
from aethergraph.record.flow import Flow
from aethergraph.testing import ScriptedChannel

from .bodies import generate, logs, program
from .history import Ended, Executions, History, executions_counted, facts_of, history, settled, state

BODIES = 600 if os.environ.get("AETHERGRAPH_LONG") == "1" else 60
FORKS = 3  # of each body, at a random node


@pytest.fixture
def executions() -> Iterator[Executions]:
    with executions_counted() as counter:
        yield counter


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[History]:
    with history(tmp_path) as made, ScriptedChannel(lambda asked: os.urandom(2).hex()):
        yield made


def _fork(runs: History, parent: Ended, at: str | None) -> Ended:
    logs.clear()
    return runs.end(runs.runtime.fork(parent.run.run_id, at=at, namespace={"program": program}), 20)


def _inside(flow: Flow, at: str) -> set[Key]:
    """The node `at`, what is in it, and the bodies around it."""
    (named,) = [node for node in flow.nodes if node.node_id == at]
    numbers = {named.no}
    for node in flow.nodes:
        if node.scope in numbers:
            numbers.add(node.no)
    around = named.scope
    while around:
        numbers.add(around)
        around = flow.nodes[around - 1].scope
    return {flow.nodes[no - 1].key for no in numbers}


def _explained(before: Flow, fork: Ended) -> set[Key]:
    """Calls that say why they ran again; a pure one, which says nothing, was given something else."""
    said = {Key(fact.key) for fact in fork.facts if isinstance(fact, f.NodeStarted) and fact.why}
    pure = [fact for fact in fork.facts if isinstance(fact, f.NodeRan) and Key(fact.key) in before.by_key]
    return said | {Key(fact.key) for fact in pure if fact.validity != before.by_key[Key(fact.key)].validity}


def test_random_bodies_are_forked(runs: History, executions: Executions) -> None:
    reran = 0
    for _ in range(BODIES):
        seed = random.Random().getrandbits(32)
        rng = random.Random(seed)
        steps = [generate(rng) for _ in range(3)]
        logs.clear()
        parent = runs.start(program, steps=steps)
        log = list(logs[-1])
        try:
            reran += _check(runs, executions, parent, log, rng)
        except (AssertionError, TimeoutError) as error:
            error.add_note(f"body of seed {seed}: {steps}")
            raise
    assert reran > BODIES // 2, "the forks did run something"


def _check(runs: History, executions: Executions, parent: Ended, log: list[str], rng: random.Random) -> int:
    before = Flow.of(parent.facts)
    executions.take()
    same = _fork(runs, parent, None)
    known = settled(Flow.of([*parent.unfinished, f.RunOpened(0, 0.0)]))
    assert not {key for key, _ in executions.take()} & set(known), "what is shared ran again"
    if before.failure is None:
        assert same.outcome == parent.outcome and logs[-1] == log
    assert state(Flow.of(same.facts)) == state(same.live), "the journal does not tell what the process knew"
    reran = 0
    names = [node.node_id for node in before.nodes]
    for at in rng.sample(names, min(FORKS, len(names))):
        fork = _fork(runs, parent, at)
        again = {key for key, _ in executions.take()} & set(known)
        allowed = _inside(before, at) | _explained(before, fork)
        assert again <= allowed, f"forked at {at}, something ran again that does not follow it"
        reran += bool(again)
        assert facts_of(runs.runtime, parent.run.run_id) == parent.facts, "the parent is not as it was"
        assert state(Flow.of(fork.facts)) == state(fork.live)
    return reran
