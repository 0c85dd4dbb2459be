"""Saving what a run makes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import msgspec

from ..engine import Op, Outcome
from ..storage.store import Blobs, Transaction
from . import artifact as records
from . import catalogue
from . import content as contents
from .artifact import SCHEME, Artifact
from .scope import Scope

LARGE = 256 << 10  # bytes; from here on content is read and written in a worker thread


class Kept(msgspec.Struct, frozen=True):
    """A content that is stored, its size in bytes, what is to be written with it, and the rows of a table."""

    digest: str
    size: int
    preview: str = ""
    ops: tuple[Op, ...] = ()
    rows: int | None = None


Content = Callable[[], Awaitable[Kept]]  # stores it


class Saving:
    """Content is stored once per sha256; each save is a record of its own.

    A save is an effect: it happens once, and on replay gives the recorded artifact without looking at the content
    again. Its record is written in the transaction of its fact.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    # ------------------------------------------------------------------ saving

    async def save_file(
        self,
        path: str | PathLike[str],
        *,
        kind: str = "file",
        name: str | None = None,
        labels: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Iterable[str] = (),
        pin: bool = False,
    ) -> Artifact:
        """Store a copy of the file `path`; the file itself stays as it is.

        Raises:
            FileNotFoundError, IsADirectoryError: there is no such file.
            TypeError: it is no path.
        """
        source = contents.path(path, "save_file")
        title = name or source.name or str(source)
        mime = contents.mime(title, contents.mime(source.name))
        content = self._file(source, "save_file", mime)
        return await self._save(content, kind, title, mime, labels, metrics, tags, pin, path=fspath(path))

    async def save(self, path: str | PathLike[str], *, kind: str = "file", **how: Any) -> Artifact:
        """The same as `save_file`."""
        return await self.save_file(path, kind=kind, **how)

    async def save_text(
        self,
        text: str,
        name: str = "text.txt",
        *,
        kind: str = "text",
        labels: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Iterable[str] = (),
        pin: bool = False,
    ) -> Artifact:
        """Store a text as UTF-8."""
        if not isinstance(text, str):
            raise TypeError(f"save_text takes a text, got {type(text).__name__}; save_json or save_object takes it")
        mime = contents.mime(name, "text/plain")
        data = text.encode("utf-8", "surrogatepass")
        return await self._save_data(data, text, kind, name, mime, labels, metrics, tags, pin)

    async def save_json(
        self,
        obj: Any,
        name: str = "data.json",
        *,
        kind: str = "json",
        labels: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Iterable[str] = (),
        pin: bool = False,
    ) -> Artifact:
        """Store `obj` as indented JSON. numpy values, dates, paths, dataclasses and pydantic models are taken.

        Raises:
            TypeError: something in it has no form in JSON; `save_object` takes it.
        """
        text = contents.to_json(obj)
        return await self._save_data(text.encode(), text, kind, name, "application/json", labels, metrics, tags, pin)

    async def save_bytes(
        self,
        data: bytes,
        name: str = "data.bin",
        *,
        kind: str = "bytes",
        mime: str | None = None,
        labels: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Iterable[str] = (),
        pin: bool = False,
    ) -> Artifact:
        """Store bytes; `mime` is found by the ending of `name` where it is not given."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"save_bytes takes bytes, got {type(data).__name__}")
        mime = mime or contents.mime(name)
        text = contents.decoded(data, mime)
        return await self._save_data(bytes(data), text, kind, name, mime, labels, metrics, tags, pin)

    async def write_text(self, text: str, name: str = "text.txt", **how: Any) -> Artifact:
        """The same as `save_text`."""
        return await self.save_text(text, name, **how)

    # ------------------------------------------------------------------ how

    async def _save_data(self, data: bytes, text: str, kind: str, name: str, mime: str, *how: Any) -> Artifact:
        async def content() -> Kept:
            return await self._put(data, contents.head(text, mime))

        digest = contents.fingerprint(data)
        return await self._save(content, kind, name, mime, *how, value=digest)

    def _file(self, source: Path, what: str, mime: str) -> Content:
        """What stores the file `source`, for the method `what`."""

        async def content() -> Kept:
            contents.check_file(source, what)
            digest, size = await asyncio.to_thread(self._blobs.put_file, source)
            return Kept(digest, size, await asyncio.to_thread(contents.file_head, self._blobs.path(digest), mime))

        return content

    async def _put(self, data: bytes, preview: str) -> Kept:
        put = self._blobs.put
        digest = put(data) if len(data) < LARGE else await asyncio.to_thread(put, data)
        return Kept(digest, len(data), preview)

    async def _save(
        self,
        content: Content,
        kind: str,
        name: str,
        mime: str,
        labels: Mapping[str, Any] | None,
        metrics: Mapping[str, float] | None,
        tags: Iterable[str],
        pin: bool,
        *,
        path: str = "",
        value: Any = None,
    ) -> Artifact:
        """Do it once. `value` is what was saved or its digest: saved anew where it is another one after an edit.

        Figures and files have none: how they are drawn or written may differ each time without meaning anything.
        """
        scope, desk = self._scope, self._scope.desk
        described = contents.description(kind, name, labels, metrics, tags)
        # Not made from the content, so what is saved anew after an edit or in a retry takes the place of the old.
        artifact_id = contents.artifact_id(name, scope.effect_id(catalogue.SAVE, [kind, name, path]))

        async def work() -> Outcome:
            kept = await content()
            data = {
                **described,
                "artifact_id": artifact_id,
                "uri": SCHEME + kept.digest,
                "sha256": kept.digest,
                "size": kept.size,
                "mime": mime,
                "run_id": desk.run_id,
                "graph_id": desk.graph_id,
                "node_id": desk.node_id,
                "session_id": desk.session_id,
                "created_at": scope.clock.now(),
                "pinned": bool(pin),
                "preview": kept.preview,
                "rows": await self._rows(kept, mime),
            }

            def index(transaction: Transaction) -> None:
                catalogue.write(transaction, data)

            return Outcome(data, [index, *kept.ops])

        args = {**described, "pinned": pin, "path": path, "value": value}
        saved = await desk.effect(catalogue.SAVE, args, work)
        # A body goes on before its rows are on disk, and must see what it has saved.
        scope.written[catalogue.key(desk.run_id, saved["artifact_id"])] = catalogue.encode(saved)
        return records.from_record(saved, self._blobs)

    async def _rows(self, kept: Kept, mime: str) -> int | None:
        if kept.rows is not None:
            return kept.rows
        what = self._blobs.path(kept.digest), kept.size, mime
        return contents.rows(*what) if kept.size < LARGE else await asyncio.to_thread(contents.rows, *what)

    @property
    def _blobs(self) -> Blobs:
        return self._scope.desk.store.blobs
