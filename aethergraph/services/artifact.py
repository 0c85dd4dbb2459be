"""The record of something that a run saved, and how it shows itself."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..errors import AetherGraphError, DamagedRecord
from ..record.files import amount
from ..storage.store import Blobs, Store
from . import catalogue, showing

SCHEME = "aether://sha256/"
OBJECT = "application/x-aethergraph-value"  # mime of what `save_object` saved
FOLDER = "application/x-aethergraph-folder"  # mime of what `ingest_dir` saved: the content is a list of its files
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
SHOWN = 8 << 20  # bytes of the largest picture that is shown inline


@dataclass(frozen=True)
class Artifact:
    """What was saved, by whom and where it lies. The content is named by its sha256 and never changes.

    size is in bytes, created_at in seconds since the epoch (UTC). rows are those of a table without its names, None
    where it is none or they were not counted.
    """

    artifact_id: str
    uri: str
    sha256: str
    size: int
    kind: str
    name: str
    mime: str
    run_id: str
    graph_id: str
    node_id: str
    created_at: float
    labels: dict[str, Any] = field(default_factory=dict, hash=False)
    metrics: dict[str, float] = field(default_factory=dict, hash=False)
    tags: list[str] = field(default_factory=list, hash=False)
    pinned: bool = False
    preview: str = ""
    session_id: str = ""
    rows: int | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}, {amount(self.size)}) {self.uri}"

    def __getstate__(self) -> dict[str, Any]:
        """Without the store: a copy that travels is the record alone."""
        return record(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """A picture as a picture, the head of a table as a table, all else as text; nothing in it is ever markup."""
        told = [str(self), self.preview.rstrip(), self._left_out()]
        shown: dict[str, Any] = {"text/plain": "\n".join(filter(None, told))}
        blobs: Blobs | None = self.__dict__.get("_blobs")
        if blobs is not None and self.mime in PICTURES and self.size <= SHOWN:
            try:
                shown[self.mime] = base64.b64encode(blobs.get(self.sha256)).decode()
            except AetherGraphError as error:
                shown["text/plain"] += f"\n({error})"
        if len(shown) == 1:
            shown["text/html"] = self._told()
        return shown

    def _repr_html_(self) -> str | None:
        """As above. IPython asks for it besides, and JupyterLab prefers it, so a picture would not be seen."""
        return None if self.mime in PICTURES else self._told()

    def _told(self) -> str:
        """Name, kind and size, over the head of a table or text."""
        facts = [self.kind, amount(self.size), *(f"{name} {value:.6g}" for name, value in self.metrics.items())]
        return showing.html(self.name, facts, self.mime, self.preview, self._left_out())

    def _left_out(self) -> str:
        return showing.left_out(self.preview, self.mime, self.size, self.rows)


_FIELDS = tuple(one.name for one in dataclasses.fields(Artifact))


def bound(artifact: Artifact, blobs: Blobs) -> Artifact:
    """`artifact`, able to show its content."""
    object.__setattr__(artifact, "_blobs", blobs)  # no field: it is neither compared nor stored
    return artifact


def record(artifact: Artifact) -> dict[str, Any]:
    """Its fields as plain data."""
    return {name: getattr(artifact, name) for name in _FIELDS}


def from_record(data: Mapping[str, Any], blobs: Blobs, what: str = "an artifact") -> Artifact:
    """The artifact of a record; fields of a newer version are left out.

    Raises:
        DamagedRecord: a field is missing.
    """
    try:
        return bound(Artifact(**{name: data[name] for name in _FIELDS if name in data}), blobs)
    except TypeError as error:
        raise DamagedRecord(what, str(error)) from error


def decode(row: bytes, where: str, blobs: Blobs) -> Artifact:
    """The artifact of a row."""
    return from_record(catalogue.decode(row, where), blobs, f"the record {where}")


def find(store: Store, run_id: str = "", fresh: Mapping[str, bytes] = MappingProxyType({})) -> list[Artifact]:
    """The artifacts of a run, or of all runs, oldest first. `fresh`: rows on their way to the store."""
    prefix = f"{catalogue.PREFIX}{run_id}:" if run_id else catalogue.PREFIX
    rows = dict(store.scan(prefix)) | {where: row for where, row in fresh.items() if where.startswith(prefix)}
    found = [decode(row, where, store.blobs) for where, row in rows.items()]
    return sorted(found, key=lambda artifact: (artifact.created_at, artifact.artifact_id))


def get(store: Store, artifact_id: str, run_id: str, fresh: Mapping[str, bytes]) -> Artifact | None:
    """The artifact of this id: of this run, else the newest of any."""
    where = catalogue.key(run_id, artifact_id)
    row = fresh.get(where) or store.get(where)
    if row is None:
        catalogue.build(store)
        for _, place in store.scan(catalogue.by_id(artifact_id)):
            where = place.decode()
            row = store.get(where)
            if row is not None:
                break
    return None if row is None else decode(row, where, store.blobs)


def of_content(store: Store, digest: str, fresh: Mapping[str, bytes] = MappingProxyType({})) -> list[Artifact]:
    """The artifacts with this content, the newest first."""
    catalogue.build(store)
    places = {place.decode(): None for _, place in store.scan(catalogue.by_content(digest))}
    rows = {where: store.get(where) for where in places} | dict(fresh)
    found = [decode(row, where, store.blobs) for where, row in rows.items() if row is not None]
    found = [one for one in found if one.sha256 == digest]
    return sorted(found, key=lambda one: (one.created_at, one.artifact_id), reverse=True)
