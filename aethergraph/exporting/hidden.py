"""What code reaches without naming it: `eval`, `globals()`, `locals()`, frames, the shell, attributes set afterwards.

A module holds what the text of an agent names. What is reached in another way would be missing there, or, worse, be
something else; so it is refused, or its body stays as it is where that is enough.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator, Mapping
from typing import Any

from ..code import source
from ..errors import ExportError
from ..record.scopes import free
from .bindings import Unliftable

_OF_THE_NOTEBOOK = {
    "eval": "can read any name of the notebook; give it those that it may read, `eval(text, {...})`",
    "exec": "can read and bind any name of the notebook; give it a dict of its own, `exec(text, {...})`",
    "globals": "is all of the notebook here and would be the module there; name what is meant",
    "get_ipython": "is there in a notebook only; let what is wanted of it be an input",
}
_OF_THE_BODY = ("locals", "vars", "dir")  # without an argument: the variables around the call
_FRAMES = ("_getframe", "currentframe")


def refuse(code: source.Code, tree: ast.AST, names: Mapping[str, Any], thing: Any) -> None:
    """Refuse a definition that uses more of its notebook than it names.

    Args:
        tree: the text of `code`, parsed; its first line is 1.
        names: the globals that it sees; thing: what it defines.

    Raises:
        ExportError: names the line.
    """
    for call, name in _calls(tree, names):
        given = len(call.args) + len(call.keywords)
        if name in _OF_THE_NOTEBOOK and (name not in ("eval", "exec") or given < 2):
            what = f"`{name}` {_OF_THE_NOTEBOOK[name]}"
            raise ExportError(what, where=f"{code.file}:{code.line + call.lineno - 1}")
    if isinstance(thing, types.FunctionType) and not getattr(code.node, "decorator_list", []):
        for name in sorted(vars(thing)):
            what = f"`{thing.__name__}.{name}` was set after `def {thing.__name__}`, and a module has the `def` only"
            raise ExportError(f"{what}; make it a constant or an argument", where=f"{code.file}:{code.line}")


def refuse_moves(tree: ast.AST, names: Mapping[str, Any]) -> None:
    """Raises Unliftable: the body reads its own variables as a whole, and steps taken apart have others."""
    for call, name in _calls(tree, names):
        if name in _OF_THE_BODY and not call.args:
            raise Unliftable(f"`{name}()` is all variables of the body", call)
    for each in ast.walk(tree):
        if isinstance(each, ast.Attribute) and each.attr in _FRAMES:
            raise Unliftable(f"`{each.attr}` is the frame of the body", each)


def _calls(tree: ast.AST, names: Mapping[str, Any]) -> Iterator[tuple[ast.Call, str]]:
    """Calls of built-in functions by their own names."""
    built_in = {name for name in free(tree)[0] if name == "get_ipython" or name not in names}
    for each in ast.walk(tree):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in built_in:
            yield each, each.func.id
