"""Questions: opened, refused, answered, withdrawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...record import facts as f
from ...record import forms, schema
from ...record.status import NodeStatus
from ..labels import line
from .canvas import Canvas
from .parts import HIDDEN, Ask, Node, answer_text, error_text, plain


def _wait_opened(canvas: Canvas, fact: f.WaitOpened) -> None:
    node = canvas.nodes[fact.no]
    question = schema.decode(fact.question)
    for_people, name = question.by_person, line(question.name or question.prompt)[:60]
    node.label = name if question.kind == "timer" else f"{'ask' if for_people else node.callee}: {name}"
    old = canvas.asks.pop(fact.no, None) or canvas.awaited.pop(fact.no, None)
    since = canvas.clock(fact.t)
    asked = old.asked if old is not None and old.question == question else fact.t  # resumed, or refused: still open
    ask = Ask(fact.no, fact.token, question, asked, fact.deadline, fact.round, old.refused if old else "")
    (canvas.asks if for_people else canvas.awaited)[fact.no] = ask
    scope = canvas.nodes.get(node.scope)
    if old is None and scope is not None:
        scope.asking += 1
    canvas.move(node, NodeStatus.WAITING)
    canvas.changed.asks = canvas.changed.shape = True
    if not for_people:
        return
    entry = canvas.transcript.find(fact.no)
    if entry is None or not entry.open:
        entry = canvas.transcript.add(since, "ask", question.prompt, node.scope, key=fact.no)
    entry.open, entry.more = True, ""
    canvas.transcript.touch(entry)


def _wait_reserved(canvas: Canvas, fact: f.WaitReserved) -> None:
    canvas.clock(fact.t)
    canvas.move(canvas.nodes[fact.no], NodeStatus.PENDING)


def answered(canvas: Canvas, node: Node) -> None:
    """A question has its answer, or will have none."""
    ask = close_ask(canvas, node)
    entry = canvas.transcript.find(node.no)
    if ask is not None and entry is None and node.error is None:
        node.answer = _answer_text(ask, node)[:1000]
    if entry is None or ask is None:
        return
    if node.error is not None:
        entry.more = error_text(node.error)
        return
    node.answer = entry.more = HIDDEN if ask.question.silent else _answer_text(ask, node)
    if ask.question.silent:
        node.value = b""


def _answer_text(ask: Ask, node: Node) -> str:
    value = plain(node.value)
    return forms.told(value) if ask.question.kind == schema.FORM else answer_text(value)


def close_ask(canvas: Canvas, node: Node) -> Ask | None:
    """The question of `node` is no longer open; the question, or None where there was none."""
    ask = canvas.asks.pop(node.no, None) or canvas.awaited.pop(node.no, None)
    if ask is None:
        return None
    scope = canvas.nodes.get(node.scope)
    if scope is not None:
        scope.asking -= 1
    entry = canvas.transcript.find(node.no)
    if entry is not None:
        entry.open = False
        canvas.transcript.touch(entry)
    canvas.changed.asks = canvas.changed.head = True
    return ask


def _wait_refused(canvas: Canvas, fact: f.WaitRefused) -> None:
    ask = canvas.asks.get(fact.no) or canvas.awaited.get(fact.no)
    if ask is not None:
        ask.refused, ask.round = fact.why, fact.round
        canvas.changed.asks = True


def _wait_withdrawn(canvas: Canvas, fact: f.WaitWithdrawn) -> None:
    node = canvas.nodes[fact.no]
    ask = close_ask(canvas, node)
    canvas.transcript.supersede_key(fact.no)
    node.ended, node.why = canvas.clock(fact.t), fact.why
    if ask is not None and fact.why == f.ORPHANED:  # somebody may just have been about to answer it
        text = f"withdrawn, since {fact.why}: {line(ask.question.prompt)}"
        canvas.transcript.add(node.ended, "log", text, node.scope)
    if node.status in (NodeStatus.WAITING, NodeStatus.PENDING):
        canvas.move(node, NodeStatus.CANCELLED)


FOLD: dict[type[f.Fact], Callable[[Canvas, Any], None]] = {
    f.WaitReserved: _wait_reserved,
    f.WaitOpened: _wait_opened,
    f.WaitRefused: _wait_refused,
    f.WaitWithdrawn: _wait_withdrawn,
}
