"""Runs as they are listed, found again, and told as data."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from aethergraph import Runtime
from aethergraph.runner import runs, start
from aethergraph.services import catalogue
from aethergraph.storage import roster
from aethergraph.testing import FakeClock

from .lab import LIMIT_S, Lab, laboratory

AGENTS = """
@tool(outputs=["n"])
async def double(x):
    return 2 * x

@graph_fn(tags=["maths"])
async def agent(x=1, *, context: NodeContext):
    n = (await double(x)).n
    good = await context.channel().ask_approval("Good?")
    await context.artifacts().save_text(str(n), name="n.txt")
    return {"n": n, "good": good["approved"], "session": context.session_id}

@graph_fn
async def other():
    return 1
"""

HELD = """
import asyncio

@tool
async def held():
    await asyncio.get_running_loop().create_future()

@graph_fn
async def holding():
    await held()
"""


def _ids(found: list[roster.RunInfo]) -> list[str]:
    return [info.run_id for info in found]


def test_runs_are_found_by_tag_session_parent_name_and_status(lab: Lab) -> None:
    lab.cell(AGENTS)
    agent, other = lab.cells["agent"], lab.cells["other"]
    first = start(agent, x=1, tags=["small", "maths"], session_id="s1")
    second = start(agent, x=2, tags="small", session_id="s2")
    third = start(other, tags=["small"], session_id="s2")
    third.result(LIMIT_S)
    for run in (first, second):
        lab.answer(run, "Good?", "Approve")
        run.result(LIMIT_S)
    fork = second.fork()
    fork.result(LIMIT_S)
    assert _ids(runs()) == [fork.run_id, third.run_id, second.run_id, first.run_id]
    assert _ids(runs(tags="maths")) == [fork.run_id, second.run_id, first.run_id]
    assert _ids(runs(tags=["maths", "small"], session="s1")) == [first.run_id]
    assert _ids(runs(session="s2", name="agent")) == [fork.run_id, second.run_id]
    assert _ids(runs(parent=second.run_id)) == [fork.run_id]
    assert _ids(runs("done", limit=2)) == [fork.run_id, third.run_id]
    assert runs("failed") == []
    assert second.outputs["session"] == "s2"
    assert (runs()[3].tags, runs()[3].session, runs()[0].parent) == (("maths", "small"), "s1", second.run_id)


def test_a_tag_that_is_no_text_is_refused(lab: Lab) -> None:
    lab.cell(AGENTS)
    with pytest.raises(TypeError, match="tags are texts, got int: 3"):
        start(lab.cells["other"], tags=[3])  # type: ignore[list-item]
    assert runs() == []


def test_the_newest_runs_are_found_without_reading_the_others(lab: Lab) -> None:
    lab.cell(AGENTS)
    _make(lab, 10_000)
    newest = start(lab.cells["other"])
    newest.result(LIMIT_S)
    read: list[str] = []
    real = lab.store.get
    lab.store.get = lambda key: (read.append(key), real(key))[1]  # type: ignore[method-assign]
    assert _ids(runs())[:3] == [newest.run_id, "r-09999", "r-09998"]
    assert len([key for key in read if key.startswith("r:")]) <= 50
    assert len(runs(limit=None)) == 10_001
    assert _ids(runs(parent="r-00005")) == ["r-00006"]


def test_runs_of_an_older_store_come_into_the_index(lab: Lab) -> None:
    lab.cell(AGENTS)
    _make(lab, 300)
    assert _ids(runs(limit=2)) == ["r-00299", "r-00298"], "there is no index yet"
    run = start(lab.cells["other"])
    run.result(LIMIT_S)
    assert _ids(runs(limit=None)) == [run.run_id, *(f"r-{n:05d}" for n in range(299, -1, -1))]
    assert len(list(lab.store.scan(roster.INDEX))) == roster.HEAD + 1, "those that are found by it, and the new one"


def test_only_the_newest_runs_stay_in_the_index_and_all_are_listed_in_order(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "HEAD", 3)
    lab.cell(AGENTS)
    made = [start(lab.cells["other"]) for _ in range(10)]
    for run in made:
        run.result(LIMIT_S)
    newest_first = [run.run_id for run in reversed(made)]
    assert len(list(lab.store.scan(roster.INDEX))) == 4, "three after the ninth, and the tenth"
    assert _ids(runs(limit=None)) == newest_first and _ids(runs(limit=2)) == newest_first[:2]
    with lab.store.transact() as rows:  # as when they are deleted
        for run in made[-3:]:
            rows.delete(roster.row_key(run.run_id))
            rows.delete(next(key for key, _ in lab.store.scan(roster.INDEX) if key.endswith(run.run_id)))
    assert _ids(runs(limit=None)) == newest_first[3:], "those that are in no index are found all the same"


def _make(lab: Lab, number: int) -> None:
    with lab.store.transact() as rows:
        for n in range(number):
            row = roster.RunRow(f"r-{n:05d}", "other", "done", 1e9 + n, 1e9 + n, parent=f"r-{n - 1:05d}")
            roster.write_op(row)(rows)


def test_lineage_of_an_artifact_has_inputs_code_and_answers(lab: Lab) -> None:
    lab.cell(AGENTS)
    run = lab.start("agent", x=4)
    lab.answer(run, "Good?", "Reject")
    run.result(LIMIT_S)
    (artifact,) = run.artifacts
    for thing in (artifact, artifact.artifact_id, artifact.uri, "n.txt"):
        double, ask, agent = run.lineage(thing)
        assert str(run.lineage(thing)).splitlines()[1].endswith(f") answered {ask.answer!r}")
        assert (double.node_id, double.callee, double.inputs) == ("double", "double", {"x": "4"})
        assert (ask.answer, ask.uses, ask.code) == ("Reject", ("double",), "")
        assert (agent.node_id, agent.inputs, agent.uses) == ("agent", {"x": "4"}, ("double", str(ask.node_id)))
        assert agent.code == lab.cells["agent"].validity()[:8].hex()
    assert double.code == lab.cells["double"].validity().hex()
    assert [one.node_id for one in run.lineage("double")] == ["double"]


def test_lineage_of_what_a_tool_saved_ends_with_that_tool(lab: Lab) -> None:
    lab.cell(
        AGENTS
        + """
@tool(outputs=["ok"])
async def keep(n, *, context: NodeContext):
    await context.artifacts().save_text(str(n), name="kept.txt")
    return True

@graph_fn
async def keeper():
    await double(5)
    n = (await double(1)).n
    await keep(n)
"""
    )
    run = lab.start("keeper")
    run.result(LIMIT_S)
    assert [one.node_id for one in run.lineage("kept.txt")] == ["double", "double-2", "keep"]
    assert run.lineage("kept.txt")[-1].inputs == {"n": "2"}


def test_to_dict_is_the_whole_run_as_json(lab: Lab) -> None:
    lab.cell(AGENTS)
    run = start(lab.cells["agent"], x=4, tags=["a"], session_id="s")
    lab.asked(run, "Good?")
    told = json.loads(json.dumps(run.to_dict()))
    assert (told["status"], told["tags"], told["session"], told["inputs"]) == (
        "waiting",
        ["maths", "a"],
        "s",
        {"x": "4"},
    )
    assert list(told["nodes"][0]["inputs"].values()) == ["4"]
    assert [(one["node_id"], one["status"]) for one in told["nodes"]] == [("double", "done"), ("ask", "waiting")]
    assert told["nodes"][0]["outputs"] == {"n": "8"} and told["nodes"][1]["after"] == ["double"]
    assert [wait["prompt"] for wait in told["waits"]] == ["Good?"] and told["artifacts"] == []
    lab.answer(run, "Good?", "Approve")
    run.result(LIMIT_S)
    told = json.loads(json.dumps(run.to_dict()))
    assert (told["status"], told["outputs"]["n"], told["nodes"][1]["answer"]) == ("done", "8", "Approve")
    assert [one["name"] for one in told["artifacts"]] == ["n.txt"] and told["waits"] == []


def test_listing_50_of_10_000_runs_on_disk_is_quick(tmp_path_factory: pytest.TempPathFactory) -> None:
    runtime = Runtime(tmp_path_factory.mktemp("many"), durability="process")
    try:
        with runtime.store.transact() as rows:
            for n in range(10_000):
                roster.write_op(roster.RunRow(f"r-{n:05d}", "other", "done", 1e9 + n, 1e9 + n))(rows)
        roster.index(runtime.store)
        began = time.perf_counter()
        all_ = [info.run_id for info in runtime.runs(status="done", limit=10_000)]
        whole = time.perf_counter() - began
        began = time.perf_counter()
        assert [info.run_id for info in runtime.runs()] == all_[:50]
        assert time.perf_counter() - began < whole / 3  # 2 ms of 60 where it was measured
    finally:
        runtime.close()


def test_a_status_that_no_run_has_is_refused_with_those_there_are(lab: Lab) -> None:
    with pytest.raises(ValueError, match="status='finished': a run is running, waiting, .* or cancelled"):
        runs("finished")


def test_a_limit_below_none_is_refused(lab: Lab) -> None:
    with pytest.raises(ValueError, match="limit=-1: how many runs at most"):
        runs(limit=-1)


def test_a_run_id_that_is_no_text_is_refused(lab: Lab) -> None:
    lab.cell(AGENTS)
    with pytest.raises(TypeError, match="run_id is a text, got int: 5"):
        lab.start("other", run_id=5)  # type: ignore[arg-type]


ASKING_ON = """
@graph_fn
async def asking_on(*, context: NodeContext):
    await context.channel().ask_text("First?")
    await asyncio.gather(*(context.channel().ask_text(f"Then {n}?") for n in range(3)))
"""


def test_a_run_that_asks_on_is_listed_with_what_it_asks_now(lab: Lab) -> None:
    """It waited before and waits again: nothing of its status changed, and yet its row is another."""
    lab.cell(ASKING_ON)
    run = lab.start("asking_on")
    lab.answer(run, "First?", "yes")
    lab.asked(run, "Then 2?")
    lab.rests(run)
    assert [(info.nodes, info.nodes_done, info.waiting) for info in runs()] == [(4, 1, 3)], "it is live here"
    lab.kill()
    assert [(info.nodes, info.nodes_done, info.waiting) for info in runs()] == [(4, 1, 3)], "its row"


LOOKING = """
from aethergraph.lifecycle import hub
from aethergraph.services import catalogue
from aethergraph.storage import roster

@tool(outputs=["done"])
async def look(n, *, context: NodeContext):
    return roster.read(hub.current().store, context.run_id).done

@graph_fn
async def looking(*, context: NodeContext):
    return [(await look(n)).done for n in range(3)]
"""


class Rushing:
    """A clock of which an hour passes whenever it is looked at."""

    def __init__(self) -> None:
        self._now = 1e9

    def now(self) -> float:
        """The time, an hour on."""
        self._now += 3600.0
        return self._now


def test_a_run_that_does_not_wait_tells_now_and_then_how_far_it_has_come(tmp_path: Path) -> None:
    """Its row is what other processes list; it is written anew once some seconds are over, not at each step."""
    with laboratory(tmp_path / "rushing", Rushing()) as lab:
        lab.cell(LOOKING)
        assert lab.run("looking")["result"][-1] >= 1
    with laboratory(tmp_path / "still", FakeClock()) as lab:
        lab.cell(LOOKING)
        assert lab.run("looking") == {"result": [0, 0, 0]}


def test_who_waits_for_a_result_in_vain_is_told_of_which_run(lab: Lab) -> None:
    lab.cell(HELD)
    run = lab.start("holding")
    with pytest.raises(TimeoutError, match=f"run {run.run_id} did not end within 0.01 s; it goes on"):
        run.result(0.01)
    run.cancel()


LAB = """
@tool(outputs=["artifact"])
async def measure(n, *, context: NodeContext):
    return await context.artifacts().save_text(f"{n}", name="data.txt", kind="data")

@tool(outputs=["text"])
async def plot(artifact, *, context: NodeContext):
    text = await context.artifacts().load_text(artifact)
    await context.artifacts().save_text(f"plot of {text}", name="plot.txt", kind="plot")
    return text

@tool(outputs=["text"])
def review(uri, *, context: NodeContext):
    return context.artifacts().load_text(uri)

@graph_fn
async def study(n):
    data = (await measure(n)).artifact
    await plot(data)
    return data.uri

@graph_fn
async def later(uri, *, context: NodeContext):
    text = await context.artifacts().load_text(uri)
    await context.artifacts().save_text(text * 2, name="twice.txt")
    return (await review(uri)).text
"""


def test_lineage_tells_what_was_read_on_the_way_and_who_used_it(lab: Lab) -> None:
    lab.cell(LAB)
    first = lab.start("study", n=7)
    uri = first.result(LIMIT_S)["result"]
    second = lab.start("later", uri=uri)
    assert second.result(LIMIT_S)["result"] == "7"
    data, plotted = first.artifacts
    lab.kill()  # all that is told is on disk
    first, second = (lab.runtime.load(run.run_id) for run in (first, second))

    made = first.lineage(plotted)
    assert [(one.node_id, one.loads) for one in made] == [("measure", ()), ("plot", (data.artifact_id,))]
    assert made.loaded == [data] and made.used_by == []

    used = first.lineage(data).used_by
    assert [(one.run_id, one.node_id, one.how) for one in used] == [
        (first.run_id, "plot", "loaded"),
        (second.run_id, "later", "loaded"),
        (second.run_id, "review", "loaded"),
    ]
    by_node = first.lineage("measure").used_by
    assert [(one.node_id, one.how) for one in by_node][:2] == [("plot", "given"), ("plot", "loaded")]
    assert len(by_node) == 4

    (twice,) = second.artifacts
    assert second.lineage(twice).loaded == [data], "made by another run"
    with pytest.raises(LookupError, match=rf"was made by run {first.run_id}, not by .*lineage\(artifact\)"):
        second.lineage(data)
    assert "read data.txt" in str(made) and f"used by plot of {first.run_id} (loaded)" in str(first.lineage(data))


def test_lineage_goes_through_an_artifact_where_no_value_was_passed(lab: Lab) -> None:
    lab.cell(
        LAB
        + """
@graph_fn
async def apart(*, context: NodeContext):
    await measure(1)
    (found,) = await context.artifacts().search("data")
    return (await review(found.uri, _after=[])).text
"""
    )
    run = lab.start("apart")
    run.result(LIMIT_S)
    assert [one.node_id for one in run.lineage("review")] == ["measure", "review"]


def test_a_node_that_runs_again_and_reads_no_more_is_no_user(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.cell(LAB)
    run = lab.start("study", n=7)
    run.result(LIMIT_S)
    (data,) = (one for one in run.artifacts if one.kind == "data")
    lab.cell(LAB.replace("await context.artifacts().load_text(artifact)", "'nothing'"))
    fork = run.fork(at="plot")
    fork.result(LIMIT_S)
    assert [one.run_id for one in run.lineage(data).used_by] == [run.run_id]
    assert fork.run_id not in [one.run_id for one in fork.lineage("data.txt").used_by]


def test_26_what_code_of_an_earlier_day_saved_is_in_no_list_once_the_run_is_done(lab: Lab) -> None:
    agent = """
@tool(outputs=["ok"])
async def keep(name, *, context: NodeContext):
    await context.artifacts().save_text(name, name=name, metrics={{"score": {score}}}, pin=name == "pinned")
    return True

@graph_fn
async def saver(*, context: NodeContext):
    await context.artifacts().save_text("x", name="{body}", metrics={{"score": {score}}})
    await keep("{tool}")
    await context.channel().ask_approval("Good?")
    return [one.name for one in await context.artifacts().list()]
"""
    lab.cell(agent.format(body="old", tool="old tool", score=9))
    run = lab.start("saver")
    lab.asked(run, "Good?")
    lab.kill()
    lab.cell(agent.format(body="new", tool="old tool", score=1))
    run = lab.resume(run)
    lab.answer(run, "Good?", "Approve")
    run.result(LIMIT_S)
    assert sorted(one.name for one in run.artifacts) == ["new", "old tool"]
    assert len(list(lab.store.scan(catalogue.by_metric("score", largest=True)))) == 2
    scores = [one.metrics["score"] for one in run.artifacts]
    assert scores == [1.0, 1.0]
