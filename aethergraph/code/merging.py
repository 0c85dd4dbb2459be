"""A stored definition with what this kernel's cells define put over it, name by name.

A function of a cell looks its names up in the notebook, where a helper that was not run yet is missing although the
store has it. So functions, classes, tools and agents of cells go in as source, beside what only the store has; plain
values go in as they are.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from . import source
from .definitions import Definition, Missing, bound_by
from .gathering import gather
from .parsing import parse

_FUTURE = "from __future__ import annotations"


def merged(stored: Definition, cells: Mapping[str, Any]) -> tuple[Definition, dict[str, Any]]:
    """The definition to go on with, and the values of names that are not source.

    `cells`: what the notebook's names stand for now; only names that the stored definition knows are taken.
    """
    statements = _statements(stored)
    known = set().union(*(names for names, _ in statements)) | {one.name for one in stored.missing}
    values = {name: cells[name] for name in known & cells.keys()}
    missing = {one.name: one for one in stored.missing}
    future = stored.source.startswith(_FUTURE)
    for name in sorted(name for name, value in values.items() if _has_source(value)):
        newer = gather(values[name])
        future = future or newer.source.startswith(_FUTURE)
        added = _statements(newer)
        given = set().union(*(names for names, _ in added))
        statements = [(names, text) for names, text in statements if not names or not names <= given] + added
        missing.update({one.name: one for one in newer.missing})
        values.update({one.name: cells[one.name] for one in newer.missing if one.name in cells})
    bound = set().union(*(names for names, _ in statements))
    text = "\n\n\n".join([*([_FUTURE] if future else []), *dict.fromkeys(text for _, text in statements)]) + "\n"
    plain = {name: value for name, value in values.items() if not _has_source(value)}
    left: list[Missing] = [one for name, one in sorted(missing.items()) if name not in bound]
    return Definition(text, stored.name, left), plain


def _statements(definition: Definition) -> list[tuple[set[str], str]]:
    """The statements of a definition, in order, with the names that they give."""
    found = []
    for statement in parse(definition.source).body:
        text = ast.get_source_segment(definition.source, statement) or ast.unparse(statement)
        decorators = getattr(statement, "decorator_list", [])
        if decorators:  # a definition's own segment begins after them
            lines = definition.source.splitlines()
            text = "\n".join(lines[decorators[0].lineno - 1 : statement.end_lineno])
        if text != _FUTURE:
            found.append((bound_by(statement), text))
    return found


def _has_source(value: Any) -> bool:
    """Whether `value` is a function, class, tool or agent of the user's, whose text is known."""
    thing = source.unwrap(value)
    return callable(value) and source.is_users(thing) and source.code_of(thing) is not None
