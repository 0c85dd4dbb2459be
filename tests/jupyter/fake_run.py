"""A run that plays facts, and the little of a runtime that a view asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aethergraph.lifecycle.telling import picture_of
from aethergraph.record import facts as f
from aethergraph.record.status import RunStatus
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.store import MemoryStore
from aethergraph.views.picture import Picture
from jupyter_ext import notebook
from tests.story import Story


class FakeRun:
    """Gives what a story holds to its followers: at once what is there, later what `play` is told."""

    def __init__(self, story: Story) -> None:
        self.run_id, self.name = story.run_id, "study"
        first = story.facts[0]
        self.continues = first.continues if isinstance(first, f.RunStarted) else ""
        self.execution = None
        self.live, self.status, self.cancelled = True, RunStatus.RUNNING, False
        self._story, self._told = story, 0
        self._followers: list[Callable[[list[f.AnyFact]], None]] = []

    def follow(self, call: Callable[[list[f.AnyFact]], None]) -> Callable[[], None]:
        self._told = len(self._story.facts)
        call(list(self._story.facts))
        self._followers.append(call)
        return lambda: self._followers.remove(call)

    def play(self) -> None:
        """What the story has gained since the last time."""
        new, self._told = self._story.facts[self._told :], len(self._story.facts)
        for call in list(self._followers):
            call(new)

    def picture(self) -> Picture:
        return picture_of(self._story.facts)

    def cancel(self) -> None:
        self.cancelled = True


class FakeRuntime:
    """Answers, resumes and forks are kept, and done unless `refuse` says why not."""

    def __init__(self, folder: Path, story: Story) -> None:
        self.store = MemoryStore(folder, DiskBlobs(folder))
        self.keyring: Any = None
        self.refuse = ""
        self.answers: list[tuple[str, Any, str]] = []
        self.done: list[tuple[str, str, dict[str, Any], str, bool]] = []
        self.clock = self
        self._story = story

    def now(self) -> float:
        return self._story.t

    def answer_soon(self, token: str, value: Any, answer_id: str, done: Callable[[str], None]) -> None:
        self.answers.append((token, value, answer_id))
        done(self.refuse)

    def resume(self, run_id: str, **how: Any) -> Any:
        return self._do("resume", run_id, how, run_id)

    def fork(self, run_id: str, **how: Any) -> Any:
        return self._do("fork", run_id, how, "study-forked")

    def _do(self, what: str, run_id: str, how: dict[str, Any], gives: str) -> Any:
        if self.refuse:
            raise RuntimeError(self.refuse)
        self.done.append((what, run_id, how, notebook.cell(), notebook.SHOWN.get()))
        return SimpleNamespace(run_id=gives)
