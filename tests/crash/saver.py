"""An agent that saves in every way, and is killed in the middle of one. As a script it is that process.

Killed while content that holds the marker is half written, or once it is stored and no fact tells of it yet.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from aethergraph import NodeContext, Runtime, graph_fn, tool
from aethergraph.services import folders
from aethergraph.storage import blobs

RUN_ID = "saver"
SAVES = ("text", "json", "bytes", "figure", "table", "object", "file", "writer", "sync writer", "ingested")
MARKERS = (*SAVES, "in folder", folders.KEY)


def content(name: str) -> str:
    """What is saved under this name; nothing else holds the marker."""
    return f"<{name}> " + "x" * 300_000


class Figure:
    """As much of a figure as is used."""

    def savefig(self, file: Any, **how: Any) -> None:
        file.write(content("figure").encode())


class Table:
    """As much of a table as is used."""

    def write_csv(self, path: Path) -> None:
        path.write_text(content("table"), encoding="utf-8")


@tool(outputs=["ok"])
async def save_files(folder: str, *, context: NodeContext) -> bool:
    artifacts = context.artifacts()
    (Path(folder) / "file").write_text(content("file"))
    await artifacts.save_file(Path(folder) / "file")
    async with artifacts.writer(name="writer") as w:
        for part in (content("writer")[:1000], content("writer")[1000:]):
            w.write(part)
    staged = await artifacts.stage_path()
    staged.write_text(content("ingested"))
    await artifacts.ingest_file(staged, name="ingested")
    await artifacts.save_object([content("object")], "object")
    return True


@tool(outputs=["ok"])
def save_in_thread(*, context: NodeContext) -> bool:
    artifacts: Any = context.artifacts()
    with artifacts.writer(name="sync writer") as w:
        w.write(content("sync writer"))
    return True


@graph_fn
async def saver(folder: str, *, context: NodeContext) -> list[str]:
    artifacts = context.artifacts()
    await artifacts.save_text(content("text"), "text")
    await artifacts.save_json(content("json"), "json")
    await artifacts.save_bytes(content("bytes").encode(), "bytes")
    await artifacts.save_figure(Figure(), "figure")
    await artifacts.save_dataframe(Table(), "table")
    await save_files(folder)
    await save_in_thread()
    staged = await artifacts.stage_dir()
    (staged / "one.txt").write_text(content("in folder"))
    (staged / "two.txt").write_text("small")
    await artifacts.ingest_dir(staged, name="folder")
    return [one.name for one in await artifacts.list()]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(marker: bytes, moment: str) -> None:
    """Have this process killed at that moment of the save whose content holds the marker."""
    if moment == "half":
        write = blobs._write

        def half(file: io.FileIO, chunk: Any) -> None:
            data = bytes(chunk)
            if marker in data:
                file.write(data[: len(data) // 2])
                die()
            write(file, chunk)

        copy = blobs._copy

        def half_copied(source: Path, target: Path) -> None:
            data = source.read_bytes()
            if marker in data:
                target.write_bytes(data[: len(data) // 2])
                die()
            copy(source, target)

        blobs._write, blobs._copy = half, half_copied
        return
    settle: Callable[..., None] = blobs.DiskBlobs._settle

    def stored(self: blobs.DiskBlobs, draft: Path, digest: str) -> None:
        ours = marker in draft.read_bytes()
        settle(self, draft, digest)
        if ours:
            die()

    blobs.DiskBlobs._settle = stored  # type: ignore[method-assign]


if __name__ == "__main__":
    folder, marker, moment = sys.argv[1:]
    if marker:
        die_at(f"<{marker}>".encode() if marker != folders.KEY else folders.START, moment)
    runtime = Runtime(Path(folder) / "store")
    with closing(runtime), runtime.use():
        runtime.start(saver, {"folder": folder}, run_id=RUN_ID).result()
