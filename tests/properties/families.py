"""Nestings of runs, graphs and maps: an agent that does any of them, and what plain Python makes of the same tree."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from hypothesis import strategies as st

from aethergraph import NodeContext, graph_fn, graphify, run, run_async, tool

RAN = "tests.family"
ran = logging.getLogger(RAN).info
Tree = list[Any]  # kind, then what is inside


@tool(outputs=["y"])
async def work(label: str) -> str:
    ran(label)
    return f"{label}!"


@tool(outputs=["y"])
def work_in_thread(label: str) -> str:
    ran(label)
    return f"{label}!"


@tool(outputs=["parts"])
def split(label: str, count: int) -> list[str]:
    return [f"{label}.{no}" for no in range(count)]


@tool(outputs=["y"])
async def call_run(tree: Tree, label: str) -> Any:
    """A tool that runs an agent."""
    return (await run_async(family, tree=tree, label=label)).y


@tool(outputs=["y"])
def call_run_in_thread(tree: Tree, label: str) -> Any:
    """A sync tool that runs an agent, and blocks meanwhile."""
    return run(family, tree=tree, label=label).y


@graphify
def fixed(label: str, left: str, right: str) -> dict[str, Any]:
    one = work(left)
    both = work.map(split(right, 2).parts)
    return {"y": [one.y, both.y, work_in_thread(label, _after=both).y]}


@graphify
def around(tree: Tree, label: str, inner: str, last: str) -> dict[str, Any]:
    """A static graph with a body in it."""
    inside = family(tree, inner)
    return {"y": [inside.y, work(last, _after=inside).y]}


@graph_fn(outputs=["y"])
async def family(tree: Tree, label: str, *, context: NodeContext) -> dict[str, Any]:
    """Do what `tree` says."""
    return {"y": await _do(tree, label, context)}


async def _do(tree: Tree, label: str, context: NodeContext) -> Any:
    kind, *inside = tree
    names = [f"{label}{no}" for no in range(max(3, len(inside)))]
    if kind == "work":
        return (await work(label)).y
    if kind == "thread":
        return (await work_in_thread(label)).y
    if kind == "map":
        return (await work.map((await split(label, inside[0])).parts)).y
    if kind == "fixed":
        return (await fixed(label, names[0], names[1])).y
    if kind == "around":
        return (await around(inside[0], label, names[0], names[1])).y
    if kind == "nested":
        return (await family(inside[0], names[0])).y
    if kind == "run":
        return (await context.run_and_wait(family, inputs={"tree": inside[0], "label": names[0]})).y
    if kind == "called":
        return (await call_run(inside[0], names[0])).y
    if kind == "called in thread":
        return (await call_run_in_thread(inside[0], names[0])).y
    if kind == "spawned":
        ids = [
            await context.spawn_run(family, inputs={"tree": one, "label": name})
            for one, name in zip(inside, names, strict=False)
        ]
        return [dict(await context.wait_run(run_id) or {})["y"] for run_id in ids]
    if kind == "all":
        parts = [_do(one, name, context) for one, name in zip(inside, names, strict=False)]
        return list(await asyncio.gather(*parts))
    return [await _do(one, name, context) for one, name in zip(inside, names, strict=False)]


def expected(tree: Tree, label: str) -> Any:
    """What `family` gives."""
    kind, *inside = tree
    names = [f"{label}{no}" for no in range(max(3, len(inside)))]
    if kind in ("work", "thread"):
        return f"{label}!"
    if kind == "map":
        return [f"{label}.{no}!" for no in range(inside[0])]
    if kind == "fixed":
        return [f"{names[0]}!", [f"{names[1]}.0!", f"{names[1]}.1!"], f"{label}!"]
    if kind == "around":
        return [expected(inside[0], names[0]), f"{names[1]}!"]
    if kind in ("nested", "run", "called", "called in thread"):
        return expected(inside[0], names[0])
    return [expected(one, name) for one, name in zip(inside, names, strict=False)]


def labels(value: Any) -> list[str]:
    """The labels of all tools that must run for this value."""
    if isinstance(value, str):
        return [value.removesuffix("!")]
    return [label for one in value for label in labels(one)]


_leaves = st.sampled_from([["work"], ["thread"], ["map", 0], ["map", 3], ["fixed"]])


def _inside(trees: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    one = st.sampled_from(["nested", "run", "called", "called in thread", "around"])
    several = st.sampled_from(["seq", "all", "spawned"])
    return st.one_of(
        st.tuples(one, trees).map(list),
        st.tuples(several, st.lists(trees, min_size=1, max_size=3)).map(lambda each: [each[0], *each[1]]),
    )


trees = st.recursive(_leaves, _inside, max_leaves=6)
