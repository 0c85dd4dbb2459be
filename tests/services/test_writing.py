"""Writers, staged files and folders: whole or not there at all."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import pickle
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aethergraph.services.artifact import Artifact, find
from aethergraph.services.artifacts import Artifacts
from aethergraph.storage import blobs as storage
from tests.services.fake_desk import FakeDesk, Room, loop_thread, room


@pytest.fixture
def place(tmp_path: Path) -> Room:
    return room(tmp_path)


def saver(place: Room, desk: FakeDesk | None = None) -> Artifacts:
    return place.context(desk)[0].artifacts()


def drafts(place: Room) -> list[Path]:
    return list((place.store.folder / "blobs").glob("draft-*"))


# ------------------------------------------------------------------ writers


def test_what_is_written_piece_by_piece_is_one_artifact(place: Room) -> None:
    async def body() -> tuple[Artifact, bytes]:
        artifacts = saver(place)
        async with artifacts.writer("report", "txt", labels={"a": 1}, tags=["t"], pin=True) as w:
            assert w.write("häß ") == 4 and w.write(b"and bytes") == 9
            w.add_labels({"b": 2})
            w.add_metrics({"n": 3})
            assert find(place.store) == []
        assert w.artifact is not None
        return w.artifact, await artifacts.load_bytes(w.artifact)

    saved, content = asyncio.run(body())
    assert content.decode() == saved.preview == "häß and bytes"
    assert (saved.name, saved.kind, saved.mime, saved.pinned) == ("report.txt", "report", "text/plain", True)
    assert (saved.labels, saved.metrics, saved.tags) == ({"a": 1, "b": 2}, {"n": 3.0}, ["t"])
    assert find(place.store) == [saved] and drafts(place) == []


def test_libraries_that_write_to_a_file_write_to_a_writer_and_to_its_path(place: Room) -> None:
    async def body() -> tuple[Any, Any, Any, Any]:
        artifacts = saver(place)
        async with artifacts.writer("json", ".json") as w:
            json.dump({"x": [1]}, w)  # type: ignore[arg-type]
        async with artifacts.writer("pickle", ".pkl") as p:
            pickle.dump([1, 2], p)  # type: ignore[arg-type]
        async with artifacts.writer("array", ".npy") as n:
            np.save(n, np.arange(3))  # type: ignore[arg-type]
        async with artifacts.writer("arrays", ".npz") as z:
            np.savez(z.path, a=np.arange(4))
        load = artifacts.load_bytes
        made = [await load(one.artifact) for one in (w, p, n, z) if one.artifact]
        with np.load(io.BytesIO(made[3])) as arrays:
            return json.loads(made[0]), pickle.loads(made[1]), np.load(io.BytesIO(made[2])), arrays["a"]

    data, values, array, last = asyncio.run(body())
    assert data == {"x": [1]} and values == [1, 2] and array.tolist() == [0, 1, 2] and last.tolist() == [0, 1, 2, 3]


def test_a_text_that_was_written_by_path_has_its_preview_and_checksum(place: Room) -> None:
    async def body() -> tuple[Artifact, str]:
        artifacts = saver(place)
        async with artifacts.writer("note", ".md") as w:
            w.path.write_text("# title")
        assert w.artifact is not None
        return w.artifact, await artifacts.load_text(w.artifact)

    saved, text = asyncio.run(body())
    assert text == saved.preview == "# title" and saved.size == 7


def test_an_error_in_the_block_leaves_nothing(place: Room) -> None:
    async def body() -> None:
        async with saver(place).writer("report", ".txt") as w:
            w.write("half")
            assert len(drafts(place)) == 1
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(body())
    assert find(place.store) == [] and drafts(place) == []


def test_two_open_writers_of_one_name_are_refused_and_two_after_another_are_two_artifacts(place: Room) -> None:
    async def body() -> None:
        artifacts = saver(place)
        async with artifacts.writer(name="a.txt") as w:
            w.write("1")
            with pytest.raises(
                ValueError, match=r"a writer of 'a.txt' is open in this node already: give each its own"
            ):
                async with artifacts.writer(name="a.txt"):
                    pass
            async with artifacts.writer(name="b.txt") as other:
                other.write("2")
        async with artifacts.writer(name="a.txt") as w:
            w.write("3")

    asyncio.run(body())
    assert sorted(one.preview for one in find(place.store)) == ["1", "2", "3"] and drafts(place) == []


def test_a_writer_is_used_inside_its_block_alone(place: Room) -> None:
    async def body() -> None:
        async with saver(place).writer(name="a.txt") as w:
            with pytest.raises(TypeError, match="write takes bytes or a text, got int"):
                w.write(3)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="is not open"):
            w.write("late")

    asyncio.run(body())


def test_a_replay_gives_what_was_written_then_and_other_content_is_saved_anew(place: Room) -> None:
    async def body(artifacts: Artifacts, text: str) -> Artifact:
        async with artifacts.writer(name="a.txt") as w:
            w.write(text)
        assert w.artifact is not None
        return w.artifact

    context, desk = place.context()
    first = asyncio.run(body(context.artifacts(), "one"))
    assert asyncio.run(body(saver(place, desk.again()), "one")) == first
    other = asyncio.run(body(saver(place, desk.again()), "two"))
    assert [one.preview for one in find(place.store)] == ["two"] == [other.preview]
    assert drafts(place) == []


def test_in_a_sync_tool_it_is_with(place: Room) -> None:
    with loop_thread() as loop:
        artifacts: Any = saver(place, FakeDesk(place.store, loop=loop))
        done: list[Any] = []

        def tool() -> None:
            with artifacts.writer("report", ".txt") as w:
                w.write("from a thread")
            done.append((w.artifact.preview, artifacts.load_text(w.artifact)))

        thread = threading.Thread(target=tool)
        thread.start()
        thread.join(20)
    assert done == [("from a thread", "from a thread")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB, where this process may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here")
    if done.returncode:
        pytest.skip("a disk of its own cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_leaves_nothing(small_disk: Path) -> None:
    _fills(room(small_disk))


def test_an_error_of_the_disk_is_told_and_leaves_nothing(place: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: io.FileIO, chunk: Any) -> None:
        file.write(chunk[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(storage, "_write", full)
    _fills(place)


def _fills(place: Room) -> None:
    async def body() -> None:
        async with saver(place).writer("data", ".bin") as w:
            for _ in range(16):
                w.write(os.urandom(64 << 10))

    with pytest.raises(OSError, match=r"could not take it all \([\d,]+ bytes are free\)") as told:
        asyncio.run(body())
    assert told.value.errno == errno.ENOSPC
    assert find(place.store) == [] and drafts(place) == []


# ------------------------------------------------------------------ staged files and folders


def test_a_staged_file_is_taken_over_and_a_file_of_ones_own_stays(place: Room, tmp_path: Path) -> None:
    async def body() -> tuple[Artifact, Artifact, Path]:
        artifacts = saver(place)
        staged = await artifacts.stage_path(".csv")
        staged.write_text("a,b\n1,2\n")
        own = tmp_path / "own.csv"
        own.write_text("a,b\n1,2\n")
        return await artifacts.ingest_file(staged, kind="data"), await artifacts.ingest_file(own), staged

    one, other, staged = asyncio.run(body())
    assert (one.name, one.kind, one.mime, one.preview) == ("data.csv", "data", "text/csv", "a,b\n1,2\n")
    assert other.name == "own.csv" and other.sha256 == one.sha256
    assert not staged.exists() and (tmp_path / "own.csv").exists()


def test_staged_paths_differ_from_each_other_and_are_the_same_on_replay(place: Room) -> None:
    async def body(artifacts: Artifacts) -> list[Path]:
        return [await artifacts.stage_path(), await artifacts.stage_path(), await artifacts.tmp_path(".npy")]

    context, desk = place.context()
    paths = asyncio.run(body(context.artifacts()))
    assert len(set(paths)) == 3 and paths[2].suffix == ".npy" and all(path.parent.is_dir() for path in paths)
    assert asyncio.run(body(saver(place, desk.again()))) == paths
    retried = FakeDesk(place.store, attempt=2)
    assert not set(asyncio.run(body(saver(place, retried)))) & set(paths)


def test_an_attempt_finds_nothing_of_one_that_was_killed_and_a_body_all_that_was_written_for_it(place: Room) -> None:
    class Body(FakeDesk):
        replays = True

    for kind, left in ((FakeDesk, []), (Body, ["half.txt"])):
        folder = asyncio.run(saver(place, kind(place.store)).stage_dir("-out"))
        (folder / "half.txt").write_text("half")
        again = asyncio.run(saver(place, kind(place.store)).stage_dir("-out"))
        assert again == folder and [path.name for path in folder.iterdir()] == left


@pytest.mark.parametrize("suffix", ["/../../x", "a/b", "..\\x", "\0", "x" * 100, 3])
def test_a_suffix_that_leads_elsewhere_is_refused(place: Room, suffix: Any) -> None:
    for name in ("stage_path", "stage_dir", "tmp_path"):
        with pytest.raises(ValueError, match="expected the end of a file's name"):
            asyncio.run(getattr(saver(place), name)(suffix))


def test_a_replay_of_a_staged_folder_needs_neither_folder_nor_the_place_of_the_store(place: Room) -> None:
    async def body(artifacts: Artifacts) -> Artifact:
        folder = await artifacts.stage_dir()
        if not find(place.store):
            (folder / "a.txt").write_text("1")
        return await artifacts.ingest_dir(folder, kind="model")

    context, desk = place.context()
    first = asyncio.run(body(context.artifacts()))
    place.store.folder = place.store.folder / "moved"  # type: ignore[misc]
    assert asyncio.run(body(saver(place, desk.again()))) == first


@pytest.mark.parametrize(
    ("name", "error", "why"),
    [
        ("gone", FileNotFoundError, "there is no (file|folder) '.*gone' .looked in"),
        ("other", (IsADirectoryError, NotADirectoryError), "takes (one file|a folder), but"),
    ],
)
def test_what_is_gone_or_of_another_kind_is_told(
    place: Room, tmp_path: Path, name: str, error: type[Exception], why: str
) -> None:
    (tmp_path / "a_file").write_text("x")
    for method, other in (("ingest_file", tmp_path), ("ingest_dir", tmp_path / "a_file")):
        path = other if name == "other" else tmp_path / "gone"
        with pytest.raises(error, match=why):
            asyncio.run(getattr(saver(place), method)(path))
    assert find(place.store) == []
