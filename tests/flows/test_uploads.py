"""Questions for files in runs: answered, killed, resumed, replayed, collected. Semantics 7, 13, 33."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from aethergraph import FileRef, Runtime, tools
from aethergraph.channels.adapter import Message
from aethergraph.errors import BadAnswer
from aethergraph.lifecycle import collecting
from aethergraph.record import facts as f
from aethergraph.testing import FakeClock, ScriptedChannel

from .lab import LIMIT_S, Lab, laboratory

AGENT = """
from pathlib import Path
@tool
def lines(file) -> int:
    ran(f"lines of {file.name}")
    return len(Path(file.path).read_text().splitlines())

@graph_fn
async def count(*, context: NodeContext):
    got = await context.channel().ask_files("Which files?", accept=".csv", max_size=1000, name="data")
    counts = [await lines(file) for file in got["files"]]
    await context.channel().ask_text("Go on?")
    return {"names": [file.name for file in got["files"]], "counts": [n.result for n in counts], "text": got["text"]}
"""
LATEST = """
@graph_fn
async def latest(*, context: NodeContext):
    channel = context.channel()
    await channel.ask_file("one?")
    await channel.ask_files("two?")
    seen = await channel.get_latest_uploads(clear=False)
    taken = await channel.get_latest_uploads()
    again = await channel.get_last_uploads()
    await channel.ask_text("Go on?")
    await channel.ask_file("three?")
    return {"seen": [f.name for f in seen], "taken": [f.name for f in taken], "again": again,
            "later": [f.name for f in await channel.get_latest_uploads()]}
"""
ONWARDS = """
@graph_fn
async def onwards(*, context: NodeContext):
    file = await context.channel().ask_file("one?", accept=".csv")
    artifacts = context.artifacts()
    saved = await artifacts.save_file(file, kind="data")
    copy = await artifacts.as_local_file(file)
    await context.channel("gallery").send_file(file)
    await context.channel("gallery").send_file(saved)
    with open(file) as opened:
        read = opened.read()
    await context.channel().ask_text("Go on?")
    return {"saved": saved, "read": read, "text": await artifacts.load_text(file), "called": copy.name}
"""
GRAPH = """
from pathlib import Path
from aethergraph import graphify
from aethergraph.tools import *
@tool
def size(files) -> int:
    return sum(len(Path(file.path).read_bytes()) for file in files)
@graphify
def plan():
    asked = ask_files("Which files?", ".csv", name="data")
    last = get_latest_uploads(_after=asked)
    return {"text": asked.text, "size": size(asked.files), "last": last.files}
"""


def csv(folder: Path, name: str = "a.csv", rows: int = 3) -> Path:
    path = folder / name
    path.write_text("x\n" * rows)
    return path


class Gallery:
    """A channel that keeps what it is sent."""

    capabilities = frozenset({"text", "file"})
    ask = None

    def __init__(self) -> None:
        self.got: list[Any] = []

    async def send(self, message: Message, id: str) -> None:
        self.got.append(message.data)


def test_an_upload_is_taken_where_a_path_or_an_artifact_is(lab: Lab, tmp_path: Path) -> None:
    """Semantics 7: what was saved and sent of it is not saved or sent again after a kill."""
    gallery = Gallery()
    lab.runtime.bus.register("gallery", gallery)
    lab.cell(ONWARDS)
    run = lab.start("onwards")
    lab.answer(run, "one?", str(csv(tmp_path)))
    lab.asked(run, "Go on?")
    lab.kill()
    lab.runtime.bus.register("gallery", gallery)
    run = lab.resume(run)
    lab.answer(run, "Go on?", "yes")
    given = run.result(LIMIT_S)
    assert (given["read"], given["text"], given["called"]) == ("x\n" * 3, "x\n" * 3, "a.csv")
    assert (given["saved"].name, given["saved"].mime, given["saved"].size) == ("a.csv", "text/csv", 6)
    assert [(one["filename"], one["mime"], one["sha256"]) for one in gallery.got] == [
        ("a.csv", "text/csv", given["saved"].sha256)
    ] * 2
    assert [one.artifact_id for one in run.artifacts] == [given["saved"].artifact_id]


def test_the_bytes_of_an_answer_survive_a_kill_and_the_file_that_was_given(lab: Lab, tmp_path: Path) -> None:
    lab.cell(AGENT)
    run = lab.start("count")
    source = csv(tmp_path)
    lab.answer(run, "Which files?", {"text": "mine", "files": [str(source), ("b.csv", b"y\n")]})
    lab.asked(run, "Go on?")
    source.unlink()
    assert lab.took() == ["lines of a.csv", "lines of b.csv"]
    lab.kill()
    run = lab.resume(run)
    lab.answer(run, "Go on?", "yes")
    assert run.result(LIMIT_S) == {"names": ["a.csv", "b.csv"], "counts": [3, 1], "text": "mine"}
    assert lab.took() == []  # the same refs on replay: finished nodes are reused


def test_an_answer_that_does_not_fit_says_why_and_the_question_stays_open(lab: Lab, tmp_path: Path) -> None:
    lab.cell(AGENT)
    run = lab.start("count")
    token = lab.asked(run, "Which files?")
    for answer, why in (
        (csv(tmp_path, "a.txt"), r"'a.txt' is text/plain, and .csv is asked for; the question is still open"),
        (csv(tmp_path, rows=600), r"'a.csv' has 1.2 kB, and at most 1.0 kB are taken"),
        ("gone.csv", "there is no file 'gone.csv'"),
        ([], "at least one file is needed"),
    ):
        with pytest.raises(BadAnswer, match=why):
            lab.runtime.answer(token, answer)
    assert lab.asked(run, "Which files?") == token
    run.cancel()


def test_the_answer_is_plain_data_in_the_journal(lab: Lab, tmp_path: Path) -> None:
    lab.cell(AGENT)
    with ScriptedChannel({"data": csv(tmp_path), "Go on?": "yes"}):
        run = lab.start("count")
        run.result(LIMIT_S)
    (answered,) = [fact for fact in lab.facts(run) if isinstance(fact, f.NodeDone) and b"files" in fact.value]
    assert answered.value[:1] == b"m"
    (entry,) = [entry for entry in run.picture().transcript if entry.text == "Which files?"]
    assert entry.more == "a.csv (6 B)"


def test_the_latest_uploads_are_given_once_also_on_replay(lab: Lab) -> None:
    lab.cell(LATEST)
    run = lab.start("latest")
    lab.answer(run, "one?", ("a.txt", b"a"))
    lab.answer(run, "two?", [("b.txt", b"b"), ("c.txt", b"c")])
    lab.asked(run, "Go on?")
    lab.kill()
    run = lab.resume(run)
    lab.answer(run, "Go on?", "yes")
    lab.answer(run, "three?", ("d.txt", b"d"))
    assert run.result(LIMIT_S) == {
        "seen": ["a.txt", "b.txt", "c.txt"],
        "taken": ["a.txt", "b.txt", "c.txt"],
        "again": [],
        "later": ["d.txt"],
    }


def test_uploads_are_given_to_one_of_the_tools_that_fetch_them_at_once(lab: Lab) -> None:
    lab.cell("""
import asyncio

@tool
async def fetch(n, *, context: NodeContext) -> list:
    return [file.name for file in await context.channel().get_latest_uploads()]

@graph_fn
async def four(*, context: NodeContext):
    await context.channel().ask_file("one?")
    return [got.result for got in await asyncio.gather(*[fetch(n) for n in range(4)])]
""")
    run = lab.start("four")
    lab.answer(run, "one?", ("a.txt", b"a"))
    assert sorted(run.result(LIMIT_S)["result"]) == [[], [], [], ["a.txt"]]


def test_a_static_graph_asks_for_files_and_survives_a_kill(lab: Lab, tmp_path: Path) -> None:
    lab.cell(GRAPH)
    run = lab.start("plan")
    token = lab.asked(run, "Which files?")
    with pytest.raises(BadAnswer, match="is asked for"):
        lab.runtime.answer(token, ("a.txt", b"x"))
    lab.kill()
    run = lab.resume(run)
    assert lab.asked(run, "Which files?") == token
    lab.answer(run, "Which files?", csv(tmp_path))
    outputs = run.result(LIMIT_S)
    assert outputs["size"] == 6 and [type(one) for one in outputs["last"]] == [FileRef]


def test_default_paths_are_read_when_nobody_answered_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    clock = FakeClock()
    with laboratory(tmp_path / "store", clock) as lab:
        lab.cell(
            f"""
from pathlib import Path
@graph_fn
async def agent(*, context: NodeContext):
    file = await context.channel().ask_file("Data?", timeout_s=60, default={str(tmp_path / "a.csv")!r})
    await context.channel().ask_text("Go on?")
    return Path(file.path).read_text()
"""
        )
        run = lab.start("agent")
        lab.asked(run, "Data?")
        source = csv(tmp_path)
        clock.advance(61)
        lab.asked(run, "Go on?")
        source.unlink()
        lab.kill()
        run = lab.resume(run)
        lab.answer(run, "Go on?", "yes")
        assert run.result(LIMIT_S).result == "x\nx\nx\n"


def test_answers_from_the_environment_are_paths(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.cell(AGENT)
    answers = {"data": [str(csv(tmp_path)), str(csv(tmp_path, "b.csv", 2))], "Go on?": "yes"}
    monkeypatch.setenv("AETHERGRAPH_ANSWERS", json.dumps(answers))
    assert lab.run("count")["counts"] == [3, 2]


def test_a_scripted_answer_that_does_not_fit_is_an_error_at_once(lab: Lab, tmp_path: Path) -> None:
    lab.cell(AGENT)
    with (
        ScriptedChannel({"data": csv(tmp_path, "a.txt")}),
        pytest.raises(BadAnswer, match=r"scripted answer .*text/plain"),
    ):
        lab.run("count")


def test_another_process_of_the_store_answers_with_paths(lab: Lab, tmp_path: Path) -> None:
    lab.cell(AGENT)
    run = lab.start("count")
    token = lab.asked(run, "Which files?")
    other = Runtime(lab.store)
    try:
        other.answer(token, [csv(tmp_path)])
    finally:
        other.close()
    lab.resume(run) if run.future.done() else lab.runtime.inbox._rang()
    lab.answer(run, "Go on?", "yes")
    assert run.result(LIMIT_S)["counts"] == [3]


def test_gc_keeps_what_a_kept_run_refers_to_and_gives_back_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    monkeypatch.setattr(collecting, "GRACE_S", -1e9)
    with laboratory(tmp_path / "store", FakeClock()) as lab:
        lab.cell(AGENT)
        runs = []
        for name, data in (("one.csv", b"1\n"), ("two.csv", b"2\n2\n")):
            with ScriptedChannel({"data": (name, data), "Go on?": "yes"}):
                runs.append(lab.start("count"))
                runs[-1].result(LIMIT_S)
        gone, kept = runs
        lab.kill()
        monkeypatch.setattr(lab.runtime.owner, "oldest", lambda *, but_ours: 1e12)
        would = lab.runtime.gc(runs=[gone.run_id], dry_run=True)
        done = lab.runtime.gc(runs=[gone.run_id], dry_run=False)
        assert (would.blobs, done.blobs) == (1, 1)
        (folder,) = (place for place in (lab.store.folder / "uploads").iterdir() if len(place.name) == 64)
        assert [place.name for place in folder.iterdir()] == ["two.csv"]
        assert dict(lab.store.scan(f"u:{gone.run_id}:")) == {} and len(dict(lab.store.scan(f"u:{kept.run_id}:"))) == 1


def test_the_tools_are_typed_as_they_are_used() -> None:
    assert {"ask_files", "get_latest_uploads"} <= set(tools.__all__)
    assert inspect.iscoroutinefunction(tools.get_latest_uploads.fn)


def test_a_fork_is_given_another_file_as_the_answer(lab: Lab, tmp_path: Path) -> None:
    lab.cell(AGENT)
    with ScriptedChannel({"data": csv(tmp_path), "Go on?": "yes"}):
        run = lab.start("count")
        run.result(LIMIT_S)
        asked = next(fact.no for fact in lab.facts(run) if isinstance(fact, f.WaitOpened))
        node = run.execution.flow.nodes[asked - 1].node_id if run.execution else "ask"
        fork = lab.runtime.fork(run.run_id, at=node, outputs=csv(tmp_path, "b.csv", 7), namespace=lab.cells.names)
        assert fork.result(LIMIT_S)["counts"] == [7]
