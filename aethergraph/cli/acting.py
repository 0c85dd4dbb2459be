"""`aether answer`, `signal` and `cancel`: acting on runs, wherever they run."""

from __future__ import annotations

from typing import Annotated

import typer

from ..channels.typed import value as json_or_text
from ..errors import UnknownWait
from ..lifecycle import hub
from ..lifecycle.inbox import WaitInfo
from ..record.status import ENDED
from . import values
from .codes import Wrong
from .output import AsJson, clipped, show_json


def answer(
    token: Annotated[str, typer.Argument(help="Of the question, or its beginning; or the run, where it asks one.")],
    value: Annotated[str, typer.Argument(help="The answer: an option or its number, a number, a text.")],
    as_json: AsJson = False,
) -> int:
    """Answer a question. The process that runs the run takes it up; else the next resume does."""
    wait = _wait(token)
    if wait is None:  # answered already, or unknown: the store knows which
        hub.current().answer(token, value)
        return 0
    meant = values.answer(wait.schema, value) if wait.schema.by_person else json_or_text(value)
    hub.current().answer(wait.token, meant)
    if as_json:
        show_json({"token": wait.token, "run_id": wait.run_id, "prompt": wait.prompt})
    else:
        print(f"answered: {clipped(wait.prompt)}")
    return 0


def _wait(name: str) -> WaitInfo | None:
    found = hub.current().inbox.named(name)
    if len(found) > 1:
        rows = "\n".join(f"  {wait.token}  {clipped(wait.prompt, 60)}" for wait in found[:8])
        more = f"\n  and {len(found) - 8} more: `aether waits`" if len(found) > 8 else ""
        raise Wrong(f"{len(found)} questions fit {name!r}; say which one:\n{rows}{more}")
    if not found and any(info.run_id == name for info in hub.current().runs(limit=None)):
        status = hub.current().load(name).status
        raise UnknownWait(name, f"{name} asks nothing now: it is {status.value}")
    return found[0] if found else None


def signal(
    name: Annotated[str, typer.Argument(help="What runs wait for with wait_event.")],
    payload: Annotated[str | None, typer.Argument(help="JSON, or a text.")] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="The one run that it is for.")] = None,
) -> int:
    """Send a signal to all runs that wait for it, or to one."""
    number = hub.current().signal(name, json_or_text(payload) if payload is not None else None, run)
    print(f"signal {number}: {name}")
    return 0


def cancel(run: Annotated[str, typer.Argument(metavar="RUN")]) -> int:
    """End a run for good, wherever it runs."""
    runtime = hub.current()
    status = runtime.load(run).status
    if status in ENDED:
        raise Wrong(f"{run} is {status.value} already")
    runtime.cancel(run, "aether cancel")
    print(f"cancelled {run}")
    return 0


COMMANDS = (answer, signal, cancel)
