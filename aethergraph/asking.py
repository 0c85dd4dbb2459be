"""Questions of a live run: open them durably, notice their answers, let somebody ask for them, keep their deadlines.

A question is a node of kind "wait" and a row of the store. Its answer reaches a body through the mailbox; an attempt
of a tool gets it at once. Whoever answers writes the row; the run reads it when told (`answered`) and when it opens
the question.
"""

from __future__ import annotations

import asyncio
import contextvars
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from . import facts as f
from . import ids, schema, waiting
from .alarms import Alarm
from .calls import CallHandle
from .desks import AttemptDesk
from .engine import HERE, Asker
from .errors import AlreadyAnswered, BadAnswer, NoOneToAsk, WaitTimeout
from .flow import Flow, Node, Todo
from .ids import Token
from .places import BodyPlace
from .schema import Question
from .status import NodeStatus

if TYPE_CHECKING:
    from .execution import Execution


class _Ask:
    """Stands where a tool stands in the handle of a call."""

    kind = f.WAIT
    pure = False
    is_async = True
    context_name = ""

    def __init__(self, name: str) -> None:
        self.name = name

    def validity(self) -> bytes:
        return b""


ASK = _Ask("ask")
_CALLEES = {"timer": _Ask("sleep")}  # by the kind of wait, where it is no question


@dataclass(slots=True)
class _Open:
    """A question that this process waits for."""

    handle: CallHandle
    question: Question
    asker: Asker | None
    in_body: bool
    shown: bool = False  # it is on disk, and whoever is to answer was told
    asking: asyncio.Task[None] | None = None
    deadline: float = 0.0
    alarm: Alarm | None = None


class Asking:
    """The open questions of one run."""

    def __init__(self, run: Execution) -> None:
        self._run = run
        self.open: dict[Token, _Open] = {}
        self._claimed: set[int] = set()  # wait nodes that this process's code asked
        self._orphans_done = False
        self.arrived: list[tuple[float, int, Token, _Open, waiting.WaitRow]] = []  # answers for bodies, by their time

    # ------------------------------------------------------------------ opening

    async def in_body(self, place: BodyPlace, question: Question, asker: Asker | None) -> Any:
        """A body asks."""
        callee = _CALLEES.get(question.kind, ASK)
        handle = CallHandle(self._run, place, callee, callee.name, (question.prompt,), {})
        handle.key = place.identity(callee.name, _fingerprint(question))
        handle.after = tuple(place.frontier)
        handle.awaited = True
        self._run.dispatch.flush()
        decision = self._run.flow.request(handle.key, ASK.validity)
        self._adopt(handle)
        reused = decision.todo is Todo.REUSE and not self._is_ambiguous(handle) and self._run.dispatch.reuse(handle)
        if decision.todo is Todo.PENDING:
            self._run.hold_back(handle.key, lambda: self._open(handle, question, asker, in_body=True))
        elif not reused:
            self._open(handle, question, asker, in_body=True)
        return await handle.future

    async def in_attempt(self, desk: AttemptDesk, question: Question, asker: Asker | None) -> Any:
        """An attempt of a tool asks. Its answers are carried over to later attempts, kills and edits."""
        run = self._run
        desk.check()
        place = BodyPlace(run, desk.place.handle.key, desk.no)
        handle = CallHandle(run, place, ASK, ASK.name, (question.prompt,), {})
        handle.key = desk.identity(ASK.name, _fingerprint(question), fresh=False)
        handle.awaited = True
        decision = run.flow.request(handle.key, ASK.validity)
        self._adopt(handle)
        node = handle.node
        if decision.todo is Todo.REUSE and node is not None and node.outcome is not None and node.outcome.ok:
            return run.codec.load(node.outcome.value)
        self._open(handle, question, asker, in_body=False)
        return await handle.future

    def _is_ambiguous(self, handle: CallHandle) -> bool:
        """Whether, after an edit of the body, several recorded answers would fit: then none is guessed.

        Equal questions are told apart by their number only, and an edit may have taken one of them away.
        """
        flow, asked = self._run.flow, handle.node
        now = flow.opened.body if flow.opened else b""
        if (
            asked is None
            or asked.scope
            or asked.callee != ASK.name
            or not now
            or not _answered_under_other(flow, asked, now)
        ):
            return False
        equal = [n for n in flow.nodes if n.scope == 0 and n.path == asked.path and _same_question(n, asked)]
        return sum(_answered_under_other(flow, node, now) for node in equal) > 1

    def _adopt(self, handle: CallHandle) -> None:
        node = self._run.flow.by_key.get(handle.key)
        if node is not None:
            handle.node, handle.no, handle.node_id = node, node.no, node.node_id
            self._claimed.add(node.no)
            self._run.validity.called(node)

    def _open(self, handle: CallHandle, question: Question, asker: Asker | None, *, in_body: bool) -> None:
        run = self._run
        node = handle.node
        if node is None:
            handle.node_id = run.flow.name(handle.callee)
        secret = run.flow.started.secret if run.flow.started else b""
        round_ = 1
        if node is not None:  # a recorded outcome that is not taken: its answer is no answer to this asking
            round_ = node.round + (node.outcome is not None)
            handle.execution = node.execution + (node.outcome is not None)
        token = ids.token(secret, handle.key + round_.to_bytes(2, "big"), handle.node_id)
        handle.token = token
        if node is None or node.status is not NodeStatus.WAITING or node.wait is None or node.wait.token != token:
            self._write(handle, question, token, round_)
        self._claimed.add(handle.no)
        one = _Open(handle, question, asker, in_body)
        self.open[token] = one
        run.mailbox.kick()  # it may be the last that happens for now
        run.when_committed(lambda: self._opened(token, one))

    def _write(self, handle: CallHandle, question: Question, token: Token, round_: int) -> None:
        run = self._run
        run.dispatch.node_started(handle)
        now = run.clock()
        deadline = now + question.timeout_s if question.timeout_s is not None else 0.0
        row = waiting.WaitRow(token, run.run_id, handle.node_id, handle.no, question, now, deadline)
        run.fact(f.WaitOpened(handle.no, token, schema.encode(question), now, deadline, round_), [waiting.open_op(row)])

    def _opened(self, token: Token, one: _Open) -> None:
        """The question is on disk: it may be shown, asked and answered."""
        if self._run.closed or one.handle.future.done():
            return
        one.shown = True
        if not self._look(token, one):
            return
        if one.asker is not None:
            context = contextvars.copy_context()
            context.run(HERE.set, None)
            one.asking = asyncio.Task(self._ask(token, one), loop=self._run.loop, context=context)
        self._run.runtime.inbox.opened(self._run, token, one.question)
        self._run.runtime.parking.quiet(self._run)  # it may have been quiet since before

    # ------------------------------------------------------------------ answers

    def answered(self, token: Token) -> None:
        """Somebody answered this question."""
        one = self.open.get(token)
        if one is not None:
            self._look(token, one)

    def _look(self, token: Token, one: _Open) -> bool:
        """Look at the row of a question; whether it is still open."""
        run = self._run
        row = waiting.read(run.runtime.store, token)
        if row is not None and row.state == "open" and 0 < row.deadline <= run.clock():
            row = waiting.expire(run.runtime.store, token, run.clock())
        if row is None:
            return token in self.open
        if row.state in ("answered", "timed out"):
            self._arrive(token, one, row)
            return False
        if row.deadline and one.alarm is None:
            one.deadline = row.deadline
            one.alarm = run.alarms.at(row.deadline, partial(self._look, token, one))
        return token in self.open

    def _arrive(self, token: Token, one: _Open, row: waiting.WaitRow) -> None:
        """There is an answer. Those that came while nobody was there to take them are taken in the order of their time.

        So a body's are only put down here: others may be found in the same moment, or further on in its replay.
        """
        if not one.in_body:
            self._take(token, one, row)
            return
        self.arrived.append((row.answered_at, one.handle.no, token, one, row))
        if not self._run.mailbox.replaying:
            self._run.loop.call_soon(self._take_arrived, context=self._run.loop.empty)

    def _take_arrived(self) -> None:
        if self._run.mailbox.replaying or self._run.closed:
            return
        arrived, self.arrived = self.arrived, []
        for _, _, token, one, row in sorted(arrived, key=lambda each: each[:2]):
            self._take(token, one, row)

    def _take(self, token: Token, one: _Open, row: waiting.WaitRow) -> None:
        if row.state == "answered":
            self._finish(token, one, row.value, None)
        else:
            self._finish(token, one, None, WaitTimeout(one.question.prompt, one.question.timeout_s or 0.0))

    def _finish(self, token: Token, one: _Open, value: Any, error: Exception | None) -> None:
        if self.open.pop(token, None) is None:
            return
        self._stop(one)
        handle = one.handle
        if handle.future.done() or self._run.closed:
            return
        self._run.delivery.answered(handle, value, error, through_mailbox=one.in_body)

    async def _ask(self, token: Token, one: _Open) -> None:
        """Let the asker get an answer, until one fits."""
        run, refused = self._run, ""
        asker = one.asker
        while asker is not None and token in self.open:
            try:
                value = await asker(one.question, token, refused)
            except NoOneToAsk as error:
                self._give_up(token, one, self._named(error, token, one))
                return
            except Exception as error:  # noqa: BLE001 (an adapter of the user's may raise anything)
                self._give_up(token, one, error)
                return
            try:
                await run.loop.run_in_executor(None, run.runtime.answer, token, value, f"asker-{token}")
                return
            except BadAnswer as error:
                refused = error.why
            except AlreadyAnswered:
                self._look(token, one)
                return

    def _named(self, error: NoOneToAsk, token: Token, one: _Open) -> NoOneToAsk:
        return NoOneToAsk(one.question.prompt, token, self._run.run_id, one.question.name or None, error.why)

    def _give_up(self, token: Token, one: _Open, error: Exception) -> None:
        """The caller gets the error; nothing is recorded, and the question stays open in the store."""
        if self.open.pop(token, None) is not None:
            self._stop(one)
            if not one.handle.future.done():
                one.handle.future.fail(error)

    # ------------------------------------------------------------------ closing

    def withdraw(self, handle: CallHandle) -> None:
        """The body does not wait for this question any more."""
        if not handle.token:
            return
        one = self.open.pop(Token(handle.token), None)
        if one is not None:
            self._stop(one)
        self._withdraw_node(handle.no, handle.token, "the code that asked gave up")

    def quiet(self) -> None:
        """Nothing of the run is ready: take what has arrived; the first time, withdraw what nobody asked again."""
        if self.arrived and not self._run.mailbox.replaying:
            self._take_arrived()
            return
        if not self._orphans_done and self._run.idle:
            self._orphans_done = True
            self.withdraw_all_unclaimed()
        self._run.runtime.runlist.parked(self._run)

    def withdraw_all_unclaimed(self) -> None:
        """Withdraw the open questions that this process's code never asked."""
        for node in self._run.flow.open_waits:
            if node.no not in self._claimed and node.wait is not None:
                self._withdraw_node(node.no, node.wait.token, "the code that asked is gone")

    def withdraw_all(self) -> None:
        """Withdraw every open question: the run is over."""
        for node in self._run.flow.open_waits:
            if node.wait is not None:
                self._withdraw_node(node.no, node.wait.token, "the run ended")

    def _withdraw_node(self, no: int, token: str, why: str) -> None:
        self._run.fact(f.WaitWithdrawn(no, self._run.clock(), why), [waiting.withdraw_op(token)])

    def _stop(self, one: _Open) -> None:
        if one.alarm is not None:
            self._run.alarms.cancel(one.alarm)
        if one.asking is not None and one.asking is not asyncio.current_task():
            one.asking.cancel()

    def still_open(self) -> list[tuple[Token, float]]:
        """Tokens and deadlines (0: none) of the questions that this process waits for."""
        return [(token, one.deadline) for token, one in self.open.items()]

    def close(self) -> None:
        """The run is over here; the questions stay as they are in the store."""
        for one in self.open.values():
            self._stop(one)
        self.open.clear()
        self.arrived.clear()


def _answered_under_other(flow: Flow, node: Node, body: bytes) -> bool:
    return node.outcome is not None and flow.body_at(node.outcome.position) != body


def _same_question(one: Node, other: Node) -> bool:
    if one.wait is None or other.wait is None:
        return False
    return _fingerprint(schema.decode(one.wait.question)) == _fingerprint(schema.decode(other.wait.question))


def _fingerprint(question: Question) -> bytes:
    """What makes two questions the same: not where or how long they are asked."""
    q = question
    return schema.encode(Question(q.kind, q.prompt, q.name, q.options, q.multiple, q.min, q.max, q.step))
