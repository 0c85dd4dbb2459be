"""A process that owns a run: it waits for an answer, then for a line on its standard input. Commands: see `main`."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from aethergraph import NodeContext, Run, Runtime, graph_fn, tool
from aethergraph.errors import AetherGraphError
from aethergraph.record import facts as f

RUN_ID = "owned"


def say(*words: object) -> None:
    """A line of its own, even where two processes write to one pipe."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


@tool(outputs=["n"])
def step(n: int) -> int:
    return n + 1


@tool(outputs=["heard"])
def listen() -> str:
    """Lasts until somebody writes a line to the process that is told to."""
    if os.environ.get("LISTENS"):
        say("listening")
        sys.stdin.readline()
    return "heard"


@graph_fn
async def owned(*, context: NodeContext) -> dict[str, Any]:
    n = (await step(1)).n
    answer = await context.channel("inbox").ask_text("Go on?")
    heard = (await listen()).heard
    return {"n": (await step(n)).n, "answer": answer, "heard": heard}


def asked(run: Run) -> None:
    """Return once its question is on disk."""
    there = threading.Event()

    def look(facts: list[f.AnyFact]) -> None:
        if any(isinstance(fact, f.WaitOpened) for fact in facts):
            there.set()

    run.follow(look)
    assert there.wait(30)


def own(runtime: Runtime) -> None:
    """Run it to its end; tell how that was."""
    run = runtime.start(owned, {}, run_id=RUN_ID)
    asked(run)
    say("asked")
    try:
        say("done", dict(run.result()))
    except AetherGraphError as error:
        say(type(error).__name__, error)


def fork(runtime: Runtime) -> None:
    """Fork while the run waits; the child tries to use the engine, and stays until its standard input is closed."""
    run = runtime.start(owned, {}, run_id=RUN_ID)
    asked(run)
    child = os.fork()
    if child:
        say("child", child)
        threading.Event().wait()
    for act in (lambda: runtime.start(owned, {}), lambda: runtime.resume(RUN_ID), lambda: runtime.owner.id):
        try:
            act()
        except AetherGraphError as error:
            say(type(error).__name__, error)
    sys.stdin.read()
    say("left")


def main() -> None:
    """`FOLDER own` or `FOLDER fork`. It is imported: run as a script its tools would be those of another module."""
    {"own": own, "fork": fork}[sys.argv[2]](Runtime(sys.argv[1]))
