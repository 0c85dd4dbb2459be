"""Values as Python source: what a definition can carry of the constants that its functions use."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
import re
import uuid
from typing import Any

LIMIT = 200_000  # characters; a longer constant is data, not source

_BY_REPR = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)
_BY_CALL: dict[type, Any] = {
    decimal.Decimal: decimal.Decimal,
    uuid.UUID: uuid.UUID,
    type(pathlib.Path()): pathlib.Path,
    pathlib.PurePosixPath: pathlib.PurePosixPath,
    pathlib.PureWindowsPath: pathlib.PureWindowsPath,
}


class NoLiteral(ValueError):
    """The value cannot be written as source; says why."""


def literal(value: Any) -> tuple[str, dict[str, Any]]:
    """Source that gives a value equal to `value`, and the names that it uses, with what they have to be.

    Names begin with `_` where they are not the user's own, so that they never meet one of those.

    >>> literal((1, {"a": [2.5, None]}))
    ("(1, {'a': [2.5, None]})", {})

    Raises:
        NoLiteral: it is a computed object (a frame, a model, an open file), refers to itself, or is too long.
    """
    needs: dict[str, Any] = {}
    try:
        text = _text(value, needs)
    except RecursionError:
        raise NoLiteral("it refers to itself, or is nested too deeply") from None
    if len(text) > LIMIT:
        raise NoLiteral(f"a constant of {len(text):,} characters is data rather than source")
    return text, needs


def _text(value: Any, needs: dict[str, Any]) -> str:
    kind = type(value)
    if value is None or value is Ellipsis or kind in (bool, int, str, bytes, bytearray, range):
        return repr(value)
    if kind in (float, complex):
        return _number(value)
    if kind in (list, tuple, set, frozenset):
        return _collection(kind, value, needs)
    if kind is dict:
        return "{" + ", ".join(f"{_text(k, needs)}: {_text(v, needs)}" for k, v in value.items()) + "}"
    return _object(kind, value, needs)


def _number(value: Any) -> str:
    if isinstance(value, complex):
        return f"complex({_number(value.real)}, {_number(value.imag)})"
    if math.isfinite(value):
        return repr(value)
    sign = "-" if math.copysign(1, value) < 0 else ""
    return f"{sign}float({str(abs(value))!r})"


def _collection(kind: type, value: Any, needs: dict[str, Any]) -> str:
    items = [_text(item, needs) for item in value]
    if kind is list:
        return f"[{', '.join(items)}]"
    if kind is tuple:
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    inner = ", ".join(sorted(items))  # the order of a set is another in each process
    if kind is set:
        return f"{{{inner}}}" if items else "set()"
    return f"frozenset({{{inner}}})" if items else "frozenset()"


def _object(kind: type, value: Any, needs: dict[str, Any]) -> str:
    if kind in _BY_REPR and getattr(value, "tzinfo", None) in (None, datetime.UTC):
        needs["_datetime"] = datetime
        return repr(value).replace("datetime.", "_datetime.")
    if kind in _BY_CALL:
        maker = _BY_CALL[kind]
        needs[f"_{maker.__name__}"] = maker
        return f"_{maker.__name__}({str(value)!r})"
    if kind is re.Pattern:
        needs["_re"] = re
        return f"_re.compile({value.pattern!r}, {value.flags})"
    if isinstance(value, enum.Enum) and value.name in kind.__members__:  # type: ignore[attr-defined]
        return f"{_class(kind, needs)}[{value.name!r}]"
    if dataclasses.is_dataclass(kind) and _is_its_fields(kind, value):
        fields = [f"{f.name}={_text(getattr(value, f.name), needs)}" for f in dataclasses.fields(kind)]
        return f"{_class(kind, needs)}({', '.join(fields)})"
    raise NoLiteral(f"a {kind.__qualname__} is a computed object, which source cannot carry")


def _class(kind: type, needs: dict[str, Any]) -> str:
    if "." in kind.__qualname__ or needs.get(kind.__name__, kind) is not kind:
        raise NoLiteral(f"its class {kind.__qualname__} is not at the top of a cell")
    needs[kind.__name__] = kind
    name: str = kind.__name__
    return name


def _is_its_fields(kind: Any, value: Any) -> bool:
    fields = dataclasses.fields(kind)
    names = {field.name for field in fields}
    return bool(
        all(field.init for field in fields)
        and not hasattr(kind, "__post_init__")
        and set(getattr(value, "__dict__", names)) <= names
    )
