"""Annotations as they were written, also where they name what is not there.

From Python 3.14 on an annotation is evaluated when somebody asks for it and not where it stands, so that asking may
raise: for a name that is imported for type checkers alone, or that a later cell defines. Such a one is given as a
text here, as if it stood in quotes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

if sys.version_info >= (3, 14):
    from annotationlib import Format, ForwardRef, get_annotations

    def signature_of(function: Callable[..., Any]) -> inspect.Signature:
        """The signature of a function. Raises ValueError, TypeError: it has none."""
        found = inspect.signature(function, annotation_format=Format.FORWARDREF)
        parameters = [p.replace(annotation=_as_text(p.annotation)) for p in found.parameters.values()]
        return found.replace(parameters=parameters, return_annotation=_as_text(found.return_annotation))

    def annotations_of(thing: Any) -> dict[str, Any]:
        """What `thing`, a function, an object that stands for one or a class, annotates itself; {} for nothing."""
        try:
            found = get_annotations(thing, format=Format.FORWARDREF)
        except TypeError:  # it cannot have any
            return {}
        return {name: _as_text(one) for name, one in found.items()}

    def _as_text(annotation: Any) -> Any:
        return annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else annotation

else:

    def signature_of(function: Callable[..., Any]) -> inspect.Signature:
        """The signature of a function. Raises ValueError, TypeError: it has none."""
        return inspect.signature(function)

    def annotations_of(thing: Any) -> dict[str, Any]:
        """What `thing`, a function, an object that stands for one or a class, annotates itself; {} for nothing."""
        if isinstance(thing, type):
            return inspect.get_annotations(thing)
        return dict(getattr(thing, "__annotations__", None) or {})
