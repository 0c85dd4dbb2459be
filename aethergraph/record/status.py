"""Where a node and a run are in their lives."""

from __future__ import annotations

from enum import StrEnum


class NodeStatus(StrEnum):
    """Where a node is. `DONE`, `FAILED`, `SKIPPED`, `CANCELLED` and `REUSED` are ends."""

    PENDING = "pending"  # some input is not ready yet
    READY = "ready"  # waits for its facts to be on disk, or for a free slot
    RUNNING = "running"
    WAITING = "waiting"  # parked on a question, event or timer
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    REUSED = "reused"  # its result was taken from the journal


class RunStatus(StrEnum):
    """Where a run is. `PAUSED` and `FAILED` can be resumed; `CANCELLED` is final."""

    RUNNING = "running"
    WAITING = "waiting"  # only waits are left
    PAUSED = "paused"  # interrupted, or its process is gone
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({RunStatus.DONE, RunStatus.CANCELLED})
RESUMABLE = frozenset({RunStatus.PAUSED, RunStatus.FAILED, RunStatus.WAITING, RunStatus.RUNNING})
