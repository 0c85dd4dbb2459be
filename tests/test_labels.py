"""Text in pictures is harmless and fits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aethergraph.views.labels import age, clean, clock, cut, duration, line, span, width


@given(st.text())
def test_clean_text_holds_nothing_that_disturbs(text: str) -> None:
    cleaned = clean(text)
    assert not any(char in cleaned for char in "\x00\x1b\r\u202e\u2066\x7f")
    cleaned.encode("utf-8")


def test_a_lone_surrogate_is_replaced() -> None:
    assert clean("a\ud800b") == "a\ufffdb"


def test_terminal_colours_go() -> None:
    assert clean("\x1b[31mred\x1b[0m") == "red"


def test_lines_and_tabs_stay_in_clean_text_and_become_spaces_in_a_line() -> None:
    assert clean("a\n\tb") == "a\n\tb"
    assert line(" a\n\tb ") == "a b"


@given(st.text(min_size=1, max_size=80), st.floats(30, 300))
def test_cut_text_fits(text: str, limit: float) -> None:
    assert width(cut(text, limit)) <= limit


def test_what_fits_is_not_cut() -> None:
    assert cut("load", 100) == "load"
    assert cut("a very long name that does not fit", 100).endswith("\u2026")


def test_wide_characters_take_more_room() -> None:
    assert width("\u65e5\u672c") > width("ab")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (6.84, "6.8 s"), (41.2, "41 s"), (185, "3:05"), (7385, "2:03:05")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_clock() -> None:
    assert [clock(t) for t in (-1, 42.9, 3723)] == ["0:00", "0:42", "1:02:03"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (42, "42 s"), (420, "7 min"), (7200, "2 h"), (10**6, "12 d")]
)
def test_ages(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12h", 43_200.0), ("30d", 2_592_000.0), ("1w", 604_800.0), ("", None), ("d", None), ("3 d", None), ("-1d", None)],
)
def test_a_span_is_read(text: str, seconds: float | None) -> None:
    assert span(text) == seconds
