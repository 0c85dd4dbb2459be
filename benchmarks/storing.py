"""What the store costs: what a node leaves in it, how that grows, and what reading, listing and deleting take."""

from __future__ import annotations

import math
import os
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import agents
import kinds
from bench import KIB, MS, US, Bench, Sizes, commit, sizes
from footprint import disk_after, in_memory, left_behind, on_disk
from measure import Row, interleave, ratios, seconds

from aethergraph import Runtime, load_run, run, start

__all__ = ["NOT_MEASURED", "measure", "sizes"]

NOT_MEASURED = ["a store on a network file system"]
FLAT = 1.1  # an exponent above this is told as missed: 1 is growth with the nodes, 2 with their square


def measure(folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> list[Row]:
    """All rows. `folder` must be empty, and on the disk that is meant."""
    rows: list[Row] = []
    for part in (by_kind, growth, reading, listing):
        tell(f"the store: {part.__name__.replace('_', ' ')}")
        rows += part(folder, sizes)
    with _store(folder / "store") as runtime:
        bench = Bench(folder, runtime, sizes)
        for of_bench in (commits, left_behind):
            tell(f"the store: {of_bench.__name__.replace('_', ' ')}")
            rows += of_bench(bench)
    return rows


# ------------------------------------------------------------------ by kind


def by_kind(folder: Path, sizes: Sizes) -> list[Row]:
    """Disk of a node by what it returned, from the growth between two sizes."""
    small, large = sizes.chains[0], sizes.chains[-2]
    rows = []
    for number, kind in enumerate(kinds.KINDS):
        disk = [
            disk_after(folder / f"kind-{number}-{n}", partial(run, kinds.kept, kind=kind, n=n)) for n in (small, large)
        ]
        each = (disk[1] - disk[0]) / (large - small) / KIB
        rows.append(Row(f"disk, a node with {kind}", [each], "KiB", must=0.5 if kind in kinds.SMALL else None))
    return rows


# ------------------------------------------------------------------ growth


def growth(folder: Path, sizes: Sizes) -> list[Row]:
    """The exponent b of `cost = a * nodes ** b`, fitted on a log-log line, of what the nodes add to an empty run."""
    steps = (0, *sizes.growth)
    span = f"{sizes.growth[0]:,} to {sizes.growth[-1]:,} nodes"
    rows = []
    for agent, weighed, name in (
        (agents.pure_chain, agents.weighed_chain, "pure chain"),
        (agents.fan, agents.weighed_fan, "fan"),
    ):
        disk = [disk_after(folder / f"growth-{agent.name}-{n}", partial(run, agent, n=n)) for n in steps]
        with _store(folder / f"growth-{agent.name}"):
            parts = {n: partial(seconds, partial(run, agent, n=n)) for n in steps}
            interleave(parts, 1)  # the first round does not count
            took = [min(samples) for samples in interleave(parts, sizes.rounds).values()]
            in_memory(weighed, sizes.growth[0])  # what is made once and kept does not count
            memory = [in_memory(weighed, n) for n in steps]
        for what, costs in (("time", took), ("disk", disk), ("memory", memory)):
            added = [max(cost - costs[0], cost / 1_000) for cost in costs[1:]]  # what noise hides tells against us
            rows.append(
                Row(f"growth of {what}, {name}, {span}", [exponent(sizes.growth, added)], "exponent", must=FLAT)
            )
    return rows


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The slope of the least-squares line through the logarithms of `costs` over those of `sizes`."""
    line = statistics.linear_regression([math.log(n) for n in sizes], [math.log(cost) for cost in costs])
    return line.slope


@contextmanager
def _store(folder: Path) -> Iterator[Runtime]:
    runtime = Runtime(folder)
    try:
        with runtime.use():
            yield runtime
    finally:
        runtime.close()


# ------------------------------------------------------------------ reading, listing, deleting


def reading(folder: Path, sizes: Sizes) -> list[Row]:
    """A finished run of many nodes, read by a process that has just opened the store."""
    n, store = sizes.largest, folder / "reading"
    with _store(store):
        run_id = start(agents.fan, n=n).run_id
        load_run(run_id).result()
    took: list[float] = []
    for _ in range(sizes.rounds):
        with _store(store) as runtime:
            began = time.perf_counter()
            nodes = runtime.load(run_id).nodes
            took.append(time.perf_counter() - began)
        assert len(nodes) == n
    return [
        Row(f"reading a run of {n:,} nodes", [MS * s for s in took], "ms"),
        Row(f"reading a run of {n:,} nodes, each", [US * s / n for s in took], "us a node"),
    ]


def listing(folder: Path, sizes: Sizes) -> list[Row]:
    """Many finished runs: how they are listed, what they weigh, and what collecting all but the newest takes."""
    n, store = sizes.runs, folder / "listing"
    with _store(store) as runtime:
        for first in range(0, n, 100):
            going = [runtime.start(agents.pure_chain, {"n": 1}) for _ in range(first, min(n, first + 100))]
            for one in going:
                one.result()
        runtime.gc(dry_run=False)  # as compact as it is to be compared with
    full = on_disk(store)
    everything, newest = [], []
    for _ in range(sizes.rounds):
        with _store(store) as runtime:
            began = time.perf_counter()
            assert len(runtime.runs(limit=None)) == n
            middle = time.perf_counter()
            assert runtime.runs()
            everything.append(middle - began), newest.append(time.perf_counter() - middle)
    with _store(store) as runtime:
        told = [seconds(lambda: runtime.gc(keep=1)) for _ in range(sizes.rounds)]
        began = time.perf_counter()
        gone = runtime.gc(keep=1, dry_run=False).runs
        took = time.perf_counter() - began
    assert len(gone) == n - 1
    name = f"{n:,} runs"
    return [
        Row(f"listing {name}", [MS * s for s in everything], "ms"),
        Row(f"listing the newest 50 of {name}", [MS * s for s in newest], "ms"),
        Row(f"disk of {name} of one node, each", [full / n / KIB], "KiB"),
        Row(f"gc of {name}, the report", [MS * s for s in told], "ms"),
        Row(f"gc of {name}, deleting", [MS * took / len(gone)], "ms a run"),
        Row(f"gc of {name}, disk given back", [100 * (full - on_disk(store)) / full], "%"),
    ]


# ------------------------------------------------------------------ commits


def commits(bench: Bench) -> list[Row]:
    """One durable commit of one row, beside the same by hand: SQLite with a write-ahead log, flushed each time."""
    connection = sqlite3.connect(bench.folder / "bare.db", isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL"), connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (key TEXT PRIMARY KEY, value BLOB)")
        samples = bench.interleave({"ours": lambda: commit(bench), "bare": lambda: _by_hand(bench, connection)})
    finally:
        connection.close()
    return [
        Row("one durable commit of one row", [US * s for s in samples["ours"]], "us"),
        Row("one durable commit of one row / SQLite by hand", ratios(samples["ours"], samples["bare"]), "x"),
    ]


def _by_hand(bench: Bench, connection: sqlite3.Connection) -> float:
    row = os.urandom(160)
    (first,) = connection.execute("SELECT COUNT(*) FROM rows").fetchone()

    def write() -> None:
        for number in range(first, first + bench.sizes.commits):
            connection.execute("INSERT INTO rows VALUES (?, ?)", (f"benchmark:{number:09d}", row))

    return seconds(write) / bench.sizes.commits
