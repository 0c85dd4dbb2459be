"""Arguments of services, looked at where the call is: what is wrong is told with method, node and what was given."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from typing import Any

from ..engine import Desk


def wrong(desk: Desk, method: str, name: str, what: str, value: Any) -> TypeError:
    """The error of an argument of a wrong type."""
    shown = f"{value!r:.80} ({type(value).__name__})"
    return TypeError(
        f"context.{method}(): {name} is {what}, got {shown}, in {desk.node_id or desk.graph_id} of run {desk.run_id}"
    )


def text(desk: Desk, method: str, name: str, value: Any) -> str:
    """`value`, which is a text. Raises TypeError otherwise."""
    if not isinstance(value, str):
        raise wrong(desk, method, name, "a text", value)
    return value


def is_a_text(value: Any, what: str) -> str:
    """`value`, which is a text, where nobody knows for which call. Raises TypeError otherwise."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is a text, got {value!r:.80} ({type(value).__name__})")
    return value


def number(desk: Desk, method: str, name: str, value: Any, what: str = "a number") -> int | float:
    """`value` as an int or a float. Raises TypeError where it is no number."""
    plain = as_number(value)
    if plain is None:
        raise wrong(desk, method, name, what, value)
    return plain


def texts(desk: Desk, method: str, name: str, value: Any) -> list[str]:
    """`value` as a list of texts; a generator is gone through. Raises TypeError where it is no such thing."""
    what = "a list of texts"
    if isinstance(value, (str, bytes, Mapping, set, frozenset)) or not isinstance(value, Iterable):
        raise wrong(desk, method, name, what, value)  # a set has no order that a replay would find again
    found = list(value)
    if not all(isinstance(one, str) for one in found):
        raise wrong(desk, method, name, what, found)
    return found


def mapping(desk: Desk, method: str, name: str, value: Any) -> Mapping[str, Any]:
    """`value`, which is a dict or the like. Raises TypeError otherwise."""
    if not isinstance(value, Mapping):
        raise wrong(desk, method, name, "a dict", value)
    return value


def as_number(value: Any) -> int | float | None:
    """A number of Python or numpy as one of Python; None where it is none. A bool, a fraction and a text are none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        return float(value)
    return None
