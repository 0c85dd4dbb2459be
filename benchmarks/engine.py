"""The engine against its speed budget: what a durable node, a resume, a wait, an import and a saved file cost."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import agents
from measure import Row, interleave, mark, ratios, seconds, take_marks

from aethergraph import Run, Runtime, resume, run, start
from aethergraph import facts as f

KIB, MIB = 1 << 10, 1 << 20
US = 1e6

NOT_MEASURED = [
    "10,000 parked waits (memory, disk, idle CPU), and one of 10,000 waiting runs live again: a waiting run stays in"
    " the memory of its process",
    "static graphs: there is no @graphify yet",
    "the live run view (messages, bytes, what it costs the run, drawing): needs a front end",
    "the chain and the fan against LangGraph and DBOS: needs them installed",
]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. chains: nodes of chains and fans, rising; file: bytes of the artifact."""

    rounds: int = 7
    chains: tuple[int, ...] = (100, 1_000, 10_000)
    durable_chain: int = 200
    commits: int = 100
    waits: int = 50
    imports: int = 9
    file: int = 16 * MIB

    @property
    def largest(self) -> int:
        """The longest chain."""
        return self.chains[-1]


_SMALL = Sizes(rounds=2, chains=(10, 20, 40), durable_chain=10, commits=5, waits=3, imports=1, file=64 * KIB)


def sizes(*, small: bool = False, rounds: int | None = None) -> Sizes:
    """What is measured; with `small` only enough to see that it works."""
    chosen = _SMALL if small else Sizes()
    return chosen if rounds is None else replace(chosen, rounds=rounds)


@dataclass(frozen=True, slots=True)
class Bench:
    """A store to measure in."""

    folder: Path
    runtime: Runtime
    sizes: Sizes

    def interleave(self, parts: dict[Any, Callable[[], float]]) -> dict[Any, list[float]]:
        """Each part in each round; one more round before them, which does not count."""
        interleave(parts, 1)
        return interleave(parts, self.sizes.rounds)


def measure(folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> list[Row]:
    """All rows. `folder` must be empty, and on the disk that is meant."""
    runtime = Runtime(folder / "store")
    try:
        with runtime.use():
            bench = Bench(folder, runtime, sizes)
            rows: list[Row] = []
            for row in (pure_chain, pure_fan, durable_fan, durable_chain, replay, wait, artifact, footprint, imports):
                tell(row.__name__)
                rows += row(bench)
            return rows
    finally:
        runtime.close()


# ------------------------------------------------------------------ nodes


def pure_chain(bench: Bench) -> list[Row]:
    """A chain of pure tools against `create_task` + await, and whether late nodes cost what early ones do."""
    slopes: list[float] = []

    def longest() -> float:
        n = bench.sizes.largest
        take_marks()
        took = seconds(lambda: run(agents.pure_chain, n=n, every=n // 10))
        marks = take_marks()
        steps = [after - before for before, after in itertools.pairwise(marks)]
        slopes.append(steps[-1] / steps[0])
        return took

    timed = {n: lambda n=n: seconds(lambda: run(agents.pure_chain, n=n)) for n in bench.sizes.chains}
    timed[bench.sizes.largest] = longest
    rows = _against_bare(bench, "pure chain", timed, agents.bare_chain, goal=4.0, must=8.0)
    name = f"pure chain, last tenth of {bench.sizes.largest:,} nodes / first"
    return [*rows, Row(name, slopes[-bench.sizes.rounds :], "x", goal=1.1, must=1.25)]


def pure_fan(bench: Bench) -> list[Row]:
    """A fan of pure tools against `gather`."""
    timed = {n: lambda n=n: seconds(lambda: run(agents.pure_fan, n=n)) for n in bench.sizes.chains}
    return _against_bare(bench, "pure fan", timed, agents.bare_fan, goal=4.0, must=8.0)


def durable_fan(bench: Bench) -> list[Row]:
    """A fan of default tools against `gather`."""
    timed = {n: lambda n=n: seconds(lambda: run(agents.fan, n=n)) for n in bench.sizes.chains}
    return _against_bare(bench, "fan", timed, agents.bare_fan, goal=None, must=10.0)


def _against_bare(
    bench: Bench,
    name: str,
    timed: dict[int, Callable[[], float]],
    bare: Callable[[int], Coroutine[Any, Any, float]],
    *,
    goal: float | None,
    must: float,
) -> list[Row]:
    """Microseconds a node and the ratio to plain asyncio, by size. The smallest size has no budget: it tells what a
    run costs beside its nodes."""
    parts: dict[Any, Callable[[], float]] = {}
    for n, call in timed.items():
        parts["bare", n] = lambda n=n: _bare(bare, n)
        parts["ours", n] = lambda n=n, call=call: call() / n
    samples = bench.interleave(parts)
    rows = []
    for n in timed:
        ours, plain = samples["ours", n], samples["bare", n]
        budget = (goal, must) if n > bench.sizes.chains[0] else (None, None)
        rows.append(Row(f"{name} of {n:,}", [US * s for s in ours], "us a node"))
        rows.append(Row(f"{name} of {n:,} / plain asyncio", ratios(ours, plain), "x", *budget))
    return rows


def _bare(bare: Callable[[int], Coroutine[Any, Any, float]], n: int) -> float:
    """Seconds a task: of several runs, where one would be too short to time."""
    times = max(1, 2_000 // n)
    took = 0.0
    for _ in range(times):
        gc.collect()
        took += asyncio.run(bare(n))
    return took / times / n


def durable_chain(bench: Bench) -> list[Row]:
    """A chain of default tools beyond one commit a step, and what a run without any node costs."""
    n = bench.sizes.durable_chain
    samples = bench.interleave(
        {
            "commit": lambda: _commit(bench),
            "ours": lambda: seconds(lambda: run(agents.chain, n=n)) / n,
            "empty": lambda: seconds(lambda: run(agents.nothing)),
        }
    )
    beyond = [US * (ours - commit) for ours, commit in zip(samples["ours"], samples["commit"], strict=True)]
    return [
        Row("one commit of one row, fully durable", [US * s for s in samples["commit"]], "us"),
        Row(f"chain of {n:,}", [US * s for s in samples["ours"]], "us a node"),
        Row(f"chain of {n:,}, beyond one commit", beyond, "us a node", goal=60.0, must=150.0),
        Row(f"chain of {n:,} / one commit", ratios(samples["ours"], samples["commit"]), "x"),
        Row("a run without nodes", [1e3 * s for s in samples["empty"]], "ms"),
    ]


def _commit(bench: Bench) -> float:
    """Seconds for one transaction of one row, as long as the facts of one node, into the same store."""
    store, row = bench.runtime.store, os.urandom(160)

    def write() -> None:
        for number in range(bench.sizes.commits):
            with store.transact() as rows:
                rows.set(f"benchmark:{number:09d}", row)

    return seconds(write) / bench.sizes.commits


# ------------------------------------------------------------------ resuming


def replay(bench: Bench) -> list[Row]:
    """From `resume` to the first line after the last recorded node, everything read from disk."""
    n, short = bench.sizes.largest, bench.sizes.chains[-2]
    prepared = {
        f"chain of {n:,}": (_stopped(agents.stopped_pure_chain, n), n),
        f"fan of {n:,}": (_stopped(agents.stopped_fan, n), n),
        f"chain of {short:,}, a commit a step": (_stopped(agents.stopped_chain, short), short),
    }
    samples = bench.interleave({name: lambda run_id=run_id: _replayed(run_id) for name, (run_id, _) in prepared.items()})
    rows = []
    for name, (_, nodes) in prepared.items():
        rows.append(Row(f"resume, {name}", [US * s / nodes for s in samples[name]], "us a node", goal=12.0, must=25.0))
        if nodes == n:
            rows.append(Row(f"resume, {name}, until live", samples[name], "s", must=0.3))
    return rows


def _stopped(agent: Any, n: int) -> str:
    stopped = start(agent, n=n)
    _end(stopped)
    return stopped.run_id


def _end(stopped: Run) -> None:
    with contextlib.suppress(agents.Stopped):
        stopped.result()


def _replayed(run_id: str) -> float:
    take_marks()

    def again() -> None:
        mark()
        _end(resume(run_id))

    seconds(again)
    began, live = take_marks()
    return live - began


# ------------------------------------------------------------------ waits


def wait(bench: Bench) -> list[Row]:
    """Opening a question, answering it as a view does, and going on: what it takes beyond its two commits."""
    n = bench.sizes.waits
    samples = bench.interleave(
        {
            "commit": lambda: _commit(bench),
            "asked": lambda: seconds(lambda: _answered(bench, n)),
            "empty": lambda: seconds(lambda: _answered(bench, 0)),
        }
    )
    each = [(asked - empty) / n for asked, empty in zip(samples["asked"], samples["empty"], strict=True)]
    beyond = [1e3 * (one - 2 * commit) for one, commit in zip(each, samples["commit"], strict=True)]
    return [
        Row("one wait, from asking to going on", [1e3 * s for s in each], "ms"),
        Row("one wait, beyond two commits", beyond, "ms", must=1.0),
    ]


def _answered(bench: Bench, n: int) -> None:
    asking = start(agents.questions, n=n)

    def answer(facts: list[f.AnyFact]) -> None:
        for fact in facts:
            if isinstance(fact, f.WaitOpened):
                bench.runtime.answer_soon(fact.token, "yes", fact.token, lambda reason: None)

    unfollow = asking.follow(answer)
    asking.result(timeout_s=60.0)
    unfollow()


# ------------------------------------------------------------------ artifacts


def artifact(bench: Bench) -> list[Row]:
    """Saving a file against copying and hashing it. Saving flushes to the disk; copying does not, unless told."""
    source, copy = bench.folder / "source.bin", bench.folder / "copy.bin"

    def save() -> float:
        _fresh(source, bench.sizes.file)
        take_marks()
        run(agents.saving, path=str(source))
        began, ended = take_marks()
        return ended - began

    def plain(*, flushed: bool) -> float:
        _fresh(source, bench.sizes.file)
        return seconds(lambda: _copy_and_hash(source, copy, flushed=flushed))

    samples = bench.interleave(
        {"saved": save, "copied": lambda: plain(flushed=False), "flushed": lambda: plain(flushed=True)}
    )
    size = f"{bench.sizes.file / MIB:.3g} MiB"
    return [
        Row(f"artifact of {size}", [bench.sizes.file / MIB / s for s in samples["saved"]], "MiB/s"),
        Row(f"artifact of {size} / copy and sha256", ratios(samples["saved"], samples["copied"]), "x", must=2.0),
        Row(f"artifact of {size} / copy, sha256 and fsync", ratios(samples["saved"], samples["flushed"]), "x"),
    ]


def _fresh(path: Path, size: int) -> None:
    """New content each time: what is in the store already is not written again."""
    with path.open("wb") as file:
        file.write(os.urandom(size))
        file.flush()
        os.fsync(file.fileno())


def _copy_and_hash(source: Path, copy: Path, *, flushed: bool) -> None:
    shutil.copyfile(source, copy)
    with copy.open("rb+") as file:
        hashlib.file_digest(file, "sha256")
        if flushed:
            os.fsync(file.fileno())


# ------------------------------------------------------------------ memory and disk


def footprint(bench: Bench) -> list[Row]:
    """What a finished node leaves in memory while its run is live, and on disk; from the growth with the nodes."""
    small, large = bench.sizes.chains[-2:]
    rows = []
    for agent, name, sizes in (
        (agents.pure_chain, "pure chain", (small, large)),
        (agents.fan, "fan", (small, large)),
        (agents.chain, "chain, a commit a step", (bench.sizes.chains[0], small)),
    ):
        disk = [_on_disk(bench.folder / f"{agent.name}-{n}", agent, n) for n in sizes]
        rows.append(Row(f"disk, {name}", [_growth(disk, sizes) / KIB], "KiB a node", must=0.5))
    memory = [_in_memory(n) for n in (small, large)]
    rows.append(Row("memory, live pure chain", [_growth(memory, (small, large)) / KIB], "KiB a node", must=2.0))
    return rows


def _growth(values: list[int], sizes: tuple[int, int]) -> float:
    return (values[1] - values[0]) / (sizes[1] - sizes[0])


def _on_disk(folder: Path, agent: Any, n: int) -> int:
    """Bytes of a store that holds one run, as its files lie after the process has let go of it."""
    runtime = Runtime(folder)
    try:
        with runtime.use():
            run(agent, n=n)
    finally:
        runtime.close()
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()"
    subprocess.run([sys.executable, "-c", code, str(folder / "cache.db")], check=True)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _in_memory(n: int) -> int:
    """Bytes that Python holds more after a run of n nodes whose `Run` is kept, its state with it."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = start(agents.pure_chain, n=n)
        kept.result()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------ importing

_IMPORTS = {
    "asyncio": "import asyncio",
    "aethergraph": "import aethergraph",
    "names": "from aethergraph import graph_fn, run, tool",
}
_TIMED = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"
_WEIGHED = "{}; import psutil; print(psutil.Process().memory_info().rss)"


def imports(bench: Bench) -> list[Row]:
    """`import aethergraph`, which loads names when they are used, and the import of the names that every user needs."""
    rounds = bench.sizes.imports
    timed = interleave({name: lambda code=code: _fresh_process(_TIMED, code) for name, code in _IMPORTS.items()}, rounds)
    weighed = interleave(
        {name: lambda code=code: _fresh_process(_WEIGHED, code) for name, code in _IMPORTS.items()}, rounds
    )
    rows = [Row("import asyncio", [1e3 * s for s in timed["asyncio"]], "ms")]
    for name in ("aethergraph", "names"):
        what = _IMPORTS[name]
        more = [(ours - plain) / MIB for ours, plain in zip(weighed[name], weighed["asyncio"], strict=True)]
        rows.append(Row(f"{what} / import asyncio", ratios(timed[name], timed["asyncio"]), "x", must=3.0))
        rows.append(Row(f"{what}, more memory than asyncio", more, "MiB", must=15.0))
    return rows


def _fresh_process(template: str, code: str) -> float:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", template.format(code)], check=True, capture_output=True, text=True, env=environment
    )
    return float(done.stdout)
