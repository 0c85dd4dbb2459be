"""The signs of statuses in text, each with a shape of its own, so that no colour has to be told apart."""

from __future__ import annotations

from ..record.status import NodeStatus, RunStatus

MARKS: dict[str, str] = {
    RunStatus.RUNNING: "▶",
    RunStatus.WAITING: "◆",
    RunStatus.PAUSED: "‖",
    RunStatus.DONE: "✓",
    RunStatus.FAILED: "✗",
    RunStatus.CANCELLED: "⊘",
    NodeStatus.READY: "·",
    NodeStatus.PENDING: "·",
    NodeStatus.SKIPPED: "-",
    NodeStatus.REUSED: "↺",
}
"""Of runs and of nodes; a status that both have is one word, and has one sign."""
