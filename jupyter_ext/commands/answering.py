"""`%aether waits` and `%aether answer`."""

from __future__ import annotations

import json
from typing import Any

from IPython.core.error import UsageError

from aethergraph.lifecycle import hub
from aethergraph.lifecycle.inbox import WaitInfo
from aethergraph.record.schema import FILES, FORM, Question
from aethergraph.views.labels import cut, line

from .. import notebook
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
    if (question.multiple and text.startswith("[")) or (question.kind in (FILES, FORM) and text.startswith("{")):
        try:
            return json.loads(text)
        except ValueError as error:
            raise UsageError(f"{text} is not JSON: {error}") from None
    return notebook.typed(question, text)


def _wait(name: str) -> WaitInfo | None:
    waits = [wait for wait in hub.current().waits() if wait.schema.by_person]
    exact = [wait for wait in waits if name in (wait.token, wait.run_id)]
    found = exact or [wait for wait in waits if wait.token.startswith(name)]
    if len(found) > 1:
        rows = [
            f"  {token}  {cut(wait.prompt, 400)}"
            for token, wait in zip(short([wait.token for wait in found]), found, strict=True)
        ]
        more = [f"  and {len(rows) - NAMED} more: `%aether waits`"] if len(rows) > NAMED else []
        which = "\n".join([f"{len(found)} questions fit {name!r}; say which one:", *rows[:NAMED], *more])
        raise UsageError(which)
    return found[0] if found else None
