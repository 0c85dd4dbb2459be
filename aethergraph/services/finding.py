"""Finding artifacts: lists, searches, the best by a metric. What was found is recorded, and the same on replay."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UnknownArtifact, known
from ..storage.store import Transaction
from . import artifact as records
from . import catalogue
from . import content as contents
from .artifact import Artifact, find
from .saving import Saving
from .searching import Wanted, indexed

SCOPES = ("run", "graph", "node", "session", "all")
MODES = ("max", "min")
_NEAREST = 500  # artifacts among which a wrong id is looked for

# The method `list` hides the builtin from the annotations beside it.
Found = list[Artifact]
Rows = list[dict[str, Any]]


class Finding(Saving):
    """Everything that runs of this store saved."""

    async def list(self, scope: str = "run", *, kind: str | None = None) -> Found:
        """Artifacts, oldest first.

        scope: of this run, of this "graph" or "node" in it, of the runs of this "session", or of "all" runs.
        """
        wanted = self._wanted(scope, kind=kind)

        def read() -> Rows:
            found = self._matching(wanted, None)
            return [records.record(one) for one in sorted(found, key=lambda one: (one.created_at, one.artifact_id))]

        found = await self._scope.desk.read("artifacts.list", {"scope": scope, "kind": kind}, read)
        return [records.from_record(data, self._blobs) for data in found]

    async def search(
        self,
        kind: str | None = None,
        *,
        labels: Mapping[str, Any] | None = None,
        tags: Iterable[str] = (),
        metric: str | None = None,
        mode: str | None = None,
        scope: str = "run",
        limit: int | None = None,
        query: str | None = None,
    ) -> Found:
        """The artifacts that all of this holds for: with `metric` the best first, else the newest.

        Args:
            labels: each of these has this value.
            tags: all of these are there.
            metric: they have it, and are sorted by it; mode: "max" (or None), or "min": which end is the best.
            scope: as of `list`.
            limit: at most so many.
            query: words, each of which begins a word of name, kind, tags or labels, in small or capital letters.
        """
        wanted = self._wanted(scope, kind=kind, labels=labels, tags=tags, metric=metric, mode=mode, query=query)
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise ValueError(f"limit={limit!r}: how many to give at most, from 1")

        def read() -> Rows:
            return [records.record(one) for one in self._matching(wanted, limit)]

        args = {
            "kind": kind, "labels": dict(wanted.labels), "tags": [*wanted.tags], "metric": metric,
            "mode": wanted.mode, "scope": scope, "limit": limit, "query": query,
        }  # fmt: skip
        found = await self._scope.desk.read("artifacts.search", args, read)
        return [records.from_record(data, self._blobs) for data in found]

    async def best(
        self,
        kind: str | None = None,
        metric: str | None = None,
        mode: str = "max",
        scope: str = "run",
        **more: Any,
    ) -> Artifact | None:
        """The artifact with the largest (or, mode="min", smallest) `metric`, the newest of equals; None: there is none.

        Takes `labels`, `tags` and `query`, too, as `search`.
        """
        if metric is None:
            raise TypeError("best() needs the metric to compare: best(kind, metric='accuracy')")
        found = await self.search(kind, metric=metric, mode=mode, scope=scope, limit=1, **more)
        return found[0] if found else None

    async def get_by_id(self, artifact_id: str) -> Artifact:
        """The artifact of this id: of this run, else the newest of any.

        Raises:
            UnknownArtifact: there is none; names those that are called alike.
        """
        desk = self._scope.desk
        if not isinstance(artifact_id, str):
            raise TypeError(f"an artifact is found by its artifact_id, a text; got {type(artifact_id).__name__}")

        def read() -> dict[str, Any]:
            found = records.get(desk.store, artifact_id, desk.run_id, self._scope.written)
            return {"near": self._near(artifact_id)} if found is None else records.record(found)

        data = await desk.read("artifacts.get", {"id": artifact_id}, read)
        if data is None or "near" in data:
            raise UnknownArtifact(artifact_id, str(desk.store.folder), [] if data is None else data["near"])
        return records.from_record(data, self._blobs)

    async def pin(self, artifact_id: str | Artifact, pinned: bool = True) -> Artifact:
        """Keep it whatever `gc` deletes, also when its run goes; or (`False`) let it go with the others.

        Raises:
            UnknownArtifact: there is none of this id.
        """
        found = artifact_id if isinstance(artifact_id, Artifact) else await self.get_by_id(artifact_id)
        where = catalogue.key(found.run_id, found.artifact_id)
        data = records.record(found) | {"pinned": bool(pinned)}

        def op(rows: Transaction) -> None:
            row = rows.get(where)
            if row is not None:  # else it was collected meanwhile
                rows.set(where, catalogue.encode(catalogue.decode(row, where) | {"pinned": bool(pinned)}))

        await self._scope.desk.record("artifacts.pin", {"id": found.artifact_id, "pinned": bool(pinned)}, ops=[op])
        if where in self._scope.written:
            self._scope.written[where] = catalogue.encode(data)
        return records.from_record(data, self._blobs)

    # ------------------------------------------------------------------ how

    def _wanted(self, scope: str, **conditions: Any) -> Wanted:
        if scope not in SCOPES:
            raise ValueError(f"scope={scope!r} is unknown; there are: {known(SCOPES)}")
        desk, mode = self._scope.desk, conditions.get("mode")
        if mode is not None and mode not in MODES:
            raise ValueError(f"mode={mode!r} is unknown; there are: {known(MODES)}")
        if mode is not None and conditions.get("metric") is None:
            raise ValueError(f"mode={mode!r} says which end of a metric is the best: name it, metric=...")
        for what in ("kind", "metric", "query"):
            if not isinstance(conditions.get(what), (str, type(None))):
                raise TypeError(f"{what} is a text, got {type(conditions[what]).__name__}: {conditions[what]!r:.80}")
        labels = contents.labels(conditions.get("labels") or {})
        tags = contents.tags(conditions.get("tags") or ())
        if scope == "session" and not desk.session_id:
            scope = "run"  # a script has no session: its run is all there is
        return Wanted(
            scope, desk.run_id, desk.graph_id, desk.node_id, desk.session_id,
            kind=conditions.get("kind"), labels=tuple(labels.items()), tags=tuple(tags),
            words=tuple(catalogue.split(conditions.get("query") or "")), metric=conditions.get("metric"),
            mode=mode or "max",
        )  # fmt: skip

    def _matching(self, wanted: Wanted, limit: int | None) -> Found:
        store, fresh = self._scope.desk.store, self._scope.written
        if wanted.scope in ("run", "graph", "node"):
            found = [one for one in find(store, wanted.run_id, fresh) if wanted.fits(one)]
            return sorted(found, key=wanted.order)[:limit]
        catalogue.build(store)
        on_way = [records.decode(row, where, store.blobs) for where, row in fresh.items()]
        new = {(one.run_id, one.artifact_id) for one in on_way}
        kept = [one for one in indexed(store, wanted, limit, len(new)) if (one.run_id, one.artifact_id) not in new]
        return sorted([*kept, *filter(wanted.fits, on_way)], key=wanted.order)[:limit]

    def _near(self, artifact_id: str) -> Any:
        """Ids that are like this one: of this run, then of the newest artifacts."""
        store = self._scope.desk.store
        own = [one.artifact_id for one in find(store, self._scope.desk.run_id, self._scope.written)]
        newest = (place.decode().rpartition(":")[2] for _, place in store.scan(catalogue.by_time(), limit=_NEAREST))
        ids = dict.fromkeys([*own, *newest])
        begun = [one for one in ids if one.rpartition("-")[0] == artifact_id]  # its name
        return begun[:3] or difflib.get_close_matches(str(artifact_id), ids, n=3)
