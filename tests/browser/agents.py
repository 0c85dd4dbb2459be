"""Cells that the browser tests run. Each tool writes a line when it runs, so that a second time would be seen."""

from __future__ import annotations

from pathlib import Path

LOAD = "%load_ext aethergraph"

SURVEY = """
from pathlib import Path

from aethergraph import graph_fn, run, start, tool


def ran(name):
    with open("ran.txt", "a") as log:
        print(name, file=log)


@tool(outputs=["rows"])
def load():
    ran("load")
    return [3, 1, 2]


@tool(outputs=["rows"])
def order(rows):
    ran("order")
    return sorted(rows)


@tool(outputs=["text"])
def report(rows, kept, title):
    ran("report")
    return f"{title}: {kept} of {rows}"


@graph_fn(outputs=["text"])
async def survey(*, context):
    channel = context.channel()
    rows = (await order((await load()).rows)).rows
    await channel.send_text("sorted " + str(rows))
    kept = await channel.ask_choice("Which row shall I keep?", options=[str(row) for row in rows], name="row")
    title = await channel.ask_text("What is the title?", name="title")
    return await report(rows, kept, title)
"""

CHAIN = """
@graph_fn
async def talk(said=0, *, context):
    text = await context.channel().ask_text(f"Line {said + 1}?")
    if text != "bye":
        await context.continue_as_new(said=said + 1)
    return {"said": said}
"""

GATE = '''
import time


@tool(outputs=["n"])
def gate(name):
    """Runs until a file of that name is there."""
    while not Path(name).exists():
        time.sleep(0.02)
    return 1


@graph_fn(outputs=["n"])
async def gated(*, context):
    await load()
    opened = await gate("go")
    await context.channel().ask_approval("Go on?", name="on")
    return opened
'''

BUSY = '''
import asyncio
import itertools
import time


@tool(outputs=["steps"])
def busy(context):
    """Shows something new all the time until there is a file `enough`."""
    for step in itertools.count():
        if Path("enough").exists():
            return step
        context.viz().scalar("noise", step, step % 7)
        print("step", step)
        time.sleep(0.01)


@graph_fn(outputs=["name"])
async def distracted(*, context):
    working = busy()
    name = await context.channel().ask_text("What is your name?", name="name")
    await working
    return name
'''

TITLE = """
@graph_fn(outputs=["text"])
async def titled(*, context):
    rows = (await load()).rows
    title = await context.channel().ask_text("What is the title?", name="title")
    return f"{title}: {rows}"
"""

SAVED = """
@graph_fn
async def saved(*, context):
    await load()
    await context.artifacts().save_text("# Rows", name="notes.md")
"""


def lines(folder: Path) -> list[str]:
    """Which tools ran, in order."""
    path = folder / "ran.txt"
    return path.read_text().split() if path.exists() else []
