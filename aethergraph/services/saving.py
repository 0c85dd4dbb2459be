"""Saving what a run makes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from ..engine import Outcome
from ..storage.codec import about_value, plain
from ..storage.store import Blobs, Transaction
from . import artifact as records
from . import content as contents
from .artifact import OBJECT, SCHEME, Artifact
from .scope import Scope

LARGE = 256 << 10  # bytes; from here on content is read and written in a worker thread

Content = Callable[[], Awaitable[tuple[str, int, str]]]  # stores the content: digest, size, preview


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
        """
        source = Path(path)

        async def content() -> tuple[str, int, str]:
            if source.is_dir():
                raise IsADirectoryError(
                    f"save_file takes one file, but {source} is a folder: save its files one by one"
                )
            if not source.is_file():
                raise FileNotFoundError(f"save_file: there is no file {str(source)!r} (looked in {Path.cwd()})")
            digest, size = await asyncio.to_thread(self._blobs.put_file, source)
            return digest, size, await asyncio.to_thread(contents.file_head, source, mime)

        title = name or source.name
        mime = contents.mime(title, contents.mime(source.name))
        return await self._save(content, kind, title, mime, labels, metrics, tags, pin, path=str(path))

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
        return await self._save_data(
            bytes(data), "", kind, name, mime or contents.mime(name), labels, metrics, tags, pin
        )

    async def save_figure(
        self,
        fig: Any,
        name: str = "figure.png",
        *,
        kind: str = "figure",
        dpi: float | None = None,
        labels: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Iterable[str] = (),
        pin: bool = False,
    ) -> Artifact:
        """Store a matplotlib figure (or an axes' figure) as PNG. The figure stays open."""
        figure = fig if hasattr(fig, "savefig") else getattr(fig, "figure", None)
        if not hasattr(figure, "savefig"):
            raise TypeError(f"save_figure takes a matplotlib Figure or Axes, got {type(fig).__name__}")

        async def content() -> tuple[str, int, str]:
            return await self._put(await asyncio.to_thread(contents.png, figure, dpi), "")

        title = name if name.lower().endswith(".png") else f"{name}.png"
        return await self._save(content, kind, title, "image/png", labels, metrics, tags, pin)

    async def save_object(
        self,
        obj: Any,
        name: str = "object",
        *,
        kind: str = "object",
        labels: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Iterable[str] = (),
        pin: bool = False,
    ) -> Artifact:
        """Store any Python value, as results of nodes are stored; what has to be pickled is signed with your key.

        Raises:
            NotStorable: it cannot be pickled (an open file, a live connection).
        """

        # Plain data by digest: arguments of plain data are written into the record whole.
        value = contents.fingerprint(obj) if plain(obj) else obj

        async def content() -> tuple[str, int, str]:
            payload = await asyncio.to_thread(self._scope.codec.dump_whole, obj, f"artifact {name!r}")
            return (await self._put(payload, ""))[:2] + (about_value(obj),)

        return await self._save(content, kind, name, OBJECT, labels, metrics, tags, pin, value=value)

    async def _save_data(self, data: bytes, text: str, kind: str, name: str, mime: str, *how: Any) -> Artifact:
        async def content() -> tuple[str, int, str]:
            return await self._put(data, text)

        digest = contents.fingerprint(data)
        return await self._save(content, kind, name, mime, *how, value=digest)

    async def _put(self, data: bytes, text: str) -> tuple[str, int, str]:
        put = self._blobs.put
        digest = put(data) if len(data) < LARGE else await asyncio.to_thread(put, data)
        return digest, len(data), text[: records.HEAD]

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
        described = {
            "kind": kind,
            "name": name,
            "labels": contents.labels(labels or {}),
            "metrics": contents.metrics(metrics or {}),
            "tags": contents.tags(tags),
        }
        # Not made from the content, so what is saved anew after an edit or in a retry takes the place of the old.
        artifact_id = contents.artifact_id(name, scope.effect_id("artifacts.save", [kind, name, path]))

        async def work() -> Outcome:
            digest, size, preview = await content()
            data = {
                **described,
                "artifact_id": artifact_id,
                "uri": SCHEME + digest,
                "sha256": digest,
                "size": size,
                "mime": mime,
                "run_id": desk.run_id,
                "graph_id": desk.graph_id,
                "node_id": desk.node_id,
                "created_at": scope.clock.now(),
                "pinned": pin,
                "preview": preview,
            }

            def index(transaction: Transaction) -> None:
                transaction.set(records.key(desk.run_id, artifact_id), records.encode(data))

            return Outcome(data, [index])

        args = {**described, "pinned": pin, "path": path, "value": value}
        saved = await desk.effect("artifacts.save", args, work)
        # A body goes on before its rows are on disk, and must see what it has saved.
        scope.written[records.key(desk.run_id, saved["artifact_id"])] = records.encode(saved)
        return records.from_record(saved, self._blobs)

    @property
    def _blobs(self) -> Blobs:
        return self._scope.desk.store.blobs
