"""A dual-stage node while its run is live: its setup, its wait, what is done with the answer, and so on.

The node opens into these as its own nodes, so that each is recorded, retried and reused by itself. Between them there
is no task and no coroutine: what ends calls what comes next. The address of the wait is on disk before setup runs,
and setup is not run again once what it waits for has been asked, whatever is killed or edited.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from ..engine import HERE, Asker
from ..errors import BadAnswer
from ..ids import Key, Token
from ..record import facts as f
from ..record import schema
from ..record.flow import UNFINISHED
from ..record.schema import Question
from ..storage import waiting
from ..values.shapes import shape
from .asking import WAIT, is_same
from .calls import CallHandle
from .places import StagePlace

if TYPE_CHECKING:
    from .execution import Execution

Then = Callable[[Any], None]


class Staging:
    """One dual-stage node on its way from its setup to its outputs."""

    def __init__(self, run: Execution, handle: CallHandle) -> None:
        self._run, self._handle, self._tool = run, handle, handle.target
        self._place = StagePlace(run, handle, self)
        self._inputs: dict[str, Any] = {}
        self._inner: CallHandle | None = None  # what it waits for to end: a stage, or an answer
        self._stage = 0
        self._wait = self._next_wait()

    def begin(self) -> None:
        """Go to where it had come."""
        self._handle.staging = self
        self._handle.context.run(HERE.set, self._place)
        self._handle.context.run(self._guarded, self._set_up, None)

    def cancel(self) -> None:
        """The body cancelled the node, or the run is closed."""
        if self._inner is not None:
            self._inner.future.cancel()

    def give_up(self, error: BaseException) -> bool:
        """Somebody outside ended the node: what it asks is asked no more. False where it asks nothing now."""
        if self._inner is not self._wait or not self._wait.token:
            return False
        self._run.asking.withdraw(self._wait)
        self._wait.future.fail(error)
        return True

    @property
    def token(self) -> str:
        """The token of the wait that comes next, where it is reserved."""
        return self._wait.token

    def reserve(self) -> Token:
        """The token of the wait that comes next; to be given out once it is on disk."""
        return self._run.asking.reserve(self._wait)

    # ------------------------------------------------------------------ setup

    def _next_wait(self) -> CallHandle:
        """The wait of the next stage, known by its number: what it asks is known only later."""
        self._stage += 1
        digest = hashlib.blake2b(self._handle.key + b"%d" % self._stage, digest_size=16, person=b"aether-stage")
        return self._run.asking.handle(self._place, WAIT, Key(digest.digest()), "")

    def _set_up(self, _: Any) -> None:
        self._inputs = self._tool.bind(self._handle.args, self._handle.kwargs)
        setup, node = self._tool.setup, self._wait.node
        was_asked = node is not None and node.wait is not None and self._handle.why == UNFINISHED
        gives_tokens = bool(setup.context_name)
        if gives_tokens and (node is None or node.outcome is None):
            self.reserve()
        options = {"_same": True} if was_asked else {}
        call = self._run.dispatch.call(self._place, setup, self._handle.args, {**self._handle.kwargs, **options})
        woken = self._run.rejoined  # then it goes on with the code that it had
        if (
            was_asked
            and not woken
            and call.node is not None
            and call.node.validity[:8] != self._run.validity.of(call)[:8]
        ):
            self._say(
                f"the code of {setup.name} changed while it waits: the question stays, and setup is not run again"
            )
        elif gives_tokens and node is not None and node.outcome is not None and call.why:
            self.reserve()  # it is made anew, and what it makes may be told where to answer
        self._follow(call, self._made)

    def _say(self, text: str) -> None:
        data = msgspec.msgpack.encode({"level": "WARNING", "text": text})
        self._run.fact(f.Noted(self._handle.no, "log", data, self._run.clock()))

    def _made(self, given: dict[str, Any]) -> None:
        """A stage has ended: with the outputs, or with what to wait for."""
        if "wait" in given:
            self._ask(msgspec.convert(given["wait"], Question), given["poll_s"])
        else:
            self._end(given["outputs"])

    # ------------------------------------------------------------------ waiting

    def _ask(self, question: Question, poll_s: float | None) -> None:
        run, wait, key = self._run, self._wait, question.channel
        if question.by_person:
            question = msgspec.structs.replace(question, channel=run.runtime.bus.route(key).key)
        asker = self._poller(poll_s) if poll_s else run.runtime.bus.asker(question, key, run.run_id, run.runtime.store)
        node = wait.node
        before = node.answered if node is not None and question.by_person else None
        if before is not None and node is not None and node.outcome is None and is_same(before[0], question):
            self._rebind(question, before[1])
        elif (
            node is not None and node.outcome is not None and not (node.wait and is_same(node.wait.question, question))
        ):
            run.asking.ask(wait, question, asker, b"")
        else:
            run.asking.begin(wait, question, asker)
        self._follow(wait, self._answered)

    def _rebind(self, question: Question, payload: bytes) -> None:
        """Setup was made anew and asks what a person has answered before: that is the answer."""
        run, wait, now = self._run, self._wait, self._run.clock()
        token, value = self.reserve(), run.codec.load(payload)
        row = waiting.WaitRow(token, run.run_id, wait.node_id, wait.no, question, now)
        run.fact(
            f.WaitOpened(wait.no, token, schema.encode(question), now, 0.0, wait.node.round if wait.node else 1),
            [waiting.open_op(row), waiting.close_op(token, value, "", now)],
        )
        run.delivery.answered(wait, value, None, through_mailbox=True)

    def _poller(self, poll_s: float) -> Asker:
        """Look for the answer again and again, at once when a run is taken up; as many failures in a row as retries."""
        tool, inputs = self._tool, self._inputs

        async def ask(question: Question, token: str, refused: str) -> Any:
            if refused:
                raise BadAnswer(f"what {tool.name}.poll gave was refused: {refused}", token=token)
            failures = 0
            while True:
                try:
                    value = await tool.look(inputs, token)
                except Exception as error:
                    failures += 1
                    if failures > tool.retries:
                        raise
                    told = f"poll failed, and is tried again in {poll_s:g} s: {type(error).__name__}: {error}"
                    self._place.desk.note("log", {"level": "WARNING", "text": told})
                else:
                    failures = 0
                    if value is not None:
                        return value
                await asyncio.sleep(poll_s)

        return ask

    def _answered(self, value: Any) -> None:
        resumption = self._tool.resumption
        if resumption is None:
            self._end(shape(value, self._tool.outputs, self._tool.name))
            return
        self._wait = self._next_wait()
        wanted = {name: given for name, given in self._inputs.items() if resumption.wants(name)}
        self._follow(self._run.dispatch.call(self._place, resumption, (value,), wanted), self._made)

    # ------------------------------------------------------------------ from one to the next

    def _follow(self, inner: CallHandle, then: Then) -> None:
        self._inner = inner
        inner.as_task().add_done_callback(partial(self._ended, then), context=self._handle.context)

    def _ended(self, then: Then, future: asyncio.Future[Any]) -> None:
        error = asyncio.CancelledError("it was cancelled") if future.cancelled() else future.exception()
        if self._run.closed or self._handle.future.done():
            self._run.live.discard(self._handle)
        elif error is not None:
            self._fail(error)
        else:
            self._guarded(then, future.result())

    def _guarded(self, then: Then, value: Any) -> None:
        """Nothing that is raised here may be lost: it is called by the loop."""
        try:
            then(value)
        except Exception as error:  # noqa: BLE001 (a spec, a channel or outputs that do not fit)
            self._fail(error)
        except BaseException as error:  # noqa: BLE001 (the run takes no more calls)
            self._handle.pass_on(error)

    def _end(self, outputs: dict[str, Any]) -> None:
        self._leave()
        self._handle.inner = self._place.rerun
        self._run.delivery.done(self._handle, outputs)

    def _fail(self, error: BaseException) -> None:
        self._leave()
        if isinstance(error, (Exception, asyncio.CancelledError)):
            self._run.delivery.failed(self._handle, error)
        else:
            self._handle.pass_on(error)

    def _leave(self) -> None:
        """It is over: a token that nothing was asked with is no longer good."""
        self._run.live.discard(self._handle)
        node = self._wait.node
        if node is not None and node.token and node.wait is None:
            self._run.asking.withdraw(self._wait)
