"""The import statement that binds a name to a module, or to something that lives in an importable module."""

from __future__ import annotations

import ast
import functools
import importlib.util
import operator
import sys
import types
from typing import Any

from . import source
from .definitions import MARK


def import_of(name: str, value: Any, written: Written | None = None) -> str | None:
    """The statement that binds `name` to this value, where a module that can be imported has it; else None.

    written: what the cells import, where it is at hand: whoever asks for many names need not look at them each time.
    """
    statement = (written or Written.now()).statement(name, value)
    if statement is not None:
        return statement
    if isinstance(value, types.ModuleType):
        if not _importable(value.__name__):
            return None
        if value.__name__ == name:
            return f"import {name}"
        parent, _, last = value.__name__.rpartition(".")
        return f"from {parent} import {last} as {name}" if parent else f"import {value.__name__} as {name}"
    module = _module_of(value)
    if module is None or not _importable(module):
        return None
    public = getattr(value, "__name__", None) or getattr(value, "name", None)
    loaded = vars(sys.modules[module])
    for own in (public, name):
        if isinstance(own, str) and loaded.get(own) is value:
            return f"from {module} import {own}" if own == name else f"from {module} import {own} as {name}"
    return None


class Written:
    """The imports that the cells of a notebook have, by the name that they bind, those of the newest cell first."""

    _last: Written | None = None

    def __init__(self, cells: list[str]) -> None:
        self._cells = cells
        self._names: dict[str, list[tuple[ast.Import | ast.ImportFrom, ast.alias]]] = {}
        for text in cells:
            for bound, statement, alias in _imports_in(text):
                self._names.setdefault(bound, []).append((statement, alias))

    @classmethod
    def now(cls) -> Written:
        """Those of the cells that there are now: hundreds after a day, and most runs begin without new ones."""
        cells = [text for file in reversed(source.cells()) if (text := source.text_of(file)) is not None]
        last = cls._last
        if last is None or len(last._cells) != len(cells) or not all(map(operator.is_, cells, last._cells)):
            last = cls._last = cls(cells)
        return last

    def statement(self, name: str, value: Any) -> str | None:
        """The import that binds `name` to exactly this value; for `import a.b` and `import a.c`, all of them."""
        together: list[str] = []
        for statement, alias in self._names.get(name, ()):
            if _binds(statement, alias, name, value):
                if isinstance(statement, ast.ImportFrom):
                    return ast.unparse(ast.ImportFrom(statement.module, [alias], 0))
                if alias.asname:
                    return ast.unparse(ast.Import([alias]))
                together.append(f"import {alias.name}")
        return "\n".join(sorted(set(together))) or None


@functools.lru_cache(maxsize=4096)
def _imports_in(text: str) -> list[tuple[str, ast.Import | ast.ImportFrom, ast.alias]]:
    """The imports at the margin of a cell, with the name that each binds."""
    tree = source.parsed(text) if "import" in text else None
    return [
        (_bound(statement, alias), statement, alias)
        for statement in (tree.body if tree else ())
        if isinstance(statement, (ast.Import, ast.ImportFrom))
        for alias in statement.names
    ]


def _bound(statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    """The name that an import gives."""
    if alias.asname or isinstance(statement, ast.ImportFrom):
        return alias.asname or alias.name
    return alias.name.partition(".")[0]


def _binds(statement: ast.Import | ast.ImportFrom, alias: ast.alias, name: str, value: Any) -> bool:
    """Whether this import, which gives `name`, gives it this very value."""
    if isinstance(statement, ast.ImportFrom):
        module = sys.modules.get(statement.module or "")
        known = statement.level == 0 and _importable(statement.module or "")
        return known and vars(module).get(alias.name, sys.modules.get(f"{statement.module}.{alias.name}")) is value
    if not _importable(alias.name):
        return False
    return sys.modules.get(alias.name if alias.asname else name) is value


def _module_of(value: Any) -> str | None:
    for thing in (value, source.unwrap(value)):
        module = getattr(thing, "__module__", None)
        if isinstance(module, str) and module in sys.modules and not isinstance(thing, types.MethodType):
            return module
    return None


@functools.lru_cache(maxsize=1024)
def _spec(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _importable(name: str) -> bool:
    module = sys.modules.get(name)
    return name != "__main__" and not hasattr(module, MARK) and _spec(name)
