"""What was said, in order, with account of what changed."""

from __future__ import annotations

import pytest

from aethergraph.views import transcript
from aethergraph.views.transcript import Transcript


def said(talk: Transcript) -> list[str]:
    return [entry.text for entry in talk]


def test_changes_are_told_once() -> None:
    talk = Transcript()
    entry = talk.add(0, "say", "hello", 0)
    assert talk.changes() == ([entry], [])
    assert talk.changes() == ([], [])


def test_an_entry_of_the_same_key_takes_the_place_of_the_earlier_one() -> None:
    talk = Transcript()
    old = talk.add(0, "say", "old", 0, key=b"k")
    talk.changes()
    talk.add(1, "say", "new", 0, key=b"k")
    changed, gone = talk.changes()
    assert said(talk) == ["new"] and [e.text for e in changed] == ["new"] and gone == [old.id]


def test_prints_of_the_body_join_until_something_else_is_said() -> None:
    talk = Transcript()
    for text in ("a", "b\n"):
        talk.printed(0, "out", text, 0)
    talk.add(0, "say", "hello", 0)
    talk.printed(0, "out", "c", 0)
    assert said(talk) == ["ab\n", "hello", "c"]


def test_each_node_that_prints_has_one_entry() -> None:
    talk = Transcript()
    for i in range(5):
        for node in (1, 2):
            talk.printed(i, "out", f"{node}: {i}\n", node)
    assert [(entry.scope, entry.text.splitlines()[-1]) for entry in talk] == [(1, "1: 4"), (2, "2: 4")]


def test_superseding_drops_only_that_node_those_kinds_and_earlier_executions() -> None:
    talk = Transcript()
    talk.add(0, "say", "mine, old", 1, execution=1)
    talk.add(0, "say", "mine, new", 1, execution=2)
    talk.add(0, "say", "other", 2, execution=1)
    talk.add(0, "log", "log", 1)
    talk.supersede(1, frozenset({"say"}), before=2)
    assert said(talk) == ["mine, new", "other", "log"]


def test_the_oldest_entries_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "KEPT", 3)
    talk = Transcript()
    for i in range(5):
        talk.add(i, "say", str(i), 0)
    assert said(talk) == ["2", "3", "4"] and len(talk) == 3


def test_an_entry_that_went_is_not_told_as_changed() -> None:
    talk = Transcript()
    entry = talk.add(0, "ask", "?", 0, key=1)
    talk.supersede_key(1)
    talk.touch(entry)
    assert talk.changes() == ([], [entry.id])
