"""Files that people give: taken into the store, handed out under their own names, given back when nothing needs them.

Their contents are blobs like any other. Beside them lies a folder `uploads`: in `uploads/SHA256/NAME` each content has
the name that it was given with (a hard link, a copy where there are none), and in `uploads/parts` lies what has
arrived of an upload that comes in pieces. A part becomes a content when its last piece is there, and is nothing before.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec

from ..errors import BadAnswer
from ..record import files, uploads
from ..record.schema import FILES, Question
from ..record.uploads import SCHEME, FileRef
from .store import Store, Transaction

FOLDER = "uploads"
PARTS = "parts"
BYTES = (bytes, bytearray, memoryview)
PREFIX = "u:"  # rows of files that came with an answer, by run and token, until somebody asks for the latest


# ---------------------------------------------------------------------- taking in


def take_in(store: Store, question: Question, answer: Any) -> Any:
    """An answer to `question` with its files in the store; what is no answer with files is given back as it is.

    A file is a path, bytes, `(name, bytes)`, `{"name": ..., "data": bytes}` or a `FileRef`; several are a list of them,
    and `{"text": ..., "files": [...]}` says something along with them.

    Raises:
        BadAnswer: one cannot be read, or is beyond the limits of the question; nothing was stored of it.
    """
    if question.kind != FILES:
        return _plain_form(answer) if question.kind == "form" else answer
    text, given = "", answer
    if isinstance(answer, Mapping) and "files" in answer:
        text, given = answer.get("text") or "", answer["files"]
    given = list(given) if _is_list(given) else [] if given is None else [given]
    uploads.check_count(question, len(given))
    return {"text": text, "files": [_taken(store, question, one) for one in given]}


def _plain_form(answer: Any) -> Any:
    """An instance of a pydantic model as the plain data of a form."""
    dump = getattr(answer, "model_dump", None)
    return dump(mode="json", by_alias=True) if dump is not None and not isinstance(answer, type) else answer


def _is_list(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, (str, *BYTES)) and not _named(given)


def _named(given: Any) -> bool:
    """Whether this is one file, as (name, bytes)."""
    return isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str) and isinstance(given[1], BYTES)


def _taken(store: Store, question: Question, one: Any) -> dict[str, Any]:
    if isinstance(one, FileRef):
        one = {"name": one.name, "sha256": one.sha256, "size": one.size}
    if isinstance(one, BYTES):
        one = ("upload" + next((kind for kind in question.accept if kind.startswith(".")), ".bin"), one)
    if isinstance(one, Mapping) and isinstance(one.get("data"), BYTES):
        one = (one.get("name"), one["data"])
    if _named(one):
        name, data = one[0], bytes(one[1])
        name = uploads.check_file(question, name, len(data))
        return _described(name, store.blobs.put(data), len(data))
    if isinstance(one, Mapping) and "path" in one and "sha256" not in one:
        one = one["path"]
    if isinstance(one, (str, PathLike)):
        return _from_path(store, question, one)
    return _known(store, question, one)


def _from_path(store: Store, question: Question, path: Any) -> dict[str, Any]:
    try:
        found = files.readable(path)
        name = uploads.check_file(question, found.name, found.stat().st_size)
        digest, size = store.blobs.put_file(found)
    except (OSError, ValueError, TypeError) as error:
        raise BadAnswer(error.why if isinstance(error, BadAnswer) else str(error)) from None
    uploads.check_file(question, name, size)  # it may have grown while it was read
    return _described(name, digest, size)


def _known(store: Store, question: Question, one: Any) -> dict[str, Any]:
    """A file whose content is in the store already: its size is what lies there, whatever was claimed."""
    described = uploads.check(_any_count(question), {"files": [one]})["files"][0]
    digest, name = described["sha256"], described["name"]
    if not store.blobs.keep(digest):
        raise BadAnswer(f"the content of {name!r} is not in this store: give its path")
    size = store.blobs.path(digest).stat().st_size
    return _described(uploads.check_file(question, name, size), digest, size)


def _any_count(question: Question) -> Question:
    return msgspec.structs.replace(question, multiple=True, max_files=None)


def _described(name: str, digest: str, size: int) -> dict[str, Any]:
    return {"name": name, "size": size, "mime": files.mime(name), "sha256": digest}


# ---------------------------------------------------------------------- handing out


def refs(store: Store, described: Any) -> list[FileRef]:
    """The files of a checked answer, each at its path.

    Raises:
        DamagedRecord: the content of one is gone; names it.
    """
    return [_ref(store, one) for one in described]


def _ref(store: Store, one: Mapping[str, Any]) -> FileRef:
    name, digest = str(one["name"]), str(one["sha256"])
    path = _named_path(store, digest, files.file_name(name))
    return FileRef(name, str(path), int(one["size"]), str(one["mime"]), digest, SCHEME + digest)


def _named_path(store: Store, digest: str, name: str) -> Path:
    """Where the content lies under its name; made where it is not there."""
    source = store.blobs.path(digest)
    place = store.folder / FOLDER / digest / name
    if place.is_file() and place.stat().st_size == source.stat().st_size:
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.parent / f"draft-{os.getpid()}-{secrets.token_hex(8)}"
    try:
        try:
            os.link(source, draft)
        except OSError:  # no hard links here
            import shutil  # with all its archives

            shutil.copyfile(source, draft)
            draft.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        try:
            os.replace(draft, place)
        except PermissionError:  # Windows replaces no file that is read only or open
            if not place.is_file():
                raise
    finally:
        # A link that replaces another link to the same content does nothing, and stays.
        with contextlib.suppress(FileNotFoundError):
            _discard(draft, source)
    return place


def _discard(draft: Path, source: Path) -> None:
    """Delete a draft, which may be a link to `source` and then shares with it that it is read only."""
    try:
        draft.unlink()
    except PermissionError:  # Windows deletes no file that is read only
        draft.chmod(stat.S_IRUSR | stat.S_IWUSR)
        draft.unlink()
        source.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)


def is_upload(path: str) -> bool:
    """Whether `path` is one that was handed out: then its content is in its name, and its date means nothing."""
    folder = Path(path).parent
    return folder.parent.name == FOLDER and len(folder.name) == 64 and not set(folder.name) - set("0123456789abcdef")


# ---------------------------------------------------------------------- the latest


def arrived(transaction: Transaction, run_id: str, token: str, channel: str, now: float, answer: Any) -> None:
    """Files came with the answer that is written in `transaction`."""
    row = msgspec.msgpack.encode([now, channel, answer["files"]])
    transaction.set(f"{PREFIX}{run_id}:{token}", row)


def latest(store: Store, run_id: str, channel: str = "") -> list[tuple[str, list[dict[str, Any]]]]:
    """Row and files of each answer that nobody took with `clear` yet, oldest first; of one channel, or of all."""
    rows = [(*msgspec.msgpack.decode(row), key) for key, row in store.scan(f"{PREFIX}{run_id}:")]
    rows.sort(key=lambda row: (row[0], row[3]))
    return [(key, described) for _, where, described, key in rows if channel in ("", where)]


# ---------------------------------------------------------------------- pieces


class Part:
    """One file that comes in pieces, each at its offset. What has arrived outlives the process.

    Args:
        key: what tells this upload from others: the same file for the same question goes on where it was.
    """

    def __init__(self, store: Store, key: str, name: str, size: int) -> None:
        self._store, self.name, self.size = store, name, size
        self._path = store.folder / FOLDER / PARTS / hashlib.sha256(key.encode()).hexdigest()[:32]

    @property
    def have(self) -> int:
        """Bytes that have arrived."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def add(self, offset: int, piece: bytes) -> int:
        """Write a piece; how many bytes there are now. One that does not go on where the last ended is left out.

        Raises:
            BadAnswer: there is more than the file was said to have.
            OSError: it cannot be written (the disk is full).
        """
        have = self.have
        if offset != have:
            return have
        if have + len(piece) > self.size:
            self.drop()
            raise BadAnswer(f"more came of {self.name!r} than its {files.amount(self.size)}: choose it again")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()
        with self._path.open("r+b") as file:  # at its offset: two kernels that are sent the same file write the same
            file.seek(offset)
            file.write(piece)
        return have + len(piece)

    def finish(self) -> dict[str, Any]:
        """The whole file as a content of the store.

        Raises:
            BadAnswer: it is not whole.
        """
        if not self.size and not self._path.is_file():  # nothing has to come of an empty file
            return _described(self.name, self._store.blobs.put(b""), 0)
        if self.have != self.size:
            raise BadAnswer(f"{files.amount(self.size - self.have)} of {self.name!r} have not arrived")
        digest, size = self._store.blobs.put_file(self._path)
        self.drop()
        return _described(self.name, digest, size)

    def drop(self) -> None:
        """Forget what has arrived."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()


# ---------------------------------------------------------------------- giving back


def left_over(store: Store, since: float) -> Iterator[tuple[Path, int]]:
    """Parts that nobody has added to since `since`, with their bytes."""
    folder = store.folder / FOLDER / PARTS
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            state = path.stat()
            if state.st_mtime < since:
                yield path, state.st_size


def sweep(store: Store, since: float) -> None:
    """Delete old parts, and the names of contents that are gone."""
    for path, _ in left_over(store, since):
        with contextlib.suppress(OSError):  # open elsewhere: the next time
            path.unlink()
    folder = store.folder / FOLDER
    for place in folder.iterdir() if folder.is_dir() else ():
        if len(place.name) == 64 and not store.blobs.has(place.name):
            for name in place.iterdir():
                with contextlib.suppress(OSError):
                    name.chmod(stat.S_IRUSR | stat.S_IWUSR)
                    name.unlink()
            with contextlib.suppress(OSError):
                place.rmdir()
