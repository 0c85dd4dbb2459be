"""`%aether plot`."""

from __future__ import annotations

import base64
import math
from typing import Any

from IPython.core.error import UsageError
from IPython.display import publish_display_data

from aethergraph.lifecycle import hub, plotting
from aethergraph.services import content
from aethergraph.views.labels import line

from . import words
from .choosing import chosen

OPTIONS = ("--track", "--step")


def plot(shell: Any, rest: str) -> None:
    """The plots of a run, or of several side by side: `[RUN ...] [--track TRACK] [--step STEP]`."""
    names, given = _read(words.split(rest))
    if not names:
        only = chosen([], "plot")
        if only is None:
            return
        names = [only]
    runs = [hub.current().load(name).plotted() for name in dict.fromkeys(names)]
    try:
        figure = plotting.figure(runs, given.get("--track"), _step(given.get("--step")))
    except LookupError as error:
        raise UsageError(str(error)) from error
    png = base64.b64encode(content.png(figure, None)).decode("ascii")
    told = f"plots of {', '.join(line(run.name) for run in runs)}"
    publish_display_data({"image/png": png, "text/plain": told})  # type: ignore[no-untyped-call,unused-ignore]


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
