"""A desk without an engine: it records effects, gives recorded outcomes on replay, and asks as the engine asks."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from aethergraph.channels.bus import Bus
from aethergraph.context import NodeContext
from aethergraph.engine import Asker, Op, Outcome
from aethergraph.errors import AlreadyAnswered, BadAnswer, WouldBlock
from aethergraph.record.schema import Question
from aethergraph.storage import waiting
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.codec import Codec, canonical
from aethergraph.storage.keyring import Keyring
from aethergraph.storage.store import MemoryStore, Store, Transaction
from aethergraph.testing import FakeClock


@dataclass
class Journal:
    """What survives a kill: outcomes by identity."""

    effects: dict[bytes, Any] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    args: list[Any] = field(default_factory=list)
    intents: list[str] = field(default_factory=list)
    answers: dict[bytes, Any] = field(default_factory=dict)


class FakeDesk:
    """One scope. `again()` is the same scope after a kill."""

    run_id, graph_id, session_id = "study-1", "study", "s1"
    replays = False

    def __init__(
        self,
        store: Store,
        journal: Journal | None = None,
        *,
        no: int = 3,
        node_id: str = "fit",
        attempt: int = 1,
        loop: asyncio.AbstractEventLoop | None = None,
        run_id: str = "study-1",
    ) -> None:
        self.store, self.journal = store, journal or Journal()
        self.no, self.node_id, self.attempt, self.run_id = no, node_id, attempt, run_id
        self._loop = loop
        self._counts: Counter[bytes] = Counter()
        self.notes: list[tuple[str, dict[str, Any]]] = []

    @property
    def blocking(self) -> bool:
        return self._loop is not None

    def again(self) -> FakeDesk:
        return FakeDesk(self.store, self.journal, no=self.no, node_id=self.node_id, attempt=self.attempt)

    def noted(self, kind: str) -> list[dict[str, Any]]:
        return [data for what, data in self.notes if what == kind]

    def _key(self, name: str, args: Any) -> bytes:
        what = name.encode() + b"\0" + canonical(args).data
        self._counts[what] += 1
        return hashlib.blake2b(what + b"%d" % self._counts[what], digest_size=16).digest()

    def _commit(self, key: bytes, name: str, args: Any, value: Any, ops: Sequence[Op]) -> Any:
        with self.store.transact() as transaction:
            for op in ops:
                op(transaction)
        self.journal.effects[key] = msgspec.msgpack.encode(value)  # as the engine: only what can be written
        self.journal.names.append(name)
        self.journal.args.append(args)
        return value

    async def record(self, name: str, args: Any, value: Any = None, *, ops: Sequence[Op] = ()) -> Any:
        key = self._key(name, args)
        if key in self.journal.effects:
            return msgspec.msgpack.decode(self.journal.effects[key])
        return self._commit(key, name, args, value, ops)

    async def read(self, name: str, args: Any, fn: Callable[[], Any]) -> Any:
        key = self._key(name, args)
        if key in self.journal.effects:
            return msgspec.msgpack.decode(self.journal.effects[key])
        return self._commit(key, name, args, fn(), ())

    async def effect(
        self, name: str, args: Any, work: Callable[[], Awaitable[Outcome]], *, intent: bool = False
    ) -> Any:
        key = self._key(name, args)
        if key in self.journal.effects:
            return msgspec.msgpack.decode(self.journal.effects[key])
        if intent:
            self.journal.intents.append(name)
        outcome = await work()
        return self._commit(key, name, args, outcome.value, outcome.ops)

    async def transact(self, name: str, args: Any, work: Callable[[Transaction], Any]) -> Any:
        key = self._key(name, args)
        if key in self.journal.effects:
            return msgspec.msgpack.decode(self.journal.effects[key])
        with self.store.transact() as rows:
            value = work(rows)
            return self._commit(key, name, args, value, ())

    async def look(self, name: str, args: Any, fn: Callable[[], Any]) -> Any:
        return await self.read(name, args, fn)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def ask(self, question: Question, asker: Asker | None = None) -> Any:
        key = self._key("ask", [question.kind, question.prompt, question.name, question.options])
        if key in self.journal.answers:
            return self.journal.answers[key]
        token = f"ask-{key.hex()[:8]}"
        no = 100 + len(list(waiting.everything(self.store)))
        with self.store.transact() as transaction:
            waiting.open_op(waiting.WaitRow(token, self.run_id, "ask", no, question, 1.0))(transaction)
        refused = ""
        while True:
            task = asyncio.create_task(self._get(question, token, refused, asker))
            try:
                row = await task
            except BadAnswer as error:
                if error.token != token or asker is None or "script" in error.why:
                    raise
                refused = error.why
                continue
            self.journal.answers[key] = row.value
            return row.value

    async def _get(self, question: Question, token: str, refused: str, asker: Asker | None) -> waiting.WaitRow:
        if asker is None:
            while (row := waiting.read(self.store, token)) is not None and row.state != "answered":
                await asyncio.sleep(0)
            assert row is not None
            return row
        raw = await asker(question, token, refused)
        try:
            return waiting.answer(self.store, token, raw, f"asker-{refused}", 2.0)
        except AlreadyAnswered:
            row = waiting.read(self.store, token)
            assert row is not None
            return row

    def block(self, awaitable: Awaitable[Any]) -> Any:
        if self._loop is None:
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            raise WouldBlock("a blocking call", "`await ...`")

        async def wait() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(wait(), self._loop).result(30)

    @property
    def unseen(self) -> bool:
        return False

    def note(self, kind: str, data: dict[str, Any], ops: Sequence[Op] = ()) -> None:
        msgspec.msgpack.encode(data)
        with self.store.transact() as transaction:
            for op in ops:
                op(transaction)
        self.notes.append((kind, data))

    def seed(self, name: str = "") -> bytes:
        return hashlib.blake2b(f"{self.run_id}:{self.no}:{name}".encode(), digest_size=32).digest()

    def idempotency_key(self, name: str = "") -> str:
        return f"{self.run_id}:{self.no}:{name}"


@contextmanager
def loop_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop on a thread of its own, as the engine has one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@dataclass
class Room:
    """Everything a context is made from, and a way to make one."""

    store: Store
    bus: Bus
    codec: Codec
    clock: FakeClock
    environ: dict[str, str]

    def context(self, desk: FakeDesk | None = None, **more: Any) -> tuple[NodeContext, FakeDesk]:
        desk = desk or FakeDesk(self.store)
        return NodeContext(desk, self.bus, self.codec, clock=self.clock, **more), desk


def room(folder: Path) -> Room:
    """A store in memory with blobs on disk, a bus that sees neither a terminal nor this process's environment."""
    blobs = DiskBlobs(folder / "blobs")
    store = MemoryStore(folder, blobs)
    environ: dict[str, str] = {}
    bus = Bus(environ, terminal=lambda: False)
    return Room(store, bus, Codec(blobs, Keyring(folder / "key")), FakeClock(), environ)
