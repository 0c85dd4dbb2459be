"""An agent that changes kv and memory, in body and tools. As a script: the process that is killed, or one of two."""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from typing import Any

from aethergraph import NodeContext, Runtime, graph_fn, tool

RUN_ID = "counter"


@tool(outputs=["n"])
async def add(by: int, *, context: NodeContext) -> Any:
    return await context.kv().incr("sum", by)


@tool(outputs=["taken"])
def take(*, context: NodeContext) -> Any:
    return context.kv().list_pop_all("todo")  # type: ignore[attr-defined]


@graph_fn
async def counter(n: int, *, context: NodeContext) -> Any:
    kv = context.kv()
    told: list[Any] = []
    for step in range(n):
        await context.memory().record("step", step, text=f"step{step} begins")
        await kv.list_append_unique("todo", [step, "always"])
        told.append(await kv.incr("steps"))
        await asyncio.gather(add(1), add(1), kv.incr("sum", 100))
        if step % 2:
            told.append((await take()).taken)
    told.append(await kv.compare_and_set("steps", n, "over"))
    told.append(await context.memory().recent_data("step"))
    told.append([event.data for event in await context.memory().search("step1 begins", limit=1)])
    return [*told, await kv.mget(["sum", "steps"])]


def expected(n: int) -> list[Any]:
    """What a run gives that nobody disturbed."""
    told: list[Any] = []
    for step in range(n):
        told.append(step + 1)
        if step % 2:
            told.append([step - 1, "always", step])
    return [*told, True, list(range(n)), [1], [102 * n, "over"]]


@graph_fn
async def beside(n: int, *, context: NodeContext) -> int:
    """One of several who work at the same keys."""
    kv, wins = context.kv("user"), 0
    for _ in range(n):
        await kv.incr("sum")
        await context.memory("user").record("turn", context.run_id, text=f"turn of {context.run_id}")
        await context.memory("user").search("turn")
        seen = await kv.get("turns", 0)
        wins += await kv.compare_and_set("turns", seen or None, seen + 1)
    return wins


def main() -> None:
    folder, run_id, name = sys.argv[1:4]
    runtime = Runtime(folder)
    with closing(runtime), runtime.use():
        print("up", flush=True)
        known = runtime.store.get(f"r:{run_id}") is not None
        agent: Any = {"counter": counter, "beside": beside}[name]
        run = runtime.resume(run_id, agent=agent) if known else runtime.start(agent, {"n": 20}, run_id=run_id)
        print(run.result(60)["result"], flush=True)


if __name__ == "__main__":
    main()
