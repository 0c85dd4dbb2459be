"""The definitions of a notebook that lies in a file: made without a kernel, and without running what its cells do."""

from __future__ import annotations

import ast
import importlib
import json
import linecache
import re
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..code.definitions import MARK
from ..errors import ExportError, known
from ..lifecycle import resuming
from ..record.scopes import free
from .constants import is_calculated, lost
from .reading import writes

_HEADER = re.compile(r"%%(?:graph_fn|graphify|tool)\b")
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def cells(path: Path) -> Iterator[tuple[str, str]]:
    """The code cells of a notebook as Python: how each is called in messages, and its text, line for line.

    Raises:
        ExportError: the file is no notebook.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{path} cannot be read as a notebook: {type(error).__name__}: {error}") from error
    number = 0
    for cell in found:
        if cell.get("cell_type") == "code":
            number += 1
            source = cell.get("source", "")
            yield f"{path}, cell {number}", python("".join(source) if isinstance(source, list) else source)


def python(text: str) -> str:
    """A cell as Python; what is meant for IPython becomes a comment."""
    if _HEADER.match(text):
        header = importlib.import_module("jupyter_ext.header")
        line, _, body = text.partition("\n")
        made = importlib.import_module("jupyter_ext.cells").function(header.parse(line), line, _plain(body))
        return "".join(line for line in made.splitlines(keepends=True) if not line.startswith("__import__("))
    if text.startswith("%%"):
        return "".join(f"# {line}\n" for line in text.split("\n"))
    return _plain(text)


def _plain(text: str) -> str:
    lines = text.split("\n")
    return "\n".join(
        f"{line[: len(line) - len(line.lstrip())]}pass  # {line.lstrip()}" if line.lstrip()[:1] in ("%", "!") else line
        for line in lines
    )


@contextmanager
def defined(path: Path, name: str) -> Iterator[Any]:
    """What `name` is in the notebook: made, with all that it uses, from definitions alone, for the time of the `with`.

    Raises:
        ExportError: no cell defines it, or it uses what a cell computes.
    """
    texts = list(cells(path))
    trees = [(file, tree) for file, text in texts if (tree := _parsed(file, text)) is not None]
    module = types.ModuleType(f"notebook_{re.sub(r'[^0-9a-zA-Z]', '_', path.stem)}")
    names = vars(module)
    names[MARK] = str(path)
    before = dict(linecache.cache)
    for file, text in texts:
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    sys.modules[module.__name__] = module
    try:
        with resuming.apart():
            for file, statement in _needed(trees, name):
                _execute(file, statement, names)
            if name not in names:
                there = {each for _, tree in trees for each in writes(tree) if not each.startswith("_")}
                raise ExportError(f"no cell of {path.name} defines {name!r}; its cells define: {known(there)}")
            yield names[name]
    finally:
        del sys.modules[module.__name__]
        linecache.cache.clear()
        linecache.cache.update(before)


def _parsed(file: str, text: str) -> ast.Module | None:
    try:
        return ast.parse(text, file)
    except SyntaxError:
        return None  # a cell that IPython alone understands, or that never ran


def _needed(trees: list[tuple[str, ast.Module]], name: str) -> list[tuple[str, ast.stmt]]:
    """The statements that define `name` and what it uses, in the order of the notebook."""
    every = [(file, statement) for file, tree in trees for statement in tree.body]
    gives = [writes(statement) for _, statement in every]
    wanted, taken, todo = {name}, set[int](), [name]
    while todo:
        one = todo.pop()
        places = [place for place, given in enumerate(gives) if one in given]
        for place in places:
            if place in taken:
                continue
            taken.add(place)
            new = set(free(every[place][1])[0]) - wanted
            wanted |= new
            todo += new
    return [every[place] for place in sorted(taken)]


def _execute(file: str, statement: ast.stmt, names: dict[str, Any]) -> None:
    """Execute a definition; what is none leaves its names undefined.

    Raises:
        ExportError: it raises.
    """
    if not _is_definition(statement, names):
        for name in writes(statement):
            names.pop(name, None)
        return
    try:
        exec(compile(ast.Module([statement], []), file, "exec", dont_inherit=True), names)
    except Exception as error:
        what = f"this definition raises {type(error).__name__}: {error}"
        raise ExportError(what, where=f"{file}:{statement.lineno}") from error


def _is_definition(statement: ast.stmt, names: dict[str, Any]) -> bool:
    if isinstance(statement, _DEFINES):
        return True
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is None:
        return False
    return is_calculated(statement.value, names) or _makes_agent(statement.value, names)


def _makes_agent(value: ast.expr, names: dict[str, Any]) -> bool:
    """`tool(...)(fn)`, `graph_fn(fn)`, `partial(fn, 3)`: something that is made of a function."""
    while isinstance(value, ast.Call):
        value = value.func
    text = ast.unparse(value)
    held = names.get(text.partition(".")[0])
    ours = getattr(held, "__module__", None) or getattr(held, "__name__", "")
    return "__import__('aethergraph')" in text or str(ours).partition(".")[0] in ("aethergraph", "functools")


def refuse_computed(path: Path, name: str, unbound: set[str]) -> None:
    """Raises ExportError: `name` uses something that only running a cell would give."""
    for file, text in reversed(list(cells(path))):
        tree = _parsed(file, text)
        for statement in reversed(tree.body if tree else []):
            for missing in sorted(unbound & writes(statement)):
                where = f"{file}:{statement.lineno}"
                raise ExportError(lost(missing, f"a cell computes it, and {name} uses it"), where=where)
