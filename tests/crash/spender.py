"""A process whose run has a budget. Its clock stands still but for what its tools take, so that it can be counted.

Arguments: the store, the time that its clock begins with, the budget (0: the one that it has), how long its second tool
takes, and "hang" where that one is not to come to its end.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing

from aethergraph import Runtime, graph_fn, tool
from aethergraph.errors import BudgetExceeded
from aethergraph.testing import FakeClock

from .victim import line

RUN_ID = "spender"
clock = FakeClock(float(sys.argv[2]))


@tool
async def step(n: int) -> int:
    line("ran", n)
    sys.modules[__name__].clock.advance(30)  # type: ignore[attr-defined]  # no part of the code of this tool
    return n


@tool
async def hang() -> None:
    sys.modules[__name__].clock.advance(float(sys.argv[4]))  # type: ignore[attr-defined]
    print("hangs", flush=True)
    if sys.argv[5:] == ["hang"]:
        await asyncio.Event().wait()


@graph_fn
async def spender() -> dict[str, int]:
    await step(1)
    await hang()
    for n in range(2, 5):
        await step(n)
    return {"n": 4}


def main(store: str, budget: float | None) -> None:
    """Start the run with this budget, or go on with it, and tell what it gave or has used."""
    with closing(Runtime(store, clock=clock)) as runtime:
        try:
            if any(info.run_id == RUN_ID for info in runtime.runs()):
                run = runtime.resume(RUN_ID, agent=spender, budget=budget)
            else:
                run = runtime.start(spender, {}, run_id=RUN_ID, budget=budget)
            print(dict(run.result()), flush=True)
        except BudgetExceeded as error:
            print(error.spent["seconds"], flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[3]) or None)
