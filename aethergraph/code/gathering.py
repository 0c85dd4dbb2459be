"""Gathering the source of an agent: a module of the imports, constants, helpers, classes and tools that it uses.

The agent comes last. What lives in an importable module is imported, not copied.
"""

from __future__ import annotations

import ast
import builtins
import functools
import types
from collections.abc import Mapping
from typing import Any

import msgspec

from ..record.scopes import free
from ..values.literals import NoLiteral, literal
from . import source
from .definitions import FUTURE_LINE, Definition, Missing
from .importing import Written, import_of
from .wording import assignment, carried, definition_of, factory, from_future, same_global, standalone


def gather(agent: Any) -> Definition:
    """The definition of an agent (or tool, or function)."""
    name = name_of(agent)
    gathering = Gathering()
    gathering.need(name, agent)
    return Definition(gathering.text(), name, gathering.missing)


def unbound(agent: Any) -> set[str]:
    """Names that an agent (tool, function), or something that it uses, refers to and that nothing here defines."""
    gathering = Gathering()
    gathering.need(name_of(agent), agent)
    return gathering.unbound


def name_of(agent: Any) -> str:
    """What an agent is called where it was defined."""
    thing = source.unwrap(agent)
    names = getattr(thing, "__globals__", {})
    for name in (thing.__name__, getattr(agent, "name", None)):
        if isinstance(name, str) and names.get(name) is agent:
            return name
    given = [name for name, value in names.items() if value is agent and not name.startswith("_")]
    name = str(thing.__name__)
    return given[0] if given else name if name.isidentifier() else "agent"


class Item(msgspec.Struct):
    """One name of the module to be: its statement, and what has to come before it and what merely has to be there."""

    text: str
    before: list[str] = []
    uses: list[str] = []


class Gathering:
    """The names of a module to be, as they are found to be needed.

    items: what has a statement of its own. imports: the import statement of each name that has one. lost: names that
    source cannot carry, with the reasons. future: annotations of what was gathered are not evaluated.
    unbound: names that something refers to and that nothing defines.
    """

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.imports: dict[str, str] = {}  # name -> statement
        self.lost: dict[str, str] = {}
        self.homes: dict[str, Any] = {}  # name -> the value that it stands for
        self.made: dict[int, str] = {}  # id of a function, class or tool -> its first name
        self.future = False
        self.unbound: set[str] = set()
        self._written = Written.now()

    @property
    def missing(self) -> list[Missing]:
        return [Missing(name, why) for name, why in sorted(self.lost.items())]

    def text(self) -> str:
        """The module: what must come before something does."""
        done: dict[str, None] = {}
        for name in sorted(self.items, key=lambda name: name == self.root):
            self._emit(name, done, set())
        head = [FUTURE_LINE] if self.future else []
        head += sorted(set(self.imports.values()))
        parts = ["\n".join(head)] if head else []
        parts += [self.items[name].text.strip("\n") for name in done]
        return "\n\n\n".join(parts) + "\n"

    def _emit(self, name: str, done: dict[str, None], busy: set[str]) -> None:
        if name in done or name in busy or name not in self.items:
            return
        busy.add(name)
        item = self.items[name]
        for other in [*item.before, *item.uses]:
            self._emit(other, done, busy)
        done[name] = None

    root = ""

    def need(self, name: str, value: Any) -> None:
        """See to it that `name` will be `value` in the module."""
        self.root = self.root or name
        if name in self.homes:
            if self.homes[name] is not value and name not in self.lost:
                self._lose(name, "two modules that the agent uses give this name different values")
            return
        self.homes[name] = value
        statement = import_of(name, value, self._written)
        known = self.made.setdefault(id(value), name) if callable(value) else name
        if statement is not None:
            self.imports[name] = statement
        elif known != name and known not in self.lost:
            self.items[name] = Item(f"{name} = {known}", [known])  # one object under two names stays one
        elif isinstance(value, types.ModuleType):
            self._lose(name, f"the module {value.__name__!r} cannot be imported elsewhere")
        elif isinstance(value, types.MethodType):
            self._lose(name, "it is a method bound to an object, which source cannot carry")
        elif isinstance(value, functools.partial):
            self._partial(name, value)
        elif isinstance(source.unwrap(value), (types.FunctionType, type)):
            self._define(name, value)
        else:
            self._constant(name, value)

    def _lose(self, name: str, why: str) -> None:
        self.lost[name] = why
        self.items.pop(name, None)

    def _constant(self, name: str, value: Any) -> None:
        try:
            text, needs = literal(value)
        except NoLiteral as error:
            self._lose(name, str(error))
            return
        item = self.items[name] = Item(f"{name} = {text}")
        for other, needed in needs.items():
            self.need(other, needed)
            item.before.append(other)

    def _partial(self, name: str, value: functools.partial[Any]) -> None:
        inner = {f"_{name}_function": value.func, f"_{name}_args": value.args, f"_{name}_keywords": value.keywords}
        function, args, keywords = inner
        text = f"{name} = _functools.partial({function}, *{args}, **{keywords})"
        self.items[name] = Item(text, [*inner, "_functools"])
        for other, needed in {**inner, "_functools": functools}.items():
            self.need(other, needed)

    def _define(self, name: str, value: Any) -> None:
        """A function, class, tool or agent of a cell."""
        found = definition_of(name, value)
        if found is None:
            self._assign(name, value)
            return
        thing, code = found
        own = getattr(code.node, "name", name)
        if own != name and same_global(thing, own, value):
            self.items[name] = Item(f"{name} = {own}", [own])
            self.made[id(value)] = own
            self.need(own, value)
            return
        cells = source.closure(thing)
        cells = {cell: held for cell, held in cells.items() if cell != own or held is not thing}
        if cells:
            text = factory(name, own, code, cells)
        elif isinstance(code.node, ast.Lambda):
            text = f"{name} = ({code.text})"
        else:
            text = standalone(code) if own == name else f"{standalone(code)}\n\n\n{name} = {own}"
        made = None
        if value is not thing and own == name and not getattr(code.node, "decorator_list", None):
            made = assignment(name, code.file)  # as the cells of `%%graph_fn` do: `name = graph_fn(...)(name)`
        self.future = self.future or from_future(thing)
        item = self.items[name] = Item(text if made is None else f"{text}\n\n\n{ast.unparse(made)}")
        if made is not None:
            self._called(name, item, thing, made)
        self._names(name, item, thing, code, cells)
        for stage in getattr(value, "later", ()):
            self._stage(name, item, stage)

    def _stage(self, name: str, item: Item, stage: Any) -> None:
        """A function that was given to a dual-stage tool after it: its `def` stands below, with its decorator."""
        code = source.code_of(stage)
        if code is None or source.closure(stage).keys() - {name}:
            self._lose(name, f"its stage {getattr(stage, '__name__', stage)!r} is not the `def` of a cell or module")
            return
        item.text += f"\n\n\n{standalone(code)}"
        self._names(name, item, stage, code, {})

    def _assign(self, name: str, value: Any) -> None:
        """Something that a call made of a function (`fit = tool(raw)`): the statement is looked for in that cell."""
        thing = source.unwrap(value)
        code = source.code_of(thing)
        statement = None if code is None else assignment(name, code.file)
        if statement is None:
            self._lose(name, f"how this {type(value).__name__} was made is not known; a decorated `def` is")
            return
        item = self.items[name] = Item(ast.unparse(statement))
        self._called(name, item, thing, statement)

    def _called(self, name: str, item: Item, thing: Any, statement: ast.Assign) -> None:
        """What the call on the right of `statement` needs."""
        resolve = source.lookup(thing)
        for other in sorted(free(statement.value)[0]):
            try:
                needed = resolve(other)
            except LookupError:
                continue
            if other != name and vars(builtins).get(other, item) is not needed:
                self.need(other, needed)
                item.before.append(other)

    def _names(self, title: str, item: Item, thing: Any, code: source.Code, cells: Mapping[str, Any]) -> None:
        resolve = source.lookup(thing)
        own = getattr(code.node, "name", "")
        for name in sorted(code.names):
            if name == own and name not in code.now:
                continue
            if name in cells:
                continue
            try:
                value = resolve(name)
            except LookupError:
                self.unbound.add(name)
                continue
            if vars(builtins).get(name, item) is value:
                continue
            self.need(name, value)
            (item.before if name in code.now else item.uses).append(name)
        for name, value in cells.items():
            self.need(carried(title, name), value)
            item.before.append(carried(title, name))
