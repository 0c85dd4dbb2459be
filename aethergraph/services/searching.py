"""Searching all artifacts of a store by its index: only what fits the rarest condition is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..storage.store import Store
from . import artifact as records
from . import catalogue
from .artifact import Artifact

PAGE = 256  # rows of the index that are read at once


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. `scope` of where; `words` that begin words of it; the rest as of `Finding.search`."""

    scope: str
    run_id: str
    graph_id: str
    node_id: str
    session_id: str
    kind: str | None = None
    labels: tuple[tuple[str, Any], ...] = ()
    tags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    metric: str | None = None
    mode: str = "max"

    def fits(self, one: Artifact) -> bool:
        """Whether it is what is looked for."""
        return (
            self._is_in_scope(one)
            and (self.kind is None or one.kind == self.kind)
            and (self.metric is None or self.metric in one.metrics)
            and set(self.tags) <= set(one.tags)
            and all(name in one.labels and one.labels[name] == value for name, value in self.labels)
            and (not self.words or self._has_words(one))
        )

    def order(self, one: Artifact) -> tuple[Any, ...]:
        """The key by which it is sorted: the best first, else the newest."""
        value = 0.0 if self.metric is None else one.metrics[self.metric]
        return (-value if self.mode == "max" else value, -one.created_at, one.artifact_id, one.run_id)

    def prefixes(self) -> Iterator[str]:
        """The parts of the index in which all of it is, those of the conditions first."""
        if self.scope == "session":
            yield catalogue.by_session(self.session_id)
        yield from (catalogue.by_tag(tag) for tag in self.tags)
        yield from (catalogue.by_label(name, value) for name, value in self.labels)
        yield from (catalogue.by_word(word) for word in self.words)
        if self.kind is not None:
            yield catalogue.by_kind(self.kind)

    def _is_in_scope(self, one: Artifact) -> bool:
        if self.scope == "session":
            return bool(self.session_id) and one.session_id == self.session_id
        return self.scope == "all" or (
            one.run_id == self.run_id
            and (self.scope != "graph" or one.graph_id == self.graph_id)
            and (self.scope != "node" or one.node_id == self.node_id)
        )

    def _has_words(self, one: Artifact) -> bool:
        there = catalogue.words(records.record(one))
        return all(any(word.startswith(asked) for word in there) for asked in self.words)


def indexed(store: Store, wanted: Wanted, limit: int | None, more: int) -> list[Artifact]:
    """What is in the index, in the order that is asked for: enough of it for `limit`, if `more` of it do not count."""
    least = _fewest(store, wanted)
    if least is not None:
        return [one for one in _read(store, least) if wanted.fits(one)]
    if wanted.metric is not None:
        prefix = catalogue.by_metric(wanted.metric, largest=wanted.mode == "max")
    else:
        prefix = next(wanted.prefixes(), catalogue.by_time())
    sorted_ = limit is not None and not prefix.startswith(catalogue.by_word(""))  # words are not in order of time
    found: dict[tuple[str, str], Artifact] = {}
    for one in filter(wanted.fits, _read(store, _places(store, prefix))):
        found[one.run_id, one.artifact_id] = one
        if sorted_ and limit is not None and len(found) >= limit + more:
            break
    return [*found.values()]


def _places(store: Store, prefix: str) -> Iterator[str]:
    after = ""
    while rows := list(store.scan(prefix, after=after, limit=PAGE)):
        after = rows[-1][0]
        yield from (place.decode() for _, place in rows)


def _fewest(store: Store, wanted: Wanted) -> Iterable[str] | None:
    """The keys of the records under the rarest condition, where they are few."""
    best: dict[str, None] | None = None
    for prefix in wanted.prefixes():
        rows = list(store.scan(prefix, limit=PAGE + 1))
        if len(rows) <= PAGE and (best is None or len(rows) < len(best)):
            best = dict.fromkeys(place.decode() for _, place in rows)
    return best


def _read(store: Store, places: Iterable[str]) -> Iterator[Artifact]:
    for where in places:
        row = store.get(where)
        if row is not None:
            yield records.decode(row, where, store.blobs)
