"""Large contents as files named by their sha256: `blobs/ab/cdef...`, durable before anyone refers to them."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import secrets
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from ..errors import DamagedRecord
from .store import Blob

CHUNK = 1 << 20


class DiskBlobs:
    """A folder of contents. Any number of threads and processes may write the same content at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def put(self, data: bytes) -> str:
        """Store `data`; return its digest."""
        digest = hashlib.sha256(data).hexdigest()
        if not self._kept(digest, len(data)):
            with self.draft() as draft:
                draft.write(data)
                draft.keep(known=False)
        return digest

    def put_file(self, path: Path) -> tuple[str, int]:
        """Store the content of a file, streamed; return digest and size in bytes."""
        # The copy is what is hashed: a file that changes meanwhile must not end up under the digest of something else.
        with self.draft() as draft:
            draft.take(Path(path))
            return draft.keep()

    def draft(self, suffix: str = "") -> Draft:
        """A new content that is written piece by piece. A kill leaves nothing but a file that `empty_trash` deletes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return Draft(self, self.folder / f"draft-{os.getpid()}-{secrets.token_hex(8)}{suffix}")

    def get(self, digest: str) -> bytes:
        """The whole content, verified. Raises DamagedRecord where it is gone or altered."""
        with self.open(digest) as file:
            data = file.read()
        self._compare(digest, hashlib.sha256(data).hexdigest())
        return data

    def check(self, digest: str) -> None:
        """Read it through, streamed. Raises DamagedRecord where it is gone or altered."""
        with self.path(digest).open("rb") as file:
            self._compare(digest, hashlib.file_digest(file, "sha256").hexdigest())

    def copy(self, digest: str, target: Path) -> None:
        """A copy as the file `target`, streamed; it is there whole and verified, or not at all.

        Raises:
            DamagedRecord: the content is gone or altered.
            OSError: `target` cannot be written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        half, checksum = target.with_name(f".{secrets.token_hex(8)}.half"), hashlib.sha256()
        try:
            with self.open(digest) as source, half.open("xb", buffering=0) as file:
                while chunk := source.read(CHUNK):
                    checksum.update(chunk)
                    _write(file, chunk)
            self._compare(digest, checksum.hexdigest())
            os.replace(half, target)
        finally:
            half.unlink(missing_ok=True)

    def _compare(self, digest: str, found: str) -> None:
        if found != digest:
            raise DamagedRecord(f"the content {digest[:12]} ({self._place(digest)})", "it does not have its checksum")

    def open(self, digest: str) -> BinaryIO:
        """The content as a stream, not verified. Raises DamagedRecord where it is gone."""
        return self.path(digest).open("rb")

    def path(self, digest: str) -> Path:
        """Where the content lies as a file (read only). Raises DamagedRecord where it is gone."""
        place = self._place(digest)
        if not place.is_file():
            raise DamagedRecord(f"the content {digest[:12]} ({place})", "the file is gone")
        return place

    def has(self, digest: str) -> bool:
        """Whether it is there."""
        return self._place(digest).is_file()

    def keep(self, digest: str) -> bool:
        """Whether it is there; a collection of garbage leaves it alone for now, as if it had been stored again."""
        return _refreshed(self._place(digest))

    # ------------------------------------------------------------------ collecting garbage

    def all(self) -> Iterator[Blob]:
        """Every content, in no order."""
        for folder in self.folder.glob("[0-9a-f][0-9a-f]"):
            for place in folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    state = place.stat()
                    yield Blob(folder.name + place.name, state.st_size, state.st_mtime)

    def move_aside(self, blob: Blob) -> bool:
        """Take a content away, to be deleted by `empty_trash`; False where it was stored again since it was listed."""
        place, trash = self._place(blob.digest), self._trash / blob.digest
        self._trash.mkdir(parents=True, exist_ok=True)
        try:
            os.replace(place, trash)
            if trash.stat().st_mtime <= blob.stored:
                return True
            os.replace(trash, place)  # somebody stored it just before it was moved
        except (FileNotFoundError, PermissionError):  # gone already, or open where open files cannot be moved
            return False
        return False

    def empty_trash(self, since: float) -> None:
        """Delete what was moved aside, and what writers that were killed left before `since`."""
        left = [*self._trash.glob("*"), *(p for p in self.folder.glob("draft-*") if p.stat().st_mtime < since)]
        for path in left:
            with contextlib.suppress(OSError):  # open elsewhere: the next time
                path.chmod(stat.S_IRUSR | stat.S_IWUSR)
                path.unlink()

    @property
    def _trash(self) -> Path:
        return self.folder / "trash"

    def _place(self, digest: str) -> Path:
        if len(digest) != 64 or not digest.isalnum():
            raise DamagedRecord(f"the content name {digest[:80]!r}", "it is no sha256 in hex")
        return self.folder / digest[:2] / digest[2:]

    def _kept(self, digest: str, size: int) -> bool:
        """Whether the content is there, whole and durable; a damaged one is to be written again."""
        place = self._place(digest)
        try:
            if place.stat().st_size != size:
                return False
            with place.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    return False
        except FileNotFoundError:
            return False
        if not _refreshed(place):  # collected as garbage just now
            return False
        _sync(place.parent)  # whoever wrote it may not have come to that yet
        return True

    def _settle(self, draft: Path, digest: str) -> None:
        """Give a draft its final name, read only, so that it is there after a power cut."""
        place = self._place(digest)
        draft.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        if not place.parent.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            _sync(self.folder)
        try:
            os.replace(draft, place)
        except PermissionError:
            # Windows refuses to replace a read-only or open file: then the same content is there already.
            draft.chmod(stat.S_IRUSR | stat.S_IWUSR)
            draft.unlink()
            if not place.is_file():
                raise
        _sync(place.parent)


class Draft:
    """A content that is being written, under a name of its own: `keep` stores it, leaving `with` discards the rest."""

    def __init__(self, blobs: DiskBlobs, path: Path) -> None:
        self._blobs, self._path = blobs, path
        self._file = path.open("xb", buffering=0)
        self._checksum, self.size = hashlib.sha256(), 0
        self._given = False

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()

    @property
    def path(self) -> Path:
        """The file, for a library that writes files itself; its content is read once more at the end."""
        self._given = True
        return self._path

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data`. Raises OSError where the disk is full."""
        try:
            _write(self._file, data)
        except OSError as error:
            raise _story(self._path.parent, error) from error
        self._checksum.update(data)
        self.size += len(data)

    def take(self, source: Path) -> None:
        """Make it a copy of a file: by the system, which is twice as fast as reading and writing it here."""
        self._given = True
        try:
            _copy(source, self._path)
        except OSError as error:
            if error.errno not in _FULL:  # it is the source that cannot be read
                raise
            raise _story(self._path.parent, error) from error

    def digest(self) -> str:
        """The sha256 of what was written."""
        if self._given:
            with self._path.open("rb") as file:
                self._checksum = hashlib.file_digest(file, hashlib.sha256)
                self.size = file.tell()
        return self._checksum.hexdigest()

    def keep(self, *, known: bool = True) -> tuple[str, int]:
        """Store it; return digest and size in bytes. `known`: it may be there already."""
        if self._given:
            with ThreadPoolExecutor(1) as beside:  # the disk and the processor at once
                flushed = beside.submit(self._flush)
                digest = self.digest()
                flushed.result()
        else:
            digest = self.digest()
            self._flush()
        self._file.close()
        if not (known and self._blobs._kept(digest, self.size)):
            self._blobs._settle(self._path, digest)
        return digest, self.size

    def _flush(self) -> None:
        try:
            if self._given:  # a library may have put another file in place of ours
                with self._path.open("rb+") as file:
                    os.fsync(file.fileno())
            else:
                os.fsync(self._file.fileno())
        except OSError as error:  # some disks tell here that they are full
            raise _story(self._path.parent, error) from error

    def discard(self) -> None:
        """Let go of it; what was kept stays."""
        self._file.close()
        self._path.unlink(missing_ok=True)


_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)


def _copy(source: Path, target: Path) -> None:
    import shutil  # with all its archives

    shutil.copyfile(source, target)


def _story(folder: Path, error: OSError) -> OSError:
    import shutil

    free = shutil.disk_usage(folder).free
    return OSError(error.errno, f"{error.strerror or error}: {folder} could not take it all ({free:,} bytes are free)")


def _refreshed(place: Path) -> bool:
    """Date a file by now; False where it is gone."""
    try:
        os.utime(place)
    except FileNotFoundError:
        return False
    except PermissionError:  # Windows does not date a file that is read only
        place.chmod(stat.S_IRUSR | stat.S_IWUSR)
        os.utime(place)
        place.chmod(stat.S_IRUSR)
    return True


def _write(file: io.FileIO, chunk: bytes | bytearray | memoryview) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _sync(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    if os.name != "posix":
        return  # Windows can neither open nor flush a folder; NTFS journals the rename itself
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
