"""A run cut off at every fact: after each, it goes on to the same end, and nothing is done twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from aethergraph import Runtime
from aethergraph.record.facts import AnyFact
from aethergraph.testing import ScriptedChannel

from .account import Life, facts_of
from .cutting import cut_everywhere, maker
from .victim import RUN_ID, victim

LIMIT_S = 30


class Mortal(Life):
    """A run in this process, on a store in memory."""

    def live(self) -> None:
        """Run it to its end, if it is not there."""
        runtime = Runtime(self.store)
        with (
            contextlib.closing(runtime),
            runtime.use(),
            ScriptedChannel(lambda asked: self.answer(asked.name, asked.token)),
        ):
            known = self.store.get(f"r:{RUN_ID}") is not None
            run = runtime.resume(RUN_ID) if known else runtime.start(victim, {"n": 4}, run_id=RUN_ID)
            run.result(LIMIT_S)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Mortal]:
    """Make a run that has not begun."""
    return maker(Mortal, tmp_path, monkeypatch)


@pytest.fixture
def alone(make: Callable[[str], Mortal]) -> list[AnyFact]:
    """The facts of a run that nothing disturbed."""
    life = make("alone")
    life.live()
    life.check(facts_of(life.store))
    return facts_of(life.store)


@pytest.mark.parametrize("told", [True, False])
def test_cut_off_at_every_fact(make: Callable[[str], Mortal], alone: list[AnyFact], told: bool) -> None:
    fatal = cut_everywhere(make, lambda life: life.check(alone), told=told, again=11)
    assert fatal > 40, f"the run has far fewer facts than it should: {fatal}"
