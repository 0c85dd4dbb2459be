"""A graph whose names would break the quoting of any language."""

from __future__ import annotations

from aethergraph.graphs.graph import GraphNode, TaskGraph
from aethergraph.graphs.references import Reference

NAMES = [
    'the "large" one', "it's", "a[0]", "{b}", "(c)", "<d>", "<b>bold</b>", "<script>alert(1)</script>", "end", "graph",
    "subgraph", "node", "strict", "a-->b", "a -> b;", "x|y", "#quot;", "#35;", "&amp;", "%% comment", "%%{init: {}}%%",
    "`tick`", "`**bold**`", "back\\slash", "ends in \\", '\\"', "two\nlines", "tab\there", "Größe ∑ 数据 🚀", "a:::b",
    "style n1 fill:red", "click n1 href", "1. list", "- item", "# head", "$$x^2$$", "\\n", "\\N", "\\G", "//", "/*",
]  # fmt: skip


def target(x: object) -> object:
    """What all nodes call."""
    return x


def hostile() -> TaskGraph:
    """A chain of nodes with these names as ids, shown names and outputs, which also follow and condition each other."""
    nodes: list[GraphNode] = []
    for number, name in enumerate(NAMES):
        before = nodes[-1] if nodes else None
        given = (Reference(before.node_id, NAMES[number - 1]),) if before else ()
        nodes.append(
            GraphNode(
                f"{name} ({number})",
                "target",
                "graph" if number % 3 == 1 else "tool",
                target,
                args=given,
                outputs=(name,),
                after=(nodes[-2].node_id,) if number > 1 and number % 2 else (),
                condition=given[0] == name if given and number % 4 == 0 else True,
                name=name,
            )
        )
    return TaskGraph('of "all" kinds\n<b>', nodes)
