"""Signals as rows of the store: a log that is numbered for the whole store, which runs read on from where they are.

`g:l:NUMBER` is a signal; `g:a:NAME:NUMBER` says that it is for all runs, `g:r:RUN:NAME:NUMBER` that it is for one. Who
sends one writes the rows in one transaction and rings the doorbell afterwards. What a run has taken is in its facts.
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from ..errors import DamagedRecord
from ..values.canonical import plain
from .store import Store, Transaction

LOG, TO_ALL, TO_RUN, LAST = "g:l:", "g:a:", "g:r:", "g:n"
PAGE = 64  # keys that are read at once


class Signal(msgspec.Struct, frozen=True, array_like=True):
    """One signal.

    number: its place in the log of the store, from 1.
    payload: msgpack of plain data.
    t: when it was sent, in seconds since the epoch.
    mailbox: the run that it is for, "" for all.
    """

    number: int
    name: str
    payload: bytes
    t: float
    mailbox: str = ""

    @property
    def value(self) -> Any:
        """What it carries."""
        return msgspec.msgpack.decode(self.payload)


def send(store: Store, name: str, payload: Any, mailbox: str, now: float) -> Signal:
    """Write a signal to the log, durably; the caller tells those who wait for it.

    Raises:
        TypeError: the payload is not plain data, or the name is no text.
        ValueError: the name is empty.
    """
    if not isinstance(name, str):
        raise TypeError(f"a signal has a text as its name, got {type(name).__name__}")
    if not name:
        raise ValueError("a signal has a name")
    if not plain(payload):
        raise TypeError(
            f"the payload of signal {name!r} is not plain data (None, bool, number, text, bytes, and lists and dicts "
            f"of these): it is, or holds, something else; it is of type {type(payload).__name__}"
        )
    data = msgspec.msgpack.encode(payload)
    with store.transact() as rows:
        signal = Signal(last(rows) + 1, name, data, now, mailbox)
        rows.set(LAST, msgspec.msgpack.encode(signal.number))
        rows.set(_key(LOG, signal.number), msgspec.msgpack.encode(signal))
        rows.set(_key(_box(name, mailbox), signal.number), b"")
    return signal


def last(rows: Store | Transaction) -> int:
    """The number of the last signal of the store, 0 where there was none."""
    data = rows.get(LAST)
    return 0 if data is None else msgspec.msgpack.decode(data, type=int)


def since(store: Store, number: int) -> Iterator[Signal]:
    """The signals after `number`, in order."""
    for key, data in store.scan(LOG, after=_key(LOG, number)):
        yield _decode(key, data)


def everything(store: Store) -> Iterator[Signal]:
    """All signals that are kept, in order."""
    return since(store, 0)


def row_keys(signal: Signal) -> tuple[str, str]:
    """The keys of the rows of a signal. Its number stays taken without them."""
    return _key(LOG, signal.number), _key(_box(signal.name, signal.mailbox), signal.number)


def waiting_for(store: Store, name: str, mailbox: str, after: int, taken: Container[int]) -> Iterator[Signal]:
    """The signals of this name for all and for `mailbox`, after number `after`, that are not in `taken`; in order."""
    sent = last(store)  # of two that are sent while the boxes are read, only the later one might be seen
    boxes = [_numbers(store, _box(name, ""), after), _numbers(store, _box(name, mailbox), after)]
    for number in heapq.merge(*boxes):
        if number > sent:  # who sent it has yet to ring
            return
        if number not in taken:
            key = _key(LOG, number)
            data = store.get(key)
            if data is not None:
                yield _decode(key, data)


def _numbers(store: Store, box: str, after: int) -> Iterator[int]:
    while True:
        page = [int(key.rpartition(":")[2]) for key, _ in store.scan(box, after=_key(box, after), limit=PAGE)]
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1]


def _box(name: str, mailbox: str) -> str:
    named = f"{quote(name, safe='')}:"
    return f"{TO_RUN}{quote(mailbox, safe='')}:{named}" if mailbox else f"{TO_ALL}{named}"


def _key(prefix: str, number: int) -> str:
    return f"{prefix}{number:012d}"


def _decode(key: str, data: bytes) -> Signal:
    try:
        return msgspec.msgpack.decode(data, type=Signal)
    except msgspec.DecodeError as error:
        raise DamagedRecord(f"the signal {key!r}", str(error)) from error
