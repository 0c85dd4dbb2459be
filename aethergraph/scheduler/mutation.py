"""Whether a call changed the arguments that it was given."""

from __future__ import annotations

from typing import Any

from ..storage import contents
from .calls import CallHandle


def content(handle: CallHandle) -> bytes | None:
    """The content of the arguments that the tool could change; None where there is nothing to compare."""
    if handle.flat or handle.target.mutates == () or _still(handle.args, handle.kwargs):
        return None
    return contents.content((handle.args, handle.kwargs))


def changed(handle: CallHandle, before: bytes | None) -> str:
    """Why its result has to be made again on resume, as far as its arguments go; `before` is their `content`."""
    if before is None:
        return ""
    after = contents.content((handle.args, handle.kwargs))
    if after == before and before != contents.UNKNOWN:
        return ""
    if before == contents.UNKNOWN:
        return "it was given a value that cannot be compared, so it may have changed it"
    return "it changed one of its arguments"


def _still(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether nothing in the arguments can be changed."""
    return all(type(value) in _IMMUTABLE for value in args) and (
        not kwargs or all(type(value) in _IMMUTABLE for value in kwargs.values())
    )


_IMMUTABLE = frozenset({int, float, str, bytes, bool, type(None), complex, type, type(_still), frozenset, range})
