"""What memory keeps: events, numbered in the order in which they were committed, with rows to find them by.

`m:HOME:e:NUMBER` is the event, HOME being the level and its owner; `k:KIND`, `t:TAG` and `n:NAME` in place of `e` are
empty rows that lead to it. These numbers count down, so that the newest comes first in a scan. `ml:NUMBER` names the
event's home, counting up, for the index of words; `m#` is the last number and the identity of this memory.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import msgspec

from ..errors import DamagedRecord
from ..storage.codec import Codec
from ..storage.store import Store, Transaction
from ..storage.textindex import Text

PREFIX = "m:"
LOG = "ml:"
COUNT = "m#"
LAST = (1 << 63) - 1  # numbers count down from here
TEXT_LIMIT = 4_000  # characters of an event that can be searched
PAGE = 64


@dataclass(frozen=True)
class Event:
    """Something that was remembered.

    kind: what it is, as "chat", "tool_result" or a word of one's own. name: the tool or topic of a result, the role of
    a chat line. t: seconds since the epoch (UTC). severity: 1 (minor) to 3 (important).
    """

    event_id: str
    kind: str
    t: float
    data: Any = field(default=None, hash=False)
    text: str = ""
    name: str = ""
    inputs: Any = field(default=None, hash=False)
    outputs: Any = field(default=None, hash=False)
    tags: list[str] = field(default_factory=list, hash=False)
    severity: int = 2
    stage: str = ""
    metrics: dict[str, float] = field(default_factory=dict, hash=False)
    run_id: str = ""
    session_id: str = ""
    graph_id: str = ""
    node_id: str = ""

    @property
    def role(self) -> str:
        """Who said it, of a line of a chat."""
        return self.name if self.kind == "chat" else ""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """An event as it lies in the store; `payload` holds `data`, `inputs` and `outputs`, as far as there are any."""

    event_id: str
    kind: str
    t: float
    text: str
    name: str
    tags: list[str]
    severity: int
    stage: str
    metrics: dict[str, float]
    run_id: str
    session_id: str
    graph_id: str
    node_id: str
    payload: bytes
    searched: str  # what more of it can be searched


class _Counter(msgspec.Struct, frozen=True, array_like=True):
    identity: str
    last: int


_log = logging.getLogger("aethergraph.search")
_VALUES = ("data", "inputs", "outputs")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Row).decode
_count = msgspec.msgpack.Decoder(_Counter).decode


def make(event: Event, codec: Codec) -> Row:
    """The row of an event.

    Raises:
        NotStorable: its data cannot be stored.
    """
    values = {name: value for name in _VALUES if (value := getattr(event, name)) is not None}
    payload = codec.dump(values, f"data of a {event.kind!r} event") if values else b""
    searched = " ".join(_strings(list(values.values())))[:TEXT_LIMIT]
    return Row(
        event.event_id, event.kind, event.t, event.text, event.name, event.tags, event.severity, event.stage,
        event.metrics, event.run_id, event.session_id, event.graph_id, event.node_id, payload, searched,
    )  # fmt: skip


def load(row: Row, codec: Codec) -> Event:
    """The event of a row."""
    values = codec.load(row.payload, f"data of a {row.kind!r} event") if row.payload else {}
    return Event(
        row.event_id, row.kind, row.t, text=row.text, name=row.name, tags=row.tags, severity=row.severity,
        stage=row.stage, metrics=row.metrics, run_id=row.run_id, session_id=row.session_id, graph_id=row.graph_id,
        node_id=row.node_id, **values,
    )  # fmt: skip


def decode(data: bytes, where: str) -> Row:
    """Raises DamagedRecord where it cannot be read."""
    try:
        return _decode(data)
    except msgspec.MsgspecError as error:
        raise DamagedRecord(f"the row {where!r}", str(error)) from error


def searchable(row: Row) -> str:
    """What can be searched of it."""
    return f"{row.text[:TEXT_LIMIT]} {row.name} {row.searched}"


def _strings(values: Iterable[Any], depth: int = 4) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value[:TEXT_LIMIT]
        elif depth and isinstance(value, Mapping):
            yield from _strings([part for pair in value.items() for part in pair], depth - 1)
        elif depth and isinstance(value, (list, tuple)):
            yield from _strings(value[:TEXT_LIMIT], depth - 1)


# ---------------------------------------------------------------------- rows


def key(home: str, number: int) -> str:
    """Where event `number` of `home` lies."""
    return f"{PREFIX}{home}e:{LAST - number:016x}"


def put(rows: Transaction, home: str, row: Row) -> None:
    """Write an event under the next number."""
    found = rows.get(COUNT)
    counter = _count(found) if found is not None else _Counter(os.urandom(8).hex(), 0)
    number = counter.last + 1
    rows.set(COUNT, _encode(_Counter(counter.identity, number)))
    rows.set(key(home, number), _encode(row))
    for way in (f"k:{quote(row.kind, safe='')}", *(f"t:{quote(tag, safe='')}" for tag in dict.fromkeys(row.tags))):
        rows.set(f"{PREFIX}{home}{way}:{LAST - number:016x}", b"")
    if row.name:
        rows.set(f"{PREFIX}{home}n:{quote(row.name, safe='')}:{LAST - number:016x}", b"")
    rows.set(f"{LOG}{number:016x}", home.encode())


def newest(store: Store, home: str, way: str, value: str = "") -> Iterator[tuple[int, bytes]]:
    """The events of `home`, the newest first, by number and row; `way` is "e", or "k", "t" or "n" with a value.

    The row is empty where the way only leads to it.

    Raises:
        TypeError: `value` is no text.
    """
    if not isinstance(value, str):
        raise TypeError(f"events are looked for by texts, got {value!r:.80} ({type(value).__name__})")
    prefix = f"{PREFIX}{home}{way}:" + (f"{quote(value, safe='')}:" if way != "e" else "")
    after, size = "", PAGE
    while True:
        page = list(store.scan(prefix, after=after, limit=size))
        yield from ((LAST - int(found[-16:], 16), data) for found, data in page)
        if len(page) < size:
            return
        after, size = page[-1][0], min(4_096, 2 * size)


class Memories:
    """All events of a store, as an index of words is made from them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        row = store.get(COUNT)
        self.identity = _count(row).identity if row is not None else ""

    def after(self, number: int) -> Iterator[Text]:
        """Those that were committed after this one."""
        last = f"{LOG}{number:016x}"
        while True:
            page = list(self._store.scan(LOG, after=last, limit=1_000))
            for where, home in page:
                text = self._text(int(where[len(LOG) :], 16), home.decode())
                if text is not None:
                    yield text
            if len(page) < 1_000:
                return
            last = page[-1][0]

    def _text(self, number: int, home: str) -> Text | None:
        where = key(home, number)
        try:
            data = self._store.get(where)
            if data is None:
                return None
            row = decode(data, where)
        except DamagedRecord as error:  # the others can be found all the same
            _log.warning("an event is left out of the index of words: %s", error)
            return None
        labels = (f"kind {row.kind}", *(f"tag {tag}" for tag in row.tags))
        return Text(number, home, labels, searchable(row))


def rows_of(store: Store, home: str) -> Iterator[str]:
    """The keys of all rows of a home, to be deleted with it."""
    for where, _ in store.scan(PREFIX + home):
        yield where
        if where.startswith(f"{PREFIX}{home}e:"):
            yield f"{LOG}{LAST - int(where[-16:], 16):016x}"
