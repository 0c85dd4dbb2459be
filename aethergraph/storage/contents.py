"""What a value is made of: its content, to see whether a tool changed it, and the files that it names."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

from .codec import canonical
from .uploads import is_upload

_PATH_LIMIT = 4096
UNKNOWN = b""

# Clients of services, and the like: they can be neither stored nor compared, but hold nothing that a run depends on.
_stateless: set[str] = {"anthropic", "boto3", "botocore", "httpx", "logging", "openai", "requests", "urllib3"}


def register_stateless(package: str) -> None:
    """Promise that objects of `package`'s classes hold nothing that calls change: giving one to a tool is harmless."""
    _stateless.add(package)


def is_stateless(value: Any) -> bool:
    """Whether `value` is of a class that `register_stateless` knows."""
    return type(value).__module__.partition(".")[0] in _stateless


def content(value: Any) -> bytes:
    """A hash of all that could change in `value`; `UNKNOWN` where it cannot be compared."""
    form = canonical(value, _passed_over)
    if not form.opaque:
        return hashlib.blake2b(form.data, digest_size=16).digest()
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    except Exception:  # noqa: BLE001 (pickling runs the value's own code)
        return UNKNOWN
    return hashlib.blake2b(buffer.getbuffer(), digest_size=16).digest()


def _passed_over(value: Any) -> tuple[bytes, int] | None:
    return (b"stateless", 0) if is_stateless(value) else None


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def reducer_override(self, value: Any) -> Any:
        return (object, ()) if is_stateless(value) else super().reducer_override(value)


def files_in(value: Any, depth: int = 2) -> list[tuple[str, int, int]]:
    """Path, size and mtime (ns) of each existing file that `value` names."""
    return [named for path in _paths(value, depth) if (named := _stat(path)) is not None]


def file_is(path: str, size: int, mtime_ns: int) -> bool:
    """Whether the file is there and as it was."""
    return _stat(path) == (path, size, mtime_ns)


def _paths(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, PurePath):
        yield str(value)
    elif type(value) is str:
        if len(value) <= _PATH_LIMIT and ("/" in value or os.sep in value) and "\n" not in value:
            yield value
    elif depth and isinstance(value, (list, tuple)):
        for member in value:
            yield from _paths(member, depth - 1)
    elif depth and type(value) is dict:
        for member in value.values():
            yield from _paths(member, depth - 1)


def _stat(path: str) -> tuple[str, int, int] | None:
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return None
    return (path, stat.st_size, stat.st_mtime_ns) if os.path.isfile(path) and not is_upload(path) else None
