"""The rows of artifacts in the store, and the index by which they are found without reading them all.

`a:RUN:ID` is the record. Each row of the index, `ax:...`, holds the key of a record, the newest first under its prefix:
by id, content, time, session, kind, tag, label and word, and by each metric from its smallest and its largest value.
They are written and deleted in the transaction of the record, so neither can be there without the other.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ..errors import DamagedRecord
from ..storage.store import Store, Transaction

SAVE = "artifacts.save"  # the effect that makes one
PREFIX = "a:"
INDEX = "ax:"
BUILT = "ax"  # there once every record is in the index
USE = "ax:u:"  # who loaded a content
WORDS = 24  # of one artifact that are indexed
LONGEST = 40  # characters of a word
_END = 1 << 62  # microseconds since the epoch that no artifact will see
_WORD = re.compile(r"[^\W_]+")

Record = Mapping[str, Any]


def key(run_id: str, artifact_id: str) -> str:
    """Where a record lies."""
    return f"{PREFIX}{run_id}:{artifact_id}"


def encode(data: Record) -> bytes:
    """A record as a row."""
    return msgspec.msgpack.encode(data)


def decode(row: bytes, where: str) -> dict[str, Any]:
    """The record of a row. Raises DamagedRecord naming it."""
    try:
        return msgspec.msgpack.decode(row, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise DamagedRecord(f"the record {where}", str(error)) from error


def write(rows: Transaction, data: Record) -> None:
    """Write a record and what it is found by, in place of an earlier one of its id."""
    where = key(data["run_id"], data["artifact_id"])
    remove(rows, where)
    rows.set(where, encode(data))
    for one in index_keys(data):
        rows.set(one, where.encode())


def remove(rows: Transaction, where: str) -> None:
    """Delete the record at `where`, if it is there, with its rows of the index."""
    row = rows.get(where)
    if row is None:
        return
    rows.delete(where)
    for one in index_keys(decode(row, where)):
        rows.delete(one)


def build(store: Store) -> None:
    """Index what an earlier version saved without; does nothing where that was done."""
    if store.get(BUILT) is not None:
        return
    with store.transact() as rows:
        for where, row in list(store.scan(PREFIX)):
            for one in index_keys(decode(row, where)):
                rows.set(one, where.encode())
        rows.set(BUILT, b"1")


# ------------------------------------------------------------------ keys


def by_id(artifact_id: str) -> str:
    """The prefix of the artifacts of this id: one in each run that has it."""
    return f"{INDEX}i:{_name(artifact_id)}:"


def by_content(digest: str) -> str:
    """The prefix of the artifacts with this content."""
    return f"{INDEX}d:{digest}:"


def by_time() -> str:
    """The prefix of all."""
    return f"{INDEX}t:"


def by_session(session_id: str) -> str:
    """The prefix of the artifacts that the runs of a session saved."""
    return f"{INDEX}s:{_name(session_id)}:"


def by_kind(kind: str) -> str:
    """The prefix of the artifacts of a kind."""
    return f"{INDEX}k:{_name(kind)}:"


def by_tag(tag: str) -> str:
    """The prefix of the artifacts with a tag."""
    return f"{INDEX}g:{_name(tag)}:"


def by_label(name: str, value: Any) -> str:
    """The prefix of the artifacts with a label of this value."""
    return f"{INDEX}l:{_name(name)}:{_name(label_text(value))}:"


def by_word(word: str) -> str:
    """The prefix of the artifacts with a word that begins with `word`."""
    return f"{INDEX}w:{word[:LONGEST]}"


def by_metric(metric: str, *, largest: bool) -> str:
    """The prefix of the artifacts with a metric, the best first."""
    return f"{INDEX}m:{_name(metric)}:{'-' if largest else '+'}:"


def index_keys(data: Record) -> Iterator[str]:
    """All rows of the index of one record."""
    new = f"{_END - round(float(data['created_at']) * 1e6):016x}"
    rest = f"{new}:{data['run_id']}:{data['artifact_id']}"
    yield by_id(data["artifact_id"]) + rest
    yield by_content(data["sha256"]) + rest
    yield by_time() + rest
    yield by_kind(data["kind"]) + rest
    if data.get("session_id"):
        yield by_session(data["session_id"]) + rest
    for tag in dict.fromkeys(data.get("tags", ())):
        yield by_tag(tag) + rest
    for name, value in data.get("labels", {}).items():
        yield by_label(name, value) + rest
    for word in words(data):
        yield f"{by_word(word)}:{rest}"
    for name, value in data.get("metrics", {}).items():
        if value == value:  # what an earlier version took for a metric may be no number
            yield f"{by_metric(name, largest=False)}{_ordered(value)}:{rest}"
            yield f"{by_metric(name, largest=True)}{_ordered(-value)}:{rest}"


def words(data: Record) -> list[str]:
    """What a search for text looks at: the first words of name, kind, tags and labels, in small letters."""
    labels = data.get("labels", {})
    texts = [data["name"], data["kind"], *data.get("tags", ()), *labels, *map(label_text, labels.values())]
    return list(dict.fromkeys(word for text in texts for word in split(text)))[:WORDS]


def split(text: str) -> list[str]:
    """The words of a text, as they are indexed."""
    return [word[:LONGEST] for word in _WORD.findall(text.casefold())]


def label_text(value: Any) -> str:
    """A label's value as it is compared: 1, 1.0 and True are one, as in Python."""
    if isinstance(value, str):
        return value
    whole = value is not None and value == value and abs(value) != float("inf") and value == int(value)
    return f"\0{int(value) if whole else value!r}"


def use_key(digest: str, run_id: str, no: int) -> str:
    """Where it is written that node `no` of a run loaded a content."""
    return f"{USE}{digest}:{run_id}:{no}"


def run_of_use(where: str) -> str:
    """The run of a row that tells of a use."""
    return where.removeprefix(USE).partition(":")[2].rpartition(":")[0]


def _name(text: str) -> str:
    """Any text as a part of a key: of one length, without the signs that part it."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def _ordered(value: float) -> str:
    """A number as text that sorts as it does."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))  # + 0.0: there is one zero
    return f"{bits ^ ((1 << 64) - 1) if bits >> 63 else bits | 1 << 63:016x}"
