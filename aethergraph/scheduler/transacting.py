"""Effects that look at rows and change them: what they find, what they write and the fact that says so are one
transaction, so two processes never act on the same finding, and a kill leaves all of it or nothing.

Such a fact is made when it is committed, and not when it is appended: its place in the journal is before those that
were appended while it was written, of which the body may know already. So in a body it is no delivery. A `TimerFired`
of the same key, appended once it is on disk, says when the body was told.
"""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..engine import HERE
from ..ids import Key
from ..record import facts as f
from ..record.failures import describe, mark
from ..storage.journal import Late
from ..storage.store import Transaction

if TYPE_CHECKING:
    from .desks import AttemptDesk
    from .effects import Effects
    from .execution import Execution
    from .places import BodyPlace

Work = Callable[[Transaction], Any]
Fact = Callable[[bytes, f.Error | None], f.Effect]  # (payload of the outcome, or what it failed with) -> the fact


class Change:
    """One such effect, as it is made when it is committed. `work` raises before it has written, or not at all."""

    def __init__(self, run: Execution, name: str, work: Work, fact: Fact, *, keeps_failures: bool) -> None:
        self._run, self._name, self._work, self._fact = run, name, work, fact
        self._keeps_failures = keeps_failures
        self.late = Late(self._make)
        self.value: Any = None
        self.error: Exception | None = None
        self.dropped = False  # it was cancelled before it began

    def _make(self, rows: Transaction) -> f.Effect | None:
        if self.dropped:
            return None
        try:
            self.value = self._work(rows)
            data = self._run.codec.dump(self.value, f"the result of {self._name}")
        except (sqlite3.Error, OSError):
            raise  # the store cannot be used: the transaction is undone, and the journal says so
        except Exception as error:  # noqa: BLE001 (a wrong key or value: it belongs to whoever made the call)
            self.error = error
            return self._fact(b"", describe(error, self._run.codec.dump)) if self._keeps_failures else None
        return self._fact(data, None)

    async def made(self) -> f.Effect | None:
        """Append it, and wait until it is on disk."""
        run = self._run
        run.number = number = run.journal.append(run.run_id, self.late)
        await run.committed(number)
        fact = self.late.fact
        return fact if isinstance(fact, f.Effect) else None


def in_body(effects: Effects, place: BodyPlace, name: str, args: Any, work: Work) -> Awaitable[Any]:
    """A change that a body makes; told to it by the mailbox."""
    return _InBody(effects, place, name, args, work).begin()


class _InBody:
    def __init__(self, effects: Effects, place: BodyPlace, name: str, args: Any, work: Work) -> None:
        self._effects, self._run, self._place, self._name, self._args = effects, effects.run, place, name, args
        self._at = self._run.at
        self._key = effects.claim(place, name, args)
        self._future = effects.future(self._key)
        self._change = Change(self._run, name, work, self._fact, keeps_failures=True)

    def _fact(self, data: bytes, error: f.Error | None) -> f.Effect:
        place, run = self._place, self._run
        asked = self._effects.asked(self._args)
        return f.Effect(
            self._key, place.no, place.path, self._at, self._name, asked, data, run.clock(), error is None, error
        )

    def begin(self) -> Awaitable[Any]:
        run, key = self._run, self._key
        known = self._known()
        if key in run.flow.cancelled_effects:
            run.hold_back(key, self._start)
        elif known is not None and key in run.flow.positions:
            run.mailbox.claim(key, lambda position: self._tell(position, known, None))
        else:
            run.new(self._place, lambda: f"does or reads {self._name}")
            self._start()
        return self._future

    def _known(self) -> f.Effect | None:
        """What is on record, where it can be told again."""
        known = self._run.flow.effects.get(self._key)
        return known if known is not None and self._effects.usable(known) else None

    def _start(self) -> None:
        if self._future.done():
            return
        context = contextvars.copy_context()
        context.run(HERE.set, None)
        task = self._future.task = asyncio.Task(self._make(), loop=self._run.loop, context=context)
        self._effects.works.add(task)
        task.add_done_callback(self._effects.works.discard, context=self._run.loop.empty)
        self._future.add_done_callback(self._drop, context=self._run.loop.empty)

    def _drop(self, future: asyncio.Future[Any]) -> None:
        self._change.dropped = self._change.dropped or future.cancelled()

    async def _make(self) -> None:
        run, future = self._run, self._future
        fact = self._known()
        if fact is None:
            try:
                fact = await self._change.made()
            except Exception as broken:  # noqa: BLE001 (nothing can be written any more: it goes to who waits)
                if not future.done():
                    future.fail(broken)
                return
            if run.closed or future.done() or fact is None:
                return
            run.flow.fold(fact)
        if run.closed or future.done():
            return
        error = self._change.error
        if error is not None:
            mark(error, -(run.flow.deliveries + 1), f"in {self._name} of run {run.run_id}")
        position = run.fact(f.TimerFired(self._key, self._place.no, self._place.path, self._at))
        task = asyncio.current_task()
        if task is not None:
            self._effects.works.discard(task)  # before the delivery: the run may be idle right after it
        run.mailbox.push(position, lambda at: self._tell(at, fact, error))

    def _tell(self, position: int, fact: f.Effect, error: Exception | None) -> None:
        self._run.advance(position)
        if self._future.done():
            return
        raised: BaseException | None = error
        if raised is None and not fact.ok:
            raised = self._effects.rebuilt(fact)
        if raised is not None:
            self._future.fail(raised)
        else:
            self._future.set_result(self._run.codec.load(fact.value))


async def in_attempt(effects: Effects, desk: AttemptDesk, name: str, args: Any, work: Work) -> Any:
    """A change that an attempt makes; it is on disk when this returns. A failure is the attempt's own to keep."""
    run = effects.run
    desk.check()
    key = Key(desk.identity("effect:" + name, effects.fingerprint(args), fresh=True))
    known = run.flow.effects.get(key)
    if known is not None:
        return run.codec.load(known.value)
    asked, at, execution = effects.asked(args), run.at, desk.place.handle.execution

    def fact(data: bytes, _: f.Error | None) -> f.Effect:
        return f.Effect(
            key, desk.no, "", at, name, asked, data, run.clock(), execution=execution, attempt=desk.attempt
        )  # fmt: skip

    change = Change(run, name, work, fact, keeps_failures=False)
    done = await change.made()
    if done is not None:
        run.flow.fold(done)
    desk.check()
    if change.error is not None:
        raise change.error
    return None if done is None else run.codec.load(done.value)
