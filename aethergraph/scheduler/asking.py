"""Questions of a live run: open them durably, notice their answers, let somebody ask for them, keep their deadlines.

A question is a node of kind "wait" and a row of the store. Its answer reaches a body through the mailbox; an attempt
of a tool gets it at once. Whoever answers writes the row; the run reads it when told (`answered`) and when it opens
the question.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from .. import ids
from ..engine import ANSWERED, HERE, Asker, LeftOpen
from ..errors import AlreadyAnswered, BadAnswer, NoOneToAsk, WaitTimeout
from ..ids import Key, Token
from ..perobject import PerObject
from ..record import facts as f
from ..record import schema
from ..record.flow import Node, Todo
from ..record.schema import Question
from ..record.status import NodeStatus
from ..storage import waiting
from .alarms import Alarm
from .calls import CallHandle
from .desks import AttemptDesk
from .places import BodyPlace

if TYPE_CHECKING:
    from .execution import Execution

TURNS = 8  # of the loop: so long a question stays off the disk where its run is about to come to rest


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


ASK, WAIT = _Ask("ask"), _Ask("wait")
_TARGETS = {"timer": _Ask("sleep"), schema.EVENT: _Ask("event")}  # by the kind of wait, where it is no question


class _Open(msgspec.Struct):
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
        self._kept: dict[Token, CallHandle] = {}  # addresses that were taken, and not waited at yet
        self._texts = PerObject(_own_code)  # fingerprints of what asks
        self._claimed: set[int] = set()  # wait nodes that this process's code asked
        self._orphans_done = False
        self.opening = 0  # questions that are written, and whose commit is asked for in a moment
        # On disk since before: all that a replay asks again is looked at together, when it is at rest.
        self._known: list[tuple[Token, _Open]] = []
        self.arrived: list[tuple[float, int, Token, _Open, waiting.WaitRow]] = []  # answers for bodies, by their time

    # ------------------------------------------------------------------ opening

    async def in_body(self, place: BodyPlace, question: Question, asker: Asker | None) -> Any:
        """A body asks."""
        target = _TARGETS.get(question.kind, ASK)
        handle = self.handle(place, target, place.identity(target.name, _fingerprint(question)), question.prompt)
        handle.after = tuple(place.frontier)
        self._run.dispatch.flush()
        self.begin(handle, question, asker)
        return await handle.future

    def handle(self, place: BodyPlace, target: _Ask, key: Key, prompt: str) -> CallHandle:
        """The wait of this identity, with what is on record of it."""
        handle = CallHandle(self._run, place, target, target.name, (prompt,), {})
        handle.key = key
        handle.awaited = True
        self._adopt(handle)
        return handle

    def begin(self, handle: CallHandle, question: Question, asker: Asker | None) -> None:
        """Give the recorded answer through the mailbox, or ask."""
        run, place = self._run, handle.place
        body = self._text(place.no, run.bodies.get(place.no))
        decision = run.flow.request(handle.key, ASK.validity)
        reused = decision.todo is Todo.REUSE and not self._is_ambiguous(handle, body) and run.dispatch.reuse(handle)
        if decision.todo is Todo.PENDING:
            run.hold_back(handle.key, lambda: self.ask(handle, question, asker, body))
        elif not reused:
            self.ask(handle, question, asker, body)

    async def in_attempt(self, desk: AttemptDesk, question: Question, asker: Asker | None) -> Any:
        """An attempt of a tool asks. Its answers are carried over to later attempts, kills and edits."""
        run = self._run
        desk.check()
        place = BodyPlace(run, desk.place.handle.key, desk.no)
        target = _TARGETS.get(question.kind, ASK)
        key = desk.identity(target.name, _fingerprint(question), fresh=False)
        handle = self.handle(place, target, key, question.prompt)
        decision = run.flow.request(handle.key, ASK.validity)
        body = self._text(desk.no, desk.place.handle.target)
        outcome = handle.node.outcome if handle.node is not None else None
        reusable = decision.todo is Todo.REUSE and outcome is not None and outcome.ok
        if outcome is not None and reusable and not self._is_ambiguous(handle, body):
            return run.codec.load(outcome.value)
        self.ask(handle, question, asker, body, in_body=False)
        return await handle.future

    def _text(self, no: int, target: Any) -> bytes:
        """The fingerprint of the text that asks; that of the run's own body was taken when the run was opened."""
        if not no:
            return self._run.flow.opened.body if self._run.flow.opened else b""
        return self._texts(target) if target is not None else b""  # between its stages no text of a node asks

    def _is_ambiguous(self, handle: CallHandle, body: bytes) -> bool:
        """Whether, after an edit of the text that asks, several recorded answers would fit: then none is guessed.

        Equal questions are told apart by their number only, and an edit may have taken one of them away.
        """
        asked = handle.node
        if asked is None or asked.callee != ASK.name or not body or not _answered_under_other(asked, body):
            return False
        alike = (
            n for n in self._run.flow.nodes if n.kind == f.WAIT and n.scope == asked.scope and n.path == asked.path
        )
        return sum(_same_question(n, asked) and _answered_under_other(n, body) for n in alike) > 1

    def _adopt(self, handle: CallHandle) -> None:
        node = self._run.flow.by_key.get(handle.key)
        if node is not None:
            handle.node, handle.no, handle.node_id = node, node.no, node.node_id
            self._claimed.add(node.no)
            self._run.validity.called(node)

    def reserve(self, handle: CallHandle) -> Token:
        """Let the token of a wait be known before what it asks is. Given out only once it is on disk."""
        run = self._run
        token, round_ = self._address(handle)
        if handle.node is None or handle.node.token != token:
            run.new(handle.place, lambda: "takes the address of a wait")
            run.dispatch.node_started(handle)
            now = run.clock()
            row = waiting.WaitRow(token, run.run_id, handle.node_id, handle.no, Question(schema.EXTERNAL, ""), now)
            run.fact(f.WaitReserved(handle.no, token, now, round_), [waiting.reserve_op(row)])
        self._claimed.add(handle.no)
        return token

    # ------------------------------------------------------------------ addresses that are given out before

    def reserved(self, place: BodyPlace, name: str) -> Token:
        """A body takes the address of a wait."""
        return self._keep(self.handle(place, WAIT, place.identity(WAIT.name, name.encode()), name))

    def reserved_in_attempt(self, desk: AttemptDesk, name: str) -> Token:
        """An attempt of a tool takes one: the same in each attempt."""
        place = BodyPlace(self._run, desk.place.handle.key, desk.no)
        return self._keep(self.handle(place, WAIT, desk.identity(WAIT.name, name.encode(), fresh=False), name))

    def _keep(self, handle: CallHandle) -> Token:
        node = handle.node
        known = node is not None and (node.outcome is not None or node.wait is not None)
        token = Token(node.token) if node is not None and known and node.token else self.reserve(handle)
        self._kept[token] = handle
        return token

    def _kept_at(self, token: str) -> CallHandle:
        handle = self._kept.pop(Token(token), None)
        if handle is None:
            raise ValueError(
                f"wait_for_resume({token!r:.60}): that is no token of `await context.create_continuation()` in this "
                f"body, or it was waited for before"
            )
        return handle

    async def wait_in_body(self, place: BodyPlace, token: str, question: Question) -> Any:
        """A body waits at an address that it took before."""
        handle = self._kept_at(token)
        handle.after = tuple(place.frontier)
        self._run.dispatch.flush()
        self.begin(handle, question, None)
        return await handle.future

    async def wait_in_attempt(self, desk: AttemptDesk, token: str, question: Question) -> Any:
        """An attempt waits at an address that it took before."""
        desk.check()
        handle = self._kept_at(token)
        outcome = handle.node.outcome if handle.node is not None else None
        if outcome is not None and outcome.ok:
            return self._run.codec.load(outcome.value)
        self.ask(handle, question, None, b"", in_body=False)
        return await handle.future

    def ask(
        self, handle: CallHandle, question: Question, asker: Asker | None, body: bytes, *, in_body: bool = True
    ) -> None:
        """Ask, whatever is on record. `body` is the fingerprint of the text that asks."""
        run = self._run
        token, round_ = self._address(handle)
        node = handle.node
        is_open = node is not None and node.status is NodeStatus.WAITING and node.token == token
        known = node is not None and is_open and node.wait is not None and node.wait.body == body
        if not known:
            run.new(handle.place, lambda: f"waits for {question.prompt!r:.200}")
            self._write(handle, question, token, round_, body)
        self._claimed.add(handle.no)
        one = _Open(handle, question, asker, in_body)
        self.open[token] = one
        run.mailbox.kick()  # it may be the last that happens for now
        if known and in_body:
            self._known.append((token, one))
            return
        self.opening += 1
        run.loop.call_soon(self._open, token, one, TURNS, context=run.loop.empty)

    def _open(self, token: Token, one: _Open, turns: int) -> None:
        """Put it on disk: when the run has come to rest if that is soon, so that its row, which says so, goes along."""
        run = self._run
        if turns and run.mailbox.moving and not run.closed:
            run.loop.call_soon(self._open, token, one, turns - 1, context=run.loop.empty)
            return
        self.opening -= 1
        run.when_committed(partial(self._opened, token, one))

    def _address(self, handle: CallHandle) -> tuple[Token, int]:
        """Token and round of what `handle` asks now; a recorded outcome that is not taken is no answer to it."""
        run, node = self._run, handle.node
        if node is None:
            if not handle.node_id:
                handle.node_id = run.flow.name(handle.callee)
        elif node.outcome is not None:
            handle.execution = node.execution + 1
        else:
            handle.execution = node.execution
        round_ = 1 if node is None else node.round + (node.outcome is not None)
        secret = run.flow.started.secret if run.flow.started else b""
        handle.token = ids.token(secret, handle.key + round_.to_bytes(2, "big"), handle.node_id)
        return Token(handle.token), round_

    def _write(self, handle: CallHandle, question: Question, token: Token, round_: int, body: bytes) -> None:
        run, node = self._run, handle.node
        if node is None or node.token != token or node.status not in (NodeStatus.WAITING, NodeStatus.PENDING):
            run.dispatch.node_started(handle)
        now = run.clock()
        deadline = now + question.timeout_s if question.timeout_s is not None else 0.0
        row = waiting.WaitRow(token, run.run_id, handle.node_id, handle.no, question, now, deadline)
        opened = f.WaitOpened(handle.no, token, schema.encode(question), now, deadline, round_, body)
        run.fact(opened, [waiting.open_op(row)])

    def _opened(self, token: Token, one: _Open) -> None:
        """The question is on disk: it may be shown, asked and answered."""
        if self._run.closed or one.handle.future.done():
            return
        one.shown = True
        if one.question.kind == schema.EVENT and self._run.events.opened(token, one.question.name):
            return
        row, node = self._look(token, one), one.handle.node
        if row is None or node is None:
            return
        if row.refused and node.refused < row.round:  # what was kept for it did not fit: who answers next is told
            self._run.fact(f.WaitRefused(node.no, row.round, row.refused, self._run.clock()))
            self._run.journal.nudge()
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

    def _look(self, token: Token, one: _Open) -> waiting.WaitRow | None:
        """Look at the row of a question; it, where the question is still open."""
        run = self._run
        if self.open.get(token) is not one:  # it has its answer: in the store, too, once that is committed
            return None
        row = waiting.read(run.runtime.store, token, over=run.woken)  # it comes back since one of its waits is over
        if row is not None and row.state == "open" and one.question.kind == schema.EVENT:
            row = run.events.offer(token, row) or row
        if row is not None and row.state == "open" and 0 < row.deadline <= run.clock():
            row = waiting.expire(run.runtime.store, token, run.clock())
        if row is None:
            return None
        if row.state in ("answered", "timed out"):
            self._arrive(token, one, row)
            return None
        if row.deadline and one.alarm is None:
            one.deadline = row.deadline
            one.alarm = run.alarms.at(row.deadline, partial(self._look, token, one))
        return row if token in self.open else None

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
            self._finish(token, one, row, row.value, None)
        else:
            self._finish(token, one, row, None, WaitTimeout(one.question.prompt, one.question.timeout_s or 0.0))

    def _finish(self, token: Token, one: _Open, row: waiting.WaitRow, value: Any, error: Exception | None) -> None:
        if self.open.pop(token, None) is None:
            return
        self._stop(one, ANSWERED if row.state == "answered" else None)
        self._run.events.take(token, row)
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
            except LeftOpen:
                return
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
            self._run.events.give_up(Token(handle.token))
        self._withdraw_node(handle.no, handle.token, "the code that asked gave up")

    def quiet(self) -> None:
        """Nothing of the run is ready: take what has arrived; the first time, withdraw what nobody asked again."""
        known, self._known = self._known, []
        for token, one in known:
            self._opened(token, one)
        if self.arrived and not self._run.mailbox.replaying:
            self._take_arrived()
            return
        if not self._orphans_done and self._run.idle:
            self._orphans_done = True
            self.withdraw_all_unclaimed()
        self._run.runtime.runlist.parked(self._run)

    def withdraw_all_unclaimed(self) -> None:
        """Withdraw the open questions that this process's code never asked."""
        for node in self._run.flow.addresses:
            if node.no not in self._claimed:
                self._withdraw_node(node.no, node.token, f.ORPHANED)

    def withdraw_all(self) -> None:
        """Withdraw every open question: the run is over."""
        for node in self._run.flow.addresses:
            self._withdraw_node(node.no, node.token, "the run ended")

    def _withdraw_node(self, no: int, token: str, why: str) -> None:
        self._run.fact(f.WaitWithdrawn(no, self._run.clock(), why), [waiting.withdraw_op(token)])

    def _stop(self, one: _Open, why: str | None = None) -> None:
        if self._run.budget is not None:
            self._run.budget.work()
        if one.alarm is not None:
            self._run.alarms.cancel(one.alarm)
        if one.asking is not None and one.asking is not asyncio.current_task():
            one.asking.cancel(why)

    def is_asked(self, token: str) -> bool:
        """Whether somebody here is being asked this moment: a person, or a script that takes its time. Any thread."""
        one = self.open.get(Token(token))
        return one is not None and (not one.shown or (one.asking is not None and not one.asking.done()))

    def still_open(self) -> list[tuple[Token, float]]:
        """Tokens and deadlines (0: none) of the questions that this process waits for."""
        return [(token, one.deadline) for token, one in self.open.items()]

    def close(self) -> None:
        """The run is over here; the questions stay as they are in the store."""
        for one in self.open.values():
            self._stop(one)
        self.open.clear()
        self.arrived.clear()


def _own_code(target: Any) -> bytes:
    own: Callable[[], bytes] | None = getattr(target, "own_code", None)
    return own() if own is not None else b""


def _answered_under_other(node: Node, body: bytes) -> bool:
    """Whether another text than `body` had asked when the answer came."""
    return node.outcome is not None and node.wait is not None and node.wait.body not in (b"", body)


def _same_question(one: Node, other: Node) -> bool:
    return (
        one.wait is not None
        and other.wait is not None
        and is_same(one.wait.question, schema.decode(other.wait.question))
    )


def is_same(recorded: bytes, question: Question) -> bool:
    """Whether a recorded question asks the same: not where or how long."""
    return _fingerprint(schema.decode(recorded)) == _fingerprint(question)


def _fingerprint(question: Question) -> bytes:
    """What makes two questions the same."""
    # As a dict: the bytes of a struct begin otherwise once it has over 15 fields, and identities hang on these bytes.
    return msgspec.msgpack.encode(msgspec.to_builtins(schema.essence(question)))
