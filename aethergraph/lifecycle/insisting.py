"""Which calls say `_same=True`, so that their results hold whatever changed: read from the text of the code.

The facts do not tell: most who edit a tool write `_same=True` beside its call in the same moment.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec

from ..code import source


class Insisting(msgspec.Struct):
    """How often code mentions a tool: in all, in a call with `_same=True`, and in one with another `_same=`."""

    mentions: int = 0
    same: int = 0
    unclear: int = 0

    @property
    def always(self) -> bool:
        """Whether each call says it."""
        return self.same == self.mentions > 0

    @property
    def sometimes(self) -> bool:
        """Whether a call may say it."""
        return self.same + self.unclear > 0


def insisting(functions: Iterable[Any]) -> dict[str, Insisting]:
    """What the text of these functions says of the tools that they mention, by the name of the tool."""
    found: dict[str, Insisting] = defaultdict(Insisting)
    for function in functions:
        code = source.code_of(function)
        if code is None:
            continue
        resolve = source.lookup(function)
        for node in ast.walk(code.node):
            if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
                found[_name(node, resolve)].mentions += 1
            elif isinstance(node, ast.Call):
                _count(node, found[_name(node.func, resolve)])
    return found


def _count(call: ast.Call, told: Insisting) -> None:
    for keyword in call.keywords:
        if keyword.arg != "_same":
            continue
        if isinstance(keyword.value, ast.Constant):
            told.same += bool(keyword.value.value)
        else:
            told.unclear += 1


def _name(node: ast.expr, resolve: Any) -> str:
    """The name of the tool that a name or `module.name` stands for, as its nodes have it."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if not isinstance(node, ast.Name):
        return ""
    try:
        value = resolve(node.id)
    except LookupError:
        return node.id
    return str(getattr(value, "name", node.id))
