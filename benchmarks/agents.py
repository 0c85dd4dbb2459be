"""What is measured: agents of trivial steps, and the same steps as plain asyncio."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from measure import mark, weigh

from aethergraph import NodeContext, TaskGraph, graph_fn, graphify, tool


class Stopped(Exception):
    """Raised at the end of a body, so that its run is not done and can be resumed, again and again."""


@tool(pure=True, outputs=["y"])
async def pure_step(x: int) -> dict[str, int]:
    """A node that may start ahead of its commit."""
    return {"y": x + 1}


@tool(outputs=["y"])
async def step(x: int) -> dict[str, int]:
    """A node that starts when it is on disk."""
    return {"y": x + 1}


@graph_fn
async def nothing() -> int:
    """The cost of a run."""
    return 0


@graph_fn
async def pure_chain(n: int, every: int = 0) -> int:
    """Each step needs the one before. Marks the time after every `every`-th step, and at the end."""
    y = 0
    for number in range(n):
        if every and number % every == 0:
            mark()
        y = (await pure_step(y))["y"]
    mark()
    return y


@graph_fn
async def chain(n: int) -> int:
    """Each step needs the one before, and starts after its commit."""
    y = 0
    for _ in range(n):
        y = (await step(y))["y"]
    return y


@graph_fn
async def pure_fan(n: int) -> int:
    """Steps that need nothing of each other."""
    return sum(one["y"] for one in await asyncio.gather(*[pure_step(i) for i in range(n)]))


@graph_fn
async def fan(n: int) -> int:
    """The same, each started after its commit."""
    return sum(one["y"] for one in await asyncio.gather(*[step(i) for i in range(n)]))


@graph_fn
async def part(x: int) -> int:
    """What `nested` has inside."""
    return (await step(x)).y


@graph_fn
async def nested(n: int) -> int:
    """A graph of one step, n times, each after the one before."""
    y = 0
    for _ in range(n):
        y = (await part(y)).result
    return y


@graph_fn
async def dying_chain(n: int) -> int:
    """A chain that ends its process where BENCHMARK_DIES is set, and marks the time elsewhere."""
    y = 0
    for _ in range(n):
        y = (await step(y))["y"]
    if os.environ.get("BENCHMARK_DIES"):
        os._exit(0)
    mark()
    return y


@graph_fn
async def stopped_pure_chain(n: int) -> int:
    """A chain that ends in `Stopped`; resuming it replays every step."""
    y = 0
    for _ in range(n):
        y = (await pure_step(y))["y"]
    mark()
    raise Stopped


@graph_fn
async def stopped_chain(n: int) -> int:
    """The same with a commit a step."""
    y = 0
    for _ in range(n):
        y = (await step(y))["y"]
    mark()
    raise Stopped


@graph_fn
async def stopped_fan(n: int) -> int:
    """A fan that ends in `Stopped`."""
    await asyncio.gather(*[step(i) for i in range(n)])
    mark()
    raise Stopped


@graph_fn
async def weighed_chain(n: int) -> int:
    """A chain that is weighed when its nodes are done and it still runs."""
    y = 0
    for _ in range(n):
        y = (await pure_step(y))["y"]
    weigh()
    return y


@graph_fn
async def weighed_default_chain(n: int) -> int:
    """The same with default tools."""
    y = 0
    for _ in range(n):
        y = (await step(y))["y"]
    weigh()
    return y


@graph_fn
async def weighed_fan(n: int) -> int:
    """A fan, weighed likewise."""
    await asyncio.gather(*[step(i) for i in range(n)])
    await step(-1)  # until the callback that woke us returns, asyncio itself holds what was gathered
    weigh()
    return n


@graph_fn
async def questions(n: int, *, context: NodeContext) -> int:
    """Asks one question after the other, in the inbox."""
    for number in range(n):
        await context.channel("inbox").ask_text(f"question {number}")
    return n


@graph_fn
async def waiting(n: int, *, context: NodeContext) -> str:
    """Asks one question, in the inbox."""
    return await context.channel("inbox").ask_text("go on?")


@graph_fn
async def saving(path: str, *, context: NodeContext) -> int:
    """Saves a file; marks the time before and after."""
    mark()
    saved = await context.artifacts().save_file(path)
    mark()
    return saved.size


async def _bare(x: int) -> dict[str, int]:
    return {"y": x + 1}


async def bare_chain(n: int) -> float:
    """Seconds for n tasks of plain asyncio, one after the other."""
    y = 0
    began = time.perf_counter()
    for _ in range(n):
        y = (await asyncio.create_task(_bare(y)))["y"]
    return time.perf_counter() - began


async def bare_nested(n: int) -> float:
    """Seconds for n tasks of plain asyncio that await a task each, one after the other."""
    y = 0
    began = time.perf_counter()
    for _ in range(n):
        y = await asyncio.create_task(_bare_part(y))
    return time.perf_counter() - began


async def _bare_part(x: int) -> int:
    return (await asyncio.create_task(_bare(x)))["y"]


async def bare_fan(n: int) -> float:
    """Seconds for n tasks of plain asyncio, gathered."""
    began = time.perf_counter()
    found: list[dict[str, Any]] = await asyncio.gather(*[_bare(i) for i in range(n)])
    assert sum(one["y"] for one in found) == n * (n + 1) // 2
    return time.perf_counter() - began


@tool(pure=True, outputs=["y"])
async def total(xs: list[int]) -> dict[str, int]:
    """Gathers a static fan."""
    return {"y": sum(xs)}


@graphify(inputs=["n"], outputs=["y"])
def static_part(n: Any) -> Any:
    """What a static graph has inside another one."""
    return {"y": pure_step(n)}


def static(shape: str, n: int) -> TaskGraph:
    """A static graph of `n` pure steps: a chain, a fan that is added up, or a chain of graphs of one step each."""

    @graphify(name=f"static_{shape}", inputs=["x"], outputs=["y"])
    def graph(x: Any) -> Any:
        if shape == "fan":
            return {"y": total([pure_step(x).y for _ in range(n)])}
        for _ in range(n):
            x = (pure_step if shape == "chain" else static_part)(x).y
        return {"y": x}

    return graph.build()
