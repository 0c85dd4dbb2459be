"""DBOS on SQLite, for `side.py`. Needs `dbos`."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from dbos import DBOS, DBOSConfig, SetWorkflowID
from side import at_rest, fewer, held, main, on_disk, resident, tell

DAY_S = 86_400.0
_at_end: list[Callable[[], object]] = []  # what the body of `stopped` calls after its last step
_asking = threading.Semaphore(0)  # counts the workflows that are about to wait


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
    for call in _at_end:
        call()
    return y


@DBOS.workflow()
async def fan(n: int) -> int:
    """Steps that need nothing of each other."""
    return sum(await asyncio.gather(*[step(i) for i in range(n)]))


@DBOS.workflow()
async def part(x: int) -> int:
    """What `nested` has inside."""
    return await step(x)


@DBOS.workflow()
async def nested(n: int) -> int:
    """A workflow of one step, n times, each after the one before."""
    y = 0
    for _ in range(n):
        y = await part(y)
    return y


@DBOS.workflow()
async def waiting() -> str:
    """Waits for one message."""
    _asking.release()
    return str(await DBOS.recv_async("answers", timeout_seconds=DAY_S))


@contextmanager
def launched(folder: str) -> Iterator[None]:
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
        yield
    finally:
        DBOS.destroy()


async def seconds(call: Coroutine[Any, Any, object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    await call
    return time.perf_counter() - began


def speed(folder: str, steps: int, width: int, repeats: int) -> dict[str, float]:
    async def measured() -> dict[str, float]:
        await chain(10), await fan(10), await nested(10)
        return {
            "chain": min([await seconds(chain(steps)) for _ in range(repeats)]) / steps,
            "fan": min([await seconds(fan(width)) for _ in range(repeats)]) / width,
            "nested": min([await seconds(nested(steps)) for _ in range(repeats)]) / steps,
        }

    with launched(folder):
        return asyncio.run(measured())


def space(folder: str, steps: int) -> dict[str, float]:
    async def measured() -> dict[str, float]:
        await chain(10)
        disk, memory = on_disk(folder), held()
        weights: list[int] = []
        _at_end.append(lambda: weights.append(held()))
        await chain(steps)
        chained = on_disk(folder)
        await fan(steps)
        return {
            "disk, chain": (chained - disk) / steps,
            "disk, fan": (on_disk(folder) - chained) / steps,
            "memory, chain": (weights[0] - memory) / steps,
        }

    with launched(folder):
        return asyncio.run(measured())


def stop(folder: str, steps: int, limit_s: float) -> dict[str, Any]:
    async def until_death() -> None:
        n = fewer(steps, await seconds(chain(100)) / 100, limit_s)

        def die() -> None:
            tell({"steps": n})
            os._exit(0)

        _at_end.append(die)
        with SetWorkflowID("chain"):
            await chain(n)

    with launched(folder):
        asyncio.run(until_death())
    raise AssertionError("the process is gone")


def go_on(folder: str, steps: int) -> dict[str, float]:
    live = threading.Event()
    _at_end.append(live.set)
    began = time.perf_counter()
    with launched(folder):
        assert live.wait(timeout=120.0), "the workflow was not taken up"
        return {"seconds": time.perf_counter() - began}


def park(folder: str, waits: int, limit_s: float, idle_s: float) -> dict[str, Any]:
    async def begin(names: list[str]) -> list[Any]:
        handles = []
        for name in names:
            with SetWorkflowID(name):
                handles.append(await DBOS.start_workflow_async(waiting))
        for _ in names:
            while not _asking.acquire(blocking=False):
                await asyncio.sleep(0.001)
        return handles

    async def answered(handle: Any) -> None:
        await DBOS.send_async(handle.workflow_id, "yes", "answers")
        assert await handle.get_result() == "yes"

    async def measured() -> dict[str, Any]:
        began = time.perf_counter()
        few = await begin([f"timed-{number}" for number in range(20)])
        n = fewer(waits, (time.perf_counter() - began) / 20, limit_s)
        memory, disk = resident(), on_disk(folder)
        handles = await begin([f"wait-{number}" for number in range(n)])
        await asyncio.sleep(2.0)  # the last ones write that they wait
        share = await _at_rest(idle_s)
        memory, disk = resident() - memory, on_disk(folder) - disk
        warm = [await seconds(answered(handle)) for handle in few[:5]]
        found = {"waits": n, "memory": memory / n, "disk": disk / n, "processor": share, "answered": warm}
        tell({**found, "waiting": handles[n // 2].workflow_id})
        os._exit(0)  # so many that wait take minutes to let go of

    with launched(folder):
        return asyncio.run(measured())


async def _at_rest(for_s: float) -> float:
    """The loop must turn meanwhile: waiting is work of it."""
    return await asyncio.to_thread(at_rest, for_s)


def answer(folder: str, waiting: str) -> dict[str, float]:
    began = time.perf_counter()
    with launched(folder):
        DBOS.send(waiting, "yes", "answers")
        assert DBOS.retrieve_workflow(waiting).get_result() == "yes"
        tell({"seconds": time.perf_counter() - began})
        os._exit(0)


if __name__ == "__main__":
    main(speed, space, stop, go_on, park, answer)
