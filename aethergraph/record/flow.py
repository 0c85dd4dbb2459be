"""The decision: folds facts into the state of a run and says what to do with a call. Pure: no asyncio, clock or disk.

One decision function serves live runs, replay and recovery. A delivery is a fact that reached a body through its
mailbox; deliveries are numbered in journal order, and that number is what `at` in facts refers to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

import msgspec

from ..ids import Key, NodeId, node_id
from . import facts as f
from . import schema
from .identity import is_prefix
from .status import NodeStatus, RunStatus


class Outcome(msgspec.Struct, gc=False):
    """What a node gave; `position` is the number of its delivery."""

    ok: bool
    value: bytes
    error: f.Error | None
    volatile: str
    files: tuple[tuple[str, int, int], ...]
    position: int


class Node(msgspec.Struct, gc=False):
    """One call of a run, as its facts tell it."""

    no: int
    key: Key
    scope: int
    path: str
    at: int
    callee: str
    node_id: NodeId
    kind: str
    validity: bytes
    deps: tuple[int, ...]
    after: tuple[int, ...]
    execution: int = 1
    status: NodeStatus = NodeStatus.RUNNING
    outcome: Outcome | None = None
    cancelled: bool = False
    round: int = 1
    wait: f.WaitOpened | None = None
    opening: int = 1  # when it started last: how often the run had been taken up
    given: bytes = b""  # inputs that a fork gives it, as the payload of a dict
    fixed: bool = False  # its outputs were given by a fork: whatever changes, they hold
    token: str = ""  # of its wait, reserved or open
    refused: int = 0  # round of its wait that began when an answer was refused last
    answered: tuple[bytes, bytes] | None = None  # the question that it asked before, and the payload of its answer
    tried: int = 0  # attempts of this execution that failed
    retry_at: float = 0.0  # when the next of them is due
    marks: f.CallMarked | None = None  # where its call has some

    @property
    def alias(self) -> str:
        """What the call says as `_alias=`, or ""."""
        return self.marks.alias if self.marks is not None else ""

    @property
    def labels(self) -> tuple[str, ...]:
        """What the call says as `_labels=`."""
        return tuple(self.marks.labels) if self.marks is not None else ()

    @property
    def name(self) -> str:
        """What the call says as `_name=`, or ""."""
        return self.marks.name if self.marks is not None else ""

    @property
    def title(self) -> str:
        """How it is shown."""
        return self.name or self.node_id

    @property
    def logic(self) -> str:
        """The name of the tool or agent that it calls: `callee`, as nodes of static graphs have it."""
        return self.callee


def is_younger(one: Node, record: Node) -> bool:
    """Whether `one` gave what it gave after `record` was made, by a process that took the run up later."""
    return one.opening > record.opening and (one.outcome is None or one.outcome.position > record.at)


class Todo(Enum):
    """What becomes of a call."""

    START = "start"
    REUSE = "reuse"
    PENDING = "pending"  # the body cancelled it before, and will again: it never runs


class Decision(msgspec.Struct, gc=False, frozen=True):
    """`node` is what is known of the call, `why` the reason a known one starts again."""

    todo: Todo
    node: Node | None = None
    why: str = ""


class Delivery(msgspec.Struct, gc=False, frozen=True):
    """One entry of the recorded order; `key` of a node, timer or effect."""

    key: Key
    position: int
    scope: int


UNFINISHED = "it was not finished"
_NEW = Decision(Todo.START)
# Python 3.11 takes ten times as long for the attribute of an enum as for a name, and there is one in each fold.
_RUNNING, _WAITING, _READY = NodeStatus.RUNNING, NodeStatus.WAITING, NodeStatus.READY
_DONE, _FAILED, _SKIPPED = NodeStatus.DONE, NodeStatus.FAILED, NodeStatus.SKIPPED
_REUSE = Todo.REUSE


@dataclass(slots=True)
class Flow:
    """The state of one run. `Flow(facts)` after a kill equals the live `Flow` before it."""

    nodes: list[Node] = field(default_factory=list)
    by_key: dict[Key, Node] = field(default_factory=dict)
    effects: dict[Key, f.Effect] = field(default_factory=dict)
    intents: dict[Key, f.EffectIntended] = field(default_factory=dict)
    cancelled_effects: set[Key] = field(default_factory=set)
    positions: dict[Key, int] = field(default_factory=dict)
    order: list[Delivery] = field(default_factory=list)
    deliveries: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    named: set[NodeId] = field(default_factory=set, compare=False)  # ids given away whose facts have not come yet
    started: f.RunStarted | None = None
    opened: f.RunOpened | None = None
    status: RunStatus = RunStatus.RUNNING
    result: f.RunDone | None = None
    failure: f.RunFailed | None = None
    why: str = ""
    openings: int = 0  # how often it was taken up
    forked: f.Forked | None = None
    taken: dict[str, dict[int, int]] = field(default_factory=dict)  # signals by name and number: the node that got it
    successor: str = ""  # the run that goes on from this one
    marks: dict[Key, f.CallMarked] = field(default_factory=dict)  # by call, which need not have become a node
    budget: dict[str, float] = field(default_factory=dict)  # what it may use; empty where it has none
    spent: dict[str, float] = field(default_factory=dict)  # what it had used of it when that was recorded last

    # ------------------------------------------------------------------ folding

    @classmethod
    def of(cls, history: Iterable[f.AnyFact]) -> Flow:
        """The state after `history`."""
        flow = cls()
        for fact in history:
            _FOLD[type(fact)](flow, fact)
        return flow

    def fold(self, fact: f.AnyFact) -> int:
        """Take `fact` in; return the number of its delivery, or -1 where it is none."""
        return _FOLD[type(fact)](self, fact)

    def _ran(self, fact: f.NodeRan) -> int:
        node = self._node(fact, f.TOOL, 1)
        return self._finish(node, fact.ok, fact.value, fact.error, fact.volatile, fact.files)

    def _node_started(self, fact: f.NodeStarted) -> int:
        node = self._node(fact, fact.kind, fact.execution)
        node.status = _WAITING if fact.kind == f.WAIT else _RUNNING
        if node.outcome is not None and node.outcome.ok and node.wait is not None:
            node.answered = (node.wait.question, node.outcome.value)
        node.outcome = None
        node.cancelled = False
        return -1

    def _node(self, fact: f.NodeStarted | f.NodeRan | f.NodeSkipped, kind: str, execution: int) -> Node:
        key = Key(fact.key)
        node = self.by_key.get(key)
        if node is None:
            node = Node(
                fact.no, key, fact.scope, fact.path, fact.at, fact.callee, NodeId(fact.node_id), kind,
                fact.validity, fact.deps, fact.after, execution, opening=self.openings,
            )  # fmt: skip
            self.by_key[key] = node
            self.nodes.append(node)
            if self.marks:
                node.marks = self.marks.get(key)
            if node.node_id in self.named:
                self.named.discard(node.node_id)
            else:
                self._count(fact.callee, fact.node_id)
        else:
            node.validity, node.at, node.deps, node.after = fact.validity, fact.at, fact.deps, fact.after
            if node.execution != execution:
                node.tried, node.retry_at = 0, 0.0
            node.execution, node.opening = execution, self.openings
        return node

    def _count(self, callee: str, known_id: str) -> None:
        following = self.counts.get(callee, 0) + 1
        if known_id == (callee if following == 1 else f"{callee}-{following}"):  # as nearly always
            self.counts[callee] = following
            return
        if known_id == callee:
            name, number = callee, 1
        else:  # "fit-2", or an id that the user gave
            name, _, tail = known_id.rpartition("-")
            name, number = (name, int(tail)) if name and tail.isdecimal() else (known_id, 1)
        if self.counts.get(name, 0) < number:
            self.counts[name] = number

    def _node_done(self, fact: f.NodeDone) -> int:
        node = self.nodes[fact.no - 1]
        if fact.redo and node.key in self.positions:
            position = self.positions[node.key]
            node.outcome = Outcome(fact.ok, fact.value, fact.error, fact.volatile, fact.files, position)
            node.status = _DONE if fact.ok else _FAILED
            return position
        return self._finish(node, fact.ok, fact.value, fact.error, fact.volatile, fact.files)

    def _finish(
        self,
        node: Node,
        ok: bool,
        value: bytes,
        error: f.Error | None,
        volatile: str,
        files: tuple[tuple[str, int, int], ...],
    ) -> int:
        position = self._deliver(node.key, node.scope)
        node.outcome = Outcome(ok, value, error, volatile, files, position)
        node.status = _DONE if ok else _FAILED
        node.cancelled = False
        return position

    def _deliver(self, key: Key, scope: int) -> int:
        position = self.deliveries
        self.deliveries = position + 1
        self.positions[key] = position
        self.order.append(Delivery(key, position, scope))
        return position

    def _attempt_failed(self, fact: f.AttemptFailed) -> int:
        node = self.nodes[fact.no - 1]
        node.tried, node.retry_at = fact.attempt, fact.t + fact.retry_in_s
        return -1

    def _skipped(self, fact: f.NodeSkipped) -> int:
        """To be seen; a run that goes on decides anew whether it is to be skipped."""
        node = self._node(fact, fact.kind, 1)
        node.status = NodeStatus.SKIPPED
        return -1

    def _left(self, fact: f.NodesLeft) -> int:
        """To be seen, too."""
        for no in fact.nos:
            self.nodes[no - 1].status = NodeStatus.SKIPPED
        return -1

    def _marked(self, fact: f.CallMarked) -> int:
        """To be seen, and asked for."""
        key = Key(fact.key)
        marks = fact if fact.alias or fact.labels or fact.name else None
        if marks is not None:
            self.marks[key] = marks
        else:
            self.marks.pop(key, None)
        node = self.by_key.get(key)
        if node is not None:
            node.marks = marks
        return -1

    def _cancelled(self, fact: f.CallCancelled) -> int:
        key = Key(fact.key)
        node = self.by_key.get(key)
        if node is None:
            self.cancelled_effects.add(key)
            self.effects.pop(key, None)
        else:
            node.cancelled, node.outcome, node.status = True, None, NodeStatus.CANCELLED
            self._free_signals(node)  # where one was on its way, the body never had it
        self.positions.pop(key, None)
        return -1

    def _timer(self, fact: f.TimerFired) -> int:
        return self._deliver(Key(fact.key), fact.scope)

    def _effect(self, fact: f.Effect) -> int:
        key = Key(fact.key)
        self.effects[key] = fact
        self.intents.pop(key, None)
        self.cancelled_effects.discard(key)
        return self._deliver(key, fact.scope) if fact.queued else -1

    def _intended(self, fact: f.EffectIntended) -> int:
        self.intents[Key(fact.key)] = fact
        return -1

    def _wait_opened(self, fact: f.WaitOpened) -> int:
        node = self.nodes[fact.no - 1]
        node.wait, node.round, node.status = fact, fact.round, NodeStatus.WAITING
        node.token = fact.token
        return -1

    def _wait_reserved(self, fact: f.WaitReserved) -> int:
        node = self.nodes[fact.no - 1]
        node.wait, node.round, node.status = None, fact.round, NodeStatus.PENDING
        node.token = fact.token
        return -1

    def _wait_withdrawn(self, fact: f.WaitWithdrawn) -> int:
        node = self.nodes[fact.no - 1]
        node.wait, node.token = None, ""
        if node.status in (NodeStatus.WAITING, NodeStatus.PENDING):
            node.status = NodeStatus.CANCELLED
        return -1

    def _wait_refused(self, fact: f.WaitRefused) -> int:
        self.nodes[fact.no - 1].refused = fact.round
        return -1

    def _run_started(self, fact: f.RunStarted) -> int:
        self.started = fact
        self.budget, self.spent = fact.budget, fact.spent
        return -1

    def _run_opened(self, fact: f.RunOpened) -> int:
        """A process took over: what was running is to be done again, what led to a failure is undone on record."""
        self.opened = fact
        self.budget, self.spent = fact.budget, fact.spent
        self.openings += 1
        self.status = RunStatus.RUNNING
        if self.failure is not None:
            self.supersede(self.failure.fatal)
            self.failure = None
        for node in self.nodes:
            status = node.status
            if status is _RUNNING:
                node.status = _READY
            elif status is _SKIPPED and node.outcome is not None:  # it may be called again
                node.status = _DONE if node.outcome.ok else _FAILED
        if len(self.order) != len(self.positions):  # each position has its entry: more entries are those that moved
            self.order = [entry for entry in self.order if self.positions.get(entry.key) == entry.position]
        return -1

    def _run_done(self, fact: f.RunDone) -> int:
        self.result, self.status = fact, RunStatus.DONE
        return -1

    def _run_failed(self, fact: f.RunFailed) -> int:
        self.failure, self.status = fact, RunStatus.FAILED
        return -1

    def _signal_taken(self, fact: f.SignalTaken) -> int:
        self.taken.setdefault(fact.name, {})[fact.seq] = fact.no
        return -1

    def _continued(self, fact: f.RunContinued) -> int:
        self.successor, self.status = fact.run_id, RunStatus.DONE
        self.result = f.RunDone(b"m" + msgspec.msgpack.encode({"successor": fact.run_id}), fact.t)
        return -1

    def _run_paused(self, fact: f.RunPaused) -> int:
        self.status, self.why = RunStatus.PAUSED, fact.why
        self.spent = fact.spent or self.spent
        return -1

    def _budget_used(self, fact: f.BudgetUsed) -> int:
        self.spent = fact.spent
        return -1

    def _run_cancelled(self, fact: f.RunCancelled) -> int:
        """It is over for every node. Whoever withdraws the waits asks for `addresses` before."""
        self.status, self.why = RunStatus.CANCELLED, fact.by
        for node in self.nodes:
            if node.status in _ALIVE:
                node.status = NodeStatus.CANCELLED
        return -1

    def _superseded(self, fact: f.EffectsSuperseded) -> int:
        for key in fact.keys:
            self.effects.pop(Key(key), None)
        return -1

    def _forked(self, fact: f.Forked) -> int:
        """A run that goes on differently: its open questions are its own, and one node is as if it had not run."""
        self.forked, self.spent = fact, {}  # what it shares was paid for by its parent
        for node in self.nodes:
            if node.outcome is None:
                self._made_for_parent(node)
                node.wait, node.token = None, ""  # the token is the parent's
        if not fact.no:
            return -1
        node = self.nodes[fact.no - 1]
        self._undo_whole(node)
        node.given = fact.inputs
        if not fact.outputs:
            return -1
        node.fixed, node.opening = True, self.openings + 1
        return self._finish(node, True, fact.outputs, None, "", ())

    def _made_for_parent(self, wait: Node) -> None:
        """The stage that told another system where to answer told it the parent's token: it is done again."""
        asked = wait.wait
        if asked is None or not wait.scope or schema.decode(asked.question).kind != schema.EXTERNAL:
            return
        stage = f"{self.nodes[wait.scope - 1].callee}."
        steps = [node for node in self.nodes if node.scope == wait.scope and node.callee.startswith(stage)]
        if steps:
            self._undo(steps[-1], [])

    def _ignore(self, fact: f.AnyFact) -> int:
        return -1

    # ------------------------------------------------------------------ deciding

    def request(
        self,
        key: Key,
        validity: Callable[[], bytes],
        *,
        same: bool = False,
        independent: Callable[[Node], str] | None = None,
    ) -> Decision:
        """What to do with a call of this identity.

        `validity` is asked only for a call that is known. `same` is the user's `_same=True`. `independent` gives the
        reason why a recorded result cannot be reused after a change upstream, or "" where it can.
        """
        node = self.by_key.get(key)
        if node is None:
            return _NEW
        if node.cancelled:
            return Decision(Todo.PENDING, node)
        outcome = node.outcome
        if outcome is None:
            return Decision(Todo.START, node, UNFINISHED)
        if node.fixed:
            return Decision(Todo.REUSE, node)
        if outcome.volatile:
            return Decision(Todo.START, node, outcome.volatile)
        if not same and node.validity != (now := validity()):
            code = node.validity[:8] != now[:8]
            what = f"the code of {node.callee}" if code else f"what {node.callee} is given, or a file that it names,"
            return Decision(Todo.START, node, f"{what} changed")
        why = independent(node) if independent is not None else ""
        return Decision(Todo.START, node, why) if why else Decision(_REUSE, node)

    def name(self, callee: str) -> NodeId:
        """The readable id of a new node; the fact that carries it must follow at once."""
        count = self.counts.get(callee, 0) + 1
        self.counts[callee] = count
        made = node_id(callee, count)
        self.named.add(made)
        return made

    def reserve(self, callee: str, wanted: str) -> None:
        """Keep the id `wanted` for a call of `callee` that comes later: `name` gives it to nobody else."""
        self._count(callee, wanted)
        self.named.add(NodeId(wanted))

    def supersede(self, fatal: Iterable[int]) -> list[Node]:
        """Undo, on record, the failures `fatal` (negative: of effects) and what their lineages called after them.

        Only calls of the same lineage or of one that is a prefix of it go, in the failing scope and its ancestors: a
        sibling branch keeps its records, and a `finally` that released something is done again.
        """
        undone: list[Node] = []
        for no in fatal:
            if no < 0:
                self._supersede_effect(-no - 1, undone)
                continue
            node = self.nodes[no - 1]
            if node.outcome is not None:
                position = node.outcome.position
                self._undo(node, undone)
                self._undo_from(node.scope, node.path, position, undone)
        return undone

    def _supersede_effect(self, position: int, undone: list[Node]) -> None:
        """A failed effect is no node: it is known by the number of its delivery."""
        for key, effect in list(self.effects.items()):
            if not effect.ok and self.positions.get(key) == position:
                del self.effects[key], self.positions[key]
                self._undo_from(effect.scope, effect.path, position, undone)

    def _undo_from(self, scope: int, path: str, position: int, undone: list[Node]) -> None:
        """Undo what came after `position` in this scope and lineage, then in the scopes around it."""
        while True:
            self._undo_after(scope, path, position, undone)
            if not scope:
                return
            node = self.nodes[scope - 1]
            self._undo(node, undone)
            scope, path = node.scope, node.path

    def _undo_after(self, scope: int, path: str, position: int, undone: list[Node]) -> None:
        for node in self.nodes:
            if node.scope == scope and node.at >= position and node.outcome and is_prefix(node.path, path):
                self._undo(node, undone)
        for key, effect in list(self.effects.items()):
            if effect.scope == scope and effect.at >= position and is_prefix(effect.path, path):
                del self.effects[key]
                self.positions.pop(key, None)

    def _undo(self, node: Node, undone: list[Node]) -> None:
        if node.outcome is None or node.fixed:
            return
        node.outcome, node.status = None, NodeStatus.READY
        node.execution += 1
        node.tried, node.retry_at = 0, 0.0
        self.positions.pop(node.key, None)
        if node.kind == f.WAIT:
            node.round += 1  # an answer to the question of the failed try is not an answer to the next
            node.wait, node.token, node.answered = None, "", None
            self._free_signals(node)
        undone.append(node)

    def _free_signals(self, node: Node) -> None:
        """Nobody has got the signal of the wait `node` now."""
        if node.kind == f.WAIT:
            for numbers in self.taken.values():
                for seq in [seq for seq, no in numbers.items() if no == node.no]:
                    del numbers[seq]

    def _undo_whole(self, node: Node) -> None:
        """Undo `node` with all that happened inside it; the bodies around it are entered again."""
        inside = {node.no}
        for other in self.nodes:
            if other.scope in inside:
                inside.add(other.no)
        undone: list[Node] = []
        for no in inside:
            other = self.nodes[no - 1]
            other.cancelled, other.fixed = False, False
            self._undo(other, undone)
        for entry in self.order:
            if entry.scope in inside:
                self.positions.pop(entry.key, None)
        for recorded in (self.effects, self.intents):
            for key in [key for key, effect in recorded.items() if effect.scope in inside]:
                del recorded[key]
        while node.scope:
            node = self.nodes[node.scope - 1]
            node.fixed = False
            self._undo(node, undone)

    # ------------------------------------------------------------------ reading

    @property
    def open_waits(self) -> list[Node]:
        """Nodes whose question is open."""
        return [node for node in self.nodes if node.wait is not None and node.status is _WAITING]

    @property
    def started_runs(self) -> bool:
        """Whether it has started other runs."""
        return any(e.name == "spawn_run" for kept in (self.effects, self.intents) for e in kept.values())

    @property
    def addresses(self) -> list[Node]:
        """Nodes whose token is out: the open ones, and those that are reserved."""
        return [node for node in self.nodes if node.token and node.status in _OPEN]

    def scope_key(self, no: int, root: Key) -> Key:
        """The key of scope `no`."""
        return self.nodes[no - 1].key if no else root


_OPEN = (NodeStatus.WAITING, NodeStatus.PENDING)
_ALIVE = (*_OPEN, NodeStatus.RUNNING, NodeStatus.READY)
_FOLD: dict[type, Callable[..., int]] = {
    f.RunStarted: Flow._run_started,
    f.RunOpened: Flow._run_opened,
    f.NodeStarted: Flow._node_started,
    f.NodeDone: Flow._node_done,
    f.NodeRan: Flow._ran,
    f.AttemptFailed: Flow._attempt_failed,
    f.NodeSkipped: Flow._skipped,
    f.NodesLeft: Flow._left,
    f.BudgetUsed: Flow._budget_used,
    f.CallCancelled: Flow._cancelled,
    f.TimerFired: Flow._timer,
    f.Effect: Flow._effect,
    f.EffectIntended: Flow._intended,
    f.WaitOpened: Flow._wait_opened,
    f.WaitRefused: Flow._wait_refused,
    f.WaitWithdrawn: Flow._wait_withdrawn,
    f.Noted: Flow._ignore,
    f.RunDone: Flow._run_done,
    f.RunFailed: Flow._run_failed,
    f.RunPaused: Flow._run_paused,
    f.RunCancelled: Flow._run_cancelled,
    f.EffectsSuperseded: Flow._superseded,
    f.Forked: Flow._forked,
    f.Cached: Flow._ignore,
    f.WaitReserved: Flow._wait_reserved,
    f.SignalTaken: Flow._signal_taken,
    f.RunContinued: Flow._continued,
    f.CallMarked: Flow._marked,
}
