"""`Runtime`: one store with its journal, its loop and the runs that live here. Most programs have one."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import os
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import hooks
from ..channels.bus import Bus
from ..clock import Clock, SystemClock, TellingClock
from ..context import SERVICES, NodeContext
from ..engine import Desk, here
from ..errors import Forked, NoLoop, WouldBlock
from ..record import facts as f
from ..scheduler.alarms import Alarms
from ..scheduler.loop import LoopThread, on_a_loop
from ..scheduler.places import AttemptPlace
from ..scheduler.slots import Slots
from ..scheduler.watchdog import WATCHDOG
from ..services.service import Service
from ..storage import journal, roster
from ..storage.codec import Codec
from ..storage.keyring import Keyring
from ..storage.owner import Owner
from ..storage.store import Store
from ..values.annotations import annotations_of
from ..values.outputs import Outputs
from . import bells, forking
from .inbox import Inbox, WaitInfo
from .launching import Launcher
from .parking import Parking
from .resuming import Plan
from .runlist import RunList
from .running import Run
from .signalling import Signals

if TYPE_CHECKING:
    from ..authoring.reactive import Agent
    from .collecting import Garbage


CLOSING_S = 5.0  # how long a service may take to close
_log = logging.getLogger("aethergraph.runtime")


class Runtime:
    """Everything that belongs to one store.

    Args:
        store: a folder, or a store; the folder `.aethergraph` that is found walking up from here where left out.
        durability: "power" survives power loss (each commit is synced), "process" only the death of the process.
        max_concurrency: how many tools of a run run at once; the cores of the machine and 4 where left out.
        process_concurrency: how many tools of all runs together run at once; 16 for each core, and at least 64, where
            left out. Runs that have something to start take turns.
        park_after_s: a run that only waits for so many seconds leaves memory until what it waits for is there.
        strict: for tests: every value that a run hands on has been stored and loaded, so that what does not survive
            that is found at once; an output that cannot be stored fails its node. Slower.
        services: objects of the user's own by name, as `register_context_service` takes them.
    """

    def __init__(
        self,
        store: Store | str | os.PathLike[str] | None = None,
        *,
        clock: Clock | None = None,
        keyring: Keyring | None = None,
        durability: str = "power",
        max_concurrency: int | None = None,
        process_concurrency: int | None = None,
        park_after_s: float = 60.0,
        strict: bool = False,
        services: Mapping[str, Any] | None = None,
    ) -> None:
        if durability not in ("power", "process"):
            raise ValueError(f'durability is "power" or "process", got {durability!r}')
        if store is None or isinstance(store, (str, os.PathLike)):
            from ..storage import disk  # which a program that only imports names need not load

            folder = disk.find_store(Path.cwd()) if store is None else Path(store)
            store = disk.DiskStore(folder, durability="process" if durability == "process" else "power")
        self.store: Store = store
        self.strict = strict
        self.clock = clock or SystemClock()
        self.keyring = keyring or Keyring.default()
        self.codec = Codec(store.blobs, self.keyring)
        self.journal = journal.Journal(store)
        self.bus = Bus()
        self.max_concurrency = max_concurrency or (os.cpu_count() or 1) + 4
        self.slots = Slots(process_concurrency or max(64, 16 * (os.cpu_count() or 1)))
        self.live: dict[str, Run] = {}
        self.inbox, self.runlist, self.launcher = Inbox(self), RunList(self), Launcher(self)
        self.signals = Signals(self)
        self.services: dict[str, Any] = {}  # of the user's own, by name
        self.parking, self.alarms = Parking(self, park_after_s), Alarms(self.clock, lambda: self.thread)
        if isinstance(self.clock, TellingClock):
            self.clock.when_set(self._clock_was_set)
        self._lock = threading.RLock()
        self._thread: LoopThread | None = None
        self._owner: Owner | None = None
        self._closed = False
        self._pid = os.getpid()
        _close_at_exit(self)
        for name, service in (services or {}).items():
            self.register_service(name, service)

    # ------------------------------------------------------------------ parts made when needed

    @property
    def thread(self) -> LoopThread:
        """The loop that runs the agents. Raises Forked in a child of the process that made this."""
        self._check()
        with self._lock:
            if self._thread is None:
                self._thread = LoopThread()
                WATCHDOG.watch(self._thread.heart)
            return self._thread

    def _clock_was_set(self) -> None:
        if self._thread is not None and not self._closed:
            self._thread.call(self.alarms.look)

    def _check(self) -> None:
        if self._pid != os.getpid():
            raise Forked(self._pid)

    def orphaned(self) -> None:
        """This process is a forked child: threads, loop and locks stayed behind, so nothing here may wait for them."""
        self._closed, self._lock = True, threading.RLock()
        self.journal.orphaned(Forked(self._pid))
        for run in self.live.values():
            if run.execution is not None:
                run.execution.closed = f"this process was forked from process {self._pid}"

    def on_loop(self) -> bool:
        """Whether the caller must not block: it runs on that loop, or in a body or tool on another."""
        return (self._thread is not None and self._thread.is_current) or (here() is not None and on_a_loop())

    @property
    def owner(self) -> Owner:
        """This process as an owner of runs. Raises Forked in a child of the process that made this."""
        self._check()
        with self._lock:
            if self._owner is None:
                self._owner = Owner(self.store)
            return self._owner

    def codec_for(self, agent: Agent) -> Codec:
        """A codec that finds the classes which the agent's cells define."""
        return Codec(self.store.blobs, self.keyring, agent.names)

    def make_context(self, desk: Desk) -> NodeContext:
        """The context of a scope."""
        return NodeContext(desk, self.bus, self.codec, clock=self.clock, services=self.services)

    def attempt_ended(self, place: AttemptPlace) -> None:
        """An attempt ended; called in its own thread and context."""
        if hooks.on_attempt_end and place.used:
            self.scope_ended(place.desk)

    def scope_ended(self, desk: Desk | None) -> None:
        """A scope ended; `desk` is None where nothing ever asked for it."""
        if desk is not None:
            for call in hooks.on_attempt_end:
                call(desk)

    # ------------------------------------------------------------------ runs

    def start(self, agent: Agent, inputs: dict[str, Any], **options: Any) -> Run:
        """Start a run; it goes on in the background. See `Launcher.start`. In a node it is a child."""
        self._check()
        desk = here()
        if desk is None:
            return self.launcher.start(agent, inputs, **options)
        if options.get("loop") is not None:
            raise NoLoop(
                f"this is in a node: what is started there has a loop of its own, `await {agent.name}(...)` ours"
            )
        options = {name: value for name, value in options.items() if value is not None and name != "keep"}
        if self.on_loop():
            run: Run = desk.runs.start(agent, inputs, **options)
            return run
        return self.load(desk.block(desk.runs.spawn(agent, inputs, **options)))

    def run(self, agent: Agent, inputs: dict[str, Any], **options: Any) -> Outputs:
        """Start a run and block until it ends.

        Raises:
            WouldBlock: called on the loop that would have to do the work.
        """
        if self.on_loop():
            raise WouldBlock(f"run({agent.name})", f"`await {agent.name}(...)` or `await run_async({agent.name}, ...)`")
        if options.get("loop") is None:
            return self.start(agent, inputs, **options).result()
        if not on_a_loop():
            return asyncio.run(self._run(agent, inputs, options))
        if hooks.turn is None:
            raise WouldBlock(f"run({agent.name}, loop=...)", f'`await start({agent.name}, ..., loop="kernel")`')
        return self._turn(self.start(agent, inputs, **options), hooks.turn)

    async def _run(self, agent: Agent, inputs: dict[str, Any], options: dict[str, Any]) -> Outputs:
        return await self.start(agent, inputs, **options)

    def _turn(self, run: Run, turn: Callable[[concurrent.futures.Future[Any]], None]) -> Outputs:
        """Block on the loop that `run` is on, which goes on turning."""
        execution = run.execution
        host = execution.host if execution is not None else None
        if host is None or not host.is_current:
            return run.result()
        host.enter()  # the loop keeps its hooks until this is over
        try:
            turn(run.future)
        except KeyboardInterrupt:
            run.pause("it was interrupted")
            raise
        finally:
            host.leave()
        return run.future.result()

    def resume(self, run_id: str | None = None, **how: Any) -> Run:
        """Go on with a run. See `Launcher.resume`."""
        self._check()
        return self.launcher.resume(run_id, **how)

    def fork(self, run_id: str, **how: Any) -> Run:
        """A new run that shares what `run_id` has committed, and goes on differently. See `Run.fork`."""
        self._check()
        return forking.fork(self, run_id, **how)

    def plan(self, run_id: str, namespace: Mapping[str, Any] | None = None) -> Plan:
        """What a resume would reuse and run again. See `Launcher.plan`."""
        return self.launcher.plan(run_id, namespace)

    def runs(
        self, status: str | None = None, name: str | None = None, limit: int | None = 50, **which: Any
    ) -> list[roster.RunInfo]:
        """The runs of the store that fit, newest first. See `RunList.runs`."""
        return self.runlist.runs(status, name, limit, **which)

    def events(self, run_id: str) -> AsyncIterator[f.AnyFact]:
        """The facts of a run that another process may run. See `Run.events`."""
        return bells.follow(self, run_id)

    def gc(
        self,
        *,
        keep: int | None = None,
        older_than: timedelta | float | None = None,
        runs: Iterable[str] = (),
        dry_run: bool = True,
    ) -> Garbage:
        """Find what the store can do without, and delete it unless `dry_run`. See `aethergraph.gc`."""
        from . import collecting  # seldom needed, and never by a run

        if self.on_loop():
            raise WouldBlock("gc()", "a worker thread: `await asyncio.to_thread(gc, ...)`")
        if not dry_run:
            self.journal.flush()
        return collecting.Collector(self, keep, older_than, runs).collect(dry_run=dry_run)

    def load(self, run_id: str) -> Run:
        """A run to read; the live one where it runs here."""
        return self.runlist.load(run_id)

    def cancel(self, run_id: str, by: str = "") -> None:
        """End a run for good, wherever it runs."""
        self._check()
        self.runlist.cancel(run_id, by)

    # ------------------------------------------------------------------ questions

    def waits(self) -> list[WaitInfo]:
        """All open questions of the store, oldest first."""
        return self.inbox.waits()

    def answer(self, token: str, value: Any, answer_id: str | None = None) -> None:
        """Answer a question, whichever process runs it. See `Inbox.answer`."""
        self._check()
        self.inbox.answer(token, value, answer_id)

    def answer_soon(self, token: str, value: Any, answer_id: str, done: Callable[[str], None]) -> None:
        """Answer from any thread without waiting. See `Inbox.answer_soon`."""
        self._check()
        self.inbox.answer_soon(token, value, answer_id, done)

    def register_service(self, name: str, service: Any) -> None:
        """Let nodes reach `service` as `context.NAME()`; `start()` of a `Service` has been awaited when this returns.

        Raises:
            ValueError: a context has something else of that name, or it is no name.
            WouldBlock: called in the body of an agent.
        """
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            raise ValueError(f"a service is reached as context.NAME(), so {name!r} cannot be its name")
        if hasattr(NodeContext, name) or name in SERVICES or name in annotations_of(NodeContext):
            raise ValueError(f"a context has its own {name!r}; take another name for the service")
        if isinstance(service, Service) and not any(service is one for one in self.services.values()):
            self._start_service(name, service)
        before, self.services[name] = self.services.get(name), service
        if not any(before is one for one in self.services.values()):
            self._close_service(before)

    def _start_service(self, name: str, service: Service) -> None:
        if self.on_loop():
            raise WouldBlock(f"register_context_service({name!r})", "a cell or script, before the run starts")
        service.bind(self.make_context, self.answer)
        try:
            self.thread.submit(service.start()).result()
        except BaseException as error:
            error.add_note(f"in start() of {type(service).__name__}: context.{name}() was not registered")
            raise

    def _close_service(self, service: Any) -> None:
        if isinstance(service, Service) and not self.on_loop():
            try:
                self.thread.submit(service.close()).result(timeout=CLOSING_S)
            except Exception:  # noqa: BLE001 (it is the user's, and the others have to be closed too)
                _log.exception("closing the service %s failed", type(service).__name__)

    def signal(self, name: str, payload: Any = None, run_id: str | None = None) -> int:
        """Send a signal to all runs, or to one; its number. See `Signals.send`."""
        return self.signals.send(name, payload, run_id)

    # ------------------------------------------------------------------ ends

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
        if self._closed:
            return
        self._closed = True
        for run in list(self.live.values()):
            execution = run.execution
            if execution is not None and execution.host.is_current:
                execution.suspend("its process ended")  # its loop does not turn while this is called from it
                continue
            run.pause("its process ended")
            concurrent.futures.wait([run.future], timeout=5)
        self.parking.close()
        for service in {id(one): one for one in self.services.values()}.values():
            self._close_service(service)
        self.inbox.close()
        self.journal.close()
        if self._thread is not None:
            WATCHDOG.forget(self._thread.heart)
            self._thread.stop()
        if self._owner is not None:
            self._owner.close()
        self.store.close()


_open: weakref.WeakSet[Runtime] = weakref.WeakSet()


def _close_at_exit(runtime: Runtime) -> None:
    """Close it before the interpreter joins worker threads: one may be blocked until its run is paused."""
    if not _open:
        # `atexit` comes after that join. concurrent.futures uses this hook of the standard library too.
        register = getattr(threading, "_register_atexit", atexit.register)
        register(_close_all)
    _open.add(runtime)


def _close_all() -> None:
    for runtime in list(_open):
        runtime.close()


def _orphan_all() -> None:
    for runtime in list(_open):
        runtime.orphaned()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_orphan_all)

_current: Runtime | None = None
_making = threading.Lock()


def current() -> Runtime:
    """The runtime of the process; made on first use for the store that is found from the working directory."""
    global _current
    if _current is not None:
        _current._check()
    with _making:
        if _current is None:
            _current = Runtime()
        return _current
