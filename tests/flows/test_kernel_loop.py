"""Runs on the loop where they are started: `loop="kernel"` (design, section 6)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from aethergraph import NodeContext, Outputs, Run, RunStatus, graph_fn, hooks, resume, run, run_async, start, tool
from aethergraph.errors import NoLoop, RunCancelled, RunPaused, WouldBlock
from aethergraph.record import facts as f
from aethergraph.scheduler.loop import AetherLoop

from .lab import LIMIT_S, Lab

ASKING = """
@tool
async def fit(x):
    ran(f"fit {x}")
    return x * 2

@graph_fn
async def agent(x, *, context):
    fitted = await fit(x)
    return [fitted.result, await context.channel().ask_text("go on?")]
"""


@tool
async def where() -> str:
    return threading.current_thread().name


@tool
def in_thread() -> str:
    return threading.current_thread().name


@graph_fn
async def places() -> Any:
    body = threading.current_thread().name
    return {"body": body, "tool": (await where()).result, "sync": (await in_thread()).result}


@graph_fn
async def patient(*, context: NodeContext) -> Any:
    return await context.channel().ask_text("Go on?")


async def _soon(run_or_future: Any) -> Any:
    return await asyncio.wait_for(run_or_future, LIMIT_S)


async def _off_loop(call: Callable[..., Any], *args: Any) -> Any:
    """A call that blocks, while the loop turns."""
    return await asyncio.to_thread(call, *args)


def test_body_and_async_tools_run_where_the_run_was_started_and_sync_tools_in_threads(lab: Lab) -> None:
    async def main() -> tuple[Outputs, type, type]:
        loop = asyncio.get_running_loop()
        started = start(places, loop="kernel")
        during = type(loop)
        return await _soon(started), during, type(loop)

    outputs, during, after = asyncio.run(main())
    here = threading.current_thread().name
    assert outputs["body"] == outputs["tool"] == here
    assert outputs["sync"].startswith("aether-tool")
    assert issubclass(during, AetherLoop) and during.__name__ == after.__name__
    assert not issubclass(after, AetherLoop), "the loop is what it was"
    assert lab.runtime.runs()[0].status is RunStatus.DONE


def test_run_async_takes_it_too_and_other_runs_keep_the_loop_of_their_own(lab: Lab) -> None:
    async def main() -> list[Outputs]:
        return [await run_async(places, loop="kernel"), await run_async(places)]

    kernel, own = asyncio.run(main())
    assert (kernel["body"], own["body"]) == (threading.current_thread().name, "aether-loop")


def test_an_object_of_the_callers_loop_can_be_used_in_the_body(lab: Lab) -> None:
    async def main() -> Any:
        gate = asyncio.get_running_loop().create_future()

        @graph_fn
        async def through() -> Any:
            return await gate

        asyncio.get_running_loop().call_later(0.01, gate.set_result, "open")
        return await _soon(start(through, loop="kernel"))

    assert asyncio.run(main()) == {"result": "open"}


@pytest.mark.parametrize("in_tool", [False, True])
def test_elsewhere_the_error_of_such_an_object_names_the_option(lab: Lab, in_tool: bool) -> None:
    async def main() -> Any:
        gate = asyncio.get_running_loop().create_future()

        @tool(name="through")
        async def through() -> Any:
            return await gate

        @graph_fn
        async def outer() -> Any:
            return await (through() if in_tool else gate)

        await _soon(start(outer))

    with pytest.raises(RuntimeError, match="attached to a different loop") as told:
        asyncio.run(main())
    notes = [note for note in told.value.__notes__ if 'start(outer, ..., loop="kernel")' in note]
    assert len(notes) == 1 and "belongs to another event loop" in notes[0]


def test_a_lock_of_another_loop_is_such_an_object_too(lab: Lab) -> None:
    async def main() -> Any:
        lock = asyncio.Lock()
        await lock.acquire()
        waiting = asyncio.ensure_future(lock.acquire())  # binds it to this loop
        await asyncio.sleep(0)

        @graph_fn
        async def locks() -> Any:
            await lock.acquire()

        try:
            await _soon(start(locks))
        finally:
            waiting.cancel()

    with pytest.raises(RuntimeError, match="bound to a different event loop") as told:
        asyncio.run(main())
    assert any('loop="kernel"' in note for note in told.value.__notes__)


# ---------------------------------------------------------------------- the same rules


def test_a_killed_run_goes_on_on_the_kernels_loop_and_nothing_runs_twice(lab: Lab) -> None:
    lab.cell(ASKING)

    async def before() -> Run:
        started = lab.runtime.start(lab.cells["agent"], {"x": 4}, loop="kernel")
        await _off_loop(lab.asked, started, "go on?")
        await _off_loop(lab.kill)
        return started

    async def after(started: Run) -> tuple[Outputs, bool]:
        resumed = lab.resume(started)
        on_it = isinstance(asyncio.get_running_loop(), AetherLoop)
        await _off_loop(lab.answer, resumed, "go on?", "yes")
        return await _soon(resumed), on_it

    started = asyncio.run(before())
    assert asyncio.run(after(started)) == ({"result": [8, "yes"]}, True)
    assert lab.took() == ["fit 4"]


def test_a_run_that_was_started_there_is_resumed_there_or_not_at_all(lab: Lab) -> None:
    lab.cell(ASKING)

    async def before() -> Run:
        started = lab.runtime.start(lab.cells["agent"], {"x": 4}, loop="kernel")
        await _off_loop(lab.asked, started, "go on?")
        return started

    started = asyncio.run(before())  # ends its tasks
    assert lab.runtime.load(started.run_id).status is RunStatus.PAUSED
    with pytest.raises(NoLoop, match="no loop is running here"):
        resume(started.run_id, namespace=lab.cells.names)
    assert lab.runtime.load(started.run_id).status is RunStatus.PAUSED


def test_races_come_out_as_they_did(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LET_GO", "")  # for its own value to come back afterwards
    monkeypatch.delenv("LET_GO")
    lab.cell("""
@tool
async def wait(name, s):
    await asyncio.sleep(s)
    return name

@tool
async def held(name):
    while not flag("LET_GO"):
        await asyncio.sleep(0.001)
    return name

@graph_fn
async def agent(*, context):
    async def told(call):
        out = await call
        order.append(out.result)
    order = []
    first = asyncio.create_task(told(wait("a", 0.0)))
    second = asyncio.create_task(told(held("b")))
    await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
    won = list(order)
    await asyncio.sleep(0.001)
    try:
        async with asyncio.timeout(0.001):
            await wait("late", 60.0)
    except TimeoutError:
        order.append("timeout")
    os.environ["LET_GO"] = "1"
    await asyncio.gather(first, second)
    return [won, order, await context.channel().ask_text("go on?")]
""")

    async def before() -> Run:
        started = lab.runtime.start(lab.cells["agent"], {}, loop="kernel")
        await _off_loop(lab.asked, started, "go on?")
        await _off_loop(lab.kill)
        return started

    async def after(started: Run) -> Any:
        resumed = lab.resume(started)
        await _off_loop(lab.answer, resumed, "go on?", "yes")
        return await _soon(resumed)

    started = asyncio.run(before())
    assert asyncio.run(after(started)) == {"result": [["a"], ["a", "timeout", "b"], "yes"]}
    kinds = [type(fact) for fact in lab.facts(started)]
    assert kinds.count(f.TimerFired) == 2, "timers of the body are on record, as on the loop of the runs"


def test_cancel_and_pause_reach_it_from_any_thread(lab: Lab) -> None:
    async def main() -> list[RunStatus]:
        ended = []
        for end, error in (("cancel", RunCancelled), ("pause", RunPaused)):
            started = start(patient, loop="kernel", keep=True)
            await _off_loop(lab.asked, started, "Go on?")
            await _off_loop(getattr(started, end))
            with pytest.raises(error):
                await _soon(started)
            ended.append(started.status)
        return ended

    assert asyncio.run(main()) == [RunStatus.CANCELLED, RunStatus.PAUSED]


def test_a_tools_slots_hold_over_loops(lab: Lab) -> None:
    busy, most = [], []

    @tool(max_concurrency=1)
    async def alone(n: int) -> int:
        busy.append(n)
        most.append(len(busy))
        await asyncio.sleep(0.002)
        busy.remove(n)
        return n

    @graph_fn
    async def several(start: int) -> Any:
        return await asyncio.gather(*(alone(start + i) for i in range(8)))

    async def main() -> None:
        await _soon(asyncio.gather(start(several, {"start": 0}, loop="kernel"), start(several, {"start": 100})))

    asyncio.run(main())
    assert len(most) == 16 and max(most) == 1


# ---------------------------------------------------------------------- the loop's own work


def test_what_belongs_to_no_run_finds_the_loop_as_it_was(lab: Lab) -> None:
    made: list[str] = []

    def factory(loop: Any, coroutine: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        made.append(coroutine.__name__)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def mine() -> float:
        loop = asyncio.get_running_loop()
        began, clock = loop.time(), time.monotonic()
        await asyncio.sleep(0.01)
        assert await loop.run_in_executor(None, lambda: 3) == 3
        return abs((loop.time() - began) - (time.monotonic() - clock))

    @graph_fn
    async def sleeps() -> Any:
        await asyncio.gather(asyncio.sleep(0.02), asyncio.sleep(0.03))
        return 1

    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        started = start(sleeps, loop="kernel")
        off = await asyncio.create_task(mine())
        await _soon(started)
        assert loop.get_task_factory() is factory
        return off

    assert asyncio.run(main()) < 0.005, "time goes on for it"
    assert "mine" in made and "sleep" not in made


def test_the_loop_keeps_its_hooks_until_the_last_run_has_ended(lab: Lab) -> None:
    async def main() -> list[bool]:
        hooked = []
        first, second = start(patient, loop="kernel"), start(patient, loop="kernel", keep=True)
        for one in (first, second):
            await _off_loop(lab.answer, one, "Go on?", "yes")
            await _soon(one)
            hooked.append(isinstance(asyncio.get_running_loop(), AetherLoop))
        return hooked

    assert asyncio.run(main()) == [True, False]


# ---------------------------------------------------------------------- where it cannot be


def test_a_wrong_loop_is_told(lab: Lab) -> None:
    with pytest.raises(ValueError, match=r"loop is \"kernel\".*or is left out.*got 'main'.*inputs=\{'loop': ...\}"):
        start(places, loop="main")
    assert not lab.runtime.runs()


def test_without_a_running_loop_there_is_none_to_run_on(lab: Lab) -> None:
    with pytest.raises(NoLoop, match="no loop is running here; write it in a cell or a coroutine, or leave it out"):
        start(places, loop="kernel")
    assert not lab.runtime.runs()


def test_a_child_is_not_put_on_the_loop_of_a_kernel(lab: Lab) -> None:
    @graph_fn
    async def inside() -> Any:
        start(places, loop="kernel")

    with pytest.raises(NoLoop, match=r"this is in a node.*`await places\(...\)`"):
        run(inside)


def test_a_loop_that_is_not_asyncios_own_is_refused(lab: Lab) -> None:
    class Foreign(asyncio.SelectorEventLoop):
        @property
        def __class__(self) -> type:
            return Foreign

        @__class__.setter
        def __class__(self, _: type) -> None:
            raise TypeError("as a class written in C does")

    async def main() -> None:
        start(places, loop="kernel")

    with asyncio.Runner(loop_factory=Foreign) as runner, pytest.raises(NoLoop, match="Foreign, which is not one of"):
        runner.run(main())
    assert not lab.runtime.runs()


def test_a_script_that_blocks_gets_a_loop_in_its_own_thread(lab: Lab) -> None:
    assert run(places, loop="kernel")["body"] == threading.current_thread().name


def test_a_coroutine_that_blocks_would_wait_for_itself(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "turn", None)

    async def block() -> None:
        run(places, loop="kernel")

    async def result() -> None:
        started = start(patient, loop="kernel")
        try:
            started.result()
        finally:
            started.cancel()

    with pytest.raises(WouldBlock, match=r'await start\(places, ..., loop="kernel"\)'):
        asyncio.run(block())
    with pytest.raises(WouldBlock, match="await run"):
        asyncio.run(result())


def test_its_deadlines_come_and_it_stays_in_memory_while_others_are_parked(lab: Lab) -> None:
    """24: its coroutines could be made again only on that loop, which is not ours to go to."""

    @graph_fn
    async def hurried(*, context: NodeContext) -> Any:
        return await context.channel().ask_text("Soon?", timeout_s=0.02, default="too late")

    async def main() -> Outputs:
        lab.runtime.parking._after_s = 0.0
        ours, own = start(patient, loop="kernel"), start(patient, keep=True)
        for one in (ours, own):
            await _off_loop(lab.asked, one, "Go on?")
        assert await _soon(start(hurried, loop="kernel", keep=True)) == {"result": "too late"}
        while not own.parked:
            await asyncio.sleep(0.001)
        assert not ours.parked
        await _off_loop(ours.answer, "yes")
        return await _soon(ours)

    assert asyncio.run(main()) == {"result": "yes"}
