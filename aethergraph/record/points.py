"""Points of plots as the journal holds them: columns, about nine bytes a point, in one fact for each node and batch.

Code notes one point at a time. What is committed together is gathered here just before it is written: a row holds the
points of many calls, and a commit is never made for one of them.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator

import msgspec

from . import facts as f

Columns = dict[str, tuple["array[float]", "array[float]"]]  # track -> steps, values

_pack, _unpack = msgspec.msgpack.Encoder().encode, msgspec.msgpack.decode
_LINE, _SINGLE, _DOUBLE = b"r", b"f", b"d"  # how a column is written: first and difference, or four or eight bytes each


def gather(batch: list[f.AnyFact]) -> list[f.AnyFact]:
    """`batch` with the points of each stretch of notes as one `points` fact a node, in the order of their coming.

    A stretch ends at any other fact: a point stands on its side of the facts that start a node, or drop what it drew.
    """
    if f.Noted not in map(type, batch):  # as nearly always
        return batch
    if not any(type(fact) is f.Noted and fact.kind == "point" for fact in batch):
        return batch
    kept: list[f.AnyFact] = []
    taken: dict[int, tuple[int, Columns]] = {}  # by node: its place in `kept`, its points

    def settle() -> None:
        for no, (place, columns) in taken.items():
            last = kept[place]
            assert isinstance(last, f.Noted)
            kept[place] = f.Noted(no, "points", pack(columns), last.t)
        taken.clear()

    for fact in batch:
        if type(fact) is not f.Noted:
            settle()
            kept.append(fact)
        elif fact.kind != "point":
            kept.append(fact)
        else:
            if fact.no not in taken:
                taken[fact.no] = len(kept), {}
                kept.append(fact)
            point = _unpack(fact.data)
            steps, values = taken[fact.no][1].setdefault(str(point["track"]), (array("d"), array("d")))
            steps.append(point["step"])
            values.append(point["value"])
    settle()
    return kept


def pack(columns: Columns) -> bytes:
    """The data of a `points` fact. No digit is lost."""
    return _pack([[track, len(steps), column(steps), column(values)] for track, (steps, values) in columns.items()])


def unpack(data: bytes) -> Iterator[tuple[str, array[float], array[float]]]:
    """Track, steps and values of a `points` fact."""
    for track, count, steps, values in _unpack(data):
        yield str(track), numbers(steps, count), numbers(values, count)


def column(numbers: array[float]) -> bytes:
    """A column in as few bytes as it can be written in without losing a digit."""
    if len(numbers) > 2:
        first, difference = numbers[0], numbers[1] - numbers[0]
        if all(number == first + i * difference for i, number in enumerate(numbers)):
            return _LINE + struct.pack("<dd", first, difference)
    short = array("f", numbers)
    if array("d", short).tobytes() == numbers.tobytes():
        return _SINGLE + _little(short)
    return _DOUBLE + _little(numbers)


def numbers(data: bytes, count: int) -> array[float]:
    """The column of `count` numbers that `column` wrote."""
    if data[:1] == _LINE:
        first, difference = struct.unpack("<dd", data[1:])
        return array("d", (first + i * difference for i in range(count)))
    found = array("f" if data[:1] == _SINGLE else "d")
    found.frombytes(data[1:])
    if sys.byteorder == "big":
        found.byteswap()
    return found if found.typecode == "d" else array("d", found)


def _little(numbers: array[float]) -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()
