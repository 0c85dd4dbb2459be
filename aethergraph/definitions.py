"""An agent's own source, so that its run can be resumed where no cell was run: gathered, signed, stored, made again.

`gather` writes a module: the imports, constants, helpers, classes and tools that the agent uses, and the agent last.
What lives in an importable module is imported, not copied. What cannot be written down (a computed frame, a model) is
named in `missing`; using such a name in the made module is a NameError that says which cell to run.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import dataclasses
import functools
import hashlib
import importlib.util
import linecache
import sys
import textwrap
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import msgspec

from . import source
from .errors import DamagedRecord, Untrusted
from .fingerprint import dump_digest
from .keyring import MAC_SIZE, Keyring
from .literals import NoLiteral, literal
from .scopes import free
from .store import Store

SOURCE_ROLE = "source"
_FUTURE = __future__.annotations
_FUTURE_LINE = "from __future__ import annotations"
_MARK = "__aethergraph_definition__"  # in a module that was made here; see tagged.home
_AUTOMATIC = {"__name__", "__file__", "__doc__", "__builtins__", "__spec__", "__loader__", "__package__"}


class Missing(msgspec.Struct, frozen=True):
    """A name that the source uses and cannot carry, and why."""

    name: str
    why: str


class Definition(msgspec.Struct, frozen=True):
    """Source that defines an agent. name: what the agent is called in it."""

    source: str
    name: str
    missing: list[Missing] = []

    @property
    def digest(self) -> str:
        """The name under which it is stored: 32 hex digits of its content."""
        return hashlib.blake2b(msgspec.msgpack.encode(self), digest_size=16).hexdigest()


def gather(agent: Any) -> Definition:
    """The definition of an agent (or tool, or function)."""
    name = _name_of(agent)
    gathering = _Gathering()
    gathering.need(name, agent)
    return Definition(gathering.text(), name, gathering.missing)


def unbound(agent: Any) -> set[str]:
    """Names that an agent (tool, function), or something that it uses, refers to and that nothing here defines."""
    gathering = _Gathering()
    gathering.need(_name_of(agent), agent)
    return gathering.unbound


def bound_by(statement: ast.stmt) -> set[str]:
    """The names that a statement of a definition's source gives."""
    return set(_bound_by(statement))


def _name_of(agent: Any) -> str:
    """What an agent is called where it was defined."""
    thing = source.unwrap(agent)
    names = getattr(thing, "__globals__", {})
    for name in (thing.__name__, getattr(agent, "name", None)):
        if isinstance(name, str) and names.get(name) is agent:
            return name
    given = [name for name, value in names.items() if value is agent and not name.startswith("_")]
    name = str(thing.__name__)
    return given[0] if given else name if name.isidentifier() else "agent"


def save(store: Store, definition: Definition, keyring: Keyring) -> str:
    """Store a definition, signed; return its digest. Nothing is written where it is stored already."""
    key = f"d:{definition.digest}"
    content = msgspec.msgpack.encode(definition)
    row = keyring.sign(SOURCE_ROLE, content) + content
    if store.get(key) != row:
        with store.transact() as transaction:
            transaction.set(key, row)
    return definition.digest


def load_definition(store: Store, keyring: Keyring, digest: str) -> Definition:
    """A stored definition.

    Raises:
        Untrusted: this user's key did not sign it.
        DamagedRecord: it is gone or altered.
    """
    row = store.get(f"d:{digest}")
    what = f"the source {digest[:12]} of an agent"
    if row is None:
        raise DamagedRecord(what, "it is not in this store")
    mac, content = row[:MAC_SIZE], row[MAC_SIZE:]
    if not keyring.verify(SOURCE_ROLE, content, mac):
        raise Untrusted(what)
    definition = msgspec.msgpack.decode(content, type=Definition)
    if definition.digest != digest:
        raise DamagedRecord(what, "it does not have its checksum")
    return definition


def materialise(definition: Definition, module_name: str, winners: Mapping[str, Any]) -> dict[str, Any]:
    """Run the source of a definition in a new private module; return its namespace.

    A name that `winners` has (a cell that was run in this kernel) is taken from there, and its stored definition is not
    executed. What is in `missing` and not in `winners` raises NameError where it is used, saying what to run.
    """
    file = f"{module_name}-{definition.digest[:12]}.py"
    module = types.ModuleType(module_name)
    lines = definition.source.splitlines(keepends=True)
    linecache.cache[file] = (len(definition.source), None, lines, file)
    names = vars(module)
    lost = {each.name: each for each in definition.missing if each.name not in winners}
    names.update({each.name: winners[each.name] for each in definition.missing if each.name in winners})
    names.update({_MARK: definition.digest, "__file__": file, "__builtins__": _Builtins(lost) if lost else builtins})
    sys.modules[module_name] = module
    cloudpickle.register_pickle_by_value(module)  # another process has no such module
    flags = _FUTURE.compiler_flag if definition.source.startswith(_FUTURE_LINE) else 0
    for statement in ast.parse(definition.source, file).body:
        bound = set(_bound_by(statement))
        if bound and bound <= winners.keys():
            names.update({name: winners[name] for name in bound})
        else:
            exec(compile(ast.Module([statement], []), file, "exec", flags, dont_inherit=True), names)
    return names


def own_names(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """What a made namespace defines, without what Python puts into each module."""
    return {name: value for name, value in namespace.items() if name not in _AUTOMATIC and name != _MARK}


class _Builtins(dict[str, Any]):
    """Builtins that know what a module lacks. Python asks them last, so the error comes just where a name is used."""

    def __init__(self, lost: Mapping[str, Missing]) -> None:
        super().__init__(vars(builtins))
        self._lost = lost

    def __missing__(self, name: str) -> Any:
        if name not in self._lost:
            raise KeyError(name)
        raise NameError(
            f"name {name!r} is not stored with the agent: {self._lost[name].why}. "
            f"Run the cell that makes {name!r}, then resume again",
            name=name,
        )


def _bound_by(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Import, ast.ImportFrom)) and getattr(statement, "module", "") != "__future__":
        yield from ((alias.asname or alias.name).partition(".")[0] for alias in statement.names)
    elif isinstance(statement, ast.Assign):
        yield from (target.id for target in statement.targets if isinstance(target, ast.Name))


@dataclasses.dataclass(slots=True)
class _Item:
    """One name of the module to be: its statement, and what has to come before it and what merely has to be there."""

    text: str
    before: list[str] = dataclasses.field(default_factory=list)
    uses: list[str] = dataclasses.field(default_factory=list)


class _Gathering:
    def __init__(self) -> None:
        self.items: dict[str, _Item] = {}
        self.imports: dict[str, str] = {}  # name -> statement
        self.lost: dict[str, str] = {}
        self.homes: dict[str, Any] = {}  # name -> the value that it stands for
        self.made: dict[int, str] = {}  # id of a function, class or tool -> its first name
        self.future = False
        self.unbound: set[str] = set()

    @property
    def missing(self) -> list[Missing]:
        return [Missing(name, why) for name, why in sorted(self.lost.items())]

    def text(self) -> str:
        """The module: what must come before something does."""
        done: dict[str, None] = {}
        for name in sorted(self.items, key=lambda name: name == self.root):
            self._emit(name, done, set())
        head = [_FUTURE_LINE] if self.future else []
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
        statement = _import_of(name, value)
        known = self.made.setdefault(id(value), name) if callable(value) else name
        if statement is not None:
            self.imports[name] = statement
        elif known != name and known not in self.lost:
            self.items[name] = _Item(f"{name} = {known}", [known])  # one object under two names stays one
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
        item = self.items[name] = _Item(f"{name} = {text}")
        for other, needed in needs.items():
            self.need(other, needed)
            item.before.append(other)

    def _partial(self, name: str, value: functools.partial[Any]) -> None:
        inner = {f"_{name}_function": value.func, f"_{name}_args": value.args, f"_{name}_keywords": value.keywords}
        function, args, keywords = inner
        text = f"{name} = _functools.partial({function}, *{args}, **{keywords})"
        self.items[name] = _Item(text, [*inner, "_functools"])
        for other, needed in {**inner, "_functools": functools}.items():
            self.need(other, needed)

    def _define(self, name: str, value: Any) -> None:
        """A function, class, tool or agent of a cell."""
        found = _definition_of(name, value)
        if found is None:
            self._assign(name, value)
            return
        thing, code = found
        own = getattr(code.node, "name", name)
        if own != name and _same_global(thing, own, value):
            self.items[name] = _Item(f"{name} = {own}", [own])
            self.made[id(value)] = own
            self.need(own, value)
            return
        cells = source.closure(thing)
        cells = {cell: held for cell, held in cells.items() if cell != own or held is not thing}
        if cells:
            text = _factory(name, own, code, cells)
        elif isinstance(code.node, ast.Lambda):
            text = f"{name} = ({code.text})"
        else:
            text = _standalone(code) if own == name else f"{_standalone(code)}\n\n\n{name} = {own}"
        made = None
        if value is not thing and own == name and not getattr(code.node, "decorator_list", None):
            made = _assignment(name, code.file)  # as the cells of `%%graph_fn` do: `name = graph_fn(...)(name)`
        self.future = self.future or _from_future(thing)
        item = self.items[name] = _Item(text if made is None else f"{text}\n\n\n{ast.unparse(made)}")
        if made is not None:
            self._called(name, item, thing, made)
        self._names(name, item, thing, code, cells)

    def _assign(self, name: str, value: Any) -> None:
        """Something that a call made of a function (`fit = tool(raw)`): the statement is looked for in that cell."""
        thing = source.unwrap(value)
        code = source.code_of(thing)
        statement = None if code is None else _assignment(name, code.file)
        if statement is None:
            self._lose(name, f"how this {type(value).__name__} was made is not known; a decorated `def` is")
            return
        item = self.items[name] = _Item(ast.unparse(statement))
        self._called(name, item, thing, statement)

    def _called(self, name: str, item: _Item, thing: Any, statement: ast.Assign) -> None:
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

    def _names(self, title: str, item: _Item, thing: Any, code: source.Code, cells: Mapping[str, Any]) -> None:
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
            self.need(_carried(title, name), value)
            item.before.append(_carried(title, name))


def _factory(name: str, own: str, code: source.Code, cells: Iterable[str]) -> str:
    """A function that was made inside another one, with the variables that it had from there."""
    names = list(cells)
    text = ast.unparse(code.node)
    inner = f"return {text}" if isinstance(code.node, ast.Lambda) else f"{text}\nreturn {own}"
    head = f"def _make_{name}({', '.join(names)}):"
    call = f"{name} = _make_{name}({', '.join(_carried(name, cell) for cell in names)})"
    return f"{head}\n{textwrap.indent(inner, '    ')}\n\n\n{call}"


def _same_global(thing: Any, name: str, value: Any) -> bool:
    """Whether the place where `thing` was defined still has `value` under `name`."""
    try:
        return source.lookup(thing)(name) is value
    except LookupError:
        return False


def _carried(name: str, cell: str) -> str:
    """The name under which the module holds a variable of a closure."""
    return f"_{name}_{cell}"


def _standalone(code: source.Code) -> str:
    """The text of a definition at the left margin, where it was inside something else without changing its strings."""
    if code.node.col_offset == 0:
        return code.text.rstrip()
    tree = source.parsed(code.text)
    same = tree is not None and len(tree.body) == 1 and dump_digest(tree.body[0]) == dump_digest(code.node)
    return code.text.rstrip() if same else ast.unparse(code.node)


def _assignment(name: str, file: str) -> ast.Assign | None:
    """The last statement of a file or cell that assigns a call to `name`."""
    tree = source.parsed(source.text_of(file) or "")
    found = None
    for statement in tree.body if tree else ():
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            only = statement.targets[0] if len(statement.targets) == 1 else None
            found = statement if isinstance(only, ast.Name) and only.id == name else found
    return found


def _definition_of(name: str, value: Any) -> tuple[Any, source.Code] | None:
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


def _import_of(name: str, value: Any) -> str | None:
    """The statement that binds `name` to a module, or to something that lives in an importable module; else None."""
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
    return name != "__main__" and not hasattr(module, _MARK) and _spec(name)


def _from_future(thing: Any) -> bool:
    flags = thing.__code__.co_flags if isinstance(thing, types.FunctionType) else 0
    return bool(flags & _FUTURE.compiler_flag)
