"""Short texts about values: bounded work on values of any size, and no code of the user's runs (no `__repr__`)."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import pathlib
import types
import uuid
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

LIMIT = 200  # characters of a preview

_BY_REPR = (bool, float, complex, type(None))
_BY_STR: frozenset[type] = frozenset(
    (
        datetime.datetime,
        datetime.date,
        datetime.time,
        datetime.timedelta,
        Decimal,
        uuid.UUID,
        *(pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath),
    )
)
_BRACKETS: dict[type, str] = {list: "[]", tuple: "()", set: "{}", frozenset: "{}"}


class Text(str):
    """A preview that is shown as it is, without quotes."""


def cut(text: str, limit: int = LIMIT) -> str:
    """`text` in at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def about_value(value: Any, limit: int = LIMIT) -> str:
    """What `value` is, in at most `limit` characters: `[1, 2, 3]`, `ndarray (1437, 64) float64`, `Pipeline`."""
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) > limit:
            break
    return cut(text, limit)


def _pieces(value: Any) -> Iterator[str]:
    kind = type(value)
    if kind is Text:
        yield value
    elif kind in (str, bytes, bytearray):
        yield repr(value[:LIMIT])
    elif kind is int:
        yield repr(value) if value.bit_length() < 600 else f"int of {value.bit_length()} bits"
    elif kind in _BY_REPR:
        yield repr(value)
    elif kind in _BY_STR:
        yield str(value)
    elif isinstance(value, dict):
        yield from _items(value.items())
    elif kind in _BRACKETS:
        yield from _listed(value, *_BRACKETS[kind])
    else:
        yield from _object(value)


def _listed(values: Iterable[Any], opening: str, closing: str) -> Iterator[str]:
    yield opening
    count = 0
    for count, value in enumerate(values, 1):
        if count > 1:
            yield ", "
        yield from _pieces(value)
    yield "," + closing if count == 1 and opening == "(" else closing


def _items(items: Iterable[tuple[Any, Any]]) -> Iterator[str]:
    yield "{"
    for count, (key, value) in enumerate(items):
        if count:
            yield ", "
        yield from _pieces(key)
        yield ": "
        yield from _pieces(value)
    yield "}"


def _object(value: Any) -> Iterator[str]:
    kind = type(value)
    if isinstance(value, enum.Enum):
        yield f"{kind.__name__}.{value.name}"
    elif isinstance(value, type):
        yield f"class {value.__name__}"
    elif isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
        yield f"function {value.__name__}"
    elif _is_array(kind):
        yield f"{kind.__name__} {value.shape}"
        if hasattr(value, "dtype"):
            yield f" {value.dtype}"
    elif kind.__module__ == "numpy":
        yield str(value)  # a scalar
    else:
        fields = _fields(value)
        yield kind.__name__
        if fields is not None:
            yield from _called(fields)


def _is_array(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in ("numpy", "pandas", "polars") and kind.__name__ in (
        *("ndarray", "DataFrame", "Series", "matrix", "memmap", "MaskedArray"),
    )


def _fields(value: Any) -> dict[str, Any] | None:
    """The fields of a dataclass or pydantic model, read without running properties."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        return {f.name: getattr(value, f.name, None) for f in dataclasses.fields(kind) if f.repr}
    if isinstance(getattr(kind, "__pydantic_fields__", None), dict):
        return {name: value.__dict__.get(name) for name in kind.__pydantic_fields__}
    return None


def _called(fields: dict[str, Any]) -> Iterator[str]:
    yield "("
    for count, (name, value) in enumerate(fields.items()):
        yield f"{', ' if count else ''}{name}="
        yield from _pieces(value)
    yield ")"
