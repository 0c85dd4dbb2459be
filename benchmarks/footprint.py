"""What is left behind: files, disk and memory of finished nodes, and what importing brings."""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import agents
from bench import KIB, MIB, MS, Bench
from measure import Row, interleave, ratios, seconds, take_marks

from aethergraph import Runtime, run


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


def left_behind(bench: Bench) -> list[Row]:
    """What a finished node leaves on disk, and in memory while its run lives; from the growth with n."""
    small, large = bench.sizes.chains[-2:]
    rows = []
    for agent, name, sizes in (
        (agents.pure_chain, "pure chain", (small, large)),
        (agents.fan, "fan", (small, large)),
        (agents.chain, "chain, a commit a step", (bench.sizes.chains[0], small)),
    ):
        disk = [disk_after(bench.folder / f"{agent.name}-{n}", partial(run, agent, n=n)) for n in sizes]
        rows.append(Row(f"disk, {name}", [_growth(disk, sizes) / KIB], "KiB a node", must=0.5))
    for agent, name in ((agents.weighed_chain, "pure chain"), (agents.weighed_fan, "fan")):
        memory = [in_memory(agent, n) for n in (small, large)]
        what = f"memory of finished nodes, {name}, live run"
        rows.append(Row(what, [_growth(memory, (small, large)) / KIB], "KiB a node", must=2.0))
    return rows


def _growth(values: Sequence[float], sizes: tuple[int, int]) -> float:
    return (values[1] - values[0]) / (sizes[1] - sizes[0])


def disk_after(folder: Path, call: Callable[[], object]) -> int:
    """Bytes of a new store in which `call` ran something, as its files lie after the process has let go of it."""
    runtime = Runtime(folder)
    try:
        with runtime.use():
            call()
    finally:
        runtime.close()
    return on_disk(folder)


def on_disk(store: Path) -> int:
    """Bytes of the files of a store, with what its write-ahead log holds where it belongs."""
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()"
    subprocess.run([sys.executable, "-c", code, str(store / "cache.db")], check=True)
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file())


def in_memory(agent: Any, n: int) -> float:
    """Bytes that Python holds more when the n nodes of a run are done and its body still runs."""
    take_marks()
    gc.collect()
    tracemalloc.start()
    try:
        run(agent, n=n)
    finally:
        tracemalloc.stop()
    return take_marks()[0]


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
    compiled = bench.folder / "compiled"
    timed, weighed = (
        {name: partial(_fresh_process, template, code, compiled) for name, code in _IMPORTS.items()}
        for template in (_TIMED, _WEIGHED)
    )
    interleave(timed, 1)  # compiles
    seconds_taken = interleave(timed, bench.sizes.imports)
    bytes_held = interleave(weighed, bench.sizes.imports)
    rows = [Row("import asyncio", [MS * s for s in seconds_taken["asyncio"]], "ms")]
    for name in ("aethergraph", "names"):
        what = _IMPORTS[name]
        more = [(ours - plain) / MIB for ours, plain in zip(bytes_held[name], bytes_held["asyncio"], strict=True)]
        rows.append(
            Row(f"{what} / import asyncio", ratios(seconds_taken[name], seconds_taken["asyncio"]), "x", must=3.0)
        )
        rows.append(Row(f"{what}, more memory than asyncio", more, "MiB", must=15.0))
    return rows


def _fresh_process(template: str, code: str, compiled: Path) -> float:
    """What the code prints in a new process, which finds its modules compiled, as installed ones are."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONPYCACHEPREFIX": str(compiled)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", template.format(code)], check=True, capture_output=True, text=True, env=environment
    )
    return float(done.stdout)
