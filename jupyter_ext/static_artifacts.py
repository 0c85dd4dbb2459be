"""What a run saved, in the copy that stays in the notebook: names, and the heads of the last tables and texts."""

from __future__ import annotations

from html import escape

from aethergraph.views.labels import line
from aethergraph.views.picture import Picture

from .patches import Json, artifact

NAMES, HEADS = 50, 6  # that are told at most
_SMALL = "color:#667078"
_PRE = "margin:2px 0 6px 14px;padding:0;background:#ffffff;color:#1f2328;white-space:pre-wrap;font-size:12px"
_CELL = "text-align:left;padding:0 10px 0 0;border:0;background:#ffffff;color:#1f2328"


def saved(picture: Picture) -> list[str]:
    """As HTML that holds nothing of a run but text."""
    told = [artifact(picture, one.scope, one.record) for one in picture.artifacts.values()]
    if not told:
        return []
    names = ", ".join(line(one["name"] or one["uri"])[:120] for one in told[:NAMES])
    more = f" and {len(told) - NAMES} more" if len(told) > NAMES else ""
    heads = [one for one in told if one["rows"] or one["head"]][-HEADS:]
    return [f'<div><span style="{_SMALL}">saved</span> {escape(names + more)}</div>', *map(_head, heads)]


def _head(one: Json) -> str:
    facts = " · ".join(filter(None, [one["kind"], *one["metrics"], *one["tags"]]))
    label = f'{escape(one["name"][:120])} <span style="{_SMALL}">{escape(facts)}</span>'
    inside = _table(one["rows"]) if one["rows"] else f'<pre style="{_PRE}">{escape(one["head"])}</pre>'
    return f"<details><summary>{label}</summary>{inside}</details>"


def _table(rows: list[list[str]]) -> str:
    body = "".join(f"<tr>{_cells(row, 'td' if number else 'th')}</tr>" for number, row in enumerate(rows))
    return f'<table style="margin:2px 0 6px 14px;font-size:12px">{body}</table>'


def _cells(row: list[str], tag: str) -> str:
    return "".join(f'<{tag} style="{_CELL}">{escape(cell)}</{tag}>' for cell in row)
