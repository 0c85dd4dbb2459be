"""Starting runs and going on with them: ids, ownership, definitions, and the task that drives a run to its end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from .. import hooks, ids
from ..code import definitions, gathering
from ..errors import JournalBroken, RunCancelled, RunExists, UnknownRun, WouldBlock
from ..record import facts as f
from ..record.flow import Flow
from ..record.status import ENDED, RunStatus
from ..scheduler import budgets, guests
from ..scheduler.execution import Execution
from ..scheduler.loop import Host
from ..scheduler.retries import RetryPolicy
from ..scheduler.slots import checked_cap
from ..storage import journal, owner, roster, signals
from ..storage.codec import canonical
from ..storage.store import Transaction
from .children import Children
from .resuming import Plan, agent_of, home, make_plan
from .running import Run

if TYPE_CHECKING:
    from ..authoring.reactive import Agent
    from .hub import Runtime


_Take = Callable[[Transaction, str], None]


class Past(msgspec.Struct, frozen=True):
    """What a new run has from another one: facts, a writer of rows for its id, how often that had been taken up."""

    facts: Sequence[f.AnyFact] = ()
    write: _Take | None = None
    epoch: int = 0


LETTING_GO_S = 5.0  # how long a run that was paused may take to end its tasks


PAUSE_S = 2.0
LONGEST_ID = 200  # bytes of UTF-8: file systems take names of 255, and successors of a run append to its name


class Launcher:
    """Makes the runs of one runtime live."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._made = 0  # runs that this process has made
        self._one_at_a_time = threading.RLock()  # two threads that resume one run get the same live run

    # ------------------------------------------------------------------ starting

    def start(
        self,
        agent: Agent,
        inputs: dict[str, Any],
        *,
        run_id: str | None = None,
        keep: bool = False,
        max_concurrency: int | None = None,
        parent: str = "",
        tags: Iterable[str] = (),
        session_id: str | None = None,
        tied: bool = True,
        derived: bool = False,
        loop: str | None = None,
        retry: RetryPolicy | None = None,
        on_error: str | None = None,
        budget: budgets.Given = None,
    ) -> Run:
        """Start a run; it goes on in the background.

        Args:
            parent: the run that starts it. One that is `tied` is paused and cancelled with it.
            derived: `run_id` stands for agent and inputs, so a run of that id is this one.
            budget: see `aethergraph.start`.

        Raises:
            NoLoop: `loop` is "kernel", and there is no such loop here.
            RunExists: `run_id` is taken by another agent's run, or by one with other inputs.
            NotStorable: an input cannot be stored, so the run could not be resumed.
            BudgetExceeded: it has a run of that id, whose budget is used up.
            TypeError: `run_id`, `retry`, `tags` or `budget` is of another type.
        """
        _plain(run_id, retry, tags)
        whole = budgets.checked(budget)
        if run_id is not None and self._runtime.store.get(roster.row_key(run_id)) is not None:
            return self.resume(run_id, agent=agent) if derived else self._again(agent, inputs, run_id, loop, budget)
        if run_id is not None and (not run_id.strip() or set(run_id) & set(":/\\\0")):
            raise ValueError(f"run_id={run_id!r}: the name of a run has at least one letter, and no : / or \\ in it")
        if run_id is not None and not derived and (run_id in (".", "..") or len(run_id.encode()) > LONGEST_ID):
            raise ValueError(f"run_id={run_id!r:.80}: it names a folder: neither . nor .., at most {LONGEST_ID} bytes")
        if on_error is not None:
            _checked(agent, on_error)
        self._host(loop)  # before anything is written
        payload = self._runtime.codec.dump(inputs, f"the inputs of {agent.name}")
        definition = definitions.save(self._runtime.store, gathering.gather(agent), self._runtime.keyring)
        here = "nested" if parent else _here()
        if here and not keep and not parent:
            self._pause_earlier(here)
        started = f.RunStarted(
            run_id="",
            name=agent.name,
            t=self._runtime.clock.now(),
            inputs=payload,
            secret=secrets.token_bytes(16),
            definition=definition,
            session=hooks.session() if session_id is None else session_id,
            parent=parent,
            cap=checked_cap(max_concurrency) or agent.max_concurrency or self._runtime.max_concurrency,
            tags=list(dict.fromkeys([*agent.tags, *_tags(tags)])),
            home=home(agent),
            tied=bool(parent) and tied,
            loop=loop or "",
            retry=self._runtime.codec.dump(retry, "retry=") if retry is not None else b"",
            on_error=on_error or "",
            budget=whole or {},
        )
        return self.begin(agent, started, inputs, run_id, here)

    def begin(
        self,
        agent: Agent,
        started: f.RunStarted,
        inputs: dict[str, Any],
        run_id: str | None = None,
        here: str | None = None,
        past: Past | None = None,
    ) -> Run:
        """Make the run that `started` tells of, and let it go on from its past."""
        run = self._create(agent, started, run_id, past or Past())
        run.origin = _here() if here is None else here
        self._launch(run, agent, inputs)
        return run

    def _create(self, agent: Agent, started: f.RunStarted, wanted: str | None, past: Past) -> Run:
        """Take a new id in the store, and begin its journal."""
        roster.index(self._runtime.store)
        host = self._host(started.loop)
        keep = definitions.keep_op(self._runtime.store, started.definition) if started.definition else None
        while True:
            run_id = wanted or ids.run_id(agent.name, secrets.token_bytes(8))
            with self._runtime.store.transact() as rows:
                if rows.get(roster.row_key(run_id)) is None:
                    heard = started.signals if past.facts else signals.last(rows)
                    fact = msgspec.structs.replace(started, run_id=run_id, signals=heard)
                    if past.epoch:
                        rows.set(owner.row_key(run_id), owner.encode(owner.Epoch(past.epoch, "", "")))
                    epoch = self._runtime.owner.take(rows, run_id)
                    row = roster.RunRow(
                        run_id, agent.name, RunStatus.RUNNING, fact.t, session=fact.session, parent=fact.parent,
                        tags=fact.tags, tied=fact.tied, kind=fact.kind,
                    )  # fmt: skip
                    roster.write_op(row)(rows)
                    rows.set(roster.index_key(row.created, run_id), b"")
                    # With the row, so that no kill can leave a run behind of which nothing is known.
                    batches = journal.parts([fact, *past.facts])
                    for number, batch in enumerate(batches):
                        rows.set(journal.row_key(run_id, number), batch)
                    if keep is not None:
                        keep(rows)
                    if past.write is not None:
                        past.write(rows, run_id)
                    break
            if wanted:
                raise RunExists(wanted, "was made by another process just now")
        self._made += 1
        if self._made % roster.HEAD == 0:
            roster.shorten(self._runtime.store)
        run = Run(self._runtime, run_id, agent.name)
        self._open(run, agent, Flow.of([fact, *past.facts]), len(batches), epoch, host)
        return run

    def _host(self, loop: str | None) -> Host:
        if loop == guests.KERNEL:
            return guests.here()
        if not loop:
            return self._runtime.thread
        raise ValueError(
            f'loop is "kernel" (the loop that runs here) or is left out (the loop of the runs), got {loop!r}; '
            "an input of that name is given as inputs={'loop': ...}"
        )

    def _open(self, run: Run, agent: Agent, flow: Flow, batches: int, epoch: owner.Epoch, host: Host) -> None:
        run_id = run.run_id
        self._track(run_id, batches, epoch)
        opened = f.RunOpened(
            epoch=epoch.number,
            t=self._runtime.clock.now(),
            validity=agent.validity(),
            outputs=list(agent.outputs or ()),
            body=agent.own_code(),
            budget=flow.budget,
            spent=flow.spent,
        )
        flow.fold(opened)
        host.enter()
        context = contextvars.copy_context()
        run.execution = Execution(self._runtime, run_id, agent, flow, epoch.number, context, host, Children)
        run.execution.number = self._runtime.journal.append(run_id, opened)
        self._runtime.live[run_id] = run
        self._runtime.inbox.listen()
        self._runtime.inbox.followed()

    def _launch(self, run: Run, agent: Agent, inputs: dict[str, Any]) -> None:
        execution = run.execution
        agent.last_run = run
        if hooks.display_hook is not None and not run.origin.startswith("nested"):
            hooks.display_hook(run)
        if execution is not None:
            execution.host.call(self._begin, run, execution, inputs)

    def _begin(self, run: Run, execution: Execution, inputs: dict[str, Any]) -> None:
        # In a copy: what is kept of a run that leaves memory is the context as it was.
        work, context = self._drive(run, execution, inputs), execution.context.copy()
        execution.task = asyncio.Task(work, loop=execution.loop, context=context)

    def _track(self, run_id: str, batches: int, epoch: owner.Epoch) -> None:
        lost = partial(self._lost, run_id)
        self._runtime.journal.open(run_id, batches, owner.encode(epoch), lost)

    def rejoin(
        self,
        run: Run,
        agent: Agent,
        flow: Flow,
        batches: int,
        epoch: owner.Epoch,
        context: contextvars.Context,
        inputs: dict[str, Any],
    ) -> None:
        """Let a run that this process had parked go on, as if it had been here all the time; on the loop's thread.

        Raises:
            JournalBroken: nothing can be written any more.
        """
        self._runtime.journal.barrier(0, lambda: None)  # a live run would have been told when it broke
        self._track(run.run_id, batches, epoch)
        host = self._runtime.thread
        execution = Execution(self._runtime, run.run_id, agent, flow, epoch.number, context, host, Children)
        execution.rejoined = execution.woken = True
        flow.status, execution.row_told = RunStatus.RUNNING, (RunStatus.WAITING, 0, 0, 0)
        run.execution, self._runtime.live[run.run_id] = execution, run
        self._begin(run, execution, inputs)

    # ------------------------------------------------------------------ running

    async def _drive(self, run: Run, execution: Execution, inputs: dict[str, Any]) -> None:
        try:
            outputs = await execution.main((), inputs)
        except asyncio.CancelledError:
            if execution.parking and execution.broken is None:
                self._runtime.parking.gone(execution)
                self._runtime.parking.left(run, execution)
                return
            self._ended(run)
            if execution.broken is not None:
                run.end(execution.broken)
            elif execution.flow.status is RunStatus.CANCELLED:
                run.end(RunCancelled(run.run_id))
            else:
                run.end(execution.paused)
        except BaseException as error:  # noqa: BLE001 (it belongs to whoever waits for the run)
            self._ended(run)
            run.end(error)
        else:
            try:  # before this run is let go: who looks for either finds a live one, and starts no second
                if execution.successor is not None:
                    self._go_on(run, execution, *execution.successor)
            finally:
                self._ended(run)
                run.end(outputs)

    def _about_to_begin(self, flow: Flow) -> Run | None:
        """The live run that a run goes on from, if that will let it begin here in a moment; None if nobody will.

        What says that it goes on is on disk some time before it does. Off the loops, this returns when it has.
        """
        before = self._runtime.parking.find(flow.started.continues) if flow.started and flow.started.continues else None
        if before is not None and not self._runtime.on_loop():
            concurrent.futures.wait([before.future], LETTING_GO_S)
        return before

    def _go_on(self, run: Run, execution: Execution, started: f.RunStarted, inputs: dict[str, Any]) -> None:
        """Let the run begin that goes on from `run`, and that was written with its end."""
        later = Run(self._runtime, started.run_id, run.name)
        later.origin = run.origin
        context, agent, epoch = execution.context.copy(), execution.agent, self._runtime.owner.epoch(1)
        context.run(self._open, later, agent, Flow.of([started]), 1, epoch, execution.host)
        context.run(self._launch, later, agent, inputs)

    def _ended(self, run: Run) -> None:
        self._runtime.journal.close_run(run.run_id)
        self._runtime.live.pop(run.run_id, None)
        if run.execution is not None:
            if run.execution.host.own:
                self._runtime.parking.gone(run.execution)
            run.execution.host.leave()

    def _pause_earlier(self, here: str) -> None:
        cell, _, number = here.partition("#")
        for run in self._runtime.parking.of_cell(cell):
            if run.origin != here and number:
                run.pause("its cell was run again")
                execution = run.execution
                if execution is None or not execution.host.is_current:
                    concurrent.futures.wait([run.future], timeout=PAUSE_S)  # so that what follows finds it paused
                print(f"paused {run.run_id}, which this cell had started; go on with: %aether resume {run.run_id}")

    def _lost(self, run_id: str, broken: JournalBroken | None) -> None:
        """Nothing more of a live run can be written: end it here, whatever it waits for."""
        run = self._runtime.live.get(run_id)
        execution = None if run is None else run.execution
        if execution is not None:
            execution.host.call(execution.break_off, broken or execution.taken())

    # ------------------------------------------------------------------ going on

    def _again(self, agent: Agent, inputs: dict[str, Any], run_id: str, loop: str | None, budget: budgets.Given) -> Run:
        known = Run(self._runtime, run_id, roster.read(self._runtime.store, run_id).name)
        if known.name != agent.name:
            raise RunExists(run_id, f"is a run of {known.name!r}, not of {agent.name!r}")
        if canonical(known.inputs).data != canonical(inputs).data:
            raise RunExists(run_id, "has other inputs")
        return self.resume(run_id, agent=agent, loop=loop, budget=budget)

    def resume(
        self,
        run_id: str | None = None,
        *,
        namespace: Mapping[str, Any] | None = None,
        agent: Agent | None = None,
        loop: str | None = None,
        budget: budgets.Given = None,
    ) -> Run:
        """Go on with a run; returns at once, as `start`.

        Args:
            run_id: which; the latest unfinished one where left out.
            namespace: names of this kernel's cells, which win over the stored definitions.
            loop: as in `start`; where left out, as the run was started.
            budget: its whole budget from here on, of which what is spent stays spent (`math.inf`: none); where left
                out, the one that it has.

        Raises:
            BudgetExceeded: that is used up; nothing was done.
            ValueError: it is at work in this process, with another budget.
            NoLoop: it runs on a kernel's loop, and there is none here.
            UnknownRun: no such run, or none that is unfinished.
            RunIsLive: another process runs it.
            RunCancelled: it was cancelled, which is final.
            Untrusted: its stored source is not signed with this user's key.
        """
        whole = budgets.checked(budget)
        with self._one_at_a_time:
            return self._resume(run_id or self._latest(), namespace, agent, loop, whole)

    def _resume(
        self,
        run_id: str,
        namespace: Mapping[str, Any] | None,
        agent: Agent | None,
        loop: str | None,
        whole: dict[str, float] | None,
    ) -> Run:
        row = roster.read(self._runtime.store, run_id)
        while row.successor:
            row = roster.read(self._runtime.store, run_id := row.successor)
        live = self._runtime.parking.find(run_id)
        if live is not None and live.leaving and not self._runtime.on_loop():
            execution = live.execution
            if execution is not None and execution.host.is_current:
                raise WouldBlock(f"resuming {run_id}, which is just being let go", "it in the next cell")
            concurrent.futures.wait([live.future], LETTING_GO_S)
            live = self._runtime.parking.find(run_id)
        if live is not None:
            if whole is not None:
                budgets.refuse_other(run_id, live.flow(), whole)
            self._runtime.parking.wake(run_id)
            return live
        batches = journal.read(self._runtime.store, run_id)
        flow = Flow.of(fact for batch in batches for fact in batch)
        if flow.status is RunStatus.CANCELLED:
            raise RunCancelled(run_id)
        run = Run(self._runtime, run_id, row.name)
        if flow.result is not None:
            return run
        begins = self._about_to_begin(flow)
        if begins is not None:
            return self._runtime.parking.find(run_id) or self._over(run_id) or begins
        budgets.take_up(run_id, flow, batches, whole)
        agent = agent or agent_of(self._runtime, run_id, flow, namespace)
        host = self._host(loop or (flow.started.loop if flow.started else ""))
        with self._runtime.store.transact() as rows:
            if rows.get(roster.row_key(run_id)) is None:
                raise UnknownRun(run_id)  # collected as garbage just now
            epoch = self._runtime.owner.take(rows, run_id)
            more = rows.get(journal.row_key(run_id, len(batches))) is not None
        if more:  # the last owner wrote it before we took over
            batches = journal.read(self._runtime.store, run_id)
            flow = Flow.of(fact for batch in batches for fact in batch)
            budgets.take_up(run_id, flow, batches, whole, refuse=False)  # it is ours: it stops itself
        inputs = self._runtime.codec_for(agent).load(flow.started.inputs) if flow.started else {}
        self._open(run, agent, flow, len(batches), epoch, host)
        self._on_disk(run)
        run.origin = _here()
        self._launch(run, agent, inputs)
        return run

    def _over(self, run_id: str) -> Run | None:
        """A run that began and ended while this thread looked for it."""
        row = roster.read(self._runtime.store, run_id)
        return Run(self._runtime, run_id, row.name) if row.status in ENDED else None

    def _on_disk(self, run: Run) -> None:
        """Wait for the fact that opened a run again: a view reads the disk, and would still tell of the last time."""
        try:
            self._runtime.journal.flush()
        except JournalBroken:
            self._ended(run)
            raise

    def plan(self, run_id: str, namespace: Mapping[str, Any] | None = None) -> Plan:
        """What a resume would reuse and run again, and why; made without running anything."""
        batches = journal.read(self._runtime.store, run_id)
        if not batches:
            roster.read(self._runtime.store, run_id)
        flow = Flow.of(fact for batch in batches for fact in batch)
        return make_plan(flow, agent_of(self._runtime, run_id, flow, namespace))

    def _latest(self) -> str:
        for row in roster.everything(self._runtime.store):
            if self._is_unfinished(row):
                return self._who_started(row).run_id
        raise UnknownRun("", why="no run of this store is unfinished: each is done, or was cancelled")

    def _who_started(self, row: roster.RunRow) -> roster.RunRow:
        """The unfinished run that this one is part of, which takes it up when it is resumed; mostly it is itself."""
        while row.tied and (data := self._runtime.store.get(roster.row_key(row.parent))) is not None:
            parent = roster.decode(data)
            if not self._is_unfinished(parent):
                break
            row = parent
        return row

    def _is_unfinished(self, row: roster.RunRow) -> bool:
        ended = self._runtime.runlist.info(row).status in (RunStatus.DONE, RunStatus.CANCELLED)
        return not ended and row.kind != f.SESSION


def _checked(agent: Agent, on_error: str) -> None:
    if on_error not in ("finish", "stop"):
        raise ValueError(f'on_error={on_error!r}: "finish" (the rest goes on) or "stop" (the rest is cancelled)')
    if not hasattr(agent, "on_error"):
        raise ValueError(
            f"on_error= is for static graphs, and {agent.name} is a @graph_fn, which decides itself: write `try` and "
            f"`except` around the call, or leave it out"
        )


def _here() -> str:
    """Which execution of which cell this is."""
    return hooks.origin() if hooks.origin is not None else ""


def _plain(run_id: Any, retry: Any, tags: Any) -> None:
    """Raises TypeError: an option of a run is of a wrong type; nothing was written."""
    if not isinstance(run_id, str | None):
        raise TypeError(f"run_id is a text, got {type(run_id).__name__}: {run_id!r:.80}")
    if not isinstance(retry, RetryPolicy | None):
        raise TypeError(f"retry={retry!r}: it is a RetryPolicy, as in retry=RetryPolicy(max_attempts=3)")
    if not isinstance(tags, Iterable):
        raise TypeError(f"tags={tags!r}: they are a text, or a list of texts")


def _tags(tags: Iterable[str]) -> list[str]:
    found = [tags] if isinstance(tags, str) else list(tags)
    if wrong := [tag for tag in found if not isinstance(tag, str)]:
        raise TypeError(f"tags are texts, got {type(wrong[0]).__name__}: {wrong[0]!r:.80}")
    return found
