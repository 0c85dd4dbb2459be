"""One run while this process runs it: calls become nodes, nodes run, results go through the mailbox into the bodies.

It obeys `flow`: every call asks `Flow.request`, and every change of state is a fact that is folded and appended in one
step. Everything here happens on the loop's thread.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, cast

from .. import hooks
from ..clock import TellingClock
from ..code.origins import Origins
from ..engine import HERE, Desk, Op
from ..errors import JournalBroken, NodeFailed, NoOneToAsk, RunIsLive, RunPaused
from ..ids import Key, Token
from ..record import facts as f
from ..record.failures import advise, describe, reachable, told
from ..record.flow import Flow
from ..record.identity import root_key
from ..record.status import RunStatus
from ..storage import owner, roster
from ..values.outputs import Outputs
from ..values.shapes import shape
from . import continuing
from .alarms import Alarm, Alarms
from .asking import Asking
from .attempts import Attempts
from .budgets import Budget
from .caching import Caching
from .calls import Call, CallHandle, Reference, refuse_hidden, resolve, unresolved
from .continuing import Continuing
from .delivery import Delivery
from .desks import BodyDesk
from .dispatch import Dispatch
from .effects import Effects
from .events import Events
from .loop import Host, Pulse
from .mailbox import Mailbox
from .marking import Marking
from .places import BodyPlace
from .retries import NEVER, RetryPolicy
from .slots import Limit
from .stages import Staging
from .strictness import Strict
from .timers import Timers
from .validity import Validity

if TYPE_CHECKING:
    from ..authoring.reactive import Agent
    from ..lifecycle.children import Children
    from ..lifecycle.hub import Runtime


class Execution:
    """A live run. Made on the loop by `Runtime`, which has taken ownership and read the journal before."""

    def __init__(
        self,
        runtime: Runtime,
        run_id: str,
        agent: Agent,
        flow: Flow,
        epoch: int,
        context: contextvars.Context,
        host: Host,
        children: Callable[[Execution], Children],
    ) -> None:
        self.runtime, self.run_id, self.agent, self.flow = runtime, run_id, agent, flow
        self.epoch, self.context = epoch, context  # how often it was taken up; the context of whoever started it
        self.host, self.loop = host, host.loop
        self.alarms = runtime.alarms if host.own else Alarms(runtime.clock, lambda: host)
        self.journal = runtime.journal
        self.clock = runtime.clock.now  # wall-clock seconds
        self.names = agent.names  # where classes of the run's own definitions are found
        self.codec = runtime.codec_for(agent)
        self.pulse = Pulse()
        self._monotonic = self.loop.plain_time
        self.now: float = self._monotonic()
        self.at = -1  # the position of the last delivery
        self.number = 0  # of the last fact appended
        self.closed = ""  # why no more calls are taken
        self.naps = 0  # attempts that wait for a time of a clock which is set by hand
        self.origins = Origins()
        self.strict = Strict(self.codec, self.origins) if runtime.strict else None
        self.tasks: dict[Key, set[asyncio.Task[Any]]] = {}
        self.live: set[CallHandle] = set()
        self.blocked: set[Key] = set()  # scopes and nodes that were found to block the loop
        self.failed: dict[int, CallHandle] = {}
        self.pending: dict[Key, Callable[[], None]] = {}  # what the body cancelled before; by what would start it
        self.dispatch = Dispatch(self)
        self.budget = Budget(self) if flow.budget else None
        quiet = self._quiet if self.budget is None else self.budget.after(self._quiet)
        self.mailbox = Mailbox(self.loop, self.pulse, flow, self.dispatch.flush, quiet)
        self.validity = Validity(self)
        self.marking = Marking(self)
        self.caching = Caching(self)
        self.delivery = Delivery(self)
        self.timers = Timers(self)
        self.attempts = Attempts(self, (flow.started.cap if flow.started else 0) or runtime.max_concurrency)
        self.asking = Asking(self)
        self.events = Events(self)
        self.effects = Effects(self)
        self.children = children(self)
        forked = flow.forked
        self.root = BodyPlace(self, Key(forked.root) if forked else root_key(run_id), 0)
        self.task: asyncio.Task[Any] | None = None
        self._begun = False
        self.broken: BaseException | None = None
        self.row_told = RunStatus.RUNNING, 0, 0, 0  # what the run's row says: see `RunList.parked`
        self.row_at = runtime.clock.now()
        self.bodies: dict[int, Agent] = {}  # what runs in the scopes of graph nodes
        self._desks: dict[int, BodyDesk] = {}
        # See `parking`. `rejoined`: it came back in the process that parked it, with the same code; `woken`: and its
        # replay is not at rest yet, so that all that its bodies say was said before.
        self.rejoined = self.woken = self.parking = False
        self.waits_since, self.grace, self.lingers = 0.0, cast(Alarm | None, None), ""
        self.left_open: list[tuple[Token, float]] = []  # tokens and deadlines of its waits, when it left memory
        self.successor: tuple[f.RunStarted, dict[str, Any]] | None = None  # the run that goes on from it, its inputs
        self.left_for: list[str] = []  # names of the signals that it waited for then
        self.after_parking: list[Callable[[], None]] = []  # what came while it left

    @functools.cached_property
    def retry(self) -> RetryPolicy:
        """When tools that say nothing themselves are tried again."""
        payload = self.flow.started.retry if self.flow.started is not None else b""
        policy = self.codec.load(payload) if payload else NEVER
        return policy if isinstance(policy, RetryPolicy) else NEVER

    # ------------------------------------------------------------------ facts

    def fact(self, fact: f.AnyFact, ops: Sequence[Op] = ()) -> int:
        """Fold and append in one step; return the number of its delivery, or -1."""
        self.number = self.journal.append(self.run_id, fact, ops)
        return self.flow.fold(fact)

    def new(self, place: BodyPlace, what: Callable[[], str], handle: CallHandle | None = None) -> None:
        """Something begins that is not on record. One that only looks whether its bodies do as they did stops here."""

    @property
    def alone(self) -> bool:
        """Whether no other run of this process is in memory: a commit on the loop's own thread holds none up."""
        return len(self.runtime.live) < 2

    async def committed(self, number: int | None = None, *, inline: bool = False) -> None:
        """Return when append `number` (default: all so far) is on disk; `inline` as in `Journal.barrier`."""
        done = self.loop.create_future()

        def tell() -> None:
            self.host.call(_done, done)

        if not self.journal.barrier(self.number if number is None else number, tell, inline=inline):
            await done
            self.journal.barrier(0, tell)  # raises if the journal broke meanwhile
        if self.journal.was_taken(self.run_id):
            raise self.taken()

    def taken(self) -> RunIsLive:
        """The error where another process took the run over, so that nothing more of it was written here."""
        now = owner.read(self.runtime.store, self.run_id)
        return RunIsLive(self.run_id, now.told if now else "another process")

    def when_committed(self, call: Callable[[], None]) -> None:
        """Call on the loop once all that was appended so far is on disk, at once where it is.

        Where it cannot be written, or another process took the run, that is broken off instead.
        """
        try:
            there = self.journal.barrier(self.number, lambda: self.host.call(call), inline=self.alone)
        except JournalBroken as error:
            self.break_off(error)
            return
        if self.journal.was_taken(self.run_id):
            self.break_off(self.taken())
        elif there:
            call()

    def nudge(self) -> None:
        """Nothing more will come for now: let the writer begin, unless a question is about to see to that itself."""
        if not (self.asking.opening and self.host.own):
            self.journal.nudge()

    async def nap(self, seconds: float) -> None:
        """Wait in a tool. A clock that is set by hand says when it is over; that of the machine may be put right."""
        if not isinstance(self.runtime.clock, TellingClock):
            await asyncio.sleep(seconds)
            return
        over = self.loop.create_future()
        alarm = self.alarms.at(self.clock() + seconds, lambda: _done(over))
        self.naps += 1
        try:
            await over
        finally:
            self.naps -= 1
            self.alarms.cancel(alarm)

    def advance(self, position: int) -> None:
        """A delivery happens: time goes on."""
        if position > self.at:
            self.at = position
        self.now = self._monotonic()

    # ------------------------------------------------------------------ bodies

    def start_graph(self, handle: CallHandle) -> None:
        """Run a nested agent, or a dual-stage tool: one node that opens into its own graph."""
        if self.strict is not None:
            self.strict.arguments(handle)
        if handle.target.staged:
            self.live.add(handle)
            Staging(self, handle).begin()
            return
        place = BodyPlace(self, handle.key, handle.no)
        cap = handle.target.max_concurrency
        place.limits = handle.place.limits if cap is None else (Limit(cap), *handle.place.limits)
        handle.context.run(HERE.set, place)
        self.live.add(handle)
        self.bodies[handle.no] = handle.target
        work = self._graph(handle, place)
        handle.task = asyncio.Task(work, loop=self.loop, name=handle.node_id, context=handle.context)

    async def _graph(self, handle: CallHandle, place: BodyPlace) -> None:
        try:
            try:
                outputs = await self.run_body(handle.target, handle.args, handle.kwargs, place)
            except asyncio.CancelledError as error:
                if not handle.future.done() and not self.closed:
                    self.delivery.failed(handle, error)
            except Exception as error:  # noqa: BLE001 (the body is the user's)
                self.delivery.failed(handle, error)
            else:
                handle.inner = place.rerun
                self.delivery.done(handle, outputs)
        except GeneratorExit:
            raise  # it was given up, and is collected: see `main`
        except BaseException as error:  # noqa: BLE001 (an exit, or what could not be recorded: it goes to who waits)
            handle.pass_on(error)
        finally:
            self.live.discard(handle)
            self.bodies.pop(handle.no, None)

    async def run_body(
        self, agent: Agent, args: tuple[Any, ...], kwargs: dict[str, Any], place: BodyPlace
    ) -> dict[str, Any]:
        """Run the body of `agent` in `place` to the end of its scope; its outputs."""
        self.effects.entered(place.no)
        context = self.runtime.make_context(self.body_desk(place)) if agent.context_name else None
        if agent.context_name:
            kwargs = {**kwargs, agent.context_name: context}
        collected = False
        try:
            value = agent.fn(*args, **kwargs)
            if inspect.isawaitable(value) and not isinstance(value, (Call, Reference, Outputs)):
                value = await value
            await self._join_loose(place, value)
        except GeneratorExit:
            collected = True
            raise
        except BaseException:
            for loose in list(place.loose):
                if not loose.future.done() and not self.closed:
                    loose.future.cancel()
            raise
        finally:
            if not collected:
                await self._end_tasks(place.scope)
                self.runtime.scope_ended(self._desks.pop(place.no, None))
        if context is not None:
            context.close()
        outputs: dict[str, Any] = resolve(
            shape(resolve(value), agent.outputs, agent.name)
        )  # fields of a dataclass, too
        refuse_hidden(outputs)
        return outputs

    async def _join_loose(self, place: BodyPlace, value: Any) -> None:
        """Calls that nobody awaited still run; their errors count."""
        for handle in unresolved(value):
            place.loose[handle] = None
        while place.loose:
            handle = next(iter(place.loose))
            del place.loose[handle]
            await handle

    async def _end_tasks(self, scope: Key) -> None:
        """A scope ends with its tasks: nothing may change an output after it was encoded."""
        here = asyncio.current_task()
        while left := [task for task in self.tasks.pop(scope, ()) if not task.done() and task is not here]:
            for task in left:
                task.cancel()
            await asyncio.wait(left)

    # ------------------------------------------------------------------ cancelling, pausing, ending

    def _quiet(self) -> None:
        if self.pending and not self.mailbox.replaying:
            self._start_pending()
        self.asking.quiet()  # may write
        if self.idle:
            self.children.quiet()
        if not self.mailbox.moving:  # else an answer was taken just now: it will be quiet again
            self.nudge()
        if self.woken or self.asking.open:
            self._rest()

    def _rest(self) -> None:
        if self.woken and not self.mailbox.replaying:
            self._flush_prints()  # what its bodies said up to here was said before: it goes nowhere
            self.woken = False
            self.runtime.parking.settled(self.run_id)
        self.runtime.parking.quiet(self)

    def hold_back(self, key: Key, start: Callable[[], None]) -> None:
        """The body cancelled this before: it waits for that to happen again."""
        self.pending[key] = start
        self.mailbox.kick()

    def _start_pending(self) -> None:
        """All that was recorded is delivered, and the body did not cancel these again: what made it do so is gone."""
        pending, self.pending = self.pending, {}
        for start in pending.values():
            start()

    @property
    def idle(self) -> bool:
        """Whether nothing is left to happen, open questions aside."""
        busy = self.attempts.busy or self.timers.pending or self.dispatch.busy or self.mailbox.replaying
        return not busy and not self.effects.busy and not self.children.waiting

    @property
    def only_waits(self) -> bool:
        """Whether only open questions are left to happen."""
        return bool(self.asking.open) and not self.asking.arrived and self.idle

    @property
    def at_rest(self) -> bool:
        """Whether it only waits, and its bodies have had all that has come, and done with it what they do."""
        return self.only_waits and not self.mailbox.busy

    async def main(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outputs:
        """Run the root body to its end, and put that end on disk.

        Raises:
            Exception: what the body raised, unchanged.
            asyncio.CancelledError: the run was cancelled or suspended; `closed` says which.
        """
        HERE.set(self.root)
        self._begun, collected = True, False
        try:
            if self.budget is not None and not self.closed:
                self.budget.begin()
            if self.closed:  # before it began
                raise asyncio.CancelledError
            if self.strict is not None:
                kwargs = {name: self.strict.argument(value) for name, value in kwargs.items()}
            outputs = await self.run_body(self.agent, args, kwargs, self.root)
            packed = self.codec.dump_outputs(outputs, f"run {self.run_id}")
            if self.strict is not None:
                outputs = self.strict.outputs(packed, outputs, f"run {self.run_id}")
            if not self.closed:
                self._settle()
                self._end(f.RunDone(packed.payload, self.clock(), packed.volatile), RunStatus.DONE)
                self.closed = "it is done"
        except Continuing as order:
            if self.closed:
                raise asyncio.CancelledError from None
            outputs = self._continue(order)
        except asyncio.CancelledError as error:
            cancelled = [self.flow.nodes[no - 1].node_id for no in reachable(error) if no > 0]
            if cancelled and not self.closed:  # a node of it was, on record, and the body did not catch that
                failed = NodeFailed(self.run_id, cancelled[0], "it was cancelled")
                failed.__cause__ = error
                self._failed(failed)
                raise failed from error
            if not self.closed:
                self._suspend("it was interrupted")
            raise
        except NoOneToAsk as error:
            self._suspend(f"nobody could be asked {error.prompt!r}")
            raise
        except Exception as error:
            if self.parking:  # no code of the run's could do that
                raise asyncio.CancelledError from error
            self._failed(error)
            raise
        except GeneratorExit:
            # It was given up while it waited, with its runtime, and is collected: in whatever thread, in the context of
            # whatever body runs there. That one's place is not ours to clear, and nobody is left to write for.
            collected = True
            raise
        except BaseException as error:
            if not self.closed:
                self._suspend(f"its code raised {type(error).__name__}")
            raise
        finally:
            if not collected:
                HERE.set(None)
                await self._close()
        return Outputs(outputs)

    def _settle(self) -> None:
        """The body has come to its end: what is on record and does not belong to it any more is said so."""
        self.asking.withdraw_all()
        self.effects.supersede_unclaimed()
        if left := self.validity.left(self.effects.bodies):
            self.fact(f.NodesLeft(left, self.clock()))

    def _continue(self, order: Continuing) -> dict[str, Any]:
        """The body is over, and another run begins: in one transaction."""
        self._settle()
        started, begin = continuing.begin(self, order)
        self._end(f.RunContinued(started.run_id, self.clock()), RunStatus.DONE, ops=[begin])
        self.closed, self.successor = f"it goes on as {started.run_id}", (started, order.inputs)
        return {"successor": started.run_id}

    def _failed(self, error: Exception) -> None:
        unretrieved = [no for no, handle in self.failed.items() if not handle.awaited]
        fatal = list(dict.fromkeys([*reachable(error), *unretrieved]))
        self.asking.withdraw_all_unclaimed()
        if self.host.own:
            advise(error, self.agent.name)
        failure = describe(error, self.codec.dump)
        self._end(
            f.RunFailed(failure, fatal, self.clock()),
            RunStatus.FAILED,
            told(failure.qualname, failure.message, failure.notes),
        )
        self.closed = "it failed"

    def _end(self, fact: f.AnyFact, status: RunStatus, error: str = "", ops: Sequence[Op] = ()) -> None:
        """Write the end of the run, or of this process's part in it, together with the run's row."""
        self.flow.fold(fact)
        ops = [*ops, self.runtime.runlist.row_op(self, status, error[:200]), roster.obeyed_op(self.run_id)]
        self.number = self.journal.append(self.run_id, fact, ops)

    def _suspend(self, why: str) -> None:
        spent, error = self.budget.left() if self.budget is not None else ({}, "")
        self._end(f.RunPaused(why, self.clock(), spent), RunStatus.PAUSED, error)
        self.closed = why

    @property
    def paused(self) -> RunPaused:
        """What whoever waits for it gets, once it is suspended."""
        exceeded = self.budget.exceeded if self.budget is not None else None
        return exceeded or RunPaused(self.run_id, self.closed)

    def suspend(self, why: str) -> None:
        """Let go of the run: facts flushed, further calls refused, status paused; a session is over with that."""
        if self.flow.started is not None and self.flow.started.kind == f.SESSION:
            self.cancel(why)
        elif not self.closed:
            self._suspend(why)
            self._cancel_tasks()

    def cancel(self, by: str) -> None:
        """End the run for good."""
        if not self.closed:
            self.asking.withdraw_all()
            self._end(f.RunCancelled(by, self.clock()), RunStatus.CANCELLED)
            self.closed = "it was cancelled"
            self._cancel_tasks()

    def _flush_prints(self) -> None:
        if hooks.flush is not None:
            for desk in self._desks.values():
                hooks.flush(desk)

    def park(self) -> None:
        """Leave memory: nothing is recorded, no code of the user's runs. See `lingering.why_not`, which says when."""
        self._flush_prints()
        self.left_open, self.left_for = self.asking.still_open(), self.events.names
        self.closed, self.parking = "it is parked", True
        self._cancel_tasks()

    def break_off(self, error: BaseException) -> None:
        """The journal is broken, or another process took the run: nothing more can be written."""
        if not self.closed:
            self.closed = str(error)
            self.broken = error
            self._cancel_tasks()

    def cancel_task(self, handle: CallHandle, why: str | None = None) -> bool:
        """Cancel what runs `handle`; whether it had begun. Else none of its code will run, not even its `finally`."""
        task = handle.task
        if task is None:
            return False
        begun = inspect.getcoroutinestate(cast(Coroutine[Any, Any, Any], task.get_coro())) != inspect.CORO_CREATED
        task.cancel(why)
        if not begun:
            self.live.discard(handle)
            if handle.target.kind == f.GRAPH:
                self.bodies.pop(handle.no, None)
            if handle.seat is not None:
                handle.seat.leave()
        return begun

    def _cancel_tasks(self) -> None:
        self.mailbox.closed = True
        if self.task is not None and self._begun:  # a task that is cancelled before its first step tells nobody
            self.task.cancel()

    async def _close(self) -> None:
        """The body has ended: stop what is left of the run and put its end on disk."""
        self.mailbox.closed = True
        if self.budget is not None:
            self.budget.close()
        self.asking.close()
        self.effects.close()
        self.attempts.close()
        if self.broken is None and not self.parking:
            await self.children.ended(self.flow.status, self.closed)
        tasks = [handle.task for handle in self.live if handle.task is not None]
        for handle in list(self.live):
            self.cancel_task(handle)
        if self.parking and tasks:  # of nested bodies, which end at once
            await asyncio.wait(tasks)
        if self.broken is None:
            await self.committed(inline=self.alone)

    def body_desk(self, place: BodyPlace) -> Desk:
        """The desk of a body: one for all its tasks."""
        desk = self._desks.get(place.no)
        if desk is None:
            desk = self._desks[place.no] = BodyDesk(self, place)
        return desk


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
