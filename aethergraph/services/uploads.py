"""Files that somebody gave, as a run's code gets them."""

from __future__ import annotations

import asyncio
from typing import Any

from ..engine import Outcome
from ..record.schema import FILES, Question
from ..record.uploads import FileRef
from ..storage import uploads
from ..storage.store import Transaction
from .scope import Scope


async def given(scope: Scope, answer: dict[str, Any]) -> dict[str, Any]:
    """`{"text": str, "files": [FileRef]}` of a recorded answer.

    Raises:
        BadAnswer: nobody answered, and a default file cannot be read.
        DamagedRecord: the content of a file is gone.
    """
    desk = scope.desk
    named = answer if isinstance(answer, dict) and "files" in answer else {"files": answer}
    found = named["files"] if isinstance(named["files"], list) else [named["files"]]
    if any(not isinstance(one, dict) or "sha256" not in one for one in found):  # a default, taken when time was up

        async def take() -> Outcome:
            question = Question(FILES, "", multiple=True)
            taken = await asyncio.to_thread(uploads.take_in, desk.store, question, {"files": found})
            return Outcome(taken["files"])

        found = await desk.effect("channel.default_files", found, take)
    return {"text": str(named.get("text") or ""), "files": uploads.refs(desk.store, found)}


async def latest(scope: Scope, channel: str, *, clear: bool) -> list[FileRef]:
    """The files of this run's answers that nobody took before, oldest first."""
    desk = scope.desk

    seen = uploads.latest(desk.store, desk.run_id, channel)

    def take(rows: Transaction) -> list[Any]:
        # Of several who saw the same row, the first transaction takes it, and the others find it gone.
        there = [(key, described) for key, described in seen if rows.get(key) is not None]
        for key, _ in there if clear else ():
            rows.delete(key)
        return [one for _, described in there for one in described]

    args = {"channel": channel, "clear": clear}
    return uploads.refs(desk.store, await desk.transact("channel.latest_uploads", args, take))


def default(value: Any) -> Any:
    """`default=` of a question for files as plain data: paths, which are looked at when they are wanted.

    Raises:
        TypeError: it is something else.
    """
    if value is None:
        return None
    if isinstance(value, dict) and "files" in value:
        return {**value, "files": default(value["files"])["files"]}
    many = list(value) if isinstance(value, (list, tuple)) else [value]
    return {"text": "", "files": [_default(one) for one in many]}


def _default(one: Any) -> dict[str, Any]:
    if isinstance(one, FileRef):
        return {"name": one.name, "size": one.size, "mime": one.mime, "sha256": one.sha256}
    if hasattr(one, "__fspath__") or (isinstance(one, str) and one):
        return {"path": str(one)}
    raise TypeError(f"default= of a question for files is a path or a list of paths, got {one!r:.80}")
