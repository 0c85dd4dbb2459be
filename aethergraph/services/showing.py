"""How artifacts show themselves: the head of a table or of a text. Whatever they hold is text, never markup."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import zip_longest

ROWS, COLUMNS = 6, 12  # of the head of a table, with the row of names
CELL = 60  # characters
HEAD = 500  # characters of text in a preview
SEPARATED = ("text/csv", "text/tab-separated-values")
TABLES = (*SEPARATED, "application/vnd.apache.parquet")

_TEXT = "white-space:pre-wrap;margin:0;max-height:12em;overflow:auto"
_SMALL = "opacity:.7;font-size:90%"


def html(name: str, facts: Sequence[str], mime: str, preview: str, more: str = "") -> str:
    """A line that tells what it is, over its head. more: what of a table is not in the head."""
    told = f"<div><b>{_safe(name)}</b> <span style='{_SMALL}'>{_safe(' · '.join(facts))}</span></div>"
    rows = table(preview, mime)
    if rows:
        return told + _table(rows) + (f"<div style='{_SMALL}'>{_safe(more)}</div>" if more else "")
    return told + (f"<pre style='{_TEXT}'>{_safe(preview)}</pre>" if preview else "")


def table(preview: str, mime: str) -> list[list[str]]:
    """The rows of the head of a table, that of the names first; none where it is no table."""
    if mime not in TABLES or not preview:
        return []
    try:
        return [[cell[:CELL] for cell in row[:COLUMNS]] for row in _read(io.StringIO(preview), mime)][:ROWS]
    except csv.Error:  # it only calls itself a table
        return []


def count(lines: Iterable[str], mime: str) -> int | None:
    """How many rows a table has below its names; None where it only calls itself one."""
    try:
        return max(0, sum(1 for _ in _read(lines, mime)) - 1)
    except csv.Error:
        return None


def left_out(preview: str, mime: str, size: int, rows: int | None) -> str:
    """What of a table of `rows` rows is not in its head: `8 more rows`; "" where all is, or nothing is known.

    size: of the whole in bytes, which tells that there is more where the rows were not counted.
    """
    shown = len(table(preview, mime)) - 1
    if shown < 0:
        return ""
    if rows is None:
        cut = mime in SEPARATED and size > len(preview.encode("utf-8", "surrogatepass"))
        return "more rows" if cut else ""
    left = rows - shown
    return f"{left:,} more row{'' if left == 1 else 's'}" if left > 0 else ""


def numeric(rows: Sequence[Sequence[str]]) -> list[bool]:
    """Which columns of a head hold numbers and nothing else."""
    width = len(rows[0]) if rows else 0
    columns = [[row[i] for row in rows[1:] if i < len(row) and row[i]] for i in range(width)]
    return [bool(column) and all(map(_is_number, column)) for column in columns]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read(lines: Iterable[str], mime: str) -> Iterable[list[str]]:
    return filter(None, csv.reader(lines, delimiter="\t" if "tab" in mime else ","))


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
    sides = ["right" if number else "left" for number in numeric(rows)]

    def cells(row: list[str], tag: str) -> str:
        placed = zip_longest(row, sides[: len(row)], fillvalue="left")
        return "".join(f"<{tag} style='text-align:{side}'>{_safe(cell)}</{tag}>" for cell, side in placed)

    first = cells(rows[0], "th")
    others = (cells(row, "td") for row in rows[1:])
    return (
        f"<table><thead><tr>{first}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in others)}</tbody></table>"
    )


def _safe(text: str) -> str:
    from html import escape  # slow to load, and seldom needed by a run

    return escape(text.encode("utf-8", "replace").decode())
