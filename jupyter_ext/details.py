"""All that is known of one node, for the side panel of the run view."""

from __future__ import annotations

import ast
from typing import Any

from aethergraph.record.facts import GRAPH
from aethergraph.views.groups import Group
from aethergraph.views.labels import clean, line
from aethergraph.views.picture import Node, Picture, error_text, tried
from aethergraph.views.scene import shown

from .patches import arguments, artifact, outputs

MEMBERS = 2_000  # nodes of a box that are shown as a grid
_TEXT = 100_000  # characters of a log, traceback or source

Json = Any


def detail(picture: Picture, group: Group | None, key: int, no: int, source: str) -> Json:
    """What the panel shows for box `key`, or for its node `no` if that is not 0.

    `group`: the nodes of the box, where they are many. `source`: the stored source of the agent, in which the node's
    function is looked up.
    """
    about: dict[str, Json] = {"kind": "detail", "key": key, "asked": no}
    if not no and group is not None:
        members = [picture.nodes[one] for one in group.members[:MEMBERS]]
        rows = [[node.no, clean(node.label), shown(node).value] for node in members]
        return about | {"members": rows, "more": len(group.members) - len(rows), "label": ""}
    node = picture.nodes.get(no or key)
    return None if node is None else about | _node(picture, node, source)


def _node(picture: Picture, node: Node, source: str) -> Json:
    log = "" if node.notes is None else clean(node.notes.log.tail(_TEXT)).rstrip("\n")
    failures = [f"attempt {one.attempt}: {line(error_text(one.error)[:400])}" for one in node.failures]
    saved = [artifact(picture, node.no, record) for record in picture.saved_by(node.no)]
    return {
        "no": node.no,
        "label": clean(node.label),
        "status": shown(node).value,
        "began": node.began,
        "ended": node.ended,
        "tried": " · ".join(filter(None, [*map(line, node.marks), tried(node)])),
        "execution": node.execution,
        "inputs": arguments(node.args),
        "outputs": outputs(node.value),
        "failures": failures,
        "error": "" if node.error is None else clean(error_text(node.error))[:2000],
        "traceback": _traceback(node),
        "why": f"runs again: {clean(node.why)}" if node.why else "",
        "volatile": f"will run again on resume: {clean(node.volatile)}" if node.volatile else "",
        "log": log,
        "lastly": log.rpartition("\n")[2][:200],
        "code": clean(code_of(source, node.callee))[:_TEXT],
        "artifacts": saved,
        "figures": [] if node.notes is None else node.notes.figures[-20:],
        "shows": [] if node.notes is None else [_shown(one) for one in node.notes.shows[-20:]],
        "members": [],
        "inner": _inner(picture, node),
    }


def _traceback(node: Node) -> str:
    parts = [one.error.traceback for one in node.failures]
    if node.error is not None:
        text = node.error.traceback
        parts += [text, *(note for note in node.error.notes if note not in text)]
    return clean("\n".join(part.rstrip() for part in parts if part))[-_TEXT:]


def _shown(mimes: dict[str, str]) -> Json:
    """What `display` gave, as picture or text: markup of a user's is not shown in the view."""
    return {"png": mimes.get("image/png", ""), "text": clean(mimes.get("text/plain", ""))[:_TEXT]}


def _inner(picture: Picture, node: Node) -> str:
    count = sum(len(group.members) for group in picture.groups.within.get(node.no, ()))
    return f"{count} node{'s' if count != 1 else ''} inside" if count and node.kind == GRAPH else ""


def code_of(source: str, name: str) -> str:
    """The definition of function `name` in `source`, with its decorators; "" where it is not in there."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ""
    for part in ast.walk(tree):
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and part.name == name:
            first = min([part.lineno, *(decorator.lineno for decorator in part.decorator_list)])
            return "\n".join(source.splitlines()[first - 1 : part.end_lineno])
    return ""
