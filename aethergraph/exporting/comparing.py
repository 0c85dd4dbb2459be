"""Whether two values are the same, numbers within rounding; and if not, where they differ."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Iterator, Mapping
from typing import Any

RELATIVE, ABSOLUTE = 1e-6, 1e-9


def difference(one: Any, other: Any, place: str = "", seen: frozenset[tuple[int, int]] = frozenset()) -> str:
    """Where `other` differs from `one`, in words; "" where it does not.

    Floats and arrays are compared by closeness. Objects are compared by their class's name and what they hold.
    """
    if one is other or (id(one), id(other)) in seen:
        return ""
    if isinstance(one, (bool, int, float, complex)) and isinstance(other, (bool, int, float, complex)):
        return "" if _close(one, other) else _told(one, other, place)
    if type(one).__qualname__ != type(other).__qualname__:
        return _told(one, other, place)
    seen |= {(id(one), id(other))}
    if _is_array(one):
        return _arrays(one, other, place)
    if isinstance(one, (str, bytes, type(None), type, range)):
        return "" if _same(one, other) else _told(one, other, place)
    if isinstance(one, (set, frozenset)):
        return "" if one == other else _told(one, other, place)
    if isinstance(one, types.FunctionType):
        return "" if one.__code__.co_code == other.__code__.co_code else _told(one, other, place)
    if hasattr(one, "equals") and hasattr(one, "columns"):
        return "" if _frames(one, other) else _told(one, other, place)
    parts, others = dict(_parts(one)), dict(_parts(other))
    if parts.keys() != others.keys():
        return _told(one, other, place)
    for name, part in parts.items():
        if found := difference(part, others[name], f"{place}{name}", seen):
            return found
    return ""


def _close(one: complex, other: complex) -> bool:
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    return bool(one == other or abs(one - other) <= max(RELATIVE * max(abs(one), abs(other)), ABSOLUTE))


def _same(one: Any, other: Any) -> bool:
    return one.__qualname__ == other.__qualname__ if isinstance(one, type) else bool(one == other)


def _is_array(value: Any) -> bool:
    return all(hasattr(value, name) for name in ("dtype", "shape", "tobytes"))


def _arrays(one: Any, other: Any, place: str) -> str:
    import numpy as np

    if one.dtype != other.dtype or one.shape != other.shape:
        return f"{place or 'it'}: {one.dtype}{list(one.shape)} and {other.dtype}{list(other.shape)}"
    if one.dtype.kind in "fc":
        if np.allclose(one, other, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True):
            return ""
        return f"{place or 'it'}: differs by up to {np.nanmax(np.abs(one - other)):g}"
    if one.dtype.kind == "O":
        return difference(one.tolist(), other.tolist(), place)
    return "" if one.tobytes() == other.tobytes() else f"{place or 'it'}: the arrays differ"


def _frames(one: Any, other: Any) -> bool:
    """Of pandas and polars."""
    if list(one.columns) != list(other.columns) or one.shape != other.shape:
        return False
    return all(not difference(list(one[name]), list(other[name])) for name in one.columns)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((f"[{place}]", part) for place, part in enumerate(value))
    elif dataclasses.is_dataclass(value):
        yield from ((f".{field.name}", getattr(value, field.name)) for field in dataclasses.fields(value))
    else:
        yield from _reduced(value)


def _reduced(value: Any) -> Iterator[tuple[str, Any]]:
    """What a pickle of an object would hold."""
    try:
        made = value.__reduce_ex__(4)
    except TypeError:
        yield " (its text)", repr(value)
        return
    if isinstance(made, str):
        yield "", made
        return
    for place, part in enumerate(made[1:], 1):
        if isinstance(part, Iterator):
            part = list(part)
        yield from (
            ((f".{key}", each) for key, each in part.items()) if isinstance(part, dict) else [(f" ({place})", part)]
        )


def _told(one: Any, other: Any, place: str) -> str:
    return f"{place or 'it'}: {one!r:.60} and {other!r:.60}"
