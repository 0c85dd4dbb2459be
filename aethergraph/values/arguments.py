"""Arguments that are plainly of the wrong type are refused at the call, with the name of the parameter."""

from __future__ import annotations

import inspect
from typing import Any

# Only builtin values are judged: a numpy number, a handle or a value of the user's own class is let through.
_FITS: dict[type, tuple[type, ...]] = {
    int: (int,),
    float: (float, int),
    str: (str,),
    bool: (bool, int),
    list: (list, tuple, set, frozenset, range),
    dict: (dict,),
}
_JUDGED = (int, float, str, bool, list, dict, tuple, set, bytes, type(None))
_NAMES = {kind.__name__: kind for kind in _FITS}


class Check:
    """The check of one annotated parameter."""

    __slots__ = ("fits", "name", "position", "wanted")

    def __init__(self, name: str, position: int | None, wanted: type) -> None:
        self.name, self.position, self.wanted = name, position, wanted
        self.fits = _FITS[wanted]

    def __call__(self, callee: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raises TypeError: the argument is a builtin value of another type."""
        if self.position is not None and self.position < len(args):
            value = args[self.position]
        elif self.name in kwargs:
            value = kwargs[self.name]
        else:
            return
        kind = type(value)
        if kind not in _JUDGED or kind in self.fits:
            return
        raise TypeError(f"{callee}({self.name}=...) takes {self.wanted.__name__}, got {kind.__name__}: {value!r:.80}")


def checks(signature: inspect.Signature) -> list[Check]:
    """The checks that the annotations of `signature` allow: of builtin scalars, lists and dicts."""
    found = []
    for position, (name, parameter) in enumerate(signature.parameters.items()):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        annotation = parameter.annotation
        wanted = _NAMES.get(annotation) if isinstance(annotation, str) else annotation
        if not isinstance(wanted, type) or wanted not in _FITS:
            continue
        if parameter.default is None:
            continue  # `x: int = None` means that None is fine
        by_position = parameter.kind is not parameter.KEYWORD_ONLY
        found.append(Check(name, position if by_position else None, wanted))
    return found
