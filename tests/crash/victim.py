"""An agent that is killed: 18 nodes, two questions, ids that are made in one node and used in the next.

What its tools do outside is a line in a file, flushed to disk. As a script it is the process that is killed: it starts
the run in the store that it is given, or goes on with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from contextlib import closing
from typing import Any

from aethergraph import NodeContext, Runtime, graph_fn, tool

RUN_ID = "victim"
LINES = "CRASH_LINES"  # the variable that names the file


def line(what: str, *told: Any) -> None:
    """Do something outside that can be counted."""
    data = json.dumps([what, *told]).encode() + b"\n"
    file = os.open(os.environ[LINES], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, data)
        os.fsync(file)
    finally:
        os.close(file)


@tool(outputs=["id"])
async def reserve(name: str, *, context: NodeContext) -> str:
    line("ran", context.node_id)
    await asyncio.sleep(0.002)
    return secrets.token_hex(8)


@tool(outputs=["receipt"])
async def submit(name: str, id: str, *, context: NodeContext) -> str:
    line("ran", context.node_id)
    line("used", name, [id, context.idempotency_key()])
    await asyncio.sleep(0.001)
    return f"receipt for {name}"


@tool(outputs=["n"])
def measure(x: int, *, context: NodeContext) -> int:
    line("ran", context.node_id)
    time.sleep(0.002)
    return x * x


@tool(outputs=["n"], pure=True)
async def total(values: list[int]) -> int:
    return sum(values)


@tool(outputs=["n"], retries=3, backoff_s=0.001)
def shaky(x: int, *, context: NodeContext) -> int:
    if context.attempt == 1:
        raise ConnectionError("no answer")
    line("ran", context.node_id)
    context.channel("inbox").send_text("shaky is there")
    return x + 1


@tool(outputs=["stamp"])
async def stamp(draw: float, at: float, *, context: NodeContext) -> str:
    line("ran", context.node_id)
    line("used", "stamp", [draw, at])
    line("used", "clock", await context.clock().now())
    return f"{draw:.6f}"


@tool(outputs=["name"])
def christen(what: str, *, context: NodeContext) -> str:
    line("ran", context.node_id)
    name = context.channel("inbox").ask_text(f"Which name for {what}?", name="name")
    line("used", "name", name)
    return name


@tool(outputs=["text"])
async def report(name: str, n: int, *, context: NodeContext) -> str:
    line("ran", context.node_id)
    await context.artifacts().save_text(f"{name}: {n}", name="report.txt")
    return f"{name}: {n}"


@graph_fn
async def review(name: str, *, context: NodeContext) -> dict[str, Any]:
    reserved = await reserve(name, _labels=["early"])
    sent = await submit(name, reserved.id)
    await context.channel("inbox").send_text(f"submitted {name}")
    return {"receipt": sent.receipt}


@graph_fn
async def victim(n: int, *, context: NodeContext) -> dict[str, Any]:
    reviews = await asyncio.gather(*[review(f"paper {i}") for i in range(2)])
    keep = await context.channel("inbox").ask_choice("Which to keep?", ["one", "two"], name="keep")
    measured = await asyncio.gather(*[measure(i) for i in range(n)])
    try:
        async with asyncio.timeout(0.002):
            await asyncio.sleep(3600)
    except TimeoutError:
        await context.channel("inbox").send_text("waited")
    found = await shaky((await total([out.n for out in measured], _alias="sum")).n)
    stamped = await stamp(context.random().random(), await context.clock().now())
    named = await christen("the last")
    last = await submit("last", (await reserve("last")).id)
    text = await report(named.name, found.n)
    receipts = [*(reviewed.receipt for reviewed in reviews), last.receipt]
    return {"kept": keep, "text": text.text, "receipts": receipts, "stamp": stamped.stamp}


if __name__ == "__main__":
    print("up", flush=True)
    with closing(Runtime(sys.argv[1])) as runtime:
        runtime.start(victim, {"n": 4}, run_id=sys.argv[2]).result()
