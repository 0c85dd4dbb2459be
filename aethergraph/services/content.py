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
from os import PathLike
from pathlib import Path, PurePath
from typing import Any

from .. import ids
from ..record import files
from ..record.files import mime as mime
from ..record.uploads import FileRef
from ..storage.codec import canonical
from . import showing
from .artifact import SCHEME, Artifact
from .expecting import is_a_text
from .scope import clean
from .showing import HEAD

COUNTED = 16 << 20  # bytes of the largest table whose rows are counted
_drawing = threading.Lock()  # matplotlib renders one figure at a time: its font and text caches are not thread-safe


def suffix(name: str) -> str:
    """The ending of a name, as far as it can be one of a file."""
    found = PurePath(is_a_text(name, "the name of an artifact")).suffix
    return found if found.isascii() and found[1:].isalnum() else ""


def ending(given: str) -> str:
    """`.csv`, also for `csv`."""
    given = is_a_text(given, "the ending of a file")
    return f".{given}" if given and given[0] not in "._-" else given


def file_name(name: str) -> str:
    """The name of an artifact as that of a file."""
    try:
        return files.file_name(name)
    except ValueError:  # of dots alone, say
        return "artifact"


def check_file(path: Path, what: str = "save_file") -> None:
    """Raises IsADirectoryError or FileNotFoundError where `path` is no file."""
    if path.is_dir():
        raise IsADirectoryError(f"{what} takes one file, but {path} is a folder: `ingest_dir` saves a whole one")
    if not path.is_file():
        raise FileNotFoundError(f"{what}: there is no file {str(path)!r} (looked in {Path.cwd()})")


def check_folder(path: Path, what: str = "ingest_dir") -> None:
    """Raises NotADirectoryError or FileNotFoundError where `path` is no folder."""
    if path.is_symlink() or path.is_file():
        raise NotADirectoryError(f"{what} takes a folder, but {path} is a file or a link: `save_file` saves a file")
    if not path.is_dir():
        raise FileNotFoundError(f"{what}: there is no folder {str(path)!r} (looked in {Path.cwd()})")


def is_text(mime: str) -> bool:
    """Whether contents of this type are text."""
    mime = is_a_text(mime, "mime")
    return mime.startswith("text/") or mime.endswith(("json", "jsonl", "xml", "yaml", "toml"))


def head(text: str, mime: str) -> str:
    """The preview of a text."""
    return showing.head_of_text(text, mime)


def decoded(data: bytes | bytearray | memoryview, mime: str) -> str:
    """The beginning of bytes, where they are text."""
    return bytes(data[: 4 * HEAD]).decode("utf-8", "replace") if is_text(mime) else ""


def file_head(path: Path, mime: str) -> str:
    """The preview of a file, where it is text."""
    if not is_text(mime):
        return ""
    with path.open("rb") as file:
        return head(decoded(file.read(4 * HEAD), mime), mime)


def rows(path: Path, size: int, mime: str) -> int | None:
    """How many rows the table in this file of `size` bytes has below its names; None where they are not counted."""
    if mime not in showing.SEPARATED or size > COUNTED:
        return None
    with path.open(encoding="utf-8", errors="replace", newline="") as lines:
        return showing.count(lines, mime)


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


def path(given: Any, method: str) -> Path:
    """`given` as a path. Raises TypeError where it is none."""
    if not isinstance(given, (str, PathLike)):
        raise TypeError(f"{method} takes a path, got {type(given).__name__}")
    return Path(given)


def labels(given: Mapping[str, Any]) -> dict[str, Any]:
    """Labels as plain data."""
    if not isinstance(given, Mapping):
        raise TypeError(f"labels are a dict of texts, numbers or bools by name, got {type(given).__name__}")
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, (str, int, float, bool, type(None))):
            raise TypeError(f"labels are texts, numbers or bools by name, got {name!r}: {type(value).__name__}")
    return {clean(name): clean(value) if isinstance(value, str) else value for name, value in given.items()}


def metrics(given: Mapping[str, float]) -> dict[str, float]:
    """Metrics as floats (numpy's numbers too)."""
    if not isinstance(given, Mapping):
        raise TypeError(f"metrics are a dict of numbers by name, got {type(given).__name__}")
    for name, value in given.items():
        if not isinstance(value, numbers.Real):
            raise TypeError(f"metrics are numbers by name, got {name!r}: {type(value).__name__}")
        if value != value:
            raise ValueError(f"metric {name!r} is nan, which nothing can be compared with: leave it out")
    return {clean(str(name)): float(value) for name, value in given.items()}


def description(
    kind: str, name: str, labels_: Mapping[str, Any] | None, metrics_: Mapping[str, float] | None, tags_: Iterable[str]
) -> dict[str, Any]:
    """What a save is described with, checked."""
    for what, text in (("kind", kind), ("name", name)):
        if not isinstance(text, str) or not text:
            raise TypeError(f"{what} is a text that is not empty, got {text!r}")
    return {
        "kind": clean(kind),
        "name": clean(name),
        "labels": labels(labels_ or {}),
        "metrics": metrics(metrics_ or {}),
        "tags": tags(tags_),
    }


def tags(given: Iterable[str]) -> list[str]:
    """Tags as a list."""
    if isinstance(given, str):
        raise TypeError(f"tags is a list of texts: write tags=[{given!r}]")
    if not isinstance(given, Iterable):
        raise TypeError(f"tags is a list of texts, got {given!r:.80} ({type(given).__name__})")
    found = list(given)
    if not all(isinstance(tag, str) for tag in found):
        raise TypeError(f"tags are texts, got {found!r}")
    return [clean(tag) for tag in found]


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


def digest(of: str | Artifact | FileRef, method: str = "") -> str:
    """The sha256 that a uri names. `method`: who asks, where it has a twin that takes an id.

    Raises:
        TypeError: it is a dict, as the outputs of a call are.
        ValueError: it is no uri of an artifact.
    """
    uri = of.uri if isinstance(of, (Artifact, FileRef)) else of
    found = uri.removeprefix(SCHEME) if isinstance(uri, str) and uri.startswith(SCHEME) else ""
    if len(found) != 64 or any(char not in "0123456789abcdef" for char in found):
        if isinstance(uri, Mapping):
            raise TypeError(
                f"expected an artifact or its uri, got the outputs of a call ({', '.join(map(str, uri))}): give one of "
                "them, as `outputs.result`"
            )
        byid = f"; if it is an id, write `{method}_by_id({uri!r})`" if isinstance(uri, str) and method else ""
        raise ValueError(
            f"{uri!r:.80} is no uri of an artifact: expected {SCHEME} and 64 hex digits, as in `artifact.uri`{byid}"
        )
    return found


def called(of: str | Artifact | FileRef) -> str:
    """How messages name it."""
    if isinstance(of, FileRef):
        return f"upload {of.name!r}"
    return f"artifact {of.name!r} ({of.artifact_id})" if isinstance(of, Artifact) else str(of)
