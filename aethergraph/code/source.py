"""What a function is made of: its text, its syntax tree, and the global names that it loads.

Everything is read through `linecache`, so cells of a notebook work like files.
"""

from __future__ import annotations

import ast
import builtins
import functools
import linecache
import os
import site
import sys
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..record.scopes import Definable, free, needed_now
from ..values.annotations import annotations_of
from .cutting import definition_at
from .parsing import parse

_LAMBDA = "<lambda>"


class Code(msgspec.Struct, frozen=True):
    """The text of one function, class or lambda.

    names: global names it loads. now: those among them that are needed when the `def` itself is executed.
    chains: dotted reads that begin with such a name, as tuples: `mod.sub.f`.
    imports: (module, name or "", level) of imports inside the body.
    """

    text: str
    node: Definable
    names: frozenset[str]
    now: frozenset[str]
    chains: frozenset[tuple[str, ...]]
    imports: tuple[tuple[str, str, int], ...]
    file: str
    line: int


def layers(thing: Any) -> list[Any]:
    """`thing` and what it wraps (tool, agent, method, partial, `functools.wraps`), down to what the user wrote."""
    found = [thing]
    while len(found) < 100:  # a chain that does not end is no chain of decorators
        inner = _inner(thing)
        if inner is None:
            break
        found.append(inner)
        thing = inner
    return found


def _inner(thing: Any) -> Any:
    if isinstance(thing, types.FunctionType):
        return getattr(thing, "__wrapped__", None)
    if isinstance(thing, (type, types.BuiltinFunctionType, types.ModuleType)):
        return None
    if isinstance(thing, (types.MethodType, staticmethod, classmethod)):
        return thing.__func__
    if isinstance(thing, functools.partial):
        return thing.func
    if callable(thing) and _has(thing, "fn") and _has(thing, "name"):
        return thing.fn  # a tool or agent
    return thing.__wrapped__ if _has(thing, "__wrapped__") else None


def _has(thing: Any, name: str) -> bool:
    """Whether an attribute is really there; objects with a `__getattr__` of their own claim to have any.

    What `inspect.getattr_static` comes to here, in a quarter of its time: each name in each body is asked for that.
    """
    common = next((kind.__dict__[name] for kind in type(thing).__mro__ if name in kind.__dict__), None)
    if hasattr(type(common), "__set__"):  # a property, a slot: it goes before what the object has itself
        return True
    try:
        own = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        own = None
    return (own[name] if type(own) is dict and name in own else common) is not None


def unwrap(thing: Any) -> Any:
    """The function or class that the user wrote; `thing` itself where there is nothing to unwrap."""
    return layers(thing)[-1]


def code_of(thing: Any) -> Code | None:
    """The text of a function or class itself (see `unwrap`), or None where there is none."""
    if isinstance(thing, types.FunctionType):
        text = text_of(thing.__code__.co_filename, thing.__globals__)
        return None if text is None else _function(text, thing.__code__)
    if isinstance(thing, type):
        return _class(thing)
    return None


def lookup(thing: Any) -> Callable[[str], Any]:
    """How the names that a function or class loads are resolved: closure, globals, builtins.

    The function returned raises LookupError for a name that is bound nowhere (yet).
    """
    cells = closure(thing)
    names = _globals(thing)

    def resolve(name: str) -> Any:
        if name in cells:
            return cells[name]
        return names[name] if name in names else vars(builtins)[name]

    return resolve


def closure(thing: Any) -> dict[str, Any]:
    """Values of the variables that a function (or the methods of a class) has from functions around it."""
    found: dict[str, Any] = {}
    functions = [thing] if isinstance(thing, types.FunctionType) else _methods(thing)
    for function in functions:
        if function.__code__.co_filename.startswith("<string"):
            continue  # `dataclass` and the like have written it, with variables of their own
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                found[name] = cell.cell_contents
            except ValueError:
                continue  # not bound yet: a recursive function while it is being made
    for name in (
        "__class__",
        "__classdict__",
    ):  # the compiler's own; the second is that of lazy annotations, from 3.14 on
        found.pop(name, None)
    return found


def is_users(thing: Any) -> bool:
    """Whether the source of a function, class or module is the user's own: a cell, a local or an editable module."""
    thing = unwrap(thing)
    if isinstance(thing, types.FunctionType):
        file = thing.__code__.co_filename
        return is_users_file(file) if not file.startswith("<string") else is_users(sys.modules.get(thing.__module__))
    if isinstance(thing, type):
        return is_users(sys.modules.get(thing.__module__)) or thing.__module__ == "__main__"
    if isinstance(thing, types.ModuleType):
        file = getattr(thing, "__file__", None) or ""
        return thing.__name__ == "__main__" or (bool(file) and is_users_file(file))
    return False


def cells() -> list[str]:
    """The names of the texts that are in `linecache` only, oldest first: cells."""
    # The second of an entry is when its file was changed, None where there is none.
    return [
        file
        for file, entry in list(linecache.cache.items())
        if len(entry) == 4 and (entry[1] is None or not _is_file(file))
    ]


@functools.lru_cache(maxsize=4096)
def _is_file(name: str) -> bool:
    return Path(name).exists()


def module_text(module: types.ModuleType) -> str | None:
    """The source of a whole module, or None."""
    file = getattr(module, "__file__", None)
    return text_of(file, vars(module)) if isinstance(file, str) else None


def parsed(text: str) -> ast.Module | None:
    """The tree of a file or cell, or None where it is no Python."""
    return _parsed(text)


# Where the text is.

# By file: its lines as `linecache` has them, and the text that they make. What is remembered of a text is looked up by
# it, and one that is the very same is not compared letter by letter.
_texts: dict[str, tuple[list[str], str]] = {}


def text_of(file: str, names: dict[str, Any] | None = None) -> str | None:
    """The whole text of a file or cell; `names`: the globals of its module, for files inside archives."""
    linecache.checkcache(file)
    lines = linecache.getlines(file, names)
    if not lines:
        return None
    known = _texts.get(file)
    if known is not None and known[0] is lines:
        return known[1]
    text = "".join(lines)
    _texts[file] = lines, text
    return text


@functools.lru_cache(maxsize=512)
def _parsed(text: str) -> ast.Module | None:
    try:
        return parse(text)
    except (SyntaxError, ValueError):
        return None


@functools.lru_cache(maxsize=512)
def _definitions(text: str) -> dict[tuple[str, int], list[Definable]]:
    """All functions, classes and lambdas of a text, by name and first line (that of the first decorator)."""
    found: dict[tuple[str, int], list[Definable]] = {}
    for node in ast.walk(_parsed(text) or ast.Module([], [])):
        if isinstance(node, Definable):
            name = _LAMBDA if isinstance(node, ast.Lambda) else node.name
            found.setdefault((name, _first_line(node)), []).append(node)
    return found


@functools.lru_cache(maxsize=2048)
def _at_margin(text: str, name: str, line: int) -> Definable | None:
    """The function of that name and first line, if it can be told without the rest of its text."""
    node = definition_at(text, line)
    return node if node is not None and node.name == name else None


def _first_line(node: Definable) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(each.lineno for each in decorators)])


def _function(text: str, code: types.CodeType) -> Code | None:
    alone = _at_margin(text, code.co_name, code.co_firstlineno)
    if alone is not None:
        return _code(text, alone, code.co_filename)
    candidates = _definitions(text).get((code.co_name, code.co_firstlineno), [])
    if len(candidates) > 1:  # lambdas of one line
        places = {place[:2] for place in _places(code)}
        candidates = [n for n in candidates if places & {place[:2] for place in _spans(n)}] or candidates
    return _code(text, candidates[0], code.co_filename) if candidates else None


def _places(code: types.CodeType) -> Iterator[tuple[int, int, int, int]]:
    for line, end_line, column, end_column in code.co_positions():
        if line and end_line and column is not None and end_column is not None and end_column > column:
            yield line, column, end_line, end_column


def _spans(node: Definable) -> Iterator[tuple[int, int]]:
    body = node.body if isinstance(node, ast.Lambda) else node
    for inner in ast.walk(body):
        if isinstance(inner, ast.expr):
            yield inner.lineno, inner.col_offset


def _class(kind: type) -> Code | None:
    """A class of a module by its file; a class of a cell by the file of its methods, else among all cells."""
    module = sys.modules.get(kind.__module__)
    files = {method.__code__.co_filename for method in _methods(kind)}
    if getattr(module, "__file__", None):
        files.add(str(module.__file__))  # type: ignore[union-attr]
    places = [file for file in sorted(files) if not file.startswith("<string")]
    line = vars(kind).get("__firstlineno__")  # from Python 3.13 on
    names = vars(module) if module else {}
    # A class without methods does not know its cell, so all cells are looked through.
    found = [code for file in places for code in _classes(kind, file, names)]
    found = found or [code for file in cells() for code in _classes(kind, file, names)]
    exact = [code for code in found if code.line == line]
    best = exact or found
    return best[-1] if best else None


def _classes(kind: type, file: str, names: dict[str, Any]) -> Iterator[Code]:
    text = text_of(file, names)
    if text is None or kind.__name__ not in text:
        return
    for (name, _), nodes in sorted(_definitions(text).items(), key=lambda item: item[0][1]):
        for node in nodes:
            if name == kind.__name__ and isinstance(node, ast.ClassDef) and _fits(kind, node):
                yield _code(text, node, file)


def _fits(kind: type, node: ast.ClassDef) -> bool:
    """Whether a class can have come from this text: cells that were edited leave older texts behind."""
    assigned = {target.id for item in node.body for target in _targets(item) if isinstance(target, ast.Name)}
    defined = {item.name for item in node.body if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))}
    annotated = {item.target.id for item in node.body if _annotates(item)}  # type: ignore[attr-defined]
    found = annotations_of(kind)
    own = set(vars(kind)) | set(found) | set(getattr(kind, "__pydantic_fields__", ()))
    return (assigned | defined) <= own and set(found) == annotated and _same_literals(kind, node)


def _same_literals(kind: type, node: ast.ClassDef) -> bool:
    for item in node.body:
        for target in _targets(item):
            value = getattr(item, "value", None)
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                actual = vars(kind).get(target.id, value.value)
                if type(actual) is type(value.value) and actual != value.value:
                    return False
    return True


def _annotates(item: ast.stmt) -> bool:
    return isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)


def _targets(item: ast.stmt) -> list[ast.expr]:
    if isinstance(item, ast.Assign):
        return item.targets
    return [item.target] if isinstance(item, ast.AnnAssign) and item.value is not None else []


def _methods(kind: Any) -> list[types.FunctionType]:
    members = (
        [unwrap(getattr(value, "fget", None) or value) for value in vars(kind).values()]
        if isinstance(kind, type)
        else []
    )
    return [each for each in members if isinstance(each, types.FunctionType) and each.__module__ == kind.__module__]


def _globals(thing: Any) -> Mapping[str, Any]:
    if isinstance(thing, types.FunctionType):
        return thing.__globals__
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    return vars(module) if module else {}


@functools.lru_cache(maxsize=2048)
def _code(text: str, node: Definable, file: str) -> Code:
    names, chains = free(node)
    first, last = _first_line(node), node.end_lineno or node.lineno
    lines = text.splitlines(keepends=True)[first - 1 : last]
    if isinstance(node, ast.Lambda):
        part = ast.get_source_segment(text, node) or ast.unparse(node)
    else:
        part = textwrap.dedent("".join(lines)) if node.col_offset else "".join(lines)
    return Code(part, node, names, needed_now(node), chains, tuple(_imports(node)), file, first)


def _imports(node: ast.AST) -> Iterator[tuple[str, str, int]]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            yield from ((alias.name, "", 0) for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom):
            yield from ((inner.module or "", alias.name, inner.level) for alias in inner.names)


# What is the user's.


@functools.cache
def _foreign_folders() -> tuple[str, ...]:
    # Those of `sysconfig.get_paths()`, which first executes what Python was configured with, 2 ms before the first run
    # is live. Installed packages that no folder here holds are known by the name of theirs.
    library = os.path.dirname(os.__file__)
    folders = [library, *(site.getsitepackages() if hasattr(site, "getsitepackages") else ())]
    folders.append(site.getusersitepackages())
    if library.startswith(sys.base_prefix):
        within = library[len(sys.base_prefix) :]
        folders += [prefix + within for prefix in (sys.base_exec_prefix, sys.prefix, sys.exec_prefix)]
    package = Path(__file__).parents[1]
    folders += [str(package), str(package.with_name("jupyter_ext"))]
    return tuple({str(Path(folder)) + ending for folder in folders for ending in ("/", "\\")})


@functools.lru_cache(maxsize=4096)
def is_users_file(file: str) -> bool:
    """Whether it is outside the standard library, installed packages and this one: a cell, a local or editable file."""
    if file.startswith(("<frozen", "<string", "<__array_function__")):
        return False
    parts = Path(file).parts
    return not file.startswith(_foreign_folders()) and not {"site-packages", "dist-packages"} & set(parts)
