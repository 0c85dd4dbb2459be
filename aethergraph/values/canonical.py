"""One form for equal values, whatever process, hash seed or order of insertion: what argument fingerprints are made of.

Types are part of the form (a tuple is no list, 1 is not 1.0 and not True), sets and dicts are sorted. What came
unchanged out of a node counts by the recorded hash of that output; what has no content that could be compared counts
by its type at its place, and the result says so.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import re
import sys
import types
from collections.abc import Callable, Collection, Iterable
from typing import Any

import msgspec

from . import tagged
from .outputs import Outputs

Known = Callable[[Any], tuple[bytes, int] | None]  # object -> (hash of the output that it is, number of its node)

_ATOMS = frozenset({type(None), bool, float, str, bytes})
_INT = {int}
_ATOMS_AND_INT = _ATOMS | {int}
_sorted = msgspec.msgpack.Encoder(order="sorted").encode


class Canonical(msgspec.Struct, frozen=True):
    """`data` is the form; `opaque`: a part counts by its type only; `refs`: nodes whose outputs occur, in order."""

    data: bytes
    opaque: bool
    refs: list[int]


def plain(value: Any) -> bool:
    """Whether `value` is just None, bool, int of 64 bits, float, str, bytes, or lists and dicts (text keys) of them."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    try:
        return _plain(value)
    except RecursionError:
        return False  # it contains itself, or is too deep for msgpack


def _plain(value: Any) -> bool:
    kind = type(value)
    if kind is int:
        return bool(tagged.LOWEST <= value <= tagged.HIGHEST)
    if kind is dict:
        return set(map(type, value)) <= {str} and _all_plain(value.values())
    return kind is list and _all_plain(value)


def _all_plain(values: Collection[Any]) -> bool:
    kinds = set(map(type, values))
    if kinds <= _ATOMS:
        return True
    if kinds == _INT:
        return bool(min(values) >= tagged.LOWEST and max(values) <= tagged.HIGHEST)
    return all(type(value) in _ATOMS or _plain(value) for value in values)


def canonical(value: Any, known: Known | None = None) -> Canonical:
    """The canonical form of `value`; `known` is asked first about every object that is no plain data."""
    if plain(value):
        try:
            return Canonical(b"m" + _sorted(value), False, [])
        except (UnicodeEncodeError, RecursionError):
            pass  # lone surrogates, or too deep for msgpack: the slow form can hold both
    walk = _Walk(known)
    try:
        data = walk.form(value)
    except RecursionError:
        return Canonical(b"?deep" + tagged.type_name(type(value)).encode(), True, walk.refs)
    return Canonical(data, walk.opaque, walk.refs)


def canonical_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """`canonical((args, kwargs)).data` in a fraction of the time; for arguments that are numbers and texts."""
    try:
        given = b"t" + _join([b"m" + _sorted(value) for value in args])
        return b"t" + _join([given, b"m" + _sorted(kwargs)])
    except UnicodeEncodeError:
        return canonical((args, kwargs)).data


class _Walk:
    def __init__(self, known: Known | None) -> None:
        self.known, self.opaque, self.refs = known, False, list[int]()
        self.above: set[int] = set()  # containers we are inside of

    def form(self, value: Any) -> bytes:
        if plain(value):
            try:
                return b"m" + _sorted(value)
            except UnicodeEncodeError:
                if type(value) is str:
                    return b"u" + value.encode("utf-8", "surrogatepass")
        elif self.known is not None:
            found = self.known(value)
            if found is not None:
                self.refs.append(found[1])
                return b"r" + found[0]
        if id(value) in self.above:
            self.opaque = True
            return b"^"
        self.above.add(id(value))
        try:
            return self.inside(type(value), value)
        finally:
            self.above.discard(id(value))

    def inside(self, kind: type, value: Any) -> bytes:
        if kind is tuple:
            return b"t" + self.parts(value)
        if kind is list:
            return b"l" + self.parts(value)
        if kind is dict or kind is Outputs or isinstance(value, Outputs):
            pairs = sorted(_join([self.form(key), self.form(item)]) for key, item in value.items())
            return (b"d" if kind is dict else b"o") + _join(pairs)
        if kind is set or kind is frozenset:
            return (b"s" if kind is set else b"z") + _join(sorted(self.form(item) for item in value))
        if kind is int:
            return b"i%d" % value if value.bit_length() < 10_000 else b"I" + hex(value).encode()
        return self.other(kind, value)

    def other(self, kind: type, value: Any) -> bytes:
        if hasattr(kind, "__aethergraph_unread__"):  # a call that nobody awaited, where its value would not be put
            value.__aethergraph_unread__()
        exact = tagged.exact_form(kind, value)
        if exact is not None:
            return b"x" + exact
        name = tagged.type_name(kind).encode()
        if isinstance(value, enum.Enum):
            return b"e" + _join([name, (value.name or "").encode(), self.form(value.value)])
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return b"n" + _join([name, self.parts(value)])
        if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type)):
            self.opaque = True  # its code is not looked at here
            return b"f" + _join([name, f"{tagged.home(value)}:{value.__qualname__}".encode()])
        if kind is range:
            return b"R" + repr(value).encode()
        if kind is re.Pattern:
            return b"P" + _join([self.form(value.pattern), b"%d" % value.flags])
        state = _state(kind, value)
        if state is not None:
            return b"c" + _join([name, self.form(state)])
        return self.foreign(kind, name, value)

    def foreign(self, kind: type, name: bytes, value: Any) -> bytes:
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
            return self.array(numpy, name, value)
        package = kind.__module__.partition(".")[0]
        if package == "pandas" and kind.__name__ == "DataFrame":
            columns = [value.iloc[:, number] for number in range(value.shape[1])]
            parts = [self.form(list(value.columns)), self.form([str(dtype) for dtype in value.dtypes])]
            return b"p" + _join([name, *parts, *(self.form(each.to_numpy()) for each in (value.index, *columns))])
        if package == "pandas" and kind.__name__ == "Series":
            parts = [self.form(value.name), self.form(value.index.to_numpy()), self.form(value.to_numpy())]
            return b"p" + _join([name, str(value.dtype).encode(), *parts])
        if package == "polars" and kind.__name__ == "DataFrame":
            types_ = [str(dtype) for dtype in value.dtypes]
            return b"p" + _join([name, self.form(types_), self.form(value.to_dict(as_series=False))])
        self.opaque = True
        return b"?" + name

    def array(self, numpy: Any, name: bytes, value: Any) -> bytes:
        shape = repr(value.shape).encode()
        if value.dtype.hasobject:
            return b"A" + _join([name, shape, repr(value.dtype).encode(), self.form(value.tolist())])
        content = numpy.ascontiguousarray(value).reshape(-1).view(numpy.uint8) if value.size else b""
        digest = hashlib.blake2b(memoryview(content), digest_size=16).digest()
        parts = [name, shape, repr(numpy.lib.format.dtype_to_descr(value.dtype)).encode(), digest]
        mask = getattr(value, "mask", None)
        return b"a" + _join(parts if mask is None else [*parts, self.form(numpy.asarray(mask))])

    def parts(self, values: Iterable[Any]) -> bytes:
        return _join([self.form(value) for value in values])


def _join(parts: Iterable[bytes]) -> bytes:
    """Parts in one, so that no other parts give the same bytes."""
    return b"".join(b"%d:%b" % (len(part), part) for part in parts)


def _state(kind: type, value: Any) -> dict[str, Any] | None:
    """The attributes of a dataclass or pydantic model."""
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
        return {name: getattr(value, name) for name in names if hasattr(value, name)} | getattr(value, "__dict__", {})
    if isinstance(getattr(kind, "__pydantic_fields__", None), dict):
        return {**value.__dict__, **(value.__pydantic_extra__ or {}), **(value.__pydantic_private__ or {})}
    return None
