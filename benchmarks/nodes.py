"""What a node costs: chains and fans against plain asyncio, and a chain of default tools against its commits."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import agents
from bench import MS, US, Bench, commit
from measure import Row, ratios, seconds, take_marks

from aethergraph import TaskGraph, run


def pure_chain(bench: Bench) -> list[Row]:
    """A chain of pure tools against `create_task` + await, and whether late nodes cost what early ones do."""
    slopes: list[float] = []

    def ours(n: int) -> float:
        take_marks()
        took = seconds(lambda: run(agents.pure_chain, n=n, every=n // 10))
        tenths = [after - before for before, after in itertools.pairwise(take_marks())]
        if n == bench.sizes.largest:
            slopes.append(tenths[-1] / tenths[0])
        return took

    rows = _against_bare(bench, "pure chain", ours, agents.bare_chain, goal=4.0, must=8.0)
    name = f"pure chain, last tenth of {bench.sizes.largest:,} nodes / first"
    return [*rows, Row(name, slopes[-bench.sizes.rounds :], "x", goal=1.1, must=1.25)]


def pure_fan(bench: Bench) -> list[Row]:
    """A fan of pure tools against `gather`."""
    return _against_bare(bench, "pure fan", partial(_took, agents.pure_fan), agents.bare_fan, goal=4.0, must=8.0)


def durable_fan(bench: Bench) -> list[Row]:
    """A fan of default tools against `gather`."""
    return _against_bare(bench, "fan", partial(_took, agents.fan), agents.bare_fan, goal=None, must=10.0)


def static_graphs(bench: Bench) -> list[Row]:
    """Pure steps of static graphs, which a run builds again: chain and fan against plain asyncio, and a nested chain.

    A node of the nested chain is a graph of one step: two nodes of the run.
    """
    rows = []
    for shape, bare in (("chain", agents.bare_chain), ("fan", agents.bare_fan), ("nested", agents.bare_chain)):
        graphs = {n: agents.static(shape, n) for n in bench.sizes.chains[:2]}
        parts: dict[tuple[str, int], Callable[[], float]] = {}
        for n, graph in graphs.items():
            parts["bare", n] = partial(_bare, bare, n)
            parts["ours", n] = partial(_walked, graph)
        samples = bench.interleave(parts)
        for n in graphs:
            nodes = 2 * n if shape == "nested" else n
            each = [took / nodes for took in samples["ours", n]]
            budget = (4.0, 8.0) if shape != "nested" and n > bench.sizes.chains[0] else (None, None)
            rows.append(Row(f"static {shape} of {nodes:,}", [US * s for s in each], "us a node"))
            rows.append(
                Row(f"static {shape} of {nodes:,} / plain asyncio", ratios(each, samples["bare", n]), "x", *budget)
            )
    return rows


def _walked(graph: TaskGraph) -> float:
    return seconds(lambda: run(graph, x=0))


def _took(agent: Any, n: int) -> float:
    return seconds(lambda: run(agent, n=n))


def _against_bare(
    bench: Bench,
    name: str,
    ours: Callable[[int], float],
    bare: Callable[[int], Coroutine[Any, Any, float]],
    *,
    goal: float | None,
    must: float,
) -> list[Row]:
    """Microseconds a node and the ratio to plain asyncio, by size.

    The smallest size has no budget: there the cost of the run itself, which has its own line, weighs on each node.
    """
    parts: dict[tuple[str, int], Callable[[], float]] = {}
    for n in bench.sizes.chains:
        parts["bare", n] = partial(_bare, bare, n)
        parts["ours", n] = partial(ours, n)
    samples = bench.interleave(parts)
    rows = []
    for n in bench.sizes.chains:
        each, plain = [took / n for took in samples["ours", n]], samples["bare", n]
        budget = (goal, must) if n > bench.sizes.chains[0] else (None, None)
        rows.append(Row(f"{name} of {n:,}", [US * s for s in each], "us a node"))
        rows.append(Row(f"{name} of {n:,} / plain asyncio", ratios(each, plain), "x", *budget))
    return rows


def _bare(bare: Callable[[int], Coroutine[Any, Any, float]], n: int) -> float:
    """Seconds a task: of several runs, where one would be too short to time."""
    times = max(1, 2_000 // n)
    gc.collect()
    gc.freeze()
    try:
        return sum(asyncio.run(bare(n)) for _ in range(times)) / times / n
    finally:
        gc.unfreeze()


def durable_chain(bench: Bench) -> list[Row]:
    """A chain of default tools beyond one commit a step, and what a run without any node costs."""
    n = bench.sizes.durable_chain
    samples = bench.interleave(
        {
            "commit": lambda: commit(bench),
            "ours": lambda: _took(agents.chain, n) / n,
            "empty": lambda: seconds(lambda: run(agents.nothing)),
        }
    )
    beyond = [US * (ours - commit) for ours, commit in zip(samples["ours"], samples["commit"], strict=True)]
    return [
        Row("one commit of one row, fully durable", [US * s for s in samples["commit"]], "us"),
        Row(f"chain of {n:,}", [US * s for s in samples["ours"]], "us a node"),
        Row(f"chain of {n:,}, beyond one commit", beyond, "us a node", goal=60.0, must=150.0),
        Row(f"chain of {n:,} / one commit", ratios(samples["ours"], samples["commit"]), "x"),
        Row("a run without nodes", [MS * s for s in samples["empty"]], "ms"),
    ]
