"""Random programs as plain data, made from a seed, and what they give in plain Python.

A step is a list: its kind, its number in the program, and what else it takes. Every kind of wait is among them, and
every way that a graph holds another: agents, maps, static graphs, runs of their own.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

DEPTH, FAN = 5, 50
PRIME = 1_000_003

Step = list[Any]
LEAVES = (
    "work", "work", "thread", "pure", "shaky", "stubborn", "refuse", "ask", "late", "consult", "say", "save", "nap",
    "clock", "race", "sleep", "doze", "listen", "overhear", "bell", "tire", "job", "call",
)  # fmt: skip
TREES = ("seq", "seq", "fan", "fan", "nest", "nest", "many", "map", "static", "static", "child")
NODES = (
    "work",
    "work",
    "thread",
    "pure",
    "shaky",
    "stubborn",
    "consult",
    "doze",
    "overhear",
    "job",
    "call",
    "map",
    "graph",
)
SILENT = frozenset({"say", "nap", "clock", "sleep", "bell", "tire"})  # what goes in comes out
ASKING = frozenset({"ask", "late", "consult", "stubborn"})  # what a person is asked
TRACKED = frozenset({"job", "call"})  # what another system is asked
CHILD_WAYS = ("body", "later", "tool", "thread")


def make(seed: int) -> Step:
    """A random program."""
    rng, count = random.Random(seed), itertools.count(1)
    return ["seq", 0, [_step(rng, count, 1) for _ in range(6)]]


def _step(rng: random.Random, count: itertools.count[int], depth: int) -> Step:
    kind, no = rng.choice(LEAVES if depth == DEPTH or rng.random() < 0.4 else TREES), next(count)
    if kind in ("seq", "fan"):
        return [kind, no, [_step(rng, count, depth + 1) for _ in range(rng.randint(2, 4))]]
    if kind == "nest":
        return [kind, no, _step(rng, count, depth + 1)]
    if kind in ("many", "map"):
        return [kind, no, rng.choice([2, 3, 5, 8, FAN])]
    if kind == "static":
        return [kind, no, _nodes(rng, count, rng.randint(3, 8), 1)]
    if kind == "child":
        parts = [_step(rng, count, depth + 1) for _ in range(rng.randint(1, 3))]
        return [kind, no, [rng.choice(CHILD_WAYS), parts]]
    return [kind, no, rng.randint(1, 2)]


def _nodes(rng: random.Random, count: itertools.count[int], size: int, depth: int) -> list[Step]:
    """Nodes of a static graph. Each: kind, number, what its kind takes, the nodes that it is given, the one that it
    only follows, the one whose value decides whether it runs; that one always runs."""
    nodes: list[Step] = []
    for place in range(size):
        kind, no = rng.choice(NODES if depth == 1 else NODES[:-1]), next(count)
        sure = [index for index, node in enumerate(nodes) if node[5] is None]
        what = _nodes(rng, count, rng.randint(2, 3), depth + 1) if kind == "graph" else rng.randint(1, 3)
        given = rng.sample(range(place), min(place, rng.randint(0, 3)))
        after = rng.randrange(place) if place and rng.random() < 0.3 else None
        nodes.append([kind, no, what, given, after, rng.choice(sure) if sure and rng.random() < 0.25 else None])
    return nodes


def mix(no: int, x: int) -> int:
    """What a tool makes of `x`."""
    return (x * 31 + no * 17 + 7) % PRIME


def heard(no: int, x: int, payloads: list[int]) -> int:
    """What is made of `x` and of what signals carry, in their order."""
    for payload in payloads:
        x = mix(no + payload, x)
    return x


class Plain:
    """Does a program in plain Python. `did`: how often each kind of step was done, in this run and not in others."""

    def __init__(self) -> None:
        self.did = Counter[str]()

    def value(self, step: Step, x: int) -> int:
        """What it gives."""
        kind, no, what = step
        self.did[kind] += 1
        match kind:
            case "seq":
                for part in what:
                    x = self.value(part, x)
                return x
            case "fan":
                return sum(self.value(part, x) for part in what) % PRIME
            case "nest":
                return self.value(what, x)
            case "static":
                return self._graph(what, x)
            case "child":
                for part in what[1]:
                    x = Plain().value(part, x)
                return x
        return self._leaf(kind, no, what, x)

    def _graph(self, nodes: list[Step], x: int) -> int:
        """What the nodes that run give, together."""
        made: list[int | None] = []
        for kind, no, what, given, _, decides in nodes:
            on = sum(made[place] or 0 for place in given) % PRIME if given else x
            if kind == "map":  # runs in any case: the condition is that of what adds up
                self.did[kind] += 1
            if decides is not None and not runs_if(made[decides]):
                made.append(None)
            elif kind == "graph":
                made.append(self._graph(what, on))
            else:
                self.did[kind] += kind != "map"
                made.append(self._leaf(kind, no, what, on))
        return sum(one or 0 for one in made) % PRIME

    def _leaf(self, kind: str, no: int, what: int, x: int) -> int:
        if kind in ("many", "map"):
            return sum(mix(no, x + index) for index in range(what)) % PRIME
        if kind in ("listen", "overhear"):
            return heard(no, x, list(range(1, what + 1)))
        return x if kind in SILENT else mix(no, x)


def runs_if(decides: Any) -> Any:
    """Whether a node runs, from the value that decides it, or from a reference to that."""
    return decides < PRIME // 2
