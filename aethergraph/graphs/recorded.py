"""`RunGraph`: the nodes that a run has on record, with those inside nested bodies, asked as a static graph is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Any

from ..record import facts as f
from ..record.flow import Node
from .pictured import Pictured
from .text import changes, harmless, marks, quoted, row
from .topology import Topology


class RunGraph(list[Node], Topology[Node], Pictured):
    """The nodes of a run, in the order in which they came up, as they were when it was asked for.

    Each knows the numbers of those whose values it was given (`deps`), of those that it follows (`after`) and of that
    in whose body it was called (`scope`, 0 for the run's own). An alias names one call of a body: where a body runs
    several times, `get_by_alias` has several to choose from and says which.
    """

    def __init__(self, run_id: str, name: str, nodes: Iterable[Node], draw: Callable[[], str]) -> None:
        super().__init__(map(copy, nodes))  # those of a live run go on
        self.run_id, self.graph_id = run_id, name
        self._draw: Callable[[], str] | None = draw
        self._nodes = {node.node_id: node for node in self}

    def __repr__(self) -> str:
        return f"<graph of run {self.run_id}: {len(self)} nodes>"

    def before(self, node_id: str) -> list[str]:
        """The nodes whose values this one was given, and those that it follows."""
        node = self._nodes[node_id]
        return self._ids(self._earlier(node))

    def diff(self, other: RunGraph) -> dict[str, list[str]]:
        """Ids of nodes that only `other` has (`added`), only this one (`removed`), and that differ (`modified`).

        How far they have come is no difference: a run and its fork are compared by what they call and follow.
        """
        old, new = ({str(node.node_id): self._same(graph, node) for node in graph} for graph in (self, other))
        return changes(old, new)

    @staticmethod
    def _same(graph: RunGraph, node: Node) -> dict[str, Any]:
        return {name: value for name, value in graph._told(node).items() if name != "status"}

    # ------------------------------------------------------------------ as text, data and picture

    def to_svg(self) -> str:
        """The picture of the run, which stands alone, as it is on disk now.

        Raises:
            TypeError: it is a copy, which has let go of its run.
        """
        if self._draw is None:
            raise TypeError(f"this is a copy; the picture is at the run: `load_run({self.run_id!r}).graph.to_svg()`")
        return self._draw()

    def __getstate__(self) -> dict[str, Any]:
        """For a copy: without the run, which is of its process."""
        return {**self.__dict__, "_draw": None}

    def ascii_overview(self) -> str:
        """The nodes level by level, also of nested bodies: each one level after the last that it depends on."""
        return "\n  |\n".join([self.graph_id, *map(row, self.levels())])

    def spec_json(self) -> dict[str, Any]:
        """The graph as plain data that JSON can hold. Values are in `run.to_dict()`."""
        return {"graph_id": self.graph_id, "run_id": self.run_id, "nodes": [self._told(node) for node in self]}

    view = spec_json

    def _told(self, node: Node) -> dict[str, Any]:
        return {
            "node_id": node.node_id, "logic": node.logic, "kind": node.kind, "status": str(node.status),
            "scope": self[node.scope - 1].node_id if node.scope else "", "dependencies": self.before(node.node_id),
            "after": self._ids(node.after), "alias": node.alias, "labels": list(node.labels), "name": node.name,
        }  # fmt: skip

    def _ids(self, numbers: Iterable[int]) -> list[str]:
        return [self[no - 1].node_id for no in numbers if no <= len(self)]

    def _earlier(self, node: Node) -> list[int]:
        """The numbers of those that come before a node, without what came up only while the nodes were copied."""
        return [no for no in dict.fromkeys((*node.deps, *node.after)) if no <= len(self)]

    def pretty(self) -> str:
        """A line per node, under the node in whose body it was called: what it calls, what it follows, its marks."""
        width = max((len(node.node_id) + 2 * depth for node, depth in self._tree()), default=0)
        lines = [f"{self.graph_id}: {len(self)} nodes"]
        for node, depth in self._tree():
            before = self.before(node.node_id)
            extra = [f"after {', '.join(before)}"] if before else []
            parts = [f"  {'  ' * depth + node.node_id:<{width}}", node.logic, str(node.status), *extra, *marks(node)]
            lines.append("  ".join(parts))
        return "\n".join(lines)

    def _inside(self) -> dict[int, list[Node]]:
        found: dict[int, list[Node]] = {}
        for node in self:
            found.setdefault(node.scope, []).append(node)
        return found

    def _tree(self) -> Iterator[tuple[Node, int]]:
        """Each node below the one in whose body it was called, and how deep that is."""
        inside = self._inside()
        stack = [(node, 0) for node in reversed(inside.get(0, ()))]
        while stack:
            node, depth = stack.pop()
            yield node, depth
            stack += [(child, depth + 1) for child in reversed(inside.get(node.no, ()))]

    def to_dot(self) -> str:
        """Graphviz; what was called in the body of a node is in a box with it."""

        def written(node: Node) -> str:
            shape = ", peripheries=2" if node.kind == f.GRAPH else ""
            return f"{quoted(node.node_id)} [label={quoted(node.title)}{shape}];"

        lines = [f"digraph {quoted(self.graph_id)} {{", "  rankdir=LR;", '  node [shape=box, style="rounded"];']
        lines += self._boxed(written, 'subgraph "cluster_{}" {{', "}")
        for start, end, by_value in self._edges():
            lines.append(f"  {quoted(start.node_id)} -> {quoted(end.node_id)}{'' if by_value else ' [style=dashed]'};")
        return "\n".join([*lines, "}"]) + "\n"

    def to_mermaid(self) -> str:
        """Mermaid; what was called in the body of a node is in a box with it."""

        def written(node: Node) -> str:
            left, right = ("[[", "]]") if node.kind == f.GRAPH else ("[", "]")
            return f"n{node.no}{left}{harmless(node.title)}{right}"

        lines = ["flowchart LR", *self._boxed(written, 'subgraph s{}[" "]', "end")]
        lines += [f"  n{start.no} {'-->' if by_value else '-.->'} n{end.no}" for start, end, by_value in self._edges()]
        return "\n".join(lines) + "\n"

    def _boxed(self, written: Callable[[Node], str], begin: str, end: str) -> list[str]:
        """The lines of all nodes; `begin`, with the number of the node, and `end` are the lines around a box."""
        inside, deep, lines = self._inside(), 0, list[str]()
        for node, depth in self._tree():
            lines += ["  " * (deep - left) + end for left in range(deep - depth)]
            deep = depth
            if node.no in inside:
                deep += 1
                lines.append("  " * deep + begin.format(node.no))
            lines.append("  " * (deep + 1) + written(node))
        return lines + ["  " * (deep - left) + end for left in range(deep)]

    def _edges(self) -> Iterator[tuple[Node, Node, bool]]:
        """From, to, and whether a value goes along."""
        for node in self:
            for no in self._earlier(node):
                yield self[no - 1], node, no in node.deps
