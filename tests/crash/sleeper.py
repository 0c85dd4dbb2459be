"""A process whose runs only wait, out of memory. It tells what becomes of them, and how many are parked when asked."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Any

from aethergraph import NodeContext, Runtime, graph_fn, tool

from .victim import line


@tool(outputs=["y"])
async def double(x: int) -> int:
    line("ran", x)
    return 2 * x


@graph_fn
async def sleeper(x: int, *, context: NodeContext) -> dict[str, Any]:
    y = (await double(x)).y
    word = await context.channel("inbox").ask_text("Go on?")
    return {"y": y, "word": word}


if __name__ == "__main__":
    with closing(Runtime(sys.argv[1], park_after_s=0.0)) as runtime:
        # Held, so that their ends can be told.
        runs = [runtime.start(sleeper, {"x": x}, run_id=f"sleeper-{x}") for x in range(int(sys.argv[2]))]
        for run in runs:
            run.future.add_done_callback(lambda done, run_id=run.run_id: print("ended", run_id, flush=True))
        for _ in sys.stdin:
            print("parked", len(runtime.parking), flush=True)
