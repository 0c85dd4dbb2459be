"""`tool.map`: a call per item of a list that may be known only when the run gets there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aethergraph import graph_fn, graphify, tool
from aethergraph.cli import tree
from aethergraph.errors import GraphBuildError, NodeFailed
from aethergraph.record import facts as f

from .lab import LIMIT_S, Lab

CELL = """
from aethergraph import graphify

@tool(outputs=["parts"])
def split(text):
    return text.split(",")

@tool(outputs=["size", "word"])
async def measure(word, *, add=0):
    ran(f"measure {word}")
    if flag("BAD") and word in ("bb", "dddd"):
        raise ValueError(word)
    return len(word) + add, word.upper()

@tool
def total(values):
    ran(f"total {values}")
    return sum(values)

@graphify
def study(text, add=1):
    sizes = measure.map(split(text), add=add)
    return {"total": total(sizes.size), "words": sizes.word, "second": sizes["word"][1]}

@graph_fn
async def agent(text, *, context):
    sizes = await measure.map((await split(text)).parts)
    name = await context.channel().ask_text("go?")
    return {"sizes": sizes.size, "name": name, "none": (await measure.map([])).size}
"""


@pytest.fixture
def maps(lab: Lab) -> Lab:
    """A lab with the tools of this file."""
    lab.cell(CELL)
    return lab


def test_a_static_graph_maps_over_what_a_node_gives(maps: Lab) -> None:
    run = maps.start("study", text="a,bb,ccc")
    assert dict(run.result(LIMIT_S)) == {"total": 9, "words": ["A", "BB", "CCC"], "second": "BB"}
    outer = {n.node_id: [run.nodes[d - 1].node_id for d in n.deps] for n in run.nodes if not n.scope}
    assert outer == {"split": [], "measure.map": ["split"], "total": ["measure.map"]}
    (mapped,) = [n for n in run.nodes if n.node_id == "measure.map"]
    assert [n.node_id for n in run.nodes if n.scope == mapped.no] == ["measure", "measure-2", "measure-3"]


def test_an_agent_maps_and_only_what_was_not_done_runs_after_a_kill(maps: Lab) -> None:
    run = maps.start("agent", text="a,bb,a")
    maps.asked(run, "go?")
    assert sorted(maps.took()) == ["measure a", "measure a", "measure bb"]
    maps.kill()
    again = maps.resume(run)
    maps.answer(again, "go?", "me")
    assert dict(again.result(LIMIT_S)) == {"sizes": [1, 2, 1], "name": "me", "none": []}
    assert maps.took() == []


def test_all_items_are_tried_and_those_that_failed_are_tried_again(maps: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAD", "1")
    run = maps.start("study", text="a,bb,ccc,dddd")
    with pytest.raises(NodeFailed, match="node 'measure.map'") as raised:
        run.result(LIMIT_S)
    assert isinstance(raised.value.__cause__, ValueError) and raised.value.__cause__.args == ("bb",)
    assert len(maps.took()) == 4
    monkeypatch.delenv("BAD")
    maps.kill()
    assert dict(maps.resume(run).result(LIMIT_S))["total"] == 14
    assert sorted(maps.took()) == ["measure bb", "measure dddd", "total [2, 3, 4, 5]"]


@pytest.mark.parametrize(("edit", "told"), [("[*text.split(',')]", []), ("text.split(',')[:1]", ["measure a"])])
def test_the_same_list_is_the_same_map(maps: Lab, edit: str, told: list[str]) -> None:
    run = maps.start("agent", text="a,bb,ccc")
    maps.asked(run, "go?")
    maps.took()
    maps.kill()
    maps.cell(CELL.replace('text.split(",")', edit))
    again = maps.resume(run)
    maps.answer(again, "go?", "me")
    assert dict(again.result(LIMIT_S))["sizes"] == ([1] if told else [1, 2, 3])
    assert maps.took() == told


def test_the_plan_knows_maps(maps: Lab) -> None:
    run = maps.start("agent", text="a,bb")
    maps.until(run, lambda facts: any(isinstance(x, f.WaitOpened) for x in facts))
    maps.kill()
    assert maps.verdicts(run)["measure.map"] == "reused"


def test_outside_of_any_run_a_map_is_a_plain_call() -> None:
    @tool(outputs=["y"])
    def double(x: int, by: int = 2) -> int:
        return x * by

    @tool
    async def later(x: int) -> int:
        return x + 1

    assert double.map([1, 2], by=3) == {"y": [3, 6]} and double.map([]) == {"y": []}
    assert asyncio.run(later.map(range(2))) == {"result": [1, 2]}
    with pytest.raises(TypeError, match=r"double.map\(...\) takes a list of items, got str: 'abc'"):
        double.map("abc")


def test_wrong_arguments_of_a_map_are_told_while_the_graph_is_built() -> None:
    @tool
    def double(x: int, by: int) -> int:
        return x * by

    with pytest.raises(GraphBuildError, match=r"double.map: missing a required .*argument: 'by'"):
        graphify(lambda xs: double.map(xs))()
    assert graphify(lambda xs: double.map(xs, by=2))().node_ids() == ["double.map"]


def test_the_items_of_a_map_may_be_given_by_name_and_nothing_else_without_one(lab: Lab) -> None:
    @tool
    def plus(x: int, y: int = 1) -> int:
        return x + y

    @graphify
    def static(xs: list[int]) -> Any:
        return plus.map(x=xs, y=10)

    @graph_fn
    async def agent(xs: list[int]) -> Any:
        return (await plus.map(x=xs, y=20)).result

    assert plus.map(x=[1]) == {"result": [2]}
    assert lab.run(static, xs=[1, 2]) == {"result": [11, 12]} and lab.run(agent, xs=[3]) == {"result": [23]}
    told = r"plus.map takes one list, whose items go to x, got 2 arguments .*; what all items share goes by name: y=..."
    with pytest.raises(TypeError, match=told):
        plus.map([1], [2])
    with pytest.raises(GraphBuildError, match=rf"test_maps.py:\d+: {told}"):
        graphify(lambda xs: plus.map(xs, [2]))()


@pytest.mark.parametrize("home", ["async", "sync"])
@pytest.mark.parametrize("kind", ["reactive", "static"])
def test_a_map_that_fails_names_the_item_and_the_others_wherever_it_is_looked_at(
    lab: Lab, kind: str, home: str
) -> None:
    lab.cell(f"""
from aethergraph import graphify

@tool
{"async " if home == "async" else ""}def halve(x, *, by=2):
    if x % 2:
        raise ValueError("odd")
    return x // by

@graph_fn
async def reactive(xs):
    return (await halve.map(xs, by=2)).result

@graphify
def static(xs):
    return halve.map(xs).result
""")
    run = lab.start(kind, xs=[0, 1, 2, 3, 5])
    told = "item [1] x=1 of the 5 items of halve.map; 2 others failed, too: [3] x=3, [4] x=5"
    with pytest.raises((ValueError, NodeFailed)) as raised:
        run.result(LIMIT_S)
    odd = raised.value if kind == "reactive" else raised.value.__cause__
    assert isinstance(odd, ValueError) and odd.args == ("odd",) and told in odd.__notes__
    assert kind == "reactive" or told in str(raised.value)
    (info,) = lab.runtime.runs()
    shown = [
        info.error,
        run.transcript()[-1],
        next(node["error"] for node in run.to_dict()["nodes"] if node["node_id"] == "halve.map"),
        *(row.more for row in tree.rows(run.picture(), 0.0) if row.label == "halve.map"),
    ]
    assert len(shown) == 4 and all("ValueError: odd (item [1] x=1 of the 5 items" in text for text in shown)
    lab.kill()
    error = lab.runtime.load(run.run_id).error
    assert any(told in text for text in (str(error), *getattr(error, "__notes__", ())))


@pytest.mark.parametrize("home", ["async", "sync"])
def test_outside_of_any_run_a_map_that_fails_names_the_item(home: str) -> None:
    def odd(x: Any) -> Any:
        return 1 // x

    async def later(x: Any) -> Any:
        return 1 // x

    made = tool(later if home == "async" else odd)
    with pytest.raises(ZeroDivisionError) as raised:
        given = made.map([1, 0, 2])
        asyncio.run(_awaited(given))
    assert raised.value.__notes__ == [f"item [1] x=0 of the 3 items of {made.name}.map"]


async def _awaited(call: Any) -> Any:
    return await call


def test_of_many_items_that_failed_a_map_names_the_first_five(lab: Lab) -> None:
    @tool
    def refuse(x: str) -> None:
        raise ValueError(x)

    @graph_fn
    async def agent() -> Any:
        return await refuse.map(["a" * 500, *"bcdefgh"])

    with pytest.raises(ValueError, match="a{500}") as raised:
        lab.run(agent)
    (note,) = [note for note in raised.value.__notes__ if note.startswith("item ")]
    assert note.startswith("item [0] x='aaa") and len(note) < 250
    assert note.endswith("7 others failed, too: [1] x='b', [2] x='c', [3] x='d', [4] x='e', [5] x='f', ...")
