"""What may be said in the brackets of a decorator: a wrong name or value is refused where it stands."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Mapping
from typing import Any


def known(decorator: str, made: type, options: Mapping[str, Any]) -> None:
    """Raises TypeError: an option is none of `made`, the class of what `decorator` makes; names them all."""
    names: list[str] = []
    for one in made.__mro__:
        parameters = inspect.signature(one.__init__).parameters.values() if "__init__" in vars(one) else ()  # type: ignore[misc]
        names += [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in names]
    for name in options:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise TypeError(f"@{decorator} has no option {name!r}; {hint}It has: {', '.join(names)}")


def number(name: str, value: Any, *, least: float = 0.0, whole: bool = False, above: bool = False) -> None:
    """Check that `value` is a number from `least` on (`above`: beyond it), or None.

    Raises:
        ValueError: it is not; names the option.
    """
    if value is None:
        return
    fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool) and not math.isnan(value)
    if not fits or value < least or (above and value == least):
        kind = "whole number" if whole else "number"
        raise ValueError(f"{name}={value!r}: it is a {kind} {'above' if above else 'from'} {least:g}")
