"""What is drawn so far of one run: its state as a person sees it. The modules beside this one draw on it."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Any

from ...errors import USED_UP
from ...record import facts as f
from ...record.status import NodeStatus, RunStatus
from ..frames import Frame, Frames
from ..groups import Groups
from ..notes import Notes
from ..plots import Track
from ..transcript import Transcript
from .parts import Ask, Changes, Node, Saved

ALIVE = frozenset({NodeStatus.RUNNING, NodeStatus.WAITING, NodeStatus.READY})
# Steps and values by track, and pictures by track, of one node.
Drawn = tuple[dict[str, tuple["array[float]", "array[float]"]], dict[str, list[Frame]]]
NOTED = frozenset({"out", "err", "figure", "show", "log"})


class Canvas:
    """The state of one run for views. Not thread-safe: whoever folds and reads from two threads holds a lock."""

    def __init__(self) -> None:
        self.run_id = self.name = self.definition = self.why = self.session = ""
        self.status = RunStatus.RUNNING
        self.nodes: dict[int, Node] = {}
        self.groups = Groups()
        self.counts: Counter[NodeStatus] = Counter()
        self.transcript = Transcript()
        self.asks: dict[int, Ask] = {}  # what people are asked
        self.awaited: dict[int, Ask] = {}  # what comes from elsewhere: answers of other systems, signals
        self.tracks: dict[str, Track] = {}
        self.frames: dict[str, Frames] = {}
        self.shelf: dict[int, Drawn] = {}  # what nodes plotted that no code calls any more
        self.artifacts: dict[bytes, Saved] = {}
        self.uses: dict[int, dict[str, dict[str, Any]]] = {}  # what each node loaded, by sha256 (0: the run's own body)
        self.body = Notes()  # what the run's own body printed and showed
        self.inputs = self.outputs = b""
        self.error: f.Error | None = None
        self.parent = self.forked_at = ""  # of a fork: whose, and at which node
        self.continues = ""  # the run that this one goes on from
        self.generation = 1
        self.is_session = False  # it is one of `open_session`: nobody can resume it
        self.epoch = 0
        self.changed = Changes()
        self.numbers: dict[bytes, int] = {}  # of nodes, by key
        self.marks: dict[bytes, f.CallMarked] = {}  # of calls, by key, of which some are no nodes
        self.spent = 0.0  # seconds of the run before it was last opened
        self.opened = self.last = 0.0  # when it was last opened, and when something last happened, since the epoch
        self.busy: set[int] = set()  # nodes that are not over
        self.printed = 0  # characters in all logs

    def changes(self) -> Changes:
        """What changed since the last call; the transcript keeps its own account."""
        changes, self.changed = self.changed, Changes()
        return changes

    # ------------------------------------------------------------------ reading

    def elapsed(self, now: float) -> float:
        """Seconds that processes had the run open, at the time `now` (seconds since the epoch)."""
        if not self.opened:
            return 0.0
        until = max(now, self.last) if self.status is RunStatus.RUNNING else self.last
        return self.spent + max(until - self.opened, 0.0)

    @property
    def title(self) -> str:
        """The agent's name, and of a fork where it comes from."""
        if not self.parent:
            return self.name
        return f"{self.name} (fork of {self.parent}{f' at {self.forked_at}' if self.forked_at else ''})"

    @property
    def state(self) -> RunStatus:
        """`status`, with `WAITING` for a run that has nothing to do but wait for answers."""
        if self.status is RunStatus.RUNNING and (self.asks or self.awaited) and not self.working:
            return RunStatus.WAITING
        return self.status

    @property
    def needs(self) -> str:
        """What `resume` has to be given besides the run, as a command has it; "" for most."""
        return " --budget SECONDS" if self.status is RunStatus.PAUSED and self.why.startswith(USED_UP) else ""

    @property
    def working(self) -> bool:
        """Whether some node is running or about to, other than around a question."""
        return any(
            node.status in (NodeStatus.RUNNING, NodeStatus.READY) and not node.asking and node.kind != f.GRAPH
            for node in map(self.nodes.__getitem__, self.busy)
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

    def sent(self, digest: str) -> str:
        """The type of the picture or file of this digest that was sent; "" where none was."""
        found = [entry for entry in self.transcript if entry.data is not None and entry.data.get("sha256") == digest]
        pictures = [str(entry.data["mime"]) for entry in found if entry.kind == "image" and entry.data is not None]
        return (pictures or ["application/octet-stream"])[0] if found else ""

    def owner(self, scope: int) -> str:
        """What to call the one who said something: a node's id, or "" for the run's own body."""
        node = self.nodes.get(scope)
        return node.label if node is not None else ""

    # ------------------------------------------------------------------ moving

    def clock(self, t: float) -> float:
        """Something happened at `t` (seconds since the epoch); the same as seconds of the run."""
        self.last = max(self.last, t)
        return self.spent + max(t - self.opened, 0.0)

    def move(self, node: Node, status: NodeStatus) -> None:
        """Put `node` into `status`, and count it there."""
        old = node.status
        if old is not status:
            self.groups.of[node.no].move(old, status)
            self.counts[old] -= 1
            self.counts[status] += 1
            node.status = status
            (self.busy.add if status in ALIVE else self.busy.discard)(node.no)
            self.changed.head = True
        self.changed.nodes.add(node.no)

    def notes(self, no: int) -> Notes:
        """Where to write down what node `no` (0: the body) prints and shows."""
        node = self.nodes.get(no)
        if node is None:
            return self.body
        if node.notes is None:
            node.notes = Notes()
        return node.notes

    def forget(self, no: int) -> None:
        """Drop what node `no` (0: the body) left behind in an earlier try: it will come again."""
        node = self.nodes.get(no)
        if node is None:
            self.body = Notes()
        else:
            node.notes = None
        self.transcript.supersede(no, NOTED)
        self.undraw(no)

    def undraw(self, no: int) -> Drawn:
        """Drop what node `no` (0: the body) plotted; what that was."""
        self.shelf.pop(no, None)
        lines = {name: taken for name, track in self.tracks.items() if (taken := track.take(no)) is not None}
        pictures = {name: some for name, one in self.frames.items() if (some := one.take(no))}
        self.changed.tracks |= dict.fromkeys(lines, 0)
        self.changed.frames |= dict.fromkeys(pictures, 0)
        return lines, pictures

    def shelve(self, no: int) -> None:
        """Hide what node `no` plotted: no code calls it any more."""
        if no not in self.shelf:
            self.shelf[no] = self.undraw(no)

    def unshelve(self, no: int) -> None:
        """Show it again: it may be called again, and is then not run again."""
        lines, pictures = self.shelf.pop(no, ({}, {}))
        for name, (steps, values) in lines.items():
            self.tracks[name].add(no, steps, values)
        for name, taken in pictures.items():
            self.frames[name].put_back(taken)
        self.changed.tracks |= dict.fromkeys(lines, 0)
        self.changed.frames |= dict.fromkeys(pictures, 0)
