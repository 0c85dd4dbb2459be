"""Getting back what runs saved. Every content is compared with its checksum; what was altered is never given out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ..errors import DamagedRecord, UnknownArtifact
from ..ids import slug
from ..record.uploads import FileRef
from ..storage.store import Transaction
from . import artifact as records
from . import catalogue, folders
from . import content as contents
from .artifact import OBJECT, Artifact
from .finding import Finding
from .folders import Folder
from .saving import LARGE
from .writing import Writing

_NEAR = 8  # hex digits by which a uri that is not there is taken for another


class Loading(Finding, Writing):
    """Content under its own hash never changes, so reading it is no effect; that it was read is noted for lineage."""

    async def load_bytes(self, uri: str | Artifact | FileRef) -> bytes:
        """The content of a uri (or artifact), verified against its sha256.

        Raises:
            ValueError: this is no uri of an artifact, or it is a folder.
            UnknownArtifact: the store has no such content.
            DamagedRecord: it was altered.
        """
        data = await self._load(uri, "load_bytes")
        if folders.is_folder(data):
            raise ValueError(f"{contents.called(uri)} is a folder: `as_local_dir` gives its files")
        return data

    async def load_text(self, uri: str | Artifact | FileRef) -> str:
        """The content as UTF-8 text. Raises ValueError where it is none."""
        data = await self.load_bytes(uri)
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise ValueError(f"{contents.called(uri)} is not text; load_bytes gives its content") from None

    async def load_json(self, uri: str | Artifact | FileRef) -> Any:
        """The content as JSON. Raises ValueError where it is none."""
        text = await self.load_text(uri)
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{contents.called(uri)} is not JSON ({error}); load_text gives its content") from None

    async def load_object(self, uri: str | Artifact | FileRef) -> Any:
        """The value that `save_object` saved.

        Raises:
            ValueError: it was saved in another way.
            Untrusted: it is pickled, and not signed with your key.
        """
        found = uri if isinstance(uri, Artifact) else None
        if found is None:
            same = records.of_content(self._scope.desk.store, contents.digest(uri, "load_object"), self._scope.written)
            found = next((one for one in same if one.mime == OBJECT), same[0] if same else None)
        if found is not None and found.mime != OBJECT:
            raise ValueError(
                f"{contents.called(uri)} is {found.mime}, not saved by save_object; load_bytes gives its content"
            )
        data = await self.load_bytes(uri)
        load = self._scope.codec.load
        return await asyncio.to_thread(load, data) if len(data) >= LARGE else load(data)

    async def load_bytes_by_id(self, artifact_id: str) -> bytes:
        """`load_bytes` of the artifact of this id."""
        return await self.load_bytes(await self.get_by_id(artifact_id))

    async def load_text_by_id(self, artifact_id: str) -> str:
        """`load_text` of the artifact of this id."""
        return await self.load_text(await self.get_by_id(artifact_id))

    async def load_json_by_id(self, artifact_id: str) -> Any:
        """`load_json` of the artifact of this id."""
        return await self.load_json(await self.get_by_id(artifact_id))

    async def load_object_by_id(self, artifact_id: str) -> Any:
        """`load_object` of the artifact of this id."""
        return await self.load_object(await self.get_by_id(artifact_id))

    # ------------------------------------------------------------------ as files

    async def as_local_file(self, uri: str | Artifact | FileRef, name: str | None = None) -> Path:
        """A copy of the content as a file of your own, streamed and verified, under the name of the artifact.

        It may be changed; the store keeps what was saved. `gc` deletes it after the run.

        Raises:
            ValueError, UnknownArtifact, DamagedRecord: as `load_bytes`.
        """
        digest = self._content(uri)
        if await self._folder(uri, digest) is not None:
            raise ValueError(f"{contents.called(uri)} is a folder: `as_local_dir` gives its files")
        place = await self._path(digest) / contents.file_name(name or self._name_of(uri, digest))
        if not place.exists():
            with _named(uri):
                await asyncio.to_thread(self._blobs.copy, digest, place)
        return place

    async def as_local_dir(self, uri: str | Artifact | FileRef) -> Path:
        """A copy of a saved folder as a folder of your own, every file verified.

        It may be changed; the store keeps what was saved. `gc` deletes it after the run.

        Raises:
            ValueError: it is no folder.
            UnknownArtifact, DamagedRecord: as `load_bytes`; of a damaged file nothing is given out.
        """
        digest = self._content(uri)
        found = await self._folder(uri, digest)
        if found is None:
            raise ValueError(f"{contents.called(uri)} is a file, no folder: `as_local_file` gives it")
        place = await self._path(digest) / contents.file_name(self._name_of(uri, digest))
        if not place.exists():
            with _named(uri):
                await asyncio.to_thread(folders.restore, self._blobs, found, place)
        return place

    async def to_local_path(self, uri: str | Artifact | FileRef) -> Path:
        """Where the content lies, verified: for reading only, since it is the store's own. Of a folder, a copy."""
        digest = self._content(uri)
        if await self._folder(uri, digest) is not None:
            return await self.as_local_dir(uri)
        with _named(uri):
            await asyncio.to_thread(self._blobs.check, digest)
            return self._blobs.path(digest)

    # ------------------------------------------------------------------ how

    async def _load(self, uri: str | Artifact | FileRef, method: str) -> bytes:
        digest, blobs = self._content(uri, method), self._blobs
        with _named(uri):
            large = blobs.path(digest).stat().st_size >= LARGE
            return await asyncio.to_thread(blobs.get, digest) if large else blobs.get(digest)

    async def _folder(self, uri: str | Artifact | FileRef, digest: str) -> Folder | None:
        """The list of files, where it is a folder."""
        with _named(uri):
            with self._blobs.open(digest) as file:
                if not folders.is_folder(file.read(len(folders.START))):
                    return None
            data = await asyncio.to_thread(self._blobs.get, digest)
        return folders.decode(data, f"the content of {contents.called(uri)}")

    def _content(self, uri: str | Artifact | FileRef, method: str = "load_bytes") -> str:
        """The digest of a content that is there; whoever asks is noted as one who used it."""
        digest, store = contents.digest(uri, method), self._scope.desk.store
        if not self._blobs.has(digest):
            catalogue.build(store)
            start = catalogue.by_content(digest).rstrip(":")[: -len(digest) + _NEAR]
            near = [where.split(":")[2] for where, _ in store.scan(start, limit=3)]
            uris = [records.SCHEME + one for one in dict.fromkeys(near) if one != digest]
            raise UnknownArtifact(contents.called(uri), str(store.folder), uris)
        self._use(uri, digest)
        return digest

    def _use(self, uri: str | Artifact | FileRef, digest: str) -> None:
        scope = self._scope
        desk, of = scope.desk, uri if isinstance(uri, Artifact) else None
        if digest in scope.used:
            return
        scope.used.add(digest)
        row = msgspec.msgpack.encode({"node": desk.node_id, "graph": desk.graph_id, "t": scope.clock.now()})

        def tell(rows: Transaction) -> None:
            rows.set(catalogue.use_key(digest, desk.run_id, desk.no), row)

        told = {"sha256": digest, "name": of.name if of else "", "run": of.run_id if of else ""}
        desk.note("use", told | {"artifact": of.artifact_id if of else ""}, [tell])

    def _name_of(self, uri: str | Artifact | FileRef, digest: str) -> str:
        if isinstance(uri, (Artifact, FileRef)):
            return uri.name
        found = records.of_content(self._scope.desk.store, digest, self._scope.written)
        return found[-1].name if found else slug(digest[:12])  # the first, so that it stays the same


@contextmanager
def _named(uri: str | Artifact | FileRef) -> Iterator[None]:
    """Damage is told with the name of what was asked for."""
    try:
        yield
    except DamagedRecord as error:
        raise DamagedRecord(f"{error.what}, of {contents.called(uri)},", error.why) from error
