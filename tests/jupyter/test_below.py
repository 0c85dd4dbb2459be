"""While a question is asked in the input line of a cell, its form in the view knows that it cannot be heard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_ext import below


@pytest.fixture
def heard() -> Iterator[list[tuple[str, bool]]]:
    told: list[tuple[str, bool]] = []

    def listener(token: str) -> None:
        told.append((token, below.is_asked_below(token)))

    below.listeners.append(listener)
    yield told
    below.listeners.remove(listener)


def test_listeners_are_told_when_a_line_asks_and_when_it_is_gone(heard: list[tuple[str, bool]]) -> None:
    with below.asked_below("t"):
        assert heard == [("t", True)] and not below.is_asked_below("other")
    assert heard == [("t", True), ("t", False)]


def test_a_line_that_is_interrupted_asks_no_longer(heard: list[tuple[str, bool]]) -> None:
    def interrupted() -> None:
        with below.asked_below("t"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert heard == [("t", True), ("t", False)]


def test_a_question_is_asked_below_until_the_last_of_its_lines_is_gone() -> None:
    with below.asked_below("t"):
        with below.asked_below("t"):
            pass
        assert below.is_asked_below("t")
    assert not below.is_asked_below("t")
