"""What bodies and attempts do or read through their context: recorded with its outcome, never repeated on replay.

In a body, an effect that takes time comes back through the mailbox like a result. In an attempt it is on disk before
the attempt goes on, since the attempt may act on it outside.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..engine import HERE, Op, Outcome
from ..ids import Key
from ..record import facts as f
from ..record.failures import describe, mark, rebuild
from ..services import catalogue
from ..services.catalogue import SAVE
from ..storage import codec as values
from ..storage.store import Transaction
from .calls import CallFuture
from .desks import AttemptDesk, BodyDesk
from .places import BodyPlace

if TYPE_CHECKING:
    from .execution import Execution


class Effects:
    """The effects of one run."""

    def __init__(self, run: Execution) -> None:
        self.run = run
        self.works: set[asyncio.Task[None]] = set()
        self.bodies: set[int] = set()  # nodes (0: the run) whose bodies ran in this process
        self._claimed: set[Key] = set()  # effects that they did, or found done

    def fingerprint(self, args: Any) -> bytes:
        """What tells calls of one effect apart."""
        return values.canonical(args, self.run.origins.known).data

    def asked(self, args: Any) -> bytes:
        """What was asked for, as a fact keeps it."""
        return self.run.codec.dump(args) if values.plain(args) else b""

    @property
    def busy(self) -> bool:
        """Whether an effect of a body is being done."""
        return bool(self.works)

    # ------------------------------------------------------------------ in bodies

    def record(self, place: BodyPlace, name: str, args: Any, value: Any, ops: Sequence[Op]) -> Any:
        """An effect inside the store: its fact and its rows are one transaction; nothing to wait for."""
        return self._record(place, name, args, lambda: value, ops)

    def read(self, place: BodyPlace, name: str, args: Any, fn: Callable[[], Any]) -> Any:
        """A read of something that can change. It sees what was written before it, by whatever scope of the run."""

        def current() -> Any:
            self.run.journal.flush()
            return fn()

        return self._record(place, name, args, current, ())

    def _record(self, place: BodyPlace, name: str, args: Any, fn: Callable[[], Any], ops: Sequence[Op]) -> Any:
        run = self.run
        key = self.claim(place, name, args)
        known = run.flow.effects.get(key)
        if known is not None:
            return run.codec.load(known.value)
        run.new(place, lambda: f"does or reads {name}")
        value = fn()
        data = run.codec.dump(value, name)
        run.fact(f.Effect(key, place.no, place.path, run.at, name, self.asked(args), data, run.clock()), ops)
        run.journal.nudge()
        return self._given(value, data)

    def _given(self, value: Any, data: bytes) -> Any:
        """What whoever did an effect gets: `value`, which is recorded as `data`."""
        return value if self.run.strict is None else self.run.codec.load(data)

    def at_once(self, desk: BodyDesk | AttemptDesk, name: str, args: Any, fn: Callable[[], Any]) -> Any:
        """An effect that blocks the loop for a moment, for those who cannot await: what is on record is on disk first.

        In an attempt, the effect itself is on disk when this returns.
        """
        run = self.run
        if isinstance(desk, BodyDesk):
            return self.read(desk.now_at(), name, args, fn)
        desk.check()
        key = desk.identity("effect:" + name, self.fingerprint(args), fresh=True)
        known = run.flow.effects.get(key)
        if known is not None:
            return run.codec.load(known.value)
        run.journal.flush()
        value = fn()
        data, attempt = run.codec.dump(value, name), desk.attempt
        execution = desk.place.handle.execution
        run.fact(
            f.Effect(
                key, desk.no, "", run.at, name, self.asked(args), data, run.clock(), execution=execution,
                attempt=attempt,
            )
        )  # fmt: skip
        run.journal.flush()
        return self._given(value, data)

    def queue(
        self, place: BodyPlace, name: str, args: Any, work: Callable[[], Awaitable[Outcome]], intent: bool
    ) -> Awaitable[Any]:
        """An effect that takes time: done beside the body, delivered by the mailbox."""
        run = self.run
        key = self.claim(place, name, args)
        future = self.future(key)
        context = contextvars.copy_context()
        context.run(HERE.set, None)

        def begin() -> None:
            if not future.done():
                job = self._work(place, key, name, args, work, intent, future)
                future.task = asyncio.Task(job, loop=run.loop, context=context)
                self.works.add(future.task)
                future.task.add_done_callback(self.works.discard, context=run.loop.empty)

        if key in run.flow.cancelled_effects:
            run.hold_back(key, begin)
            return future
        known = run.flow.effects.get(key)
        if known is not None and not known.queued:  # recorded at once by the code of an earlier day
            future.set_result(run.codec.load(known.value))
            return future
        if known is not None and self.usable(known):
            run.mailbox.claim(key, lambda position: self._deliver(position, future, known, None, None))
            return future
        run.new(place, lambda: f"does or reads {name}")
        begin()
        return future

    async def _work(
        self,
        place: BodyPlace,
        key: Key,
        name: str,
        args: Any,
        work: Callable[[], Awaitable[Outcome]],
        intent: bool,
        future: CallFuture,
    ) -> None:
        run = self.run
        asked = self.asked(args)
        at = run.at
        if intent and key not in run.flow.intents:
            run.fact(f.EffectIntended(key, place.no, place.path, at, name, asked, run.clock()))
        if intent:
            await run.committed()
        outcome, error, failure, data = Outcome(), None, None, b""
        try:
            outcome = await work()
            data = run.codec.dump(outcome.value, f"the result of {name}")
        except Exception as raised:  # noqa: BLE001 (services and adapters may raise anything)
            error = raised
            mark(error, -(run.flow.deliveries + 1), f"in {name} of run {run.run_id}")
            failure = describe(error, run.codec.dump)
        if run.closed or future.done():
            return
        fact = f.Effect(
            key, place.no, place.path, at, name, asked, data, run.clock(), failure is None, failure, queued=True
        )
        position = run.fact(fact, () if failure else outcome.ops)
        task = asyncio.current_task()
        if task is not None:
            self.works.discard(task)  # before the delivery: the run may be idle right after it
        value = None if failure else self._given(outcome.value, data)
        run.mailbox.push(position, lambda place_: self._deliver(place_, future, None, value, error))

    def claim(self, place: BodyPlace, name: str, args: Any) -> Key:
        """The key of the next effect of this kind, which the body has called today."""
        key = place.identity("effect:" + name, self.fingerprint(args))
        self._claimed.add(key)
        return key

    def future(self, key: Key) -> EffectFuture:
        """What the body awaits."""
        return EffectFuture(self, key, loop=self.run.loop)

    def usable(self, effect: f.Effect) -> bool:
        """Whether its recorded outcome can be given again."""
        return effect.ok or self.rebuilt(effect) is not None

    def rebuilt(self, effect: f.Effect) -> BaseException | None:
        """What it failed with, where that can be made again."""
        return rebuild(effect.error, self.run.codec.load, self.run.names()) if effect.error else None

    def _deliver(
        self,
        position: int,
        future: CallFuture,
        known: f.Effect | None,
        value: Any,
        error: BaseException | None,
    ) -> None:
        self.run.advance(position)
        if future.done():
            return
        if known is not None:
            error = None if known.ok else self.rebuilt(known)
            value = self.run.codec.load(known.value) if known.ok else None
        if error is not None:
            future.fail(error)
        else:
            future.set_result(value)

    def cancelled(self, key: Key, task: asyncio.Task[None] | None) -> None:
        """The body cancelled an effect that it had begun."""
        run = self.run
        run.pending.pop(key, None)
        if run.closed:
            return
        if task is not None:
            task.cancel()
        run.mailbox.unclaim(key)
        if key not in run.flow.cancelled_effects:
            run.fact(f.CallCancelled(0, key))

    # ------------------------------------------------------------------ in attempts

    async def record_in_attempt(
        self, desk: AttemptDesk, name: str, args: Any, fn: Callable[[], Any], ops: Sequence[Op]
    ) -> Any:
        """An effect or read of an attempt; returns when it is on disk."""

        async def work() -> Outcome:
            await self.run.committed()  # a read sees what was written before it
            return Outcome(fn(), ops)

        return await self.in_attempt(desk, name, args, work, False)

    async def in_attempt(
        self, desk: AttemptDesk, name: str, args: Any, work: Callable[[], Awaitable[Outcome]], intent: bool
    ) -> Any:
        """Do an effect of an attempt. What was committed before a kill is not done again in the same attempt."""
        run = self.run
        desk.check()
        key = desk.identity("effect:" + name, self.fingerprint(args), fresh=True)
        known = run.flow.effects.get(key)
        if known is not None:
            return run.codec.load(known.value)
        asked = self.asked(args)
        execution, attempt = desk.place.handle.execution, desk.attempt
        if intent:
            if key not in run.flow.intents:
                run.fact(f.EffectIntended(key, desk.no, "", run.at, name, asked, run.clock()))
            await run.committed()
        outcome = await work()
        desk.check()
        data = run.codec.dump(outcome.value, f"the result of {name}")
        run.fact(
            f.Effect(key, desk.no, "", run.at, name, asked, data, run.clock(), execution=execution, attempt=attempt),
            outcome.ops,
        )
        await run.committed()
        return self._given(outcome.value, data)

    def unclaimed(self, name: str) -> list[bytes]:
        """The outcomes of effects of this name that code of an earlier day had, and the code of today has not."""
        return [e.value for key, e in self.run.flow.effects.items() if e.name == name and self._is_left(key, e)]

    def _is_left(self, key: Key, effect: f.Effect) -> bool:
        if key in self._claimed or not effect.ok:
            return False
        if effect.scope in self.bodies:
            return True
        node = self.run.flow.nodes[effect.scope - 1] if effect.scope else None
        return node is not None and effect.execution < node.execution

    def entered(self, no: int) -> None:
        """The body of node `no` runs in this process."""
        self.bodies.add(no)

    def supersede_unclaimed(self) -> None:
        """The run is done: what earlier versions of its bodies and tools did, and these did not, is told of no more."""
        effects = self.run.flow.effects.items()
        left = [key for key, e in effects if e.scope in self.bodies and key not in self._claimed]
        left += [key for key, e in effects if e.name == SAVE and e.scope not in self.bodies and self._is_left(key, e)]
        if left:
            self.run.fact(f.EffectsSuperseded(list[bytes](left), self.run.clock()), [self._unsaving(set(left))])

    def _unsaving(self, left: set[Key]) -> Op:
        """Takes the artifacts that only these effects saved out of all lists, but for pinned ones."""
        saved, gone = set[str](), set[str]()
        for key, effect in self.run.flow.effects.items():
            if effect.ok and effect.name == SAVE:
                (gone if key in left else saved).add(self.run.codec.load(effect.value)["artifact_id"])
        places = [catalogue.key(self.run.run_id, artifact_id) for artifact_id in gone - saved]

        def op(rows: Transaction) -> None:
            for where in places:
                row = rows.get(where)
                if row is not None and not catalogue.decode(row, where).get("pinned"):
                    catalogue.remove(rows, where)

        return op

    def close(self) -> None:
        """The run is over here."""
        for task in self.works:
            task.cancel()


class EffectFuture(CallFuture):
    """The outcome of an effect of a body."""

    task: asyncio.Task[None] | None = None

    def __init__(self, effects: Effects, key: Key, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.handle = None
        self._effects, self._key = effects, key

    def cancel(self, msg: Any | None = None) -> bool:
        """The body's own decision, which goes on record."""
        done = super().cancel(msg)
        if done:
            self._effects.cancelled(self._key, self.task)
        return done
