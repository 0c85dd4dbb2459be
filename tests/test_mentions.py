"""Which blobs a row refers to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aethergraph.values import mentions

NAME = "0123456789abcdef" * 4


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_a_name_is_found_whatever_stands_around_it(before: bytes, after: bytes) -> None:
    assert NAME in mentions.digests(before + NAME.encode() + after)


def test_hex_digits_that_touch_a_name_hide_nothing() -> None:
    other = "f" * 64
    assert {NAME, other} <= mentions.digests(b"ab" + NAME.encode() + other.encode() + b"61")


def test_what_is_too_short_is_no_name() -> None:
    assert mentions.digests(NAME[:63].encode() + b" " + b"g" * 64) == set()
