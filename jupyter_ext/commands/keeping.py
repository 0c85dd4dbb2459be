"""`%aether gc`, `config`, `trust` and `doctor`: the house in order."""

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError

from aethergraph.lifecycle import hub, trusting
from aethergraph.views.labels import span

from .. import doctor
from ..settings import settings
from . import words
from .choosing import show_table


def gc(shell: Any, rest: str) -> None:
    """Tell what the store can do without: `[keep=N] [older_than=30d] [RUN ...]`; `--yes` deletes it."""
    parts = words.split(rest)
    yes = "--yes" in parts
    keep, older_than, runs = None, None, []
    for part in (part for part in parts if part != "--yes"):
        name, equals, value = part.partition("=")
        if not equals:
            runs.append(words.no_option(part, "gc"))
        elif name == "keep" and value.isdecimal():
            keep = int(value)
        elif name == "older_than" and (age := span(value)) is not None:
            older_than = age
        else:
            raise UsageError(f"write `%aether gc [keep=20] [older_than=30d] [RUN ...] [--yes]`, got {part!r}")
    found = hub.current().gc(keep=keep, older_than=older_than, runs=runs, dry_run=not yes)
    print(found)
    if found and not yes:
        print(f"delete it with: {' '.join(['%aether gc', *parts, '--yes'])}")


def config(shell: Any, rest: str) -> None:
    """Set or show the settings of this kernel."""
    for part in words.split(rest):
        name, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"write `%aether config key=value`, got {part!r}")
        settings.set(name, value)
    print(settings)


def trust_run(shell: Any, rest: str) -> None:
    """Show the stored code of a run, and sign it; `--yes` signs without asking."""
    parts = rest.split()
    run_id = words.one_run(" ".join(part for part in parts if part != "--yes"), "trust")
    trusting.accept(run_id, ask=None if "--yes" in parts else input)


def show_doctor(shell: Any, rest: str) -> None:
    """What this kernel is and how answers reach it."""
    words.nothing(rest, "doctor")
    show_table(doctor.report())
