"""`Runtime`: one store with its journal, its loop and the runs that live here. Most programs have one, made when needed."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextvars
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from . import definitions, disk, ids, journal, roster, waiting
from . import owner as owners
from . import facts as f
from .channels.bus import Bus
from .clock import Clock, SystemClock
from .codec import Codec, canonical
from .context import NodeContext
from .engine import Desk
from .errors import AlreadyAnswered, BadAnswer, RunCancelled, RunExists, RunIsLive, RunPaused, UnknownRun, WouldBlock
from .execution import Execution
from .flow import Flow
from .keyring import Keyring
from .loop import LoopThread
from .outputs import Outputs
from .places import AttemptPlace
from .resuming import Plan, agent_of, make_plan
from .running import Run
from .schema import Question
from .status import RunStatus
from .store import Store

if TYPE_CHECKING:
    from .reactive import Agent

# Set by the notebook side. None and empty: there is no notebook.
display_hook: Callable[[Run], None] | None = None
blocking_asker: Callable[[Question, str, str], Any] | None = None
origin: Callable[[], str] | None = None  # the cell that is running
session: Callable[[], str] = lambda: os.environ.get("JPY_SESSION_NAME", "")
on_attempt_end: list[Callable[[Desk], None]] = []
find_agent: Callable[[str], Any] = lambda name: None  # set by `reactive`


@dataclass(frozen=True, slots=True)
class WaitInfo:
    """An open question, as the inbox lists it. `deadline` is 0 where there is none; times in seconds since the epoch."""

    token: str
    run_id: str
    node_id: str
    kind: str
    prompt: str
    schema: Question
    created_at: float
    deadline: float


class Runtime:
    """Everything that belongs to one store.

    Args:
        store: a folder, or a store; the folder `.aethergraph` that is found walking up from here where left out.
        durability: "power" survives power loss (each commit is synced), "process" only the death of the process.
    """

    def __init__(
        self,
        store: Store | str | os.PathLike[str] | None = None,
        *,
        clock: Clock | None = None,
        keyring: Keyring | None = None,
        durability: str = "power",
        max_concurrency: int | None = None,
    ) -> None:
        if store is None or isinstance(store, (str, os.PathLike)):
            folder = disk.find_store(Path.cwd()) if store is None else Path(store)
            store = disk.DiskStore(folder, durability="process" if durability == "process" else "power")
        self.store: Store = store
        self.clock = clock or SystemClock()
        self.keyring = keyring or Keyring.default()
        self.codec = Codec(store.blobs, self.keyring)
        self.journal = journal.Journal(store)
        self.bus = Bus()
        self.max_concurrency = max_concurrency or (os.cpu_count() or 1) + 4
        self.live: dict[str, Run] = {}
        self._lock = threading.RLock()
        self._thread: LoopThread | None = None
        self._owner: owners.Owner | None = None
        self._doorbell: waiting.Doorbell | None = None
        self._clerk = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="aether-answers")
        self._listeners: dict[str, queue.SimpleQueue[tuple[str, Question] | None]] = {}
        atexit.register(self.close)

    # ------------------------------------------------------------------ parts made when needed

    @property
    def thread(self) -> LoopThread:
        """The loop that runs the agents."""
        with self._lock:
            if self._thread is None:
                self._thread = LoopThread()
            return self._thread

    def on_loop(self) -> bool:
        """Whether the caller runs on that loop."""
        return self._thread is not None and self._thread.is_current

    @property
    def owner(self) -> owners.Owner:
        """This process as an owner of runs."""
        with self._lock:
            if self._owner is None:
                self._owner = owners.Owner(self.store)
            return self._owner

    def codec_for(self, agent: Agent) -> Codec:
        """A codec that finds the classes which the agent's cells define."""
        return Codec(self.store.blobs, self.keyring, agent.names)

    def make_context(self, desk: Desk) -> NodeContext:
        """The context of a scope."""
        return NodeContext(desk, self.bus, self.codec)

    def attempt_ended(self, place: AttemptPlace) -> None:
        """An attempt ended; called in its own thread and context."""
        if on_attempt_end and place.used:
            for call in on_attempt_end:
                call(place.desk)

    def scope_ended(self, desk: Desk | None) -> None:
        """A body ended; `desk` is None where nothing ever asked for it."""
        if desk is not None:
            for call in on_attempt_end:
                call(desk)

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
    ) -> Run:
        """Start a run; it goes on in the background.

        Raises:
            RunExists: `run_id` is taken by another agent's run, or by one with other inputs.
            NotStorable: an input cannot be stored, so the run could not be resumed.
        """
        if run_id is not None and self.store.get(roster.row_key(run_id)) is not None:
            return self._again(agent, inputs, run_id)
        payload = self.codec.dump(inputs, f"the inputs of {agent.name}")
        definition = definitions.save(self.store, definitions.gather(agent), self.keyring)
        here = origin() if origin is not None else ""
        if here and not keep:
            self._pause_earlier(here)
        started = f.RunStarted(
            "", agent.name, self.clock.now(), payload, secrets.token_bytes(16), definition, session(), parent,
            max_concurrency or agent.max_concurrency or self.max_concurrency, list(agent.tags),
        )  # fmt: skip
        run = self._create(agent, started, run_id)
        run.origin = here
        self._launch(run, agent, inputs)
        return run

    def _create(self, agent: Agent, started: f.RunStarted, wanted: str | None) -> Run:
        """Take a new id in the store, and begin its journal."""
        while True:
            run_id = wanted or ids.run_id(agent.name, secrets.token_bytes(8))
            fact = _with_id(started, run_id)
            with self.store.transact() as rows:
                if rows.get(roster.row_key(run_id)) is None:
                    epoch = self.owner.take(rows, run_id)
                    row = roster.RunRow(
                        run_id, agent.name, RunStatus.RUNNING, fact.t, session=fact.session, parent=fact.parent,
                        tags=fact.tags,
                    )  # fmt: skip
                    roster.write_op(row)(rows)
                    break
            if wanted:
                raise RunExists(wanted, "was made by another process just now")
        run = Run(self, run_id, agent.name)
        self._open(run, agent, Flow(), 0, epoch, [fact])
        return run

    def _open(
        self, run: Run, agent: Agent, flow: Flow, batches: int, epoch: owners.Epoch, facts: list[f.AnyFact]
    ) -> None:
        run_id = run.run_id
        self.journal.open(run_id, batches, owners.encode(epoch), lambda: self._fenced(run_id))
        opened = f.RunOpened(
            epoch.number, self.clock.now(), epoch.told, agent.validity(), list(agent.outputs or ())
        )
        for fact in [*facts, opened]:
            flow.fold(fact)
        cap = flow.started.cap if flow.started and flow.started.cap else self.max_concurrency
        run.execution = Execution(self, run_id, agent, flow, cap)
        for fact in [*facts, opened]:
            run.execution.number = self.journal.append(run_id, fact)
        self.live[run_id] = run
        self._listen()

    def _launch(self, run: Run, agent: Agent, inputs: dict[str, Any]) -> None:
        execution = run.execution
        agent.last_run = run
        if display_hook is not None and not run.origin.startswith("nested"):
            display_hook(run)
        context = contextvars.copy_context()

        def begin() -> None:
            if execution is not None:
                execution.task = asyncio.Task(self._drive(run, execution, inputs), loop=self.thread.loop, context=context)

        self.thread.call(begin)

    async def _drive(self, run: Run, execution: Execution, inputs: dict[str, Any]) -> None:
        future = run.future
        try:
            outputs = await execution.main((), inputs)
        except asyncio.CancelledError:
            self._ended(run)
            if execution.broken is not None:
                future.set_exception(execution.broken)
            elif execution.flow.status is RunStatus.CANCELLED:
                future.set_exception(RunCancelled(run.run_id))
            else:
                future.set_exception(RunPaused(run.run_id, execution.closed))
        except BaseException as error:  # noqa: BLE001 (whatever the body raised belongs to who waits for it)
            self._ended(run)
            future.set_exception(error)
        else:
            self._ended(run)
            future.set_result(outputs)

    def _ended(self, run: Run) -> None:
        self.journal.close_run(run.run_id)
        self.live.pop(run.run_id, None)
        listener = self._listeners.get(run.run_id)
        if listener is not None:
            listener.put(None)

    def _pause_earlier(self, here: str) -> None:
        for run in list(self.live.values()):
            if run.origin == here:
                run.pause("its cell was run again")
                print(f"paused {run.run_id}, which this cell had started; go on with: %aether resume {run.run_id}")

    def _fenced(self, run_id: str) -> None:
        run = self.live.get(run_id)
        if run is not None and run.execution is not None:
            now = owners.read(self.store, run_id)
            self.thread.call(run.execution.break_off, RunIsLive(run_id, now.told if now else "another process"))

    # ------------------------------------------------------------------ going on

    def _again(self, agent: Agent, inputs: dict[str, Any], run_id: str) -> Run:
        known = Run(self, run_id, roster.read(self.store, run_id).name)
        if known.name != agent.name:
            raise RunExists(run_id, f"is a run of {known.name!r}, not of {agent.name!r}")
        if canonical(known.inputs).data != canonical(inputs).data:
            raise RunExists(run_id, "has other inputs")
        return self.resume(run_id, agent=agent)

    def resume(
        self, run_id: str | None = None, *, namespace: Mapping[str, Any] | None = None, agent: Agent | None = None
    ) -> Run:
        """Go on with a run; returns at once, as `start`.

        Args:
            run_id: which; the latest unfinished one where left out.
            namespace: names of this kernel's cells, which win over the stored definitions.

        Raises:
            UnknownRun: no such run, or none that is unfinished.
            RunIsLive: another process runs it.
            RunCancelled: it was cancelled, which is final.
            Untrusted: its stored source is not signed with this user's key.
        """
        run_id = run_id or self._latest()
        row = roster.read(self.store, run_id)
        live = self.live.get(run_id)
        if live is not None:
            return live
        batches = journal.read(self.store, run_id)
        flow = Flow.of(fact for batch in batches for fact in batch)
        if flow.status is RunStatus.CANCELLED:
            raise RunCancelled(run_id)
        run = Run(self, run_id, row.name)
        if flow.result is not None:
            return run
        agent = agent or agent_of(self, run_id, flow, namespace)
        with self.store.transact() as rows:
            epoch = self.owner.take(rows, run_id)
        later = journal.read(self.store, run_id)  # what the last owner wrote before we took over
        if len(later) != len(batches):
            flow = Flow.of(fact for batch in later for fact in batch)
        inputs = Codec(self.store.blobs, self.keyring, agent.names).load(flow.started.inputs) if flow.started else {}
        self._open(run, agent, flow, len(later), epoch, [])
        run.origin = origin() if origin is not None else ""
        self._launch(run, agent, inputs)
        return run

    def plan(self, run_id: str, namespace: Mapping[str, Any] | None = None) -> Plan:
        """What a resume would reuse and run again, and why; made without running anything."""
        batches = journal.read(self.store, run_id)
        if not batches:
            roster.read(self.store, run_id)
        flow = Flow.of(fact for batch in batches for fact in batch)
        return make_plan(flow, agent_of(self, run_id, flow, namespace))

    def _latest(self) -> str:
        for row in roster.everything(self.store):
            if self.info(row).status not in (RunStatus.DONE, RunStatus.CANCELLED):
                return row.run_id
        raise UnknownRun("unfinished")

    # ------------------------------------------------------------------ blocking

    def run(self, agent: Agent, inputs: dict[str, Any], **options: Any) -> Outputs:
        """Start a run and block until it ends."""
        if self.on_loop():
            raise WouldBlock(f"run({agent.name})", f"`await {agent.name}(...)`")
        return self.start(agent, inputs, **options).result()

    def wait(self, run: Run, timeout_s: float | None) -> Outputs:
        """Block until `run` ends. Where questions cannot be heard while this thread blocks, ask them from here."""
        asker = blocking_asker
        if asker is None or threading.current_thread() is not threading.main_thread():
            return run.future.result(timeout_s)
        box = self._listeners.setdefault(run.run_id, queue.SimpleQueue())
        if run.future.done():
            box.put(None)
        for info in self.waits():
            if info.run_id == run.run_id:
                box.put((info.token, info.schema))
        end = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            while (opened := box.get(timeout=None if end is None else max(0.0, end - time.monotonic()))) is not None:
                self._ask_here(asker, *opened)
        except queue.Empty:
            raise TimeoutError(f"run {run.run_id} did not end within {timeout_s} s; it goes on") from None
        finally:
            self._listeners.pop(run.run_id, None)
        return run.future.result()

    def _ask_here(self, asker: Callable[[Question, str, str], Any], token: str, question: Question) -> None:
        refused = ""
        while True:
            row = waiting.read(self.store, token)
            if row is None or row.state != "open":
                return
            value = asker(question, token, refused)
            if value is None:  # it is asked elsewhere, where it can be heard
                return
            try:
                self.answer(token, value)
                return
            except BadAnswer as error:
                refused = error.why
            except AlreadyAnswered:
                return

    # ------------------------------------------------------------------ questions

    def waits(self) -> list[WaitInfo]:
        """All open questions of the store, oldest first."""
        return [
            WaitInfo(
                w.token, w.run_id, w.node_id, w.question.kind, w.question.prompt, w.question, w.created, w.deadline
            )
            for w in waiting.open_waits(self.store)
        ]

    def answer(self, token: str, value: Any, answer_id: str | None = None) -> None:
        """Answer a question, whichever process runs it; it is on disk when this returns.

        Raises:
            UnknownWait, AlreadyAnswered, BadAnswer: it was not taken; says why.
        """
        row = waiting.answer(self.store, token, value, answer_id or secrets.token_hex(8), self.clock.now())
        run = self.live.get(row.run_id)
        if run is not None and run.execution is not None:
            self.thread.call(run.execution.asking.answered, ids.Token(token))
        else:
            waiting.ring(self.store.folder)

    def answer_soon(self, token: str, value: Any, answer_id: str, done: Callable[[str], None]) -> None:
        """Answer from any thread without waiting: `done("")`, or `done(why not)`, is called on a worker thread."""

        def work() -> None:
            try:
                self.answer(token, value, answer_id)
            except Exception as error:  # noqa: BLE001 (the reason goes to whoever answered)
                done(str(error))
            else:
                done("")

        self._clerk.submit(work)

    def question_opened(self, execution: Execution, token: str, question: Question) -> None:
        """A question is on disk: tell a thread that blocks on its run."""
        listener = self._listeners.get(execution.run_id)
        if listener is not None:
            listener.put((token, question))

    def _listen(self) -> None:
        if self._doorbell is None:
            self._doorbell = waiting.Doorbell(self.store.folder)
            self._doorbell.start(self._rang)

    def _rang(self) -> None:
        """Something was answered or ordered by another process."""
        for run in list(self.live.values()):
            if run.execution is not None:
                self.thread.call(run.execution.asking.inbox)
                order = self.store.get(f"x:{run.run_id}")
                if order is not None:
                    self.thread.call(run.execution.cancel, order.decode())

    # ------------------------------------------------------------------ lists, ends

    def info(self, row: roster.RunRow) -> roster.RunInfo:
        """A row as it is to be read now: a run whose process is gone is paused."""
        status, elsewhere = RunStatus(row.status), False
        if row.run_id in self.live:
            status = self.live[row.run_id].status
        elif status in (RunStatus.RUNNING, RunStatus.WAITING):
            epoch = owners.read(self.store, row.run_id)
            elsewhere = epoch is not None and epoch.owner not in ("", self.owner.id) and self.owner.is_alive(epoch.owner)
            if not elsewhere:
                status = RunStatus.PAUSED
        end = row.ended or self.clock.now()
        return roster.RunInfo(
            row.run_id, row.name, status, row.created, end - row.created, row.nodes, row.done, row.waiting, row.session,
            row.error, elsewhere, tuple(row.tags),
        )  # fmt: skip

    def runs(self, status: str | None = None, name: str | None = None, limit: int = 50) -> list[roster.RunInfo]:
        """The runs of the store, newest first."""
        found = []
        for row in roster.everything(self.store):
            if name is not None and row.name != name:
                continue
            info = self.info(row)
            if status is None or info.status == status:
                found.append(info)
            if len(found) >= limit:
                break
        return found

    def load(self, run_id: str) -> Run:
        """A run to read; the live one where it runs here."""
        live = self.live.get(run_id)
        return live if live is not None else Run(self, run_id, roster.read(self.store, run_id).name)

    def cancel(self, run_id: str, by: str = "") -> None:
        """End a run for good, wherever it runs."""
        by = by or "a user"
        run = self.live.get(run_id)
        if run is not None and run.execution is not None:
            self.thread.call(run.execution.cancel, by)
            return
        row = roster.read(self.store, run_id)
        batches = journal.read(self.store, run_id)
        flow = Flow.of(fact for batch in batches for fact in batch)
        if flow.result is not None or flow.status is RunStatus.CANCELLED:
            return
        with self.store.transact() as rows:
            try:
                self.owner.take(rows, run_id)
            except RunIsLive:
                rows.set(f"x:{run_id}", by.encode())
            else:
                rows.set(journal.row_key(run_id, len(batches)), f.encode([f.RunCancelled(by, self.clock.now())]))
                for node in flow.open_waits:
                    if node.wait is not None:
                        waiting.withdraw_op(node.wait.token)(rows)
                ended = _row_of(row, RunStatus.CANCELLED, flow, self.clock.now())
                roster.write_op(ended)(rows)
        waiting.ring(self.store.folder)

    def row_op(self, execution: Execution, status: RunStatus, error: str = "") -> Any:
        """The row of a live run, to be written with the fact that changes it."""
        flow = execution.flow
        started = flow.started
        base = roster.RunRow(
            execution.run_id, execution.agent.name, status, started.t if started else 0.0,
            session=started.session if started else "", parent=started.parent if started else "", error=error,
            tags=started.tags if started else [],
        )  # fmt: skip
        ended = self.clock.now() if status in (RunStatus.DONE, RunStatus.FAILED, RunStatus.CANCELLED) else 0.0
        return roster.write_op(_row_of(base, status, flow, ended))

    def parked(self, execution: Execution) -> None:
        """A run is quiet: its row says whether only people are waited for."""
        status = RunStatus.WAITING if execution.only_waits else RunStatus.RUNNING
        if status != execution.row_status and not execution.closed:
            execution.row_status = status
            execution.number = self.journal.append(execution.run_id, None, [self.row_op(execution, status)])
            self.journal.nudge()

    @contextmanager
    def use(self) -> Iterator[Runtime]:
        """Make this the runtime of the process inside a `with`."""
        global _current
        before, _current = _current, self
        try:
            yield self
        finally:
            _current = before

    def close(self) -> None:
        """Pause what runs here, write everything, and let go of the store."""
        atexit.unregister(self.close)
        for run in list(self.live.values()):
            run.pause("its process ended")
            if not self.on_loop():
                concurrent.futures.wait([run.future], timeout=5)
        if self._doorbell is not None:
            self._doorbell.stop()
        self._clerk.shutdown()
        self.journal.close()
        if self._thread is not None:
            self._thread.stop()
        if self._owner is not None:
            self._owner.close()
        self.store.close()


def _row_of(row: roster.RunRow, status: RunStatus, flow: Flow, ended: float) -> roster.RunRow:
    done = sum(1 for node in flow.nodes if node.outcome is not None and node.outcome.ok)
    return roster.RunRow(
        row.run_id, row.name, status, row.created, ended, row.session, row.parent, len(flow.nodes), done,
        len(flow.open_waits), row.error, row.tags,
    )  # fmt: skip


def _with_id(started: f.RunStarted, run_id: str) -> f.RunStarted:
    return msgspec.structs.replace(started, run_id=run_id)


_current: Runtime | None = None
_making = threading.Lock()


def current() -> Runtime:
    """The runtime of the process; made on first use for the store that is found from the working directory."""
    global _current
    with _making:
        if _current is None:
            _current = Runtime()
        return _current
