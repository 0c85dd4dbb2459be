"""Blobs: named by content, stored once, verified on reading, never half there."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from aethergraph.errors import DamagedRecord
from aethergraph.storage.blobs import CHUNK, DiskBlobs

SOME = b"some content"


@pytest.fixture
def blobs(tmp_path: Path) -> DiskBlobs:
    return DiskBlobs(tmp_path / "blobs")


def files(blobs: DiskBlobs) -> list[Path]:
    return [path for path in blobs.folder.rglob("*") if path.is_file()]


def spoil(blobs: DiskBlobs, digest: str, content: bytes) -> None:
    place = blobs.path(digest)
    place.chmod(stat.S_IRUSR | stat.S_IWUSR)
    place.write_bytes(content)


def test_content_comes_back_under_its_sha256(blobs: DiskBlobs) -> None:
    digest = blobs.put(SOME)
    assert digest == hashlib.sha256(SOME).hexdigest()
    assert blobs.get(digest) == SOME
    assert blobs.has(digest)
    with blobs.open(digest) as file:
        assert file.read() == SOME


def test_a_file_is_stored_whatever_its_size(blobs: DiskBlobs, tmp_path: Path) -> None:
    content = os.urandom(2 * CHUNK + 17)
    (tmp_path / "file").write_bytes(content)
    digest, size = blobs.put_file(tmp_path / "file")
    assert (digest, size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert blobs.get(digest) == content


def test_the_same_content_is_stored_once(blobs: DiskBlobs, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(SOME)
    assert blobs.put(SOME) == blobs.put(SOME) == blobs.put_file(tmp_path / "file")[0]
    assert len(files(blobs)) == 1


def test_what_is_stored_is_read_only(blobs: DiskBlobs) -> None:
    assert not blobs.path(blobs.put(SOME)).stat().st_mode & 0o222


def test_altered_content_is_damage_and_storing_it_again_heals_it(blobs: DiskBlobs) -> None:
    digest = blobs.put(SOME)
    spoil(blobs, digest, b"altered text")
    with pytest.raises(DamagedRecord, match="checksum"):
        blobs.get(digest)
    blobs.put(SOME)
    assert blobs.get(digest) == SOME


def test_a_leftover_that_is_too_short_is_written_again(blobs: DiskBlobs, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(SOME)
    digest = blobs.put(SOME)
    spoil(blobs, digest, b"")
    blobs.put_file(tmp_path / "file")
    assert blobs.get(digest) == SOME


def test_content_that_is_gone_is_damage(blobs: DiskBlobs) -> None:
    digest = "0" * 64
    assert not blobs.has(digest)
    for read in (blobs.get, blobs.open, blobs.path):
        with pytest.raises(DamagedRecord, match="gone"):
            read(digest)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "a" * 63, "." * 64])
def test_only_digests_name_content(blobs: DiskBlobs, digest: str) -> None:
    with pytest.raises(DamagedRecord):
        blobs.get(digest)


def test_many_writers_of_one_content_leave_one_file(blobs: DiskBlobs) -> None:
    go = threading.Barrier(6)
    digests: list[str] = []

    def write() -> None:
        go.wait(5)
        digests.append(blobs.put(SOME))

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests == [blobs.put(SOME)] * 6
    assert len(files(blobs)) == 1


def test_a_write_that_fails_leaves_nothing(blobs: DiskBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        blobs.put(SOME)
    assert files(blobs) == []


def test_content_is_on_disk_before_it_has_its_name(blobs: DiskBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("rename"), replace(a, b))[1])
    blobs.put(SOME)
    assert order.index("fsync") < order.index("rename")
    if os.name == "posix":
        assert order[-1] == "fsync"  # of the folder, so that the name survives too
