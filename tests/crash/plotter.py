"""An agent that plots, from its body and from two tools, and is killed meanwhile. As a script it is that process."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from typing import Any

from aethergraph import NodeContext, Runtime, graph_fn, tool

RUN_ID = "plotter"
STEPS = 150


@tool(outputs=["name"])
def train(name: str, *, context: NodeContext) -> str:
    viz: Any = context.viz()
    for step in range(STEPS):
        viz.scalar(f"loss/{name}", step, 1 / (step + 1))
        if step % 50 == 0:
            viz.matrix(f"weights/{name}", step, [[step, 1], [2, 3]])
        time.sleep(0.002)
    return name


@graph_fn
async def study(*, context: NodeContext) -> list[str]:
    names = []
    for number, name in enumerate(("svm", "mlp")):
        await context.viz().scalar("begun", number, 1)
        names.append((await train(name)).name)
    return names


if __name__ == "__main__":
    runtime = Runtime(sys.argv[1])
    with closing(runtime), runtime.use():
        print("up", flush=True)
        runtime.start(study, {}, run_id=RUN_ID).result()
