"""What a value of the user's holds: where a reference can be that nobody would find there."""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, cast


def members(value: Any) -> Iterable[Any]:
    """What an object holds, as far as that can be seen without running code of its class."""
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return value
    if isinstance(value, dict):
        return (*value.keys(), *value.values())
    if isinstance(value, functools.partial):
        return (value.func, *value.args, *value.keywords.values())
    if isinstance(value, types.FunctionType):
        return [*captured(value), *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    if isinstance(value, (type, types.ModuleType)):
        return ()
    if getattr(getattr(value, "dtype", None), "hasobject", False) is True and hasattr(value, "flat"):
        return cast("Iterable[Any]", value.flat)  # an array of objects
    held = getattr(value, "__dict__", None)
    if type(held) is dict:
        return held.values()
    slots = getattr(type(value), "__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    return [getattr(value, name, None) for name in names]


def captured(function: types.FunctionType) -> Iterator[Any]:
    """What a function uses of the functions around it."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue
