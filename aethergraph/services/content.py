"""What artifacts are made of: names, types, texts and pictures. Nothing here touches the store."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import io
import json
import numbers
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from .. import ids
from ..record.files import mime as mime
from ..storage.codec import canonical
from .artifact import HEAD, SCHEME, Artifact

_drawing = threading.Lock()  # matplotlib renders one figure at a time: its font and text caches are not thread-safe


def file_head(path: Path, kind: str) -> str:
    """The beginning of a file, where it is text."""
    if not kind.startswith("text/") and not kind.endswith(("json", "jsonl", "xml", "yaml", "toml")):
        return ""
    with path.open("rb") as file:
        return file.read(4 * HEAD).decode("utf-8", "replace")[:HEAD]


def png(figure: Any, dpi: float | None) -> bytes:
    """A matplotlib figure as PNG."""
    file = io.BytesIO()
    with _drawing:
        figure.savefig(file, format="png", bbox_inches="tight", **({} if dpi is None else {"dpi": dpi}))
    return file.getvalue()


def to_json(value: Any) -> str:
    """`value` as indented JSON. Raises TypeError naming what has no form in JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=_jsonable)


def _jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):  # pydantic
        return value.model_dump(mode="json")
    if hasattr(value, "tolist"):  # numpy
        return value.tolist()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"save_json cannot write a {type(value).__name__}; save_object can")


def labels(given: Mapping[str, Any]) -> dict[str, Any]:
    """Labels as plain data."""
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, (str, int, float, bool, type(None))):
            raise TypeError(f"labels are texts, numbers or bools by name, got {name!r}: {type(value).__name__}")
    return dict(given)


def metrics(given: Mapping[str, float]) -> dict[str, float]:
    """Metrics as floats (numpy's numbers too)."""
    for name, value in given.items():
        if not isinstance(value, numbers.Real):
            raise TypeError(f"metrics are numbers by name, got {name!r}: {type(value).__name__}")
    return {str(name): float(value) for name, value in given.items()}


def tags(given: Iterable[str]) -> list[str]:
    """Tags as a list."""
    if isinstance(given, str):
        raise TypeError(f"tags is a list of texts: write tags=[{given!r}]")
    found = list(given)
    if not all(isinstance(tag, str) for tag in found):
        raise TypeError(f"tags are texts, got {found!r}")
    return found


def fingerprint(value: Any) -> str:
    """Plain data by content."""
    return hashlib.blake2b(canonical(value).data, digest_size=16).hexdigest()


def artifact_id(name: str, effect: str) -> str:
    """`report.md-7f3kad2q`: readable, and the same however often the effect of this id is replayed."""
    number = int.from_bytes(hashlib.blake2b(effect.encode(), digest_size=8).digest(), "big")
    tail = ""
    for _ in range(10):
        number, digit = divmod(number, len(ids.LETTERS))
        tail += ids.LETTERS[digit]
    return f"{ids.slug(name)}-{tail}"


def digest(of: str | Artifact) -> str:
    """The sha256 that a uri names. Raises ValueError where it is no uri of an artifact."""
    uri = of.uri if isinstance(of, Artifact) else of
    found = uri.removeprefix(SCHEME) if isinstance(uri, str) and uri.startswith(SCHEME) else ""
    if len(found) != 64 or any(char not in "0123456789abcdef" for char in found):
        raise ValueError(f"{uri!r} is no uri of an artifact: expected {SCHEME} and 64 hex digits, as in `artifact.uri`")
    return found


def called(of: str | Artifact) -> str:
    """How messages name it."""
    return f"artifact {of.name!r} ({of.artifact_id})" if isinstance(of, Artifact) else str(of)
