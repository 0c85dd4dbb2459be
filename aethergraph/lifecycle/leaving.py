"""Staying with a run until it ends, or until it waits only for people who answer from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..record.status import RunStatus
from .running import Run


def stay(run: Run, look_s: float, stopped: Callable[[], bool] = lambda: False) -> list[Any]:
    """Block until the run ends, `stopped()`, or nobody here can answer what it waits for: then that, else nothing.

    It is looked at every `look_s` seconds, and is left where it waited for the same at two looks in a row: a question
    that has just come up may be answered by a script this moment.

    Raises:
        Exception: what its body raised, unchanged.
    """
    before: set[str] = set()
    while not stopped():
        try:
            run.result(look_s)
            return []
        except TimeoutError:
            if not run.live:
                raise  # the run's own
        asked = _left(run)
        tokens = {wait.token for wait in asked}
        if asked and tokens == before:
            return asked
        before = tokens
    return []


def _left(run: Run) -> list[Any]:
    """What the run waits for, where all of it is asked of people who are not here."""
    asked = run.waits if run.status is RunStatus.WAITING else []
    left = run.runtime.bus.leaves_open
    if not all(wait.schema.by_person and left(wait.schema.channel) for wait in asked):
        return []
    execution = run.execution  # a script may be at work on an answer, however long that takes: large files are read
    return [] if execution is not None and any(execution.asking.is_asked(wait.token) for wait in asked) else asked
