"""What is calculated from constants alone, and so is known when a graph is built."""

from __future__ import annotations

import ast
import builtins
import types
from typing import Any

from ..values.literals import NoLiteral, literal
from .bindings import Known
from .draft import Draft
from .reading import loads

_CALCULATE = (
    "abs all any bin bool bytes chr dict divmod enumerate float format frozenset hex int isinstance len list max min "
    "oct ord pow range repr reversed round set slice sorted str sum tuple zip"
)
CALCULATE = frozenset(_CALCULATE.split())  # builtins that do nothing else


def is_calculated(draft: Draft, node: ast.expr) -> bool:
    """Whether an expression is calculated from constants alone, when the graph is built."""
    for each in ast.walk(node):
        match each:
            case ast.Call(func=ast.Name(id=name)) if name in CALCULATE and name not in draft.locals:
                if draft.names.get(name, getattr(builtins, name)) is not getattr(builtins, name):
                    return False
            case ast.Call() | ast.Await() | ast.NamedExpr() | ast.Lambda() | ast.Yield() | ast.YieldFrom():
                return False
            case ast.Attribute(value=ast.Name(id=name)) if name not in draft.env:
                if not is_constant(getattr(draft.names.get(name), each.attr, each)):
                    return False
    for name in loads(node):
        if name in draft.moving:
            return False
        if name in draft.env or name in draft.locals:
            if not isinstance(draft.env.get(name), Known):
                return False
        elif name not in vars(builtins) and not _is_fixed(draft.names.get(name, node)):
            return False
    draft.uses |= loads(node) - draft.locals
    return True


def _is_fixed(value: Any) -> bool:
    """A module, of which only constants are read, or a constant."""
    return isinstance(value, types.ModuleType) or is_constant(value)


def is_constant(value: Any) -> bool:
    try:
        literal(value)
    except NoLiteral:
        return False
    return True


def known_text(draft: Draft, node: ast.expr) -> str:
    """The text of an expression that `is_calculated`, with the names that the graph has for the agent's."""
    changed: dict[ast.AST, str] = {}
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(held := draft.env.get(each.id), Known) and held.text != each.id:
            changed[each] = held.text if held.text.isidentifier() or each is node else f"({held.text})"
    return draft.words.changed(node, changed)
