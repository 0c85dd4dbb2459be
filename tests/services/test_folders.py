"""Folders as artifacts: the same files are the same artifact, and nothing leads out of them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path

import pytest

from aethergraph.errors import DamagedRecord
from aethergraph.services import folders
from aethergraph.services.artifact import Artifact, find
from aethergraph.services.artifacts import Artifacts
from aethergraph.storage.blobs import DiskBlobs
from tests.services.fake_desk import Room, room


@pytest.fixture
def place(tmp_path: Path) -> Room:
    return room(tmp_path / "store")


def saver(place: Room) -> Artifacts:
    return place.context()[0].artifacts()


def model(folder: Path, names: list[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    (folder / "empty" / "inner").mkdir(parents=True, exist_ok=True)
    return folder


NAMES = ["b.txt", "a.txt", "weights/w1.bin", "weights/deep/w2.bin", "weights copy/ü 1:2.bin"]


def tree(folder: Path) -> dict[str, str | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_folder_comes_back_as_it_was(place: Room, tmp_path: Path) -> None:
    source = model(tmp_path / "model", NAMES)
    (source / "a.txt").chmod(0o755)

    async def body() -> tuple[Artifact, Path, Path]:
        artifacts = saver(place)
        saved = await artifacts.ingest_dir(source, labels={"v": 1})
        return saved, await artifacts.as_local_dir(saved), await artifacts.to_local_path(saved.uri)

    saved, local, again = asyncio.run(body())
    assert tree(local) == tree(source) == tree(again)
    assert local.name == again.name == "model" and local != again
    assert os.access(local / "a.txt", os.X_OK) and not os.access(local / "b.txt", os.X_OK)
    assert saved.size == sum(len(f"content of {name}".encode()) for name in NAMES)
    assert saved.kind == "folder" and saved.preview.startswith("5 files\na.txt  16 B\n")


def test_the_same_files_make_the_same_artifact(place: Room, tmp_path: Path) -> None:
    names = ["a.txt", "weights.bin", "weights/w1.bin"][::2] + ["z.txt"]
    one, other = model(tmp_path / "one", names), model(tmp_path / "other", names[::-1])
    os.utime(other / "a.txt", (1, 1))

    async def body() -> tuple[Artifact, Artifact]:
        return await saver(place).ingest_dir(one), await saver(place).ingest_dir(other)

    first, second = asyncio.run(body())
    assert first.sha256 == second.sha256 and first.name != second.name
    assert len([*place.store.blobs.all()]) == len(names) + 1  # each file once, and the list


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
@pytest.mark.parametrize("where", ["/etc", "a.txt", "..", "nowhere"])
def test_a_link_is_refused(place: Room, tmp_path: Path, where: str) -> None:
    source = model(tmp_path / "model", ["a.txt"])
    (source / "deep").mkdir()
    (source / "deep" / "link").symlink_to(where)
    with pytest.raises(ValueError, match="deep/link is a link, which may lead out of the folder"):
        asyncio.run(saver(place).ingest_dir(source))
    assert find(place.store) == []
    (tmp_path / "to_model").symlink_to(source)
    with pytest.raises(NotADirectoryError, match="is a file or a link"):
        asyncio.run(saver(place).ingest_dir(tmp_path / "to_model"))


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets in folders here")
def test_what_has_no_content_and_names_that_cannot_be_are_refused(
    place: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s").mkdir()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("s/sock")
        with pytest.raises(ValueError, match="sock is neither a file nor a folder"):
            asyncio.run(saver(place).ingest_dir("s"))
    for number, name in enumerate((b"a\\b", b"line\nbreak", b"\xff\xfe")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + name))).write_text("x", encoding="utf-8")
        with pytest.raises(ValueError, match="which cannot be the name of a file in a saved folder"):
            asyncio.run(saver(place).ingest_dir(folder))


@pytest.mark.parametrize(
    "path", ["../evil", "a/../../evil", "/etc/evil", "a//b", "", ".", "a/./b", "..\\evil", "a\0b", "a/"]
)
@pytest.mark.parametrize("where", ["files", "empty"])
def test_a_list_that_names_what_lies_outside_is_refused_whole(
    place: Room, tmp_path: Path, path: str, where: str
) -> None:
    blobs = place.store.blobs
    good = blobs.put(b"evil")
    files = [["ok", good, 4, False], *([[path, good, 4, False]] if where == "files" else [])]
    data = json.dumps(
        {folders.KEY: 1, "files": files, "empty": [path] if where == "empty" else []}, separators=(",", ":")
    )
    uri = f"aether://sha256/{blobs.put(data.encode())}"
    before = tree(tmp_path)
    with pytest.raises(DamagedRecord, match="cannot be the name of a file"):
        asyncio.run(saver(place).as_local_dir(uri))
    assert {name for name in tree(tmp_path).keys() - before.keys() if "scratch" not in name} == set()


@pytest.mark.parametrize("data", ["{}", '{"files": 3}', '{"files": [["a"]], "empty": []}', '{"files": [], "empty'])
def test_a_list_that_is_not_whole_is_damaged(place: Room, data: str) -> None:
    broken = data.replace("{", '{"' + folders.KEY + '":1,', 1).replace(",}", "}")
    uri = f"aether://sha256/{place.store.blobs.put(broken.encode())}"
    with pytest.raises(DamagedRecord, match="the content of aether"):
        asyncio.run(saver(place).as_local_dir(uri))


def test_a_damaged_file_of_a_folder_is_named_and_nothing_of_the_folder_given_out(place: Room, tmp_path: Path) -> None:
    source = model(tmp_path / "model", ["a.txt", "b.txt"])
    saved = asyncio.run(saver(place).ingest_dir(source))
    blobs = place.store.blobs
    path = blobs.path(DiskBlobs(tmp_path / "other").put(b"content of b.txt"))
    path.chmod(0o600)
    path.write_text("content of B.txt")
    with pytest.raises(DamagedRecord, match="of artifact 'model'.*does not have its checksum"):
        asyncio.run(saver(place).as_local_dir(saved))
    assert not list(place.store.folder.rglob("a.txt"))


def test_a_folder_is_not_loaded_as_a_file_nor_a_file_as_a_folder(place: Room, tmp_path: Path) -> None:
    async def body() -> None:
        artifacts = saver(place)
        folder = await artifacts.ingest_dir(model(tmp_path / "model", ["a.txt"]))
        file = await artifacts.save_text("x", "a.txt")
        for load in (artifacts.load_bytes, artifacts.load_json, artifacts.as_local_file):
            with pytest.raises(ValueError, match="artifact 'model' .* is a folder: `as_local_dir` gives its files"):
                await load(folder)
        with pytest.raises(ValueError, match="is a file, no folder: `as_local_file` gives it"):
            await artifacts.as_local_dir(file)

    asyncio.run(body())
