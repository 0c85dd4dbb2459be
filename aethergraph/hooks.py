"""Where the notebook side hangs itself in. All of this is None or empty where there is no notebook."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .engine import Desk
from .record.schema import Question

if TYPE_CHECKING:
    from .lifecycle.running import Run

display_hook: Callable[[Run], None] | None = None  # shows a run in the cell that starts it
bundle: Callable[[Run], dict[str, Any]] | None = None  # the picture of a run, as a MIME bundle
blocking_asker: Callable[[Question, str, str], Any] | None = None  # asks from a main thread that blocks
origin: Callable[[], str] | None = None  # which execution of which cell runs, as CELL#EXECUTION; "nested" in a node
# ipykernel hands an interrupt of an awaiting cell to the loop without waking it (seen with 7.4.0): wake it, in seconds
wake_s: float | None = None
flush: Callable[[Desk | None], None] | None = None  # note what a scope has printed so far
# lets the loop that runs here turn until a future is done, from a cell that blocks
turn: Callable[[concurrent.futures.Future[Any]], None] | None = None
on_attempt_end: list[Callable[[Desk], None]] = []  # a body or attempt ended; called in its thread and context


def session() -> str:
    """Where runs are started from: the path of the notebook, as the server tells it."""
    return os.environ.get("JPY_SESSION_NAME", "")
