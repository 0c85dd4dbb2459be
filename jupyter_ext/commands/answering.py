"""`%aether waits` and `%aether answer`."""

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError

from aethergraph.channels import typed
from aethergraph.lifecycle import hub
from aethergraph.lifecycle.inbox import WaitInfo
from aethergraph.record.schema import Question
from aethergraph.views.labels import cut, line

from ..table import short, wait_table
from . import words
from .choosing import now, show_table

NAMED = 8  # questions that an error names


def waits(shell: Any, rest: str) -> None:
    """All open questions."""
    words.nothing(rest, "waits")
    show_table(wait_table(hub.current().waits(), now()))


def answer(shell: Any, rest: str) -> None:
    """Answer a question by its token, the beginning of it, or its run."""
    name, _, text = rest.partition(" ")
    if not text.strip():
        raise UsageError("write `%aether answer TOKEN value`; `%aether waits` lists the tokens")
    wait = _wait(name)
    if wait is None:
        if name in {info.run_id for info in hub.current().runs(limit=None)}:
            status = hub.current().load(name).status
            raise UsageError(f"{name} asks nothing now: it is {status.value}")
        hub.current().answer(name, text.strip())  # raises: it is unknown, or answered already
        return
    hub.current().answer(wait.token, meant(wait.schema, text.strip()))
    print(f"answered: {line(wait.prompt)}")


def meant(question: Question, text: str) -> Any:
    """The typed `text` as an answer: JSON for lists and forms, numbers or texts of options, paths, else as it is."""
    try:
        return typed.given(question, text)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _wait(name: str) -> WaitInfo | None:
    found = [wait for wait in hub.current().inbox.named(name) if wait.schema.by_person]
    if len(found) > 1:
        rows = [
            f"  {token}  {cut(wait.prompt, 400)}"
            for token, wait in zip(short([wait.token for wait in found]), found, strict=True)
        ]
        more = [f"  and {len(rows) - NAMED} more: `%aether waits`"] if len(rows) > NAMED else []
        which = "\n".join([f"{len(found)} questions fit {name!r}; say which one:", *rows[:NAMED], *more])
        raise UsageError(which)
    return found[0] if found else None
