"""What was said in a run, in order: messages, questions with their answers, phases, printed text, figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import messages

KEPT = 2_000  # entries
PRINTED = 4_000  # characters of one entry of printed text


@dataclass(slots=True)
class Entry:
    """One line of the transcript.

    kind: "say", "phase", "image", "file", "buttons", "rich", "ask", "out", "err", "figure", "show", "log" or "error".
    t: seconds of the run, without the times when nobody ran it.
    scope: the node that said it (0: the run's own body).
    more: the answer to a question, the digest of a figure.
    open: a question that is not answered yet.
    data: what was recorded of an image, file, buttons or rich text.
    """

    id: int
    t: float
    kind: str
    text: str
    scope: int
    execution: int = 1
    more: str = ""
    open: bool = False
    data: Mapping[str, Any] | None = None

    @property
    def whole(self) -> str:
        """All of it as text; `text` is only what stands over a picture, file, buttons or rich text."""
        return self.text if self.data is None else messages.text(self.kind, self.data)


class Transcript:
    """Entries by id. What changed since the last `changes()` is kept track of, so that views send only that."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self._keys: dict[object, int] = {}  # effect key or wait number -> entry
        self._scopes: dict[int, list[int]] = {}
        self._next = 1
        self._changed: dict[int, None] = {}
        self._gone: dict[int, None] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, t: float, kind: str, text: str, scope: int, *, key: object = None, execution: int = 1) -> Entry:
        """A new entry; one of the same `key` that stood somewhere before goes."""
        if key is not None and key in self._keys:
            self._drop(self._keys[key])
        entry = Entry(self._next, t, kind, text, scope, execution)
        self._next += 1
        self._entries[entry.id] = entry
        if key is not None:
            self._keys[key] = entry.id
        self._scopes.setdefault(scope, []).append(entry.id)
        self._changed[entry.id] = None
        if len(self._entries) > KEPT:
            self._drop(next(iter(self._entries)))
        return entry

    def printed(self, t: float, kind: str, text: str, scope: int) -> None:
        """Text of a stream.

        The body's own stands where it came. Each node has one entry, so that those that work at the same time do not
        fill the page with turns; it holds the end of what the node printed.
        """
        if scope:
            entry = self.find((kind, scope))
        else:
            entry = next(reversed(self._entries.values()), None)
            if entry is not None and ((entry.kind, entry.scope) != (kind, 0) or len(entry.text) >= PRINTED):
                entry = None
        if entry is not None:
            entry.text = (entry.text + text)[-2 * PRINTED :]
            self._changed[entry.id] = None
        elif text.strip():
            self.add(t, kind, text, scope, key=(kind, scope) if scope else None)

    def find(self, key: object) -> Entry | None:
        """The entry of this key, to be changed by the caller, who then calls `touch`."""
        return self._entries.get(self._keys.get(key, 0))

    def touch(self, entry: Entry) -> None:
        """Say that `entry` changed."""
        if entry.id in self._entries:
            self._changed[entry.id] = None

    def supersede(self, scope: int, kinds: frozenset[str], *, before: int = 0) -> None:
        """Drop what node `scope` said, of these kinds; with `before`, only what executions below that one said."""
        kept = []
        for id in self._scopes.get(scope, ()):
            entry = self._entries.get(id)
            if entry is None:
                continue
            if entry.kind in kinds and (not before or entry.execution < before):
                self._drop(id)
            else:
                kept.append(id)
        if kept:
            self._scopes[scope] = kept
        else:
            self._scopes.pop(scope, None)

    def supersede_key(self, key: object) -> None:
        """Drop the entry of this key."""
        self._drop(self._keys.get(key, 0))

    def _drop(self, id: int) -> None:
        if self._entries.pop(id, None) is not None:
            self._changed.pop(id, None)
            self._gone[id] = None

    def changes(self) -> tuple[list[Entry], list[int]]:
        """Entries that are new or changed, and ids of those that went, since the last call."""
        changed, gone = [self._entries[id] for id in self._changed], list(self._gone)
        self._changed.clear()
        self._gone.clear()
        return changed, gone
