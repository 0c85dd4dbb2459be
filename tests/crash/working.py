"""A run whose tools run in worker processes: each call leaves a line, and the last waits for a pipe to be written."""

from __future__ import annotations

import os
import sys
from typing import Any

from aethergraph import Runtime, graph_fn, tool

RUN_ID = "working"
FOLDER = "AETHERGRAPH_TEST_WORKER_FOLDER"  # what tools are given is a name in it: of a path, they would be tried again
BEGUN, GO = "begun", "go"  # named pipes there; without them nothing waits


@tool(outputs=["y"], runs_in="process")
def square(x: int, life: str) -> dict[str, int]:
    _line(life, f"square {x}")
    return {"y": x * x}


@tool(outputs=["y"], runs_in="process", retries=1, backoff_s=0.0)
def crashes_once(x: int, life: str) -> dict[str, int]:
    _line(life, f"crashes {x}")
    marker = os.path.join(os.environ[FOLDER], life, "marker")
    if not os.path.exists(marker):
        os.mkdir(marker)
        os._exit(3)
    return {"y": x}


@tool(outputs=["y"], runs_in="process")
def held(x: int, life: str) -> dict[str, int]:
    _line(life, f"held {x}")
    begun, go = (os.path.join(os.environ[FOLDER], life, name) for name in (BEGUN, GO))
    if os.path.exists(go):
        with open(begun, "w", encoding="utf-8") as told:
            told.write(str(os.getpid()))
        with open(go, encoding="utf-8") as until:
            until.read()
    return {"y": x + 1}


@graph_fn
async def working(life: str) -> dict[str, Any]:
    y = (await square(3, life)).y
    y = (await crashes_once(y, life)).y
    return {"y": (await held(y, life)).y}


def _line(life: str, text: str) -> None:
    file = os.open(os.path.join(os.environ[FOLDER], life, "lines"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{text}\n".encode())
    os.close(file)


def main() -> None:
    """Run it, in the store and under the name that the arguments say."""
    runtime = Runtime(sys.argv[1])
    with runtime.use():
        runtime.start(working, {"life": sys.argv[2]}, run_id=RUN_ID).result()
