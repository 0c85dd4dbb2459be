"""The loop that runs the agents."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from aethergraph.engine import HERE
from aethergraph.scheduler.loop import LoopThread, OwnLoop, Pulse

LIMIT_S = 20


class Body:
    """A body as the loop knows it."""

    in_body = True

    def __init__(self, name: str = "root") -> None:
        self.name, self.pulse = name, Pulse()
        self.timers: list[float] = []
        self.tasks: list[asyncio.Task[Any]] = []

    def now(self) -> float:
        return 100.0

    def timer(self, when: float, call: Any, args: Any, context: contextvars.Context) -> asyncio.TimerHandle:
        self.timers.append(when)
        loop: Any = asyncio.get_running_loop()
        loop.call_soon(call, *args, context=context)
        return asyncio.TimerHandle(when, call, args, loop, context)

    def foreign(self, job: asyncio.Future[Any]) -> asyncio.Future[Any]:
        self.timers.append(-1.0)
        return job

    def bare(self, coroutine: Any) -> Any:
        return None

    def child(self, coroutine: Any) -> Body:
        return Body(f"{self.name}/{coroutine.__name__}")

    def adopt(self, task: asyncio.Task[Any]) -> None:
        self.tasks.append(task)


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    made = LoopThread()
    yield made
    made.stop()


def in_body(thread: LoopThread, body: Body, main: Any) -> Any:
    async def enter() -> Any:
        HERE.set(body)  # type: ignore[arg-type]
        return await main()

    return thread.submit(enter()).result(LIMIT_S)


def test_it_knows_its_thread(thread: LoopThread) -> None:
    async def look() -> tuple[bool, str]:
        return thread.is_current, threading.current_thread().name

    assert thread.submit(look()).result(LIMIT_S) == (True, "aether-loop")
    assert not thread.is_current


def test_time_is_the_bodys_own_in_a_body_only(thread: LoopThread) -> None:
    async def look() -> float:
        return asyncio.get_running_loop().time()

    assert in_body(thread, Body(), look) == 100.0
    assert thread.submit(look()).result(LIMIT_S) != 100.0


def test_timers_and_jobs_of_a_body_are_the_bodys(thread: LoopThread) -> None:
    body = Body()

    async def main() -> int:
        await asyncio.sleep(5)
        asyncio.get_running_loop().call_at(107.0, lambda: None)
        return await asyncio.to_thread(lambda: 3)

    assert in_body(thread, body, main) == 3
    assert body.timers == [105.0, 107.0, -1.0]


def test_outside_a_body_timers_are_as_ever(thread: LoopThread) -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.sleep(0.01)
        return loop.time() - before >= 0.009

    assert thread.submit(main()).result(LIMIT_S)


def test_a_task_of_a_body_has_its_own_place_and_belongs_to_its_maker(thread: LoopThread) -> None:
    body = Body()

    async def inner() -> str:
        place: Any = HERE.get()
        return str(place.name)

    async def main() -> list[str]:
        names = await asyncio.gather(inner(), asyncio.create_task(inner()))
        place: Any = HERE.get()
        return [*names, place.name]

    assert in_body(thread, body, main) == ["root/inner", "root/inner", "root"]
    assert len(body.tasks) == 2


def test_callbacks_are_counted_for_the_run_they_belong_to(thread: LoopThread) -> None:
    busy, idle = Body(), Body()

    async def spin() -> int:
        before = busy.pulse.ticks
        for _ in range(10):
            await asyncio.sleep(0)
        return busy.pulse.ticks - before

    assert in_body(thread, busy, spin) >= 10
    assert idle.pulse.ticks == 0


def test_it_stops_with_work_pending() -> None:
    made = LoopThread()
    made.call(made.loop.call_later, 1000, made.stop)
    made.stop()
    assert made.loop.is_closed()


def test_a_callback_that_takes_long_does_not_keep_another_loop_from_its_own() -> None:
    made = LoopThread(), LoopThread()
    entered, go_on = threading.Event(), threading.Event()
    try:
        made[0].call(lambda: (entered.set(), go_on.wait(LIMIT_S)))
        assert entered.wait(LIMIT_S)
        called = threading.Event()
        made[1].call(called.set)
        assert called.wait(LIMIT_S)
    finally:
        go_on.set()
        for one in made:
            one.stop()


def test_only_those_who_wait_for_what_is_given_are_caught() -> None:
    """What the garbage collector finds just then may schedule callbacks of its own, which are no business of ours."""
    loop = OwnLoop()
    given, other = loop.create_future(), loop.create_future()
    came: list[str] = []
    loop.given = given
    given.add_done_callback(lambda _: came.append("given"))
    other.add_done_callback(lambda future: came.append(future.result()))
    given.set_result(None)
    other.set_result("other")
    loop.call_soon(came.append, "alone", context=contextvars.Context())
    loop.given = None
    assert len(loop.caught) == 1
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert came == ["other", "alone"]
    loop.close()
