"""A loop turns under a task that blocks."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import Any

from jupyter_ext.turning import turn


def block(done: concurrent.futures.Future[Any], told: list[str]) -> None:
    told.append("blocks")
    turn(done)
    told.append("goes on")


def test_other_tasks_take_their_steps_and_the_turn_it_was_in_goes_on() -> None:
    told: list[str] = []
    done: concurrent.futures.Future[Any] = concurrent.futures.Future()

    async def blocking() -> None:
        block(done, told)

    async def other(name: str) -> None:
        told.append(name)

    async def last() -> None:
        await asyncio.sleep(0.001)
        done.set_result(None)

    async def main() -> None:
        # One turn of the loop has all of them; the first one then takes the rest for itself.
        await asyncio.gather(blocking(), other("a"), other("b"), other("c"), last())

    asyncio.run(main())
    assert told == ["blocks", "a", "b", "c", "goes on"]


def test_the_loop_and_its_task_are_as_before() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        before = type(loop), set(vars(loop)), asyncio.current_task()
        done: concurrent.futures.Future[Any] = concurrent.futures.Future()
        loop.call_later(0.001, done.set_result, None)
        turn(done)
        return before == (type(loop), set(vars(loop)), asyncio.current_task())

    assert asyncio.run(main())


def test_what_is_done_already_needs_no_turn() -> None:
    async def main() -> None:
        done: concurrent.futures.Future[Any] = concurrent.futures.Future()
        done.set_exception(KeyError("seen by who asks for it"))
        turn(done)

    asyncio.run(main())
