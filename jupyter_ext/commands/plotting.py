"""`%aether plot`."""

from __future__ import annotations

import base64
import math
import shlex
from typing import Any

from IPython.core.error import UsageError
from IPython.display import publish_display_data

from aethergraph.errors import DamagedRecord, UnknownRun
from aethergraph.lifecycle import hub, plotting
from aethergraph.lifecycle.plotting import Plotted
from aethergraph.services import content
from aethergraph.views.labels import line

from .. import notebook
from . import words
from .choosing import chosen

OPTIONS = ("--track", "--step")
LOOKED = 10  # runs that are read in search of a track


def plot(shell: Any, rest: str) -> None:
    """The plots of a run, or of several side by side: `[RUN ...] [--track TRACK] [--step STEP]`."""
    names, given = _read(words.split(rest))
    if not names:
        only = chosen([], "plot")
        if only is None:
            return
        names = [only]
    runs = _plotted(list(dict.fromkeys(names)), given)
    try:
        figure = plotting.figure(runs, given.get("--track"), _step(given.get("--step")))
    except LookupError as error:
        raise UsageError(str(error)) from error
    png = base64.b64encode(content.png(figure, None)).decode("ascii")
    told = f"plots of {', '.join(line(run.name) for run in runs)}"
    publish_display_data({"image/png": png, "text/plain": told})  # type: ignore[no-untyped-call,unused-ignore]


def _plotted(names: list[str], given: dict[str, str]) -> list[Plotted]:
    """What the runs of these ids plotted.

    Raises:
        UsageError: one of them is no run, but a track.
        UnknownRun: one of them is neither.
    """
    runs: list[Plotted] = []
    for name in names:
        try:
            runs.append(hub.current().load(name).plotted())
        except UnknownRun as error:
            others = [other for other in names if other != name]
            found = None if "--track" in given else _with_track(name, others)
            if found is None:
                raise
            typed = f"%aether plot {shlex.join([*found, '--track', name])}"
            raise UsageError(f"{name!r} is no run but a track: type `{typed}`") from error
    return runs


def _with_track(track: str, runs: list[str]) -> list[str] | None:
    """`runs`, if they have a track of this name; without any, the newest run that has, those of this notebook first."""
    if runs:
        return runs if any(_has(run, track) for run in runs) else None
    here = notebook.session()
    recent = hub.current().runs(limit=LOOKED, session=here) if here else []
    ids = dict.fromkeys(info.run_id for info in [*recent, *hub.current().runs(limit=LOOKED)])
    return next(([run] for run in ids if _has(run, track)), None)


def _has(run_id: str, track: str) -> bool:
    try:
        plotted = hub.current().load(run_id).plotted()
    except (UnknownRun, DamagedRecord):  # what is wrong with another run was not asked
        return False
    return bool(plotted.tracks(track) or plotted.frames(track))


def _read(parts: list[str]) -> tuple[list[str], dict[str, str]]:
    """The runs, and the options with their values: `--track loss` or `--track=loss`."""
    names: list[str] = []
    given: dict[str, str] = {}
    rest = iter(parts)
    for part in rest:
        option, equals, value = part.partition("=")
        if option not in OPTIONS:
            names.append(words.no_option(part, "plot"))
            continue
        given[option] = value if equals else next(rest, "")
        if not given[option]:
            raise UsageError(f"write `%aether plot RUN {option} {option[2:].upper()}`: {option} takes a value")
    return names, given


def _step(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        step = float(text)
    except ValueError:
        step = math.nan
    if not math.isfinite(step):
        raise UsageError(f"--step takes a number, got {text!r}")
    return step
