"""The course of the run: it starts, is opened again, ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...record import facts as f
from ...record.status import NodeStatus, RunStatus
from .canvas import ALIVE, Canvas
from .parts import error_text
from .questions import close_ask

_UNCLAIMED = {
    NodeStatus.RUNNING: NodeStatus.CANCELLED,
    NodeStatus.WAITING: NodeStatus.CANCELLED,
    NodeStatus.READY: NodeStatus.SKIPPED,
}
_CUT_OFF = {NodeStatus.RUNNING: NodeStatus.CANCELLED, NodeStatus.READY: NodeStatus.SKIPPED}


def _run_started(canvas: Canvas, fact: f.RunStarted) -> None:
    canvas.run_id, canvas.name, canvas.inputs = fact.run_id, fact.name, fact.inputs
    canvas.definition, canvas.session = fact.definition, fact.session
    canvas.continues, canvas.generation = fact.continues, fact.generation
    canvas.is_session = fact.kind == f.SESSION
    canvas.opened = canvas.last = fact.t
    canvas.changed.head = True


def _run_opened(canvas: Canvas, fact: f.RunOpened) -> None:
    """Somebody took the run up. What was done is reused from now on; what was running is to be done again."""
    if canvas.epoch:
        canvas.spent = canvas.clock(canvas.last)
        canvas.opened = canvas.last = fact.t
        _reopen(canvas)
    else:
        canvas.opened = min(canvas.opened, fact.t)  # a fork's clock begins with its parent's
    canvas.epoch, canvas.status, canvas.why, canvas.error = fact.epoch, RunStatus.RUNNING, "", None
    canvas.transcript.supersede_key("error")
    canvas.changed.head = True


def _reopen(canvas: Canvas) -> None:
    canvas.forget(0)
    for node in canvas.nodes.values():
        if node.status is NodeStatus.DONE:
            canvas.move(node, NodeStatus.REUSED)
        elif node.status is NodeStatus.SKIPPED and node.why == f.UNCALLED:  # it may be called again
            node.why = ""
            canvas.move(node, NodeStatus.FAILED if node.error else NodeStatus.REUSED)
            canvas.unshelve(node.no)
        elif node.status is NodeStatus.RUNNING:
            canvas.forget(node.no)
            if node.kind != f.GRAPH:
                canvas.move(node, NodeStatus.READY)


def _end(canvas: Canvas, status: RunStatus, t: float, left: dict[NodeStatus, NodeStatus]) -> None:
    ended = canvas.clock(t)
    canvas.status = status
    for no in sorted(canvas.busy):
        node = canvas.nodes[no]
        if node.status in left:
            if node.status is NodeStatus.RUNNING:
                node.ended = ended
            canvas.move(node, left[node.status])
    canvas.changed.head = True


def _run_done(canvas: Canvas, fact: f.RunDone) -> None:
    canvas.outputs = fact.value
    _end(canvas, RunStatus.DONE, fact.t, _UNCLAIMED)


def _continued(canvas: Canvas, fact: f.RunContinued) -> None:
    canvas.why = f"it goes on as {fact.run_id}"
    canvas.outputs = b"m" + msgspec.msgpack.encode({"successor": fact.run_id})
    _end(canvas, RunStatus.DONE, fact.t, _UNCLAIMED)
    canvas.transcript.add(canvas.clock(fact.t), "phase", f"goes on as: {fact.run_id}", 0, key="continued")
    canvas.changed.head = True


def _run_failed(canvas: Canvas, fact: f.RunFailed) -> None:
    canvas.error = fact.error
    _end(canvas, RunStatus.FAILED, fact.t, _CUT_OFF)
    t = canvas.clock(fact.t)
    canvas.transcript.add(t, "error", error_text(fact.error), 0, key="error")


def _run_paused(canvas: Canvas, fact: f.RunPaused) -> None:
    canvas.why = fact.why
    _end(canvas, RunStatus.PAUSED, fact.t, {NodeStatus.RUNNING: NodeStatus.READY})


def _run_cancelled(canvas: Canvas, fact: f.RunCancelled) -> None:
    canvas.why = fact.by
    for no in [*canvas.asks, *canvas.awaited]:
        close_ask(canvas, canvas.nodes[no])
    _end(canvas, RunStatus.CANCELLED, fact.t, dict.fromkeys(ALIVE, NodeStatus.CANCELLED))


FOLD: dict[type[f.Fact], Callable[[Canvas, Any], None]] = {
    f.RunStarted: _run_started,
    f.RunOpened: _run_opened,
    f.RunDone: _run_done,
    f.RunFailed: _run_failed,
    f.RunPaused: _run_paused,
    f.RunCancelled: _run_cancelled,
    f.RunContinued: _continued,
}
