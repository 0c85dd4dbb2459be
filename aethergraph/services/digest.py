"""A plain digest of events: what was counted and quoted, in a form for people and prompts. No model has part in it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from ..storage.codec import about_value
from ..storage.textindex import words
from .event import Event
from .recording import CHAT, RESULT, TOOL_RESULT

METHOD = "digest"
LINE = 200  # characters of one line
MOST = {"important": 5, "chat": 6, "results": 5, "words": 8}
SHORT = 4  # letters; words of fewer say little


def digest(events: Sequence[Event], what: str = "events") -> str:
    """What `events` (the oldest first) come to, in some ten lines; it says of itself that no model wrote it."""
    if not events:
        return f"No {what} to tell of."
    kinds = Counter(event.kind for event in events)
    lines = [
        f"Digest of {len(events)} {what}, {_when(events[0].t)} to {_when(events[-1].t)} UTC: counted and quoted, not "
        "written by a model.",
        "Kinds: " + ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()) + ".",
    ]
    lines += _part("Important:", [_told(one) for one in events if one.severity == 3][-MOST["important"] :])
    chat = [f"{one.role}: {one.text}" for one in events if one.kind == CHAT]
    lines += _part("Last said:", chat[-MOST["chat"] :])
    lines += _part("Last results:", _results(events)[-MOST["results"] :])
    lines += _metrics(events)
    standing = _standing_out(events)
    if standing:
        lines.append("Words that come up often: " + ", ".join(standing) + ".")
    return "\n".join(lines)


def _part(title: str, told: list[str]) -> list[str]:
    return [title, *(f"- {_cut(line)}" for line in told)] if told else []


def _results(events: Sequence[Event]) -> list[str]:
    last = {one.name: one for one in events if one.kind in (TOOL_RESULT, RESULT)}
    newest = sorted(last.values(), key=lambda one: one.t)
    return [f"{one.name}: {one.text or about_value(one.outputs)}" for one in newest]


def _metrics(events: Sequence[Event]) -> list[str]:
    found: dict[str, list[float]] = {}
    for event in events:
        for name, value in event.metrics.items():
            found.setdefault(name, []).append(value)
    told = [f"{name} {values[-1]:g} (of {len(values)}: {min(values):g} to {max(values):g})"
            for name, values in found.items()]  # fmt: skip
    return ["Metrics, the last: " + ", ".join(told) + "."] if told else []


def _standing_out(events: Sequence[Event]) -> list[str]:
    counts = Counter(
        word for event in events for word in set(words(event.text)) if len(word) >= SHORT and not word.isdigit()
    )
    return [word for word, count in counts.most_common(MOST["words"]) if count > 1]


def _told(event: Event) -> str:
    return f"{event.kind}: {event.text or about_value(event.data)}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LINE else line[: LINE - 1] + "…"


def _when(t: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(t))
