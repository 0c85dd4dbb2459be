"""Folders as artifacts: a list of files by path, each a content of its own. The same files make the same list."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import DamagedRecord
from ..storage.store import Blobs, Transaction

KEY = "aethergraph folder"  # the field that tells such a list from any other JSON; its value is the version
START = b'{"' + KEY.encode()
ROW = "am:"  # rows that name the contents of a folder, so that they are kept as long as it
_AT_ONCE = 8  # files that are stored at once: the disk flushes several in the time of one
_TOLD = 12  # files in a preview
_SIGNS = "/\\" + "".join(map(chr, range(32)))
_SIGNS_OF_WINDOWS = ':*?"<>|'
_RESERVED = {"con", "prn", "aux", "nul", *(f"{what}{n}" for what in ("com", "lpt") for n in range(1, 10))}


@dataclass(frozen=True, slots=True)
class File:
    """One file of a folder. path: relative, with `/`; size in bytes; runs: it can be executed."""

    path: str
    sha256: str
    size: int
    runs: bool = False


@dataclass(frozen=True, slots=True)
class Folder:
    """Files, and folders that hold nothing, in the order of their paths."""

    files: tuple[File, ...]
    empty: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(one.size for one in self.files)

    def preview(self) -> str:
        """The first files."""
        lines = [f"{one.path}  {one.size:,} B" for one in self.files[:_TOLD]]
        more = len(self.files) - len(lines)
        return "\n".join([f"{len(self.files)} files", *lines, *([f"... and {more} more"] if more else [])])


def store(blobs: Blobs, folder: Path) -> tuple[str, Folder]:
    """Store every file of `folder`, streamed; return the digest of the list, and the list.

    Raises:
        ValueError: it holds a link, a pipe or the like, or a name with a backslash or a control sign.
        OSError: it is no folder, or a file cannot be read.
    """
    found = dict(_walk(folder, PurePosixPath()))  # nothing is stored of a folder that is refused
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        files = list(pool.map(partial(_file, blobs), [(path, entry) for path, entry in found.items() if entry]))
    empty = tuple(sorted(path for path, entry in found.items() if entry is None))
    listed = Folder(tuple(sorted(files, key=lambda one: one.path)), empty)
    return blobs.put(encode(listed)), listed


def _file(blobs: Blobs, found: tuple[str, os.DirEntry[str]]) -> File:
    path, entry = found
    digest, size = blobs.put_file(Path(entry.path))
    return File(path, digest, size, bool(entry.stat(follow_symlinks=False).st_mode & stat.S_IXUSR))


def encode(folder: Folder) -> bytes:
    """The list as it is stored."""
    files = [[one.path, one.sha256, one.size, one.runs] for one in folder.files]
    return json.dumps({KEY: 1, "files": files, "empty": folder.empty}, separators=(",", ":")).encode()


def is_folder(data: bytes) -> bool:
    """Whether a content, or its beginning, is such a list."""
    return data.startswith(START)


def decode(data: bytes, what: str) -> Folder | None:
    """The list that `encode` made; None where this is something else.

    Raises:
        DamagedRecord: it is such a list, but names what lies outside the folder, or is not whole.
    """
    if not is_folder(data):
        return None
    try:
        read: Any = json.loads(data)
        found = Folder(tuple(File(*one) for one in read["files"]), tuple(read["empty"]))
        for path in (*(one.path for one in found.files), *found.empty):
            for part in path.split("/"):
                _check(part, path)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedRecord(what, str(error)) from error
    return found


def restore(blobs: Blobs, folder: Folder, target: Path) -> None:
    """Make `target` a copy of it, each file verified; what was there is replaced once all is written.

    Raises:
        DamagedRecord: a content is gone or altered.
        ValueError: two names differ by case alone, which not every system can bear.
    """
    half = target.with_name(target.name + ".half")
    _delete(half)
    half.mkdir(parents=True)
    try:
        for path in folder.empty:
            (half / path).mkdir(parents=True, exist_ok=True)
        for one in folder.files:
            if (half / one.path).exists():
                raise ValueError(f"this system cannot tell {one.path!r} from another file of the folder")
            blobs.copy(one.sha256, half / one.path)
            if one.runs:
                (half / one.path).chmod(0o755)
        _delete(target)
        os.replace(half, target)
    finally:
        _delete(half)


def keep(rows: Transaction, digest: str, folder: Folder) -> None:
    """Write the row by which `gc` knows what belongs to it."""
    rows.set(ROW + digest, " ".join(dict.fromkeys(one.sha256 for one in folder.files)).encode())


def _delete(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def _walk(folder: Path, below: PurePosixPath) -> Iterator[tuple[str, os.DirEntry[str] | None]]:
    """Each file with its path; a folder that holds nothing without an entry."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda one: one.name)
    if not entries and below.parts:
        yield str(below), None
    for entry in entries:
        path = below / entry.name
        _check(entry.name, entry.path)
        if entry.is_symlink():
            raise ValueError(f"{entry.path} is a link, which may lead out of the folder: save a copy of what it names")
        if entry.is_dir():
            yield from _walk(Path(entry.path), path)
        elif entry.is_file():
            yield str(path), entry
        else:
            raise ValueError(f"{entry.path} is neither a file nor a folder, so it has no content that could be saved")


def _check(name: str, path: str) -> None:
    """Raises ValueError for a name that would lead out of the folder, or that this system cannot bear."""
    signs = _SIGNS + _SIGNS_OF_WINDOWS if os.name == "nt" else _SIGNS
    wrong = name in ("", ".", "..") or any(sign in signs or "\ud800" <= sign <= "\udfff" for sign in name)
    if os.name == "nt":
        wrong = wrong or name[-1] in ". " or name.partition(".")[0].lower() in _RESERVED
    if wrong:
        raise ValueError(f"{path!r} holds the name {name!r}, which cannot be the name of a file in a saved folder")
