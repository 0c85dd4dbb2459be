"""Pictures, files, buttons and rich text: as text, and as a view shows them, harmless whatever was sent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..record import files
from . import markdown
from .labels import clean, line, width
from .markdown import Part

KINDS = frozenset({"image", "file", "buttons", "rich"})
SHOWN = 40_000  # characters of rich text that a view is told: it may hold 300 messages
_NAME = 200  # characters of a name or title
_TEXT = 2_000  # of the text of a button or address

Json = Any


def shown(kind: str, data: Mapping[str, Any]) -> dict[str, Json]:
    """What a view needs of a message of this kind, from what was recorded of it."""
    if kind == "buttons":
        return {"buttons": [_texts(one, "label", "value", "style", "url") for one in data.get("buttons") or ()]}
    if kind == "rich":
        return {"tree": tree(data.get("rich") or {})}
    size = data.get("size")
    made = _texts(data, "title", "alt", "filename", "mime", "url", "sha256")
    return made | {"size": size if isinstance(size, int) else 0}


def _texts(data: Mapping[str, Any], *names: str) -> dict[str, Json]:
    short = {"title", "alt", "filename", "label"}
    return {name: line(str(data.get(name) or ""))[: _NAME if name in short else _TEXT] for name in names}


def tree(rich: Mapping[str, Any]) -> list[Part]:
    """Rich text as the parts of `markdown`; of a very long one the beginning."""
    if rich.get("kind") == "table":
        return _tabulated(rich)
    said = clean(str(rich.get("text", "")))
    parts = _parsed(said[:SHOWN]) if rich.get("kind") == "markdown" else [["pre", {}, [["code", {}, [said[:SHOWN]]]]]]
    return parts if len(said) <= SHOWN else [*parts, _note(f"and {len(said) - SHOWN:,} more characters")]


def _tabulated(rich: Mapping[str, Any]) -> list[Part]:
    rows, room = [], SHOWN
    for row in rich["rows"]:
        room -= sum(map(len, row))
        if room < 0:
            break
        rows.append([[clean(cell)] for cell in row])
    head = [[clean(one)] if one else [] for one in rich["columns"]]
    more = [rich["more"][0] + len(rich["rows"]) - len(rows), rich["more"][1]]
    return [markdown.table(head, rows, rich["numeric"]), *([_note(left_out(more))] if any(more) else [])]


def _note(text: str) -> Part:
    return ["p", {}, [["em", {}, [text]]]]


def left_out(more: list[int]) -> str:
    """What of a table is not there: `and 3 more rows, 1 more column`; "" where all is."""
    named = [f"{n:,} more {what}{'' if n == 1 else 's'}" for n, what in zip(more, ("row", "column"), strict=True) if n]
    return f"and {', '.join(named)}" if named else ""


@lru_cache(maxsize=64)
def _parsed(text: str) -> list[Part]:
    return markdown.parse(text)


# ---------------------------------------------------------------------- as text


def text(kind: str, data: Mapping[str, Any]) -> str:
    """A message of this kind as text: `The loss: plot.png (image, 12.3 kB)`."""
    if kind == "buttons":
        drawn = (f"  [{one['label']}]{' ' * bool(one['url'])}{one['url']}" for one in data["buttons"])
        return "\n".join([data["text"], *drawn])
    if kind == "rich":
        return "\n".join(filter(None, [data["text"], rich_text(data["rich"])]))
    title = f"{data['title']}: " if data.get("title") else ""
    where = f" {data['url']}" if data.get("url") else ""
    size = f", {files.amount(data['size'])}" if "size" in data else ""
    return f"{title}{data['filename']} ({kind}{size}){where}"


def rich_text(rich: Mapping[str, Any]) -> str:
    """Markdown and JSON as they are, a table with its columns under each other."""
    if rich["kind"] != "table":
        return str(rich["text"])
    lines = [rich["columns"], *rich["rows"]] if any(rich["columns"]) else rich["rows"]
    flat = [[" ".join(cell.split()) for cell in line] for line in lines]
    wide = [max((_wide(line[i]) for line in flat), default=0) for i in range(len(rich["columns"]))]
    drawn = ["  ".join(map(_padded, line, wide, rich["numeric"])).rstrip() for line in flat]
    if any(rich["columns"]):
        drawn.insert(1, "  ".join("-" * room for room in wide))
    return "\n".join([*drawn, *filter(None, [left_out(rich["more"])])])


def _wide(cell: str) -> int:
    return len(cell) if cell.isascii() else sum(2 if width(char) > 11 else 1 for char in cell)


def _padded(cell: str, room: int, right: bool) -> str:
    gap = " " * (room - _wide(cell))
    return gap + cell if right else cell + gap
