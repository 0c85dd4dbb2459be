"""The statement that gives a value its name: where it was written, and its text in a module of its own."""

from __future__ import annotations

import ast
import textwrap
import types
from collections.abc import Iterable, Iterator
from typing import Any

from . import source
from .definitions import FUTURE
from .fingerprint import dump_digest


def factory(name: str, own: str, code: source.Code, cells: Iterable[str]) -> str:
    """A function that was made inside another one, with the variables that it had from there."""
    names = list(cells)
    text = ast.unparse(code.node)
    inner = f"return {text}" if isinstance(code.node, ast.Lambda) else f"{text}\nreturn {own}"
    head = f"def _make_{name}({', '.join(names)}):"
    call = f"{name} = _make_{name}({', '.join(carried(name, cell) for cell in names)})"
    return f"{head}\n{textwrap.indent(inner, '    ')}\n\n\n{call}"


def same_global(thing: Any, name: str, value: Any) -> bool:
    """Whether the place where `thing` was defined still has `value` under `name`."""
    try:
        return source.lookup(thing)(name) is value
    except LookupError:
        return False


def carried(name: str, cell: str) -> str:
    """The name under which the module holds a variable of a closure."""
    return f"_{name}_{cell}"


def standalone(code: source.Code) -> str:
    """The text of a definition at the left margin, where it was inside something else without changing its strings."""
    if code.node.col_offset == 0:
        return code.text.rstrip()
    tree = source.parsed(code.text)
    same = tree is not None and len(tree.body) == 1 and dump_digest(tree.body[0]) == dump_digest(code.node)
    return code.text.rstrip() if same else ast.unparse(code.node)


def assignment(name: str, file: str) -> ast.Assign | None:
    """The last statement of a file or cell that assigns a call to `name`."""
    tree = source.parsed(source.text_of(file) or "")
    found = None
    for statement in tree.body if tree else ():
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            only = statement.targets[0] if len(statement.targets) == 1 else None
            found = statement if isinstance(only, ast.Name) and only.id == name else found
    return found


def definition_of(name: str, value: Any) -> tuple[Any, source.Code] | None:
    """The function or class whose `def` gives `value` the name `name`, with its text."""
    thing = source.unwrap(value)
    for candidate in (thing, *_enclosed(thing, 3)):
        code = source.code_of(candidate)
        if code is None or getattr(code.node, "name", "") != name:
            continue
        if candidate is thing or getattr(code.node, "decorator_list", []):
            return candidate, code
    code = source.code_of(thing)
    if code is None or value is not thing:
        return None  # decorated by a call; the call is not known
    return thing, code


def _enclosed(thing: Any, depth: int) -> Iterator[Any]:
    """Functions in the closure of a decorator's wrapper: one of them is what was decorated."""
    if depth == 0 or not isinstance(thing, types.FunctionType):
        return
    for value in source.closure(thing).values():
        inner = source.unwrap(value)
        if isinstance(inner, types.FunctionType):
            yield inner
            yield from _enclosed(inner, depth - 1)


def from_future(thing: Any) -> bool:
    """Whether `thing` was compiled with annotations that are not evaluated."""
    flags = thing.__code__.co_flags if isinstance(thing, types.FunctionType) else 0
    return bool(flags & FUTURE.compiler_flag)
