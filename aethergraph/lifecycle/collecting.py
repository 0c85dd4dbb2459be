"""Garbage: what a store can do without, told first and deleted on request. Nothing else ever deletes.

Runs go by age or number, and never one that somebody may still need. Then contents, definitions and kept results that
nothing refers to any more. A content may be stored and not yet referred to, by whoever is about to commit a fact: so
none goes that was stored or stored again lately, or since the oldest process began that has the store open. What is
left is looked at once more in a transaction, in which nobody can commit, is moved aside there, and is deleted after it.
A kill at any point leaves at most files that the next collection deletes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from ..errors import DamagedRecord, UnknownRun
from ..record import facts as f
from ..record.files import amount
from ..record.status import ENDED, RunStatus
from ..scheduler import caching
from ..services import artifact, catalogue, entry, event, folders, levels
from ..services.writing import SCRATCH
from ..storage import journal, owner, roster, signals, uploads, waiting
from ..storage.store import Transaction
from ..values import mentions
from . import signalling

if TYPE_CHECKING:
    from .hub import Runtime

GRACE_S = 3600.0  # contents younger than this stay
DEFINITION = "d:"
MOST_TOLD = 12  # lines of each kind in a report's text


@dataclass(frozen=True, slots=True)
class Item:
    """A run of a report. `size` in bytes of its rows; `why` it goes or stays."""

    run_id: str
    name: str
    size: int
    why: str


@dataclass(slots=True)
class Garbage:
    """What a collection deleted or, while `done` is False, would delete.

    runs: those that go. kept: those that would go by age or number, and why they stay.
    blobs, definitions, cached, signals: how many contents, stored sources, kept results (`cache=True`) and signals
        nothing needs; sizes are in bytes.
    parts: uploads that somebody began and did not end.
    scratch: folders of files that runs which are over were working on.
    young: contents that nothing refers to, but that somebody may be about to.
    """

    done: bool = False
    runs: list[Item] = field(default_factory=list)
    kept: list[Item] = field(default_factory=list)
    definitions: int = 0
    cached: int = 0
    signals: int = 0
    rows_size: int = 0
    blobs: int = 0
    blobs_size: int = 0
    parts: int = 0
    scratch: int = 0
    young: int = 0

    @property
    def size(self) -> int:
        """All of it, in bytes."""
        return self.rows_size + self.blobs_size

    def __bool__(self) -> bool:
        rows = self.runs or self.definitions or self.cached or self.signals
        return bool(rows or self.blobs or self.parts or self.scratch)

    def __str__(self) -> str:
        verb = "deleted" if self.done else "would delete"
        parts = [
            f"{count} {what}{'' if count == 1 else 's'}"
            for count, what in (
                (len(self.runs), "run"),
                (self.blobs, "content"),
                (self.parts, "unfinished upload"),
                (self.definitions, "stored source"),
                (self.cached, "kept result"),
                (self.signals, "signal"),
                (self.scratch, "folder"),
            )
            if count
        ]
        lines = [f"{verb} {', '.join(parts)}: {amount(self.size)}" if parts else f"{verb} nothing"]
        lines += _told([f"  {one.run_id}: {one.why}, {amount(one.size)}" for one in self.runs])
        lines += _told([f"  kept {one.run_id}: {one.why}" for one in self.kept])
        if self.young:
            lines.append(f"  kept {self.young} contents that were stored lately, or by a process that still runs")
        return "\n".join(lines)


def _told(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_TOLD
    return lines if more <= 0 else [*lines[:MOST_TOLD], f"  ... and {more} more"]


class Collector:
    """One collection of one store."""

    def __init__(
        self, runtime: Runtime, keep: int | None, older_than: timedelta | float | None, runs: Iterable[str]
    ) -> None:
        self._runtime, self._store = runtime, runtime.store
        self._now = runtime.clock.now()
        self._keep = keep
        age = older_than.total_seconds() if isinstance(older_than, timedelta) else older_than
        if not isinstance(keep, int | None) or not isinstance(age, int | float | None):
            raise TypeError(f"keep={keep!r} and older_than={older_than!r}: a number of runs; a timedelta, or seconds")
        if (keep is not None and keep < 0) or (age is not None and age < 0):
            raise ValueError(f"keep={keep} and older_than={older_than}: neither can be negative")
        self._before = None if age is None else self._now - age
        self._asked = dict.fromkeys([runs] if isinstance(runs, str) else runs)
        self._alive: dict[str, bool] = {}
        self._waits: dict[str, list[str]] = {}
        self._uses: dict[str, list[str]] = {}
        self._stale: set[str] = set()  # kept results that go

    def collect(self, *, dry_run: bool) -> Garbage:
        """Find it, and delete it unless `dry_run`."""
        found = Garbage(done=not dry_run)
        self._condemn(found)
        if not dry_run:
            found.runs = [item for item in found.runs if self._delete_run(item, found)]
        gone = {item.run_id for item in found.runs}
        self._rows_without_use(found, gone, dry_run=dry_run)
        self._signals(found, gone, dry_run=dry_run)
        self._contents(found, gone, dry_run=dry_run)
        self._scratch(found, gone, dry_run=dry_run)
        if not dry_run:
            self._store.compact()
        return found

    # ------------------------------------------------------------------ runs

    def _condemn(self, found: Garbage) -> None:
        rows = list(roster.everything(self._store))
        unknown = self._asked.keys() - {row.run_id for row in rows}
        if unknown:
            raise UnknownRun(sorted(unknown)[0])
        sizes, self._waits, self._uses = self._sizes(), waiting.by_run(self._store), self._by_user()
        going: dict[str, Item] = {}
        for number, row in enumerate(rows):
            why = self._reason(number, row)
            if why:
                item = Item(row.run_id, row.name, sizes.get(row.run_id, 0), why)
                stays = self._needed(row)
                if stays:
                    found.kept.append(Item(row.run_id, row.name, item.size, stays))
                else:
                    going[row.run_id] = item
        self._spare_parents(rows, going, found)
        self._spare_children(rows, going, found)
        found.runs = list(going.values())
        found.rows_size = sum(item.size for item in found.runs)

    def _reason(self, number: int, row: roster.RunRow) -> str:
        """Why a run is to go; "" where it is not."""
        if row.run_id in self._asked:
            return "it was asked for"
        if self._asked or (self._keep is None and self._before is None):
            return ""
        if self._keep is not None and number < self._keep:
            return ""
        ended = row.ended or row.created
        if self._before is not None and ended >= self._before:
            return ""
        return f"{row.status}, {(self._now - ended) / 86400:.0f} days old"

    def _needed(self, row: roster.RunRow) -> str:
        """Why a run must stay for its own sake; "" where it need not."""
        if self._store.get(roster.PIN + row.run_id) is not None:
            return "it is pinned"
        if self._is_run(row.run_id):
            return "it is running"
        if row.run_id in self._asked:
            return ""
        if row.kind == f.SESSION:  # its process is gone, and nobody can go on with it
            return ""
        if row.waiting and row.status not in (RunStatus.DONE, RunStatus.CANCELLED):
            return "it waits for an answer"
        if row.status in (RunStatus.PAUSED, RunStatus.RUNNING, RunStatus.WAITING):
            return "it can be resumed"
        return ""

    def _is_run(self, run_id: str) -> bool:
        """Whether some process runs it, or has just taken it up."""
        if self._runtime.parking.is_ours(run_id):
            return True
        epoch = owner.read(self._store, run_id)
        if epoch is None or not self._is_alive(epoch.owner):
            return False
        opened, last = 0, None
        for batch in journal.read(self._store, run_id):
            for last in batch:
                opened = last.epoch if isinstance(last, f.RunOpened) else opened
        return epoch.number > opened or not isinstance(last, journal.ENDS)

    def _is_alive(self, owner_id: str) -> bool:
        if owner_id and owner_id not in self._alive:
            self._alive[owner_id] = self._runtime.owner.is_alive(owner_id)
        return self._alive.get(owner_id, False)

    def _spare_parents(self, rows: Sequence[roster.RunRow], going: dict[str, Item], found: Garbage) -> None:
        """A run from which one that stays was forked stays, too, unless it was asked for."""
        for row in rows:  # the newest first: a child comes before its parent
            item = going.get(row.parent)
            if item is not None and row.run_id not in going and row.parent not in self._asked:
                del going[row.parent]
                found.kept.append(Item(item.run_id, item.name, item.size, f"{row.run_id} was made from it"))

    def _spare_children(self, rows: Sequence[roster.RunRow], going: dict[str, Item], found: Garbage) -> None:
        """A run stays, too, whose parent stays and is not over: that may not have what it gave yet."""
        unfinished = {row.run_id for row in rows if row.run_id not in going and row.status not in ENDED}
        for row in rows:
            if row.run_id in going and row.parent in unfinished and row.run_id not in self._asked:
                item = going.pop(row.run_id)
                found.kept.append(Item(item.run_id, item.name, item.size, f"{row.parent} may wait for what it gave"))

    def _sizes(self) -> dict[str, int]:
        """Bytes of the rows of each run."""
        sizes: dict[str, int] = {}
        for prefix in _OF_RUNS:
            for key, data in self._store.scan(prefix):
                run_id = _run_of(key)
                sizes[run_id] = sizes.get(run_id, 0) + len(key) + len(data)
        return sizes

    def _by_user(self) -> dict[str, list[str]]:
        """The rows that tell of a run that loaded an artifact."""
        uses: dict[str, list[str]] = {}
        for key, _ in self._store.scan(catalogue.USE):
            uses.setdefault(catalogue.run_of_use(key), []).append(key)
        return uses

    def _delete_run(self, item: Item, found: Garbage) -> bool:
        """All its rows in one transaction, unless it came into use since it was condemned."""
        with self._store.transact() as rows:
            data = rows.get(roster.row_key(item.run_id))
            if data is None:
                return False
            row = roster.decode(data)
            stays = self._needed(row)
            if stays:
                found.kept.append(Item(item.run_id, item.name, item.size, stays))
                found.rows_size -= item.size
                return False
            for key in self._rows_of(row):
                rows.delete(key)
        return True

    def _rows_of(self, row: roster.RunRow) -> Iterator[str]:
        """The keys of all rows of a run; records of pinned artifacts are left."""
        run_id = row.run_id
        yield from (roster.row_key(run_id), owner.row_key(run_id), roster.ORDER + run_id)
        yield roster.index_key(row.created, run_id)
        yield from (key for key, _ in self._store.scan(f"j:{run_id}:"))
        for key, data in self._store.scan(f"{catalogue.PREFIX}{run_id}:"):
            if not self._is_pinned(key, data):
                yield key
                yield from catalogue.index_keys(catalogue.decode(data, key))
        yield from self._uses.get(run_id, ())
        yield from (key for key, _ in self._store.scan(f"{uploads.PREFIX}{run_id}:"))
        yield from (key for key, _ in self._store.scan(levels.of_run(entry.PREFIX, run_id)))
        yield from event.rows_of(self._store, levels.of_run("", run_id))
        for token in self._waits.get(run_id, ()):
            yield from waiting.row_keys(token)

    # ------------------------------------------------------------------ what nothing refers to

    def _still(self, dry_run: bool) -> AbstractContextManager[Transaction | None]:
        """A transaction, so that nobody writes; where nothing is deleted nobody is held up."""
        return nullcontext() if dry_run else self._store.transact()

    def _mentioned(self, gone: set[str]) -> tuple[set[str], set[str]]:
        """The contents and definitions that rows refer to, those that are to go left out."""
        contents: set[str] = set()
        sources: set[str] = set()
        asked = {key for run_id in gone for token in self._waits.get(run_id, ()) for key in waiting.row_keys(token)}
        for key, data in self._store.scan(""):
            goes = key in self._stale or key in asked or (key.startswith(_OF_RUNS) and _run_of(key) in gone)
            if key.startswith((DEFINITION, folders.ROW)) or (goes and not self._is_pinned(key, data)):
                continue
            contents |= mentions.digests(data)
            sources |= mentions.definitions(data)
        for key, data in self._store.scan(folders.ROW):
            if key.removeprefix(folders.ROW) in contents:
                contents |= mentions.digests(data)
        return contents, sources

    def _is_pinned(self, key: str, data: bytes) -> bool:
        """Whether this is the record of a pinned artifact, which outlives its run."""
        return key.startswith(catalogue.PREFIX) and artifact.decode(data, key, self._store.blobs).pinned

    def _rows_without_use(self, found: Garbage, gone: set[str], *, dry_run: bool) -> None:
        """Definitions that no run was started from, and kept results that are old or lost their contents."""
        with self._still(dry_run) as rows:  # nobody starts a run meanwhile
            _, sources = self._mentioned(gone)
            stale = [(key, data) for key, data in self._store.scan(DEFINITION) if key[len(DEFINITION) :] not in sources]
            kept = [(key, data) for key, data in self._store.scan(caching.PREFIX) if self._is_stale(key, data)]
            found.definitions, found.cached = len(stale), len(kept)
            self._stale = {key for key, _ in kept}
            found.rows_size += sum(len(key) + len(data) for key, data in (*stale, *kept))
            for key, _ in (*stale, *kept):
                if rows is not None:
                    rows.delete(key)

    def _signals(self, found: Garbage, gone: set[str], *, dry_run: bool) -> None:
        """What was sent to runs that are over, or gone."""
        with self._still(dry_run) as rows:  # nobody forks a run meanwhile, or starts one
            for signal in list(signalling.spent(self._store, gone)):
                found.signals += 1
                found.rows_size += sum(map(len, (*signals.row_keys(signal), signal.payload)))
                for key in signals.row_keys(signal):
                    if rows is not None:
                        rows.delete(key)

    def _is_stale(self, key: str, data: bytes) -> bool:
        try:
            row = caching.decode(data, key)
        except DamagedRecord:
            return True
        if self._before is not None and row.t < self._before:
            return True
        return not all(self._store.blobs.has(digest) for digest in mentions.digests(row.value))

    def _contents(self, found: Garbage, gone: set[str], *, dry_run: bool) -> None:
        owners = self._runtime.owner
        # by the clock that dates files, whatever the clock of the runs says
        since = min(time.time() - GRACE_S, owners.oldest(but_ours=not self._runtime.live))
        with self._still(dry_run) as rows:  # nobody commits a fact meanwhile
            contents, _ = self._mentioned(gone)
            for key, data in list(self._store.scan(folders.ROW)):
                if key.removeprefix(folders.ROW) not in contents:
                    found.rows_size += len(key) + len(data)
                    if rows is not None:
                        rows.delete(key)
            for blob in self._store.blobs.all():
                if blob.digest in contents:
                    continue
                if blob.stored >= since or (not dry_run and not self._store.blobs.move_aside(blob)):
                    found.young += 1
                    continue
                found.blobs += 1
                found.blobs_size += blob.size
        left = list(uploads.left_over(self._store, since))
        found.parts = len(left)
        found.blobs_size += sum(size for _, size in left)
        if not dry_run:
            self._store.blobs.empty_trash(since)
            uploads.sweep(self._store, since)

    def _scratch(self, found: Garbage, gone: set[str], *, dry_run: bool) -> None:
        """The files that runs were working on, once these are gone or done."""
        folder = self._store.folder / SCRATCH
        for place in folder.iterdir() if folder.is_dir() else ():
            row = None if place.name in gone else self._store.get(roster.row_key(place.name))
            over = row is None or roster.decode(row).status in (RunStatus.DONE, RunStatus.CANCELLED)
            if not over or place.stat().st_mtime >= time.time() - GRACE_S or self._runtime.parking.is_ours(place.name):
                continue
            found.scratch += 1
            found.blobs_size += sum(one.stat().st_size for one in place.rglob("*") if one.is_file())
            if not dry_run:
                shutil.rmtree(place, ignore_errors=True)  # a file that is open where open files stay: the next time


_OF_LEVELS = (entry.PREFIX, event.PREFIX)
_OF_RUNS = (
    roster.row_key(""), owner.row_key(""), "j:", catalogue.PREFIX, uploads.PREFIX,
    *(f"{prefix}run:" for prefix in _OF_LEVELS),
)  # fmt: skip


def _run_of(key: str) -> str:
    """The run of a row of `_OF_RUNS`."""
    if key.startswith(_OF_LEVELS):
        return levels.run_of(key)
    kind, _, rest = key.partition(":")
    return rest if kind in "re" else rest.rpartition(":")[0]
