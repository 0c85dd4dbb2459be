"""Contents as files of one's own: verified, streamed, and noted as used."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aethergraph.errors import DamagedRecord, UnknownArtifact
from aethergraph.services import catalogue
from aethergraph.services.artifact import Artifact
from aethergraph.services.artifacts import Artifacts
from tests.services.fake_desk import FakeDesk, Room, room


@pytest.fixture
def place(tmp_path: Path) -> Room:
    return room(tmp_path)


def saver(place: Room, desk: FakeDesk | None = None) -> Artifacts:
    return place.context(desk)[0].artifacts()


def test_a_local_file_is_ones_own_and_bears_the_name_of_the_artifact(place: Room) -> None:
    async def body() -> tuple[Artifact, Path, Path, Path]:
        artifacts = saver(place)
        saved = await artifacts.save_text("kept", "../../notes.md")
        local = await artifacts.as_local_file(saved)
        local.write_text("changed")
        return saved, local, await artifacts.as_local_file(saved.uri), await artifacts.as_local_file(saved, "x.txt")

    saved, local, again, named = asyncio.run(body())
    assert (local.name, again.name, named.name) == ("notes.md", "notes.md", "x.txt")
    assert place.store.folder / "scratch" in local.parents
    assert again.read_text() == named.read_text() == place.store.blobs.get(saved.sha256).decode() == "kept"


def test_a_local_path_is_that_of_the_store(place: Room) -> None:
    async def body() -> tuple[Artifact, Path]:
        saved = await saver(place).save_text("kept", "a.txt")
        return saved, await saver(place).to_local_path(saved.uri)

    saved, path = asyncio.run(body())
    assert path == place.store.blobs.path(saved.sha256) and path.read_text() == "kept"


@pytest.mark.parametrize("method", ["load_bytes", "load_text", "as_local_file", "to_local_path"])
def test_a_damaged_content_is_named_and_never_given_out(place: Room, method: str) -> None:
    saved = asyncio.run(saver(place).save_text("whole", "a.txt"))
    path = place.store.blobs.path(saved.sha256)
    path.chmod(0o600)
    path.write_text("Whole")
    with pytest.raises(DamagedRecord, match="of artifact 'a.txt' .*does not have its checksum"):
        asyncio.run(getattr(saver(place), method)(saved))
    assert not list((place.store.folder / "scratch").rglob("a.txt"))
    assert not list(place.store.folder.rglob("*.half"))


def test_an_unknown_uri_is_told_with_one_that_begins_alike(place: Room) -> None:
    saved = asyncio.run(saver(place).save_text("x", "a.txt"))
    wrong = saved.uri[:-8] + "00000000"
    for method in ("load_bytes", "load_json", "load_object", "as_local_file", "as_local_dir", "to_local_path"):
        with pytest.raises(UnknownArtifact, match=f"did you mean {saved.uri}"):
            asyncio.run(getattr(saver(place), method)(wrong))


def test_loads_are_noted_as_uses_once_a_node(place: Room) -> None:
    desk = FakeDesk(place.store, run_id="other-1", node_id="plot", no=7)

    async def body() -> Artifact:
        saved = await saver(place).save_text("x", "a.txt")
        artifacts = saver(place, desk)
        await artifacts.load_text(saved)
        await artifacts.load_bytes(saved.uri)
        await artifacts.to_local_path(saved.uri)
        return saved

    saved = asyncio.run(body())
    told = {"sha256": saved.sha256, "name": "a.txt", "run": "study-1", "artifact": saved.artifact_id}
    assert desk.noted("use") == [told]
    assert place.store.get(catalogue.use_key(saved.sha256, "other-1", 7)) is not None


STREAMS = """
import asyncio, resource, sys
from pathlib import Path
from tests.services.fake_desk import room

place = room(Path(sys.argv[1]))
folder, size = Path(sys.argv[1]) / "model", int(sys.argv[2])
folder.mkdir()
with open(folder / "large.bin", "wb") as file:
    file.truncate(size)
with open(folder / "large.bin", "r+b") as file:
    file.write(b"begin")

async def body():
    artifacts = place.context()[0].artifacts()
    saved = await artifacts.save_file(folder / "large.bin")
    assert saved.size == size
    async with artifacts.writer("written", ".bin") as w:
        with open(folder / "large.bin", "rb") as file:
            while chunk := file.read(1 << 20):
                w.write(chunk)
    assert w.artifact.sha256 == saved.sha256
    (await artifacts.as_local_file(saved)).unlink()
    await artifacts.to_local_path(saved)
    whole = await artifacts.ingest_dir(folder)
    assert (await artifacts.as_local_dir(whole) / "large.bin").stat().st_size == size
    assert len([*place.store.blobs.all()]) == 2

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
asyncio.run(body())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def _streamed(folder: Path, size: int) -> float:
    """MiB by which the memory of a process grew that saves and loads a file of so many bytes in each way."""
    done = subprocess.run(
        [sys.executable, "-c", STREAMS, str(folder), str(size)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout) / 1024 / (1024 if sys.platform == "darwin" else 1)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell the peak of memory this way")
def test_a_large_file_is_streamed(tmp_path: Path) -> None:
    assert _streamed(tmp_path, 200 << 20) < 40


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell the peak of memory this way")
@pytest.mark.skipif(not os.environ.get("AETHERGRAPH_LONG"), reason="writes 8 GiB: set AETHERGRAPH_LONG")
def test_two_gibibytes_are_streamed(tmp_path: Path) -> None:
    assert _streamed(tmp_path, 2 << 30) < 100
