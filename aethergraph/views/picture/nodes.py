"""Nodes: they start, run again, fail an attempt, end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...record import facts as f
from ...record.status import NodeStatus
from .. import messages
from .canvas import Canvas
from .parts import Node
from .questions import answered, close_ask

SAID = frozenset({"say", "phase"}) | messages.KINDS


def _node_started(canvas: Canvas, fact: f.NodeStarted) -> None:
    if fact.no in canvas.nodes:
        _again(canvas, canvas.nodes[fact.no], fact)
        return
    node = _new(canvas, fact, fact.kind, canvas.clock(fact.t))
    node.execution, node.why = fact.execution, fact.why


def _node_skipped(canvas: Canvas, fact: f.NodeSkipped) -> None:
    node = canvas.nodes.get(fact.no)
    if node is None:
        node = _new(canvas, fact, fact.kind, canvas.clock(fact.t))
    node.why, node.ended = fact.why, canvas.clock(fact.t)
    canvas.move(node, NodeStatus.SKIPPED)


def _nodes_left(canvas: Canvas, fact: f.NodesLeft) -> None:
    for no in fact.nos:
        node = canvas.nodes[no]
        node.why = f.UNCALLED
        canvas.move(node, NodeStatus.SKIPPED)
        canvas.shelve(no)


def _node_ran(canvas: Canvas, fact: f.NodeRan) -> None:
    began, ended = canvas.clock(fact.t), canvas.clock(fact.t + fact.took)
    node = canvas.nodes.get(fact.no)
    if node is None:
        node = _new(canvas, fact, f.TOOL, began)
    else:
        canvas.forget(fact.no)
        node.began, node.args = began, fact.args
    _finish(canvas, node, fact, ended)


def _new(canvas: Canvas, fact: f.NodeStarted | f.NodeRan | f.NodeSkipped, kind: str, began: float) -> Node:
    node = Node(
        fact.no, fact.node_id, fact.callee, kind, fact.scope, fact.args, fact.deps, fact.after, began,
        fact.node_id, epoch=canvas.epoch,
    )  # fmt: skip
    canvas.nodes[fact.no] = node
    canvas.numbers[fact.key] = fact.no
    if fact.key in canvas.marks:
        _mark(node, canvas.marks[fact.key])
    canvas.changed.shape |= canvas.groups.add(fact.no, fact.callee, fact.scope, fact.deps or fact.after)
    canvas.groups.of[fact.no].move(None, NodeStatus.RUNNING)
    canvas.counts[NodeStatus.RUNNING] += 1
    canvas.busy.add(fact.no)
    canvas.changed.head = True
    canvas.changed.nodes.add(fact.no)
    return node


def _call_marked(canvas: Canvas, fact: f.CallMarked) -> None:
    canvas.marks[fact.key] = fact
    node = canvas.nodes.get(canvas.numbers.get(fact.key, 0))
    if node is not None:
        _mark(node, fact)
        canvas.changed.nodes.add(node.no)


def _mark(node: Node, marks: f.CallMarked) -> None:
    node.alias, node.labels, node.name = marks.alias, tuple(marks.labels), marks.name


def _again(canvas: Canvas, node: Node, fact: f.NodeStarted) -> None:
    """The node runs once more.

    What an earlier execution said and saved goes; a node that was in flight keeps its execution, and its effects.
    """
    canvas.transcript.supersede(node.no, SAID, before=fact.execution)
    stale = [key for key, one in canvas.artifacts.items() if one.scope == node.no and one.execution < fact.execution]
    for key in stale:
        del canvas.artifacts[key]
        canvas.changed.artifacts = True
    canvas.forget(node.no)
    node.args, node.deps, node.after, node.why = fact.args, fact.deps, fact.after, fact.why
    node.began, node.ended, node.value, node.error = canvas.clock(fact.t), None, b"", None
    if fact.execution != node.execution:  # one that was in flight counts its attempts on
        canvas.uses.pop(node.no, None)
        node.attempt, node.failures = 1, []
    node.execution, node.volatile, node.epoch = fact.execution, "", canvas.epoch
    canvas.move(node, NodeStatus.RUNNING)


def _node_done(canvas: Canvas, fact: f.NodeDone) -> None:
    node = canvas.nodes[fact.no]
    _finish(canvas, node, fact, canvas.clock(fact.t))
    if node.kind == f.WAIT:
        answered(canvas, node)


def _finish(canvas: Canvas, node: Node, fact: f.NodeDone | f.NodeRan, ended: float) -> None:
    node.ended, node.value, node.error = ended, fact.value, fact.error
    node.attempt, node.volatile, node.epoch = fact.attempt, fact.volatile, canvas.epoch
    if fact.volatile and fact.ok:
        text = f"will run again on resume: {fact.volatile}"
        canvas.transcript.add(ended, "log", text, node.no, key=("volatile", node.no), execution=node.execution)
    canvas.move(node, NodeStatus.DONE if fact.ok else NodeStatus.FAILED)


def _attempt_failed(canvas: Canvas, fact: f.AttemptFailed) -> None:
    node = canvas.nodes[fact.no]
    node.failures.append(fact)
    node.attempt = fact.attempt + 1
    canvas.clock(fact.t)
    notes = node.notes
    if notes is not None:
        notes.bars.clear()
    canvas.undraw(fact.no)
    canvas.changed.nodes.add(fact.no)


def _call_cancelled(canvas: Canvas, fact: f.CallCancelled) -> None:
    node = canvas.nodes.get(canvas.numbers.get(fact.key, fact.no))
    if node is not None:
        close_ask(canvas, node)
        node.ended = canvas.clock(canvas.last)
        canvas.move(node, NodeStatus.CANCELLED)


def _cached(canvas: Canvas, fact: f.Cached) -> None:
    node = canvas.nodes[fact.no]
    node.why = f"the same as {fact.node_id} of run {fact.run_id}, which took {fact.took:.3g} s"
    canvas.move(node, NodeStatus.REUSED)


FOLD: dict[type[f.Fact], Callable[[Canvas, Any], None]] = {
    f.NodeStarted: _node_started,
    f.Cached: _cached,
    f.NodeDone: _node_done,
    f.NodeRan: _node_ran,
    f.NodeSkipped: _node_skipped,
    f.NodesLeft: _nodes_left,
    f.AttemptFailed: _attempt_failed,
    f.CallCancelled: _call_cancelled,
    f.CallMarked: _call_marked,
}
