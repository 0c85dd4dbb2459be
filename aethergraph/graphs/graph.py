"""`TaskGraph`: a static agent as its nodes, edges, inputs and outputs. It says what there is to do; it runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import GraphBuildError, known
from .pictured import Pictured
from .references import NodeHandle as NodeHandle
from .references import Reference, key_of, node_of, references
from .topology import Topology


def arg(name: str) -> Reference:
    """The input `name` of the graph that is being built."""
    return Reference("", name)


@dataclass(frozen=True, eq=False)
class GraphNode:
    """One call of a static graph.

    Attributes:
        logic: the name of the tool or agent that it calls; `target` is that itself.
        args, kwargs: literals and references, also inside lists, tuples and dicts.
        after: ids of nodes that it follows without using a value of theirs.
        condition: a reference, a bool, or an expression of references; False skips the node.
        where: `file:line` of the call.
        same: its recorded result is reused even where its code changed.
        identity: what stands for this call in the identity of its results: callee, arguments and number among equals.
    """

    node_id: str
    logic: str
    kind: str
    target: Any = field(repr=False)
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] | None = None
    after: tuple[str, ...] = ()
    condition: Any = True
    alias: str = ""
    labels: tuple[str, ...] = ()
    name: str = ""
    where: str = ""
    identity: str = ""
    same: bool = False

    @property
    def title(self) -> str:
        """How it is shown."""
        return self.name or self.node_id

    @cached_property
    def needs(self) -> list[str]:
        """The nodes whose values it is given or decided by, in order, each once."""
        found = (node_of(one) for one in references([self.args, dict(self.kwargs), self.condition]))
        return list(dict.fromkeys(node for node in found if node))

    @cached_property
    def dependencies(self) -> list[str]:
        """The nodes that come before it, by value or by order."""
        return list(dict.fromkeys([*self.needs, *self.after]))


class TaskGraph(Topology[GraphNode], Pictured):
    """The nodes of a static agent, in the order in which they were written.

    Attributes:
        inputs: names of the inputs; `defaults` has values for those that need not be given.
        outputs: by name, a literal or reference, also inside lists, tuples and dicts.
        agent: the `@graphify` object that it was built from; `run(graph)` runs that.
        where: `file:line` of the function that it was built from.
    """

    def __init__(
        self,
        graph_id: str,
        nodes: Iterable[GraphNode],
        *,
        inputs: Iterable[str] = (),
        defaults: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        agent: Any = None,
        version: str = "0.1.0",
        where: str = "",
    ) -> None:
        """Put together.

        Raises:
            GraphBuildError: an id is used twice, an edge leads nowhere, or the nodes depend on each other.
        """
        self.graph_id, self.agent, self.version, self.where = graph_id, agent, version, where
        self.inputs, self.defaults, self.outputs = tuple(inputs), dict(defaults or {}), dict(outputs or {})
        self._nodes: dict[str, GraphNode] = {}
        for node in nodes:
            if node.node_id in self._nodes:
                raise GraphBuildError(f"the id {node.node_id!r} is used twice; an _id names one call", where=node.where)
            self._nodes[node.node_id] = node
        self._check_edges(where)
        self._check_order()

    def _check_edges(self, where: str) -> None:
        for node in self._nodes.values():
            for other in node.dependencies:
                if other not in self._nodes:
                    what = f"{node.node_id} follows {other!r}, which is no node; the nodes are: {known(self._nodes)}"
                    raise GraphBuildError(what, where=node.where)
            self._check_inputs([node.args, dict(node.kwargs), node.condition], node.where)
        self._check_inputs(self.outputs, where)

    def _check_inputs(self, value: Any, where: str) -> None:
        for one in references(value):
            if not node_of(one) and key_of(one) not in self.inputs:
                what = (
                    f"{self.graph_id} has no input {key_of(one)!r}; its inputs are: {', '.join(self.inputs) or 'none'}"
                )
                raise GraphBuildError(what, where=where)

    def _check_order(self) -> None:
        _, left = self._sorted
        if left:
            circle = self._circle(set(left))
            what = f"these nodes depend on each other: {' -> '.join(circle)}; take one of the `_after=` away"
            raise GraphBuildError(what, where=self._nodes[circle[0]].where)

    def before(self, node_id: str) -> list[str]:
        """The nodes that this one depends on directly, by value or by order."""
        return self._nodes[node_id].dependencies

    def _circle(self, left: set[str]) -> list[str]:
        path = [min(left)]
        while path.count(path[-1]) == 1:
            path.append(next(other for other in self._nodes[path[-1]].dependencies if other in left))
        return path[path.index(path[-1]) :][::-1]

    def __len__(self) -> int:
        return len(self._nodes)

    def io_signature(self) -> dict[str, Any]:
        """Names of inputs (those that must be given, and the defaults of the others) and outputs, as JSON can hold it.

        A default that is no plain data is told by its repr; `defaults` has the objects.
        """
        from . import text  # as below

        required = [name for name in self.inputs if name not in self.defaults]
        return {
            "inputs": {"required": required, "optional": text.data(self.defaults)},
            "outputs": list(self.outputs),
        }

    # ------------------------------------------------------------------ as text (whose modules no run needs)

    def spec_json(self) -> dict[str, Any]:
        """The graph as plain data that JSON can hold; what is no plain data is told by its repr."""
        from . import text

        return text.spec(self)

    view = spec_json

    def diff(self, other: TaskGraph) -> dict[str, list[str]]:
        """Ids of nodes that only `other` has (`added`), only this one (`removed`), and that differ (`modified`)."""
        from . import text

        return text.diff(self, other)

    def pretty(self) -> str:
        """A table: each node with what it calls, what it follows, and its arguments."""
        from . import text

        return text.pretty(self)

    def ascii_overview(self) -> str:
        """The nodes level by level, from the inputs to the outputs."""
        from . import text

        return text.ascii_overview(self)

    def to_dot(self) -> str:
        """Graphviz."""
        from . import text

        return text.to_dot(self)

    def to_mermaid(self) -> str:
        """Mermaid."""
        from . import text

        return text.to_mermaid(self)

    def to_svg(self) -> str:
        """A picture that stands alone."""
        from . import svg

        return svg.to_svg(self)

    def __repr__(self) -> str:
        takes, gives = ", ".join(self.inputs), ", ".join(self.outputs) or "nothing"
        return f"<graph {self.graph_id}({takes}) -> {gives}: {len(self)} nodes>"
