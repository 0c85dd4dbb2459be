"""Which answers fit which question."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from aethergraph.errors import BadAnswer
from aethergraph.record import schema
from aethergraph.record.schema import Question, check

TEXT = Question("text", "Name?")
YESNO = Question("approval", "Deploy?", options=["Approve", "Reject"])
ONE = Question("choice", "Which?", options=["svm", "Forest", "forest"])
MANY = Question("choice", "Which?", options=["a", "b", "c"], multiple=True)


@pytest.mark.parametrize(("answer", "want"), [("Ada", "Ada"), ("", ""), (7, "7"), (0.5, "0.5")])
def test_text_takes_text_and_numbers(answer: Any, want: str) -> None:
    assert check(TEXT, answer) == want


@pytest.mark.parametrize("answer", [None, True, ["x"], {"a": 1}, b"x"])
def test_text_takes_nothing_else(answer: Any) -> None:
    with pytest.raises(BadAnswer, match="expected text, got"):
        check(TEXT, answer)


@pytest.mark.parametrize(
    ("answer", "approved"),
    [("Approve", True), ("reject", False), (True, True), (False, False), ({"choice": "Approve"}, True)],
)
def test_approval_says_what_was_chosen(answer: Any, approved: bool) -> None:
    assert check(YESNO, answer) == {"approved": approved, "choice": "Approve" if approved else "Reject"}


def test_an_approval_in_its_own_form_is_taken_again() -> None:
    once = check(YESNO, "Reject")
    assert check(YESNO, once) == once


def test_a_word_of_consent_approves_wherever_it_stands() -> None:
    question = Question("approval", "Go?", options=["Stop", "Proceed"])
    assert check(question, "proceed") == {"approved": True, "choice": "Proceed"}
    assert check(question, "Stop")["approved"] is True  # the first option is the consenting one


def test_a_choice_is_found_without_regard_to_case_where_that_is_clear() -> None:
    assert check(ONE, " SVM ") == "svm"
    assert check(ONE, "forest") == "forest"
    with pytest.raises(BadAnswer, match="'FOREST' is none of"):
        check(ONE, "FOREST")


@pytest.mark.parametrize("answer", ["tree", "", None, 1, ["svm"]])
def test_a_choice_outside_the_options_is_refused_with_the_options(answer: Any) -> None:
    with pytest.raises(BadAnswer, match="is none of 'svm', 'Forest', 'forest'"):
        check(ONE, answer)


def test_several_choices_come_in_the_order_of_the_options_and_once() -> None:
    assert check(MANY, ["c", "a", "A"]) == ["a", "c"]
    assert check(MANY, ("b",)) == ["b"]
    assert check(MANY, "b") == ["b"]
    assert check(MANY, []) == []
    with pytest.raises(BadAnswer, match="'d' is none of"):
        check(MANY, ["a", "d"])
    with pytest.raises(BadAnswer, match="expected a list"):
        check(MANY, 3)


@pytest.mark.parametrize(
    ("question", "answer", "want"),
    [
        (Question("number", "n"), "2.5", 2.5),
        (Question("number", "n", min=0, max=10, step=1), 3.0, 3),
        (Question("number", "n", min=0.1, step=0.1), "0.3", 0.3),
        (Question("number", "n", min=1, max=9, step=2), "7", 7),
    ],
)
def test_numbers_fit_bounds_and_steps(question: Question, answer: Any, want: float) -> None:
    got = check(question, answer)
    assert got == want
    assert type(got) is type(want)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("x", "'x' is not a number"),
        (None, "None is not a number"),
        (True, "True is not a number"),
        ("nan", "'nan' is not a number"),
        ("inf", "'inf' is not a number"),
        (-1, "-1 is below 0"),
        (11, "11 is above 10"),
        (2.5, "2.5 is not a step of 1 from 0"),
    ],
)
def test_a_bad_number_says_why(answer: Any, why: str) -> None:
    with pytest.raises(BadAnswer, match=why):
        check(Question("number", "n", min=0, max=10, step=1), answer)


def test_a_kind_of_a_newer_version_is_refused() -> None:
    with pytest.raises(BadAnswer, match="'hologram' is unknown to this version"):
        check(Question("hologram", "?"), "x")


@pytest.mark.parametrize("question", [TEXT, YESNO, ONE, MANY, Question("number", "n", default=3, has_default=True)])
def test_a_question_survives_being_written(question: Question) -> None:
    assert schema.decode(schema.encode(question)) == question


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan"), float("inf")])
def test_a_time_limit_that_is_not_above_0_or_never_ends_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"timeout_s=.* of 'Name\?' is not above 0, or has no end"):
        schema.make("text", "Name?", timeout_s=wrong)


@pytest.mark.parametrize("wrong", [timedelta(seconds=3), "3", True])
def test_a_time_limit_is_a_number_of_seconds(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"timeout_s of 'Name\?' is a number of seconds, got (timedelta|str|bool)"):
        schema.make("text", "Name?", timeout_s=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "error", "why"),
    [
        ({"min": "a"}, TypeError, "min of 'n' is a number, got str: 'a'"),
        ({"max": True}, TypeError, "max of 'n' is a number, got bool: True"),
        ({"step": "1"}, TypeError, "step of 'n' is a number, got str: '1'"),
        ({"min": float("nan")}, ValueError, "min=nan of 'n' bounds nothing"),
        ({"name": 5}, TypeError, "name of 'n' is a text, got 5"),
        ({"min": 2**70}, TypeError, "'n' cannot be asked: "),
        ({"multiple": "yes"}, TypeError, "'n' cannot be asked: Expected `bool`, got `str`.*multiple"),
        ({"silent": 1}, TypeError, "'n' cannot be asked: Expected `bool`, got `int`.*silent"),
    ],
)
def test_what_the_store_would_not_give_back_is_refused(how: dict[str, Any], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        schema.make("number", "n", **how)


def test_bounds_of_numpy_are_numbers() -> None:
    question = schema.make("number", "n", min=np.int64(1), max=np.float32(9), timeout_s=np.float64(5))  # type: ignore[arg-type]
    assert (question.min, question.max, question.timeout_s) == (1, 9, 5)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(question), type=Question) == question
