"""What the live run view costs the kernel: the same run with and without a view, its messages, and a large graph.

The view is the real widget with no browser behind it: what it would send is counted. Drawing in a browser comes on top.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from bench import MS, Bench
from measure import Row

from aethergraph import Run, graph_fn, start, tool
from aethergraph.record import facts as f
from aethergraph.views.picture import Picture
from jupyter_ext import following, run_view
from jupyter_ext.patches import Teller

TICK_S = 0.005  # a step of the watched run; a few hundred of them change state each second
BOXES = 1_000


@tool(outputs=["y"])
async def tick(x: int) -> dict[str, int]:
    """A step that takes a while."""
    await asyncio.sleep(TICK_S)
    return {"y": x + 1}


@graph_fn
async def ticks(n: int) -> int:
    """Twelve chains at a time, as wide as a screen."""

    async def chain(first: int) -> int:
        y = first
        for _ in range(n // 12):
            y = (await tick(y)).y
        return y

    return sum(await asyncio.gather(*(chain(1_000 * i) for i in range(12))))


class _Counted(run_view.RunView):
    """A view that counts what it would send."""

    def __init__(self, run: Run) -> None:
        self.messages, self.bytes = 0, 0
        super().__init__(run)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.messages += 1
        self.bytes += len(json.dumps(content))


def view(bench: Bench) -> list[Row]:
    """CPU of a run that is watched against one that is not, messages a second, and the snapshot of a large graph."""
    following.publish = lambda *_, **__: None  # type: ignore[assignment]  # there is no cell to publish in
    n = 12 * max(2, bench.sizes.largest // 50)
    rates: list[float] = []
    sizes: list[float] = []
    walls: dict[bool, list[float]] = {False: [], True: []}
    samples = bench.interleave(
        {
            "bare": lambda: _cpu(n, walls[False], None),
            "watched": lambda: _cpu(n, walls[True], (rates, sizes)),
        }
    )
    cpu = zip(samples["watched"], samples["bare"], strict=True)
    wall = zip(walls[True], walls[False], strict=True)
    return [
        Row("live view, time of a run that is watched / not watched", [a / b for a, b in wall], "x", must=1.05),
        Row("live view, CPU of a run that is watched / not watched", [a / b for a, b in cpu], "x"),
        Row("live view, messages", rates, "a second", must=10.5),
        Row("live view, a patch", sizes, "bytes"),
        Row(f"live view, snapshot of {BOXES:,} boxes", [_snapshot() * MS for _ in range(3)], "ms", must=1_000.0),
    ]


def _cpu(n: int, walls: list[float], told: tuple[list[float], list[float]] | None) -> float:
    cpu, began = time.process_time(), time.perf_counter()
    run = start(ticks, n=n)
    watching = _Counted(run) if told is not None else None
    run.result()
    wall = time.perf_counter() - began
    walls.append(wall)
    if watching is not None and told is not None:
        told[0].append(watching.messages / wall)
        told[1].append(watching.bytes / max(1, watching.messages))
        watching.shut()
    return time.process_time() - cpu


def _snapshot() -> float:
    picture = Picture()
    picture.fold(f.RunStarted("large", "large", 0.0, b"", b""))
    for no in range(1, BOXES + 1):
        deps = (no // 2,) if no > 1 else ()
        done = f.NodeRan(
            no, no.to_bytes(16, "big"), 0, "", 0, f"step{no}", f"step{no}", b"", 1.0, 0.1, True, b"", deps=deps
        )
        picture.fold(done)
    began = time.perf_counter()
    json.dumps(Teller(picture).snapshot(2.0, live=True))
    return time.perf_counter() - began
