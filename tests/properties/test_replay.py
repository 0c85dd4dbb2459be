"""Random bodies, cut off at random facts and gone on with: the same story, and nothing committed runs twice."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from aethergraph.facts import AnyFact
from aethergraph.flow import Flow
from aethergraph.ids import Key
from aethergraph.journal import Journal
from aethergraph.testing import ScriptedChannel

from .bodies import generate, logs, program
from .history import Ended, Executions, History, executions_counted, history, settled, state

BODIES, CUTS = 130, 17  # together more than 2,000 cases


class Marks:
    """How long the log of the body was when each fact was appended: up to there, only earlier facts can show in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.marks: list[int] = []
        append = Journal.append

        def marking(journal: Journal, run_id: str, fact: AnyFact | None, ops: Sequence[Any] = ()) -> int:
            if fact is not None:
                self.marks.append(len(logs[-1]) if logs else 0)
            return append(journal, run_id, fact, ops)

        monkeypatch.setattr(Journal, "append", marking)


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> Marks:
    return Marks(monkeypatch)


@pytest.fixture
def executions() -> Iterator[Executions]:
    with executions_counted() as counter:
        yield counter


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[History]:
    with history(tmp_path) as made, ScriptedChannel(lambda asked: os.urandom(2).hex()) as script:
        yield made
    answered = [asked.token for asked in script.questions]
    assert len(answered) > 100


def _check(resumed: Ended, before: Sequence[AnyFact], ran: list[tuple[Key, int]], told: list[str]) -> None:
    known = settled(Flow.of(before))
    assert not {key for key, _ in ran} & set(known), "a committed call ran again"
    assert logs[-1][: len(told)] == told, "the body saw another story"
    after = Flow.of(resumed.facts)
    for key, value in known.items():
        outcome = after.by_key[key].outcome
        assert outcome is None or outcome.value == value, "a committed result changed"
    assert state(after) == state(resumed.live), "the journal does not tell what the process knew"


@pytest.mark.parametrize("part", range(4))
def test_bodies_go_on_where_they_were_cut_off(runs: History, marks: Marks, executions: Executions, part: int) -> None:
    rng = random.Random()
    for _ in range(BODIES // 4 + 1):
        seed = rng.getrandbits(32)
        _one_body(runs, marks, executions, random.Random(seed), seed)


def _one_body(runs: History, marks: Marks, executions: Executions, rng: random.Random, seed: int) -> None:
    steps = [generate(rng) for _ in range(3)]
    logs.clear()
    marks.marks.clear()
    executions.take()
    whole = runs.start(program, steps=steps)
    log, at = list(logs[-1]), list(marks.marks)
    ran = executions.take()
    assert len(ran) == len(set(ran)), f"seed {seed}: a call ran twice in one go"
    assert state(Flow.of(whole.facts)) == state(whole.live)
    facts = whole.unfinished
    count = len(facts)
    cuts = [count, *rng.sample(range(1, count), min(CUTS - 1, count - 1))]
    for cut in cuts:
        logs.clear()
        try:
            resumed = runs.resume(whole.run.run_id, program, facts[:cut])
            _check(resumed, facts[:cut], executions.take(), log[: at[cut]])
            if cut == count:
                assert resumed.outcome == whole.outcome
        except (AssertionError, TimeoutError) as error:
            error.add_note(f"body of seed {seed}, cut after {cut} of {count} facts: {steps}")
            raise
