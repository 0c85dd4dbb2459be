"""This project, for `side.py`: default tools, each started when what it needs is on disk."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import agents
from measure import take_marks
from side import at_rest, fewer, held, main, on_disk, resident, tell
from waits import answered, count_parked, parked

from aethergraph import Runtime, run


@contextmanager
def opened(folder: str) -> Iterator[Runtime]:
    """A store in `folder`, fully durable, as it ships; but a run that waits leaves memory at once."""
    runtime = Runtime(Path(folder) / "store", park_after_s=0.0)
    try:
        with runtime.use():
            yield runtime
    finally:
        runtime.close()


def seconds(agent: Any, n: int) -> float:
    """How long one run takes."""
    began = time.perf_counter()
    run(agent, n=n)
    return time.perf_counter() - began


def speed(folder: str, steps: int, width: int, repeats: int) -> dict[str, float]:
    parts = {"chain": (agents.chain, steps), "fan": (agents.fan, width), "nested": (agents.nested, steps)}
    parts["chain ahead"] = (agents.pure_chain, steps)
    with opened(folder):
        for agent, _ in parts.values():
            run(agent, n=10)
        return {name: min(seconds(agent, n) for _ in range(repeats)) / n for name, (agent, n) in parts.items()}


def space(folder: str, steps: int) -> dict[str, float]:
    with opened(folder):
        run(agents.weighed_default_chain, n=10)
        disk, memory = on_disk(folder), held()
        take_marks()
        run(agents.weighed_default_chain, n=steps)
        (weight,) = take_marks()
        chained = on_disk(folder)
        run(agents.fan, n=steps)
        return {
            "disk, chain": (chained - disk) / steps,
            "disk, fan": (on_disk(folder) - chained) / steps,
            "memory, chain": (weight - memory) / steps,
        }


def stop(folder: str, steps: int, limit_s: float) -> dict[str, Any]:
    with opened(folder) as runtime:
        n = fewer(steps, seconds(agents.chain, 100) / 100, limit_s)
        os.environ["BENCHMARK_DIES"] = "yes"
        tell({"steps": n})
        runtime.start(agents.dying_chain, {"n": n}, run_id="chain").result()
    raise AssertionError("the process is gone")


def go_on(folder: str, steps: int) -> dict[str, float]:
    take_marks()
    began = time.perf_counter()
    with opened(folder) as runtime:
        runtime.resume("chain").result()
        (live,) = take_marks()
        return {"seconds": live - began}


def park(folder: str, waits: int, limit_s: float, idle_s: float) -> dict[str, Any]:
    with opened(folder) as runtime:
        count_parked(runtime)
        began = time.perf_counter()
        few = parked(runtime, 20)
        n = fewer(waits, (time.perf_counter() - began) / 20, limit_s)
        memory, disk = resident(), on_disk(folder)
        ids = parked(runtime, n)
        memory, disk, share = resident() - memory, on_disk(folder) - disk, at_rest(idle_s)
        warm = [answered(runtime, run_id) for run_id in few[:10]]
        found = {"waits": n, "memory": memory / n, "disk": disk / n, "processor": share, "answered": warm}
        return {**found, "waiting": ids[n // 2]}


def answer(folder: str, waiting: str) -> dict[str, float]:
    began = time.perf_counter()
    with opened(folder) as runtime:
        runtime.load(waiting).answer("yes")
        assert runtime.resume(waiting).result(60.0).result == "yes"
        return {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    main(speed, space, stop, go_on, park, answer)
