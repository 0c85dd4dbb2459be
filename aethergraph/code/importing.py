"""The import statement that binds a name to a module, or to something that lives in an importable module."""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
import types
from typing import Any

from . import source
from .definitions import MARK


def import_of(name: str, value: Any) -> str | None:
    """The statement that binds `name` to this value, where a module that can be imported has it; else None."""
    written = _written_import(name, value)
    if written is not None:
        return written
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


def _written_import(name: str, value: Any) -> str | None:
    """The import of a cell that binds `name` to exactly this value; for `import a.b` and `import a.c`, all of them."""
    together: list[str] = []
    for file in reversed(source.cells()):
        tree = source.parsed(source.text_of(file) or "")
        for statement in tree.body if tree else ():
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                for alias in statement.names:
                    if _binds(statement, alias, name, value):
                        if isinstance(statement, ast.ImportFrom):
                            return ast.unparse(ast.ImportFrom(statement.module, [alias], 0))
                        if alias.asname:
                            return ast.unparse(ast.Import([alias]))
                        together.append(f"import {alias.name}")
    return "\n".join(sorted(set(together))) or None


def _binds(statement: ast.Import | ast.ImportFrom, alias: ast.alias, name: str, value: Any) -> bool:
    if isinstance(statement, ast.ImportFrom):
        module = sys.modules.get(statement.module or "")
        bound = (alias.asname or alias.name) == name and statement.level == 0 and _importable(statement.module or "")
        return bound and vars(module).get(alias.name, sys.modules.get(f"{statement.module}.{alias.name}")) is value
    if not _importable(alias.name):
        return False
    if alias.asname:
        return alias.asname == name and sys.modules.get(alias.name) is value
    return alias.name.partition(".")[0] == name and sys.modules.get(name) is value


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
