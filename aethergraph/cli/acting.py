"""`aether answer`, `signal` and `cancel`: acting on runs, wherever they run."""

from __future__ import annotations

from typing import Annotated

import typer

from ..channels.typed import value as json_or_text
from ..errors import AetherGraphError, AlreadyAnswered, BadAnswer, UnknownWait
from ..lifecycle import hub
from ..lifecycle.inbox import WaitInfo
from ..record.status import ENDED, RunStatus
from ..storage import waiting
from . import values
from .codes import Wrong
from .document import AsJson, show_json
from .output import clipped


def answer(
    token: Annotated[str, typer.Argument(help="Of the question, or its beginning; or the run, where it asks one.")],
    value: Annotated[str, typer.Argument(help="The answer: an option or its number, a number, a text.")],
    as_json: AsJson = False,
) -> int:
    """Answer a question. The process that runs the run takes it up; else the next resume does."""
    wait = _wait(token)
    if wait is None:
        raise _unanswerable(token)
    meant = values.answer(wait.schema, value) if wait.schema.by_person else json_or_text(value)
    try:
        hub.current().answer(wait.token, meant)
    except BadAnswer as error:
        raise Wrong(str(error)) from error
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
    return found[0] if found else None


def _unanswerable(name: str) -> AetherGraphError:
    """Why no open question fits `name`."""
    runtime = hub.current()
    if any(info.run_id == name for info in runtime.runs(limit=None)):
        return UnknownWait(name, f"{name} asks nothing now: it is {runtime.load(name).status.value}")
    settled = waiting.read(runtime.store, name)
    return AlreadyAnswered(name, settled.state) if settled is not None else UnknownWait(name)


def signal(
    name: Annotated[str, typer.Argument(help="What runs wait for with wait_event.")],
    payload: Annotated[str | None, typer.Argument(help="JSON, or a text.")] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="The one run that it is for.")] = None,
    as_json: AsJson = False,
) -> int:
    """Send a signal to all runs that wait for it, or to one."""
    number = hub.current().signal(name, json_or_text(payload) if payload is not None else None, run)
    if as_json:
        show_json({"signal": number, "name": name, "run_id": run})
    else:
        print(f"signal {number}: {name}")
    return 0


def cancel(run: Annotated[str, typer.Argument(metavar="RUN")], as_json: AsJson = False) -> int:
    """End a run for good, wherever it runs."""
    runtime = hub.current()
    status = runtime.load(run).status
    if status in ENDED:
        raise Wrong(f"{run} is {status.value} already")
    runtime.cancel(run, "aether cancel")
    if as_json:
        show_json({"run_id": run, "status": str(RunStatus.CANCELLED)})
    else:
        print(f"cancelled {run}")
    return 0


COMMANDS = (answer, signal, cancel)
