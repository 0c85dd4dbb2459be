"""An agent's own source, so that its run can be resumed where no cell was run: signed, stored, and made again.

`gathering.gather` writes it. What it cannot write down (a computed frame, a model) is named in `missing`; using such a
name in the made module is a NameError that says which cell to run.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import hashlib
import linecache
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import msgspec

from ..errors import DamagedRecord, Untrusted
from ..storage.keyring import MAC_SIZE, Keyring
from ..storage.store import Store, Transaction
from .parsing import parse

SOURCE_ROLE = "source"
FUTURE = __future__.annotations
FUTURE_LINE = "from __future__ import annotations"
MARK = "__aethergraph_definition__"  # in a module that was made here; see tagged.home
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


def bound_by(statement: ast.stmt) -> set[str]:
    """The names that a statement of a definition's source gives."""
    return set(_bound_by(statement))


def save(store: Store, definition: Definition, keyring: Keyring) -> str:
    """Store a definition, signed; return its digest. Nothing is written where it is stored already."""
    key = f"d:{definition.digest}"
    content = msgspec.msgpack.encode(definition)
    row = keyring.sign(SOURCE_ROLE, content) + content
    if store.get(key) != row:
        with store.transact() as transaction:
            transaction.set(key, row)
    return definition.digest


def keep_op(store: Store, digest: str) -> Callable[[Transaction], None]:
    """Write the stored definition again, in the transaction of a run that needs it, if it was collected meanwhile.

    Raises:
        DamagedRecord: it is gone already.
    """
    key = f"d:{digest}"
    row = store.get(key)
    if row is None:
        raise DamagedRecord(f"the source {digest[:12]} of an agent", "it is not in this store")
    kept = row

    def op(rows: Transaction) -> None:
        if rows.get(key) is None:
            rows.set(key, kept)

    return op


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
    names.update({MARK: definition.digest, "__file__": file, "__builtins__": _Builtins(lost) if lost else builtins})
    sys.modules[module_name] = module
    cloudpickle.register_pickle_by_value(module)  # another process has no such module
    flags = FUTURE.compiler_flag if definition.source.startswith(FUTURE_LINE) else 0
    for statement in parse(definition.source, file).body:
        bound = set(_bound_by(statement))
        if bound and bound <= winners.keys():
            names.update({name: winners[name] for name in bound})
        else:
            exec(compile(ast.Module([statement], []), file, "exec", flags, dont_inherit=True), names)
    return names


def own_names(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """What a made namespace defines, without what Python puts into each module."""
    return {name: value for name, value in namespace.items() if name not in _AUTOMATIC and name != MARK}


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
