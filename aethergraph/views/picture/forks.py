"""A fork: what came before is the past of another run, and one node is as if it had not run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...record import facts as f
from ...record.status import NodeStatus
from .canvas import Canvas
from .nodes import SAID
from .parts import Node, answer_text, plain
from .questions import close_ask


def _forked(canvas: Canvas, fact: f.Forked) -> None:
    canvas.parent = fact.parent
    canvas.forked_at = canvas.nodes[fact.no].node_id if fact.no else ""
    for no in [*canvas.asks, *canvas.awaited]:  # they are the parent's
        close_ask(canvas, canvas.nodes[no])
        canvas.transcript.supersede_key(no)
        canvas.move(canvas.nodes[no], NodeStatus.READY)
    inside = {fact.no} - {0}
    for node in canvas.nodes.values():  # a node comes after the one that it is inside of
        if node.scope in inside:
            inside.add(node.no)
        if node.no in inside:
            _undo(canvas, node)
    if fact.outputs:
        _give(canvas, canvas.nodes[fact.no], fact.outputs)
    canvas.changed.head = canvas.changed.shape = True


def _undo(canvas: Canvas, node: Node) -> None:
    canvas.forget(node.no)
    canvas.transcript.supersede(node.no, SAID)
    if node.kind == f.WAIT:
        canvas.transcript.supersede_key(node.no)
    canvas.uses.pop(node.no, None)
    for key in [key for key, one in canvas.artifacts.items() if one.scope == node.no]:
        del canvas.artifacts[key]
        canvas.changed.artifacts = True
    node.value, node.error, node.ended, node.answer, node.failures = b"", None, None, "", []
    canvas.move(node, NodeStatus.READY)


def _give(canvas: Canvas, node: Node, outputs: bytes) -> None:
    node.ended, node.value, node.why = node.began, outputs, "its outputs were given to the fork"
    canvas.move(node, NodeStatus.DONE)
    if node.kind == f.WAIT:
        node.answer = answer_text(plain(node.value))


FOLD: dict[type[f.Fact], Callable[[Canvas, Any], None]] = {f.Forked: _forked}
