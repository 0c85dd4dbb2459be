"""What must be true of a run however often it died: read from its journal and from the lines that its tools left."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from aethergraph import facts as f
from aethergraph import journal
from aethergraph.flow import Flow
from aethergraph.store import Store

EXPECTED = {
    "kept": "two",
    "text": "Ada: 15",
    "receipts": ["receipt for paper 0", "receipt for paper 1", "receipt for last"],
}


def lines(path: Path) -> list[list[Any]]:
    """What was done outside, in order."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def committed(store: Store, run_id: str) -> set[str]:
    """The nodes whose results are on disk."""
    return {node.node_id for node in Flow.of(facts_of(store, run_id)).nodes if node.outcome is not None}


def check(store: Store, run_id: str, path: Path) -> None:
    """The end is as it would have been, and nothing happened twice that must not."""
    history, told = facts_of(store, run_id), lines(path)
    flow = Flow.of(history)
    assert flow.result is not None
    assert len([node for node in flow.nodes if node.outcome is not None]) >= 15
    assert told[-1] == ["ended", EXPECTED]
    _check_ids(told)
    _check_messages(history)
    tokens = Counter(fact.token for fact in history if isinstance(fact, f.WaitOpened))
    assert list(tokens.values()) == [1, 1], "a question was opened again"


def _check_ids(told: list[list[Any]]) -> None:
    used: dict[str, set[tuple[str, str]]] = {}
    for what, *rest in told:
        if what == "used":
            used.setdefault(rest[0], set()).add((rest[1], rest[2]))
    assert sorted(used) == ["last", "paper 0", "paper 1"]
    for name, ids in used.items():
        assert len(ids) == 1, f"{name} was used outside with different ids"


def _check_messages(history: list[f.AnyFact]) -> None:
    sent = [json.dumps([fact.scope, str(fact.args)]) for fact in history if _is_message(fact)]
    assert len(sent) == len(set(sent)) == 4, "a message was recorded twice, or is missing"


def _is_message(fact: f.AnyFact) -> bool:
    return isinstance(fact, f.Effect) and fact.name == "send_text"


def facts_of(store: Store, run_id: str) -> list[f.AnyFact]:
    """All facts on disk."""
    return [fact for batch in journal.read(store, run_id) for fact in batch]
