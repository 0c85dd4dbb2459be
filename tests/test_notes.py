"""Printed text looks as it would in a terminal, and is bounded."""

from __future__ import annotations

import pytest

from aethergraph.views.notes import Bar, Log, Notes, settled


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a\n", "b"], "a\nb"),
        (["10 %\r", "20 %\r", "done\n"], "done\n"),
        (["100 %\r50"], "500 %"),
        (["abc\b\bX\n"], "aXc\n"),
        (["\b\ba"], "a"),
        (["one\r\ntwo"], "one\ntwo"),
    ],
)
def test_carriage_returns_and_backspaces_overwrite(pieces: list[str], text: str) -> None:
    log = Log()
    for piece in pieces:
        log.write(piece)
    assert str(log) == text


def test_a_progress_bar_that_is_drawn_a_thousand_times_is_one_line() -> None:
    log = Log()
    for i in range(1000):
        log.write(f"\r{i}/999")
    assert str(log) == "999/999"


def test_the_tail_ends_with_the_newest_text() -> None:
    log = Log()
    log.write("".join(f"line {i}\n" for i in range(100)))
    assert log.tail(20) == "line 98\nline 99\n"
    assert log.tail(0) == ""


def test_trimming_drops_the_oldest_lines() -> None:
    log = Log()
    log.write("old\n" * 10 + "new")
    log.trim(8)
    assert str(log) == "old\nold\nnew"
    log.write("x" * 100)
    log.trim(10)
    assert str(log).endswith("x" * 10) and len(log.tail(1000)) <= 20


def test_settled_text_has_no_line_ends_at_its_end() -> None:
    assert settled("a\rb\n\n") == "b"


def test_the_bar_to_show_is_the_newest_that_goes_on() -> None:
    notes = Notes()
    assert notes.bar() is None
    notes.bars = {"a": Bar("a", 1, 4), "b": Bar("b", 2, 2, ended=True)}
    bar = notes.bar()
    assert bar is not None and (bar.title, bar.fraction) == ("a", 0.25)


@pytest.mark.parametrize(("now", "total", "fraction"), [(5, 0, None), (5, 4, 1.0), (-1, 4, 0.0)])
def test_fractions_stay_in_bounds(now: float, total: float, fraction: float | None) -> None:
    assert Bar("", now, total).fraction == fraction
