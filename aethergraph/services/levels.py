"""Whose rows kv and memory keep: those of a run, of a session or of the whole store."""

from __future__ import annotations

from urllib.parse import quote, unquote

from ..engine import Desk
from ..errors import known

LEVELS = ("run", "session", "user")


def home(desk: Desk, level: str) -> str:
    """Where rows of this level lie, under the prefix of their service: `LEVEL:OWNER:`.

    Raises:
        ValueError: there is no such level.
    """
    if level not in LEVELS:
        raise ValueError(f"level={level!r} is unknown; there are: {known(LEVELS)}")
    owner = {"run": desk.run_id, "session": desk.session_id, "user": ""}[level]
    return f"{level}:{quote(owner, safe='')}:"


def of_run(prefix: str, run_id: str) -> str:
    """How the keys begin of what `prefix` keeps for one run alone."""
    return f"{prefix}run:{quote(run_id, safe='')}:"


def run_of(key: str) -> str:
    """The run of a key that begins so."""
    return unquote(key.split(":", 3)[2])
