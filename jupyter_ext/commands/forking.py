"""`%aether fork`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from IPython.core.error import UsageError

from aethergraph.channels.typed import value
from aethergraph.lifecycle import hub
from aethergraph.lifecycle.running import Run
from aethergraph.record.facts import WAIT
from aethergraph.record.schema import decode

from .. import notebook
from . import words
from .answering import meant
from .runs import finish


def fork(shell: Any, rest: str) -> Callable[[], object] | None:
    """Start a run that shares a run's past and goes on differently: `RUN [at=NODE] [key=value ...]`.

    The values are inputs, of the node where one is named, else of the run; `outputs.key=value` are what the node is
    taken to have given, `answer=value` to a question. Values are JSON, or texts as they are.
    """
    parts = words.split(rest)
    run_id = words.one_run(" ".join(parts[:1]), "fork")
    given = _given(parts[1:])
    at = given.pop("at", None)
    outputs = {key.removeprefix("outputs."): given.pop(key) for key in list(given) if key.startswith("outputs.")}
    runtime = hub.current()
    answer = meant_for(runtime.load(run_id), at, given)
    inputs = {key: value(text) for key, text in given.items()} or None
    values: Any = {key: value(text) for key, text in outputs.items()} or answer
    try:
        run = runtime.fork(run_id, at=at, inputs=inputs, outputs=values, namespace=shell.user_ns)
    except (ValueError, TypeError, LookupError) as error:
        raise UsageError(str(error)) from error
    print(f"{run.run_id} is a fork of {run_id}{f' at {at}' if at else ''}")
    return None if notebook.live() else partial(finish, run)


def meant_for(run: Run, at: str | None, given: dict[str, str]) -> Any:
    """The answer that `given` has for the question `at`, taken out of it; None where it has none."""
    node = next((node for node in run.nodes if node.node_id == at), None)
    if node is None or node.kind != WAIT or "answer" not in given:
        return None
    text = given.pop("answer")
    return meant(decode(node.wait.question), text) if node.wait is not None else value(text)


def _given(parts: list[str]) -> dict[str, str]:
    given = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise UsageError(f"write `%aether fork RUN at=NODE key=value`, got {part!r}")
        given[name] = value
    return given
