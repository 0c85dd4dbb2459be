"""From what a function returned to its named outputs."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from types import CoroutineType
from typing import Any, get_type_hints, is_typeddict

from ..errors import GraphBuildError, MissingOutput
from .annotations import annotations_of
from .outputs import reserved

RESULT = "result"


def declared(function: Callable[..., Any], outputs: Sequence[str] | None) -> tuple[str, ...] | None:
    """The output names of `function`: as given, else the fields of its return annotation, else None (not declared).

    Raises:
        GraphBuildError: a name cannot be an output; names the function's file and line.
    """
    if outputs is None:
        names = _fields(_annotation(function))
    else:
        names = (outputs,) if isinstance(outputs, str) else tuple(outputs) if isinstance(outputs, Iterable) else None
        if names is None:
            raise GraphBuildError(f"outputs={outputs!r}: it is a list of names", where=location(function))
    for name in names or ():
        if not isinstance(name, str) or not name.isidentifier():
            raise GraphBuildError(f"{name!r} cannot be an output name: it is no identifier", where=location(function))
        if reserved(name):
            raise GraphBuildError(
                f"{name!r} cannot be an output name: every dict has that attribute; take another, as {name}_",
                where=location(function),
            )
    if names and len(set(names)) < len(names):
        raise GraphBuildError(f"an output is named twice in {list(names)}", where=location(function))
    return names


def location(function: Callable[..., Any]) -> str:
    """`file:line` of a function, for messages."""
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else repr(function)


def named(function: Callable[..., Any]) -> str:
    """How a function is called; a partial, as the function that it calls, and an object, as its class."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", None) or type(function).__name__


def awaited(function: Callable[..., Any]) -> bool:
    """Whether what it returns is to be awaited: it is `async def`, or an object whose `__call__` is."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _annotation(function: Callable[..., Any]) -> Any:
    raw = annotations_of(function).get("return")
    if not isinstance(raw, str):
        return raw
    try:
        return get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001 (annotations are the user's and may name what is not there)
        return None


def _fields(kind: Any) -> tuple[str, ...] | None:
    if not isinstance(kind, type) or kind.__module__ == "builtins":
        return None
    if is_typeddict(kind):
        return tuple(annotations_of(kind))
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return tuple(kind._fields)
    fields = getattr(kind, "model_fields", None)  # pydantic, without importing it
    return tuple(fields) if isinstance(fields, dict) and hasattr(kind, "model_validate") else None


def shape(value: Any, names: tuple[str, ...] | None, who: str) -> dict[str, Any]:
    """The named outputs in `value`: a dict gives its own, a tuple fills several, anything else is the single one.

    Raises:
        MissingOutput: a declared output is not there.
        TypeError: it is a coroutine, or a WaitSpec of a function that does not say that it waits.
    """
    if type(value) is dict and names is not None:  # what most give
        try:
            return {name: value[name] for name in names}
        except KeyError:
            pass  # told of below
    if isinstance(value, dict):
        if names is None:
            return dict(value) if _all_names(value) else {RESULT: value}
        if all(name in value for name in names):
            return {name: value[name] for name in names}
        missing = [name for name in names if name not in value]
        raise MissingOutput(who, missing, names, f"a dict with the keys {', '.join(map(str, value)) or 'none'}")
    if isinstance(value, CoroutineType):
        value.close()
        raise TypeError(
            f"{who} is no `async def` but returned a coroutine, which nobody awaits: write `async def {who}(...)` and "
            "`return await ...`, also in a decorator under @tool"
        )
    if getattr(type(value), "is_wait_spec", False):
        raise TypeError(f"{who} returned a WaitSpec: annotate it, `def {who}(...) -> WaitSpec`, so that it can wait")
    if names is None:
        return {} if value is None else {RESULT: value}
    if len(names) == 1:
        return {names[0]: value if _fields(type(value)) != names else getattr(value, names[0])}
    if not names:
        return {}
    fields = _values(value, names)
    if fields is None:
        raise MissingOutput(who, names, names, _told(value))
    return fields


def _values(value: Any, names: tuple[str, ...]) -> dict[str, Any] | None:
    if isinstance(value, tuple):
        return dict(zip(names, value, strict=True)) if len(value) == len(names) else None
    has_fields = dataclasses.is_dataclass(value) or hasattr(type(value), "model_fields")
    if has_fields and all(hasattr(value, name) for name in names):
        return {name: getattr(value, name) for name in names}
    return None


def _all_names(value: dict[Any, Any]) -> bool:
    return bool(value) and all(isinstance(key, str) and key.isidentifier() and not reserved(key) for key in value)


def _told(value: Any) -> str:
    if value is None:
        return "None (is there a `return`?)"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return f"one {type(value).__name__}"
