"""Nodes by id, alias, label, callee or name: of a static graph, and of what a run has on record."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from ..errors import known


class Selectable(Protocol):
    """A node as selectors see it; `logic` names the tool or agent that it calls, `title` is how it is shown."""

    @property
    def node_id(self) -> str:
        """Unique in its graph."""

    @property
    def logic(self) -> str:
        """The name of the tool or agent that it calls."""

    @property
    def alias(self) -> str:
        """Its `_alias=`, or ""."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Its `_labels=`."""

    @property
    def title(self) -> str:
        """How it is shown."""


NodeT = TypeVar("NodeT", bound=Selectable)


class Selecting(Generic[NodeT]):
    """A graph whose nodes can be selected: everything but `node` and `nodes` gives ids, in the order of the nodes."""

    graph_id: str
    _nodes: Mapping[str, NodeT]  # by id

    @property
    def nodes(self) -> list[NodeT]:
        """Its nodes, in their order."""
        return list(self._nodes.values())

    def list_nodes(self) -> list[NodeT]:
        """As `nodes`."""
        return self.nodes

    def node_ids(self) -> list[str]:
        """Their ids."""
        return list(self._nodes)

    def node(self, node_id: str) -> NodeT:
        """The node of this id.

        Raises:
            LookupError: there is none.
        """
        if node_id not in self._nodes:
            raise LookupError(f"{self.graph_id} has no node {node_id!r}; its nodes are: {known(self._nodes)}")
        return self._nodes[node_id]

    def get_by_id(self, node_id: str) -> str:
        """`node_id`, if there is such a node."""
        return self.node(node_id).node_id

    def get_by_alias(self, alias: str) -> str:
        """The node with this alias."""
        return self.pick_one(f"@{alias}")

    def find_by_label(self, label: str) -> list[str]:
        """The nodes with this label."""
        return self._where(lambda node: label in node.labels)

    def find_by_logic(self, logic: str) -> list[str]:
        """The nodes that call the tool or agent of this name."""
        return self._where(lambda node: node.logic == logic)

    def find_by_display(self, name: str) -> list[str]:
        """The nodes that are shown under this name (`_name=`)."""
        return self._where(lambda node: node.title == name)

    def _where(self, fits: Callable[[NodeT], bool]) -> list[str]:
        return [name for name, node in self._nodes.items() if fits(node)]

    def pick_all(self, selector: str) -> list[str]:
        """The nodes that a selector names, in their order.

        Args:
            selector: `@alias`, `#label`, `id:the_id`, `logic:tool_name`, `name:shown name`, `/regular expression/` of
                ids, or the beginning of an id; an id itself names only that node.
        """
        wanted = selector.strip()
        kind, colon, rest = wanted.partition(":")
        if wanted.startswith("@"):
            return self._where(lambda node: node.alias == wanted[1:])
        if wanted.startswith("#"):
            return self.find_by_label(wanted[1:])
        if len(wanted) > 1 and wanted.startswith("/") and wanted.endswith("/"):
            pattern = re.compile(wanted[1:-1])
            return self._where(lambda node: bool(pattern.search(node.node_id)))
        if colon and kind == "id":
            return self._where(lambda node: node.node_id == rest)
        if colon and kind == "logic":
            return self.find_by_logic(rest)
        if colon and kind == "name":
            return self.find_by_display(rest)
        if wanted in self._nodes:
            return [wanted]
        return self._where(lambda node: bool(wanted) and node.node_id.startswith(wanted))

    def pick_one(self, selector: str) -> str:
        """The one node that a selector names.

        Raises:
            LookupError: it names none, or several.
        """
        found = self.pick_all(selector)
        if len(found) != 1:
            told = f"names {len(found)} nodes ({', '.join(found)})" if found else f"names none of: {known(self._nodes)}"
            raise LookupError(f"{selector!r} {told}")
        return found[0]

    def select(self, selector: str, *, first: bool = False) -> str | list[str] | None:
        """As `pick_all`; with `first` the first of them, or None."""
        found = self.pick_all(selector)
        return (found[0] if found else None) if first else found
