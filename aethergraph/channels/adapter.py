"""What a channel is: somewhere messages go and, where it can, somewhere answers come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..engine import Asker


@dataclass(frozen=True, slots=True)
class Message:
    """Something said in a run.

    kind: "text" or "phase".
    channel: the full key it was sent to, such as "file:log.txt".
    data: what a kind needs beyond its text; plain values only.
    """

    kind: str
    text: str
    channel: str
    run_id: str
    node_id: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of one progress bar; `total` is 0 where it is not known."""

    id: str
    title: str
    now: float
    total: float
    sub: str
    end: bool


class Adapter(Protocol):
    """One channel. An adapter may also have `progress(state: Progress) -> None`, which must be quick."""

    @property
    def stores(self) -> bool:
        """True: a message is only its record in the journal, which views show; `send` is never called.

        False: `send` is an effect on the outside world, done once and not again on replay.
        """

    @property
    def ask(self) -> Asker | None:
        """Ask a person and give the raw answer; None where answers come through the store (a view, another process).

        It is called again with the reason where an answer was refused, and cancelled where another answer came first.
        It raises EOFError where it turns out that nobody is there.
        """

    async def send(self, message: Message, id: str) -> None:
        """Deliver `message`. `id` is stable over kills and resumes: deduplicate by it where that is possible."""


class Recorded:
    """Messages that live in the journal alone, questions that wait in the store: "notebook" and "inbox"."""

    stores = True
    ask: Asker | None = None

    async def send(self, message: Message, id: str) -> None:
        """Nothing is left to do: the record is the message."""
