"""Where running code is: in a body (with a lineage), or in an attempt of a tool."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from ..engine import Desk
from ..ids import Key
from ..record.identity import Lineage
from .calls import Call, CallHandle
from .loop import Pulse
from .slots import Limit

if TYPE_CHECKING:
    from .execution import Execution
    from .stages import Staging

_T = TypeVar("_T")
_FRONTIER = 48  # at most so many control predecessors are remembered a lineage
LOOP, THREAD, PROCESS, DASK = "loop", "thread", "process", "dask"  # where tools run
_DETACHED = Pulse()  # attempts are not counted: their callbacks do not make a run busy


class BodyPlace(Lineage):
    """One task of one body of a run.

    `frontier`: the nodes that were delivered here and that nothing delivered later followed: what a call made now
    follows in control order. `rerun`: nodes that ran again here after an edit.
    """

    __slots__ = ("frontier", "limits", "loose", "no", "parent", "pulse", "rerun", "run")
    in_body = True
    written = False  # whether the edges of its calls are written down, and not inferred from values

    def __init__(self, run: Execution, scope: Key, no: int, path: str = "", parent: BodyPlace | None = None) -> None:
        super().__init__(scope, path)
        self.run, self.no, self.parent = run, no, parent
        self.pulse = run.pulse
        self.limits: tuple[Limit, ...] = parent.limits if parent is not None else run.attempts.limits
        self.loose: dict[CallHandle, None] = parent.loose if parent is not None else {}  # not awaited yet, in the scope
        self.frontier: dict[int, None] = dict(parent.frontier) if parent is not None else {}
        self.rerun: frozenset[int] = parent.rerun if parent is not None else frozenset()

    @property
    def desk(self) -> Desk:
        """The engine for this scope."""
        return self.run.body_desk(self)

    def now(self) -> float:
        """The time of the last delivery."""
        return self.run.now

    def timer(
        self, when: float, call: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context
    ) -> asyncio.TimerHandle:
        """A timer of this body."""
        return self.run.timers.timer(self, when, call, args, context)

    def foreign(self, job: asyncio.Future[Any]) -> asyncio.Future[Any]:
        """The result of an executor job, through the mailbox."""
        return self.run.timers.foreign(self, job)

    def bare(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Future[Any] | None:
        """A call that is made a task, as `gather` and `create_task` do, is its own: it runs no code of the user's."""
        return coroutine._call.as_task() if type(coroutine) is Call else None

    def child(self, coroutine: Coroutine[Any, Any, Any]) -> BodyPlace:
        """The lineage of a task."""
        return BodyPlace(self.run, self.scope, self.no, self.child_path(coroutine), self)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """`task` ends with this scope."""
        self.run.tasks.setdefault(self.scope, set()).add(task)

    def delivered(self, handle: CallHandle, rerun: frozenset[int]) -> None:
        """The result of `handle` is known here, and to who waits for this task; `rerun`: nodes that made it anew."""
        place: BodyPlace | None = self
        no = handle.no
        while place is not None:
            frontier = place.frontier
            for parent in handle.deps:
                frontier.pop(parent, None)
            for parent in handle.after:
                frontier.pop(parent, None)
            frontier[no] = None
            if len(frontier) > _FRONTIER:
                del frontier[next(iter(frontier))]
            if rerun:
                place.rerun = place.rerun | rerun
            place = place.parent


class StagePlace(BodyPlace):
    """Where the stages of a dual-stage node are called."""

    __slots__ = ("staging",)

    def __init__(self, run: Execution, handle: CallHandle, staging: Staging) -> None:
        super().__init__(run, handle.key, handle.no)
        self.limits = handle.place.limits
        self.staging = staging


class AttemptPlace:
    """One attempt of a tool. Calls of other tools in it are plain calls."""

    __slots__ = ("_blocked", "_desk", "_stop", "attempt", "closed", "handle", "job", "make", "pulse", "thread")
    in_body = False

    def __init__(self, handle: CallHandle, attempt: int, thread: bool, make: Callable[[AttemptPlace], Desk]) -> None:
        self.handle, self.attempt, self.thread, self.make = handle, attempt, thread, make
        self.pulse = _DETACHED
        self.closed = ""  # why its context takes no more calls
        self.job: asyncio.Future[Any] | None = None  # what runs outside of the loop
        self._desk: Desk | None = None
        self._stop: Callable[[str], object] | None = None  # stops what runs outside of this process
        self._blocked: concurrent.futures.Future[Any] | None = None  # what its thread waits for

    def stops_by(self, stop: Callable[[str], object]) -> None:
        """`stop(why)` ends what it runs elsewhere."""
        self._stop = stop
        if self.closed:
            stop(self.closed)

    def blocks(self, job: concurrent.futures.Future[_T]) -> concurrent.futures.Future[_T]:
        """Its thread is about to wait for `job`: not for longer than it may."""
        self._blocked = job
        if self.closed or self.handle.run.closed:
            job.cancel()
        return job

    def fence(self, why: str) -> None:
        """It may act no more: it is stopped where that can be done, and not waited for any longer where it waits."""
        self.closed = why
        if self._stop is not None:
            self._stop(why)
        if self._blocked is not None:
            self._blocked.cancel()

    @property
    def used(self) -> bool:
        """Whether anything asked for the desk: its context, or output that belongs to it."""
        return self._desk is not None

    @property
    def desk(self) -> Desk:
        """The engine for this attempt, made when first needed."""
        if self._desk is None:
            self._desk = self.make(self)
        return self._desk
