"""The body of a static graph as it is being written: its lines, its variables, and which call waits for which.

In a reactive body a call that is awaited has ended before the next begins. So each node comes after the last awaited
ones: by what it is given, where that is enough, else by `_after=`.
"""

from __future__ import annotations

import ast
import builtins
import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..code import source
from .bindings import NO_ROOTS, Binding
from .reading import changes, writes
from .words import Words


@dataclass(slots=True)
class Line:
    """A statement of the graph; `target` is left out where nothing uses it. `above`, `beside`: comments."""

    target: str
    text: str
    above: list[str] = field(default_factory=list)
    beside: str = ""


def moving() -> frozenset[str]:
    """Names of the notebook that some function of a cell assigns or changes: what they hold depends on the moment."""
    found: set[str] = set()
    for file in source.cells():
        tree = source.parsed(source.text_of(file) or "")
        for each in ast.walk(tree) if tree else ():
            if isinstance(each, ast.Global):
                found.update(each.names)
            elif isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inside = ast.Module(each.body, [])
                found |= changes(inside) - writes(inside)
    return frozenset(found)


class Draft:
    """What is written so far.

    outputs: those that the agent declares. callers: the agents around it, and itself, which it cannot call. locals:
    names that the agent's body binds itself. env: what they stand for now. lines: of the graph's function. tools: the
    texts of the small tools that were made. uses: global names that the written text refers to.
    """

    def __init__(
        self,
        words: Words,
        names: Mapping[str, Any],
        env: dict[str, Binding],
        local: Iterable[str],
        outputs: tuple[str, ...] | None = None,
        taken: Iterable[str] = (),
        callers: Iterable[str] = (),
    ) -> None:
        self.words, self.names, self.env = words, names, env
        self.locals = frozenset(local)
        self.outputs, self.callers = outputs, frozenset(callers)
        self.lines: list[Line] = []
        self.tools: list[str] = []
        self.uses: set[str] = set()
        self.imports: list[str] = []
        self.ours: dict[str, str] = {}  # what of this library is used: its name, and how the module calls it
        self.comments: list[str] = []  # to stand above the next line
        self.pending: set[str] = set()  # variables of calls that were not awaited yet
        self.condition = ""  # under which the calls are made that are written now
        self.condition_roots: frozenset[str] = NO_ROOTS
        self.returned: dict[str, str] | None = None  # what the branch that is written now returns
        self.moving = moving()
        self.lists: frozenset[str] = frozenset()  # inputs that are surely lists or the like
        self._taken = {*names, *self.locals, *vars(builtins), *keyword.kwlist, *taken}
        self._frontier: list[str] = []  # variables of the calls that were awaited last
        self._rows: dict[str, list[str]] = {}  # variables that hold lists of nodes, with the roots of these
        self._past: dict[str, frozenset[str]] = {}

    def fresh(self, wanted: str, *, own: bool = False) -> str:
        """A name that nothing has; `own`: it is the agent's own variable, whose name stays if it is written once."""
        if own and wanted not in self._past and wanted not in {line.target for line in self.lines}:
            self._taken.add(wanted)
            return wanted
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name

    @property
    def taken(self) -> frozenset[str]:
        """Names that are in use."""
        return frozenset(self._taken)

    def our(self, name: str) -> str:
        """What the module calls a tool or decorator of this library, whose name may be taken by the notebook."""
        if name not in self.ours:
            theirs = self.names.get(name)
            mine = theirs is None or getattr(theirs, "__module__", "").startswith("aethergraph.")
            self.ours[name] = name if mine and name not in self.locals else f"aether_{name}"
        return self.ours[name]

    def mark(self) -> tuple[Any, ...]:
        """How far it is, for `back`."""
        return (
            len(self.lines), len(self.tools), set(self.uses), dict(self.ours), set(self.pending), list(self.comments),
            set(self._taken), self._frontier, dict(self._rows), dict(self._past), dict(self.env),
        )  # fmt: skip

    def back(self, mark: tuple[Any, ...]) -> None:
        """As it was then: what was written since is forgotten."""
        lines, tools, self.uses, self.ours, self.pending, self.comments = mark[:6]
        self._taken, self._frontier, self._rows, self._past, self.env = mark[6:]
        del self.lines[lines:], self.tools[tools:]

    def line(self, target: str, text: str) -> None:
        """Write a statement."""
        self.lines.append(Line(target, text, self.comments))
        self.comments = []

    def call(self, callee: str, arguments: Iterable[str], roots: Iterable[str]) -> str:
        """The text of a call that makes a node out of `roots`, and waits for all that has been awaited."""
        return self.call_after(callee, arguments, self.closure(roots))

    def call_after(self, callee: str, arguments: Iterable[str], ended: frozenset[str]) -> str:
        """As `call`, where the variables `ended` have ended by what the node is given."""
        given = [*arguments]
        ended |= self.closure(self.condition_roots)
        before = [name for name in self._frontier if name not in ended]
        if before:
            given.append(f"_after={self._order(before)}")
        if self.condition:
            given.append(f"_condition={self.condition}")
        return f"{callee}({', '.join(given)})"

    def _order(self, names: list[str]) -> str:
        if len(names) == 1:
            return names[0]
        return f"[{', '.join(f'*{name}' if name in self._rows else name for name in names)}]"

    @property
    def frontier(self) -> list[str]:
        """The variables of the calls that have ended last."""
        return list(self._frontier)

    def made(self, name: str, roots: Iterable[str], *, awaited: bool = True) -> frozenset[str]:
        """`name` now holds a node, made of `roots` after the frontier; gives its own roots."""
        self._past[name] = self.closure(roots) | self.closure(self._frontier)
        if not awaited:
            self.pending.add(name)
        return frozenset({name})

    def made_row(self, name: str, items: Iterable[Iterable[str]]) -> list[frozenset[str]]:
        """`name` now holds a list of nodes, made of the roots `items` after the frontier; gives their own roots."""
        self._rows[name] = []
        for number, roots in enumerate(items):
            self._rows[name].append(f"{name}[{number}]")
            self._past[f"{name}[{number}]"] = self.closure(roots) | self.closure(self._frontier)
        self._past[name] = self.closure(self._rows[name]) | self.closure(self._frontier)
        return [frozenset({item}) for item in self._rows[name]]

    def goes_on_from(self, frontier: Iterable[str]) -> None:
        """What is written now comes after these variables, and after nothing else."""
        self._frontier = list(frontier)

    def reached(self, *names: str) -> None:
        """The calls of these variables, which began after the frontier, have ended."""
        self._frontier = [name for name in self._frontier if name not in self.closure(names)] + [*names]

    def join(self, roots: Iterable[str]) -> None:
        """Calls that were begun without `await` are awaited, or read, now."""
        for name in sorted(self.pending & set(roots)):
            self.pending.discard(name)
            self.reached(name)

    def closure(self, roots: Iterable[str]) -> frozenset[str]:
        """The variables that have ended before, or with, those of `roots`."""
        found = NO_ROOTS.union(*({root, *self._past.get(root, NO_ROOTS)} for root in roots))
        whole = {name for name, items in self._rows.items() if items and found.issuperset(items)}
        return found | whole
