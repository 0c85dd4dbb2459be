"""A process that ends while a tool of its run blocks a thread with a question."""

from __future__ import annotations

import sys
import threading

from aethergraph import NodeContext, Runtime, graph_fn, tool
from aethergraph.record import facts
from aethergraph.record.facts import AnyFact


@tool(outputs=["name"])
def christen(what: str, *, context: NodeContext) -> str:
    return context.channel("inbox").ask_text(f"Which name for {what}?")


@graph_fn
async def agent(*, context: NodeContext) -> str:
    return (await christen("it")).name


def leave(folder: str, how: str) -> None:
    """Start the run, wait for its question, and let go of it."""
    runtime, asked = Runtime(folder), threading.Event()

    def look(batch: list[AnyFact]) -> None:
        if any(isinstance(fact, facts.WaitOpened) for fact in batch):
            asked.set()

    run = runtime.start(agent, {}, run_id="left")
    run.follow(look)
    assert asked.wait(20)
    if how == "close":
        runtime.close()
    elif how != "end":
        getattr(run, how)()


if __name__ == "__main__":
    leave(sys.argv[1], sys.argv[2])
