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
        self._names: dict[str, list[_Import]] = {}
        for text in cells:
            for bound in _imports_in(text):
                self._names.setdefault(bound.name, []).append(bound)

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
        together = set()
        for bound in self._names.get(name, ()):
            if bound.gives(value):
                if bound.alone:
                    return bound.text
                together.add(bound.text)
        return "\n".join(sorted(together)) or None


class _Import:
    """The part of an import statement that gives one name. alone: there is one that gives it, not one of several."""

    def __init__(self, statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> None:
        self._alias = alias
        self._from = statement if isinstance(statement, ast.ImportFrom) else None
        self.alone = bool(self._from or alias.asname)
        self.name = (alias.asname or alias.name) if self.alone else alias.name.partition(".")[0]

    @functools.cached_property
    def text(self) -> str:
        """The statement that gives it alone."""
        return ast.unparse(
            ast.ImportFrom(self._from.module, [self._alias], 0) if self._from else ast.Import([self._alias])
        )

    def gives(self, value: Any) -> bool:
        """Whether it binds its name to this very value."""
        name = self._alias.name
        if self._from is None:
            return _importable(name) and sys.modules.get(name if self.alone else self.name) is value
        module = self._from.module or ""
        if self._from.level or module not in sys.modules or not _importable(module):
            return False
        return vars(sys.modules[module]).get(name, sys.modules.get(f"{module}.{name}")) is value


@functools.lru_cache(maxsize=4096)
def _imports_in(text: str) -> list[_Import]:
    """The imports at the margin of a cell."""
    tree = source.parsed(text) if "import" in text else None
    return [
        _Import(statement, alias)
        for statement in (tree.body if tree else ())
        if isinstance(statement, (ast.Import, ast.ImportFrom))
        for alias in statement.names
    ]


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
