"""Where tools run: loop, thread, worker process, dask. Semantics 13, 19 and 28."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import queue
import re
import threading
from typing import Any

import pytest

import aethergraph
from aethergraph import NodeContext, Run, RunStatus, graph_fn, tool
from aethergraph.errors import GraphBuildError, NotSendable, ServiceUnavailable, WorkerDied
from aethergraph.record import facts as f
from aethergraph.scheduler.executors.processes import Call, Processes

from .lab import LIMIT_S, Lab

CELL = """
import signal, sys, threading

FACTOR = 3

class Odd(Exception):
    def __init__(self, number):
        super().__init__(f"{number} is odd")
        self.number = number

def halve(x):
    if x % 2:
        raise Odd(x)
    return x // 2

@tool(outputs=["half", "pid"], runs_in="process")
def half(x, *, by=1):
    return halve(x) * FACTOR * by, os.getpid()

@tool(runs_in="process")
async def later(x):
    await asyncio.sleep(0)
    return x + 1

@tool(runs_in="process", retries=1, backoff_s=0.001)
def dies(path):
    if not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return "second time"

@tool(runs_in="process")
def always_dies():
    os._exit(7)

@graph_fn
async def agent(x: int):
    out = await half(x, by=2)
    return {"half": out.half, "elsewhere": out.pid != os.getpid(), "later": (await later(out.half)).result}

@graph_fn
async def crash(path: str):
    out = await asyncio.gather(dies(path), half(4), half(6))
    return [out[0].result, out[1].half, out[2].half]

@graph_fn
async def no_hope():
    await always_dies()
"""


@pytest.fixture
def cells(lab: Lab) -> Lab:
    """A lab with tools that run in processes."""
    lab.cell(CELL)
    return lab


def test_a_tool_runs_in_a_process_with_what_its_cell_defines(cells: Lab) -> None:
    assert cells.run("agent", x=4) == {"half": 12, "elsewhere": True, "later": 13}


def test_the_exception_of_a_process_arrives_unchanged_and_tells_the_lines_of_its_cell(cells: Lab) -> None:
    run = cells.start("agent", x=3)
    with pytest.raises(Exception, match="3 is odd") as raised:
        run.result(LIMIT_S)
    assert type(raised.value) is cells.cells["Odd"] and raised.value.number == 3
    (done,) = [fact for fact in cells.facts(run) if isinstance(fact, f.NodeDone)]
    assert done.error is not None and "raise Odd(x)" in done.error.traceback
    files = re.findall(r'File "(.+?)"', done.error.traceback)
    ours = os.path.dirname(aethergraph.__file__)
    assert files and not [file for file in files if file.startswith(ours) or "asyncio" in file], "frames of ours"


def test_an_async_tool_of_a_process_shows_the_users_own_frames_alone(cells: Lab) -> None:
    cells.cell("""
@tool(runs_in="process")
async def late(x):
    await asyncio.sleep(0)
    return halve(x)
@graph_fn
async def lately(x: int):
    return (await late(x)).result
""")
    run = cells.start("lately", x=3)
    with pytest.raises(Exception, match="3 is odd") as raised:
        run.result(LIMIT_S)
    told = str(raised.value.__cause__)
    assert re.findall(r"in (\w+)\n", told) == ["late", "halve"]


def test_a_worker_that_crashes_is_replaced_and_its_node_is_tried_again(cells: Lab, tmp_path: Any) -> None:
    run = cells.start("crash", path=str(tmp_path / "flag"))
    assert run.result(LIMIT_S)["result"] == ["second time", 6, 9]
    (failed,) = [fact for fact in cells.facts(run) if isinstance(fact, f.AttemptFailed)]
    assert failed.error.qualname == "WorkerDied" and "SIGKILL" in failed.error.message
    assert f"node dies of run {run.run_id}" in failed.error.message


def test_a_crash_without_retries_names_the_node(cells: Lab) -> None:
    run = cells.start("no_hope")
    with pytest.raises(WorkerDied, match=rf"node always_dies of run {run.run_id}.*exited with code 7"):
        run.result(LIMIT_S)


ENDLESS = """
import itertools

@tool(runs_in="process", timeout_s=TIMEOUT)
def endless(path):
    open(path, "w").close()
    for _ in itertools.count():
        pass

@tool
def begun(path):
    while not os.path.exists(path):
        time.sleep(0.005)

@graph_fn
async def agent(path: str):
    call = asyncio.ensure_future(endless(path))
    await begun(path)
    if flag("CANCEL"):
        call.cancel()
        return "cancelled"
    return (await call).result
"""


def workers() -> int:
    from aethergraph.scheduler.executors.processes import POOL

    return len(POOL._all) - len(POOL._free)


def test_a_timeout_really_ends_the_process(lab: Lab, tmp_path: Any) -> None:
    lab.cell(ENDLESS.replace("TIMEOUT", "1.5"))
    run = lab.start("agent", path=str(tmp_path / "flag"))
    with pytest.raises(TimeoutError, match=r"endless took longer than 1.5 s"):
        run.result(LIMIT_S)
    assert workers() == 0


def test_18_a_cancelled_call_really_ends_its_process(lab: Lab, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANCEL", "1")
    lab.cell(ENDLESS.replace("TIMEOUT", "None"))
    run = lab.start("agent", path=str(tmp_path / "flag"))
    assert run.result(LIMIT_S)["result"] == "cancelled"
    execution = run.execution
    assert execution is not None
    lab.runtime.thread.submit(quiet(execution.attempts)).result(LIMIT_S)
    assert workers() == 0


async def quiet(attempts: Any) -> None:
    while attempts.threads:
        await asyncio.sleep(0)


def test_cancelling_the_run_really_ends_the_process(lab: Lab, tmp_path: Any) -> None:
    lab.cell(ENDLESS.replace("TIMEOUT", "None"))
    run = lab.start("agent", path=str(tmp_path / "flag"))
    lab.until(run, lambda facts: any(isinstance(x, f.NodeDone) for x in facts))
    run.cancel()
    assert run.future.exception(LIMIT_S) is not None and run.status is RunStatus.CANCELLED
    assert run.execution is not None
    lab.runtime.thread.submit(quiet(run.execution.attempts)).result(LIMIT_S)
    assert workers() == 0 and lab.runtime.slots.process.used == 0


def test_what_a_process_prints_belongs_to_its_node(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.cell("""
import sys

@tool(runs_in="process")
def talks():
    print("to you")
    print("a warning", file=sys.stderr)
    print("no line end", end="")

@graph_fn
async def agent():
    await talks()
""")
    lab.run("agent")
    told = capsys.readouterr()
    assert told.out == "to you\nno line end" and told.err == "a warning\n"


def test_what_cannot_be_sent_names_the_node(lab: Lab) -> None:
    lock = threading.Lock()

    @tool(runs_in="process")
    def locked() -> bool:
        return lock.locked()

    @graph_fn
    async def agent() -> None:
        await locked()

    with pytest.raises(NotSendable, match=r"node locked of run agent-\w+ cannot be sent .*runs_in=\"thread\""):
        lab.start(agent).result(LIMIT_S)


ODD = """
class Two(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")
        self.a, self.b = a, b

class Holding(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.text, self.lock = text, threading.Lock()

class Carrying(Exception):
    def __str__(self):
        return "it carries a lock"

@tool(runs_in="process", retries=1, backoff_s=0.0, retry_on=Holding)
def fails(how, path):
    if how == "group":
        raise ExceptionGroup("both", [ValueError(1), Two(1, 2), ExceptionGroup("in", [Holding("held")])])
    if how == "carrying":
        raise Carrying(threading.Lock())
    if os.path.exists(path):
        return "second time"
    open(path, "w").close()
    raise Holding("held")

@tool(runs_in="process")
def lazy():
    return (n for n in range(3))

@graph_fn
async def agent(how, path):
    return (await fails(how, path)).result

@graph_fn
async def lazily():
    return (await lazy()).result
"""


def test_17_an_exception_that_cannot_be_pickled_comes_back_as_its_class_and_is_tried_again(
    lab: Lab, tmp_path: Any
) -> None:
    lab.cell("import threading" + ODD)
    assert lab.run("agent", how="holding", path=str(tmp_path / "flag")) == {"result": "second time"}
    with pytest.raises(Exception, match="it carries a lock") as raised:
        lab.run("agent", how="carrying", path="")
    assert type(raised.value) is lab.cells["Carrying"]


def test_17_each_member_of_a_group_comes_back_from_its_process_as_what_it_was(lab: Lab) -> None:
    lab.cell("import threading" + ODD)
    with pytest.raises(ExceptionGroup, match="both") as raised:
        lab.run("agent", how="group", path="")
    value, two, inner = raised.value.exceptions
    assert isinstance(value, ValueError) and value.args == (1,)
    assert type(two) is lab.cells["Two"] and (two.a, two.b, str(two)) == (1, 2, "1 and 2")  # type: ignore[attr-defined]
    assert isinstance(inner, ExceptionGroup)
    (held,) = inner.exceptions
    assert type(held) is lab.cells["Holding"] and held.text == "held"  # type: ignore[attr-defined]


def test_peers_4_a_result_that_cannot_be_sent_back_names_node_and_type(lab: Lab) -> None:
    lab.cell("import threading" + ODD)
    with pytest.raises(TypeError, match=r"of type generator, cannot be sent back .*runs_in=\"thread\"") as raised:
        lab.run("lazily")
    assert raised.value.__notes__[0].startswith("in node lazy of run ")


def test_a_tool_that_takes_a_context_runs_in_loop_or_thread() -> None:
    for home in ("process", "thread", "dask"):
        with pytest.raises(GraphBuildError, match="works only in the loop: leave out runs_in="):

            @tool(runs_in=home)
            async def asks(*, context: NodeContext) -> None: ...

    for home in ("process", "loop"):
        with pytest.raises(GraphBuildError, match="works only in a thread"):

            @tool(runs_in=home)
            def asks_too(*, context: NodeContext) -> None: ...


def test_a_place_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="'loop', 'thread', 'process', 'dask'"):
        tool(runs_in="cloud")(len)


def test_a_sync_tool_may_run_on_the_loop_and_an_async_one_in_a_thread(lab: Lab) -> None:
    @tool(runs_in="loop")
    def quick() -> bool:
        return lab.runtime.thread.is_current

    @tool(runs_in="thread")
    async def slow() -> bool:
        await asyncio.sleep(0)
        return lab.runtime.thread.is_current

    @graph_fn
    async def agent() -> list[bool]:
        return [(await quick()).result, (await slow()).result]

    assert lab.run(agent) == {"result": [True, False]}


def test_peers_6_sync_tools_do_not_block_the_loop(lab: Lab) -> None:
    """Two sync tools that wait for each other, and an async one beside them."""
    here, there = threading.Event(), threading.Event()

    @tool
    def first() -> bool:
        here.set()
        return there.wait(LIMIT_S)

    @tool
    def second() -> bool:
        there.set()
        return here.wait(LIMIT_S)

    @graph_fn
    async def agent() -> list[bool]:
        return [out.result for out in await asyncio.gather(first(), second())]

    assert lab.run(agent) == {"result": [True, True]}


def test_19_a_thread_that_took_too_long_is_not_left_waiting_for_an_answer(lab: Lab) -> None:
    lab.cell("""
@tool(timeout_s=0.05)
def asks(*, context):
    return context.channel().ask_text("who?")

@graph_fn
async def agent():
    await asks()
""")
    with pytest.raises(TimeoutError, match="asks took longer than 0.05 s"):
        lab.run("agent")


def test_19_a_thread_that_cannot_be_stopped_is_told_of_with_advice(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aethergraph.scheduler.outside.STOPPING_S", 0.01)
    begun, go = queue.SimpleQueue[bool](), threading.Event()

    @tool(timeout_s=0.05)
    def deaf() -> None:
        begun.put(True)
        go.wait(LIMIT_S)

    @graph_fn
    async def agent() -> None:
        await deaf()

    def with_a_thread() -> Run:
        """A run whose thread began: on a busy machine the time of an attempt may be over before that."""
        while True:
            run = lab.start(agent)
            run.future.add_done_callback(lambda _: begun.put(False))
            if begun.get(timeout=LIMIT_S):
                return run

    run = with_a_thread()
    noted = lab.until(run, lambda facts: any(isinstance(x, f.Noted) for x in facts))
    (note,) = [x for x in noted if isinstance(x, f.Noted)]
    assert note.kind == "log" and b"still runs and cannot be stopped" in note.data and b'runs_in="process"' in note.data
    assert lab.runtime.slots.process.used == 1
    go.set()
    with pytest.raises(TimeoutError):
        run.result(LIMIT_S)
    assert lab.runtime.slots.process.used == 0


def test_a_call_that_is_stopped_before_it_begins_does_not_run() -> None:
    pool = Processes()
    call = Call(len, ["abc"], {}, who="node x", told=lambda text, err: None)
    call.stop("it was cancelled")
    with pytest.raises(WorkerDied, match="node x ended before it answered: it was cancelled"):
        pool.call(call)
    again = Call(len, ["abc"], {}, who="node x", told=lambda text, err: None)
    assert pool.call(again) == 3
    pool.close()


@pytest.mark.skipif(importlib.util.find_spec("distributed") is not None, reason="dask is installed")
def test_a_worker_that_died_while_nobody_used_it_is_replaced_and_leaves_no_pipe_open() -> None:
    pool = Processes()
    one = Call(abs, (-1,), {}, who="one", told=lambda text, err: None)
    assert pool.call(one) == 1
    (dead,) = pool._free
    dead.kill("nobody looked")
    dead._process.wait()
    assert pool.call(Call(abs, (-2,), {}, who="two", told=lambda text, err: None)) == 2
    assert dead._process.stdin is not None and dead._process.stdin.closed
    assert dead._process.stdout is not None and dead._process.stdout.closed
    assert dead not in pool._all
    pool.close()


def test_without_dask_the_error_names_the_extra() -> None:
    with pytest.raises(ServiceUnavailable, match=r"aethergraph-jupyter\[dask\]"):
        tool(runs_in="dask")(len)


@pytest.mark.filterwarnings("ignore")
def test_a_tool_runs_on_the_current_dask_client(lab: Lab) -> None:
    distributed = pytest.importorskip("distributed")
    lab.cell("""
@tool(runs_in="dask")
def far(x):
    return 2 * x

@graph_fn
async def agent():
    return (await far(21)).result
""")
    with pytest.raises(ServiceUnavailable, match=r"make a `distributed.Client\(...\)` first"):
        lab.run("agent")
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None):
        assert lab.run("agent") == {"result": 42}
