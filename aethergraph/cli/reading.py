"""`aether runs`, `show` and `waits`: looking, without taking anything over."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..lifecycle import hub
from ..lifecycle.inbox import WaitInfo
from ..lifecycle.running import Run
from ..record.schema import ASKED
from ..record.status import RunStatus
from ..storage import codec
from ..views.drawing import to_svg
from ..views.labels import age, line
from ..views.marks import MARKS
from . import tree
from .codes import Wrong
from .document import AsJson, show_json
from .output import clipped, colour, table


def runs(
    status: Annotated[str | None, typer.Option(help="running, waiting, paused, done, failed or cancelled.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the agent.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="That it has; all of them, if repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> int:
    """The runs of the store, the newest first."""
    runtime = hub.current()
    try:
        found = runtime.runs(status, name, limit, tags=tag or ())
    except ValueError as error:
        raise Wrong(str(error)) from None
    if as_json:
        show_json([{key: getattr(info, key) for key in info.__slots__} for info in found])
        return 0
    if not found:
        print(f"no runs in {runtime.store.folder}")
        return 0
    now = runtime.clock.now()
    rows = [
        (
            line(info.run_id),
            clipped(info.name, 40),
            f"{MARKS[info.status]} {_status(info)}",
            f"{info.nodes_done}/{info.nodes}",
            age(now - info.created_at),
            _go_on(info),
        )
        for info in found
    ]
    head = ("run", "agent", "status", "nodes", "age", "command")
    table(head, rows, [colour(info.status) for info in found])
    return 0


def _status(info: Any) -> str:
    if info.live_elsewhere:
        return f"{info.status.value} (another process)"
    if info.status in (RunStatus.FAILED, RunStatus.PAUSED) and info.error:
        return f"{info.status.value}: {clipped(info.error, 60)}"
    asks = f", {info.waiting} open" if info.waiting else ""
    return f"{info.status.value}{asks}"


def _go_on(info: Any) -> str:
    return f"aether {'resume' if info.stands_still else 'show'} {line(info.run_id)}"


def show(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="The newest, if left out.")] = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="When each node ran.")] = False,
    transcript: Annotated[bool, typer.Option("--transcript", help="What was said, asked and printed.")] = False,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write its picture there; - for standard output.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """One run: its tree of nodes, what it asks and what it gave."""
    runtime = hub.current()
    found = runtime.load(run) if run is not None else _newest()
    picture = found.picture()
    if svg is not None:
        return _write_svg(to_svg(picture, codec.about_outputs), svg, as_json=as_json)
    if as_json:
        show_json(found.to_dict())
        return 0
    status = found.status
    now = picture.elapsed(runtime.clock.now())
    print(f"{found.run_id}\n{tree.head(picture, now, live=status in (RunStatus.RUNNING, RunStatus.WAITING))}")
    if timeline:
        print("\n".join(tree.timeline(picture, now)))
    elif transcript:
        print("\n".join(found.transcript()))
    else:
        print("\n".join(f"  {row}" for row in tree.rows(picture, now)))
        _print_ends(found)
    return 0


def _print_ends(run: Run) -> None:
    for wait in run.waits:
        print(f"waits: {clipped(wait.prompt)}\n  aether answer {wait.token} VALUE")
    picture = run.picture()
    for what, payload in (("inputs", picture.inputs), ("outputs", picture.outputs)):
        if payload:
            told = codec.about_outputs(payload)
            print(f"{what}: {', '.join(f'{key} = {clipped(text, 300)}' for key, text in told.items()) or 'none'}")
    for artifact in run.artifacts:
        print(f"artifact: {line(str(artifact))}")


def _newest() -> Run:
    runtime = hub.current()
    newest = runtime.runs(limit=1)
    if not newest:
        raise Wrong(f"no runs in {runtime.store.folder}")
    return runtime.load(newest[0].run_id)


def _write_svg(text: str, file: Path, *, as_json: bool) -> int:
    if str(file) == "-":
        if as_json:
            raise Wrong("--json and --svg - both want the standard output: write --svg FILE")
        sys.stdout.write(text + "\n")
        return 0
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Wrong(f"{file} cannot be written: {error.strerror or error}") from None
    if as_json:
        show_json({"svg": str(file)})
    else:
        print(file)
    return 0


def waits(as_json: AsJson = False) -> int:
    """What waits in the store, the oldest first, with the command that answers it."""
    runtime = hub.current()
    found = runtime.waits()
    if as_json:
        show_json([_told(wait) for wait in found])
        return 0
    if not found:
        print(f"nothing waits in {runtime.store.folder}")
        return 0
    now = runtime.clock.now()
    rows = [(clipped(wait.prompt, 60), _kind(wait), wait.run_id, _age(wait, now), _answer(wait)) for wait in found]
    table(("question", "kind", "run", "age", "to answer"), rows)
    return 0


def _told(wait: WaitInfo) -> dict[str, Any]:
    asked = wait.schema
    return {
        "token": wait.token, "run_id": wait.run_id, "node_id": wait.node_id, "kind": wait.kind, "prompt": wait.prompt,
        "name": asked.name, "options": asked.options, "multiple": asked.multiple, "created_at": wait.created_at,
        "deadline": wait.deadline,
    }  # fmt: skip


def _kind(wait: WaitInfo) -> str:
    return f"{wait.kind}: {' | '.join(map(line, wait.schema.options))}" if wait.schema.options else wait.kind


def _age(wait: WaitInfo, now: float) -> str:
    due = f", due in {age(wait.deadline - now)}" if wait.deadline else ""
    return age(now - wait.created_at) + due


def _answer(wait: WaitInfo) -> str:
    return f"aether answer {wait.token} VALUE" if wait.kind in ASKED else ""


COMMANDS = (runs, show, waits)
