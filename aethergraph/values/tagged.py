"""Values as a tree of msgpack with types of our own, so that a tuple comes back as a tuple and an array as an array.

Each type that msgpack does not know is an extension: a code and a body that is msgpack again. What has no form of its
own is a *leaf*: bytes that `codec` stores inline or as a blob (arrays, frames, pickles, long texts). Classes are kept
by name and found again among the modules that are loaded and the run's own definitions: reading never imports.

An object that occurs twice in a value cannot be a tree; then, and for types without a form, `NotATree` is raised and
`codec` pickles the whole.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import io
import pathlib
import struct
import sys
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from ..errors import DamagedRecord, NotLoadable
from .outputs import Outputs
from .preview import Text, about_value

Ext = msgspec.msgpack.Ext
LONG = 1 << 16  # bytes; what is longer goes to a blob
LOWEST, HIGHEST = -(1 << 63), (1 << 64) - 1  # integers that msgpack can hold

# Codes are for ever: never reuse one.
TUPLE, SET, FROZENSET, DICT, OUTPUTS, BYTEARRAY, INT, COMPLEX = range(1, 9)
DATETIME, DATE, TIME, TIMEDELTA, DECIMAL, UUID, PATH = range(9, 16)
ENUM, NAMED_TUPLE, DATACLASS, MODEL, SCALAR = range(16, 21)
BLOB, PICKLE, ARRAY, STR, BYTES, PANDAS, POLARS = range(32, 39)

_ATOMS = frozenset({type(None), bool, float})
_PATHS: dict[type, str] = {
    type(pathlib.Path()): "Path",
    pathlib.PurePosixPath: "PurePosixPath",
    pathlib.PureWindowsPath: "PureWindowsPath",
}
_PATH_TYPES: dict[str, type] = {name: kind for kind, name in _PATHS.items()}

Leaf = Callable[[int, bytes, str], Any]  # (code, bytes, about) -> the extension to store
Find = Callable[[str], type]  # the class of a stored name

pack = msgspec.msgpack.Encoder().encode


class NotATree(Exception):
    """The value has to be pickled as a whole."""


def home(thing: Any) -> str:
    """The module of a class or function; cells and what was made from stored cells count as `__main__` alike."""
    name = getattr(thing, "__module__", None) or "builtins"
    return "__main__" if hasattr(sys.modules.get(name), "__aethergraph_definition__") else str(name)


def type_name(kind: type) -> str:
    """`module:qualname` of a class."""
    return f"{home(kind)}:{kind.__qualname__}"


class Writer:
    """Turns one value into a tree. Not for reuse: it remembers what it has seen."""

    def __init__(self, leaf: Leaf, pickled: Callable[[Any], Any], find: Find) -> None:
        self._leaf, self._pickled, self._find = leaf, pickled, find
        self._seen: set[int] = set()

    def tree(self, value: Any) -> Any:
        """`value` as plain data and extensions.

        Raises:
            NotATree: an object occurs in it more than once.
        """
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is int:
            return value if LOWEST <= value <= HIGHEST else Ext(INT, _integer(value))
        if kind is str:
            return value if len(value) < LONG // 4 else self._leaf(STR, value.encode(), about_value(value))
        if kind is bytes:
            return value if len(value) < LONG // 4 else self._leaf(BYTES, value, about_value(value))
        form = _FORMS.get(kind)
        if form is not None:
            return form(value)
        if id(value) in self._seen:
            raise NotATree
        self._seen.add(id(value))
        if kind is list:
            return [self.tree(item) for item in value]
        if kind is dict:
            return self._dict(value)
        return self._other(kind, value)

    def _dict(self, value: dict[Any, Any]) -> Any:
        if all(type(key) is str for key in value):
            return {key: self.tree(item) for key, item in value.items()}
        return Ext(DICT, pack([[self.tree(key), self.tree(item)] for key, item in value.items()]))

    def _other(self, kind: type, value: Any) -> Any:
        if kind is tuple:
            return Ext(TUPLE, pack([self.tree(item) for item in value]))
        if kind is set or kind is frozenset:
            # Sorted, since the order of a set is another in each process, and equal values shall have equal bytes.
            return Ext(SET if kind is set else FROZENSET, _packed_list(sorted(pack(self.tree(i)) for i in value)))
        if isinstance(value, Outputs):
            return Ext(OUTPUTS, pack([[key, self.tree(item)] for key, item in value.items()]))
        if isinstance(value, enum.Enum) and self._named(kind):
            member = value.name in kind.__members__  # type: ignore[attr-defined]
            return Ext(ENUM, pack([type_name(kind), value.name if member else None, self.tree(value.value)]))
        if isinstance(value, tuple) and hasattr(kind, "_fields") and self._named(kind):
            return Ext(NAMED_TUPLE, pack([type_name(kind), list(kind._fields), [self.tree(i) for i in value]]))
        if _is_plain_dataclass(kind) and self._named(kind):
            return Ext(DATACLASS, pack([type_name(kind), self.tree(_state(value))]))
        if _is_plain_model(kind) and self._named(kind):
            return Ext(MODEL, pack([type_name(kind), *(self.tree(part) for part in _model_state(value))]))
        return self._foreign(kind, value)

    def _foreign(self, kind: type, value: Any) -> Any:
        """Values of packages that may be absent; whoever made the value has loaded them."""
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            if kind is numpy.ndarray and _has_npy(numpy, value.dtype):
                return self._leaf(ARRAY, _npy(numpy, value), about_value(value))
            if isinstance(value, numpy.generic) and kind is value.dtype.type and _has_str(value.dtype):
                return Ext(SCALAR, pack([about_value(value), value.dtype.str, value.tobytes()]))
        frame = _frame(kind, value)
        if frame is not None:
            return self._leaf(*frame, about_value(value))
        return self._pickled(value)

    def _named(self, kind: type) -> bool:
        """Whether the class will be found again by its name (not, for one made inside a function)."""
        try:
            return self._find(type_name(kind)).__qualname__ == kind.__qualname__
        except LookupError:
            return False


class Reader:
    """Turns the bytes of a tree into its value. `leaf` makes the value of a leaf from its stored form."""

    def __init__(self, leaf: Callable[[int, list[Any]], Any], find: Find) -> None:
        self._leaf, self._find = leaf, find
        self.read: Callable[[Any], Any] = msgspec.msgpack.Decoder(ext_hook=self._made).decode

    def _made(self, code: int, body: memoryview) -> Any:
        make = _SIMPLE.get(code)
        if make is not None:
            return make(bytes(body))
        parts = self.read(body)
        if code >= BLOB:
            return self._leaf(code, parts)
        if code in _CONTAINERS:
            return _CONTAINERS[code](parts)
        if code == SCALAR:
            return _numpy().frombuffer(parts[2], parts[1])[0]
        if code in _OBJECTS:
            name, *rest = parts
            return _OBJECTS[code](self._find(name), rest)
        raise DamagedRecord("a value", f"it has a part of the unknown kind {code}")


class AboutReader(Reader):
    """Reads a tree for its preview: no classes, no blobs, no pickles."""

    def __init__(self) -> None:
        super().__init__(lambda code, parts: Text(parts[-1] if code == BLOB else parts[0]), lambda name: Text)

    def _made(self, code: int, body: memoryview) -> Any:
        if code in _OBJECTS:
            return Text(_object_text(code, *self.read(body)))
        if code == SCALAR:
            return Text(self.read(body)[0])
        if code in (SET, FROZENSET, DICT):
            parts = self.read(body)
            shown = [" : ".join(map(about_value, part)) if code == DICT else about_value(part) for part in parts[:50]]
            return Text("{" + ", ".join(shown).replace(" : ", ": ") + "}")
        return super()._made(code, body)


def _object_text(code: int, name: str, *rest: Any) -> str:
    short = name.rpartition(":")[2].rpartition(".")[2]
    if code == ENUM:
        return f"{short}.{rest[0] or about_value(rest[1])}"
    fields = dict(zip(*rest, strict=True)) if code == NAMED_TUPLE else rest[0]
    return f"{short}({', '.join(f'{key}={about_value(value)}' for key, value in fields.items())})"


def _integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _packed_list(packed: list[bytes]) -> bytes:
    return pack([msgspec.Raw(item) for item in packed])


# Times: a zone is kept as a fixed offset in seconds with its name, or as a key of the zone database.


def _zone(zone: datetime.tzinfo | None) -> Any:
    if zone is None:
        return None
    if type(zone) is datetime.timezone:
        offset = zone.utcoffset(None)
        return [offset.days, offset.seconds, offset.microseconds, zone.tzname(None)]
    key = getattr(zone, "key", None)
    if type(zone).__module__.startswith("zoneinfo") and isinstance(key, str):
        return key
    raise NotATree


def _zone_made(zone: Any) -> datetime.tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        from zoneinfo import ZoneInfo

        return ZoneInfo(zone)
    offset = datetime.timedelta(*zone[:3])
    unnamed = datetime.timezone(offset)
    return unnamed if unnamed.tzname(None) == zone[3] else datetime.timezone(offset, zone[3])


def _moment(code: int) -> Callable[[Any], Any]:
    return lambda value: Ext(code, pack([value.replace(tzinfo=None).isoformat(), value.fold, _zone(value.tzinfo)]))


def _moment_made(kind: Any) -> Callable[[bytes], Any]:
    def made(body: bytes) -> Any:
        text, fold, zone = msgspec.msgpack.decode(body)
        return kind.fromisoformat(text).replace(fold=fold, tzinfo=_zone_made(zone))

    return made


_FORMS: Mapping[type, Callable[[Any], Any]] = {
    bytearray: lambda value: Ext(BYTEARRAY, bytes(value)),
    complex: lambda value: Ext(COMPLEX, struct.pack("<dd", value.real, value.imag)),
    datetime.datetime: _moment(DATETIME),
    datetime.time: _moment(TIME),
    datetime.date: lambda value: Ext(DATE, value.isoformat().encode()),
    datetime.timedelta: lambda value: Ext(TIMEDELTA, pack([value.days, value.seconds, value.microseconds])),
    Decimal: lambda value: Ext(DECIMAL, str(value).encode()),
    uuid.UUID: lambda value: Ext(UUID, value.bytes),
    **{kind: (lambda value: Ext(PATH, pack([_PATHS[type(value)], str(value)]))) for kind in _PATHS},
}


def exact_form(kind: type, value: Any) -> bytes | None:
    """The stored form of dates, numbers, paths and their like, which is the same for equal values; else None."""
    form = _FORMS.get(kind)
    if form is None:
        return None
    try:
        return pack(form(value))
    except NotATree:
        return None


_SIMPLE: Mapping[int, Callable[[bytes], Any]] = {
    BYTEARRAY: bytearray,
    INT: lambda body: int.from_bytes(body, "little", signed=True),
    COMPLEX: lambda body: complex(*struct.unpack("<dd", body)),
    DATETIME: _moment_made(datetime.datetime),
    TIME: _moment_made(datetime.time),
    DATE: lambda body: datetime.date.fromisoformat(body.decode()),
    TIMEDELTA: lambda body: datetime.timedelta(*msgspec.msgpack.decode(body)),
    DECIMAL: lambda body: Decimal(body.decode()),
    UUID: lambda body: uuid.UUID(bytes=body),
    PATH: lambda body: (lambda name, text: _PATH_TYPES[name](text))(*msgspec.msgpack.decode(body)),
}

_CONTAINERS: Mapping[int, Callable[[list[Any]], Any]] = {
    TUPLE: tuple,
    SET: set,
    FROZENSET: frozenset,
    DICT: dict,
    OUTPUTS: Outputs,
}


# Objects of the user's classes, made without calling `__init__`, as unpickling would.


def _is_plain_dataclass(kind: type) -> bool:
    """A dataclass whose instances are nothing but their attributes."""
    if not dataclasses.is_dataclass(kind) or _reduces(kind):
        return False
    getstate = getattr(kind, "__getstate__", None)
    custom = getstate is not object.__getstate__ and getattr(getstate, "__module__", "") != "dataclasses"
    bases = [base for base in kind.__mro__ if not dataclasses.is_dataclass(base)]
    return not custom and all(base is object or base.__module__ in ("typing", "abc") for base in bases)


def _reduces(kind: Any) -> bool:
    """Whether the class has a way of its own to be pickled."""
    return kind.__reduce_ex__ is not object.__reduce_ex__ or kind.__reduce__ is not object.__reduce__


def _state(value: Any) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(value)]
    state = {name: getattr(value, name) for name in names if _is_set(value, name)}
    return state | getattr(value, "__dict__", {})


def _is_set(value: Any, name: str) -> bool:
    return name in getattr(value, "__dict__", ()) or (name in _slots(type(value)) and hasattr(value, name))


def _slots(kind: type) -> set[str]:
    return {name for base in kind.__mro__ for name in getattr(base, "__slots__", ())}


def _dataclass_made(kind: type, rest: list[Any]) -> Any:
    if not dataclasses.is_dataclass(kind):
        raise NotLoadable(kind.__qualname__, "it was a dataclass when it was stored and is none now")
    made = object.__new__(kind)
    for name, value in rest[0].items():
        object.__setattr__(made, name, value)
    for field in dataclasses.fields(kind):  # a field that was added since
        if field.name not in rest[0]:
            if field.default is not dataclasses.MISSING:
                object.__setattr__(made, field.name, field.default)
            elif field.default_factory is not dataclasses.MISSING:
                object.__setattr__(made, field.name, field.default_factory())
            elif field.init:
                raise NotLoadable(kind.__qualname__, f"it has no field {field.name!r}, which was added later")
    return made


def _is_plain_model(kind: type) -> bool:
    pydantic = sys.modules.get("pydantic")
    base = getattr(pydantic, "BaseModel", None)
    return (
        base is not None
        and issubclass(kind, base)
        and all(getattr(kind, name) is getattr(base, name) for name in ("__getstate__", "__setstate__"))
        and not _reduces(kind)
    )


def _model_state(value: Any) -> list[Any]:
    return [
        dict(value.__dict__),
        value.__pydantic_extra__,
        sorted(value.__pydantic_fields_set__),
        value.__pydantic_private__,
    ]


def _model_made(kind: Any, rest: list[Any]) -> Any:
    values, extra, fields_set, private = rest
    if not hasattr(kind, "__pydantic_fields__"):
        raise NotLoadable(kind.__qualname__, "it was a pydantic model when it was stored and is none now")
    if not set(kind.__pydantic_fields__) <= set(values):
        try:
            return kind.model_validate(values | (extra or {}))  # fields were added since
        except ValueError as error:
            raise NotLoadable(kind.__qualname__, str(error)) from error
    made = kind.__new__(kind)
    made.__setstate__(
        {
            "__dict__": values,
            "__pydantic_extra__": extra,
            "__pydantic_fields_set__": set(fields_set),
            "__pydantic_private__": private,
        }
    )
    return made


def _enum_made(kind: Any, rest: list[Any]) -> Any:
    if not issubclass(kind, enum.Enum):
        raise NotLoadable(kind.__qualname__, "it was an Enum when it was stored and is none now")
    name, value = rest
    if name is None:
        return kind(value)  # a combination of flags
    if name not in kind.__members__:
        raise NotLoadable(f"{kind.__qualname__}.{name}", "the Enum has no such member now")
    return kind[name]


def _named_tuple_made(kind: Any, rest: list[Any]) -> Any:
    fields, values = rest
    if list(getattr(kind, "_fields", ())) != fields:
        raise NotLoadable(kind.__qualname__, f"its fields were {', '.join(fields)} when it was stored")
    return tuple.__new__(kind, values)


_OBJECTS: Mapping[int, Callable[[Any, list[Any]], Any]] = {
    ENUM: _enum_made,
    NAMED_TUPLE: _named_tuple_made,
    DATACLASS: _dataclass_made,
    MODEL: _model_made,
}


# Arrays and frames.


def _has_npy(numpy: Any, dtype: Any) -> bool:
    """Whether `.npy` without pickle gives back this dtype."""
    if dtype.hasobject:
        return False
    form = numpy.lib.format
    return bool(form.descr_to_dtype(form.dtype_to_descr(dtype)) == dtype and dtype.metadata is None)


def _npy(numpy: Any, array: Any) -> bytes:
    file = io.BytesIO()
    numpy.lib.format.write_array(file, array, allow_pickle=False)
    return file.getvalue()


def _has_str(dtype: Any) -> bool:
    """Whether the short name of this dtype says all."""
    return not dtype.hasobject and dtype.names is None and dtype.itemsize > 0 and _numpy().dtype(dtype.str) == dtype


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        raise NotLoadable("array", "numpy is not installed here: `pip install numpy`") from None
    return numpy


def load_npy(data: bytes) -> Any:
    """The array of `.npy` bytes; never a pickle."""
    return _numpy().load(io.BytesIO(data), allow_pickle=False)


def _frame(kind: type, value: Any) -> tuple[int, bytes] | None:
    """A data frame in Arrow's format, where what comes back is equal; else None, and it is pickled."""
    package = kind.__module__.partition(".")[0]
    if kind.__name__ != "DataFrame" or package not in ("pandas", "polars"):
        return None
    try:
        code, data = (PANDAS, _pandas(value)) if package == "pandas" else (POLARS, _polars(value))
        return (code, data) if load_frame(code, data).equals(value) else None
    except Exception:  # noqa: BLE001 - pyarrow refuses with many classes; the pickle that follows tells what is wrong
        return None


def _pandas(frame: Any) -> bytes:
    import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]

    table = pyarrow.Table.from_pandas(frame, preserve_index=True)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _polars(frame: Any) -> bytes:
    file = io.BytesIO()
    frame.write_ipc(file)
    return file.getvalue()


def load_frame(code: int, data: bytes) -> Any:
    """The data frame of Arrow bytes."""
    try:
        if code == POLARS:
            import polars  # type: ignore[import-not-found,import-untyped,unused-ignore]

            return polars.read_ipc(io.BytesIO(data))
        import pyarrow

        return pyarrow.ipc.open_stream(data).read_all().to_pandas()
    except ImportError as error:
        raise NotLoadable("data frame", f"{error.name} is not installed here: `pip install {error.name}`") from None
