"""Agents that the tests of the command line run."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from aethergraph import graph_fn, graphify, tool


@tool(outputs=["y"])
async def double(x: int) -> dict[str, int]:
    return {"y": 2 * x}


@graph_fn(outputs=["total", "name"])
async def study(n: int = 3, label: str = "", *, context: Any) -> dict[str, Any]:
    """Double some numbers and ask for a name."""
    doubled = await asyncio.gather(*(double(i) for i in range(n)))
    await context.channel().send_text(f"doubled {n} numbers")
    name = await context.channel().ask_text("What shall I call it?", name="name")
    return {"total": sum(one.y for one in doubled), "name": f"{name}{label}"}


@tool
async def work() -> int:
    if "ENDLESS" in os.environ:
        await asyncio.Event().wait()
    return 1


@graph_fn
async def worker() -> dict[str, Any]:
    """Works without end while a variable says so."""
    return {"n": (await work()).result}


@graph_fn
async def saver(*, context: Any) -> dict[str, Any]:
    await context.artifacts().save_text("all is well", name="note.txt")
    return {"saved": 1}


@graph_fn
async def shower(*, context: Any) -> dict[str, Any]:
    """Shows what a terminal cannot, and asks where nobody at the terminal can answer."""
    channel = context.channel("inbox")
    await channel.send_image(file_bytes=b"\x89PNG\r\n\x1a\n" + bytes(40), title="Loss")
    await channel.send_rich("Scores", [{"model": "svm", "score": 0.5}])
    return {"kept": await channel.ask_text("Which?", channel="file:log.txt")}


@graph_fn
async def broken() -> dict[str, Any]:
    raise ValueError("no good")


@graph_fn
async def sleeper(flag: str, *, context: Any) -> dict[str, Any]:
    """Stands still in a tool until somebody interrupts it; touches `flag` when it has come there."""
    await double(1)
    Path(flag).touch()
    await context.clock().sleep(3600)
    return {"slept": True}


@graphify(outputs=["y"])
def twice(x: int = 2) -> dict[str, Any]:
    return {"y": double(double(x, _alias="first", _labels=["all", "small"]).y, _labels="all").y}


@tool(outputs=["said"])
def chatty(word: str) -> dict[str, str]:
    print(f"a print of {word}")
    subprocess.run([sys.executable, "-c", "print('a print of a child')"], check=True)
    return {"said": word}


@graph_fn(outputs=["said"])
async def talker() -> dict[str, Any]:
    """Prints where its result goes, as libraries do."""
    print("a print of the body")
    return {"said": (await chatty("a tool")).said}


@graph_fn
async def second_time(flag: str) -> dict[str, Any]:
    """Fails until `flag` is there."""
    if not Path(flag).exists():
        raise ValueError("not yet")
    return {"there": True}
