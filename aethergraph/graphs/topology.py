"""What follows what: in a static graph, and in what a run has on record."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from .selecting import NodeT, Selecting


class Topology(Selecting[NodeT]):
    """A graph whose nodes know which others come before them; everything here is told by ids."""

    def before(self, node_id: str) -> list[str]:
        """The nodes that this one depends on directly, by value or by order."""
        raise NotImplementedError

    @cached_property
    def followers(self) -> dict[str, list[str]]:
        """By node: those that depend on it directly."""
        found: dict[str, list[str]] = {name: [] for name in self._nodes}
        for name in self._nodes:
            for other in self.before(name):
                found[other].append(name)
        return found

    @cached_property
    def _sorted(self) -> tuple[list[str], list[str]]:
        """The nodes, each after those that it depends on; and those for which that cannot be, in their own order."""
        left = {name: len(self.before(name)) for name in self._nodes}
        order = [name for name, count in left.items() if not count]
        for name in order:  # grows while it is walked
            for follower in self.followers[name]:
                left[follower] -= 1
                if not left[follower]:
                    order.append(follower)
        return order, [name for name, count in left.items() if count]

    def topological_order(self) -> list[str]:
        """All nodes, each after those that it depends on."""
        return [*self._sorted[0], *self._sorted[1]]

    def levels(self) -> list[list[str]]:
        """The nodes by level: each stands one level after the last that it depends on."""
        level: dict[str, int] = {}
        for name in self.topological_order():
            level[name] = 1 + max((level.get(other, -1) for other in self.before(name)), default=-1)
        rows: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
        for name in self._nodes:
            rows[level[name]].append(name)
        return rows

    def dependents(self, node_id: str) -> list[str]:
        """The nodes that depend on this one directly."""
        return list(self.followers[self.node(node_id).node_id])

    def get_upstream_nodes(self, node_id: str) -> list[str]:
        """All nodes that this one depends on, directly or not, in topological order."""
        return self._reach(node_id, self.before)

    def get_subgraph_nodes(self, node_id: str) -> list[str]:
        """This node and all that depend on it, directly or not, in topological order."""
        return self._reach(node_id, self.followers.__getitem__, itself=True)

    def _reach(self, node_id: str, step: Callable[[str], list[str]], *, itself: bool = False) -> list[str]:
        found, todo = {self.node(node_id).node_id}, [node_id]
        while todo:
            new = [name for name in step(todo.pop()) if name not in found]
            found.update(new)
            todo += new
        return [name for name in self.topological_order() if name in found and (itself or name != node_id)]
