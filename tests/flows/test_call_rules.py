"""Calls in bodies: semantics 27, and arguments that are plainly wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from aethergraph import Outputs, graph_fn, tool
from aethergraph.errors import NotAwaited
from aethergraph.record import facts as f

from .lab import LIMIT_S, Lab


@tool(outputs=["y"])
async def inc(x: int) -> int:
    return x + 1


@tool(outputs=["y"])
def inc_sync(x: int) -> int:
    return x + 1


@tool
def fails_sync() -> None:
    raise KeyError("no")


@graph_fn
async def every_way() -> Any:
    handle = inc(1)
    assert isinstance(handle, Coroutine) and hash(handle) == hash(handle)
    task = asyncio.create_task(inc(2))
    async with asyncio.TaskGroup() as group:
        grouped = group.create_task(inc(3))
    gathered = await asyncio.gather(inc(4), inc(5))
    done, _ = await asyncio.wait([asyncio.ensure_future(inc(6))])
    found = [await handle, await task, grouped.result(), *gathered, *(one.result() for one in done)]
    found += [await asyncio.wait_for(inc(7), 5), await asyncio.shield(inc(8))]
    return [outputs.y for outputs in found]


def test_27_a_call_works_wherever_a_coroutine_does(lab: Lab) -> None:
    assert lab.run(every_way) == {"result": [2, 3, 4, 5, 6, 7, 8, 9]}


@graph_fn
async def hashes() -> Any:
    first, second = await inc(1), await inc(1)
    assert first == second
    return [len({first, second}), isinstance(first, Outputs), await first is first]


def test_27_outputs_hash_by_identity_and_can_be_awaited(lab: Lab) -> None:
    assert lab.run(hashes) == {"result": [2, True, True]}


@graph_fn
def plain() -> Any:
    first = inc_sync(1)
    return [first.y, first["y"], inc_sync(first.y).y]


def test_27_reading_a_sync_tools_output_runs_it_in_place_once(lab: Lab) -> None:
    started = lab.start(plain)
    assert started.result(LIMIT_S) == {"result": [2, 2, 3]}
    assert [(node.node_id, node.deps) for node in started.nodes] == [("inc_sync", ()), ("inc_sync-2", (1,))]
    lab.kill()
    facts = [fact for fact in lab.facts(started) if isinstance(fact, f.NodeStarted | f.NodeRan)]
    assert len(facts) == 2


@graph_fn
def plain_failing() -> Any:
    try:
        return fails_sync().result
    except KeyError as error:
        return ["caught", *error.args]


def test_27_its_exception_is_raised_at_the_read(lab: Lab) -> None:
    assert lab.run(plain_failing) == {"result": ["caught", "no"]}


@graph_fn
def plain_reading_async() -> Any:
    return inc(1).y + 1


@graph_fn
def plain_printing_async() -> Any:
    return f"it is {inc(1).y}"


@pytest.mark.parametrize("agent", [plain_reading_async, plain_printing_async], ids=lambda a: a.name)
def test_27_using_an_async_tools_output_without_await_says_what_to_write(lab: Lab, agent: Any) -> None:
    with pytest.raises(NotAwaited, match=r"inc\(\.\.\.\)\.y was read before .*out = await inc\(\.\.\.\)"):
        lab.run(agent)


@graph_fn
def plain_passing_on() -> Any:
    return {"out": inc(inc(inc(1).y))}


def test_27_an_async_tools_output_can_be_passed_on_and_returned(lab: Lab) -> None:
    started = lab.start(plain_passing_on)
    assert started.result(LIMIT_S) == {"out": 4}
    assert [node.deps for node in started.nodes] == [(), (1,), (2,)]


@graph_fn
async def claimed() -> Any:
    task = asyncio.ensure_future(inc_sync(1))
    await asyncio.sleep(0)
    handle = inc_sync(2)
    other = asyncio.ensure_future(handle)
    await asyncio.sleep(0)
    try:
        return handle.y
    except NotAwaited as error:
        await asyncio.wait([task, other])
        return str(error)


def test_27_a_read_of_a_call_that_is_already_running_says_await_it(lab: Lab) -> None:
    assert "await" in lab.run(claimed)["result"]


LOOSE = """
@tool
async def write(x):
    ran(x)

@tool
async def waits():
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        ran("cancelled")
        raise

@graph_fn
async def forgets():
    write("forgotten")
    return 1

@graph_fn
async def raises():
    waits()
    await write("first")
    raise KeyError("no")

@graph_fn
async def leaves_a_task():
    found = []

    async def beside():
        try:
            await asyncio.Event().wait()
        finally:
            found.append("ended")

    task = asyncio.create_task(beside())
    await write("first")
    return {"found": found}
"""


def test_27_a_call_that_nobody_awaited_is_made_and_joined(lab: Lab) -> None:
    lab.cell(LOOSE)
    assert lab.run("forgets") == {"result": 1}
    assert lab.took() == ["forgotten"]


def test_27_when_a_body_raises_the_calls_that_nobody_awaited_are_cancelled(lab: Lab) -> None:
    lab.cell(LOOSE)
    with pytest.raises(KeyError):
        lab.run("raises")
    assert lab.took() == ["first", "cancelled"]


def test_27_other_tasks_of_a_body_end_before_its_outputs_are_taken(lab: Lab) -> None:
    lab.cell(LOOSE)
    assert lab.run("leaves_a_task") == {"found": ["ended"]}


# ---------------------------------------------------------------------- plainly wrong


@graph_fn
async def wrong_type() -> Any:
    await inc("three")


def test_an_argument_of_a_wrong_type_is_named(lab: Lab) -> None:
    with pytest.raises(TypeError, match=r"inc\(x=\.\.\.\) takes int, got str: 'three'"):
        lab.run(wrong_type)


def test_28_after_names_calls_by_id_or_by_themselves(lab: Lab) -> None:
    lab.cell("""
@tool
async def slow(x):
    await asyncio.sleep(0.05)
    ran(f"slow {x}")
@tool
async def quick(x):
    ran(f"quick {x}")
@graph_fn
async def agent():
    first = slow(1, _id="first")
    await asyncio.gather(first, quick(1, _after="first"), quick(2, _after=[first]))
    done = await slow(2)
    await quick(3, _after=done)
    return {"done": True}
@graph_fn
async def wrong():
    await quick(1, _after="nothing")
""")
    lab.run("agent")
    assert lab.took() == ["slow 1", "quick 1", "quick 2", "slow 2", "quick 3"]
    with pytest.raises(ValueError, match="_after='nothing': no call of that id"):
        lab.run("wrong")


def test_19_a_cancelled_thread_keeps_its_slot_until_it_ends(lab: Lab) -> None:
    lab.cell("""
import threading
now, most = [0], [0]
guard = threading.Lock()
@tool(mutates=())
def busy(i):
    with guard:
        now[0] += 1
        most[0] = max(most[0], now[0])
    time.sleep(0.1)
    with guard:
        now[0] -= 1
@graph_fn
async def agent():
    for i in range(4):
        try:
            async with asyncio.timeout(0.01):
                await busy(i)
        except TimeoutError:
            ran("late")
    return {"done": True}
""")
    lab.start("agent", cap=1).result(LIMIT_S)
    assert lab.took() == ["late"] * 4
    assert lab.cells["most"] == [1]


def test_6_values_and_calls_among_the_arguments_are_edges_both(lab: Lab) -> None:
    lab.cell("""
@tool
async def one(x):
    return x
@tool
async def two(x):
    return -x
@tool
async def join(a, b):
    return a + b
@graph_fn
async def agent():
    a = await one(1001)
    return await join(a.result, two(2))
""")
    run = lab.start("agent")
    run.result(LIMIT_S)
    by_id = {node.node_id: node for node in run.nodes}
    assert set(by_id["join"].deps) == {by_id["one"].no, by_id["two"].no}


NOT_AWAITED = """
import dataclasses, typing

@dataclasses.dataclass
class Box:
    inside: object

class Pair(typing.NamedTuple):
    one: object
    two: object

@tool
async def plus(x):
    return x + 1

@tool
def plain(x):
    return x + 1

@tool
async def keep(v):
    return v

@graph_fn
async def iterates():
    for one in plus(1):
        pass

@graph_fn
async def iterates_a_sync_one():
    return [one for one in plain(1)]

@graph_fn
async def unpacks():
    a, b = plus(1)

@graph_fn
async def indexes():
    return plus(1)[0]

@graph_fn
async def adds():
    return plus(1) + 1

@graph_fn
async def searches():
    return 1 in plus(1)

@graph_fn
async def hides_in_an_object():
    return await keep(Box(plus(1)))

@graph_fn
async def hides_in_a_set():
    return await keep({plus(1)})

@graph_fn
async def hides_in_keys():
    return await keep({plus(1): 1})

@graph_fn
async def returns_a_set():
    return {"out": {plus(1)}}

@graph_fn
async def returns_an_object_inside():
    return {"out": [Box(plus(1))]}
"""


@pytest.mark.parametrize(
    "agent",
    [
        "iterates",
        "iterates_a_sync_one",
        "unpacks",
        "indexes",
        "adds",
        "searches",
        "hides_in_an_object",
        "hides_in_a_set",
        "hides_in_keys",
        "returns_a_set",
        "returns_an_object_inside",
    ],
)
def test_27_a_call_that_was_not_awaited_is_no_value_whatever_is_done_with_it(lab: Lab, agent: str) -> None:
    """Peers' fault 6: a handle passed as an input was not resolved, and iterating one gave what nobody meant."""
    lab.cell(NOT_AWAITED)
    name = "plain" if "sync" in agent else "plus"
    with pytest.raises(NotAwaited, match=rf"{name}\(\.\.\.\) was read before .*out = await {name}\(\.\.\.\)"):
        lab.run(agent)


def test_27_named_tuples_and_dataclasses_that_are_returned_hold_values_and_stay_what_they_are(lab: Lab) -> None:
    lab.cell(NOT_AWAITED)
    lab.cell("""
@graph_fn
async def named() -> Pair:
    return Pair(plus(1), [plus(2)])

@graph_fn
async def boxed() -> Box:
    return Box(plus(1))

@graph_fn
async def nested():
    return {"pair": Pair(1, plus(2)), "kept": (await keep([Pair(3, plus(4)), plus(5)])).result}
""")
    assert lab.run("named") == {"one": 2, "two": [3]} and lab.run("boxed") == {"inside": 2}
    outputs = lab.run("nested")
    pair = lab.cells["Pair"]
    assert outputs == {"pair": pair(1, 3), "kept": [pair(3, 5), 6]}
    assert type(outputs["pair"]) is pair and type(outputs["kept"][0]) is pair


def test_27_every_output_can_be_read_by_its_name(lab: Lab) -> None:
    """Also one that is called as the engine calls something of its own."""
    lab.cell("""
@tool(outputs=["key", "token", "args", "close"])
def login(x):
    return x, 2 * x, [x], "shut"

@tool
def free(x):
    return {"node": x, "why": 2}

@tool
async def later(x):
    return {"task": x}

@graph_fn
async def agent(x):
    out, loose, task = login(x), free(x), asyncio.create_task(login(5))
    [waited] = await asyncio.gather(login(4))
    read = [out.key, out.token, out["args"], loose.node, loose.why]
    whole = [(await task).key, waited.token, (await later(free(1).node)).task]
    return {"read": read, "later": later(x).task, "whole": whole}
""")
    assert lab.run("agent", x=3) == {"read": [3, 6, [3], 3, 2], "later": 3, "whole": [5, 8, 1]}
