"""Tables of pandas, polars and the like, by what they can do: none of these packages is imported here."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any

from . import showing

PARQUET, CSV = ".parquet", ".csv"
_WRITERS = {PARQUET: ("to_parquet", "write_parquet"), CSV: ("to_csv", "write_csv")}
_ENGINES = ("pyarrow", "fastparquet")  # what pandas writes Parquet with


def named(df: Any, name: str) -> str:
    """`name` with the ending of how `df` is written.

    Raises:
        TypeError: it is no table that writes itself.
        ValueError: the ending of `name` is another.
    """
    can = [ending for ending in _WRITERS if _writer(df, ending) is not None]
    if not can:
        raise TypeError(
            f"save_dataframe takes a table with to_parquet or to_csv (pandas, polars), got {type(df).__name__}; "
            "save_object takes any value"
        )
    given = PurePath(name).suffix.lower()
    if given in _WRITERS:
        if given not in can:
            raise TypeError(f"a {type(df).__name__} cannot write {given}: name it with {' or '.join(can)}")
        return name
    if given and given[1:].isalpha():
        raise ValueError(f"save_dataframe writes .parquet and .csv, not {given!r} as in {name!r}")
    return name + (PARQUET if PARQUET in can and _has_engine(df) else can[-1])


def write(df: Any, path: Path) -> None:
    """Write the table, as the ending of `path` says."""
    writer = _writer(df, path.suffix.lower())
    if writer is None:  # `named` has chosen the ending
        raise TypeError(f"a {type(df).__name__} cannot write {path.suffix}")
    if path.suffix.lower() == CSV and _is_pandas(df):
        writer(path, index=not _only_counts(df.index))
    else:
        writer(path)


def head(df: Any) -> str:
    """Its first rows as CSV; "" where it does not tell them."""
    if not hasattr(df, "head") or not hasattr(df, "columns"):
        return ""
    first = df.head(showing.ROWS - 1)
    if hasattr(first, "collect"):  # a lazy table, of polars or dask
        return ""
    names = [str(name) for name in first.columns]
    if hasattr(first, "itertuples"):
        kept = not _only_counts(first.index)
        return showing.head_of_table(["", *names] if kept else names, first.itertuples(index=kept, name=None))
    return showing.head_of_table(names, first.iter_rows()) if hasattr(first, "iter_rows") else ""


def rows(df: Any) -> int | None:
    """How many rows it has, where it knows without computing them."""
    shape = getattr(df, "shape", None)
    known = shape[0] if isinstance(shape, tuple) and shape else None
    return known if isinstance(known, int) else None  # of dask it is to be computed


def _writer(df: Any, ending: str) -> Any:
    if isinstance(df, type):
        return None
    found = (getattr(df, name, None) for name in _WRITERS.get(ending, ()))
    return next((writer for writer in found if callable(writer)), None)


def _has_engine(df: Any) -> bool:
    return not _is_pandas(df) or any(find_spec(name) is not None for name in _ENGINES)


def _is_pandas(df: Any) -> bool:
    return type(df).__module__.partition(".")[0] == "pandas"


def _only_counts(index: Any) -> bool:
    return type(index).__name__ == "RangeIndex" and getattr(index, "name", None) is None
