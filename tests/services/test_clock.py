"""Recorded time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.services.fake_desk import room


def test_now_reads_the_same_on_replay(tmp_path: Path) -> None:
    place = room(tmp_path)
    context, desk = place.context()
    first = asyncio.run(context.clock().now())
    place.clock.advance(60)
    again, _ = place.context(desk.again())
    assert asyncio.run(again.clock().now()) == first == 1_000_000_000.0
    assert asyncio.run(again.clock().now()) == first + 60


def test_sleep_takes_no_negative_time(tmp_path: Path) -> None:
    context, _ = room(tmp_path).context()
    asyncio.run(context.clock().sleep(0))
    with pytest.raises(ValueError, match="-1 s"):
        asyncio.run(context.clock().sleep(-1))


def test_sleep_takes_a_number(tmp_path: Path) -> None:
    context, _ = room(tmp_path).context()
    with pytest.raises(TypeError, match="sleep takes a number of seconds, got '5'"):
        asyncio.run(context.clock().sleep("5"))


@pytest.mark.parametrize("seconds", [float("inf"), float("nan")])
def test_sleep_takes_a_time_that_ends(tmp_path: Path, seconds: float) -> None:
    context, _ = room(tmp_path).context()
    with pytest.raises(ValueError, match=f"cannot sleep for {seconds:g} s"):
        asyncio.run(context.clock().sleep(seconds))
