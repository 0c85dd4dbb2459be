"""What the sides of a comparison share. Plain Python only: each side runs in a process of its own, by its interpreter.

A side is a file of tasks: `python side_x.py TASK FOLDER '{"steps": 200}'` prints what the task returns, as JSON, on its
last line. Tasks that mean the same have the same name in each side:

    speed(folder, steps, width, repeats)   seconds a step of a chain, a fan and nested graphs, the best of `repeats`;
                                           "chain ahead": a step may start before the one before is on disk
    space(folder, steps)                   bytes a step on disk, and in memory while its run lives
    stop(folder, steps, limit_s)           run so many steps, or fewer in `limit_s` seconds; die without cleaning up
    go_on(folder, steps)                   open the store after that: seconds until the run is past its last step
    park(folder, waits, limit_s, idle_s)   so many runs that wait, or fewer: bytes each, processor at rest, one answered
    answer(folder, waiting)                open the store after that: seconds until one is answered and done
"""

from __future__ import annotations

import contextlib
import gc
import json
import sqlite3
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main(*tasks: Callable[..., dict[str, Any]]) -> None:
    """Do the task that the command line names."""
    name, folder, given = sys.argv[1:]
    (task,) = [one for one in tasks if one.__name__ == name]
    tell(task(folder, **json.loads(given)))


def tell(found: dict[str, Any]) -> None:
    """The last line; for tasks that do not return."""
    print(json.dumps(found), flush=True)


def fewer(n: int, each_s: float, limit_s: float) -> int:
    """n, or what fits into the limit, in round hundreds where there are hundreds."""
    fits = min(n, int(limit_s / each_s))
    return fits if fits == n or fits < 100 else fits // 100 * 100


def on_disk(folder: str) -> int:
    """Bytes of all files below `folder`, with what write-ahead logs hold where it belongs."""
    for path in Path(folder).rglob("*.db"):
        with contextlib.closing(sqlite3.connect(path, timeout=30.0)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def held() -> int:
    """Bytes that Python holds, garbage aside; tracing begins with the first call."""
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def resident() -> int:
    """Bytes of this process, where the system tells them in a file; else 0."""
    gc.collect()
    told = Path("/proc/self/statm")
    return int(told.read_text(encoding="utf-8").split()[1]) * 4096 if told.exists() else 0


def at_rest(for_s: float) -> float:
    """Share of a processor that this process takes while nothing happens."""
    time.sleep(1.0)  # what was begun comes to rest
    used = time.process_time()
    time.sleep(for_s)
    return (time.process_time() - used) / for_s
