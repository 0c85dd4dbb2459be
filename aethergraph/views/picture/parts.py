"""What a picture is made of: nodes, open questions, artifacts, what changed, and how things are put in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...record import facts as f
from ...record import schema, uploads
from ...record.failures import told
from ...record.status import NodeStatus
from ..notes import Notes

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
    alias: str = ""
    labels: tuple[str, ...] = ()
    name: str = ""  # what the call says as `_name=`

    @property
    def marks(self) -> list[str]:
        """`@alias`, each `#label`, and `name:` what it was called with, where its id does not say that."""
        named = [f"name:{self.name}"] if self.name and self.name != self.node_id else []
        return [*([f"@{self.alias}"] if self.alias else []), *(f"#{label}" for label in self.labels), *named]


@dataclass(slots=True, eq=False)
class Ask:
    """An open question. `refused` says why the last answer was not taken; `asked` when it was first asked.

    `asked` and `deadline` are seconds since the epoch: a question stays open while nobody has the run open.
    """

    no: int
    token: str
    question: schema.Question
    asked: float
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
    frames: dict[str, int] = field(default_factory=dict)  # track -> index of the first picture that is new
    shape: bool = False
    asks: bool = False
    artifacts: bool = False
    head: bool = False

    def __bool__(self) -> bool:
        parts = (self.nodes, self.tracks, self.frames, self.shape, self.asks, self.artifacts, self.head)
        return any(bool(part) for part in parts)


def error_text(error: f.Error) -> str:
    """`KeyError: no such key`, and of a map the item that failed."""
    return told(error.qualname, error.message, error.notes)


def tried(node: Node) -> str:
    """`attempt 2 of 3` for a node that failed before; else ""."""
    attempt = max(node.attempt, len(node.failures) + 1)
    if attempt < 2:
        return ""
    most = node.failures[-1].most if node.failures else 0
    return f"attempt {attempt} of {most}" if most >= attempt else f"attempt {attempt}"


def answer_text(value: Any) -> str:
    """An answer as a person would write it."""
    if isinstance(value, dict):
        if "choice" in value:
            return str(value["choice"])
        if isinstance(value.get("files"), list) and value.keys() <= {"text", "files"}:
            return uploads.told(value)
        if len(value) == 1:
            return answer_text(next(iter(value.values())))
    if isinstance(value, (list, tuple)):
        return ", ".join(map(answer_text, value))
    return "" if value is None else str(value)
