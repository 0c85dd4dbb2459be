"""The engine as services see it, for a body and for an attempt of a tool."""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import msgspec

from ..engine import HERE, Asker, Op, Outcome
from ..errors import RunSuspended, WouldBlock
from ..ids import Key
from ..record import facts as f
from ..record import schema
from ..record.schema import Question
from ..storage.store import Store, Transaction
from . import continuing, transacting
from .places import AttemptPlace, BodyPlace, StagePlace

if TYPE_CHECKING:
    from .execution import Execution
    from .stages import Staging

_pack = msgspec.msgpack.Encoder().encode


class DeskRuns:
    """`engine.Runs`, for one desk."""

    def __init__(self, desk: Any) -> None:
        self._desk, self._children = desk, desk.run.children

    async def spawn(self, target: Any, inputs: Any, **options: Any) -> str:
        """Start a run; its id."""
        run_id: str = await self._children.spawn(self._desk, target, inputs, options)
        return run_id

    def start(self, target: Any, inputs: dict[str, Any], **options: Any) -> Any:
        """Start a run from code that does not await."""
        return self._children.start(self._desk, target, inputs, options)

    async def wait(self, run_id: str, timeout_s: float | None = None, *, owned: bool = False) -> Any:
        """The outputs of a run."""
        return await self._children.wait(self._desk, run_id, timeout_s, owned=owned)

    async def cancel(self, run_id: str) -> None:
        """End a run for good."""
        await self._children.cancel(self._desk, run_id)


class _Desk:
    """What both have in common."""

    def __init__(self, run: Execution, no: int, node_id: str, attempt: int) -> None:
        self.run, self._no = run, no
        self.run_id, self.graph_id, self.node_id, self.attempt = run.run_id, run.agent.name, node_id, attempt
        self.session_id = run.flow.started.session if run.flow.started else ""

    @property
    def no(self) -> int:
        """The number of the node."""
        return self._no

    @property
    def store(self) -> Store:
        """The store of the run."""
        return self.run.runtime.store

    @property
    def runs(self) -> DeskRuns:
        """Runs that this scope starts."""
        return DeskRuns(self)

    @property
    def unseen(self) -> bool:
        """Whether notes go nowhere, so that what is costly to draw need not be drawn."""
        return False

    def note(self, kind: str, data: dict[str, Any], ops: Sequence[Op] = ()) -> None:
        """Write a cosmetic fact, and rows with it; from any thread."""
        run = self.run
        if not run.closed:
            run.journal.append(run.run_id, f.Noted(self._no, kind, _pack(data), run.clock()), ops)
            if kind in f.PLOTTED:
                run.journal.soon()
            else:
                run.journal.nudge()

    def idempotency_key(self, name: str = "") -> str:
        """Stable over attempts, kills, resumes and edits."""
        first = self.run.flow.started.run_id if self.run.flow.started else self.run_id
        digest = hashlib.blake2b(first.encode() + b"\0" + self._scope() + name.encode(), digest_size=16)
        return digest.hexdigest()

    def _looking(self, fn: Callable[[], Any]) -> Callable[[], Awaitable[Outcome]]:
        """`fn` as the work of an effect: it sees what was written before, and leaves no connection in its thread."""

        def look() -> Any:
            try:
                return fn()
            finally:
                self.store.close()

        async def work() -> Outcome:
            await self.run.committed()
            return Outcome(await asyncio.to_thread(look))

        return work

    def _scope(self) -> bytes:
        raise NotImplementedError


class BodyDesk(_Desk):
    """The engine for a body. One desk serves all tasks of the body: each call asks where it is."""

    blocking = False
    replays = True
    token = ""

    def __init__(self, run: Execution, place: BodyPlace) -> None:
        node_id = run.flow.nodes[place.no - 1].node_id if place.no else run.agent.name
        super().__init__(run, place.no, node_id, 1)
        self._home = place

    @property
    def unseen(self) -> bool:
        """Whether this is a replay that nobody is to see: what it notes was written before."""
        return self.run.woken

    def note(self, kind: str, data: dict[str, Any], ops: Sequence[Op] = ()) -> None:
        """Write a cosmetic fact, if anybody is to see it."""
        if not self.unseen:
            super().note(kind, data, ops)

    def now_at(self) -> BodyPlace:
        """The task of the body that is running."""
        place: Any = HERE.get()
        if not isinstance(place, BodyPlace) or place.run is not self.run:
            raise RunSuspended(self.run_id, "its context was used outside its body; a tool gets its own `context`")
        if self.run.closed:
            raise asyncio.CancelledError(f"run {self.run_id} takes no more calls: {self.run.closed}")
        return place

    def _scope(self) -> bytes:
        return self.now_at().scope

    def identity(self, name: str, fingerprint: bytes, *, fresh: bool) -> Key:
        """The identity of the next effect of this kind."""
        return self.now_at().identity(name, fingerprint)

    async def record(self, name: str, args: Any, value: Any = None, *, ops: Sequence[Op] = ()) -> Any:
        """Record at once."""
        return self.run.effects.record(self.now_at(), name, args, value, ops)

    async def read(self, name: str, args: Any, fn: Callable[[], Any]) -> Any:
        """Record a read."""
        return self.run.effects.read(self.now_at(), name, args, fn)

    async def effect(
        self, name: str, args: Any, work: Callable[[], Awaitable[Outcome]], *, intent: bool = False
    ) -> Any:
        """Do and record; the outcome comes through the mailbox."""
        return await self.run.effects.queue(self.now_at(), name, args, work, intent)

    async def transact(self, name: str, args: Any, work: Callable[[Transaction], Any]) -> Any:
        """Change rows and record it in one transaction; the outcome comes through the mailbox."""
        return await transacting.in_body(self.run.effects, self.now_at(), name, args, work)

    async def look(self, name: str, args: Any, fn: Callable[[], Any]) -> Any:
        """Read in a worker thread."""
        return await self.effect(name, args, self._looking(fn))

    async def ask(self, question: Question, asker: Asker | None = None) -> Any:
        """Ask, and wait for the checked answer."""
        return await self.run.asking.in_body(self.now_at(), question, asker)

    async def sleep(self, seconds: float) -> None:
        """A durable wait, which its deadline ends."""
        if seconds:
            await self.run.asking.in_body(self.now_at(), schema.timer(seconds), None)
        else:
            await asyncio.sleep(0)

    async def reserve(self, name: str) -> str:
        """The token of a wait; tools and messages that are given it start after it is on disk."""
        token = self.run.asking.reserved(self.now_at(), name)
        self.run.journal.flush()  # whoever is given it may answer at once
        return token

    async def continue_as_new(self, inputs: dict[str, Any]) -> Any:
        """End the run, and let one with these inputs go on."""
        raise continuing.order(self.run, self.now_at(), inputs)

    async def wait(self, token: str, question: Question) -> Any:
        """Wait for the answer at `token`."""
        return await self.run.asking.wait_in_body(self.now_at(), token, question)

    def block(self, awaitable: Awaitable[Any]) -> Any:
        """A body cannot block."""
        _drop(awaitable)
        raise WouldBlock("a blocking call in a body", "`await ...`")

    def seed(self, name: str = "") -> bytes:
        """The same on each replay."""
        return self.now_at().seed(name)


class AttemptDesk(_Desk):
    """The engine for one attempt of a tool; its methods may be called from the attempt's thread (see `block`)."""

    replays = False

    def __init__(self, run: Execution, place: AttemptPlace) -> None:
        handle = place.handle
        super().__init__(run, handle.no, handle.node_id, place.attempt)
        self.place = place
        self._counts: dict[bytes, int] = {}

    @property
    def blocking(self) -> bool:
        """Whether the attempt runs in a worker thread."""
        return self.place.thread

    def _scope(self) -> bytes:
        return self.place.handle.key

    def identity(self, name: str, fingerprint: bytes, *, fresh: bool) -> Key:
        """The identity of the next effect of this kind; a `fresh` one belongs to this execution and attempt alone."""
        handle = self.place.handle
        what = name.encode() + b"\0" + fingerprint
        count = self._counts.get(what, 0)
        self._counts[what] = count + 1
        digest = hashlib.blake2b(handle.key + b"%d\0" % count, digest_size=16, person=b"aether-attempt")
        if fresh:
            digest.update(b"%d %d\0" % (handle.execution, self.attempt))
        digest.update(what)
        return Key(digest.digest())

    def note(self, kind: str, data: dict[str, Any], ops: Sequence[Op] = ()) -> None:
        """Write a cosmetic fact. What a late thread prints is still shown; what it plots would mix with the retry's."""
        if kind in f.PLOTTED:
            self.check()
        super().note(kind, data, ops)

    def check(self) -> None:
        """Raises RunSuspended once the attempt is over: a late thread must not act any more."""
        if self.place.closed or self.run.closed:
            raise RunSuspended(self.run_id, self.place.closed or self.run.closed)

    async def record(self, name: str, args: Any, value: Any = None, *, ops: Sequence[Op] = ()) -> Any:
        """Record, and return when it is on disk."""
        return await self.run.effects.record_in_attempt(self, name, args, lambda: value, ops)

    async def read(self, name: str, args: Any, fn: Callable[[], Any]) -> Any:
        """Record a read, and return when it is on disk."""
        return await self.run.effects.record_in_attempt(self, name, args, fn, ())

    async def effect(
        self, name: str, args: Any, work: Callable[[], Awaitable[Outcome]], *, intent: bool = False
    ) -> Any:
        """Do and record."""
        return await self.run.effects.in_attempt(self, name, args, work, intent)

    async def transact(self, name: str, args: Any, work: Callable[[Transaction], Any]) -> Any:
        """Change rows and record it in one transaction."""
        return await transacting.in_attempt(self.run.effects, self, name, args, work)

    async def look(self, name: str, args: Any, fn: Callable[[], Any]) -> Any:
        """Read in a worker thread."""
        return await self.effect(name, args, self._looking(fn))

    async def ask(self, question: Question, asker: Asker | None = None) -> Any:
        """Ask, and wait for the checked answer; no slot is held meanwhile."""
        async with self.away():
            return await self.run.asking.in_attempt(self, question, asker)

    async def sleep(self, seconds: float) -> None:
        """Sleep without slots."""
        self.check()
        async with self.away():
            await self.run.nap(seconds)

    def away(self) -> AbstractAsyncContextManager[None]:
        """While the attempt waits for somebody else: its slots are given back, and taken again afterwards."""
        seat = self.place.handle.seat
        return nullcontext() if seat is None else seat.away()

    @property
    def _staging(self) -> Staging | None:
        place = self.place.handle.place
        return place.staging if isinstance(place, StagePlace) else None

    @property
    def token(self) -> str:
        """The address of what this stage will wait for."""
        return self._staging.token if self._staging is not None else ""

    async def reserve(self, name: str) -> str:
        """The token of a wait, which is on disk."""
        self.check()
        staging = self._staging
        token = staging.reserve() if staging is not None else self.run.asking.reserved_in_attempt(self, name)
        await self.run.committed()
        return token

    async def continue_as_new(self, inputs: dict[str, Any]) -> Any:
        """A tool cannot."""
        raise TypeError("continue_as_new ends a run: call it in the run's own body, not in a tool")

    async def wait(self, token: str, question: Question) -> Any:
        """Wait for the answer at `token`; no slot is held meanwhile."""
        async with self.away():
            return await self.run.asking.wait_in_attempt(self, token, question)

    def block(self, awaitable: Awaitable[Any]) -> Any:
        """Run on the loop and wait, from the worker thread."""
        if self.run.host.is_current:
            _drop(awaitable)
            why = "it runs in place, since its output was read before it was awaited"
            raise WouldBlock(f"a blocking call of {self.node_id} ({why})", f"`await {self.place.handle.callee}(...)`")
        try:
            self.check()
        except RunSuspended:
            _drop(awaitable)
            raise
        job = self.run.host.submit(_awaited(awaitable, self.place))
        try:
            return self.place.blocks(job).result()
        except concurrent.futures.CancelledError:
            # A task that is cancelled before its first step runs nothing. If it had one to come, that is over by then.
            try:
                self.run.host.call(_drop, awaitable)
            except RuntimeError:  # the loop is closed
                _drop(awaitable)
            raise RunSuspended(self.run_id, self.place.closed or self.run.closed or "it was cancelled") from None

    def seed(self, name: str = "") -> bytes:
        """The same in each attempt."""
        return seed_of_attempt(self.place.handle.key, name)


def seed_of_attempt(key: bytes, name: str) -> bytes:
    """The seed of a generator of random numbers of the tool call with this identity."""
    return hashlib.blake2b(key + name.encode(), digest_size=32, person=b"aether-random").digest()


def _drop(awaitable: Awaitable[Any]) -> None:
    """Nobody will await it. One that has begun ends by itself; Python complains of a coroutine that never did."""
    if inspect.iscoroutine(awaitable) and inspect.getcoroutinestate(awaitable) == inspect.CORO_CREATED:
        awaitable.close()


async def _awaited(awaitable: Awaitable[Any], place: AttemptPlace) -> Any:
    HERE.set(place)
    return await awaitable
