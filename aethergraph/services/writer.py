"""A file that becomes an artifact once it is whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..storage.store import Draft
from . import content as contents
from .artifact import Artifact
from .saving import Kept, Saving
from .showing import HEAD


class Writer:
    """`async with artifacts.writer(...) as w`: a file to write to, which becomes an artifact at the end of the block.

    Whatever ends the block early, an error or a kill, leaves nothing. Libraries that write to an open file can be
    given `w`; those that want a path, `w.path`.
    """

    artifact: Artifact | None = None  # once the block has ended

    def __init__(self, saving: Saving, name: str, how: dict[str, Any]) -> None:
        self._saving, self._name, self._how = saving, name, how
        self._draft: Draft | None = None
        self._head = b""

    async def __aenter__(self) -> Writer:
        open_ = self._saving._scope.writing
        if self._name in open_:
            raise ValueError(f"a writer of {self._name!r} is open in this node already: give each its own name=")
        how = self._how  # what is wrong with it is told before anything is written
        contents.description(how["kind"], self._name, how["labels_"], how["metrics_"], how["tags_"])
        draft = self._saving._blobs.draft(contents.suffix(self._name))
        open_.add(self._name)
        self._draft = draft
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        draft = self._open()
        try:
            if kind is None:
                self.artifact = await self._keep(draft)
        finally:
            self._draft = None
            self._saving._scope.writing.discard(self._name)
            draft.discard()

    def write(self, data: bytes | bytearray | memoryview | str) -> int:
        """Append bytes, or a text as UTF-8; how many bytes or characters.

        Raises:
            OSError: the disk is full.
            ValueError: the block has ended.
        """
        if not isinstance(data, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"write takes bytes or a text, got {type(data).__name__}")
        raw = memoryview(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data).cast("B")
        self._open().write(raw)
        if len(self._head) < 4 * HEAD:
            self._head += bytes(raw[: 4 * HEAD])
        return len(data)

    def flush(self) -> None:
        """Nothing: the whole is flushed to the disk at the end."""

    def writable(self) -> bool:
        """It is."""
        return self._draft is not None

    @property
    def path(self) -> Path:
        """The file as a path, for what writes files itself. It is gone when the block ends."""
        return self._open().path

    def add_labels(self, labels: Mapping[str, Any]) -> None:
        """Labels that are known only now."""
        self._how["labels_"] = {**(self._how["labels_"] or {}), **contents.labels(labels)}

    def add_metrics(self, metrics: Mapping[str, float]) -> None:
        """Metrics that are known only now."""
        self._how["metrics_"] = {**(self._how["metrics_"] or {}), **contents.metrics(metrics)}

    def _open(self) -> Draft:
        if self._draft is None:
            raise ValueError(f"the writer of {self._name!r} is not open: it can be used inside its `async with` alone")
        return self._draft

    async def _keep(self, draft: Draft) -> Artifact:
        mime = contents.mime(self._name)
        digest = await asyncio.to_thread(draft.digest)
        if not self._head and draft.size and contents.is_text(mime):
            with draft.path.open("rb") as file:
                self._head = file.read(4 * HEAD)

        async def content() -> Kept:
            kept, size = await asyncio.to_thread(draft.keep)
            return Kept(kept, size, contents.head(contents.decoded(self._head, mime), mime))

        how = self._how
        return await self._saving._save(
            content, how["kind"], self._name, mime, how["labels_"], how["metrics_"], how["tags_"], how["pin"],
            value=digest,
        )  # fmt: skip
