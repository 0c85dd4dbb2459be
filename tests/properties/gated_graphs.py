"""Small static graphs of gated calls, and every order in which their nodes can end, as plain Python has it."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aethergraph import NodeContext, graphify, tool
from aethergraph.authoring.static import StaticGraph

from .interleaving import Order, told

KINDS = ("async", "sync", "pure", "ask")


@dataclass(frozen=True)
class Gated:
    """A node of a static graph, whose calls end when they are let.

    Attributes:
        kind: one of `KINDS`, or "map": a call per member of the list that the node `given` gives.
        calls: the numbers of its calls; one, unless it is a map. given: the places of the nodes whose values it gets.
        after: the place of a node that it only follows. condition: a place, and the value there with which it runs.
    """

    kind: str
    calls: tuple[int, ...]
    given: tuple[int, ...] = ()
    after: int | None = None
    condition: tuple[int, str] | None = None

    @property
    def needs(self) -> set[int]:
        """The places of all nodes that it waits for."""
        decides = () if self.condition is None else (self.condition[0],)
        return {*self.given, *(() if self.after is None else (self.after,)), *decides}


# ---------------------------------------------------------------------- as a graph


@tool
async def in_loop(no: int, given: list[Any]) -> str:
    gate = asyncio.get_running_loop().create_future()
    told("%d", no, extra={"gate": gate})
    await gate
    return value(no, given)


@tool
def in_thread(no: int, given: list[Any]) -> str:
    gate = threading.Event()
    told("%d", no, extra={"gate": gate})
    gate.wait()
    return value(no, given)


@tool(pure=True)
async def pure(no: int, given: list[Any]) -> str:
    gate = asyncio.get_running_loop().create_future()
    told("%d", no, extra={"gate": gate})
    await gate
    return value(no, given)


@tool
async def asking(no: int, given: list[Any], *, context: NodeContext) -> str:
    """Its gate is that of its question."""
    return value(no, given) if await context.channel("inbox").ask_text(f"{no}") else ""


@tool(pure=True)
async def numbers(calls: list[int], given: list[Any]) -> list[int]:
    """The list that a map goes over, known when the run gets there."""
    return calls


@tool
async def item(no: int) -> str:
    gate = asyncio.get_running_loop().create_future()
    told("%d", no, extra={"gate": gate})
    await gate
    return value(no, [])


TOOLS = {"async": in_loop, "sync": in_thread, "pure": pure, "ask": asking}


def value(no: int, given: list[Any]) -> str:
    """What a call gives."""
    return f"{no}({' '.join(map(str, given))})"


def graph(nodes: list[Gated]) -> StaticGraph:
    """The static graph."""

    def body() -> Any:
        made: list[Any] = []
        for node in nodes:
            given = [made[place].result for place in node.given]
            control: dict[str, Any] = {} if node.after is None else {"_after": made[node.after]}
            if node.condition is not None:
                control["_condition"] = made[node.condition[0]].result == node.condition[1]
            if node.kind == "map":
                made.append(item.map(numbers(list(node.calls), given).result, **control))
            else:
                called: Any = TOOLS[node.kind]
                made.append(called(node.calls[0], given, **control))
        return {"result": [one.result for one in made]}

    return graphify(name="gated", inputs=[], outputs=["result"])(body)


# ---------------------------------------------------------------------- in plain Python


class _Going:
    """How far a graph has come."""

    def __init__(self, nodes: list[Gated]) -> None:
        self.nodes = nodes
        self.ended: set[int] = set()
        self.values: dict[int, Any] = {}  # by place, None where it was skipped
        self._settle()

    @property
    def waiting(self) -> list[int]:
        """The calls that could end now."""
        ready = [node for at, node in enumerate(self.nodes) if at not in self.values and self._ready(node)]
        return [no for node in ready for no in node.calls if no not in self.ended]

    def end(self, no: int) -> None:
        """Let a call end."""
        self.ended.add(no)
        self._settle()

    def _ready(self, node: Gated) -> bool:
        return node.needs <= self.values.keys()

    def _settle(self) -> None:
        for place, node in enumerate(self.nodes):
            if self._ready(node):
                if node.condition is not None and self.values[node.condition[0]] != node.condition[1]:
                    self.values[place] = None
                elif self.ended >= set(node.calls):
                    given = [self.values[at] for at in node.given]
                    mapped = [value(no, []) for no in node.calls]
                    self.values[place] = mapped if node.kind == "map" else value(node.calls[0], given)


def orders(nodes: list[Gated]) -> Iterator[Order]:
    """Every order in which the calls of a graph can end, depth first."""
    todo: list[tuple[int, ...]] = [()]
    while todo:
        begin = todo.pop()
        going, ends = _Going(nodes), list(begin)
        for no in begin:
            going.end(no)
        while waiting := going.waiting:
            todo += [(*ends, other) for other in waiting[1:]]
            ends.append(waiting[0])
            going.end(waiting[0])
        outcome = repr([going.values[place] for place in range(len(nodes))])
        yield Order(tuple(ends), tuple(() for _ in ends), begin[-1] if begin else None, outcome, ())


# ---------------------------------------------------------------------- graphs


def named(kinds: tuple[str, ...]) -> dict[str, list[Gated]]:
    """Graphs of each form, with calls of these four kinds in turn."""
    a, b, c, d = kinds
    return {
        "chain": [Gated(a, (0,)), Gated(b, (1,), (0,)), Gated(c, (2,), (1,)), Gated(d, (3,), (2,))],
        "order": [Gated(a, (0,)), Gated(b, (1,), after=0), Gated(c, (2,)), Gated(d, (3,), (1,), after=2)],
        "diamond": [Gated(a, (0,)), Gated(b, (1,), (0,)), Gated(c, (2,), (0,)), Gated(d, (3,), (1, 2))],
        "fan-in": [*(Gated(kind, (no,)) for no, kind in enumerate(kinds)), Gated(a, (4,), (0, 1, 2, 3))],
        "condition": [
            Gated(a, (0,)),
            Gated(b, (1,), condition=(0, "0()")),
            Gated(c, (2,), condition=(0, "never")),
            Gated(d, (3,), (1, 2)),
            Gated(a, (4,), after=2),
        ],
        "map": [Gated(a, (0,)), Gated("map", (1, 2, 3), (0,)), Gated(b, (4,), (1,)), Gated(c, (5,), (0,))],
    }


def every(size: int) -> Iterator[list[Gated]]:
    """Every graph of so many nodes: each is given any of those before it, with kinds in turn."""
    before = [[given for n in range(at + 1) for given in itertools.combinations(range(at), n)] for at in range(size)]
    for turn, chosen in enumerate(itertools.product(*before)):
        yield [Gated(KINDS[(turn + at) % len(KINDS)], (at,), given) for at, given in enumerate(chosen)]
