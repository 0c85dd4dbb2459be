"""`aether run`, `resume`, `retry` and `fork`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..channels.typed import value
from ..errors import AetherGraphError, MissingInput
from ..lifecycle import hub
from ..record.status import ENDED, RunStatus
from ..scheduler import budgets
from ..storage import roster
from . import driving, targets, values
from .codes import Wrong
from .document import AsJson
from .output import say

Input = Annotated[
    list[str] | None, typer.Option("--input", "-i", metavar="KEY=VALUE", help="An input: JSON, or a text. Repeatable.")
]
Inputs = Annotated[Path | None, typer.Option(metavar="FILE", help="A JSON file of inputs; - for standard input.")]
Module = Annotated[
    str | None, typer.Option(metavar="MODULE.PY", help="Where its code is now; else the code stored with it.")
]
WatchIt = Annotated[bool, typer.Option("--watch", "-w", help="Draw the run while it runs.")]
Budget = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="So long it may be at work, with what it has been so far; then it is paused."),
]
Answers = Annotated[str | None, typer.Option(metavar="FILE", help="Answers by name or prompt: JSON, or a file of it.")]


def run(
    target: Annotated[str, typer.Argument(metavar="MODULE.PY:NAME", help="What to run, or package.module:NAME.")],
    input: Input = None,
    inputs: Inputs = None,
    watch: WatchIt = False,
    as_json: AsJson = False,
    answers: Answers = None,
    run_id: Annotated[str | None, typer.Option(help="A name for the run; one that exists is gone on with.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="By which the run is found. Repeatable.")] = None,
    budget: Budget = None,
) -> int:
    """Run an agent. Questions are asked at the terminal; where there is none, they wait in the store.

    Ctrl-C pauses the run and says how to go on with it.
    """
    from ..runner import start

    agent = targets.load(target)
    shown = driving.prepare(answers, watch=watch, as_json=as_json)
    try:
        bound = values.inputs(agent, input or (), inputs)
        how: dict[str, Any] = {"tags": tag or (), "session_id": targets.file_of(agent), "budget": _budget(budget)}
        started = start(agent, bound, run_id=run_id, **how)
    except (MissingInput, TypeError) as error:  # an input is missing, or does not fit
        raise Wrong(str(error)) from error
    return driving.drive(started, shown, as_json=as_json)


def resume(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="The latest unfinished one, if left out.")] = None,
    module: Module = None,
    watch: WatchIt = False,
    as_json: AsJson = False,
    answers: Answers = None,
    budget: Budget = None,
) -> int:
    """Go on with a run, without doing again what it has done."""
    _budget(budget)
    runtime = hub.current()
    run = run if run is not None else _latest()
    status = runtime.load(run).status
    if status in ENDED and status is not RunStatus.FAILED:
        raise Wrong(f"{run} is {status.value} already; `aether show {run}` shows it")
    names = _code_of(run, module)
    shown = driving.prepare(answers, watch=watch, as_json=as_json)
    going = runtime.resume(run, namespace=names, budget=budget)
    return driving.drive(going, shown, as_json=as_json)


def _budget(seconds: float | None) -> float | None:
    """`seconds`; raises Wrong where they are no budget."""
    try:
        budgets.checked(seconds)
    except ValueError as error:
        raise Wrong(str(error)) from None
    return seconds


def _code_of(run: str, module: str | None) -> dict[str, Any] | None:
    """The names of `module`; without it None, and the file that the run was started from is imported, if it is there.

    Raises:
        UnknownRun: there is no such run.
        Wrong: the module cannot be imported, or has no agent of that name.
    """
    started = roster.read(hub.current().store, run)
    if module is None:
        targets.reload(started.session)
        return None
    return {**vars(targets.module(module)), started.name: targets.load(f"{module}:{started.name}")}


def _latest() -> str:
    """The newest run that is not over, and that no other process runs."""
    runtime = hub.current()
    open_runs = [info for info in runtime.runs(limit=None) if info.status not in ENDED and not info.live_elsewhere]
    if not open_runs:
        raise Wrong(f"no unfinished run in {runtime.store.folder}")
    return open_runs[0].run_id


def retry(
    run: Annotated[str, typer.Argument(metavar="RUN")],
    module: Module = None,
    watch: WatchIt = False,
    as_json: AsJson = False,
    answers: Answers = None,
    budget: Budget = None,
) -> int:
    """Try a failed run again: what failed runs again, what was finished is reused."""
    status = hub.current().load(run).status
    if status is not RunStatus.FAILED:
        raise Wrong(f"{run} is {status.value}, not failed; `aether resume {run}` goes on with one that is not over")
    return resume(run, module, watch=watch, as_json=as_json, answers=answers, budget=budget)


def fork(
    run: Annotated[str, typer.Argument(metavar="RUN")],
    at: Annotated[str | None, typer.Option(metavar="NODE", help="The node that runs again.")] = None,
    input: Input = None,
    inputs: Inputs = None,
    output: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="What NODE is taken to have given. Repeatable.")
    ] = None,
    answer: Annotated[str | None, typer.Option(help="The answer to the question NODE.")] = None,
    module: Module = None,
    watch: WatchIt = False,
    as_json: AsJson = False,
    answers: Answers = None,
) -> int:
    """Start a run that shares what RUN has done and goes on differently."""
    given = values.from_file(inputs) if inputs is not None else {}
    given |= {key: value(text) for key, text in values.pairs(input or (), "--input")}
    outputs: Any = {key: value(text) for key, text in values.pairs(output or (), "--output")} or answer
    names = _code_of(run, module)
    shown = driving.prepare(answers, watch=watch, as_json=as_json)
    try:
        forked = hub.current().fork(run, at=at, inputs=given or None, outputs=outputs, namespace=names)
    except (TypeError, ValueError, LookupError) as error:
        if isinstance(error, AetherGraphError):
            raise
        raise Wrong(str(error)) from error
    say(f"a fork of {run}{f' at {at}' if at else ''}")
    return driving.drive(forked, shown, as_json=as_json)


COMMANDS = (run, resume, retry, fork)
