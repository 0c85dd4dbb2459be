"""A process whose run writes more than its disk may hold. Arguments: the store, and how many steps.

It tells how the run ended: its result, or its error in one line.
"""

from __future__ import annotations

import random
import sys
from contextlib import closing

from aethergraph import Runtime, graph_fn, tool
from aethergraph.errors import JournalBroken

from .victim import line

RUN_ID = "filler"


@tool
async def grow(i: int) -> str:
    line("ran", i)
    return random.Random(i).randbytes(20_000).hex()


@graph_fn
async def filler(n: int) -> int:
    total = 0
    for i in range(n):
        total += len((await grow(i)).result)
    return total


def main(store: str, n: int) -> None:
    """Start the run, or go on with it."""
    try:
        with closing(Runtime(store)) as runtime:
            known = any(info.run_id == RUN_ID for info in runtime.runs())
            run = runtime.resume(RUN_ID, agent=filler) if known else runtime.start(filler, {"n": n}, run_id=RUN_ID)
            print(run.result().result, flush=True)
    except (JournalBroken, OSError) as error:
        print(f"{type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
