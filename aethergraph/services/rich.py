"""Markdown, tables and JSON that are sent, as plain data. No store in here."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from . import content as contents
from .scope import clean

RICH = 200_000  # characters of the longest text, JSON or table
ROWS, COLUMNS = 200, 50  # of a table; what is beyond is told by its number

Json = Any


def data(given: Any) -> dict[str, Json]:
    """`given` as plain data: its kind ("markdown", "table" or "json") with the text, or what `table` gives.

    A text is markdown. A data frame, or a list of dicts, is a table. `{"markdown": ...}`, `{"table": ...}` and
    `{"json": ...}` say which, as does `{"kind": "table", "payload": ...}`. All else is JSON.

    Raises:
        TypeError: it has no form in JSON.
        ValueError: it is too long; send a file.
    """
    kind, value = _kind_of(given)
    if kind == "table":
        found = table(value)
    elif kind == "markdown":
        if not isinstance(value, str):
            raise TypeError(f"send_rich: markdown is a text, got {type(value).__name__}")
        found = {"kind": "markdown", "text": clean(value)}
    else:
        found = {"kind": "json", "text": _json(value)}
    length = len(found["text"]) if "text" in found else sum(len(cell) for row in found["rows"] for cell in row)
    if length > RICH:
        raise ValueError(f"send_rich takes up to {RICH:,} characters, got {length:,}: send_file can take it")
    return found


def _kind_of(given: Any) -> tuple[str, Any]:
    if isinstance(given, str):
        return "markdown", given
    if _is_frame(given) or _is_records(given):
        return "table", given
    if isinstance(given, Mapping):
        if len(given) == 1 and (only := next(iter(given))) in ("markdown", "table", "json"):
            return only, given[only]
        kind = given.get("kind", given.get("type"))
        payload = [name for name in ("payload", "data", "value", "text", kind) if name in given]
        if kind in ("markdown", "table", "json") and payload:
            return kind, given[payload[0]]
    return "json", given


def _is_frame(given: Any) -> bool:
    return hasattr(given, "columns") and (hasattr(given, "itertuples") or hasattr(given, "iter_rows"))


def _is_records(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and all(isinstance(row, Mapping) for row in given)


def _json(value: Any) -> str:
    try:
        return clean(contents.to_json(value))
    except (TypeError, ValueError) as error:  # ValueError: it contains itself
        raise TypeError(f"send_rich: this has no form in JSON ({error})") from None


def table(given: Any) -> dict[str, Json]:
    """A data frame, a list of dicts or of rows, `{"columns", "rows"}`, or lists by column, as texts in rows.

    more: how many rows and columns are left out. numeric: which columns are numbers.
    """
    columns, rows, count = _rows_of(given)
    kept = [list(islice(row, COLUMNS)) for row in islice(rows, ROWS)]
    wide = max([len(columns), *map(len, kept)])
    names = [clean(str(name)) for name in columns[:COLUMNS]]
    names += [""] * (min(wide, COLUMNS) - len(names))
    numeric = [
        any(_is_number(row[i]) for row in kept if i < len(row))
        and all(_is_number(row[i]) or row[i] is None for row in kept if i < len(row))
        for i in range(len(names))
    ]
    cells = [[_cell(row[i]) if i < len(row) else "" for i in range(len(names))] for row in kept]
    more = [max(0, count - len(kept)), max(0, len(columns) - COLUMNS)]
    return {"kind": "table", "columns": names, "rows": cells, "numeric": numeric, "more": more}


def _rows_of(given: Any) -> tuple[list[Any], Iterable[Iterable[Any]], int]:
    if _is_frame(given):
        columns = list(given.columns)
        if hasattr(given, "iter_rows"):  # polars
            return columns, given.iter_rows(), len(given)
        if type(given.index).__name__ == "RangeIndex":
            return columns, given.itertuples(index=False, name=None), len(given)
        return [given.index.name or "", *columns], given.itertuples(name=None), len(given)
    if isinstance(given, Mapping) and "rows" in given:
        rows = list(given["rows"])
        return list(given.get("columns", ())), _sequences(rows), len(rows)
    if isinstance(given, Mapping):
        lists = [list(column) if _is_sequence(column) else [column] for column in given.values()]
        count = max(map(len, lists), default=0)
        return list(given), ([column[i] if i < len(column) else None for column in lists] for i in range(count)), count
    if _is_records(given):
        names = list(dict.fromkeys(name for row in given for name in row))
        return names, ([row.get(name) for name in names] for row in given), len(given)
    if _is_sequence(given):
        return [], _sequences(given), len(given)
    raise TypeError(
        f"send_rich: a table is a data frame, a list of rows or dicts, or a dict, got {type(given).__name__}"
    )


def _is_sequence(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, (str, bytes)) or hasattr(given, "tolist")


def _sequences(rows: Iterable[Any]) -> Iterable[Iterable[Any]]:
    return (list(row) if _is_sequence(row) else [row] for row in rows)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, numbers.Real) and not isinstance(value, (int, numbers.Rational)):
        return "" if math.isnan(value) else f"{float(value):.6g}"
    if isinstance(value, (Mapping, list)):
        return clean(json.dumps(value, ensure_ascii=False, default=str))
    return clean(str(value))
