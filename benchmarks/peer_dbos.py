"""A chain and a fan in DBOS on SQLite, for `peers.py`: prints the seconds as JSON.

Run in a process of its own, by an interpreter that has `dbos`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import sqlalchemy
from dbos import DBOS, DBOSConfig


@sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "connect")
def _durable(connection, _):  # type: ignore[no-untyped-def]
    connection.execute("PRAGMA synchronous=FULL")


@DBOS.step()
async def step(x: int) -> int:
    """One step, on disk when it is done."""
    return x + 1


@DBOS.workflow()
async def chain(n: int) -> int:
    """Each step needs the one before."""
    y = 0
    for _ in range(n):
        y = await step(y)
    return y


@DBOS.workflow()
async def fan(n: int) -> int:
    """Steps that need nothing of each other."""
    return sum(await asyncio.gather(*[step(i) for i in range(n)]))


async def measure(steps: int, width: int, rounds: int) -> dict[str, list[float]]:
    """One round more than is told: the first does not count."""
    told: dict[str, list[float]] = {"chain": [], "fan": []}
    for number in range(rounds + 1):
        began = time.perf_counter()
        await chain(steps)
        middle = time.perf_counter()
        await fan(width)
        if number:
            told["chain"].append((middle - began) / steps)
            told["fan"].append((time.perf_counter() - middle) / width)
    return told


def main(folder: str, steps: int, width: int, rounds: int) -> None:
    """A system database of its own in `folder`."""
    config: DBOSConfig = {
        "name": "benchmark",
        "system_database_url": f"sqlite:///{Path(folder) / 'dbos.db'}",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        print(json.dumps(asyncio.run(measure(steps, width, rounds))), flush=True)
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
