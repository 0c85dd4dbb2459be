"""How memory is written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ..engine import Desk
from ..errors import known
from ..storage.store import Transaction
from . import content as contents
from . import event as events
from . import expecting
from .event import Event
from .levels import home
from .scope import Scope

CHAT, TOOL_RESULT, RESULT = "chat", "tool_result", "result"
ROLES = ("user", "assistant", "system", "tool")
NAME_LIMIT = 200  # characters of a kind, name or tag
RAW = ("kind", "data", "text", "name", "inputs", "outputs", "tags", "severity", "stage", "metrics")


class Recording:
    """What writes events."""

    def __init__(self, scope: Scope, level: str = "session") -> None:
        self._scope, self._level = scope, level
        home(scope.desk, level)  # it is checked here, where it is given

    def _home(self, level: str | None) -> str:
        return home(self._scope.desk, self._level if level is None else level)

    @property
    def _desk(self) -> Desk:
        return self._scope.desk

    async def record(
        self, kind: str, data: Any = None, *, tags: Iterable[str] = (), severity: int = 2, stage: str = "",
        metrics: Mapping[str, float] | None = None, text: str = "", level: str | None = None,
    ) -> Event:  # fmt: skip
        """Remember something, once, whatever is killed or replayed.

        Args:
            kind: what it is, in a word of yours: "observation", "plan"; what `recent` and `search` can be asked for.
            data: any value that a node may return; texts in it can be searched, as `text` can.
            tags: words to find it by. severity: 1 (minor), 2, or 3 (important: summaries name it). stage: free.
            metrics: numbers by name.
            level: "run", "session" or "user"; where left out, that of this memory.

        Raises:
            TypeError, ValueError: an argument is of a wrong type, or out of its range.
            NotStorable: `data` cannot be stored.
        """
        event = Event(
            "", kind, 0.0, data, text, tags=contents.tags(tags), severity=severity, stage=stage,
            metrics=contents.metrics(metrics or {}),
        )  # fmt: skip
        return await self._put(event, level)

    async def record_chat(
        self, role: str, text: str, *, data: Any = None, tags: Iterable[str] = (),
        metrics: Mapping[str, float] | None = None, level: str | None = None,
    ) -> Event:  # fmt: skip
        """Remember a line of a conversation; `role` is "user", "assistant", "system" or "tool"."""
        if role not in ROLES:
            raise ValueError(f"role={role!r} is unknown; there are: {known(ROLES)}")
        event = Event(
            "", CHAT, 0.0, data, text, role, tags=contents.tags(tags), metrics=contents.metrics(metrics or {})
        )
        return await self._put(event, level)

    async def record_chat_user(self, text: str, **more: Any) -> Event:
        """`record_chat("user", text, ...)`."""
        return await self.record_chat("user", text, **more)

    async def record_chat_assistant(self, text: str, **more: Any) -> Event:
        """`record_chat("assistant", text, ...)`."""
        return await self.record_chat("assistant", text, **more)

    async def record_chat_system(self, text: str, **more: Any) -> Event:
        """`record_chat("system", text, ...)`."""
        return await self.record_chat("system", text, **more)

    async def record_tool_result(
        self, tool: Any, inputs: Any = None, outputs: Any = None, *, message: str = "", tags: Iterable[str] = (),
        metrics: Mapping[str, float] | None = None, severity: int = 2, level: str | None = None,
    ) -> Event:  # fmt: skip
        """Remember what a tool was given and gave; `tool` is the tool or its name. Found by `last_by_name`."""
        name = tool if isinstance(tool, str) else str(getattr(tool, "name", None) or getattr(tool, "__name__", ""))
        return await self._result(TOOL_RESULT, name, inputs, outputs, message, tags, metrics, severity, level)

    async def write_result(
        self, topic: str, inputs: Any = None, outputs: Any = None, *, message: str = "", tags: Iterable[str] = (),
        metrics: Mapping[str, float] | None = None, severity: int = 2, level: str | None = None,
    ) -> Event:  # fmt: skip
        """Remember the result of some work under a topic; `get_last_outputs_for_topic` gives it back."""
        return await self._result(RESULT, topic, inputs, outputs, message, tags, metrics, severity, level)

    async def record_raw(
        self, base: Mapping[str, Any], *, text: str = "", metrics: Mapping[str, float] | None = None,
        level: str | None = None,
    ) -> Event:  # fmt: skip
        """Remember an event that is given by its fields: kind, data, text, name, inputs, outputs, tags and so on.

        Raises:
            TypeError: it has no kind, or a field that events have not.
        """
        fields = dict(expecting.mapping(self._desk, "memory().record_raw", "base", base))
        wrong = sorted(set(fields) - set(RAW))
        if wrong or "kind" not in fields:
            what = f"has no {wrong[0]!r}" if wrong else "needs its 'kind'"
            raise TypeError(f"an event {what}; its fields are: {known(RAW)}")
        fields["text"] = text or fields.get("text", "")
        fields["tags"] = contents.tags(fields.get("tags", ()))
        fields["metrics"] = contents.metrics({**fields.get("metrics", {}), **(metrics or {})})
        return await self._put(Event("", t=0.0, **fields), level)

    async def _result(
        self, kind: str, name: str, inputs: Any, outputs: Any, message: str, tags: Iterable[str],
        metrics: Mapping[str, float] | None, severity: int, level: str | None,
    ) -> Event:  # fmt: skip
        if not isinstance(name, str) or not name:
            raise TypeError(f"a {kind.replace('_', ' ')} is remembered under a name, got {name!r:.80}")
        event = Event(
            "", kind, 0.0, None, message, name, inputs, outputs, contents.tags(tags), severity,
            metrics=contents.metrics(metrics or {}),
        )  # fmt: skip
        return await self._put(event, level)

    async def _put(self, event: Event, level: str | None) -> Event:
        scope, desk, where = self._scope, self._desk, self._home(level)
        _check(event)
        args = {"home": where, "kind": event.kind, "name": event.name, "content": _content(event)}
        made = {
            "event_id": os.urandom(8).hex(), "t": scope.clock.now(), "run_id": desk.run_id,
            "session_id": desk.session_id, "graph_id": desk.graph_id, "node_id": desk.node_id,
        }  # fmt: skip
        row = events.make(_with(event, made), scope.codec)

        def write(rows: Transaction) -> None:
            events.put(rows, where, row)

        # On replay it is the one that was recorded, of the time and by whom it was.
        return _with(event, await desk.record("memory.record", args, made, ops=[write]))


def _with(event: Event, made: Mapping[str, Any]) -> Event:
    fields = {name: getattr(event, name) for name in Event.__dataclass_fields__}
    return Event(**{**fields, **made})


def _content(event: Event) -> str:
    parts = [
        event.data,
        event.text,
        event.inputs,
        event.outputs,
        event.tags,
        event.severity,
        event.stage,
        event.metrics,
    ]
    return contents.fingerprint(parts)


def _check(event: Event) -> None:
    for what, value in (("kind", event.kind), ("name", event.name), *(("tag", tag) for tag in event.tags)):
        if not isinstance(value, str):
            raise TypeError(f"the {what} of an event is a text, got {value!r:.80} ({type(value).__name__})")
        if len(value) > NAME_LIMIT or (not value and what != "name"):
            raise ValueError(f"the {what} of an event has 1 to {NAME_LIMIT} characters, got {len(value)}")
    if not isinstance(event.text, str) or not isinstance(event.stage, str):
        wrong = event.stage if isinstance(event.text, str) else event.text
        raise TypeError(f"text and stage of an event are texts, got {wrong!r:.80} ({type(wrong).__name__})")
    if isinstance(event.severity, bool) or event.severity not in (1, 2, 3):
        raise ValueError(f"severity={event.severity!r:.80}: it is 1 (minor), 2 or 3 (important)")
    for value in (event.kind, event.name, event.text, event.stage, *event.tags):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{value!r:.80} cannot be written: it has half of a surrogate pair") from None
