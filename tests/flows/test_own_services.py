"""Services of the user's own: registered, started once, shared by runs, loops and threads, closed at the end."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Runtime, Service, runtime
from aethergraph.services.critical import Critical

from .lab import LIMIT_S, Lab


class Trainer(Service):
    """Tells what became of it, and how many are in it at once."""

    def __init__(self, *, fails: str = "") -> None:
        self.fails, self.events = fails, list[str]()
        self.inside = self.most = 0
        self.threads: set[str] = set()

    async def start(self) -> None:
        self.events.append("start")
        if self.fails == "start":
            raise OSError("no such device")

    async def close(self) -> None:
        self.events.append("close")
        if self.fails == "close":
            raise OSError("it is stuck")

    def _enter(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)

    async def train(self, x: int) -> int:
        async with self.critical():
            self._enter()
            y = await self.run_blocking(self._work, x)
            self.inside -= 1
        return y

    def train_now(self, x: int) -> int:
        with self.critical():
            self._enter()
            y = self._work(x)
            self.inside -= 1
        return y

    def _work(self, x: int) -> int:
        self.threads.add(threading.current_thread().name)
        return 2 * x

    def who(self) -> str:
        return f"{self.ctx().run_id} {self.ctx().node_id}"


AGENT = """
@tool(outputs=["y", "who"])
async def loop_tool(x, *, context):
    y = await context.trainer().train(x)
    return {"y": y, "who": context.trainer().who()}

@tool
def thread_tool(x, *, context):
    return context.trainer().train(x) + context.trainer().train_now(x)

@tool
def held_tool(x, *, context):
    with context.trainer().critical():
        return context.svc("trainer")._work(x)

@graph_fn
async def agent(n: int = 4, *, context):
    told = await asyncio.gather(*(t(x) for x in range(n) for t in (loop_tool, thread_tool, held_tool)))
    return {"who": told[0].who, "sum": sum(one["y"] if "y" in one else one["result"] for one in told)}
"""


def test_one_object_serves_tools_threads_and_runs_and_is_held_by_one_at_a_time(lab: Lab) -> None:
    trainer = Trainer()
    runtime.register_context_service("trainer", trainer)
    lab.cell(AGENT)
    both = [lab.start("agent", n=4) for _ in range(2)]
    for run in both:
        outputs = run.result(LIMIT_S)
        assert outputs["sum"] == sum(2 * x + 4 * x + 2 * x for x in range(4))
        assert outputs.who == f"{run.run_id} loop_tool"
    assert trainer.most == 1 and "aether-loop" not in trainer.threads
    lab.runtime.close()
    assert trainer.events == ["start", "close"]


def test_two_runtimes_hold_services_of_their_own(tmp_path: Path) -> None:
    one, other = Trainer(), Trainer()
    with Runtime(tmp_path / "a", services={"trainer": one}).use() as first:
        second = Runtime(tmp_path / "b", services={"trainer": other})
        assert runtime.get_ext_context_service("trainer") is one
        with second.use():
            assert runtime.current_services() == {"trainer": other}
        second.close()
        assert other.events == ["start", "close"] and one.events == ["start"]
    first.close()
    assert one.events == ["start", "close"]


def test_a_start_that_fails_names_the_service_which_is_then_not_there(lab: Lab) -> None:
    with pytest.raises(OSError, match="no such device") as caught:
        runtime.register_context_service("trainer", Trainer(fails="start"))
    assert caught.value.__notes__ == ["in start() of Trainer: context.trainer() was not registered"]
    assert runtime.list_ext_context_services() == []


def test_a_close_that_fails_is_logged_and_the_others_are_closed(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    stuck, other = Trainer(fails="close"), Trainer()
    runtime.register_context_service("stuck", stuck)
    runtime.register_context_service("other", other)
    with caplog.at_level(logging.ERROR, "aethergraph.runtime"):
        lab.runtime.close()
    assert "closing the service Trainer failed" in caplog.text and other.events == ["start", "close"]


def test_a_cell_that_is_run_again_replaces_its_service_and_a_second_name_shares_it(lab: Lab) -> None:
    first, second = Trainer(), Trainer()
    runtime.register_context_service("trainer", first)
    runtime.register_context_service("trainer", first)
    runtime.register_context_service("other", first)
    runtime.register_context_service("trainer", second)
    assert first.events == ["start"]  # it has its other name
    runtime.register_context_service("other", second)
    assert first.events == ["start", "close"] and second.events == ["start"]
    runtime.register_context_service("trainer", first)
    assert first.events == ["start", "close", "start"]
    lab.runtime.close()
    assert first.events[-1] == second.events[-1] == "close" and len(second.events) == 2


def test_one_that_is_registered_while_a_run_goes_on_is_found_by_it(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def agent(*, context):
    await context.channel().ask_text("ready?")
    return await context.trainer().train(4)
""")
    run = lab.start("agent")
    lab.asked(run, "ready?")
    runtime.register_context_service("trainer", Trainer())
    lab.answer(run, "ready?", "yes")
    assert dict(run.result(LIMIT_S)) == {"result": 8}


def test_who_holds_it_and_enters_it_again_is_told(lab: Lab) -> None:
    critical = Critical("Trainer.critical()")

    async def twice() -> None:
        async with critical, critical:
            pass

    with pytest.raises(RuntimeError, match=r"Trainer.critical\(\) is already held here"):
        asyncio.run(twice())
    with pytest.raises(RuntimeError, match="already held here"), critical, critical:
        pass
    with critical:  # both let go of it
        pass


def test_a_blocking_with_in_an_async_body_is_refused(lab: Lab) -> None:
    runtime.register_context_service("trainer", Trainer())
    lab.cell("@graph_fn\nasync def agent(*, context):\n    return context.trainer().train_now(1)")
    with pytest.raises(TypeError, match=r"write `async with Trainer.critical\(\)`"):
        lab.run("agent")


def test_who_waits_longest_is_next_and_who_gives_up_is_passed_over() -> None:
    critical, order = Critical("it"), list[str]()

    async def enter(name: str) -> None:
        async with critical:
            order.append(name)

    async def story() -> None:
        async with critical:
            waiting = [asyncio.create_task(enter(name)) for name in "abc"]
            await asyncio.sleep(0)
            waiting[1].cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting[1]
            thread = threading.Thread(target=in_thread)
            thread.start()
        await asyncio.gather(waiting[0], waiting[2])
        await asyncio.to_thread(thread.join, LIMIT_S)

    def in_thread() -> None:
        with critical:
            order.append("thread")

    asyncio.run(story())
    assert order[:2] == ["a", "c"] and order[2:] == ["thread"]


def test_a_turn_that_is_handed_to_one_who_is_cancelled_in_that_moment_goes_to_the_next() -> None:
    critical, order = Critical("it"), list[Any]()

    async def enter(name: str) -> None:
        async with critical:
            order.append(name)

    async def story() -> None:
        async with critical:
            first, second = asyncio.create_task(enter("first")), asyncio.create_task(enter("second"))
            await asyncio.sleep(0)
        first.cancel()  # its turn is on the way to it
        await second
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(asyncio.wait_for(story(), LIMIT_S))
    assert order == ["second"]
