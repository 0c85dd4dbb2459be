"""What is meant by an answer in one line, at the question and elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from aethergraph.channels import typed
from aethergraph.record.schema import Question

SEVERAL = Question("choice", "Which?", options=["a", "b"], multiple=True)


@pytest.mark.parametrize(
    ("question", "text", "meant"),
    [
        (Question("text", "?"), " {x ", " {x "),
        (Question("number", "?"), " 3 ", "3"),
        (Question("approval", "?", options=["Yes", "No"]), "2", "No"),
        (Question("approval", "?", options=["Approve", "Reject"]), "yes", True),
        (Question("approval", "?", options=["Approve", "Reject"]), " N ", False),
        (
            Question("approval", "?", options=["No", "Yes"]),
            "y",
            "y",
        ),  # its options say which approves
        (Question("approval", "?", options=["Now", "Later", "Never"]), "no", "no"),
        (Question("choice", "?", options=["Approve", "Reject"]), "yes", "yes"),
        (SEVERAL, "1, b", ["a", "b"]),
        (SEVERAL, '["a"]', ["a"]),
        (Question("form", "?"), '{"n": 1}', {"n": 1}),
        (Question("files", "?"), "no/such.csv", ["no/such.csv"]),
        (Question("files", "?"), '{"files": []}', {"files": []}),
    ],
)
def test_what_is_given_from_elsewhere(question: Question, text: str, meant: Any) -> None:
    assert typed.given(question, text) == meant


def test_what_begins_as_json_and_is_none_is_told() -> None:
    with pytest.raises(ValueError, match=r"^\[1 is not JSON: "):
        typed.given(SEVERAL, "[1")


@pytest.mark.parametrize(("text", "meant"), [("3", 3), ("[1]", [1]), ("null", None), ("a b", "a b"), ("", "")])
def test_a_value_is_json_or_a_text(text: str, meant: Any) -> None:
    assert typed.value(text) == meant
