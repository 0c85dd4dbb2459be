"""Random bodies, cut off at random facts and gone on with: the same story, and nothing committed runs twice."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aethergraph.ids import Key
from aethergraph.record.facts import AnyFact, NodeStarted, RunOpened
from aethergraph.record.flow import Flow
from aethergraph.storage.journal import Journal
from aethergraph.testing import ScriptedChannel

from .bodies import LEAVES, generate, logs, program
from .history import Ended, Executions, History, executions_counted, history, settled, state

PARTS = 40 if os.environ.get("AETHERGRAPH_LONG") == "1" else 4
CASES = 500  # in each part: resumes of a history that was cut off
MOST_CUTS = 17  # of one body
RISKY, TRIES = 60, 200  # in each part: bodies that may fail; how often each is tried again
TWICE = 0.15  # of the cases: what was resumed is resumed once more


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
    with history(tmp_path) as made:
        yield made


@pytest.fixture
def script() -> Iterator[ScriptedChannel]:
    with ScriptedChannel(lambda asked: os.urandom(2).hex()) as channel:
        yield channel


@dataclass
class Case:
    """What the tests of one body need."""

    runs: History
    marks: Marks
    executions: Executions
    script: ScriptedChannel

    def forget(self) -> None:
        """Nothing ran, was logged or asked yet."""
        logs.clear()
        self.marks.marks.clear()
        self.executions.take()
        self.script.questions.clear()

    def go_on(self, run_id: str, before: Sequence[AnyFact], told: list[str]) -> Ended:
        """Go on from `before`; `told` is what the body must have seen by then."""
        answered = self.runs.answered()
        self.forget()
        resumed = self.runs.resume(run_id, program, before)
        known = settled(Flow.of([*before, RunOpened(0, 0.0)]))  # a failed run forgets what led to its failure
        for key in _follow_what_ran_again(before, resumed):
            known.pop(key, None)
        assert not {key for key, _ in self.executions.take()} & set(known), "a committed call ran again"
        assert not {asked.token for asked in self.script.questions} & answered, "an answered question was asked again"
        assert logs[-1][: len(told)] == told, "the body saw another story"
        after = Flow.of(resumed.facts)
        for key, value in known.items():
            outcome = after.by_key[key].outcome
            assert outcome is None or outcome.value == value, "a committed result changed"
        assert state(after) == state(resumed.live), "the journal does not tell what the process knew"
        return resumed


def _follow_what_ran_again(before: Sequence[AnyFact], resumed: Ended) -> set[Key]:
    """Calls that follow what a failure had cancelled, so that they are made again with it."""
    if Flow.of(before).failure is None:
        return set()
    later = [fact for fact in resumed.facts[len(before) :] if isinstance(fact, NodeStarted)]
    return {Key(fact.key) for fact in later if fact.why.startswith("it follows ")}


@pytest.fixture
def case(runs: History, marks: Marks, executions: Executions, script: ScriptedChannel) -> Case:
    return Case(runs, marks, executions, script)


@pytest.mark.parametrize("part", range(PARTS))
def test_bodies_go_on_where_they_were_cut_off(case: Case, part: int) -> None:
    done = 0
    while done < CASES:
        done += _one_body(case, random.Random().getrandbits(32))


def _one_body(case: Case, seed: int) -> int:
    rng = random.Random(seed)
    steps = [generate(rng) for _ in range(3)]
    case.forget()
    whole = case.runs.start(program, steps=steps)
    log, at = list(logs[-1]), [0, *case.marks.marks]  # the first fact is written with the row of the run
    ran = case.executions.take()
    assert len(ran) == len(set(ran)), f"seed {seed}: a call ran twice in one go"
    assert state(Flow.of(whole.facts)) == state(whole.live)
    facts = whole.unfinished
    cuts = [len(facts), *rng.sample(range(1, len(facts)), min(MOST_CUTS, len(facts)) - 1)]
    run_id = whole.run.run_id
    for cut in cuts:
        try:
            resumed = case.go_on(run_id, facts[:cut], log[: at[cut]])
            if cut == len(facts):
                assert resumed.outcome == whole.outcome
            elif rng.random() < TWICE:
                again = case.go_on(run_id, resumed.unfinished, list(logs[-1]))
                assert again.outcome == resumed.outcome
        except (AssertionError, TimeoutError) as error:
            error.add_note(f"body of seed {seed}, cut after {cut} of {len(facts)} facts: {steps}")
            raise
    return len(cuts)


@pytest.mark.parametrize("part", range(PARTS))
def test_bodies_that_fail_go_on_until_they_are_done(case: Case, part: int) -> None:
    failures = 0
    for _ in range(RISKY):
        seed = random.Random().getrandbits(32)
        rng = random.Random(seed)
        steps = [generate(rng, leaves=[*LEAVES, *["risky"] * 4]) for _ in range(3)]
        case.forget()
        try:
            failures += _until_done(case, case.runs.start(program, steps=steps))
        except (AssertionError, TimeoutError) as error:
            error.add_note(f"body of seed {seed}: {steps}")
            raise
    assert failures


def _until_done(case: Case, ended: Ended) -> int:
    """Go on with a run until it is done, and once more; how often it failed."""
    run_id = ended.run.run_id
    for failures in range(TRIES):
        if ended.live.failure is None:
            again = case.go_on(run_id, ended.unfinished, list(logs[-1]))
            assert again.outcome == ended.outcome
            return failures
        ended = case.go_on(run_id, ended.facts, [])
    raise AssertionError(f"it fails for ever: {ended.outcome}")
