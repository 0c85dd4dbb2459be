"""What a run saved, in the copy that stays in the notebook: names, and the last pictures, tables and texts."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from html import escape
from itertools import zip_longest

from aethergraph.errors import AetherGraphError
from aethergraph.storage.store import Blobs
from aethergraph.views.labels import clean, line
from aethergraph.views.picture import Picture

from .patches import Json, artifact
from .static_images import SVG, small, tag
from .theming import CELL, PRE, SMALL

NAMES, HEADS = 50, 6  # that are told at most
ROOM = 60_000  # characters of all pictures together
_SIDE = 320  # pixels of a picture
_WHOLE = 16 << 10  # bytes of a picture that is taken as it is
_READ = 8 << 20  # bytes of one that is read at all


def saved(picture: Picture, blobs: Blobs | None = None) -> list[str]:
    """As HTML that holds nothing of a run but text, and pictures that cannot act.

    blobs: where the pictures are; without it they are named.
    """
    told = [artifact(picture, one.scope, one.record) for one in picture.artifacts.values()]
    if not told:
        return []
    names = ", ".join(line(one["name"] or one["uri"])[:120] for one in told[:NAMES])
    more = f" and {len(told) - NAMES} more" if len(told) > NAMES else ""
    sent = {(entry.data or {}).get("sha256") for entry in picture.transcript if entry.kind == "image"}
    heads, room = list[str](), ROOM
    for one in reversed(told):
        if one["rows"] or one["head"]:
            heads.append(_head(one))
        elif blobs is not None and _is_picture(one) and one["sha256"] not in sent:  # what was sent is shown there
            shown = _shown(one, blobs)
            if len(shown) > room:
                continue
            room -= len(shown)
            heads.append(shown)
        if len(heads) == HEADS:
            break
    return [f'<div><span style="{SMALL}">saved</span> {escape(names + more)}</div>', *reversed(heads)]


def _label(one: Json) -> str:
    facts = " · ".join(filter(None, [one["kind"], *one["metrics"], *one["tags"]]))
    return f'{escape(one["name"][:120])} <span style="{SMALL}">{escape(facts)}</span>'


def _head(one: Json) -> str:
    inside = _table(one) if one["rows"] else f'<pre style="{PRE}">{escape(one["head"])}</pre>'
    return f"<details><summary>{_label(one)}</summary>{inside}</details>"


def _table(one: Json) -> str:
    styles = [f"padding:0 10px 0 0;{CELL}{';text-align:right' if number else ''}" for number in one["numeric"]]
    body = "".join(
        f"<tr>{_cells(row, 'td' if number else 'th', styles)}</tr>" for number, row in enumerate(one["rows"])
    )
    more = f'<div style="margin:0 0 6px 14px;{SMALL}">{escape(one["more"])}</div>' if one["more"] else ""
    return f'<table style="margin:2px 0 6px 14px;font-size:12px">{body}</table>{more}'


def _cells(row: list[str], cell: str, styles: list[str]) -> str:
    placed = zip_longest(row, styles[: len(row)], fillvalue=f"padding:0 10px 0 0;{CELL}")
    return "".join(f'<{cell} style="{style}">{escape(text)}</{cell}>' for text, style in placed)


def _is_picture(one: Json) -> bool:
    return one["mime"].startswith("image/") and bool(one["sha256"]) and 0 < one["size"] <= _READ


def _shown(one: Json, blobs: Blobs) -> str:
    try:
        mime, data, wide = _thumbnail(blobs.get, one["sha256"], one["mime"])
    except (AetherGraphError, OSError, ValueError) as error:
        return f'<div>{_label(one)} <span style="{SMALL}">{escape(clean(str(error))[:300])}</span></div>'
    return f'<div style="margin:6px 0">{_label(one)}{tag(mime, data, one["name"], wide)}</div>'


@lru_cache(64)  # the copy is made again every few seconds of a run
def _thumbnail(blob: Callable[[str], bytes], digest: str, mime: str) -> tuple[str, bytes, int]:
    data = blob(digest)
    if mime != SVG:
        return small(data, _SIDE, _WHOLE)
    if len(data) > _WHOLE:
        raise ValueError("too large for a saved copy")
    return SVG, data, _SIDE
