"""Whether code is still the same: one digest for a function and everything of the user's that it uses.

The digest is made of syntax trees in a form of our own, so comments, docstrings, formatting and the Python version do
not count; defaults, closure values, decorators, helpers, classes and constants do, however deep. Code of the standard
library and of installed packages counts by name only. It is taken afresh at each call (cells are run again all day);
only the parsing is remembered.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ..values.canonical import canonical
from ..values.tagged import home
from . import source

SIZE = 16  # bytes of a digest
TOO_LARGE = 64 << 20  # bytes; a larger global counts by type and shape


class CodeFingerprint(msgspec.Struct, frozen=True):
    """The fingerprint of a function.

    digest: 16 bytes; equal means nothing that counts has changed.
    parts: the digest of each function, class and constant that was counted, by the name a person would use.
    unchecked: globals that count only by their type, because they are too large or cannot be compared.
    """

    digest: bytes
    parts: dict[str, bytes]
    unchecked: list[str] = []


def code(fn: Any) -> CodeFingerprint:
    """The fingerprint of a function, class, tool or agent."""
    walk = _Walk()
    root = walk.layers(fn)
    walk.finish()
    whole = _digest(root, *(item for name in sorted(walk.parts) for item in (name.encode(), walk.parts[name])))
    return CodeFingerprint(whole, walk.parts, sorted(set(walk.unchecked)))


def own_text(fn: Any) -> bytes:
    """The fingerprint, 8 bytes, of what a function says itself, without what it uses; empty without its source."""
    code = source.code_of(source.unwrap(fn))
    return b"" if code is None else dump_digest(code.node)[:8]


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """The names of the parts that differ, for messages."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


class _Walk:
    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        self.unchecked: list[str] = []
        self._names: dict[int, str] = {}  # of what was followed, by id
        self._kept: list[Any] = []  # ids stay theirs while the walk lasts
        self._todo: list[tuple[str, Any]] = []

    def follow(self, thing: Any) -> str:
        """Count a function or class of the user's, later; return the name of its part."""
        if id(thing) not in self._names:
            name = self._unused(_label(thing))
            self._names[id(thing)] = name
            self._kept.append(thing)
            self.parts[name] = b""
            self._todo.append((name, thing))
        return self._names[id(thing)]

    def layers(self, thing: Any) -> bytes:
        """Count what the user wrote inside `thing`, and the user's decorators around it."""
        names = [
            self.follow(layer)
            for layer in source.layers(thing)
            if isinstance(layer, (types.FunctionType, type)) and source.is_users(layer)
        ]
        return " ".join(names).encode()

    def finish(self) -> None:
        while self._todo:
            name, thing = self._todo.pop(0)
            self.parts[name] = _digest(*self._own(name, thing))

    def _own(self, part: str, thing: Any) -> Iterator[bytes]:
        """What one function or class is made of: its tree, and what each name in it means."""
        code = source.code_of(thing)
        if code is None:
            yield from self._without_source(part, thing)
            return
        yield dump_digest(code.node)
        if isinstance(thing, types.FunctionType):
            yield from self._defaults(part, thing)
        cells = source.closure(thing)
        resolve = source.lookup(thing)
        for chain in sorted(code.chains):
            try:
                value = resolve(chain[0])
            except LookupError:
                continue  # bound nowhere; if it is bound one day, the digest changes
            label = f"{chain[0]} in {part}" if chain[0] in cells else _global_label(thing, chain[0])
            yield from self._meaning(label, value, chain)
        for module, name, level in code.imports:
            yield from self._imported(thing, module, name, level)

    def _meaning(self, label: str, value: Any, chain: tuple[str, ...]) -> Iterator[bytes]:
        yield ".".join(chain).encode()
        rest = chain[1:]
        while isinstance(value, types.ModuleType) and rest and source.is_users(value):
            label = f"{value.__name__}.{rest[0]}"
            value, rest = getattr(value, rest[0], None), rest[1:]
        yield self.value(label, value)

    def value(self, label: str, value: Any) -> bytes:
        """What a global or closure variable counts by; its own part is written on the way."""
        if isinstance(value, types.ModuleType):
            return self._module(value)
        inner = source.unwrap(value)
        if callable(inner) and isinstance(getattr(inner, "__qualname__", None), str):
            bound = self._bound(label, value)
            if isinstance(inner, (types.FunctionType, type)) and source.is_users(inner):
                return b"code " + self.layers(value) + bound
            return b"name " + _public_name(inner) + bound
        self.parts.setdefault(label, self._constant(label, value))
        return b"value " + label.encode()

    def _bound(self, label: str, value: Any) -> bytes:
        """The arguments that a `functools.partial` or the object that a bound method carries."""
        if isinstance(value, functools.partial):
            held: Any = (value.args, value.keywords)
        else:
            held = getattr(value, "__self__", None)
            if held is None or isinstance(held, (type, types.ModuleType)):
                return b""
        return b"(" + self.value(f"{label} (bound)", held) + b")"

    def _constant(self, label: str, value: Any) -> bytes:
        kind = type(value)
        size = _size(value)
        if size > TOO_LARGE:
            self.unchecked.append(f"{label} ({kind.__name__} of {size >> 20} MB)")
            return _digest(b"large", kind.__qualname__.encode(), repr(getattr(value, "shape", size)).encode())
        extra = b""
        if source.is_users(kind):
            extra = self.follow(kind).encode()
            if canonical(value).opaque and hasattr(value, "__dict__"):
                value = vars(value)
        found = canonical(value, self._known)
        if found.opaque:
            self.unchecked.append(f"{label} ({kind.__name__})")
        return _digest(found.data, extra)

    def _known(self, value: Any) -> tuple[bytes, int] | None:
        """Functions and classes inside a constant (a table of handlers) count by their code."""
        inner = source.unwrap(value)
        if isinstance(inner, (types.FunctionType, type)) and source.is_users(inner):
            return b"code " + self.layers(value), 0
        if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type)):
            return b"name " + _public_name(value), 0
        return None

    def _defaults(self, part: str, function: types.FunctionType) -> Iterator[bytes]:
        for number, value in enumerate(function.__defaults__ or ()):
            yield self.value(f"default {number + 1} of {part}", value)
        for name, value in sorted((function.__kwdefaults__ or {}).items()):
            yield name.encode() + self.value(f"default of {name} in {part}", value)

    def _module(self, module: types.ModuleType) -> bytes:
        """A module that is used as a whole: the user's by its text, others by name."""
        if source.is_users(module) and module.__name__ != "__main__":
            text = source.module_text(module)
            tree = None if text is None else source.parsed(text)
            if tree is None:
                self.unchecked.append(f"{module.__name__} (module without source)")
            else:
                self.parts[f"module {module.__name__}"] = dump_digest(tree)
        return b"module " + module.__name__.encode()

    def _imported(self, thing: Any, module: str, name: str, level: int) -> Iterator[bytes]:
        """An import inside a body, where the module is loaded already."""
        package = getattr(sys.modules.get(thing.__module__), "__package__", None) or ""
        if level:
            module = ".".join(
                [*package.split(".")[: len(package.split(".")) - level + 1], *([module] if module else [])]
            )
        loaded = sys.modules.get(module)
        if loaded is None or not source.is_users(loaded):
            return
        value = getattr(loaded, name, None) if name else None
        if value is None:
            yield self._module(loaded)
        else:
            yield self.value(f"{module}.{name}", value)

    def _without_source(self, part: str, thing: Any) -> Iterator[bytes]:
        if not isinstance(thing, types.FunctionType):
            self.unchecked.append(f"{part} (no source)")
            yield _public_name(thing)
            return
        # Bytecode differs between Python versions, so the version is part of it.
        yield b"bytecode %d.%d" % sys.version_info[:2]
        yield from _bytecode(thing.__code__)
        yield from self._defaults(part, thing)
        resolve = source.lookup(thing)
        for name in sorted(set(_loaded(thing.__code__)) | set(thing.__code__.co_freevars)):
            try:
                yield name.encode() + self.value(_global_label(thing, name), resolve(name))
            except LookupError:
                continue  # an attribute's name, or bound nowhere

    def _unused(self, label: str) -> str:
        number, name = 1, label
        while name in self.parts:
            number += 1
            name = f"{label} ({number})"
        return name


def _label(thing: Any) -> str:
    module = home(thing)
    name = thing.__name__ if isinstance(thing, types.FunctionType) else thing.__qualname__
    return name if module == "__main__" else f"{module}.{name}"


def _global_label(thing: Any, name: str) -> str:
    module = home(thing)
    return name if module == "__main__" else f"{module}.{name}"


def _public_name(thing: Any) -> bytes:
    """Package and name of something installed; its module may move within the package."""
    return f"{home(thing).partition('.')[0]}:{getattr(thing, '__qualname__', type(thing).__qualname__)}".encode()


def _size(value: Any) -> int:
    """Bytes of a value, as far as it says so cheaply."""
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    if type(value).__module__.startswith("pandas") and hasattr(value, "memory_usage"):
        used = value.memory_usage(deep=False)
        return int(used.sum() if hasattr(used, "sum") else used)
    if hasattr(value, "estimated_size"):
        return int(value.estimated_size())
    return sys.getsizeof(value) if isinstance(value, (str, bytes, bytearray, list, dict, set)) else 0


def _digest(*items: bytes) -> bytes:
    made = hashlib.blake2b(digest_size=SIZE)
    for item in items:
        made.update(b"%d:" % len(item) + item)
    return made.digest()


def _bytecode(code: types.CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_flags)).encode()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _bytecode(constant)
        else:
            yield canonical(constant).data


def _loaded(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _loaded(constant)


# The tree.

_NOT_CODE = {"ctx", "kind", "type_comment", "type_ignores"}
_DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)


@functools.lru_cache(maxsize=2048)
def dump_digest(node: ast.AST) -> bytes:
    """The digest of a tree in our own form, the same on each Python version and for each formatting."""
    made = hashlib.blake2b(digest_size=SIZE)
    for piece in _dump(node):
        made.update(piece.encode("utf-8", "surrogatepass"))
    return made.digest()


def _dump(node: Any) -> Iterator[str]:
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for name, value in _fields(node):
            # Fields come and go with versions (`type_params`); empty is as good as absent.
            if name not in _NOT_CODE and value is not None and value != []:
                yield f" {name}="
                yield from _dump(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _dump(item)
        yield "]"
    else:
        text = repr(node)
        yield f"{type(node).__name__}:{len(text)}:{text}"


def _fields(node: ast.AST) -> Iterable[tuple[str, Any]]:
    for name, value in sorted(ast.iter_fields(node)):
        if name == "body" and isinstance(value, list):
            start = 1 if isinstance(node, _DOCUMENTED) and _is_docstring(value) else 0
            yield name, [item for item in value[start:] if not isinstance(item, ast.Pass)]
        elif isinstance(node, ast.JoinedStr) and name == "values":
            yield name, _merged(value)
        elif name == "format_spec" and isinstance(value, ast.JoinedStr) and not value.values:
            continue  # `{x:}`: some versions keep an empty one
        else:
            yield name, value


def _is_docstring(body: list[ast.stmt]) -> bool:
    first = body[0] if body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _merged(values: list[ast.expr]) -> list[Any]:
    """Neighbouring texts of an f-string as one; versions split them differently."""
    merged: list[Any] = []
    for value in values:
        if not isinstance(value, ast.Constant):
            merged.append(value)
        elif merged and isinstance(merged[-1], str):
            merged[-1] += str(value.value)
        elif value.value != "":
            merged.append(str(value.value))
    return merged
