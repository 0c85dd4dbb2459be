"""Which node a value came from: the data edges of a reactive run, and the fingerprints of values that nodes made.

Plain values are recognised by content, others by identity while they live. None, True and False say nothing about
where they came from.
"""

from __future__ import annotations

import weakref
from typing import Any

import msgspec

from ..storage.codec import plain

_encode = msgspec.msgpack.Encoder().encode
_STILL = frozenset({int, float, str, bytes})
_SHORT = 48  # longer encodings are kept as a hash
_MEMBERS = 64  # how many members of a container are looked at
_PRODUCERS = 4  # how many producers of equal values are remembered


def _content(value: Any) -> bytes | int:
    data = _encode(value)
    return data if len(data) <= _SHORT else hash(data)


class Origins:
    """The values that the nodes of one run gave, and whose they are."""

    def __init__(self) -> None:
        self._plain: dict[bytes | int, int | tuple[int, ...]] = {}
        self._given: list[Any] = []  # values and their nodes in turns, to be put into that when somebody asks
        self._objects: dict[int, tuple[weakref.ref[Any], int, bytes]] = {}

    def add_plain(self, values: dict[str, Any], no: int) -> None:
        """Node `no` gave these plain values."""
        for value in values.values():
            if type(value) in _STILL:  # what a body does with most of them is not to pass them on
                self._given.append(value)
                self._given.append(no)
            elif value is not None and value is not True and value is not False:
                self._index()
                self._add_content(_content(value), no)

    def _index(self) -> dict[bytes | int, int | tuple[int, ...]]:
        """The nodes by what they gave, all of it."""
        known = self._plain
        given, self._given = self._given, []
        for value, no in zip(given[::2], given[1::2], strict=True):
            content = _content(value)
            if content in known:
                self._add_content(content, no)
            else:  # as nearly always
                known[content] = no
        return known

    def _add_content(self, content: bytes | int, no: int) -> None:
        """Several nodes may have given equal values: then it may have come from any of them."""
        earlier = self._plain.get(content)
        if earlier is None or earlier == no:
            self._plain[content] = no
            return
        all_ = earlier if isinstance(earlier, tuple) else (earlier,)
        if no not in all_:
            self._plain[content] = (*all_, no)[-_PRODUCERS:]

    def add(self, value: Any, no: int, digest: bytes) -> None:
        """Node `no` gave `value`, whose content has this hash."""
        if plain(value):
            if value is not None and value is not True and value is not False:
                self._index()
                self._add_content(_content(value), no)
            return
        try:
            reference = weakref.ref(value, _Forget(self._objects, id(value)))
        except TypeError:  # cannot be weakly referenced: its content or type has to do
            return
        self._objects[id(value)] = (reference, no, digest)

    def known(self, value: object) -> tuple[bytes, int] | None:
        """Content hash and node of an object that came unchanged out of a node, else None."""
        entry = self._objects.get(id(value))
        if entry is None or entry[0]() is not value:
            return None
        return entry[2], entry[1]

    def of_plain(self, arguments: Any, found: list[int]) -> None:
        """Append the nodes that plain `arguments`, or their direct members, came from."""
        known = self._index() if self._given else self._plain
        for value in arguments:
            if value is None or value is True or value is False:
                continue
            no = known.get(_content(value))
            if no is not None:
                for one in no if isinstance(no, tuple) else (no,):
                    if one not in found:
                        found.append(one)
            elif type(value) is list:
                self.of_plain(value[:_MEMBERS], found)
            elif type(value) is dict:
                self.of_plain(list(value.values())[:_MEMBERS], found)

    def of_any(self, value: Any, found: list[int], depth: int = 3) -> None:
        """Append the nodes that `value` or its members came from."""
        known = self.known(value)
        if known is not None:
            if known[1] not in found:
                found.append(known[1])
        elif plain(value):
            self.of_plain((value,), found)
        elif depth and isinstance(value, (list, tuple, set, frozenset)):
            for member in list(value)[:_MEMBERS]:
                self.of_any(member, found, depth - 1)
        elif depth and isinstance(value, dict):
            for member in list(value.values())[:_MEMBERS]:
                self.of_any(member, found, depth - 1)


class _Forget:
    """Drops an entry when its object dies: a later object may get the same id."""

    __slots__ = ("key", "table")

    def __init__(self, table: dict[int, Any], key: int) -> None:
        self.table, self.key = table, key

    def __call__(self, reference: weakref.ref[Any]) -> None:
        entry = self.table.get(self.key)
        if entry is not None and entry[0] is reference:
            del self.table[self.key]
