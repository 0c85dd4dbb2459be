"""What a channel is: somewhere messages go and, where it can, somewhere answers come from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from ..engine import Asker

PLAIN = frozenset({"text", "phase"})
KINDS = PLAIN | {"image", "file", "buttons", "rich"}


@dataclass(frozen=True, slots=True)
class Message:
    """Something said in a run.

    kind: one of `KINDS`.
    text: the whole message as text; of an image or file its name and size.
    channel: the full key it was sent to, such as "file:log.txt".
    data: what a kind needs beyond its text; plain values only.
        phase: phase, status, detail. image, file: title, filename, mime, size (bytes) and sha256, or url.
        buttons: buttons, each with label, value, style and url. rich: rich, with its kind and what that is made of.
    path: of an image or file whose content is in the store: where it lies, to be read only.
    """

    kind: str
    text: str
    channel: str
    run_id: str
    node_id: str
    data: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None


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
    """One channel: what it can show, how a message goes out, and how an answer comes in.

    An adapter may also have `progress(state: Progress) -> None`, which must be quick, and `shown`, the key that is
    recorded and told in place of the one that leads here (where that holds a secret).
    """

    @property
    def capabilities(self) -> Collection[str]:
        """The kinds of messages, of `KINDS`, that it shows as what they are. Others reach it as a text that says so."""

    @property
    def ask(self) -> Asker | None:
        """Ask a person and give the raw answer; None where answers come through the store (a view, another process).

        It is called again with the reason where an answer was refused, and cancelled where another answer came first.
        It raises EOFError where it turns out that nobody is there.
        """

    async def send(self, message: Message, id: str) -> None:
        """Deliver `message`: an effect on the outside world, done once and not again on replay.

        `id` is stable over kills and resumes: deduplicate by it where that is possible.

        Raises:
            NotDelivered: it cannot be delivered now; the node fails, and the run can be resumed.
        """


Factory = Callable[[str], Adapter]  # what stands behind the colon of a key ("" where there is none) -> its adapter


class Recorded:
    """Messages that are only their record in the journal, which views show; questions wait in the store.

    This is "notebook" and "inbox". `stores` is what tells it from all others: its `send` is never called.
    """

    stores = True
    capabilities = KINDS
    ask: Asker | None = None

    async def send(self, message: Message, id: str) -> None:
        """Nothing is left to do: the record is the message."""


def fitting(message: Message, adapter: Adapter) -> Message:
    """`message` as `adapter` can show it: itself, or a text that names it and says that it is one.

    An adapter that does not tell what it can do shows text and phases.
    """
    if message.kind in getattr(adapter, "capabilities", PLAIN):
        return message
    data = {"text": message.text, "instead_of": message.kind, **message.data}
    return replace(message, kind="text", text=f"{message.text}{_SAID.get(message.kind, '')}", data=data)


_SAID = {  # tables and the like are whole as text, so nothing is to be said of them
    "image": " (sent as text: no pictures are shown here)",
    "file": " (sent as text: no files are taken here)",
    "buttons": " (sent as text: there are no buttons here)",
}
