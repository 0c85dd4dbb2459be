"""A run that is killed: 18 nodes, two questions, an id that is made in one node and used in the next, messages.

What its tools do outside is a line in a file, flushed to disk, named by the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from typing import Any

from aethergraph import NodeContext, Runtime, graph_fn, tool
from aethergraph.testing import ScriptedChannel

LINES = "CRASH_LINES"  # the variable that names the file
RUN_ID = "victim"
ANSWERS = {"keep": "two", "Which name?": "Ada"}


def line(what: str, *told: Any) -> None:
    """Do something outside that can be counted."""
    data = json.dumps([what, *told]).encode() + b"\n"
    file = os.open(os.environ[LINES], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, data)
        os.fsync(file)
    finally:
        os.close(file)


@tool(outputs=["id"])
async def reserve(name: str, *, context: NodeContext) -> str:
    line("ran", context.node_id)
    made = secrets.token_hex(8)
    line("made", name, made)
    await asyncio.sleep(0.002)
    return made


@tool(outputs=["receipt"])
async def submit(name: str, id: str, *, context: NodeContext) -> str:
    line("ran", context.node_id)
    line("used", name, id, context.idempotency_key())
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


@tool(outputs=["text"])
async def report(name: str, n: int, *, context: NodeContext) -> str:
    line("ran", context.node_id)
    await context.artifacts().save_text(f"{name}: {n}", name="report.txt")
    return f"{name}: {n}"


@graph_fn
async def review(name: str, *, context: NodeContext) -> dict[str, Any]:
    reserved = await reserve(name)
    sent = await submit(name, reserved.id)
    await context.channel("inbox").send_text(f"submitted {name}")
    return {"receipt": sent.receipt}


@graph_fn
async def victim(n: int, *, context: NodeContext) -> dict[str, Any]:
    reviews = await asyncio.gather(*[review(f"paper {i}") for i in range(2)])
    keep = await context.channel().ask_choice("Which to keep?", ["one", "two"], name="keep")
    measured = await asyncio.gather(*[measure(i) for i in range(n)])
    try:
        async with asyncio.timeout(0.002):
            await asyncio.sleep(3600)
    except TimeoutError:
        await context.channel("inbox").send_text("waited")
    found = await shaky((await total([out.n for out in measured])).n)
    name = await context.channel().ask_text("Which name?")
    first = await reserve("last")
    last = await submit("last", first.id)
    text = await report(name, found.n)
    return {"kept": keep, "text": text.text, "receipts": [*(r.receipt for r in reviews), last.receipt]}


def live(folder: str, lines: str) -> None:
    """One life of a process that runs it; it ends when the run does."""
    os.environ[LINES] = lines
    runtime = Runtime(folder)
    with runtime.use(), ScriptedChannel(_answer):
        line("ended", dict(runtime.start(victim, {"n": 4}, run_id=RUN_ID).result()))
    runtime.close()


def _answer(asked: Any) -> str:
    line("asked", asked.token)
    time.sleep(0.002)
    return ANSWERS[asked.name or asked.prompt]
