"""`loop="kernel"` in real kernels: the main thread and its loop, a cell that blocks, an interrupt, a resume."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aethergraph.storage import waiting
from aethergraph.storage.disk import DiskStore

from .kernels import Kernel, kernel, older

AGENT = """
%load_ext aethergraph
import asyncio, os, threading, time
os.environ["AETHERGRAPH_CHANNEL"] = "inbox"
os.environ["AETHERGRAPH_KEY_FILE"] = os.path.abspath("key")
from aethergraph import answer, graph_fn, resume, run, runs, start, tool, waits
@tool(outputs=["y"])
async def double(x):
    with open("ran", "a") as file:
        file.write(f"{x}\\n")
    return 2 * x
@tool
def thread():
    return threading.current_thread().name
@graph_fn
async def study(x):
    y = (await double(x)).y
    sync = (await thread()).result
    return {"y": y, "body": threading.current_thread().name, "sync": sync.startswith("aether-tool")}
@graph_fn
async def asks(x, *, context):
    y = (await double(x)).y
    return {"y": y, "name": await context.channel().ask_text("What name?")}
"""
OPEN = "while not waits():\n    await asyncio.sleep(0.01)"
DONE = "{'y': 8, 'body': 'MainThread', 'sync': True}\n"


@pytest.fixture(params=[None, *older()], ids=lambda folder: folder.name if folder else "installed")
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kernel]:
    with kernel(tmp_path, request.param) as made:
        made.run(AGENT)
        yield made


def asked(folder: Path) -> Callable[[], bool]:
    return lambda: bool(waiting.open_waits(DiskStore(folder / ".aethergraph")))


def test_a_cell_awaits_it_starts_it_or_blocks_on_it(one: Kernel) -> None:
    assert one.run('print(dict(await start(study, x=4, loop="kernel")))').text.endswith(DONE)
    assert one.run('print(dict(run(study, x=4, loop="kernel")))').text.endswith(DONE)
    one.run('handle = start(study, x=4, loop="kernel")')
    assert one.run("print(dict(await handle))").text.endswith(DONE)


def test_a_cell_that_blocks_changes_nothing_for_good(one: Kernel) -> None:
    shown = """
loop, policy = asyncio.get_running_loop(), asyncio.get_event_loop_policy()
print(asyncio.Task, asyncio.Future, asyncio.run, asyncio.get_event_loop, vars(type(policy)).get("get_event_loop"))
print(type(loop).__mro__, sorted(vars(loop).keys() - {"empty"}))
"""
    before = one.run(shown).text
    assert "nest_asyncio" not in one.run("import sys; print(*sys.modules)").text
    one.run('run(study, x=4, loop="kernel")')
    assert "nest_asyncio" in one.run("print(*sys.modules)").text
    assert one.run(shown).text == before


def test_what_the_kernel_does_meanwhile_goes_on(one: Kernel) -> None:
    """While a cell blocks, tasks of other cells take their steps."""
    one.run("""
async def others(told):
    for i in range(5):
        await asyncio.sleep(0.001)
    told.set_result("they went on")
told = asyncio.get_running_loop().create_future()
@graph_fn
async def hears():
    return await told
""")
    said = one.run('others_task = asyncio.create_task(others(told))\nprint(run(hears, loop="kernel").result)').text
    assert said.endswith("they went on\n")


@pytest.mark.parametrize("cell", ['await start(asks, x=4, loop="kernel")', 'run(asks, x=4, loop="kernel")'])
def test_an_interrupt_pauses_it_and_a_resume_runs_it_there_again(one: Kernel, tmp_path: Path, cell: str) -> None:
    ran = one.run_and_interrupt(cell, asked(tmp_path))
    assert ran.status == "error"
    assert "KeyboardInterrupt" in ran.text or "CancelledError" in ran.text
    one.run("while runs()[0].status != 'paused':\n    await asyncio.sleep(0.01)")  # on the loop of the cells
    assert one.run("print(runs()[0].status, len(waits()))").text == "paused 1\n"
    one.run("resumed = resume()\nanswer(waits()[0].token, 'Ada')")
    assert one.run("print(dict(await resumed))").text.endswith("{'y': 8, 'name': 'Ada'}\n")
    assert (tmp_path / "ran").read_text() == "4\n"


def test_a_killed_kernel_loses_nothing_of_it(one: Kernel, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    one.run('handle = start(asks, x=4, loop="kernel")')
    one.run(OPEN)
    one.manager.signal_kernel(signal.SIGKILL)
    with kernel(tmp_path, request.node.callspec.params["one"]) as two:
        two.run(AGENT.partition("from aethergraph")[0])
        two.run("from aethergraph import answer, resume, waits\nresumed = resume()\nanswer(waits()[0].token, 'Ada')")
        assert two.run("print(dict(await resumed))").text.endswith("{'y': 8, 'name': 'Ada'}\n")
    assert (tmp_path / "ran").read_text() == "4\n"


def test_a_run_that_is_on_at_the_end_of_the_kernel_is_paused(one: Kernel, tmp_path: Path) -> None:
    one.run('handle = start(asks, x=4, loop="kernel")')
    one.run(OPEN)
    one.manager.shutdown_kernel(now=False)
    with kernel(tmp_path) as two:
        assert two.run("from aethergraph import runs\nprint(runs()[0].status)").text == "paused\n"


def test_the_doctor_tells_where_runs_are(one: Kernel, tmp_path: Path) -> None:
    assert 'start(..., loop="kernel") runs on the kernel\'s loop' in one.run("%aether doctor").text
    run_id = one.run('handle = start(asks, x=4, loop="kernel")\nprint(handle.run_id)').text.split()[-1]
    assert f"as {run_id} now" in one.run("%aether doctor").text


BLOCKING = """
import logging
told = threading.Event()
class Heard(logging.Handler):
    def emit(self, record):
        print(record.getMessage())
        told.set()
@tool(outputs=["y"])
async def stuck():
    assert told.wait(50)
    return 1
@graph_fn
async def held():
    return {"y": (await stuck()).y}
"""


@pytest.mark.parametrize("loop", ["None", '"kernel"'])
def test_what_blocks_a_loop_is_named_by_its_cell(tmp_path: Path, loop: str) -> None:
    with kernel(tmp_path) as one:
        one.run(AGENT)
        one.run(BLOCKING)
        one.run('logging.getLogger("aethergraph.watchdog").addHandler(Heard())')
        text = one.run(f"outputs = await start(held, loop={loop})").text
        assert "node stuck of run held-" in text
        assert "at Cell In[2], line 9: `assert told.wait(50)`" in text
