"""The rows of runs: what `runs()` lists without reading a journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from ..engine import Op
from ..errors import UnknownRun
from ..record.facts import SESSION
from ..record.status import RunStatus
from .store import Store, Transaction

ORDER = "x:"
INDEX = "t:"  # rows of the order in time: empty, all is in the key
INDEXED = "index"  # there once the newest runs are in the index: `ALL` or `NEWEST`
PIN = "p:"  # rows of runs that are never collected as garbage
HEAD = 200  # so many of the newest runs are found by the index; rows of older ones would only take room
ALL, NEWEST = b"1", b"2"  # every run of the store is in the index, or only those that are newer than the others
_END = 1 << 62  # microseconds since the epoch that no run will see


class RunRow(msgspec.Struct, frozen=True, array_like=True):
    """One run as its last owner left it; times in seconds since the epoch, 0 for not yet."""

    run_id: str
    name: str
    status: str
    created: float
    ended: float = 0.0
    session: str = ""
    parent: str = ""
    nodes: int = 0
    done: int = 0
    waiting: int = 0
    error: str = ""
    tags: list[str] = []
    tied: bool = False  # to its parent: cancelled with it
    chain: str = ""  # the first of the runs that it goes on from
    successor: str = ""  # the run that goes on from it
    kind: str = ""  # as in `RunStarted`


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run in a list. `waiting`: open questions; `live_elsewhere`: another process is running it."""

    run_id: str
    name: str
    status: RunStatus
    created_at: float
    duration_s: float
    nodes: int
    nodes_done: int
    waiting: int
    session: str
    error: str
    live_elsewhere: bool
    tags: tuple[str, ...] = ()
    parent: str = ""  # the run that it was forked from, or that started it
    kind: str = ""  # "session" for one of `open_session`, which is never resumed; "" for one of an agent

    @property
    def stands_still(self) -> bool:
        """Whether it goes on only when somebody resumes it."""
        if self.kind == SESSION or self.live_elsewhere:
            return False
        return self.status in (RunStatus.PAUSED, RunStatus.WAITING, RunStatus.FAILED)


def row_key(run_id: str) -> str:
    """Where the row of a run lies."""
    return f"r:{run_id}"


def index_key(created: float, run_id: str) -> str:
    """Where a run lies in the order of time, the newest first."""
    return f"{INDEX}{_END - round(created * 1e6):016x}:{run_id}"


def write_op(row: RunRow) -> Op:
    """Write `row` with a fact."""
    data = msgspec.msgpack.encode(row)

    def op(rows: Transaction) -> None:
        rows.set(row_key(row.run_id), data)

    return op


def decode(data: bytes) -> RunRow:
    """A row."""
    return msgspec.msgpack.decode(data, type=RunRow)


def read(store: Store, run_id: str) -> RunRow:
    """The row of a run.

    Raises:
        UnknownRun: there is none; names those with a similar id.
        TypeError: `run_id` is no text.
    """
    if not isinstance(run_id, str):
        hint = ": write `.run_id`" if hasattr(run_id, "run_id") else ""
        raise TypeError(f"a run is named by its id, which is a text; got {type(run_id).__name__} {run_id!r}{hint}")
    data = store.get(row_key(run_id))
    if data is None:
        from difflib import get_close_matches

        known = [key[2:] for key, _ in store.scan("r:")]
        raise UnknownRun(run_id, get_close_matches(run_id, known, n=3, cutoff=0.5))
    return decode(data)


def everything(store: Store) -> Iterator[RunRow]:
    """All rows, newest first. The first of them are found by the index, without reading the others."""
    indexed = store.get(INDEXED)
    head = [key for key, _ in store.scan(INDEX, limit=HEAD)] if indexed is not None else []
    seen = set()
    for key in head:
        run_id = key.removeprefix(INDEX).partition(":")[2]
        data = store.get(row_key(run_id))
        seen.add(run_id)
        if data is not None:
            yield decode(data)
    if indexed != ALL or len(head) == HEAD:
        rows = (decode(data) for key, data in store.scan("r:") if key[2:] not in seen)
        yield from sorted(rows, key=lambda row: row.created, reverse=True)


def index(store: Store) -> None:
    """Put the newest runs of an older version, which knew no index, into it."""
    if store.get(INDEXED) is not None:
        return
    with store.transact() as rows:
        found = sorted((decode(data) for _, data in store.scan("r:")), key=lambda row: row.created)
        for row in found[-HEAD:]:
            rows.set(index_key(row.created, row.run_id), b"")
        rows.set(INDEXED, ALL if len(found) <= HEAD else NEWEST)


def shorten(store: Store) -> None:
    """Take runs out of the index that are too old to be found by it: not all at once, where there are very many."""
    head = [key for key, _ in store.scan(INDEX, limit=HEAD)]
    if len(head) < HEAD:
        return
    with store.transact() as rows:
        old = [key for key, _ in store.scan(INDEX, after=head[-1], limit=2 * HEAD)]
        for key in old:
            rows.delete(key)
        if old:
            rows.set(INDEXED, NEWEST)


# ---------------------------------------------------------------------- orders from other processes


def order_op(run_id: str, by: str) -> Op:
    """Order the process that runs `run_id` to cancel it."""
    return lambda rows: rows.set(ORDER + run_id, by.encode())


def obeyed_op(run_id: str) -> Op:
    """The run is over: an order to end it has no object any more."""

    def op(rows: Transaction) -> None:
        if rows.get(ORDER + run_id) is not None:
            rows.delete(ORDER + run_id)

    return op


def orders(store: Store) -> Iterator[tuple[str, str]]:
    """Runs that are to be cancelled, and by whom."""
    for key, by in store.scan(ORDER):
        yield key.removeprefix(ORDER), by.decode()
