"""What calls say of themselves for people (`_alias=`, `_labels=`, `_name=`) is on record, in both tempos.

It is no part of a call's identity or validity (semantics 2, 3), and a fork takes it with the other facts (32).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from aethergraph import Run, RunStatus, Runtime
from aethergraph.record import facts as f
from aethergraph.record.flow import Flow
from aethergraph.storage import journal
from aethergraph.testing import replay
from tests.cells import notebook

from .lab import LIMIT_S, Lab

TOOLS = """
from aethergraph import graphify
from aethergraph.tools import ask_text

@tool
async def work(x):
    ran(f"work {x}")
    return x

@tool(pure=True)
async def quick(x):
    ran(f"quick {x}")
    return x
"""
REACTIVE = """
@graph_fn
async def inner(x):
    return (await work(x, {deep})).result

@graph_fn
async def agent():
    one = await work(1, {one})
    two = await quick(2, {two})
    part = await inner(3)
    off = work(4, _condition=False, _labels="off")
    name = await ask_text("name?")
    return {{"part": part.result, "name": name.text}}
"""
STATIC = """
@graphify
def inner(x):
    return {{"result": work(x, {deep}).result}}

@graphify
def agent():
    one = work(1, {one})
    two = quick(2, _after=one, {two})
    part = inner(3, _after=two)
    off = work(4, _condition=False, _labels="off")
    name = ask_text("name?", _after=part)
    return {{"part": part.result, "name": name.text}}
"""
TEMPOS = pytest.mark.parametrize("body", [REACTIVE, STATIC], ids=["reactive", "static"])
SAID = {
    "one": "_alias='best', _labels=['slow', 'big']",
    "two": "_labels='slow', _name='second'",
    "deep": "_alias='low'",
}
WHO = ("best", ("slow", "big"), ""), ("", ("slow",), "second"), ("low", (), ""), ("", ("off",), "")
NOTHING = ("", (), "")


@pytest.fixture
def marked(lab: Lab) -> Lab:
    """A lab with the tools of this file."""
    lab.cell(TOOLS)
    return lab


def told(nodes: Sequence[Any]) -> list[tuple[str, tuple[str, ...], str]]:
    """The marks of the calls of `work` and `quick`, in the order of their arguments: 1, 2, the inner one, skipped."""
    tops = [node for node in nodes if node.callee in ("work", "quick") and not node.scope]
    off = next(node for node in tops if node.status == "skipped")
    low = next(node for node in nodes if node.callee == "work" and node.scope)
    ours = [*(node for node in tops if node is not off), low, off]
    return [(node.alias, node.labels, node.name) for node in ours]


def check(run: Run, who: Sequence[tuple[str, tuple[str, ...], str]] = WHO) -> None:
    """All that tells of a run's nodes tells their marks."""
    run.runtime.journal.flush()  # pictures are of what is on disk
    assert told(run.nodes) == told(run.graph) == told(list(run.picture().nodes.values())) == list(who)
    by_id = {node.node_id: node for node in run.nodes}
    for plain in run.to_dict()["nodes"], run.graph.spec_json()["nodes"]:
        found = {one["node_id"]: (one["alias"], tuple(one["labels"]), one["name"]) for one in plain}
        assert found == {name: (node.alias, node.labels, node.name) for name, node in by_id.items()}


def marks_of(lab: Lab, run: Run) -> list[f.CallMarked]:
    return [fact for fact in lab.facts(run) if isinstance(fact, f.CallMarked)]


@TEMPOS
def test_32_marks_are_told_live_after_a_kill_on_resume_and_of_a_fork(marked: Lab, body: str) -> None:
    marked.cell(body.format(**SAID))
    run = marked.start("agent")
    marked.asked(run, "name?")
    check(run)  # live, before its end
    marked.kill()
    check(marked.runtime.load(run.run_id))  # as another process reads it
    before = marks_of(marked, run)
    again = marked.resume(run)
    marked.answer(again, "name?", "Ada")
    assert again.result(LIMIT_S) == {"part": 3, "name": "Ada"}
    check(again)
    assert marks_of(marked, run) == before, "what is on record is not said again"
    fork = marked.runtime.fork(run.run_id, at=again.graph.get_by_alias("best"), namespace=marked.cells.names)
    assert fork.result(LIMIT_S) == {"part": 3, "name": "Ada"}
    check(fork)
    check(marked.runtime.load(run.run_id))


@TEMPOS
def test_a_run_is_asked_for_its_nodes_as_a_static_graph_is(marked: Lab, body: str) -> None:
    marked.cell(body.format(**SAID))
    run = marked.start("agent")
    marked.answer(run, "name?", "Ada")
    run.result(LIMIT_S)
    graph = marked.runtime.load(run.run_id).graph
    tops = [node.node_id for node in graph if node.callee in ("work", "quick") and not node.scope]
    tops.sort(key=lambda name: graph.node(name).status == "skipped")
    low = next(node.node_id for node in graph if node.callee == "work" and node.scope)
    assert graph.get_by_alias("best") == graph.pick_one("@best") == graph.select("@best", first=True) == tops[0]
    assert graph.find_by_label("slow") == graph.pick_all("#slow") == tops[:2]
    assert graph.find_by_display("second") == graph.pick_all("name:second") == [tops[1]]
    assert graph.get_by_alias("low") == low and graph.pick_all("#off") == [tops[2]]
    assert set(graph.pick_all("logic:work")) == {tops[0], low, tops[2]}
    assert graph.node(low).labels == () and graph.node_ids() == [node.node_id for node in graph.nodes]
    with pytest.raises(LookupError, match="'@nobody' names none of: "):
        graph.get_by_alias("nobody")


@pytest.mark.parametrize("change", ["labels", "nothing", "more"])
@TEMPOS
def test_3_an_edit_of_marks_runs_nothing_again_and_shows_the_new_ones(marked: Lab, body: str, change: str) -> None:
    marked.cell(body.format(**SAID))
    run = marked.start("agent")
    marked.asked(run, "name?")
    ids = [node.node_id for node in run.nodes]
    marked.took()
    marked.kill()
    said, who = {
        "labels": ({"one": "_labels=['new']", "two": "_alias='best'", "deep": "_name='x'"},
                   [("", ("new",), ""), ("best", (), ""), ("", (), "x"), WHO[3]]),
        "nothing": ({"one": "", "two": "", "deep": ""}, [NOTHING, NOTHING, NOTHING, WHO[3]]),
        "more": (SAID | {"one": SAID["one"] + ", _name='first'"}, [("best", ("slow", "big"), "first"), *WHO[1:]]),
    }[change]  # fmt: skip
    marked.cell(body.format(**said))
    again = marked.resume(run)
    marked.rests(again)
    assert marked.took() == [] and [node.node_id for node in again.nodes] == ids
    check(again, who)
    marked.answer(again, "name?", "Ada")
    again.result(LIMIT_S)
    marked.kill()
    check(marked.runtime.load(run.run_id), who)


@TEMPOS
def test_2_a_call_without_marks_has_none_on_record(marked: Lab, body: str) -> None:
    marked.cell(body.format(one="_id='first'", two="_same=True", deep="").replace(', _labels="off"', ""))
    run = marked.start("agent")
    marked.answer(run, "name?", "Ada")
    run.result(LIMIT_S)
    check(run, [NOTHING] * 4)
    assert marks_of(marked, run) == [] and run.flow().marks == {}


@TEMPOS
def test_4_marks_are_no_delivery_and_no_node_is_on_record_without_its_own(marked: Lab, body: str) -> None:
    marked.cell(body.format(**SAID))
    run = marked.start("agent")
    marked.answer(run, "name?", "Ada")
    run.result(LIMIT_S)
    facts = marked.facts(run)
    assert len(marks_of(marked, run)) == 4
    whole = {node.key: node.marks for node in run.nodes}
    for cut in range(len(facts) + 1):
        assert all(node.marks == whole[node.key] for node in Flow.of(facts[:cut]).nodes), f"after {cut} facts"
    bare, flow = Flow.of(fact for fact in facts if not isinstance(fact, f.CallMarked)), Flow.of(facts)
    assert (flow.order, flow.deliveries, flow.positions) == (bare.order, bare.deliveries, bare.positions)


def test_2_a_run_of_a_store_that_knew_no_marks_gets_them_when_it_goes_on(marked: Lab) -> None:
    marked.cell(REACTIVE.format(**SAID))
    run = marked.start("agent")
    marked.asked(run, "name?")
    marked.kill()
    facts = [fact for fact in marked.facts(run) if not isinstance(fact, f.CallMarked)]
    rows = [key for key, _ in marked.store.scan(f"j:{run.run_id}:")]
    with marked.store.transact() as transaction:
        for key in rows:
            transaction.delete(key)
        transaction.set(journal.row_key(run.run_id, 0), f.encode(facts))
    check(marked.runtime.load(run.run_id), [NOTHING] * 4)
    marked.took()
    again = marked.resume(run)
    marked.rests(again)
    assert marked.took() == []
    assert told(again.nodes) == [*WHO[:2], NOTHING, WHO[3]]  # the inner body is reused: nobody calls anything in it


def test_2_a_replay_differs_in_nothing_where_only_marks_do(marked: Lab) -> None:
    marked.cell(REACTIVE.format(**SAID))
    run = marked.start("agent")
    marked.answer(run, "name?", "Ada")
    run.result(LIMIT_S)
    marked.cell(REACTIVE.format(one="_labels='other'", two="", deep=SAID["deep"]))
    assert replay(run, marked.cells["agent"]) == {"part": 3, "name": "Ada"}
    check(run)


def test_marks_of_maps_dual_stages_and_calls_whose_arguments_come_later(marked: Lab) -> None:
    marked.cell("""
@graph_fn
async def agent():
    many = await work.map([1, 2], _labels={"b", "a"}, _alias="all")
    first = work(5)
    late = await work(first.result, _alias="late", _labels=("x", "x"))
    maybe = await work(6, _condition=quick(False).result, _alias="maybe")
    name = await ask_text("name?", _id="who", _labels="human")
    return {"n": late.result}
""")
    run = marked.start("agent")
    marked.answer(run, "name?", "Ada")
    assert run.result(LIMIT_S) == {"n": 5}
    graph = run.graph
    assert graph.get_by_alias("all") == "all" and graph.node("all").callee == "work.map"
    assert graph.node("all").labels == ("a", "b") and graph.node("late").labels == ("x",)
    assert graph.node(graph.get_by_alias("maybe")).status == "skipped" and graph.find_by_label("human") == ["who"]


def test_an_alias_that_several_bodies_give_names_them_all(marked: Lab) -> None:
    marked.cell("""
@graph_fn
async def inner(x):
    return (await work(x, _alias="it")).result

@graph_fn
async def agent():
    return [(await inner(n)).result for n in range(2)]
""")
    run = marked.start("agent")
    run.result(LIMIT_S)
    assert run.graph.pick_all("@it") == ["it", "it-2"]
    with pytest.raises(LookupError, match=r"'@it' names 2 nodes \(it, it-2\)"):
        run.graph.get_by_alias("it")


READS = """
import json, sys
from aethergraph import Runtime, load_run
with Runtime(sys.argv[1]).use():
    graph = load_run(sys.argv[2]).graph
    print(json.dumps([graph.get_by_alias("best"), graph.find_by_label("slow"), graph.spec_json()["nodes"][0]]))
"""


def test_another_process_reads_the_marks_of_a_run(tmp_path: Path) -> None:
    runtime = Runtime(tmp_path / "store", durability="process")
    try:
        with notebook("from aethergraph import graph_fn, tool\n") as cells, runtime.use():
            cells.run("""
@tool
async def work(x):
    return x

@graph_fn
async def agent():
    await work(1, _alias="best", _labels=["slow"])
    await work(2, _labels=["slow"], _name="other")
    return 3
""")
            run = runtime.start(cells["agent"], {})
            run.result(LIMIT_S)
            assert run.status is RunStatus.DONE
    finally:
        runtime.close()
    asked = subprocess.run(
        [sys.executable, "-c", READS, str(tmp_path / "store"), run.run_id], capture_output=True, text=True, check=True
    )
    best, slow, first = json.loads(asked.stdout)
    assert (best, slow) == ("best", ["best", "other"])
    assert (first["alias"], first["labels"], first["name"]) == ("best", ["slow"], "")


def test_the_graph_of_a_run_is_drawn_and_walked_like_a_static_one(lab: Lab) -> None:
    lab.cell(
        """
@tool(outputs=["y"])
async def double(x):
    return 2 * x
@graph_fn
async def agent(x=1):
    first = await double(x)
    return {"y": (await double(first.y)).y}
"""
    )
    run = lab.start("agent")
    run.result(LIMIT_S)
    graph = run.graph
    assert graph.topological_order() == ["double", "double-2"] and graph.get_upstream_nodes("double-2") == ["double"]
    drawn = ElementTree.fromstring(graph.to_svg())
    assert {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")} >= {"double", "double-2"}
    assert lab.start("agent", x=2).graph.diff(graph)["modified"] == []
