"""Runs that the bodies and attempts of a run start: found again after a kill, waited for, ended with it.

The id of a child comes from the identity of the call that starts it, so the code that runs again finds the child that
it had and never makes a second one. A child is a run of its own: it has its own journal, cap and resume. One that is
tied to its parent is paused and cancelled with it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from ..engine import Outcome
from ..errors import AetherGraphError, BudgetExceeded, NoOneToAsk, OurBug, RunIsLive, RunPaused
from ..ids import Key, child_id
from ..record.failures import unmarked
from ..record.status import RunStatus
from ..scheduler.desks import AttemptDesk, BodyDesk
from ..scheduler.loop import AetherLoop
from ..scheduler.slots import Seat
from ..storage import codec as values
from ..storage import roster
from ..values.outputs import Outputs
from . import resuming
from .running import Run

if TYPE_CHECKING:
    from ..authoring.reactive import Agent
    from ..scheduler.execution import Execution

SPAWN, WAIT = "spawn_run", "wait_run"
_Desk = BodyDesk | AttemptDesk
_log = logging.getLogger("aethergraph.children")


class Children:
    """The children of one run."""

    def __init__(self, run: Execution) -> None:
        self._run = run
        self.waiting = 0  # attempts that wait for a child
        self._claimed: set[str] = set()  # those that this process's code started or found again
        self._tied: set[str] = set()  # of these, those that end with this run
        self._left: set[str] = set()  # that were waited for, until whoever did gave up
        self._orders: set[asyncio.Future[None]] = set()  # cancels that are being written
        self._looked = False

    # ------------------------------------------------------------------ starting

    async def spawn(self, desk: _Desk, target: Agent | str, inputs: Any, options: Any) -> str:
        """Start a child, or find the one that this call started before; its id."""
        agent, bound = self._bound(target, inputs)
        own = self._name(desk, agent, bound, options)

        begin = self._beginning(agent, bound, own, options)

        async def work() -> Outcome:
            await self._run.loop.run_in_executor(None, begin)
            return Outcome(own)

        self._claim(own, options)
        run_id = await desk.effect(SPAWN, {"agent": agent.name, "inputs": bound}, work, intent=True)
        if run_id != own and not self._is_shared(run_id, own):
            run_id = begin().run_id
        job = self._take_up(run_id, agent)
        if job is not None and isinstance(desk, AttemptDesk):
            await asyncio.shield(job)
        return str(run_id)

    def start(self, desk: _Desk, agent: Agent, inputs: dict[str, Any], options: Any) -> Run:
        """`spawn`, at once and on the loop's thread: for `start(...)` in an async body or tool."""
        own = self._name(desk, agent, inputs, options)
        begin = self._beginning(agent, inputs, own, options)
        made: list[Run] = []

        def now() -> str:
            made.append(begin())
            return own

        self._claim(own, options)
        run_id = self._run.effects.at_once(desk, SPAWN, {"agent": agent.name, "inputs": inputs}, now)
        if made:
            return made[0]
        return self._found(run_id, agent) if run_id == own or self._is_shared(run_id, own) else begin()

    def _is_shared(self, run_id: str, own: str) -> bool:
        """Whether a fork uses the child that the run which it was forked from had: one that was not done is its own."""
        store = self._run.runtime.store
        if store.get(roster.row_key(own)) is not None or store.get(roster.row_key(run_id)) is None:
            return False
        shared = roster.read(store, run_id).status == RunStatus.DONE
        if shared:
            self._claimed.add(run_id)
        return shared

    def _bound(self, target: Agent | str, inputs: Any) -> tuple[Agent, dict[str, Any]]:
        agent = resuming.named(target, self._run.names()) if isinstance(target, str) else resuming.as_agent(target)
        return agent, agent.bind((), dict(inputs or {}))

    def _name(self, desk: _Desk, agent: Agent, inputs: dict[str, Any], options: Any) -> str:
        given = options.get("run_id")
        if given is not None:
            return str(given)
        asked = values.canonical((agent.name, inputs), self._run.origins.known).data
        key = desk.identity("run", asked, fresh=False)
        return child_id(agent.name, self._run.run_id, Key(key))

    def _beginning(self, agent: Agent, inputs: dict[str, Any], run_id: str, options: Any) -> Callable[[], Run]:
        started = self._run.flow.started
        session = started.session if started is not None else ""
        own = {"run_id": run_id, "parent": self._run.run_id, "derived": options.get("run_id") is None}
        options = {"session_id": session, **options, **own}
        runtime = self._run.runtime

        def begin() -> Run:
            try:
                return runtime.launcher.start(agent, inputs, **options)
            except BudgetExceeded:  # it was there before: whoever waits for it is told
                return runtime.load(run_id)

        return begin

    def _claim(self, run_id: str, options: Any) -> None:
        self._claimed.add(run_id)
        self._left.discard(run_id)
        if options.get("tied", True):
            self._tied.add(run_id)

    def _take_up(self, run_id: str, agent: Agent) -> asyncio.Future[None] | None:
        """A child that was interrupted with its parent goes on with it: beside a body, which must not wait for it."""
        if self._run.runtime.parking.is_ours(run_id):
            return None
        return self._order(lambda: self._found(run_id, agent))

    def _found(self, run_id: str, agent: Agent | None = None, *, again: bool = False) -> Run:
        """The run, live if it is to go on; one that failed is tried `again`."""
        runtime = self._run.runtime
        live = runtime.parking.find(run_id)
        if live is not None and not live.leaving:
            return live
        known = runtime.load(run_id)
        status = known.flow().status
        if status in (RunStatus.DONE, RunStatus.CANCELLED) or (status is RunStatus.FAILED and not again):
            return known
        try:
            return runtime.launcher.resume(run_id, agent=agent)
        except BudgetExceeded:  # whoever waits for it is told
            return known

    # ------------------------------------------------------------------ waiting

    async def wait(self, desk: _Desk, run_id: str, timeout_s: float | None = None, *, owned: bool = False) -> Outputs:
        """The outputs of a run, once it has ended. Whoever waits holds no slot meanwhile.

        owned: nobody else has use for it, so it is paused where the waiting is given up.

        Raises:
            TimeoutError: it did not end within `timeout_s` seconds; it goes on.
            RunCancelled: it was cancelled.
            Exception: what its body raised, unchanged.
        """
        if isinstance(desk, BodyDesk):

            async def work() -> Outcome:
                with self._resting(in_body=True):
                    return Outcome(dict(await self._outcome(run_id, timeout_s, self._run.run_id, owned)))

            return Outputs(await desk.effect(WAIT, {"run": run_id}, work))
        desk.check()
        self.waiting += 1
        try:
            async with desk.away():
                with self._resting(in_body=False):
                    return await self._outcome(run_id, timeout_s, desk.place.handle.seat, owned)
        finally:
            self.waiting -= 1

    def _resting(self, *, in_body: bool) -> contextlib.AbstractContextManager[None]:
        """While it waits for another run, this one uses nothing of its budget."""
        budget = self._run.budget
        return contextlib.nullcontext() if budget is None else budget.waiting_for_run(in_body=in_body)

    async def _outcome(self, run_id: str, timeout_s: float | None, waiter: Seat | str | None, owned: bool) -> Outputs:
        child = await self._found_again(run_id)
        try:
            outputs = await self._ended(child, timeout_s, waiter)
            while "successor" in outputs and (after := child.successor) is not None:
                child = await self._found_again(after.run_id)  # a kill may have ended it, and not the one before it
                outputs = await self._ended(child, timeout_s, waiter)
            return outputs
        except asyncio.CancelledError:
            if owned and child.live and not self._run.closed:
                self._left.add(child.run_id)
                child.pause(f"nobody in {self._run.run_id} waits for it any more")
            raise

    async def _found_again(self, run_id: str) -> Run:
        return await self._run.loop.run_in_executor(None, lambda: self._found(run_id, again=True))

    async def _ended(self, child: Run, timeout_s: float | None, waiter: Seat | str | None) -> Outputs:
        if not child.live:
            try:
                return child.ended()
            except BudgetExceeded as exceeded:
                await self._cannot_go_on(child, exceeded)
        slots = self._run.runtime.slots
        with slots.awaiting(child.run_id, waiter) if waiter is not None else contextlib.nullcontext():
            self._run.attempts.refuse_deadlocked()
            await _over(child.future, timeout_s, self._run.loop)
        if not child.future.done():
            raise TimeoutError(f"run {child.run_id} did not end within {timeout_s:g} s; it goes on")
        error, told, child.told = child.future.exception(), child.told, True
        if isinstance(error, (RunPaused, NoOneToAsk)):
            await self._cannot_go_on(child, error)
        if error is not None:
            raise unmarked(error, self._run.codec if told else None)
        return child.future.result()

    async def _cannot_go_on(self, child: Run, error: AetherGraphError) -> NoReturn:
        """The run that this one waits for was paused, so this one is too; nothing is on record of it."""
        self._run.suspend(f"it waits for the run {child.run_id}: {error}")
        await self._run.loop.create_future()  # until that has been done
        raise OurBug("a future that nobody knows was done")

    # ------------------------------------------------------------------ ending

    async def cancel(self, desk: _Desk, run_id: str) -> None:
        """End a run for good."""

        async def work() -> Outcome:
            by = f"run {self._run.run_id}"
            await self._run.loop.run_in_executor(None, lambda: self._run.runtime.cancel(run_id, by))
            return Outcome(None)

        await desk.effect("cancel_run", {"run": run_id}, work, intent=True)

    @property
    def live(self) -> list[Run]:
        """Those that run here."""
        known = (self._run.runtime.parking.find(run_id) for run_id in self._tied)
        return [child for child in known if child is not None]

    def quiet(self) -> None:
        """The first quiet moment: what earlier code of the bodies started, and this code does not, is cancelled."""
        if not self._looked:
            self._looked = True
            self._cancel(self._unclaimed(), "the code that started it is gone")

    def _unclaimed(self) -> list[str]:
        effects = self._run.effects.unclaimed(SPAWN)
        return [run_id for run_id in map(self._run.codec.load, effects) if run_id not in self._claimed]

    async def ended(self, status: RunStatus, why: str) -> None:
        """The run is over here. Its children go on, unless it was cancelled, interrupted, or they are left behind."""
        run = self._run
        if status is RunStatus.PAUSED:
            for child in self.live:
                child.pause(f"its parent {run.run_id} was paused ({why})")
        elif status is RunStatus.DONE:
            self._cancel([*self._left, *self._unclaimed()], "nobody waits for it any more")
        elif status is RunStatus.CANCELLED and (self._tied or run.flow.started_runs):
            self._order(lambda: run.runtime.runlist.cancel_children(run.run_id))
        if self._orders:
            await asyncio.wait(set(self._orders))

    def _cancel(self, run_ids: list[str], why: str) -> None:
        for run_id in dict.fromkeys(run_ids):
            self._order(partial(self._run.runtime.cancel, run_id, f"{self._run.run_id}: {why}"))

    def _order(self, call: Callable[[], object]) -> asyncio.Future[None]:
        """Do what reads the store in another thread; the run does not end before it is done."""
        context = self._run.loop.empty.copy()
        job: asyncio.Future[None] = context.run(self._run.loop.run_in_executor, None, self._obeyed, call)
        self._orders.add(job)
        job.add_done_callback(self._orders.discard, context=self._run.loop.empty)
        return job

    def _obeyed(self, call: Callable[[], object]) -> None:
        try:
            call()
        except RunIsLive as error:
            _log.info("%s", error)
        except AetherGraphError:
            _log.exception("what run %s started could not be seen to", self._run.run_id)


async def _over(future: concurrent.futures.Future[Outputs], timeout_s: float | None, loop: AetherLoop) -> None:
    """Return when it is done, or after `timeout_s` seconds."""
    done: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not done.done():
            done.set_result(None)

    def tell(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed
            loop.call_soon_threadsafe(wake, context=loop.empty)

    future.add_done_callback(tell)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(done, timeout_s)
