"""`%aether runs`, `resume`, `show`, `cancel`, `retry` and `load`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from IPython.core.error import UsageError

from aethergraph.lifecycle import hub
from aethergraph.lifecycle.leaving import stay
from aethergraph.lifecycle.running import Run
from aethergraph.record.files import amount
from aethergraph.record.status import ENDED, RunStatus
from aethergraph.scheduler import budgets
from aethergraph.views.labels import line

from .. import doctor, notebook, run_view
from ..table import plan_table, run_table
from . import words
from .choosing import LISTED, chosen, now, show_table

ROOMY = 1 << 30  # bytes of a store, above which it is said once how to make room
TOLD = "told-size"  # a row that says that it was said
PARKED_S = 1.0  # a run that has only waited for so long is left alone


def runs(shell: Any, rest: str) -> None:
    """The newest runs."""
    words.nothing(rest, "runs")
    table = run_table(hub.current().runs(limit=LISTED), now())
    show_table(dataclasses.replace(table, notes=[*table.notes, *_room()]))


def resume(shell: Any, rest: str) -> Callable[[], object] | None:
    """Go on with a run; shows first what will run again and why. Gives what waits for it, if told to wait."""
    parts, seconds = _budget(rest.split())
    run_id = chosen([part for part in parts if part != "--wait"], "resume")
    if run_id is None:
        return None
    runtime = hub.current()
    run = runtime.load(run_id)
    if run.live:
        known, run = run, runtime.resume(run_id, namespace=shell.user_ns, budget=seconds)
        if run is known:  # and not one that was just leaving
            print(f"{run_id} is running in this kernel already")
        run_view.open_view(run)
    elif run.status is RunStatus.DONE:
        raise UsageError(
            f"{run_id} is done already; `%aether show {run_id}` shows it, `%aether load {run_id}` its outputs"
        )
    else:
        show_table(plan_table(run_id, runtime.plan(run_id, shell.user_ns)))
        run = runtime.resume(run_id, namespace=shell.user_ns, budget=seconds)
    if "--wait" in parts:
        return run.result
    return None if notebook.live() else partial(finish, run)  # the kernel may be gone after this cell


def _budget(parts: list[str]) -> tuple[list[str], float | None]:
    """The words without `--budget SECONDS`, and the seconds."""
    if "--budget" not in parts:
        return parts, None
    at = parts.index("--budget")
    given = parts[at + 1] if at + 1 < len(parts) else "nothing"
    try:
        seconds = float(given)
        budgets.checked(seconds)
    except ValueError:
        told = "write seconds at work, above 0, as in `%aether resume RUN --budget 120`"
        raise UsageError(f"--budget {given}: {told}") from None
    return [*parts[:at], *parts[at + 2 :]], seconds


def show(shell: Any, rest: str) -> None:
    """The view of a run, with a static copy beside it."""
    run_id = chosen(rest.split(), "show")
    if run_id is not None:
        run_view.open_view(hub.current().load(run_id))


def cancel(shell: Any, rest: str) -> None:
    """End a run for good."""
    run_id = words.one_run(rest, "cancel")
    run = hub.current().load(run_id)
    if run.status in ENDED:
        raise UsageError(f"{run_id} is {run.status.value} already")
    run.cancel("%aether cancel")
    print(f"cancelled {run_id}")


def retry(shell: Any, rest: str) -> Callable[[], object] | None:
    """Resume a run that failed."""
    run_id = chosen(rest.split(), "retry")
    if run_id is None:
        return None
    if (status := hub.current().load(run_id).status) is not RunStatus.FAILED:
        what = "show" if status in ENDED else "resume"
        then = "shows it" if status in ENDED else "goes on with it"
        raise UsageError(f"{run_id} is {status.value}, not failed; `%aether {what} {run_id}` {then}")
    return resume(shell, run_id)


def load(shell: Any, rest: str) -> None:
    """Bind a run's outputs, all or the named ones, to variables."""
    parts = rest.split()
    run_id, names = words.one_run(" ".join(parts[:1]), "load"), parts[1:]
    run = hub.current().load(run_id)
    if run.status is not RunStatus.DONE:
        raise UsageError(f"{run_id} is {run.status.value} and has no outputs yet")
    outputs = run.outputs
    if unknown := [name for name in names if name not in outputs]:
        raise UsageError(f"{run_id} has no output {', '.join(unknown)}; it has: {', '.join(outputs) or 'none'}")
    bound = {name: outputs[name] for name in names or outputs}
    shell.user_ns.update(bound)
    print(f"{', '.join(bound) or 'nothing'} from {run_id}")


def finish(run: Run) -> None:
    """Wait for the end of a run, or until it waits for nothing but answers that will come from elsewhere."""
    if asked := stay(run, PARKED_S):
        print(f"{run.run_id} waits for: {', '.join(line(wait.prompt) for wait in asked)}")


def _room() -> list[str]:
    """Where the store is and how large; once, where it has grown large, how to make room."""
    store = hub.current().store
    taken = doctor.taken(store.folder)
    notes = [f"store: {store.folder} ({amount(taken)})"]
    if taken >= ROOMY and store.get(TOLD) is None:
        with store.transact() as rows:
            rows.set(TOLD, b"1")
        notes.append("it has grown large: `%aether gc older_than=30d` tells what it could do without")
    return notes
