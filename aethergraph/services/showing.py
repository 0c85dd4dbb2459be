"""How artifacts show themselves: the head of a table or of a text. Whatever they hold is text, never markup."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

ROWS, COLUMNS = 6, 12  # of the head of a table, with the row of names
CELL = 60  # characters
HEAD = 500  # characters of text in a preview
TABLES = ("text/csv", "text/tab-separated-values", "application/vnd.apache.parquet")

_TEXT = "white-space:pre-wrap;margin:0;max-height:12em;overflow:auto"
_SMALL = "opacity:.7;font-size:90%"


def html(name: str, facts: Sequence[str], mime: str, preview: str) -> str:
    """A line that tells what it is, over its head."""
    told = f"<div><b>{_safe(name)}</b> <span style='{_SMALL}'>{_safe(' · '.join(facts))}</span></div>"
    rows = table(preview, mime)
    if rows:
        return told + _table(rows)
    return told + (f"<pre style='{_TEXT}'>{_safe(preview)}</pre>" if preview else "")


def table(preview: str, mime: str) -> list[list[str]]:
    """The rows of the head of a table, that of the names first; none where it is no table."""
    if mime not in TABLES or not preview:
        return []
    lines = csv.reader(io.StringIO(preview), delimiter="\t" if "tab" in mime else ",")
    try:
        return [[cell[:CELL] for cell in row[:COLUMNS]] for row in lines if row][:ROWS]
    except csv.Error:  # it only calls itself a table
        return []


def head_of_table(names: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """The preview of a table: its first rows as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in [list(names), *map(list, rows)][:ROWS]:
        writer.writerow([str(cell)[:CELL] for cell in row[:COLUMNS]])
    return text.getvalue()


def head_of_text(text: str, mime: str) -> str:
    """The beginning of a text; of a table whole lines."""
    head = text[:HEAD]
    if mime in TABLES and len(text) > HEAD and "\n" in head:
        return head.rpartition("\n")[0]
    return head


def _table(rows: list[list[str]]) -> str:
    first = "".join(f"<th style='text-align:left'>{_safe(cell)}</th>" for cell in rows[0])
    others = ("".join(f"<td style='text-align:left'>{_safe(cell)}</td>" for cell in row) for row in rows[1:])
    return (
        f"<table><thead><tr>{first}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in others)}</tbody></table>"
    )


def _safe(text: str) -> str:
    from html import escape  # slow to load, and seldom needed by a run

    return escape(text.encode("utf-8", "replace").decode())
