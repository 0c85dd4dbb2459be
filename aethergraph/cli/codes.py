"""What the exit codes of `aether` mean, and which error ends with which."""

from __future__ import annotations

from enum import IntEnum

from ..errors import (
    AetherGraphError,
    NoOneToAsk,
    RunCancelled,
    RunIsLive,
    RunPaused,
    UnknownArtifact,
    UnknownRun,
    UnknownWait,
)


class Exit(IntEnum):
    """The exit codes."""

    DONE = 0
    FAILED = 1  # the run failed, or what was asked for did not work
    USAGE = 2  # the command, a file or a value was written wrongly; nothing was done
    WAITING = 3  # the run waits for an answer, or is paused: it can be gone on with
    UNKNOWN = 4  # no such run, wait or artifact
    CANCELLED = 5
    BUSY = 6  # another process is running the run
    INTERRUPTED = 130  # Ctrl-C: the run is paused and can be gone on with


class Wrong(Exception):
    """The command was written in a way that cannot be done; the text says what to write instead."""


_CODES: tuple[tuple[type[BaseException], Exit], ...] = (
    (Wrong, Exit.USAGE),
    (RunCancelled, Exit.CANCELLED),
    (RunPaused, Exit.WAITING),
    (NoOneToAsk, Exit.WAITING),  # the question is open
    (RunIsLive, Exit.BUSY),
    (UnknownRun, Exit.UNKNOWN),
    (UnknownWait, Exit.UNKNOWN),
    (UnknownArtifact, Exit.UNKNOWN),
    (KeyboardInterrupt, Exit.INTERRUPTED),
    (AetherGraphError, Exit.FAILED),
)


def code_of(error: BaseException) -> Exit:
    """The exit code of an error."""
    if isinstance(error, UnknownRun) and error.why:  # the run is known, and its code is not
        return Exit.FAILED
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.FAILED)
