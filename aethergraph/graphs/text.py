"""A static graph as text: for people, for Graphviz and Mermaid, and as plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..views.labels import line
from .references import Condition, Reference, key_of, node_of, references
from .selecting import Selectable

if TYPE_CHECKING:  # a graph writes itself with this
    from .graph import GraphNode, TaskGraph

Edge = tuple[str, str, str]  # from, to, what goes along: the output's name, "after" or "if"


def edges(graph: TaskGraph) -> list[Edge]:
    """Every edge once, in the order of the nodes."""
    found: dict[Edge, None] = {}
    for node in graph.nodes:
        for one in references([node.args, dict(node.kwargs)]):
            if node_of(one):
                found[node_of(one), node.node_id, key_of(one) or "result"] = None
        for one in references(node.condition):
            if node_of(one):
                found[node_of(one), node.node_id, "if"] = None
        for other in node.after:
            found[other, node.node_id, "after"] = None
    return list(found)


def told(value: Any) -> str:
    """An argument on one line, references by name."""
    text = line(repr(value))
    return text if len(text) <= 60 else text[:59] + "…"


def call(node: GraphNode) -> str:
    """The call as it could be written."""
    shown = [told(value) for value in node.args] + [f"{name}={told(value)}" for name, value in node.kwargs.items()]
    return f"{node.logic}({', '.join(shown)})"


def marks(node: Selectable) -> list[str]:
    """`@alias` and each `#label`."""
    return [*([f"@{node.alias}"] if node.alias else []), *(f"#{label}" for label in node.labels)]


def pretty(graph: TaskGraph) -> str:
    """A head, and a line per node in topological order."""
    lines = [f"{graph.graph_id}({', '.join(graph.inputs)}) -> {', '.join(graph.outputs) or 'nothing'}"]
    width = max((len(name) for name in graph.node_ids()), default=0)
    for name in graph.topological_order():
        node = graph.node(name)
        extra = [f"after {', '.join(node.after)}"] if node.after else []
        if node.condition is not True:
            extra.append(f"if {told(node.condition)}")
        extra += marks(node)
        lines.append("  ".join([f"  {name:<{width}}", call(node), *extra]))
    lines += [f"  {name} = {told(value)}" for name, value in graph.outputs.items()]
    return "\n".join(lines)


def ascii_overview(graph: TaskGraph) -> str:
    """One line per level; a node stands one level after the last that it depends on."""
    rows = [", ".join(graph.inputs) or "no inputs", *map(row, graph.levels())]
    rows.append(", ".join(graph.outputs) or "no outputs")
    return "\n  |\n".join(rows)


def row(names: list[str]) -> str:
    """The nodes of a level."""
    return "   ".join(f"[{name}]" for name in names)


def to_dot(graph: TaskGraph) -> str:
    """Graphviz; ids are quoted, so any id will do."""
    lines = [f"digraph {quoted(graph.graph_id)} {{", "  rankdir=LR;", '  node [shape=box, style="rounded"];']
    for node in graph.nodes:
        shape = ", peripheries=2" if node.kind == "graph" else ""
        lines.append(f"  {quoted(node.node_id)} [label={quoted(node.title)}{shape}];")
    for start, end, what in edges(graph):
        style = " [style=dashed]" if what in ("after", "if") else f" [label={quoted(what)}]"
        lines.append(f"  {quoted(start)} -> {quoted(end)}{style};")
    return "\n".join([*lines, "}"]) + "\n"


def quoted(text: str) -> str:
    """For Graphviz."""
    return '"' + line(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def to_mermaid(graph: TaskGraph) -> str:
    """Mermaid; nodes are numbered, since its ids cannot hold what ours can."""
    number = {name: f"n{count}" for count, name in enumerate(graph.node_ids(), 1)}
    lines = ["flowchart LR"]
    for node in graph.nodes:
        left, right = ("[[", "]]") if node.kind == "graph" else ("[", "]")
        lines.append(f"  {number[node.node_id]}{left}{harmless(node.title)}{right}")
    for start, end, what in edges(graph):
        arrow = "-.->" if what in ("after", "if") else "-->"
        label = "" if what == "after" else f"|{harmless(what)}|"
        lines.append(f"  {number[start]} {arrow}{label} {number[end]}")
    return "\n".join(lines) + "\n"


def harmless(text: str) -> str:
    """For Mermaid."""
    return '"' + line(text).translate(_HARMLESS) + '"'


# Each begins something in a quoted text of Mermaid: an entity, HTML, Markdown, a formula, a directive, a line break.
_HARMLESS = str.maketrans(
    {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;"} | {char: f"#{ord(char)};" for char in "`$%\\"}
)


def spec(graph: TaskGraph) -> dict[str, Any]:
    """The graph as plain data: a reference is `{"ref": "node.output"}`, other objects are their repr."""
    return {
        "graph_id": graph.graph_id,
        "version": graph.version,
        "inputs": {"required": [n for n in graph.inputs if n not in graph.defaults], "optional": data(graph.defaults)},
        "outputs": data(graph.outputs),
        "nodes": [_node(graph.node(name)) for name in graph.node_ids()],
    }


def _node(node: GraphNode) -> dict[str, Any]:
    return {
        "node_id": node.node_id, "logic": node.logic, "kind": node.kind, "args": data(list(node.args)),
        "kwargs": data(dict(node.kwargs)), "dependencies": node.dependencies, "after": list(node.after),
        "condition": data(node.condition), "alias": node.alias, "labels": list(node.labels), "name": node.name,
    }  # fmt: skip


def data(value: Any) -> Any:
    """`value` as JSON can hold it: references by name, what is no plain data by its repr."""
    if isinstance(value, Reference):
        return {"ref": repr(value)[1:-1]}
    if isinstance(value, Condition):
        return {"condition": repr(value)}
    if isinstance(value, (list, tuple)):
        return [data(member) for member in value]
    if isinstance(value, dict):
        return {str(key): data(member) for key, member in value.items()}
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return {"repr": told(value)}


def diff(before: TaskGraph, after: TaskGraph) -> dict[str, list[str]]:
    """What became of the nodes of `before`."""
    old, new = ({node.node_id: _same(node) for node in graph.nodes} for graph in (before, after))
    return changes(old, new)


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[str]]:
    """Ids that only `new` has, only `old`, and that are something else in `new`."""
    return {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "modified": [name for name in new if name in old and new[name] != old[name]],
    }


def _same(node: GraphNode) -> str:
    return json.dumps(_node(node), sort_keys=True)
