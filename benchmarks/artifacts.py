"""What artifacts cost: saving and loading against copying and hashing, and finding one among many."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import MIB, MS, Bench, Sizes, sizes
from measure import Row, mark, ratios, seconds, take_marks

from aethergraph import NodeContext, Runtime, graph_fn, run
from aethergraph.services import catalogue

__all__ = ["NOT_MEASURED", "measure", "sizes"]

NOT_MEASURED = ["artifacts on a network file system"]
FILES = 64  # of a folder


def measure(folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> list[Row]:
    """All rows. `folder` must be empty, and on the disk that is meant."""
    runtime = Runtime(folder / "store")
    try:
        with runtime.use():
            bench = Bench(folder, runtime, sizes)
            rows: list[Row] = []
            for part in (saving, finding):
                tell(f"artifacts: {part.__name__}")
                rows += part(bench)
            return rows
    finally:
        runtime.close()


# ------------------------------------------------------------------ saving and loading


@graph_fn
async def save_file(path: str, *, context: NodeContext) -> None:
    """Saves a file; marks the time before and after, as all of these do."""
    mark()
    await context.artifacts().save_file(path)
    mark()


@graph_fn
async def write(path: str, *, context: NodeContext) -> None:
    """Writes what a file holds, a mebibyte at a time."""
    mark()
    with open(path, "rb") as source:
        async with context.artifacts().writer("data", ".bin") as w:
            while chunk := source.read(MIB):
                w.write(chunk)
    mark()


@graph_fn
async def ingest(path: str, *, context: NodeContext) -> None:
    """Saves a folder."""
    mark()
    await context.artifacts().ingest_dir(path)
    mark()


@graph_fn
async def load(path: str, *, context: NodeContext) -> None:
    """Saves a file, and makes a verified copy of it; only that is between the marks."""
    saved = await context.artifacts().save_file(path)
    mark()
    await context.artifacts().as_local_file(saved)
    mark()


def saving(bench: Bench) -> list[Row]:
    """Each way against copying and hashing the same files, which flushes nothing to the disk, as what is stored is."""
    size = bench.sizes.file
    file, folder, copy = bench.folder / "source.bin", bench.folder / "source", bench.folder / "copy"

    def ours(agent: Any, path: Path) -> Callable[[], float]:
        def took() -> float:
            _fresh(path, size)
            take_marks()
            run(agent, path=str(path))
            began, ended = take_marks()
            return ended - began

        return took

    def plain(path: Path) -> Callable[[], float]:
        def took() -> float:
            _fresh(path, size)
            return seconds(lambda: _copy_and_hash(path, copy))

        return took

    samples = bench.interleave(
        {
            "save_file": ours(save_file, file),
            "writer": ours(write, file),
            "as_local_file": ours(load, file),
            "file": plain(file),
            "ingest_dir": ours(ingest, folder),
            "folder": plain(folder),
        }
    )
    told = f"{size / MIB:.3g} MiB"
    rows = [
        Row(f"{name} of {told}", [size / MIB / s for s in samples[name]], "MiB/s") for name in ("save_file", "writer")
    ]
    for name, of, must in (
        ("save_file", "file", 2.0),
        ("writer", "file", None),
        ("as_local_file", "file", 2.0),
        ("ingest_dir", "folder", None),
    ):
        of_what = told if of == "file" else f"{FILES} files, {told}"
        rows.append(Row(f"{name} of {of_what} / copy and sha256", ratios(samples[name], samples[of]), "x", must=must))
    return rows


def _fresh(path: Path, size: int) -> None:
    """New content each time: what is in the store already is not written again."""
    if path.suffix:
        path.write_bytes(os.urandom(size))
        return
    path.mkdir(exist_ok=True)
    for number in range(FILES):
        (path / f"{number}.bin").write_bytes(os.urandom(size // FILES))


def _copy_and_hash(path: Path, copy: Path) -> None:
    if path.is_dir():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(path, copy)
    else:
        shutil.copyfile(path, copy.with_suffix(".bin"))
    for file in [*copy.iterdir()] if path.is_dir() else [copy.with_suffix(".bin")]:
        with file.open("rb") as opened:
            hashlib.file_digest(opened, "sha256")


# ------------------------------------------------------------------ finding


@graph_fn
async def find(how: dict[str, Any], times: int, *, context: NodeContext) -> int:
    """Searches all runs so often; the number found."""
    artifacts, found = context.artifacts(), 0
    await artifacts.search(scope="all", limit=1)
    mark()
    for _ in range(times):
        found = len(await artifacts.search(scope="all", **how))
    mark()
    return found


def finding(bench: Bench) -> list[Row]:
    """A search among the artifacts of many runs, ten of each, by what it asks for."""
    runs, times = bench.sizes.runs // 10, 20
    _fill(bench, runs)
    searches: dict[str, dict[str, Any]] = {
        "the ten best of a metric": {"metric": "loss", "mode": "min", "limit": 10},
        "the ten newest of a kind": {"kind": "figure", "limit": 10},
        "a rare tag": {"tags": ["rare"]},
        "a word": {"query": "number7777"},
    }

    def search(how: dict[str, Any]) -> Callable[[], float]:
        def took() -> float:
            take_marks()
            run(find, how=how, times=times)
            began, ended = take_marks()
            return (ended - began) / times

        return took

    samples = bench.interleave({name: search(how) for name, how in searches.items()})
    return [
        Row(f"{name}, among {10 * runs} artifacts of {runs} runs", [MS * s for s in samples[name]], "ms")
        for name in searches
    ]


def _fill(bench: Bench, runs: int) -> None:
    base = {
        "uri": "",
        "sha256": "a" * 64,
        "size": 1,
        "mime": "image/png",
        "graph_id": "g",
        "node_id": "n",
        "pinned": False,
    }
    with bench.runtime.store.transact() as rows:
        for number in range(10 * runs):
            tags = ["common", *(["rare"] if number % (2 * runs) == 0 else [])]
            catalogue.write(
                rows,
                base | {
                    "artifact_id": f"a-{number}", "run_id": f"filled-{number // 10}", "kind": "figure", "tags": tags,
                    "name": f"number{number}.png", "created_at": float(number), "labels": {}, "preview": "",
                    "metrics": {"loss": (number * 7919) % 10_007},
                },
            )  # fmt: skip
