"""The agent of a run is not to be had here: what happened, and what to type."""

from __future__ import annotations

from pathlib import Path

from ..code.definitions import Definition
from ..errors import UnknownRun


def not_stored(run_id: str, name: str) -> UnknownRun:
    """No source is stored with the run, and this process defines no such agent."""
    how = "run the cell or import the module that defines it"
    return UnknownRun(run_id, why=f"{run_id}: the source of its agent {name!r} is not stored; {how}")


def not_written(run_id: str, name: str, stored: Definition) -> UnknownRun:
    """The stored source lacks the agent: nothing could read it where it was defined."""
    why = next((f" ({one.why})" for one in stored.missing if one.name == stored.name), "")
    return UnknownRun(
        run_id,
        why=f"{run_id}: the source of its agent {name!r} could not be read when it was started{why}, as with "
        f"`python -c`, code from the standard input or a prompt. Write the agent into a cell and run that, or into a "
        f"file: `aether resume {run_id} --module FILE.py`",
    )


def not_importable(run_id: str, name: str, stored: Definition, error: ImportError, place: str) -> UnknownRun | None:
    """The stored source imports the agent, and that failed with `error`; None where something else failed.

    `place`: the file that the run was started from, as it was recorded, or "".
    """
    module = next((m for m in _homes(stored) if error.name in (m, m.partition(".")[0])), None)
    if module is None:
        return None
    file = Path(place) if place.endswith(".py") else None
    if file is None:
        where = f"it is defined in the module {module!r}"
    else:
        where = f"it was started from {file}, which {'is there' if file.is_file() else 'has been moved or deleted'}"
    return UnknownRun(
        run_id,
        why=f"{run_id}: its agent {name!r} cannot be imported ({error}); {where}. Say where the agent is now: `aether "
        f"resume {run_id} --module FILE.py`, or import it in a cell and resume",
    )


def _homes(stored: Definition) -> list[str]:
    """The modules that the source imports the agent from."""
    words = [line.split() for line in stored.source.splitlines()]
    return [row[1] for row in words if row[:1] == ["from"] and row[2:3] == ["import"] and stored.name in row[3:]]
