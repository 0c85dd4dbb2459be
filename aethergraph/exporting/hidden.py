"""What code reaches without naming it: `eval`, `globals()`, `locals()`, frames, the shell, attributes set afterwards.

A module holds what the text of an agent names. What is reached in another way would be missing there, or, worse, be
something else; so it is refused, or its body stays as it is where that is enough.
"""

from __future__ import annotations

import ast
import os
import re
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
    _refuse_queried(code, tree, names)
    refuse_patched(tree, names, code.file, code.line)
    if isinstance(thing, types.FunctionType) and not getattr(code.node, "decorator_list", []):
        for name in sorted(vars(thing)):
            what = f"`{thing.__name__}.{name}` was set after `def {thing.__name__}`, and a module has the `def` only"
            raise ExportError(f"{what}; make it a constant or an argument", where=f"{code.file}:{code.line}")


def refuse_patched(tree: ast.AST, names: Mapping[str, Any], file: str, line: int) -> None:
    """Refuse a definition that uses what a cell has put into a module or the environment, which no module has.

    Raises:
        ExportError: names the line of the cell.
    """
    used = {found for each in ast.walk(tree) if (found := _place(each, names)) is not None}
    for cell in source.cells() if used else ():
        parsed = source.parsed(source.text_of(cell) or "")
        for each in ast.walk(parsed) if parsed else ():
            place = _set_in(each, names)
            inside = cell == file and line <= getattr(each, "lineno", 0) <= line + _height(tree)
            if place in used and not inside:
                what = f"`{place[0]}` has `{place[1]}` from a cell, and where the module runs nothing has set it"
                raise ExportError(
                    f"{what}; make it a constant or an input", where=f"{cell}:{getattr(each, 'lineno', 0)}"
                )


def _height(tree: ast.AST) -> int:
    return max((getattr(each, "end_lineno", 0) or 0 for each in ast.walk(tree)), default=0)


def _place(node: ast.AST, names: Mapping[str, Any]) -> tuple[str, str] | None:
    """The module and attribute, or `os.environ` and name, that an expression reads or sets."""
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if isinstance(names.get(name), types.ModuleType):
            return names[name].__name__, attr
        case ast.Call(
            func=ast.Name(id="setattr" | "getattr"), args=[ast.Name(id=name), ast.Constant(value=str(attr)), *_]
        ):
            return (names[name].__name__, attr) if isinstance(names.get(name), types.ModuleType) else None
        case ast.Subscript(value=held, slice=ast.Constant(value=str(key))) if _is_environment(held, names):
            return "os.environ", key
        case ast.Call(func=ast.Attribute(value=held, attr=attr), args=[ast.Constant(value=str(key)), *_]):
            if _is_environment(held, names) or (attr == "getenv" and _named(held, names) is os):
                return "os.environ", key
        case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(key)), *_]) if names.get(name) is os.getenv:
            return "os.environ", key
    return None


def _set_in(node: ast.AST, names: Mapping[str, Any]) -> tuple[str, str] | None:
    match node:
        case ast.Attribute(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()):
            return _place(node, names)
        case ast.Call(func=ast.Name(id="setattr") | ast.Attribute(attr="setdefault")):
            return _place(node, names)
    return None


def _is_environment(node: ast.expr, names: Mapping[str, Any]) -> bool:
    if isinstance(node, ast.Attribute) and node.attr == "environ":
        return _named(node.value, names) is os
    return _named(node, names) is os.environ


def _named(node: ast.expr, names: Mapping[str, Any]) -> Any:
    return names.get(node.id) if isinstance(node, ast.Name) else None


def queried(tree: ast.AST, names: Mapping[str, Any]) -> Iterator[tuple[ast.Call, str]]:
    """The names in texts like `frame.query("size > @least")`, which pandas looks up where it is called."""
    for each in ast.walk(tree):
        match each:
            case ast.Call(func=ast.Attribute(value=held, attr="query" | "eval"), args=[text, *_]):
                pattern = (
                    r"[A-Za-z_]\w*" if isinstance(_named(held, names), types.ModuleType) else r"@\s*([A-Za-z_]\w*)"
                )
                for part in ast.walk(text):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield from ((each, name) for name in re.findall(pattern, part.value))


def _refuse_queried(code: source.Code, tree: ast.AST, names: Mapping[str, Any]) -> None:
    """Raises ExportError: a text names a variable of the notebook, which the module would not have."""
    bound = {each.arg for each in ast.walk(tree) if isinstance(each, ast.arg)}
    bound |= {each.id for each in ast.walk(tree) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    for call, name in queried(tree, names):
        if name in names and name not in bound:
            what = f"`{name}` of the notebook is named in a text, where an export does not see it"
            hint = f"give it to the function as a parameter, or name it beside the call: `{name}_here = {name}`"
            raise ExportError(f"{what}; {hint}", where=f"{code.file}:{code.line + call.lineno - 1}")


def refuse_moves(tree: ast.AST, names: Mapping[str, Any]) -> None:
    """Raises Unliftable: the body reads its own variables as a whole, and steps taken apart have others."""
    for call, name in _calls(tree, names):
        if name in _OF_THE_BODY and not call.args:
            raise Unliftable(f"`{name}()` is all variables of the body", call)
    for call, name in queried(tree, names):
        raise Unliftable(f"`{name}` is named in a text, which is read where its variables are", call)
    for each in ast.walk(tree):
        if isinstance(each, ast.Attribute) and each.attr in _FRAMES:
            raise Unliftable(f"`{each.attr}` is the frame of the body", each)


def _calls(tree: ast.AST, names: Mapping[str, Any]) -> Iterator[tuple[ast.Call, str]]:
    """Calls of built-in functions by their own names."""
    built_in = {name for name in free(tree)[0] if name == "get_ipython" or name not in names}
    for each in ast.walk(tree):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in built_in:
            yield each, each.func.id
