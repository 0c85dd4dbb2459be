"""`aether gc`, `trust` and `doctor`: the house in order."""

from __future__ import annotations

import importlib.util
import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from ..lifecycle import hub, trusting
from ..views.labels import span
from .codes import Exit, Wrong
from .document import AsJson, show_json
from .output import table

OPTIONAL = ("nbclient", "distributed", "fast_sugiyama", "ruff")


def gc(
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="Just these.")] = None,
    keep: Annotated[int | None, typer.Option(min=0, help="How many of the newest runs stay.")] = None,
    older_than: Annotated[str | None, typer.Option(metavar="30d", help="How long ago a run ended: h, d or w.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete it; else it is only told.")] = False,
    as_json: AsJson = False,
) -> int:
    """What the store can do without. Nothing is deleted without --yes."""
    age = None if older_than is None else span(older_than)
    if older_than is not None and age is None:
        raise Wrong(f"write --older-than 30d (or 12h, 4w), got {older_than!r}")
    found = hub.current().gc(keep=keep, older_than=age, runs=runs or (), dry_run=not yes)
    if as_json:
        told = {key: getattr(found, key) for key in ("done", "definitions", "cached", "signals", "blobs", "size")}
        told["runs"] = [{"run_id": one.run_id, "why": one.why, "size": one.size} for one in found.runs]
        told["kept"] = [{"run_id": one.run_id, "why": one.why} for one in found.kept]
        show_json(told)
        return 0
    print(found)
    if found and not yes:
        print("delete it with --yes")
    return 0


def trust(
    run: Annotated[str, typer.Argument(metavar="RUN")],
    yes: Annotated[bool, typer.Option("--yes", help="Sign it without asking.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show the code that is stored with a run and that your key did not sign, and accept it.

    A no ends it with 1.
    """
    try:
        trusted = trusting.accept(run, ask=None if yes else input, resume="aether resume")
    except EOFError:
        raise Wrong(f"nobody is here to say yes: read the code above and write `aether trust {run} --yes`") from None
    if as_json:
        show_json({"run_id": run, "trusted": trusted})
    return Exit.DONE if trusted else Exit.FAILED


def doctor(as_json: AsJson = False) -> int:
    """Versions, the store and what is installed: what a report of a problem should say."""
    runtime = hub.current()
    rows = {
        "aethergraph": _version("aethergraph-jupyter"),
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "sqlite": sqlite3.sqlite_version,
        "store": str(runtime.store.folder),
        "network drive": runtime.store.network or "no",
        "runs": str(len(runtime.runs(limit=None))),
        "open waits": str(len(runtime.waits())),
        "default channel": runtime.bus.default or "found out each time",
        **{name: "installed" if importlib.util.find_spec(name) else "not installed" for name in OPTIONAL},
    }
    if as_json:
        show_json(rows)
    else:
        table(("what", "is"), list(rows.items()))
    return 0


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        from .. import __version__

        return f"{__version__} (not installed)"


COMMANDS = (gc, trust, doctor)
