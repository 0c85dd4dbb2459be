"""Where the picture or file of a message comes from, and how it gets into the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

from ..record import files
from ..record.uploads import FileRef
from ..storage.store import Store
from . import content as contents
from . import sendable
from .artifact import SCHEME, Artifact

LARGE = 256 << 10  # bytes; from here on a content is written in a worker thread


@dataclass(frozen=True, slots=True)
class Source:
    """A content that is sent. `url` is where it is in the web, "" for what is stored here; then `put` stores it.

    args: what tells it from others: a content by its digest, a file and a url by their names.
    """

    url: str
    name: str
    mime: str
    args: dict[str, Any]
    put: Callable[[], Awaitable[tuple[str, int]]] | None = None

    async def stored(self) -> dict[str, Any]:
        """Its digest and size in bytes, once it is in the store."""
        assert self.put is not None
        digest, size = await self.put()
        return {"sha256": digest, "size": size}


def source(method: str, url: Any, file_bytes: Any, path: Any, filename: str, store: Store) -> Source:
    """What was given to `method`: exactly one of the three."""
    given = [one for one in (url, file_bytes, path) if one is not None]
    if len(given) != 1:
        raise TypeError(f"{method} takes one of url, path= and file_bytes=, got {len(given) or 'none'} of them")
    if path is not None:
        return _of_path(method, path, filename, store)
    if file_bytes is not None:
        return _of_bytes(method, file_bytes, filename, store)
    if isinstance(url, (Artifact, FileRef)) or (isinstance(url, str) and url.startswith(SCHEME)):
        return _of_artifact(url, filename, store)
    if isinstance(url, PathLike):
        return _of_path(method, url, filename, store)
    address = sendable.link(url, method)
    name = filename or sendable.name_of(address)
    name = sendable.called(name, "") if name.strip("._ ") else ""
    return Source(address, name, files.mime(name, ""), {"url": address, "filename": filename})


def _of_path(method: str, path: Any, filename: str, store: Store) -> Source:
    async def put() -> tuple[str, int]:
        return await asyncio.to_thread(store.blobs.put_file, files.readable(path, method))

    name = sendable.called(filename or contents.path(path, method).name, "")
    return Source("", name, files.mime(name), {"path": fspath(path), "filename": filename}, put)


def _of_bytes(method: str, data: Any, filename: str, store: Store) -> Source:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"{method}: file_bytes are bytes, got {type(data).__name__}; a file is given by path=")
    content = bytes(data)
    if not content:
        raise ValueError(f"{method}: file_bytes is empty")

    async def put() -> tuple[str, int]:
        blobs = store.blobs
        digest = blobs.put(content) if len(content) < LARGE else await asyncio.to_thread(blobs.put, content)
        return digest, len(content)

    name = sendable.called(filename, "")
    return Source("", name, files.mime(name), {"bytes": contents.fingerprint(content), "filename": filename}, put)


def _of_artifact(artifact: Artifact | FileRef | str, filename: str, store: Store) -> Source:
    digest, found = contents.digest(artifact), None if isinstance(artifact, str) else artifact

    async def put() -> tuple[str, int]:
        if not store.blobs.keep(digest):
            raise LookupError(f"{contents.called(artifact)} has no content in {store.folder}")
        return digest, store.blobs.path(digest).stat().st_size

    name = sendable.called(filename or (found.name if found is not None else ""), "")
    mime = found.mime if found is not None else files.mime(name)
    return Source("", name, mime, {"url": SCHEME + digest, "filename": filename}, put)
