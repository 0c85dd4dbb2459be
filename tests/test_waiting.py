"""Waits: who may answer, when, and what is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aethergraph.engine import Op
from aethergraph.errors import AlreadyAnswered, BadAnswer, DamagedRecord, UnknownWait
from aethergraph.record.schema import Question
from aethergraph.storage import waiting
from aethergraph.storage.store import Blobs, MemoryStore, Store
from aethergraph.storage.waiting import WaitRow

TEXT = Question("text", "Your name?", name="who")
CHOICE = Question("choice", "Which?", options=["svm", "forest"])


class NoBlobs:
    """Waits have no large contents; touching them is a fault."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    blobs: Blobs = NoBlobs()  # type: ignore[assignment]
    return MemoryStore(tmp_path, blobs)


def row(question: Question = TEXT, *, token: str = "ask-1", deadline: float = 0.0, created: float = 1.0) -> WaitRow:
    return WaitRow(token, "study-1", "ask", 3, question, created, deadline)


def put(store: Store, *ops: Op) -> None:
    with store.transact() as transaction:
        for op in ops:
            op(transaction)


def test_an_answer_is_checked_and_kept_with_its_id_and_time(store: Store) -> None:
    put(store, waiting.open_op(row(CHOICE)))
    done = waiting.answer(store, "ask-1", " SVM ", "a1", now=5.0)
    assert (done.state, done.value, done.answer_id, done.answered_at) == ("answered", "svm", "a1", 5.0)
    assert waiting.read(store, "ask-1") == done


def test_an_unknown_token_is_named(store: Store) -> None:
    with pytest.raises(UnknownWait, match="'nope'"):
        waiting.answer(store, "nope", "x", "a1", now=1.0)
    assert waiting.read(store, "nope") is None


def test_the_second_answer_is_told_that_it_came_second(store: Store) -> None:
    put(store, waiting.open_op(row()))
    waiting.answer(store, "ask-1", "Ada", "a1", now=1.0)
    with pytest.raises(AlreadyAnswered, match="already answered"):
        waiting.answer(store, "ask-1", "Bob", "a2", now=2.0)
    assert waiting.read(store, "ask-1").value == "Ada"  # type: ignore[union-attr]


def test_the_same_answer_id_again_is_acknowledged(store: Store) -> None:
    put(store, waiting.open_op(row()))
    first = waiting.answer(store, "ask-1", "Ada", "a1", now=1.0)
    assert waiting.answer(store, "ask-1", "Ada", "a1", now=9.0) == first


def test_two_answers_without_an_id_are_not_the_same_answer(store: Store) -> None:
    put(store, waiting.open_op(row()))
    waiting.answer(store, "ask-1", "Ada", "", now=1.0)
    with pytest.raises(AlreadyAnswered):
        waiting.answer(store, "ask-1", "Ada", "", now=2.0)


def test_of_many_answers_at_once_exactly_one_wins(store: Store) -> None:
    put(store, waiting.open_op(row()))
    gate, won, lost = threading.Barrier(8), [], []

    def try_it(name: str) -> None:
        gate.wait()
        try:
            won.append(waiting.answer(store, "ask-1", name, name, now=1.0).value)
        except AlreadyAnswered:
            lost.append(name)

    threads = [threading.Thread(target=try_it, args=(f"n{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and len(lost) == 7
    assert waiting.read(store, "ask-1").value == won[0]  # type: ignore[union-attr]


def test_a_bad_answer_writes_nothing_and_names_the_token(store: Store) -> None:
    put(store, waiting.open_op(row(CHOICE)))
    before = store.get("w:ask-1")
    with pytest.raises(BadAnswer, match="'tree' is none of 'svm', 'forest'; the question is still open") as caught:
        waiting.answer(store, "ask-1", "tree", "a1", now=1.0)
    assert caught.value.token == "ask-1"
    assert store.get("w:ask-1") == before


def test_after_the_deadline_the_default_is_the_answer(store: Store) -> None:
    question = msgspec.structs.replace(CHOICE, default="forest", has_default=True)
    put(store, waiting.open_op(row(question, deadline=10.0)))
    with pytest.raises(AlreadyAnswered, match="timed out"):
        waiting.answer(store, "ask-1", "svm", "a1", now=10.0)
    kept = waiting.read(store, "ask-1")
    assert kept is not None and (kept.state, kept.value, kept.by_default) == ("answered", "forest", True)
    assert kept.answered_at == 10.0
    with pytest.raises(AlreadyAnswered, match="timed out"):
        waiting.answer(store, "ask-1", "svm", "a2", now=11.0)


def test_after_the_deadline_without_a_default_it_is_timed_out(store: Store) -> None:
    put(store, waiting.open_op(row(deadline=10.0)))
    with pytest.raises(AlreadyAnswered, match="timed out"):
        waiting.answer(store, "ask-1", "Ada", "a1", now=10.5)
    assert waiting.read(store, "ask-1").state == "timed out"  # type: ignore[union-attr]


def test_the_owner_can_expire_a_wait_and_gets_the_answer_where_one_was_first(store: Store) -> None:
    put(store, waiting.open_op(row(deadline=10.0)), waiting.open_op(row(token="b", deadline=10.0)))
    assert waiting.expire(store, "ask-1", now=9.0).state == "open"  # type: ignore[union-attr]
    waiting.answer(store, "b", "Ada", "a1", now=9.9)
    assert waiting.expire(store, "ask-1", now=30.0).answered_at == 10.0  # type: ignore[union-attr]
    assert waiting.expire(store, "b", now=30.0).value == "Ada"  # type: ignore[union-attr]
    assert waiting.expire(store, "none", now=30.0) is None


def test_opening_again_keeps_an_answer_that_is_there(store: Store) -> None:
    put(store, waiting.open_op(row()))
    done = waiting.answer(store, "ask-1", "Ada", "a1", now=2.0)
    put(store, waiting.open_op(row(created=7.0)))
    assert waiting.read(store, "ask-1") == done


def test_opening_again_gains_no_time(store: Store) -> None:
    put(store, waiting.open_op(row(deadline=10.0)), waiting.open_op(row(deadline=99.0, created=50.0)))
    kept = waiting.read(store, "ask-1")
    assert kept is not None and (kept.deadline, kept.created) == (10.0, 1.0)


def test_a_question_that_reads_otherwise_is_asked_anew(store: Store) -> None:
    put(store, waiting.open_op(row()))
    waiting.answer(store, "ask-1", "Ada", "a1", now=2.0)
    put(store, waiting.open_op(row(CHOICE)))
    kept = waiting.read(store, "ask-1")
    assert kept is not None and (kept.state, kept.round, kept.question) == ("open", 2, CHOICE)


def test_a_withdrawn_wait_takes_no_answer_until_it_opens_again(store: Store) -> None:
    put(store, waiting.open_op(row()), waiting.withdraw_op("ask-1"))
    with pytest.raises(AlreadyAnswered, match="withdrawn"):
        waiting.answer(store, "ask-1", "Ada", "a1", now=2.0)
    put(store, waiting.open_op(row()))
    assert waiting.answer(store, "ask-1", "Ada", "a1", now=3.0).value == "Ada"


def test_withdrawing_keeps_an_answer_and_minds_no_unknown_token(store: Store) -> None:
    put(store, waiting.open_op(row()))
    done = waiting.answer(store, "ask-1", "Ada", "a1", now=2.0)
    put(store, waiting.withdraw_op("ask-1"), waiting.withdraw_op("none"))
    assert waiting.read(store, "ask-1") == done


def test_a_refused_answer_opens_the_next_round_with_the_reason(store: Store) -> None:
    put(store, waiting.open_op(row()))
    waiting.answer(store, "ask-1", "Ada", "a1", now=2.0)
    put(store, waiting.refuse_op("ask-1", "that name is taken"))
    kept = waiting.read(store, "ask-1")
    assert kept is not None and (kept.state, kept.round, kept.refused) == ("open", 2, "that name is taken")
    assert waiting.answer(store, "ask-1", "Grace", "a2", now=3.0).value == "Grace"


@pytest.mark.parametrize(("kept", "state"), [("Grace", "answered"), ([1], "open")])
def test_20_no_round_comes_twice_however_a_wait_is_opened_again(store: Store, kept: object, state: str) -> None:
    """Rules 20 and 21: by its round the owner knows whether a refusal was said already."""
    put(store, waiting.open_op(row()))
    waiting.answer(store, "ask-1", "Ada", "a1", now=2.0)
    put(store, waiting.refuse_op("ask-1", "that name is taken"), waiting.withdraw_op("ask-1"))
    put(store, waiting.reserve_op(row()))
    assert waiting.read(store, "ask-1").round == 2  # type: ignore[union-attr]
    waiting.answer(store, "ask-1", kept, "a2", now=3.0)
    put(store, waiting.open_op(row()))
    now = waiting.read(store, "ask-1")
    assert now is not None and (now.state, now.round) == (state, 2 if state == "answered" else 3)


def test_20_a_reserved_wait_that_opens_keeps_its_round(store: Store) -> None:
    put(store, waiting.open_op(row()), waiting.refuse_op("ask-1", "no"), waiting.withdraw_op("ask-1"))
    put(store, waiting.reserve_op(row()), waiting.open_op(row()))
    now = waiting.read(store, "ask-1")
    assert now is not None and (now.state, now.round) == ("open", 2)


def test_refusing_an_unknown_wait_is_an_error(store: Store) -> None:
    with pytest.raises(UnknownWait):
        put(store, waiting.refuse_op("none", "no"))


def test_open_waits_are_listed_oldest_first(store: Store) -> None:
    put(store, *(waiting.open_op(row(token=name, created=at)) for name, at in [("a", 3.0), ("b", 1.0), ("c", 2.0)]))
    waiting.answer(store, "c", "x", "a1", now=4.0)
    assert [wait.token for wait in waiting.open_waits(store)] == ["b", "a"]


def test_listing_what_is_open_does_not_read_what_is_over(store: Store) -> None:
    """There may be a hundred closed waits for each open one: 10,000 of them cost a listing nothing."""
    put(store, *(waiting.open_op(row(token=f"t{n}")) for n in range(10)))
    for n in range(9):
        waiting.answer(store, f"t{n}", "x", "a", now=4.0)
    seen: list[str] = []
    scan = store.scan

    def watched(prefix: str, **how: Any) -> Iterator[tuple[str, bytes]]:
        for key, data in scan(prefix, **how):
            seen.append(key)
            yield key, data

    store.scan = watched  # type: ignore[method-assign]
    assert [wait.token for wait in waiting.open_waits(store)] == ["t9"] and seen == ["w:t9"]
    assert sorted(wait.token for wait in waiting.everything(store)) == [f"t{n}" for n in range(10)]


@pytest.mark.parametrize(
    "over",
    [
        lambda store: waiting.answer(store, "ask-1", "x", "a1", now=4.0),
        lambda store: put(store, waiting.withdraw_op("ask-1")),
        lambda store: put(store, waiting.close_op("ask-1", "x", "signal-1", 4.0)),
        lambda store: waiting.expire(store, "ask-1", 6.0),
    ],
)
def test_21_a_wait_has_one_row_be_it_open_or_over(store: Store, over: Callable[[Store], object]) -> None:
    put(store, waiting.open_op(row(deadline=5.0)))
    assert [key for key, _ in store.scan("w")] == ["w:ask-1"]
    over(store)
    assert [key for key, _ in store.scan("w")] == ["wo:ask-1"]
    assert waiting.read(store, "ask-1") is not None
    put(store, waiting.refuse_op("ask-1", "no"))
    assert [key for key, _ in store.scan("w")] == ["w:ask-1"]


def test_a_wait_that_an_older_version_closed_is_over_where_it_lies(store: Store) -> None:
    """Earlier versions left the rows of all waits in one place."""
    put(store, waiting.open_op(row()))
    waiting.answer(store, "ask-1", "x", "a1", now=4.0)
    data = store.get(waiting.OVER + "ask-1")
    assert data is not None
    put(store, lambda rows: rows.set("w:ask-1", data), lambda rows: rows.delete("wo:ask-1"))
    assert waiting.open_waits(store) == [] and [wait.answer_id for wait in waiting.everything(store)] == ["a1"]
    with pytest.raises(AlreadyAnswered):
        waiting.answer(store, "ask-1", "y", "a2", now=5.0)
    put(store, waiting.refuse_op("ask-1", "no"))
    assert [wait.token for wait in waiting.open_waits(store)] == ["ask-1"]


def test_22_who_lists_the_questions_closes_those_whose_time_is_over(store: Store) -> None:
    """A question that can no longer be answered is not shown as one that can, though nobody runs its run."""
    put(store, waiting.open_op(row(token="late", deadline=5.0)), waiting.open_op(row(token="in time", deadline=6.0)))
    assert [wait.token for wait in waiting.open_waits(store, now=5.5)] == ["in time"]
    late = waiting.read(store, "late")
    assert late is not None and (late.state, late.answered_at) == ("timed out", 5.0)


def test_a_damaged_row_is_named(store: Store) -> None:
    put(store, lambda transaction: transaction.set("w:ask-1", b"\x9a\x00garbage"))
    with pytest.raises(DamagedRecord, match="'ask-1'"):
        waiting.read(store, "ask-1")


def test_an_answer_for_another_process_lies_in_the_inbox_until_it_is_taken(store: Store) -> None:
    put(store, waiting.open_op(row()))
    waiting.answer(store, "ask-1", "Ada", "click", 5.0)
    assert list(waiting.inbox(store)) == [("ask-1", "study-1")]
    put(store, waiting.taken_op("ask-1"))
    assert list(waiting.inbox(store)) == []


def test_an_answer_that_is_refused_or_comes_second_is_not_in_the_inbox(store: Store) -> None:
    put(store, waiting.open_op(row(CHOICE)))
    with pytest.raises(BadAnswer):
        waiting.answer(store, "ask-1", "tree", "click", 5.0)
    assert list(waiting.inbox(store)) == []
    waiting.answer(store, "ask-1", "svm", "click", 5.0)
    put(store, waiting.taken_op("ask-1"))
    with pytest.raises(AlreadyAnswered):
        waiting.answer(store, "ask-1", "forest", "other", 6.0)
    assert list(waiting.inbox(store)) == []


def test_an_answer_for_this_process_needs_no_inbox(store: Store) -> None:
    put(store, waiting.open_op(row()))
    waiting.answer(store, "ask-1", "Ada", "click", 5.0, lambda run_id: run_id == "study-1")
    assert list(waiting.inbox(store)) == []


def test_who_answers_too_late_tells_the_owner_that_the_time_is_over(store: Store) -> None:
    put(store, waiting.open_op(row(deadline=4.0)))
    with pytest.raises(AlreadyAnswered, match="timed out"):
        waiting.answer(store, "ask-1", "Ada", "click", 5.0)
    assert list(waiting.inbox(store)) == [("ask-1", "study-1")]


@pytest.mark.parametrize("closing", [waiting.withdraw_op, lambda token: waiting.refuse_op(token, "no")])
def test_what_is_withdrawn_or_refused_leaves_the_inbox(store: Store, closing: Callable[[str], Op]) -> None:
    put(store, waiting.open_op(row()))
    waiting.answer(store, "ask-1", "Ada", "click", 5.0)
    put(store, closing("ask-1"))
    assert list(waiting.inbox(store)) == []
