"""Whether plain Python has an effect outside of its variables: if not, it may come before or after other calls."""

from __future__ import annotations

import ast
import builtins
import pathlib
import types
from collections.abc import Iterable

from .bindings import Unliftable
from .calculating import CALCULATE
from .draft import Draft

_METHODS = (
    "add append as_posix capitalize copy count endswith extend find format get index isalpha isdigit items join keys "
    "lower lstrip mean partition removeprefix removesuffix replace reshape rfind rpartition rsplit rstrip setdefault "
    "split splitlines startswith strip sum title tolist upper update values with_name with_suffix zfill"
)  # of texts, lists, dicts, paths and arrays
_MODULES = ("math", "statistics", "operator", "posixpath", "ntpath")
_OF_NUMPY = (
    "abs arange argmax argmin argsort array asarray clip concatenate dot exp full hstack linspace log log10 max mean "
    "median min ones percentile quantile round sort sqrt stack std sum vstack where zeros"
)


def refuse_effects(draft: Draft, nodes: Iterable[ast.AST], but: ast.Call) -> None:
    """Raises Unliftable: some call, other than `but`, may do more than to calculate."""
    named = set(ast.walk(but.func))
    for node in nodes:
        for each in ast.walk(node):
            if (
                isinstance(each, ast.Call)
                and each is not but
                and each not in named
                and not _calculates(draft, each.func)
            ):
                raise Unliftable(f"`{draft.words.of(each.func)}` is called in each round, too", each)
            if isinstance(each, (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Raise, ast.Assert, ast.Delete)):
                raise Unliftable(f"`{type(each).__name__.lower()}` is used in each round", each)
            if isinstance(each, (ast.With, ast.Try, ast.Import, ast.ImportFrom)):
                raise Unliftable(f"`{type(each).__name__.lower()}` is used in each round", each)


def _calculates(draft: Draft, function: ast.expr) -> bool:
    match function:
        case ast.Name(id=name) if name in draft.locals:
            return False
        case ast.Name(id=name):
            found = draft.names.get(name, vars(builtins).get(name))
            built_in = name in CALCULATE and found is getattr(builtins, name)
            return built_in or isinstance(found, type) and issubclass(found, pathlib.PurePath)
        case ast.Attribute(value=inner, attr=attr):
            module = _module(draft, inner)
            if module is None:
                return attr in _METHODS.split() and not _is_global(draft, inner)
            return module.__name__ in _MODULES or (module.__name__ == "numpy" and attr in _OF_NUMPY.split())
    return False


def _module(draft: Draft, node: ast.expr) -> types.ModuleType | None:
    """The module that an expression like `np` or `os.path` names."""
    found = None
    if isinstance(node, ast.Name) and node.id not in draft.locals:
        found = draft.names.get(node.id)
    elif isinstance(node, ast.Attribute) and (outer := _module(draft, node.value)) is not None:
        found = vars(outer).get(node.attr)
    return found if isinstance(found, types.ModuleType) else None


def _is_global(draft: Draft, node: ast.expr) -> bool:
    """Whether an object is one of the notebook's, whose methods may do anything."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return (
        isinstance(node, ast.Name)
        and node.id not in draft.locals
        and not isinstance(draft.names.get(node.id), (str, list, dict, tuple, set, frozenset))
    )
