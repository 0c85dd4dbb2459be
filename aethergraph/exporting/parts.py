"""What an agent uses of its notebook: imports, constants, helpers, classes and tools, each as it was written."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..code import source
from ..code.gathering import Gathering
from ..errors import ExportError
from . import hidden
from .constants import comments_above, constant, lost

_MADE = re.compile(
    r"""\n*^(\w+) = __import__\(["']aethergraph["']\)\.(\w+)(\(outputs=\[.*\]\))?\(\1\)\n?\Z""", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Parts:
    """imports: statements. texts: definitions, each after what it needs. future: annotations are not evaluated.

    asked: names that the module defines otherwise, and that one of these definitions uses.
    """

    imports: list[str]
    texts: list[str]
    future: bool
    asked: frozenset[str]


class _Parts:
    def __init__(self, names: Mapping[str, Any], own: set[str]) -> None:
        self.names, self.own = names, own
        self.gathering = Gathering()
        self.texts: dict[str, str] = {}
        self.places: dict[str, tuple[int, int]] = {}
        self.cells = {file: number for number, file in enumerate(source.cells())}

    def written(self) -> None:
        """Take each part as its cell has it; a constant may need others then."""
        items = self.gathering.items
        while todo := [name for name in items if name not in self.texts and name not in self.own]:
            for name in todo:
                self._written(name)

    def _written(self, name: str) -> None:
        item, value = self.gathering.items[name], self.gathering.homes[name]
        thing = source.unwrap(value)
        code = source.code_of(thing)
        if code is not None:
            hidden.refuse(code, ast.parse(textwrap.dedent(code.text)), self.names, thing)
            above = comments_above(code.file, code.line)
            self.texts[name] = "\n".join([*above, _decorated(item.text)])
            self.places[name] = (self.cells.get(code.file, -1), code.line)
        elif name.startswith("_") and name not in self.names:  # of a partial or a closure: a name of ours
            self.texts[name], self.places[name] = item.text, (-1, 0)
        else:
            found = constant(name, value, item.text, self.names)
            self.texts[name], self.places[name] = found.text, found.place
            if found.needs:
                item.before[:] = sorted(found.needs)
            for other in found.needs:
                self.gathering.need(other, self.names[other])

    def ordered(self) -> list[str]:
        """The definitions in the order of the notebook, but each after what it needs."""
        done: dict[str, None] = {}
        items = self.gathering.items

        def emit(name: str, busy: frozenset[str]) -> None:
            if name not in done and name not in busy and name in self.texts:
                for other in sorted([*items[name].before, *items[name].uses], key=self._place):
                    emit(other, busy | {name})
                done[name] = None

        for name in sorted(self.texts, key=self._place):
            emit(name, frozenset())
        return [self.texts[name] for name in done]

    def _place(self, name: str) -> tuple[int, int]:
        return self.places.get(name, (-1, 0))


def parts(wanted: Mapping[str, Any], names: Mapping[str, Any], own: set[str]) -> Parts:
    """The parts that define the names of `wanted`, and all that these use.

    Args:
        names: what the names of the notebook stand for.
        own: names that the module defines otherwise.

    Raises:
        ExportError: one is data that a cell has computed, or cannot be written as source; names it.
    """
    found = _Parts(names, own)
    for name, value in sorted(wanted.items()):
        first = getattr(value, "__name__", name)  # what is defined under one name can be had under others
        if isinstance(first, str) and first != name and names.get(first) is value:
            found.gathering.need(first, value)
        found.gathering.need(name, value)
    found.written()
    for missing in found.gathering.missing:
        if missing.name not in own:
            raise ExportError(lost(missing.name, missing.why))
    imports = {line for text in found.gathering.imports.values() for line in text.splitlines()}
    asked = frozenset(found.gathering.homes.keys() & own)
    return Parts(sorted(imports), found.ordered(), found.gathering.future, asked)


def _decorated(text: str) -> str:
    """A definition from a `%%graph_fn` cell, which makes the agent in a statement below: with a decorator instead."""
    found = _MADE.search(text)
    if found is None:
        return text.strip("\n")
    return f"@{found[2]}{found[3] or ''}\n{text[: found.start()]}".strip("\n")
