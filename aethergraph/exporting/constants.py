"""The constants of a notebook, as their cells have them. What a cell has computed is data, and is refused."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import datetime
import decimal
import enum
import fractions
import pathlib
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..code import source
from ..errors import ExportError
from ..values.canonical import canonical
from .calculating import CALCULATE, is_constant
from .reading import loads
from .words import Words

_NEVER = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr, ast.Lambda)
_MAKE_CONSTANTS = (
    datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, fractions.Fraction, pathlib.PurePath,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant as it is written. place: number of the cell and line. needs: names that the text uses."""

    text: str
    place: tuple[int, int]
    needs: frozenset[str]


def constant(name: str, value: Any, text: str, names: Mapping[str, Any]) -> Constant:
    """The statement that gives `name` its value; `text` does too. names: what the names of the notebook stand for.

    Raises:
        ExportError: a cell has computed the value, or changed it since.
    """
    last = None
    cells = source.cells()
    for number in range(len(cells) - 1, -1, -1):
        for words, statement in reversed(list(_binding(cells[number], name))):
            last = last or (cells[number], statement)
            given = getattr(statement, "value", None)
            if given is None or not _same(given, name, statement, value, names):
                continue
            place = (number, statement.lineno)
            targets = getattr(statement, "targets", [getattr(statement, "target", None)])
            if len(targets) == 1 and isinstance(targets[0], ast.Name):
                above = comments_above(cells[number], statement.lineno)
                needs = frozenset(loads(statement)) - vars(builtins).keys()
                return Constant("\n".join([*above, words.block([statement], {})]), place, needs)
            return Constant(text, place, frozenset())
    if last is not None:
        raise ExportError(
            lost(name, "a cell has computed it, and data is not code"), where=f"{last[0]}:{last[1].lineno}"
        )
    return Constant(text, (-1, 0), frozenset())


def lost(name: str, why: str) -> str:
    """What to say of a name that cannot go into a module."""
    return (
        f"`{name}` cannot be written into a module: {why}. Give it to the agent as an input, "
        f"`async def agent({name}, ...)`, or let a tool load or compute it"
    )


def comments_above(file: str, line: int) -> list[str]:
    """The comments that stand directly above a line of a cell."""
    lines = (source.text_of(file) or "").split("\n")[: line - 1]
    found: list[str] = []
    while lines and lines[-1].startswith("#") and not lines[-1].startswith(("#%%", "# %%")):
        found.insert(0, lines.pop())
    return found


def _binding(file: str, name: str) -> Iterator[tuple[Words, ast.stmt]]:
    """The statements at the top of a cell that give `name` a value."""
    text = source.text_of(file) or ""
    if name not in text or source.parsed(text) is None:
        return
    words = Words(text)
    for statement in words.tree.body:
        names = [each for each in _own(statement) if isinstance(each, ast.Name) and each.id == name]
        if any(isinstance(each.ctx, ast.Store) for each in names):
            yield words, statement


def _own(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.comprehension)):
        for child in ast.iter_child_nodes(node):
            yield from _own(child)


def _same(given: ast.expr, name: str, statement: ast.stmt, value: Any, names: Mapping[str, Any]) -> bool:
    """Whether the statement is a constant one, and gives `name` the value that it has now."""
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or not is_calculated(given, names):
        return False
    scope = dict(names)
    plain: ast.stmt = statement
    if isinstance(statement, ast.AnnAssign):
        plain = ast.fix_missing_locations(ast.copy_location(ast.Assign([statement.target], given), statement))
    try:
        exec(compile(ast.Module([plain], []), "<constant>", "exec"), scope)
    except Exception:  # noqa: BLE001 (whatever it raises, it does not give the value)
        return False
    found, wanted = canonical(scope.get(name)), canonical(value)
    return type(scope.get(name)) is type(value) and not wanted.opaque and found.data == wanted.data


def is_calculated(node: ast.expr, names: Mapping[str, Any]) -> bool:
    """Whether an expression only calculates: it reads no file, asks no clock, and changes nothing."""
    for each in ast.walk(node):
        if isinstance(each, _NEVER):
            return False
        if isinstance(each, ast.Call) and not _makes_constant(each.func, names):
            return False
    return all(
        name in vars(builtins)
        or isinstance(names.get(name, ...), (types.ModuleType, type))
        or is_constant(names.get(name, node))
        for name in loads(node)
    )


def _makes_constant(function: ast.expr, names: Mapping[str, Any]) -> bool:
    if isinstance(function, ast.Name) and function.id in CALCULATE and function.id not in names:
        return True
    held: Any = None
    if isinstance(function, ast.Name):
        held = names.get(function.id)
    elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        module = names.get(function.value.id)
        held = vars(module).get(function.attr) if isinstance(module, types.ModuleType) else None
    if held is re.compile:
        return True
    kinds = (*_MAKE_CONSTANTS, enum.Enum)
    return isinstance(held, type) and (issubclass(held, kinds) or dataclasses.is_dataclass(held))
