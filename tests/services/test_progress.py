"""Progress bars over loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.services.fake_desk import Room, room


@pytest.fixture
def place(tmp_path: Path) -> Room:
    return room(tmp_path)


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


def test_a_loop_shows_its_length_its_start_and_its_end(place: Room) -> None:
    context, desk = place.context()
    assert list(context.progress(["a", "b"], "read")) == ["a", "b"]
    first, last = desk.noted("progress")
    assert (first["title"], first["now"], first["total"], first["end"]) == ("read", 0, 2, False)
    assert (last["now"], last["end"]) == (2, True)


def test_many_quick_steps_are_few_notes(place: Room) -> None:
    context, desk = place.context()
    for number in context.progress(range(10_000)):
        if number % 1000 == 0:
            place.clock.advance(1)
    assert len(desk.noted("progress")) == 12


def test_async_loops_work_over_both_kinds_of_iterable(place: Room) -> None:
    context, desk = place.context()

    async def body() -> list[int]:
        plain = [number async for number in context.progress([1, 2])]
        return plain + [number async for number in context.progress(numbers(2))]

    assert asyncio.run(body()) == [1, 2, 0, 1]
    assert [one["total"] for one in desk.noted("progress")] == [2, 2, 0, 0]


def test_a_loop_that_is_left_ends_its_bar_where_it_was(place: Room) -> None:
    context, desk = place.context()
    steps = iter(context.progress([1, 2, 3]))
    next(steps), next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert (desk.noted("progress")[-1]["now"], desk.noted("progress")[-1]["end"]) == (1, True)


def test_two_bars_of_one_title_are_two_bars(place: Room) -> None:
    context, desk = place.context()
    list(context.progress([1], "x"))
    list(context.progress([1], "x"))
    assert len({one["id"] for one in desk.noted("progress")}) == 2


def test_wrong_uses_say_what_is_right(place: Room) -> None:
    context, _ = place.context()
    with pytest.raises(TypeError, match="goes over an iterable, got int"):
        context.progress(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="write `async for`"):
        list(context.progress(numbers(1)))
    with pytest.raises(ValueError, match="is negative"):
        context.channel().progress("x", total=-1)

    async def both() -> None:
        async with context.channel().progress("x") as bar:
            await bar.update(1, current=2)

    with pytest.raises(TypeError, match="not both"):
        asyncio.run(both())
