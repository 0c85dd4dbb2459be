"""What can be plotted, from whatever library it comes: numbers, arrays, tables. Wrong ones are refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

VECTOR = 100_000  # numbers of one vector
MATRIX = 1_000_000  # cells of one matrix
ROWS, COLUMNS = 1_000, 100  # of the head of a table that is kept
CELL = 500  # characters of one cell


def number(value: Any, where: str, what: str) -> float:
    """A Python or numpy number, a 0-d array or a tensor of one element, as a float.

    Raises:
        TypeError: it is none; `where` and `what` say which argument of which call.
    """
    if type(value) is float or type(value) is int:
        return _float(value, where, what)
    if isinstance(value, (str, bytes, complex)) or value is None:
        raise TypeError(f"{where}: {what} is a number, got {_told(value)}")
    shape = getattr(value, "shape", None)
    if isinstance(shape, Sequence) and math.prod(shape) != 1:  # torch.Size is a tuple, too
        raise TypeError(
            f"{where}: {what} is one number, got {type(value).__name__} of shape {tuple(shape)}: plot a number made "
            "of it, as its mean, or all of it with `vector` or `matrix`"
        )
    item = getattr(value, "item", None)
    if callable(item):
        value = item()
        if isinstance(value, (str, bytes, complex)) or value is None:
            raise TypeError(f"{where}: {what} is a number, got an array of {_told(value)}")
    if not hasattr(value, "__float__") and not hasattr(value, "__index__"):
        raise TypeError(f"{where}: {what} is a number, got {_told(value)}")
    return _float(value, where, what)


def _float(value: Any, where: str, what: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{where}: {what} is too large for a plot: an int of {value.bit_length()} bits") from None
    except TypeError as error:
        raise TypeError(f"{where}: {what} is a number, got {_told(value)} ({error})") from error


def vector(values: Any, where: str) -> Array:
    """A one-dimensional array of numbers.

    Raises:
        TypeError: it is none.
        ValueError: it is empty or too long.
    """
    array = _array(values, where, 1)
    if array.size > VECTOR:
        raise ValueError(
            f"{where}: {array.size:,} numbers, and a plot takes at most {VECTOR:,}: plot every so-many-th "
            f"(`values[::{-(-array.size // VECTOR)}]`), or keep all with `context.artifacts().save_object(values)`"
        )
    return array


def matrix(values: Any, where: str) -> Array:
    """A two-dimensional array of numbers.

    Raises:
        TypeError: it is none.
        ValueError: it is empty or too large.
    """
    array = _array(values, where, 2)
    if array.size > MATRIX:
        by = math.ceil(math.sqrt(array.size / MATRIX))
        raise ValueError(
            f"{where}: {array.shape[0]:,} x {array.shape[1]:,} cells, and a plot takes at most {MATRIX:,}: plot a "
            f"coarser one (`values[::{by}, ::{by}]`), or keep all with `context.artifacts().save_object(values)`"
        )
    return array


def _array(values: Any, where: str, dimensions: int) -> Array:
    import numpy as np

    shape = "a list of numbers" if dimensions == 1 else "rows of numbers, all of one length"
    given = values
    for step in ("detach", "cpu", "resolve_conj"):  # of a tensor: off the graph, off the device
        if callable(method := getattr(values, step, None)):
            values = method()
    if "bfloat16" in str(getattr(values, "dtype", "")) and hasattr(values, "float"):
        values = values.float()  # numpy has no such type
    if isinstance(values, (str, bytes, Mapping, set, frozenset)) or values is None:
        raise TypeError(f"{where}: values are {shape}, got {_told(given)}")
    if hasattr(values, "mask") and hasattr(values, "filled"):  # what is masked is a gap
        values = values.astype(float).filled(math.nan)
    if not hasattr(values, "__array__") and not isinstance(values, Sequence):
        values = list(values) if hasattr(values, "__iter__") else values
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O":  # None is a gap
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{where}: values are {shape}, got {_told(given)} ({error})") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{where}: values are {shape}, got an array of {array.dtype}")
    if array.ndim != dimensions:
        raise TypeError(f"{where}: values are {shape}, got an array of shape {array.shape}")
    if not array.size:
        raise ValueError(f"{where}: there is nothing in it: its shape is {array.shape}")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    elif array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    return array


def table(data: Any, where: str) -> tuple[list[str], list[list[Any]], int, int]:
    """The head of a data frame (pandas, polars), a dict of columns or a list of dicts.

    Returns:
        Names of the columns, rows, and how many rows and columns the whole has.

    Raises:
        TypeError: it is none of these.
        ValueError: its columns have several lengths.
    """
    names, rows, total = _table(data, where)
    cells = [[_cell(value) for value in islice(row, COLUMNS)] for row in islice(rows, ROWS)]
    return [str(name)[:CELL] for name in names[:COLUMNS]], cells, total, len(names)


def _table(data: Any, where: str) -> tuple[list[Any], Any, int]:
    if hasattr(data, "iloc") and hasattr(data, "columns"):  # pandas
        head = data.iloc[:ROWS]
        named = type(data.index).__name__ != "RangeIndex" or data.index.name is not None
        if named:
            head = head.reset_index()
        return list(head.columns), head.itertuples(index=False, name=None), len(data)
    if hasattr(data, "iter_rows") and hasattr(data, "columns"):  # polars
        return list(data.columns), data.head(ROWS).iter_rows(), len(data)
    if isinstance(data, Mapping):
        columns = [list(column) if _listed(column) else None for column in data.values()]
        if not columns or any(column is None for column in columns):
            raise TypeError(f"{where}: a dict is a table if each value is a list, a column of it")
        lengths = {len(column or ()) for column in columns}
        if len(lengths) != 1:
            raise ValueError(f"{where}: the columns have several lengths: {sorted(lengths)}")
        return list(data), zip(*columns, strict=True), lengths.pop()
    if isinstance(data, Sequence) and data and all(isinstance(row, Mapping) for row in data):
        names = list(dict.fromkeys(name for row in data for name in row))
        return names, ([row.get(name) for name in names] for row in data), len(data)
    raise TypeError(
        f"{where}: a table is a data frame, a dict of columns or a list of dicts (a row each), got {_told(data)}"
    )


def _listed(column: Any) -> bool:
    return hasattr(column, "__iter__") and not isinstance(column, (str, bytes, Mapping))


def _cell(value: Any) -> Any:
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):  # numpy's
        value = value.item()
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 64:
        return value
    text = str(value)
    return (text if len(text) <= CELL else text[: CELL - 1] + "…").encode("utf-8", "replace").decode()


def _told(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
