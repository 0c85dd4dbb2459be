"""`open_session`: a context outside any graph. What it does is recorded as in a run, and nobody can go on with it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Runtime, Service, graph_fn, load_run, open_session, resume, runs, runtime, tool, waits
from aethergraph.errors import GraphBuildError, NotResumable, RunSuspended, ServiceUnavailable
from aethergraph.record.status import RunStatus
from aethergraph.storage.roster import RunInfo
from aethergraph.testing import ScriptedChannel
from jupyter_ext.patches import head
from jupyter_ext.static_copy import bundle
from tests.processes import bounded

from .lab import LIMIT_S, Lab

HOLDER = Path(__file__).parents[1] / "crash" / "session_holder.py"


@graph_fn
async def double(x: int = 1) -> dict[str, int]:
    return {"y": 2 * x}


def go(work: Coroutine[Any, Any, Any]) -> Any:
    """On a loop of its own, as a script or a cell has one."""
    return asyncio.run(asyncio.wait_for(work, LIMIT_S))


def only() -> RunInfo:
    (info,) = [info for info in runs() if info.kind == "session"]
    return info


def test_what_is_done_in_it_is_recorded_and_listed(lab: Lab) -> None:
    async def cell() -> list[Any]:
        async with open_session("the project", tags="mine") as context:
            name = await context.channel().ask_text("Name?")
            await context.channel().send_text(f"hello {name}")
            await context.artifacts().save_text("text", name="a.txt")
            await context.viz().scalar("loss", 1, 0.5)
            context.logger().info("noted")
            assert [await context.kv().incr("visits"), await context.kv().get("visits")] == [1, 1]
            async with context.channel().progress("work", total=2) as bar:
                await bar.update()
            assert only().status is RunStatus.RUNNING
            return [name, context.session_id, context.run_id]

    with ScriptedChannel({"Name?": "Ada"}) as script:
        name, session, run_id = go(cell())
    assert (name, session) == ("Ada", "the project") and script.sent == ["hello Ada"]
    info = only()
    assert (info.run_id, info.status, info.session, info.tags) == (run_id, RunStatus.DONE, "the project", ("mine",))
    run = load_run(run_id)
    assert run.transcript() == ["Name? -> Ada", "hello Ada", "info: noted"]
    assert [one.name for one in run.artifacts] == ["a.txt"] and run.picture().tracks["loss"].points


def test_13_what_is_awaited_is_on_disk(lab: Lab) -> None:
    async def cell() -> None:
        async with open_session() as context:
            saved = await context.artifacts().save_text("text", name="a.txt")
            rows = dict(lab.store.scan(""))  # of the moment, whatever is still to be written
            assert any(saved.sha256.encode() in row or bytes.fromhex(saved.sha256) in row for row in rows.values())

    go(cell())


def test_28_it_starts_runs_by_object_and_by_name_and_they_are_its_children(lab: Lab) -> None:
    async def cell() -> list[Any]:
        async with open_session() as context:
            spawned = await context.spawn_run(double, inputs={"x": 4})
            tasks = [asyncio.create_task(context.run_and_wait("double", inputs={"x": x})) for x in range(3)]
            with pytest.raises(LookupError, match="did you mean 'double'"):
                await context.spawn_run("dubble")
            return [context.run_id, await context.wait_run(spawned), *[out.y for out in await asyncio.gather(*tasks)]]

    run_id, first, *rest = go(cell())
    assert dict(first) == {"y": 8} and rest == [0, 2, 4]
    assert [info.name for info in load_run(run_id).children] == ["double"] * 4


def test_a_service_that_is_not_there_is_registered_before_the_block_is_run_again(lab: Lab) -> None:
    async def cell() -> None:
        async with open_session() as context:
            for asked in (lambda: context.cellar(), lambda: context.svc("cellar")):
                with pytest.raises(ServiceUnavailable) as told:
                    asked()
                assert str(told.value).endswith(
                    "run the cell that registers it (`aethergraph.runtime.register_context_service('cellar', ...)`), "
                    "then run this block again"
                )

    go(cell())


def test_a_question_of_it_is_answered_from_elsewhere(lab: Lab) -> None:
    async def cell() -> Any:
        async with open_session() as context:
            return await context.channel("inbox").ask_number("How many?")

    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(go(cell())))
    thread.start()
    while not (open_now := waits()):
        thread.join(0.01)
    assert only().status is RunStatus.WAITING
    lab.runtime.answer(open_now[0].token, 3)
    thread.join(LIMIT_S)
    assert answers == [3]


class Counter(Service):
    """Is used on the loop that it was started on, whoever calls."""

    async def start(self) -> None:
        self.loop = asyncio.get_running_loop()

    async def where(self) -> bool:
        async with self.critical():
            return asyncio.get_running_loop() is self.loop

    def who(self) -> str:
        return str(self.ctx().run_id)


def test_services_of_ones_own_run_on_the_loop_that_they_were_started_on(lab: Lab) -> None:
    runtime.register_context_service("counter", Counter())

    async def cell() -> list[Any]:
        async with open_session() as context:
            async with context.counter().critical():
                held = context.counter().who() == context.run_id
            return [held, await context.counter().where(), await context.svc("counter").where()]

    assert go(cell()) == [True, True, True]


def test_an_error_in_its_block_arrives_unchanged_and_it_has_failed(lab: Lab) -> None:
    async def cell() -> None:
        async with open_session():
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        go(cell())
    assert [entry.name for entry in caught.traceback][-1] == "cell"
    assert only().status is RunStatus.FAILED and "KeyError" in only().error


def test_27_a_call_that_nobody_awaited_is_named_at_the_end(lab: Lab) -> None:
    async def cell() -> None:
        async with open_session() as context:
            context.channel().send_text("forgotten")

    with pytest.raises(GraphBuildError, match=r"`context.channel\(\).send_text\(...\)` was called but never awaited"):
        go(cell())
    assert only().status is RunStatus.FAILED


def test_18_an_interrupt_of_its_block_cancels_it_and_what_it_awaits(lab: Lab) -> None:
    async def cell() -> None:
        async with open_session() as context:
            await context.channel("inbox").ask_text("Name?")

    async def interrupted() -> None:
        task = asyncio.create_task(cell())
        while not waits():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    go(interrupted())
    assert only().status is RunStatus.CANCELLED and not waits()


def test_a_session_that_is_cancelled_takes_no_more_calls(lab: Lab) -> None:
    async def cell() -> None:
        async with open_session() as context:
            asked = asyncio.create_task(context.channel("inbox").ask_text("Name?"))
            while not waits():
                await asyncio.sleep(0)
            load_run(context.run_id).cancel()
            for call in (asked, context.artifacts().save_text("late", name="late.txt")):
                with pytest.raises(RunSuspended, match="it was cancelled"):
                    await call

    go(cell())
    assert only().status is RunStatus.CANCELLED and not load_run(only().run_id).artifacts


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_nobody_can_go_on_with_it(lab: Lab, end: str) -> None:
    async def cell() -> None:
        async with open_session() as context:
            if end == "failed":
                raise LookupError
            load_run(context.run_id).cancel()

    with contextlib.suppress(LookupError):
        go(cell())
    run = load_run(only().run_id)
    if end == "failed":
        for how in (run.retry, run.fork, lambda: resume(run.run_id), lambda: lab.runtime.plan(run.run_id)):
            with pytest.raises(NotResumable, match="open_session"):
                how()
        assert head(run.picture(), 0.0, live=False)["session"] is True
        for text in bundle(run.picture(), live=False).values():
            assert "resume" not in text and "LookupError" in text
    with pytest.raises(LookupError, match="no run of this store is unfinished"):
        resume()


def test_a_session_whose_process_was_killed_is_over_and_the_next_one_withdraws_what_it_asked(tmp_path: Path) -> None:
    folder = str(tmp_path / "store")
    started = subprocess.Popen([sys.executable, str(HOLDER), folder], stdout=subprocess.PIPE, text=True)
    with bounded(started) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        with contextlib.closing(Runtime(folder)) as made, made.use():
            while not waits():
                assert process.poll() is None
            assert only().live_elsewhere and only().status in (RunStatus.RUNNING, RunStatus.WAITING)
            process.kill()
            process.wait()
            assert only().status is RunStatus.CANCELLED and only().run_id == run_id
            assert [one.name for one in load_run(run_id).artifacts] == ["kept.txt"]
            assert [item.run_id for item in made.gc(keep=0).runs] == [run_id]

            async def cell() -> None:
                async with open_session("the project"):
                    pass

            assert len(waits()) == 1
            go(cell())
            assert not waits()


def test_it_is_for_code_outside_of_runs(lab: Lab) -> None:
    @tool
    async def opens() -> None:
        async with open_session():
            pass

    @graph_fn
    async def agent() -> None:
        await opens()

    with pytest.raises(TypeError, match="opens is in a run, which has a context of its own"):
        lab.run(agent)

    async def again() -> None:
        session = open_session()
        async with session as context:
            with pytest.raises(TypeError, match="open another session"):
                context.continue_as_new()
        async with session:
            pass

    with pytest.raises(RuntimeError, match="a session is entered once"):
        go(again())
    with pytest.raises(TypeError, match="session_id is a text, got int"):
        open_session(3)  # type: ignore[arg-type]
