"""What must be true of a run however often it died: read from its journal and from the lines that its tools left."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aethergraph.lifecycle import telling
from aethergraph.record import facts as f
from aethergraph.record.flow import Flow
from aethergraph.storage import journal, waiting
from aethergraph.storage.store import Store

from . import victim

ANSWERS = {"keep": "two", "name": "Ada"}
MESSAGES = ["submitted paper 0", "submitted paper 1", "waited", "shaky is there"]
USED = ["clock", "last", "name", "paper 0", "paper 1", "stamp"]


def facts_of(store: Store) -> list[f.AnyFact]:
    """All facts on disk."""
    return [fact for batch in journal.read(store, victim.RUN_ID) for fact in batch]


def lines(path: Path) -> list[list[Any]]:
    """What was done outside, in order."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@dataclass
class Life:
    """What is known of a run from outside: its store, the file of lines, and the tokens that somebody was asked."""

    store: Store
    path: Path
    asked: list[str] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)

    def answer(self, name: str, token: str) -> str:
        """Somebody is asked."""
        self.asked.append(token)
        return ANSWERS[name]

    def died(self) -> None:
        """The process that ran it is gone."""
        self.deaths.append(Death(_results(self.store), _answered(self.store), len(lines(self.path)), len(self.asked)))

    def check(self, alone: list[f.AnyFact]) -> None:
        """The run ended as `alone`, which nothing disturbed, and nothing happened twice that must not."""
        history = facts_of(self.store)
        assert _result(history) == _result(alone)
        assert _said(history) == _said(alone), "the transcript is another"
        assert _sent(history) == len(MESSAGES), "a message was recorded twice, or is missing"
        assert [sum(text in said for said in _said(history)) for text in MESSAGES] == [1] * len(MESSAGES)
        saved = [key for key, _ in self.store.scan(f"a:{victim.RUN_ID}:")]
        assert len(saved) == 1, f"the report was saved {len(saved)} times"
        assert len(set(self.asked)) == len(ANSWERS), "a question was asked anew"
        _check_once(history)
        told, results = lines(self.path), _results(self.store)
        assert len(results) >= 15
        _check_used(told)
        for death in self.deaths:
            again = [rest[0] for what, *rest in told[death.told :] if what == "ran" and rest[0] in death.done]
            assert not again, f"committed nodes ran again: {again}"
            changed = [node_id for node_id, value in death.done.items() if results[node_id] != value]
            assert not changed, f"committed results changed: {changed}"
            assert not death.answered & set(self.asked[death.asked :]), "an answered question was asked again"


@dataclass(frozen=True)
class Death:
    """What had been done when a process died.

    done: the results on disk by node. answered: the tokens that had their answer. told, asked: how many lines were
    written and how many questions were asked by then.
    """

    done: Mapping[str, bytes]
    answered: set[str]
    told: int
    asked: int


def _answered(store: Store) -> set[str]:
    return {row.token for row in waiting.everything(store) if row.state == "answered"}


def _results(store: Store) -> dict[str, bytes]:
    nodes = Flow.of(facts_of(store)).nodes
    return {node.node_id: node.outcome.value for node in nodes if node.outcome is not None}


def _result(history: list[f.AnyFact]) -> bytes:
    result = Flow.of(history).result
    assert result is not None, "the run did not end"
    return result.value


def _said(history: list[f.AnyFact]) -> list[str]:
    return sorted(telling.transcript(telling.picture_of(history)))


def _sent(history: list[f.AnyFact]) -> int:
    return sum(isinstance(fact, f.Effect) and fact.name == "send_text" for fact in history)


def _check_once(history: list[f.AnyFact]) -> None:
    """Nothing here has a reason to be done again once it is on record."""
    opened = Counter(fact.no for fact in history if isinstance(fact, f.WaitOpened))
    assert sorted(opened.values()) == [1] * len(ANSWERS), "a question was opened again"
    ended = Counter(fact.no for fact in history if isinstance(fact, (f.NodeDone, f.NodeRan)))
    assert set(ended.values()) == {1}, f"nodes ended more than once: {ended}"


def _check_used(told: list[list[Any]]) -> None:
    """What was made in one node and used outside by the next was the same each time."""
    used = Counter((rest[0], json.dumps(rest[1])) for what, *rest in told if what == "used")
    assert sorted(name for name, _ in used) == USED, f"something was used outside in two forms: {sorted(used)}"
