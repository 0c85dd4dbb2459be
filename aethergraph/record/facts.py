"""What happened in a run. The journal is a list of these, in order; every other view of a run is a fold of it.

Nodes are numbered from 1 within their run, in the order in which they were first written; 0 is the run's own body.
`scope` is the number of the node whose body or attempt made a call. `path` is the lineage of the asyncio task that
made it, `""` for the body's own. `at` is the mailbox position up to which that body had been told results.
Times are seconds since the epoch (UTC). `bytes` payloads are made and read by `codec`.

Facts are never changed once released: new fields go at the end, with a default.
"""

from __future__ import annotations

from typing import Union

import msgspec

FORMAT = 1  # of the store; raised when an older version could no longer read what we write

TOOL, GRAPH, WAIT = "tool", "graph", "wait"  # kinds of node
SESSION = "session"  # a kind of run: its body is a block of the caller's, so it ends with that and is never resumed


class Fact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all facts."""


class Error(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An exception as it is kept: class by name, never by reference."""

    module: str
    qualname: str
    message: str
    args: bytes = b""  # codec payload of `args`; empty where they cannot be stored
    notes: list[str] = []
    traceback: str = ""  # the user's frames, as text
    nodes: list[int] = []  # every recorded failure reachable from this one
    state: bytes = b""  # codec payload of the attributes that the user's class gave it; empty where there are none


class RunStarted(Fact, frozen=True, array_like=True, gc=False, tag=0):
    """The run exists. `inputs` is the payload of a dict; `definition` names the stored source of its agent."""

    run_id: str
    name: str
    t: float
    inputs: bytes
    secret: bytes  # makes this run's wait tokens unguessable
    definition: str = ""
    session: str = ""
    parent: str = ""
    cap: int = 0  # concurrent attempts; 0 is the default of the process
    tags: list[str] = []
    format: int = FORMAT
    home: str = ""  # where its agent was defined: two agents of one name are not taken for each other
    tied: bool = False  # it is paused and cancelled with its parent
    loop: str = ""  # "kernel": on the loop that runs where it is started or resumed; else on the loop of the runs
    continues: str = ""  # the run that this one goes on from
    chain: str = ""  # the first of the runs that it goes on from: signals for it are sent to that one
    signals: int = 0  # number of the last signal that was there before it
    heard: dict[str, int] = {}  # by name, the signal up to which the runs that it goes on from took all
    retry: bytes = b""  # payload of the policy of tools that say nothing of retries; empty where there is none
    on_error: str = ""  # "finish" or "stop", in place of what a static graph says
    generation: int = 1  # 2 for the run that goes on from the first of a chain, 3 for the next
    kind: str = ""  # SESSION, or "" for a run of an agent
    had: dict[str, list[int]] = {}  # by name, signals after `heard` that they took; one between was free again
    budget: dict[str, float] = {}  # what it may use, by what is counted: "seconds" at work; empty where there is none
    spent: dict[str, float] = {}  # what the runs that it goes on from have used of it


class RunOpened(Fact, frozen=True, array_like=True, gc=False, tag=1):
    """A process took the run up, for the first time (epoch 1) or again."""

    epoch: int
    t: float
    process: str = ""
    validity: bytes = b""  # code fingerprint of the agent's body
    outputs: list[str] = []
    body: bytes = b""  # fingerprint of the body's own text, without what it uses
    budget: dict[str, float] = {}  # that is in force from here on, as in `RunStarted`
    spent: dict[str, float] = {}  # what was used of it before


class NodeStarted(Fact, frozen=True, array_like=True, gc=False, tag=2):
    """A call became a node and may start. Written again, with the next `execution`, when the node runs again."""

    no: int
    key: bytes
    scope: int
    path: str
    at: int
    callee: str
    node_id: str
    kind: str
    validity: bytes
    t: float
    args: bytes = b""  # msgpack of [args, kwargs]: b"m" + the values where small and plain, b"n" + a preview of each
    deps: tuple[int, ...] = ()  # nodes whose values it was given
    after: tuple[int, ...] = ()  # nodes it follows in control order, where no value says so
    execution: int = 1
    why: str = ""  # why it runs again


class NodeDone(Fact, frozen=True, array_like=True, gc=False, tag=3):
    """A node gave its outputs, or failed for good. This is its delivery: mailbox order is journal order."""

    no: int
    ok: bool
    value: bytes  # codec payload of the outputs, empty for a failure
    t: float
    error: Error | None = None
    volatile: str = ""  # why the node has to run again on resume: not storable, or it changed an argument
    files: tuple[tuple[str, int, int], ...] = ()  # paths in its outputs: size, mtime in ns
    attempt: int = 1
    redo: bool = False  # a volatile node ran again on resume: keeps its first place in the order


class NodeRan(Fact, frozen=True, array_like=True, gc=False, tag=4):
    """`NodeStarted` and `NodeDone` of a pure tool in one, written when it has run: from `t` on, for `took` seconds."""

    no: int
    key: bytes
    scope: int
    path: str
    at: int
    callee: str
    node_id: str
    validity: bytes
    t: float
    took: float
    ok: bool
    value: bytes
    args: bytes = b""
    deps: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    error: Error | None = None
    volatile: str = ""
    files: tuple[tuple[str, int, int], ...] = ()
    attempt: int = 1


class AttemptFailed(Fact, frozen=True, array_like=True, gc=False, tag=5):
    """An attempt failed and another will follow after `retry_in_s` seconds."""

    no: int
    attempt: int
    error: Error
    retry_in_s: float
    t: float
    most: int = 0  # attempts that there are at most; 0: not recorded


class CallCancelled(Fact, frozen=True, array_like=True, gc=False, tag=6):
    """The body cancelled a call or effect itself (`asyncio.timeout`, `task.cancel()`); `no` is 0 for an effect."""

    no: int
    key: bytes


class TimerFired(Fact, frozen=True, array_like=True, gc=False, tag=7):
    """A timer of a body was delivered, or the result of work that a body had given to an executor."""

    key: bytes
    scope: int
    path: str
    at: int


class Effect(Fact, frozen=True, array_like=True, gc=False, tag=8):
    """Something that a body or attempt did or read through its context, with its outcome.

    `queued` says whether the outcome came through the mailbox of a body (then this is its delivery).
    """

    key: bytes
    scope: int
    path: str
    at: int
    name: str  # "send_text", "clock", "artifacts.save" ...
    args: bytes  # what was asked for, as a payload; shown in views
    value: bytes  # the outcome, as a payload
    t: float
    ok: bool = True
    error: Error | None = None
    queued: bool = False
    execution: int = 1
    attempt: int = 1


class EffectIntended(Fact, frozen=True, array_like=True, gc=False, tag=9):
    """An effect on the outside world is about to happen under the stable id `key`; its `Effect` says that it did."""

    key: bytes
    scope: int
    path: str
    at: int
    name: str
    args: bytes
    t: float


class WaitOpened(Fact, frozen=True, array_like=True, gc=False, tag=10):
    """Node `no` waits for an answer to `question` (see `schema.Question`), addressed by `token`."""

    no: int
    token: str
    question: bytes  # msgpack of schema.Question
    t: float
    deadline: float = 0.0  # 0: none
    round: int = 1
    body: bytes = b""  # fingerprint of the text of the body or tool that asks


class WaitRefused(Fact, frozen=True, array_like=True, gc=False, tag=11):
    """An answer was refused after it had been stored; the wait is open again, in its next round."""

    no: int
    round: int
    why: str
    t: float


UNCALLED = "no code calls it any more"
ORPHANED = "the code that asked is gone"  # why a question is withdrawn that no code asks any more


class WaitWithdrawn(Fact, frozen=True, array_like=True, gc=False, tag=12):
    """Nobody waits for node `no` any more (the code that asked is gone, or the body cancelled it)."""

    no: int
    t: float
    why: str = ""


PLOTTED = frozenset({"point", "points", "frame"})  # kinds of notes that are drawn as plots


class Noted(Fact, frozen=True, array_like=True, gc=False, tag=13):
    """Cosmetic: output, log lines, progress, plot points. No barrier; superseded when node `no` runs again.

    kind "out": {"s": text, "err": bool}; "show": {"mime": data}; "figure": {"png": digest};
    "log": {"level", "text"}; "progress": {"id", "title", "now", "total", "sub", "end"};
    "point": {"track", "step", "value"}, on disk gathered into "points" (see `points`);
    "frame": {"track", "step", "kind", "data", "blob", "about"} (see `views.frames`);
    "use" (an artifact was loaded): {"sha256", "name", "run", "artifact"}; `data` is msgpack.
    """

    no: int
    kind: str
    data: bytes
    t: float


class RunDone(Fact, frozen=True, array_like=True, gc=False, tag=14):
    """The body returned; `value` is the payload of its outputs."""

    value: bytes
    t: float
    volatile: str = ""


class RunFailed(Fact, frozen=True, array_like=True, gc=False, tag=15):
    """The body raised. `fatal`: the nodes whose recorded failures led to it; they are tried again on resume."""

    error: Error
    fatal: list[int]
    t: float


class RunPaused(Fact, frozen=True, array_like=True, gc=False, tag=16):
    """The process let go of the run before its end."""

    why: str
    t: float
    spent: dict[str, float] = {}  # what it has used of its budget; empty where it has none


class RunCancelled(Fact, frozen=True, array_like=True, gc=False, tag=17):
    """Cancelled through the engine: final."""

    by: str
    t: float


class EffectsSuperseded(Fact, frozen=True, array_like=True, gc=False, tag=18):
    """Effects of bodies that the code that finished the run did not claim again: hidden from transcripts and lists."""

    keys: list[bytes]
    t: float


class Forked(Fact, frozen=True, array_like=True, gc=False, tag=25):
    """The facts before this one are those of run `parent`; from here on this run goes its own way.

    Its calls keep the identities that the parent gave them (`root` is the scope of the parent's body). What node `no`
    made is undone (0: no node's), and with it everything inside it. With `outputs` (a payload) the node counts as done
    with these; with `inputs` (the payload of a dict) it runs again with these in place of what it is called with.
    """

    parent: str
    root: bytes
    t: float
    no: int = 0
    inputs: bytes = b""
    outputs: bytes = b""


class Cached(Fact, frozen=True, array_like=True, gc=False, tag=26):
    """Node `no` did not run: node `node_id` of run `run_id` had, with the same code and arguments, at the time `t`."""

    no: int
    run_id: str
    node_id: str
    t: float
    took: float  # seconds that it took then


class WaitReserved(Fact, frozen=True, array_like=True, gc=False, tag=21):
    """Node `no` has the address of a wait that is not open yet: an answer that comes before is kept for it."""

    no: int
    token: str
    t: float
    round: int = 1


class SignalTaken(Fact, frozen=True, array_like=True, gc=False, tag=22):
    """The signal `seq` is what node `no` waited for; no other wait of the run gets it."""

    no: int
    name: str
    seq: int
    t: float


class RunContinued(Fact, frozen=True, array_like=True, gc=False, tag=23):
    """The run goes on in the run `run_id`, which was made in the same transaction; it is itself done."""

    run_id: str
    t: float


class BudgetUsed(Fact, frozen=True, array_like=True, gc=False, tag=42):
    """What a run has used of its budget up to `t`, when it goes to work again (`works`), or has come to wait only.

    Between the two nothing of the budget is used. Runs without a budget have no such facts.
    """

    spent: dict[str, float]
    t: float
    works: bool


class NodeSkipped(Fact, frozen=True, array_like=True, gc=False, tag=29):
    """A node of a static graph was not called: its condition did not hold, or it needs what another skipped one gives.

    For people to see: a run that goes on decides anew, and does not look here.
    """

    no: int
    key: bytes
    scope: int
    path: str
    at: int
    callee: str
    node_id: str
    kind: str
    t: float
    why: str = ""
    deps: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    args: bytes = b""
    validity: bytes = b""


class NodesLeft(Fact, frozen=True, array_like=True, gc=False, tag=40):
    """The run came to its end and no code of its called these nodes, which are on record from before an edit or fork.

    For people to see: what they gave stays on record, and whoever goes on and calls them again finds it.
    """

    nos: list[int]
    t: float


class CallMarked(Fact, frozen=True, array_like=True, gc=False, tag=41):
    """What the call of identity `key` said of itself for people: `_alias=`, `_labels=`, `_name=`. Nothing hangs on it.

    Written at the call, so that no node is on record without its marks; again where an edit changed them, with nothing
    in it where it took them away. A key that is that of no node was called and came to nothing.
    """

    key: bytes
    alias: str = ""
    labels: tuple[str, ...] = ()
    name: str = ""


AnyFact = Union[  # noqa: UP007 (msgspec wants a Union at run time; `|` of classes works only inside annotations)
    RunStarted,
    RunOpened,
    NodeStarted,
    NodeDone,
    NodeRan,
    AttemptFailed,
    CallCancelled,
    TimerFired,
    Effect,
    EffectIntended,
    WaitOpened,
    WaitRefused,
    WaitWithdrawn,
    Noted,
    RunDone,
    RunFailed,
    RunPaused,
    RunCancelled,
    EffectsSuperseded,
    Forked,
    Cached,
    WaitReserved,
    SignalTaken,
    RunContinued,
    NodeSkipped,
    NodesLeft,
    CallMarked,
    BudgetUsed,
]

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[AnyFact])


def encode(batch: list[AnyFact]) -> bytes:
    """One journal row."""
    return _encoder.encode(batch)


def decode(row: bytes) -> list[AnyFact]:
    """The facts of one journal row.

    Raises:
        msgspec.DecodeError: the row is damaged, or written by a newer version.
    """
    return _decoder.decode(row)
