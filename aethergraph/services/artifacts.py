"""Saving what a run makes, and getting it back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ..errors import DamagedRecord, known
from . import artifact as records
from . import content as contents
from .artifact import OBJECT, Artifact, find
from .saving import LARGE, Saving

__all__ = ["Artifact", "Artifacts", "find"]

SCOPES = ("run", "graph", "node", "all")

# The method `list` hides the builtin from the annotations beside it.
Found = list[Artifact]
Rows = list[dict[str, Any]]


class Artifacts(Saving):
    """`context.artifacts()`: everything that runs of this store saved."""

    def __repr__(self) -> str:
        return "<artifacts>"

    # ------------------------------------------------------------------ finding

    async def list(self, scope: str = "run", *, kind: str | None = None) -> Found:
        """Artifacts, oldest first: of this run, of this graph or node in it, or of all runs ("all").

        What the list held is recorded: on replay it holds the same.
        """
        if scope not in SCOPES:
            raise ValueError(f"scope={scope!r} is unknown; there are: {known(SCOPES)}")
        desk = self._scope.desk

        def read() -> Rows:
            found = find(desk.store, "" if scope == "all" else desk.run_id, self._scope.written)
            return [
                records.record(one)
                for one in found
                if (kind is None or one.kind == kind)
                and (scope != "graph" or one.graph_id == desk.graph_id)
                and (scope != "node" or one.node_id == desk.node_id)
            ]

        found = await desk.read("artifacts.list", {"scope": scope, "kind": kind}, read)
        return [records.from_record(data, self._blobs) for data in found]

    async def get_by_id(self, artifact_id: str) -> Artifact:
        """The artifact of this id, of this run or another.

        Raises:
            LookupError: there is none.
        """
        desk = self._scope.desk

        def read() -> dict[str, Any] | None:
            found = records.get(desk.store, artifact_id, desk.run_id, self._scope.written)
            return None if found is None else records.record(found)

        data = await desk.read("artifacts.get", {"id": artifact_id}, read)
        if data is None:
            raise LookupError(
                f"no artifact {artifact_id!r} in {desk.store.folder}; `await context.artifacts().list('all')` has them"
            )
        return records.from_record(data, self._blobs)

    # ------------------------------------------------------------------ loading

    async def load_bytes(self, uri: str | Artifact) -> bytes:
        """The content of a uri (or artifact), verified against its sha256.

        Raises:
            ValueError: this is no uri of an artifact.
            LookupError: the store has no such content.
            DamagedRecord: it was altered.
        """
        digest = contents.digest(uri)
        blobs = self._blobs
        if not blobs.has(digest):
            raise LookupError(f"{contents.called(uri)} has no content in {self._scope.desk.store.folder}")
        # Content under its own hash never changes, so reading it is no effect and needs no record.
        large = blobs.path(digest).stat().st_size >= LARGE
        try:
            return await asyncio.to_thread(blobs.get, digest) if large else blobs.get(digest)
        except DamagedRecord as error:
            raise DamagedRecord(f"the content of {contents.called(uri)}", error.why) from error

    async def load_text(self, uri: str | Artifact) -> str:
        """The content as UTF-8 text. Raises ValueError where it is none."""
        data = await self.load_bytes(uri)
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise ValueError(f"{contents.called(uri)} is not text; load_bytes gives its content") from None

    async def load_json(self, uri: str | Artifact) -> Any:
        """The content as JSON. Raises ValueError where it is none."""
        text = await self.load_text(uri)
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{contents.called(uri)} is not JSON ({error}); load_text gives its content") from None

    async def load_object(self, uri: str | Artifact) -> Any:
        """The value that `save_object` saved.

        Raises:
            ValueError: it was saved in another way.
            Untrusted: it is pickled, and not signed with your key.
        """
        digest, found = contents.digest(uri), uri if isinstance(uri, Artifact) else None
        if found is None:
            same = [one for one in find(self._scope.desk.store, fresh=self._scope.written) if one.sha256 == digest]
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
