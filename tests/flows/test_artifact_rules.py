"""Artifacts in runs: what goes wrong is told at the node and the run can be resumed; a replay saves nothing again."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Run, RunStatus
from aethergraph.errors import DamagedRecord, NotStorable, UnknownArtifact
from aethergraph.services.artifact import find
from aethergraph.storage import blobs

from .lab import LIMIT_S, Lab

BAD = """
@tool(outputs=["ok"])
async def before():
    ran("before")
    return True

@tool(outputs=["result"])
async def bad(path, *, context: NodeContext):
    ran("bad")
    artifacts = context.artifacts()
    {call}
    return True

@graph_fn
async def agent(path, *, context: NodeContext):
    await before()
    return (await bad(path)).result
"""


def fails(lab: Lab, call: str, error: type[Exception], why: str, path: Path) -> Run:
    """Run it; it fails at the node with this error, and what it has done is kept."""
    lab.cell(BAD.format(call=call))
    run = lab.start("agent", path=str(path))
    with pytest.raises(error, match=why):
        run.result(LIMIT_S)
    assert run.status is RunStatus.FAILED
    assert {str(node.node_id): node.status.value for node in run.nodes}["bad"] == "failed"
    assert not list((lab.store.folder / "blobs").glob("draft-*"))
    lab.kill()
    return lab.runtime.load(run.run_id)


def mended(lab: Lab, run: Run, call: str = "") -> None:
    """It is resumed, with the call written in another way or the world mended, and comes to its end."""
    if call:
        lab.cell(BAD.format(call=call))
    lab.took()
    resumed = lab.resume(run)
    assert resumed.result(LIMIT_S) == {"result": True}
    assert lab.took() == ["bad"], "only what failed ran again"


@pytest.mark.parametrize(
    ("call", "error", "why", "better"),
    [
        ("await artifacts.save_file('/')", IsADirectoryError, "is a folder: `ingest_dir`", "await artifacts.list()"),
        ("await artifacts.save_text(3)", TypeError, "takes a text, got int", "await artifacts.save_text('3')"),
        (
            "await artifacts.save_object(n for n in [1])",
            NotStorable,
            "cannot be stored",
            "await artifacts.save_object(3)",
        ),
        ("await artifacts.save_text('x', metrics=dict(loss=float('nan')))", ValueError, "metric 'loss' is nan", "pass"),
        ("await artifacts.load_text_by_id('nothing')", UnknownArtifact, "no artifact 'nothing' in", "pass"),
        ("await artifacts.load_text('aether://sha256/' + 'a' * 64)", UnknownArtifact, "no artifact 'aether://", "pass"),
        ("await artifacts.load_text('notes.md')", ValueError, "'notes.md' is no uri of an artifact", "pass"),
    ],
)
def test_a_wrong_call_is_told_at_its_node_and_the_run_goes_on_once_it_is_mended(
    lab: Lab, tmp_path: Path, call: str, error: type[Exception], why: str, better: str
) -> None:
    mended(lab, fails(lab, call, error, why, tmp_path), better)


def test_a_file_that_is_gone_can_be_brought_back(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    run = fails(lab, "await artifacts.save_file(path)", FileNotFoundError, "there is no file .*data.csv", path)
    path.write_text("a,b\n")
    mended(lab, run)
    (saved,) = lab.runtime.load(run.run_id).artifacts
    assert saved.preview == "a,b\n"


WRITES = """
    async with artifacts.writer(name="big.bin") as w:
        for _ in range(4):
            w.write(b"x" * 100_000)
"""


def test_16_a_full_disk_ends_the_node_and_leaves_nothing_half(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def full(file: io.FileIO, chunk: Any) -> None:
        written.append(file.write(bytes(chunk)[:50_000]))
        if len(written) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(blobs, "_write", full)
        run = fails(lab, WRITES, OSError, "No space left on device: .* could not take it all", tmp_path)
    assert find(lab.store) == []
    mended(lab, run)
    (saved,) = lab.runtime.load(run.run_id).artifacts
    assert saved.size == 400_000


def test_two_writers_of_one_name_are_told_at_their_node(lab: Lab, tmp_path: Path) -> None:
    two = """
    async with artifacts.writer(name="a.txt") as w:
        async with artifacts.writer(name="{}.txt") as other:
            w.write("1"), other.write("2")
"""
    run = fails(lab, two.format("a"), ValueError, "a writer of 'a.txt' is open in this node", tmp_path)
    assert find(lab.store) == []
    mended(lab, run, two.format("b"))
    assert sorted(one.name for one in lab.runtime.load(run.run_id).artifacts) == ["a.txt", "b.txt"]


def test_a_damaged_content_is_named_and_not_given_out(lab: Lab, tmp_path: Path) -> None:
    lab.cell("@graph_fn\nasync def first(*, context: NodeContext):\n"
             "    return (await context.artifacts().save_text('whole', 'a.txt')).uri\n")  # fmt: skip
    uri = lab.run("first")["result"]
    path = lab.store.blobs.path(uri.rpartition("/")[2])
    path.chmod(0o600)
    path.write_text("Whole")
    run = fails(lab, f"await artifacts.load_text({uri!r})", DamagedRecord, "does not have its checksum", tmp_path)
    path.write_text("whole")
    mended(lab, run)


STAGED = """
@tool(outputs=["folder"])
async def train(folder):
    ran("train")
    from pathlib import Path
    (Path(folder) / "model.txt").write_text("trained")
    return folder

@graph_fn
async def staging(*, context: NodeContext):
    artifacts = context.artifacts()
    folder = await artifacts.stage_dir()
    await train(str(folder))
    await context.channel().ask_approval("Good?")
    saved = await artifacts.ingest_dir(folder, kind="model")
    async with artifacts.writer(name="log.txt") as w:
        w.write("done")
    again = await artifacts.as_local_dir(saved)
    return (again / "model.txt").read_text(), folder.exists()
"""


def test_16_what_a_tool_wrote_into_a_staged_folder_is_there_after_a_kill_and_saved_once(lab: Lab) -> None:
    lab.cell(STAGED)
    run = lab.start("staging")
    lab.asked(run, "Good?")
    lab.kill()
    run = lab.resume(run)
    lab.answer(run, "Good?", "Approve")
    assert run.result(LIMIT_S)["result"] == ("trained", False)
    assert lab.took() == ["train"]
    assert sorted(one.name for one in run.artifacts) == ["log.txt", "model"]


def test_7_what_was_found_is_found_again_on_replay(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def looking(*, context: NodeContext):
    artifacts = context.artifacts()
    await artifacts.save_text("a", "a.txt", metrics={"loss": 1.0}, tags=["t"])
    async with artifacts.writer(name="b.txt", metrics={"loss": 0.5}) as w:
        w.write("b")
    await artifacts.pin(w.artifact.artifact_id)
    found = [one.name for one in await artifacts.search(scope="all")]
    best = await artifacts.best(metric="loss", mode="min", scope="all")
    await context.channel().ask_approval("Good?")
    return found, best.name, best.pinned, len(await artifacts.list("session"))

@graph_fn
async def other(*, context: NodeContext):
    await context.artifacts().save_text("c", "c.txt", metrics={"loss": 0.1})
""")
    run = lab.start("looking")
    lab.asked(run, "Good?")
    lab.kill()
    lab.run("other")
    run = lab.resume(run)
    lab.answer(run, "Good?", "Approve")
    found, best, pinned, count = run.result(LIMIT_S)["result"]
    assert (sorted(found), best, pinned, count) == (["a.txt", "b.txt"], "b.txt", True, 2)
    assert sorted((one.name, one.pinned) for one in run.artifacts) == [("a.txt", False), ("b.txt", True)]
