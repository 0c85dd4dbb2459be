"""What the context's services may ask of the engine. The engine fills it; services know nothing else of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from .record.schema import Question

if TYPE_CHECKING:
    from .storage.store import Store, Transaction

Op = Callable[["Transaction"], None]  # rows written in the same transaction as the fact; must be quick and pure of I/O


class Outcome(msgspec.Struct, frozen=True):
    """What an effect gave: `value` is recorded and returned, `ops` are written with it in one transaction."""

    value: Any = None
    ops: Sequence[Op] = ()


Asker = Callable[
    [Question, str, str], Awaitable[Any]
]  # (question, token, why the last answer was refused) -> raw answer


class LeftOpen(Exception):
    """Raised by an asker that has no answer: whoever answers in the store answers it."""


ANSWERED = "it was answered elsewhere"  # what the cancellation of an asker says; without a word: it is asked no more


class Runs(Protocol):
    """Other runs, as one scope starts and awaits them. A run that was started is found again after a kill."""

    async def spawn(self, target: Any, inputs: Any, **options: Any) -> str:
        """Start a run of an agent, or of the one of that name; its id."""

    def start(self, target: Any, inputs: dict[str, Any], **options: Any) -> Any:
        """The same at once, on the loop's thread; the `Run`."""

    async def wait(self, run_id: str, timeout_s: float | None = None, *, owned: bool = False) -> Any:
        """Its outputs once it has ended; no slot is held meanwhile. One that is `owned` is paused on cancellation."""

    async def cancel(self, run_id: str) -> None:
        """End it for good."""


class Desk(Protocol):
    """The engine as one scope sees it: the body of a run or nested graph, or one attempt of a tool.

    Its methods may be called from the thread that runs the scope. Every effect has an identity (scope, lineage, name,
    `args`, count), so on replay the recorded outcome is returned and nothing is done again.
    """

    run_id: str
    graph_id: str
    node_id: str
    session_id: str
    attempt: int

    @property
    def no(self) -> int:
        """The number of the node (0: the run's own body)."""

    @property
    def store(self) -> Store:
        """The store of the run."""

    @property
    def runs(self) -> Runs:
        """Runs that this scope starts."""

    @property
    def blocking(self) -> bool:
        """Whether this scope is a sync tool in a worker thread, whose context blocks."""

    @property
    def replays(self) -> bool:
        """Whether this scope is a body: run again from its beginning, while what it called is not."""

    async def record(self, name: str, args: Any, value: Any = None, *, ops: Sequence[Op] = ()) -> Any:
        """Record an effect that happens wholly inside the store, at once; return `value`, or what was recorded."""

    async def read(self, name: str, args: Any, fn: Callable[[], Any]) -> Any:
        """Record a read of something that can change; `fn` must be quick."""

    async def effect(
        self, name: str, args: Any, work: Callable[[], Awaitable[Outcome]], *, intent: bool = False
    ) -> Any:
        """Do `work` off the body and record its outcome; in a body the outcome comes through the mailbox.

        With `intent`, `EffectIntended` is on disk before `work` begins (for effects on the outside world).
        """

    async def transact(self, name: str, args: Any, work: Callable[[Transaction], Any]) -> Any:
        """Look at rows, change them, and record what `work` gave: one transaction, over all processes.

        `work` runs in the thread that writes the store. It must be quick, and raise (a wrong value, say) before it
        writes or not at all; what it raises is raised here. It is not done again where its outcome is on record.
        """

    async def look(self, name: str, args: Any, fn: Callable[[], Any]) -> Any:
        """Record a read that takes time: `fn` is called in a worker thread, and sees what was written before."""

    async def ask(self, question: Question, asker: Asker | None = None) -> Any:
        """Open a durable question and wait for its checked answer.

        `asker` goes and gets an answer (a console, a script); without one it comes through the store (a view, another
        process). An answer that does not fit is refused and `asker` is called again with the reason. `NoOneToAsk`
        from `asker` reaches the caller and leaves the question open.
        """

    async def sleep(self, seconds: float) -> None:
        """Wait; in a body durably."""

    @property
    def token(self) -> str:
        """The address of what this stage of a dual-stage tool will wait for; "" anywhere else."""

    async def reserve(self, name: str) -> str:
        """The token of a wait that is opened later, by `wait`; an answer that comes before that is kept."""

    async def continue_as_new(self, inputs: dict[str, Any]) -> Any:
        """End the run, and let one with these inputs go on; never returns."""

    async def wait(self, token: str, question: Question) -> Any:
        """Open the wait that `reserve` gave `token` for, and wait for its answer."""

    def block(self, awaitable: Awaitable[Any]) -> Any:
        """From the worker thread of a sync tool: run `awaitable` on the loop and wait for it.

        Where that is refused, or cut off before it began, a coroutine is closed: Python would complain of it.
        """

    @property
    def unseen(self) -> bool:
        """Whether notes go nowhere: what is costly to draw need not be drawn."""

    def note(self, kind: str, data: dict[str, Any], ops: Sequence[Op] = ()) -> None:
        """Write a cosmetic `Noted` fact, and rows with it; from any thread, never waits."""

    def seed(self, name: str = "") -> bytes:
        """32 bytes from run, scope, lineage and `name`: the same on each replay."""

    def idempotency_key(self, name: str = "") -> str:
        """Stable over attempts, kills, resumes and edits: give it to outside systems that can deduplicate."""


class Place(Protocol):
    """Where the running code is: a lineage of a body, or an attempt of a tool."""

    @property
    def desk(self) -> Desk:
        """The engine for this place."""


HERE: ContextVar[Place | None] = ContextVar("aethergraph_here", default=None)


def here() -> Desk | None:
    """The desk of the code that is running, or None outside any run."""
    place = HERE.get()
    return None if place is None else place.desk
