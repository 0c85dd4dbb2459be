"""What a person sees of a run, folded from its facts: nodes, transcript, questions, plots, artifacts. Pure.

Payloads of arguments and outputs stay as they are (bytes): whoever shows them asks `codec.about`. Only small plain
payloads, of messages and artifact records, are read here. All times are seconds of the run: the time since its start,
without the times when no process had it open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from . import facts as f
from . import schema
from .groups import Groups
from .labels import line
from .notes import KEPT, Bar, Notes
from .plots import Track
from .status import NodeStatus, RunStatus
from .transcript import Transcript

_NOTED = frozenset({"out", "err", "figure", "show", "log"})
_SAID = frozenset({"say", "phase"})
_ALIVE = frozenset({NodeStatus.RUNNING, NodeStatus.WAITING, NodeStatus.READY})
HIDDEN = "\u2022\u2022\u2022\u2022"  # stands for an answer that is not to be shown
_decode = msgspec.msgpack.decode


def plain(payload: bytes) -> Any:
    """The value of a payload of kind "m" (plain msgpack); None for any other kind."""
    return _decode(payload[1:]) if payload[:1] == b"m" else None


@dataclass(slots=True, eq=False)
class Node:
    """One call of the run. `args` and `value` are payloads; `began` and `ended` are seconds of the run."""

    no: int
    node_id: str
    callee: str
    kind: str
    scope: int
    args: bytes
    deps: Sequence[int]
    after: Sequence[int]
    began: float
    label: str
    status: NodeStatus = NodeStatus.RUNNING
    ended: float | None = None
    value: bytes = b""
    error: f.Error | None = None
    attempt: int = 1
    execution: int = 1
    volatile: str = ""
    why: str = ""
    epoch: int = 1
    failures: list[f.AttemptFailed] = field(default_factory=list)
    notes: Notes | None = None
    answer: str = ""  # of a question, as a person would write it
    asking: int = 0  # questions that are open in its own scope


@dataclass(slots=True, eq=False)
class Ask:
    """An open question. `refused` says why the last answer was not taken; `channel` where it is asked."""

    no: int
    token: str
    question: schema.Question
    since: float
    deadline: float
    round: int
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Saved:
    """An artifact as it was recorded, and who saved it."""

    scope: int
    execution: int
    record: dict[str, Any]


@dataclass(slots=True)
class Changes:
    """What changed since the last time: `nodes` by number; the flags stand for whole parts of the picture."""

    nodes: set[int] = field(default_factory=set)
    tracks: dict[str, int] = field(default_factory=dict)  # track -> index of the first point that is new
    shape: bool = False
    asks: bool = False
    artifacts: bool = False
    head: bool = False

    def __bool__(self) -> bool:
        return bool(self.nodes or self.tracks or self.shape or self.asks or self.artifacts or self.head)


class Picture:
    """The state of one run for views. Not thread-safe: whoever folds and reads from two threads holds a lock."""

    def __init__(self) -> None:
        self.run_id = self.name = self.definition = self.why = self.session = ""
        self.status = RunStatus.RUNNING
        self.nodes: dict[int, Node] = {}
        self.groups = Groups()
        self.counts: Counter[NodeStatus] = Counter()
        self.transcript = Transcript()
        self.asks: dict[int, Ask] = {}
        self.tracks: dict[str, Track] = {}
        self.artifacts: dict[bytes, Saved] = {}
        self.body = Notes()  # what the run's own body printed and showed
        self.inputs = self.outputs = b""
        self.error: f.Error | None = None
        self.epoch = 0
        self.shape = 0  # counts changes of the graph's shape
        self._changes = Changes()
        self._numbers: dict[bytes, int] = {}
        self._spent, self._opened, self._last = 0.0, 0.0, 0.0
        self._busy: set[int] = set()  # nodes that are not over
        self._printed = 0

    def fold(self, fact: f.AnyFact) -> None:
        """Take one more fact in, in the order of the journal."""
        _FOLD[type(fact)](self, fact)

    def changes(self) -> Changes:
        """What changed since the last call; the transcript keeps its own account."""
        changes, self._changes = self._changes, Changes()
        return changes

    # ------------------------------------------------------------------ reading

    def elapsed(self, now: float) -> float:
        """Seconds that processes had the run open, at the time `now` (seconds since the epoch)."""
        if not self._opened:
            return 0.0
        until = max(now, self._last) if self.status is RunStatus.RUNNING else self._last
        return self._spent + max(until - self._opened, 0.0)

    @property
    def state(self) -> RunStatus:
        """`status`, with `WAITING` for a run that has nothing to do but wait for answers."""
        if self.status is RunStatus.RUNNING and self.asks and not self.working:
            return RunStatus.WAITING
        return self.status

    @property
    def working(self) -> bool:
        """Whether some node is running or about to, other than around a question."""
        return any(
            node.status in (NodeStatus.RUNNING, NodeStatus.READY) and not node.asking and node.kind != f.GRAPH
            for node in map(self.nodes.__getitem__, self._busy)
        )

    @property
    def done(self) -> int:
        """How many nodes gave their outputs, now or earlier."""
        return self.counts[NodeStatus.DONE] + self.counts[NodeStatus.REUSED]

    def saved_by(self, no: int) -> list[dict[str, Any]]:
        """Records of the artifacts that node `no` saved."""
        return [saved.record for saved in self.artifacts.values() if saved.scope == no]

    def drew(self, digest: str) -> bool:
        """Whether some node, or the body, made the figure of this digest."""
        notes = [self.body, *(node.notes for node in self.nodes.values() if node.notes is not None)]
        return any(digest in one.figures for one in notes)

    def owner(self, scope: int) -> str:
        """What to call the one who said something: a node's id, or "" for the run's own body."""
        node = self.nodes.get(scope)
        return node.label if node is not None else ""

    # ------------------------------------------------------------------ moving

    def _clock(self, t: float) -> float:
        self._last = max(self._last, t)
        return self._spent + max(t - self._opened, 0.0)

    def _move(self, node: Node, status: NodeStatus) -> None:
        old = node.status
        if old is not status:
            self.groups.of[node.no].move(old, status)
            self.counts[old] -= 1
            self.counts[status] += 1
            node.status = status
            (self._busy.add if status in _ALIVE else self._busy.discard)(node.no)
            self._changes.head = True
        self._changes.nodes.add(node.no)

    def _notes(self, no: int) -> Notes:
        node = self.nodes.get(no)
        if node is None:
            return self.body
        if node.notes is None:
            node.notes = Notes()
        return node.notes

    def _forget(self, no: int) -> None:
        """Drop what node `no` (0: the body) left behind in an earlier try: it will come again."""
        node = self.nodes.get(no)
        if node is None:
            self.body = Notes()
        else:
            node.notes = None
        self.transcript.supersede(no, _NOTED)
        for track in [track for track in self.tracks.values() if no in track.owners]:
            track.drop(no)
            self._changes.tracks[track.name] = 0

    # ------------------------------------------------------------------ folding: nodes

    def _node_started(self, fact: f.NodeStarted) -> None:
        if fact.no in self.nodes:
            self._again(self.nodes[fact.no], fact)
            return
        node = self._new(fact, fact.kind, self._clock(fact.t))
        node.execution, node.why = fact.execution, fact.why

    def _node_ran(self, fact: f.NodeRan) -> None:
        ended = self._clock(fact.t)
        node = self.nodes.get(fact.no)
        if node is None:
            node = self._new(fact, f.TOOL, ended - fact.took)
        else:
            self._forget(fact.no)
            node.began, node.args = ended - fact.took, fact.args
        self._finish(node, fact, ended)

    def _new(self, fact: f.NodeStarted | f.NodeRan, kind: str, began: float) -> Node:
        node = Node(
            fact.no, fact.node_id, fact.callee, kind, fact.scope, fact.args, fact.deps, fact.after, began,
            fact.node_id, epoch=self.epoch,
        )  # fmt: skip
        self.nodes[fact.no] = node
        self._numbers[fact.key] = fact.no
        self._changes.shape |= self.groups.add(fact.no, fact.callee, fact.scope, fact.deps or fact.after)
        self.groups.of[fact.no].move(None, NodeStatus.RUNNING)
        self.counts[NodeStatus.RUNNING] += 1
        self._busy.add(fact.no)
        self._changes.head = True
        self._changes.nodes.add(fact.no)
        return node

    def _again(self, node: Node, fact: f.NodeStarted) -> None:
        """The node runs once more.

        What an earlier execution said and saved goes; a node that was in flight keeps its execution, and its effects.
        """
        self.transcript.supersede(node.no, _SAID, before=fact.execution)
        stale = [key for key, one in self.artifacts.items() if one.scope == node.no and one.execution < fact.execution]
        for key in stale:
            del self.artifacts[key]
            self._changes.artifacts = True
        self._forget(node.no)
        node.args, node.deps, node.after, node.why = fact.args, fact.deps, fact.after, fact.why
        node.began, node.ended, node.value, node.error = self._clock(fact.t), None, b"", None
        node.execution, node.attempt, node.failures, node.volatile = fact.execution, 1, [], ""
        node.epoch = self.epoch
        self._move(node, NodeStatus.RUNNING)

    def _node_done(self, fact: f.NodeDone) -> None:
        node = self.nodes[fact.no]
        self._finish(node, fact, self._clock(fact.t))
        if node.kind == f.WAIT:
            self._answered(node)

    def _finish(self, node: Node, fact: f.NodeDone | f.NodeRan, ended: float) -> None:
        node.ended, node.value, node.error = ended, fact.value, fact.error
        node.attempt, node.volatile, node.epoch = fact.attempt, fact.volatile, self.epoch
        self._move(node, NodeStatus.DONE if fact.ok else NodeStatus.FAILED)

    def _attempt_failed(self, fact: f.AttemptFailed) -> None:
        node = self.nodes[fact.no]
        node.failures.append(fact)
        node.attempt = fact.attempt + 1
        self._clock(fact.t)
        notes = node.notes
        if notes is not None:
            notes.bars.clear()
        for track in [track for track in self.tracks.values() if fact.no in track.owners]:
            track.drop(fact.no)
            self._changes.tracks[track.name] = 0
        self._changes.nodes.add(fact.no)

    def _call_cancelled(self, fact: f.CallCancelled) -> None:
        node = self.nodes.get(self._numbers.get(fact.key, fact.no))
        if node is not None:
            self._close_ask(node)
            node.ended = self._clock(self._last)
            self._move(node, NodeStatus.CANCELLED)

    # ------------------------------------------------------------------ folding: effects and notes

    def _effect(self, fact: f.Effect) -> None:
        t = self._clock(fact.t)
        if not fact.ok:
            return
        if fact.name == "artifacts.save":
            record = plain(fact.value)
            if isinstance(record, dict):
                self.artifacts[fact.key] = Saved(fact.scope, fact.execution, record)
                self._changes.artifacts = True
                self._changes.nodes.add(fact.scope)
        elif fact.name == "send_text" or fact.name == "send_phase":
            kind = "say" if fact.name == "send_text" else "phase"
            self.transcript.add(t, kind, _message(fact), fact.scope, key=fact.key, execution=fact.execution)

    def _superseded(self, fact: f.EffectsSuperseded) -> None:
        for key in fact.keys:
            self.transcript.supersede_key(key)
            if self.artifacts.pop(key, None) is not None:
                self._changes.artifacts = True

    def _noted(self, fact: f.Noted) -> None:
        data = _decode(fact.data)
        if fact.kind == "point":
            self._point(fact.no, data)
        elif (note := _NOTES.get(fact.kind)) is not None:  # a later version may note what this one does not show
            note(self, fact.no, data, self._clock(fact.t))
        if fact.no:
            self._changes.nodes.add(fact.no)

    def _point(self, no: int, data: dict[str, Any]) -> None:
        name = str(data["track"])
        track = self.tracks.get(name)
        if track is None:
            track = self.tracks[name] = Track(name)
        index = track.add(no, float(data["step"]), float(data["value"]))
        known = self._changes.tracks.get(name)
        self._changes.tracks[name] = index if known is None else min(index, known)

    def _out(self, no: int, data: dict[str, Any], t: float) -> None:
        self._write(no, str(data["s"]))
        self.transcript.printed(t, "err" if data.get("err") else "out", str(data["s"]), no)

    def _log(self, no: int, data: dict[str, Any], t: float) -> None:
        text = f"{str(data['level']).lower()}: {data['text']}"
        self._write(no, text + "\n")
        if str(data["level"]).upper() not in ("DEBUG", "NOTSET"):
            self.transcript.add(t, "log", text, no)

    def _write(self, no: int, text: str) -> None:
        log = self._notes(no).log
        log.write(text)
        self._printed += len(text)
        if self._printed > KEPT:
            self._trim()

    def _trim(self) -> None:
        """Halve every long log, so that this happens seldom."""
        logs = [self.body.log, *(node.notes.log for node in self.nodes.values() if node.notes is not None)]
        share = KEPT // 2 // max(1, sum(1 for log in logs if log))
        for log in logs:
            log.trim(share)
        self._printed = sum(log.size for log in logs)

    def _progress(self, no: int, data: dict[str, Any], t: float) -> None:
        bars = self._notes(no).bars
        now, total = float(data.get("now") or 0.0), float(data.get("total") or 0.0)
        title, sub = str(data.get("title") or ""), str(data.get("sub") or "")
        bars[str(data["id"])] = Bar(title, now, total, sub, bool(data.get("end")))
        if not no:
            self._changes.head = True

    def _figure(self, no: int, data: dict[str, Any], t: float) -> None:
        self._notes(no).figures.append(str(data["png"]))
        self.transcript.add(t, "figure", "figure", no).more = str(data["png"])

    def _show(self, no: int, data: dict[str, Any], t: float) -> None:
        shown = {str(mime): str(value) for mime, value in data.items() if isinstance(value, str)}
        self._notes(no).shows.append(shown)
        entry = self.transcript.add(t, "show", shown.get("text/plain", ""), no)
        entry.more = shown.get("image/png", "")

    # ------------------------------------------------------------------ folding: questions

    def _wait_opened(self, fact: f.WaitOpened) -> None:
        node = self.nodes[fact.no]
        question = schema.decode(fact.question)
        node.label = f"ask: {line(question.name or question.prompt)[:60]}"
        old = self.asks.get(fact.no)
        since = self._clock(fact.t)
        self.asks[fact.no] = Ask(
            fact.no, fact.token, question, since, fact.deadline, fact.round, old.refused if old else ""
        )
        scope = self.nodes.get(node.scope)
        if old is None and scope is not None:
            scope.asking += 1
        self._move(node, NodeStatus.WAITING)
        self._changes.asks = self._changes.shape = True
        entry = self.transcript.find(fact.no)
        if entry is None or not entry.open:
            entry = self.transcript.add(since, "ask", question.prompt, node.scope, key=fact.no)
        entry.open, entry.more = True, ""
        self.transcript.touch(entry)

    def _answered(self, node: Node) -> None:
        ask = self._close_ask(node)
        entry = self.transcript.find(node.no)
        if entry is None or ask is None:
            return
        if node.error is not None:
            entry.more = error_text(node.error)
            return
        node.answer = entry.more = HIDDEN if ask.question.silent else answer_text(plain(node.value))
        if ask.question.silent:
            node.value = b""

    def _close_ask(self, node: Node) -> Ask | None:
        ask = self.asks.pop(node.no, None)
        if ask is None:
            return None
        scope = self.nodes.get(node.scope)
        if scope is not None:
            scope.asking -= 1
        entry = self.transcript.find(node.no)
        if entry is not None:
            entry.open = False
            self.transcript.touch(entry)
        self._changes.asks = self._changes.head = True
        return ask

    def _wait_refused(self, fact: f.WaitRefused) -> None:
        ask = self.asks.get(fact.no)
        if ask is not None:
            ask.refused, ask.round = fact.why, fact.round
            self._changes.asks = True

    def _wait_withdrawn(self, fact: f.WaitWithdrawn) -> None:
        node = self.nodes[fact.no]
        self._close_ask(node)
        self.transcript.supersede_key(fact.no)
        node.ended, node.why = self._clock(fact.t), fact.why
        if node.status is NodeStatus.WAITING:
            self._move(node, NodeStatus.CANCELLED)

    # ------------------------------------------------------------------ folding: the run

    def _run_started(self, fact: f.RunStarted) -> None:
        self.run_id, self.name, self.inputs = fact.run_id, fact.name, fact.inputs
        self.definition, self.session = fact.definition, fact.session
        self._opened = self._last = fact.t
        self._changes.head = True

    def _run_opened(self, fact: f.RunOpened) -> None:
        """Somebody took the run up. What was done is reused from now on; what was running is to be done again."""
        if self.epoch:
            self._spent = self._clock(self._last)
            self._opened = self._last = fact.t
            self._reopen()
        self.epoch, self.status, self.why, self.error = fact.epoch, RunStatus.RUNNING, "", None
        self.transcript.supersede_key("error")
        self._changes.head = True

    def _reopen(self) -> None:
        self._forget(0)
        for node in self.nodes.values():
            if node.status is NodeStatus.DONE:
                self._move(node, NodeStatus.REUSED)
            elif node.status is NodeStatus.RUNNING:
                self._forget(node.no)
                if node.kind != f.GRAPH:
                    self._move(node, NodeStatus.READY)

    def _end(self, status: RunStatus, t: float, left: dict[NodeStatus, NodeStatus]) -> None:
        ended = self._clock(t)
        self.status = status
        for no in sorted(self._busy):
            node = self.nodes[no]
            if node.status in left:
                if node.status is NodeStatus.RUNNING:
                    node.ended = ended
                self._move(node, left[node.status])
        self._changes.head = True

    def _run_done(self, fact: f.RunDone) -> None:
        self.outputs = fact.value
        self._end(RunStatus.DONE, fact.t, _UNCLAIMED)

    def _run_failed(self, fact: f.RunFailed) -> None:
        self.error = fact.error
        self._end(RunStatus.FAILED, fact.t, _CUT_OFF)
        t = self._clock(fact.t)
        self.transcript.add(t, "error", error_text(fact.error), 0, key="error")

    def _run_paused(self, fact: f.RunPaused) -> None:
        self.why = fact.why
        self._end(RunStatus.PAUSED, fact.t, {NodeStatus.RUNNING: NodeStatus.READY})

    def _run_cancelled(self, fact: f.RunCancelled) -> None:
        self.why = fact.by
        for no in list(self.asks):
            self._close_ask(self.nodes[no])
        self._end(RunStatus.CANCELLED, fact.t, dict.fromkeys(_ALIVE, NodeStatus.CANCELLED))

    def _ignore(self, fact: f.AnyFact) -> None:
        return None


_UNCLAIMED = {
    NodeStatus.RUNNING: NodeStatus.CANCELLED,
    NodeStatus.WAITING: NodeStatus.CANCELLED,
    NodeStatus.READY: NodeStatus.SKIPPED,
}
_CUT_OFF = {NodeStatus.RUNNING: NodeStatus.CANCELLED, NodeStatus.READY: NodeStatus.SKIPPED}


def error_text(error: f.Error) -> str:
    """`KeyError: no such key`."""
    return f"{error.qualname}: {error.message}"


def answer_text(value: Any) -> str:
    """An answer as a person would write it."""
    if isinstance(value, dict):
        if "choice" in value:
            return str(value["choice"])
        if len(value) == 1:
            return answer_text(next(iter(value.values())))
    if isinstance(value, (list, tuple)):
        return ", ".join(map(answer_text, value))
    return "" if value is None else str(value)


def _message(fact: f.Effect) -> str:
    args = plain(fact.args)
    if isinstance(args, (list, tuple)):
        args = next((part for part in args if isinstance(part, dict)), args)
    if isinstance(args, dict):
        if fact.name == "send_phase":
            return f"{args.get('phase', '')}: {args.get('status', '')}"
        return str(args.get("text", ""))
    return str(args) if args is not None else ""


_NOTES: dict[str, Callable[[Picture, int, dict[str, Any], float], None]] = {
    "out": Picture._out,
    "log": Picture._log,
    "progress": Picture._progress,
    "figure": Picture._figure,
    "show": Picture._show,
}
_FOLD: dict[type[f.Fact], Callable[[Picture, Any], None]] = {
    f.RunStarted: Picture._run_started,
    f.RunOpened: Picture._run_opened,
    f.NodeStarted: Picture._node_started,
    f.NodeDone: Picture._node_done,
    f.NodeRan: Picture._node_ran,
    f.AttemptFailed: Picture._attempt_failed,
    f.CallCancelled: Picture._call_cancelled,
    f.TimerFired: Picture._ignore,
    f.Effect: Picture._effect,
    f.EffectIntended: Picture._ignore,
    f.WaitOpened: Picture._wait_opened,
    f.WaitRefused: Picture._wait_refused,
    f.WaitWithdrawn: Picture._wait_withdrawn,
    f.Noted: Picture._noted,
    f.EffectsSuperseded: Picture._superseded,
    f.RunDone: Picture._run_done,
    f.RunFailed: Picture._run_failed,
    f.RunPaused: Picture._run_paused,
    f.RunCancelled: Picture._run_cancelled,
}
