"""An agent that makes one call of the table, and is killed at a step of it. As a script: what forks that process.

A step is an instant before or after something becomes durable, or goes out: a commit, a flush or a rename of a file, a
request. They are counted from where the call begins to the end of the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import aethergraph
from aethergraph import NodeContext, Run, Runtime, graph_fn, tool
from aethergraph.errors import UnknownRun
from aethergraph.storage import disk
from aethergraph.testing import ScriptedChannel

from . import calls
from .calls import CALLS, FOLDER

RUN_ID = "effects"
PLACES = ("body", "tool")
BODY_ALONE = ("continue_as_new",)
ARMED = "CALLS_ARMED"  # the variable that says that the call has begun: a global would count as code of the agent


@tool(outputs=["done"])
async def prepare(*, context: NodeContext) -> bool:
    """What the calls find there."""
    await context.viz().scalar("before", 0, 1)
    await context.kv().mset({"n": 1, "todo": ["read"]})
    await context.memory().record("before", 1, text="a violet light")
    await context.artifacts().save_json([1], "before.json", metrics={"loss": 2.0})
    await context.channel().ask_file("Upload?", name="upload")
    await asyncio.to_thread(aethergraph.signal, "go", 7, context.run_id)
    return True


@tool
async def settle() -> None:
    """It starts once what was prepared is on disk (rule 13): else its signal could be sent twice."""


@tool(outputs=["gave"])
async def within(name: str, *, context: NodeContext) -> Any:
    os.environ[ARMED] = "1"
    return await CALLS[name](context)


@tool
async def tell(gave: Any) -> None:
    """What the call gave goes out, where it cannot be taken back."""
    with Path(os.environ[FOLDER], "told").open("a", encoding="utf-8") as file:
        file.write(f"{gave!r}\n")


@graph_fn
async def agent(name: str, place: str = "body", *, context: NodeContext) -> Any:
    await prepare()
    await settle()
    if place == "tool":
        gave = (await within(name)).gave
    else:
        os.environ[ARMED] = "1"
        gave = await CALLS[name](context)
    await tell(gave)
    return gave


class Steps:
    """Counts the steps of this process, and kills it at one of them."""

    def __init__(self) -> None:
        self.seen = self.fatal = 0
        self._lock = threading.Lock()

    def step(self) -> None:
        """One of them is here."""
        with self._lock:
            if ARMED not in os.environ:
                return
            self.seen += 1
            if self.seen == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str) -> None:
        """A step before and one after each call of a function."""
        real = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.step()
            try:
                return real(*args, **kwargs)
            finally:
                self.step()

        setattr(owner, name, call)

    def begin(self, fatal: int) -> None:
        """Kill at step `fatal`; 0: never."""
        self.fatal = fatal
        for owner, name in (
            (os, "fsync"), (os, "replace"), (disk._Transaction, "__exit__"), (http.client.HTTPConnection, "endheaders"),
            (http.client.HTTPConnection, "getresponse"),
        ):  # fmt: skip
            self.around(owner, name)


STEPS = Steps()


def live(runtime: Runtime, name: str, place: str) -> Run:
    """Run it to its end, if it is not there."""
    with contextlib.closing(runtime), runtime.use(), ScriptedChannel({**calls.ANSWERS, "upload": [("u.csv", b"3")]}):
        runtime.register_service("lab", calls.Lab())
        try:
            run = runtime.resume(RUN_ID)
        except UnknownRun:
            run = runtime.start(agent, {"name": name, "place": place}, run_id=RUN_ID)
        run.result(30)
        return run


def process(folder: str, name: str, place: str, fatal: int) -> None:
    """What the forked process does; how many steps it had is in a file of its folder."""
    os.environ[FOLDER], os.environ[calls.FILE] = folder, str(Path(folder, "said.txt"))
    STEPS.begin(fatal)
    live(Runtime(Path(folder, "store")), name, place)
    Path(folder, "steps").write_text(str(STEPS.seen), encoding="utf-8")


def main() -> None:
    """Fork one process for each line of JSON (folder, name, place, step), and print how it ended."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            code = 1
            try:
                process(*json.loads(line))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
