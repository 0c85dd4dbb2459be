"""What may be said in the brackets of a decorator: a wrong name or value is refused where it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..values.annotations import signature_of


def known(decorator: str, made: type, options: Mapping[str, Any]) -> None:
    """Raises TypeError: an option is none of `made`, the class of what `decorator` makes; names them all."""
    names: list[str] = []
    for one in made.__mro__:
        parameters = signature_of(one.__init__).parameters.values() if "__init__" in vars(one) else ()  # type: ignore[misc]
        names += [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in names]
    for name in options:
        if name not in names:
            from difflib import get_close_matches  # for a mistake alone

            near = get_close_matches(name, names, 1)
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


def yes_or_no(name: str, value: Any) -> None:
    """Raises TypeError: `value` is neither True nor False; names the option."""
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: it is True or False")


def exceptions(name: str, value: Any) -> None:
    """Raises TypeError: `value` is no class of exceptions, nor a tuple of such; names the option."""
    kinds = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise TypeError(f"{name}={value!r}: it is a class of exceptions, or a tuple of them, such as (OSError,)")


def names(option: str, value: Any) -> tuple[str, ...] | None:
    """One name, or several, as a tuple; None as it is.

    Raises:
        TypeError: something in it is no name; names the option.
    """
    if value is None:
        return None
    found = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (list, tuple, set)) else (value,)
    if not all(isinstance(name, str) for name in found):
        raise TypeError(f"{option}={value!r}: it is a list of names")
    return found
