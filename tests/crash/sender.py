"""An agent that says things to a file and a web server, in its body and in tools, and is killed while it does.

As a script it is the process that is killed: it starts the run in the store that it is given, or goes on with it.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing

from aethergraph import NodeContext, Runtime, graph_fn, tool
from aethergraph.errors import UnknownRun

RUN_ID = "sender"
FILE, HOOK = "SENDER_FILE", "SENDER_HOOK"  # the variables that name where to
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
SAID = ["begin", "fit: done", "Loss: loss.png", "data.csv", "Go on?", "Scores", "from a tool", "from a thread", "end"]


def both() -> list[str]:
    """The channels."""
    return [f"file:{os.environ[FILE]}", f"webhook:{os.environ[HOOK]}"]


@tool
async def say(text: str, *, context: NodeContext) -> None:
    for key in both():
        await context.channel(key).send_text(text)


@tool
def say_in_a_thread(text: str, *, context: NodeContext) -> None:
    for key in both():
        context.channel(key).send_text(text)  # type: ignore[unused-coroutine]


@graph_fn
async def sender(*, context: NodeContext) -> None:
    for key in both():
        channel = context.channel(key)
        await channel.send_text("begin")
        await channel.send_phase("fit", "done")
        await channel.send_image(file_bytes=PNG, title="Loss", filename="loss.png")
        await channel.send_file(file_bytes=b"a,b", filename="data.csv")
        await channel.send_buttons("Go on?", ["Yes"])
        await channel.send_rich("Scores", [{"model": "svm"}])
    await say("from a tool")
    await say_in_a_thread("from a thread")
    for key in both():
        await context.channel(key).send_text("end")


def live(runtime: Runtime) -> None:
    """Run it to its end, if it is not there."""
    try:
        run = runtime.resume(RUN_ID)
    except UnknownRun:
        run = runtime.start(sender, {}, run_id=RUN_ID)
    run.result(30)


if __name__ == "__main__":
    print("up", flush=True)
    with closing(Runtime(sys.argv[1])) as made:
        live(made)
