"""`open_session`: a context outside any graph, for a cell or a script that wants its services without an agent.

What is done through it is recorded in a run of its own kind: it is listed, shown, asked and answered as any run, and
its body is the caller's `async with` block. That block is nowhere but in the caller's code, so nobody can go on with
it: a session whose block was left by an error has failed, and one that was cut off (an interrupt, the end of its
process) is cancelled. What it has written stays: a later session of the same `session_id` finds its memory.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import inspect
import itertools
import random
import secrets
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from .. import hooks
from ..context import NodeContext
from ..engine import HERE, here
from ..errors import RunSuspended
from ..record import facts as f
from ..record.status import RunStatus
from ..scheduler.places import BodyPlace
from ..services.crossing import Crossed
from ..storage import roster

if TYPE_CHECKING:
    from ..authoring.reactive import Agent
    from .hub import Runtime
    from .running import Run

NAME = "session"  # of the runs that sessions are
LOOKED_AT = 200  # so many of the newest runs are looked through for sessions whose process is gone
_UNTOLD = (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)


class Session:
    """One session: `async with open_session() as context`."""

    def __init__(self, runtime: Runtime, session_id: str | None, tags: Iterable[str]) -> None:
        self._runtime, self._session_id, self._tags = runtime, session_id, tags
        self._bridge: Bridge | None = None
        self._context: SessionContext | None = None
        self._run: Run | None = None

    async def __aenter__(self) -> NodeContext:
        if self._bridge is not None:
            raise RuntimeError("a session is entered once: call open_session() again")
        if (desk := here()) is not None:
            raise TypeError(f"{desk.node_id or desk.graph_id} is in a run, which has a context of its own: take that")
        runtime = self._runtime
        _end_dead(runtime)
        bridge = self._bridge = Bridge()
        started = f.RunStarted(
            run_id="", name=NAME, t=runtime.clock.now(), inputs=runtime.codec.dump({}), secret=secrets.token_bytes(16),
            session=hooks.session() if self._session_id is None else self._session_id, tags=list(self._tags),
            kind=f.SESSION, home=f.SESSION,
        )  # fmt: skip
        run = self._run = runtime.launcher.begin(cast("Agent", _Body(bridge)), started, {})
        await asyncio.wrap_future(bridge.opened)
        desk = bridge.place.desk
        self._context = SessionContext(
            desk, runtime.bus, runtime.codec, clock=runtime.clock, services=runtime.services, bridge=bridge
        )
        self._context.run_id = run.run_id
        return self._context

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        run, bridge, context = self._run, self._bridge, self._context
        if run is None or bridge is None or context is None:
            raise RuntimeError("this session was never entered")
        forgotten: Exception | None = None
        if error is None:
            try:
                context.close()
            except Exception as raised:  # noqa: BLE001 (it is told once the run is over)
                forgotten = raised
        if error is None or isinstance(error, Exception):
            bridge.leave(error or forgotten)
        else:
            run.cancel(f"an interrupt of its block ({type(error).__name__})")
        with contextlib.suppress(BaseException):  # how the run ended is on record; the block's own error goes on
            await asyncio.wrap_future(run.future)
        if error is not None:
            error.__traceback__ = traceback  # without the way that it took through the run
        if forgotten is not None:
            raise forgotten.with_traceback(None)


class Bridge:
    """From the loop of the block to the body of its run."""

    def __init__(self) -> None:
        self.opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._place: BodyPlace | None = None
        self._left: asyncio.Future[Exception | None] | None = None
        self._jobs: set[asyncio.Task[Any]] = set()

    @property
    def place(self) -> BodyPlace:
        """The body of the run."""
        if self._place is None:
            raise RuntimeError("the session is not open yet")
        return self._place

    async def body(self) -> dict[str, Any]:
        """What runs on the loop of the runs as long as the block lasts."""
        self._place = cast(BodyPlace, HERE.get())
        left = self._left = asyncio.get_running_loop().create_future()
        self.opened.set_result(None)
        try:
            error = await left
        finally:
            for job in self._jobs:
                job.cancel()
        if error is not None:
            raise error
        return {}

    def leave(self, error: Exception | None) -> None:
        """The block is over."""
        self.place.run.host.call(self._leave, error)

    def _leave(self, error: Exception | None) -> None:
        if self._left is not None and not self._left.done():
            self._left.set_result(error)

    # ------------------------------------------------------------------ crossing

    def inside(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call something that does not wait, as code of the body."""
        context = contextvars.copy_context()
        context.run(HERE.set, self.place)
        return context.run(call, *args, **kwargs)

    async def over(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run `coroutine` in the body; what it gives, once what it did is on disk.

        Raises:
            RunSuspended: the session is over.
        """
        run = self.place.run
        if run.closed:
            coroutine.close()
            raise RunSuspended(run.run_id, run.closed)
        task = asyncio.current_task()
        asked = task.cancelling() if task is not None else 0
        try:
            return await asyncio.wrap_future(run.host.submit(self._do(coroutine)))
        except asyncio.CancelledError:
            if run.closed and task is not None and task.cancelling() == asked:  # not this task was, but the session
                raise RunSuspended(run.run_id, run.closed) from None
            raise
        finally:
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()

    async def _do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        job = cast("asyncio.Task[Any]", asyncio.current_task())
        self._jobs.add(job)
        HERE.set(self.place)
        try:
            result = await coroutine
            await self.place.run.committed()
            return result
        finally:
            HERE.set(None)
            self._jobs.discard(job)


class SessionContext(NodeContext):
    """The context of a session: all services, awaited where the block runs."""

    def __init__(self, *parts: Any, bridge: Bridge, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._bridge = bridge

    def __repr__(self) -> str:
        return f"<context of session {self.run_id}>"

    def _fit(self, service: Any, name: str) -> Any:
        return Crossed(service, name, self._scope.calls, self._bridge)

    def _again(self) -> str:
        return "run this block again"

    def random(self, name: str = "") -> random.Random:
        """A generator of random numbers, seeded by the session and `name`."""
        return cast(random.Random, self._bridge.inside(super().random, name))

    def idempotency_key(self, name: str = "") -> str:
        """The same all through this session: for outside systems that can deduplicate."""
        return cast(str, self._bridge.inside(super().idempotency_key, name))

    def continue_as_new(self, **inputs: Any) -> Any:
        """Raises TypeError: a session has no body that another run could begin with."""
        raise TypeError("a session is no agent's run, so nothing can go on as it: open another session")


class _Body:
    """What a session's run runs, in the place of an agent."""

    kind, name, pure, staged, is_async = f.GRAPH, NAME, False, False, True
    outputs, inputs, tags = None, (), ()
    context_name, description, max_concurrency = "", "", None
    last_run: Any = None
    missing: tuple[Any, ...] = ()

    def __init__(self, bridge: Bridge) -> None:
        self.fn = bridge.body

    def validity(self) -> bytes:
        """Its code is in a block that nobody can run again."""
        return b""

    own_code = validity

    def names(self) -> Mapping[str, Any]:
        """Where the classes of stored values are found."""
        return vars(sys.modules["__main__"])


def _end_dead(runtime: Runtime) -> None:
    """Write the end of sessions whose process is gone: their questions are asked by nobody any more."""
    for row in itertools.islice(roster.everything(runtime.store), LOOKED_AT):
        if row.kind == f.SESSION and row.status in _UNTOLD:
            info = runtime.runlist.info(row)
            if info.status is RunStatus.CANCELLED:
                runtime.runlist.cancel(row.run_id, "the end of its process")
