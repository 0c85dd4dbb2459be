"""Two names of a body that may stand for one object, which is changed under one of them and read under the other.

In the body both see the change. Nodes are given what others gave, each for itself, so there the other would not.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Sequence
from typing import Any

from ..authoring.reactive import Agent
from ..authoring.tooling import Tool
from ..code import source
from .bindings import Unliftable
from .calculating import CALCULATE
from .draft import Draft
from .reading import augmented, changes, loads, own, writes

_COPIES = ("copy", "deepcopy", "tolist", "format", "join", "split", "strip", "count", "index", "sum", "mean", "astype")
_VIEWS = ("asarray", "ravel", "view", "reshape", "atleast_1d", "transpose")
_LAZY = (ast.Lambda, ast.GeneratorExp)


def refuse(draft: Draft, body: Sequence[ast.stmt]) -> None:
    """Refuse a body that changes an object that it reads under another name, too.

    Raises:
        Unliftable: names both; or a function without a name is made from what is assigned again later.
    """
    pairs: list[tuple[int, str, str]] = []
    for place, statement in enumerate(body):
        following = body[place + 1 :]
        later: set[str] = set().union(*(loads(each) | augmented(each) for each in following))
        changed = changes(statement)
        for _, one, other in pairs:
            for name, alias in ((one, other), (other, one)):
                if name in changed and alias in later:
                    raise Unliftable(f"`{alias}` and `{name}`, which is changed here, may be one object", statement)
        pairs = _together(pairs + [(place, *pair) for pair in aliases(draft, statement)], statement)
        again: set[str] = set().union(*(writes(each) for each in following))
        for each in own(statement):
            if isinstance(each, _LAZY) and loads(each) & again & draft.locals:
                name = min(loads(each) & again & draft.locals)
                raise Unliftable(f"`{name}` is assigned again after something that reads it later was made", each)


def _together(pairs: list[tuple[int, str, str]], statement: ast.stmt) -> list[tuple[int, str, str]]:
    """With what follows from them: what is one with the same is one."""
    found = {frozenset((one, other)): place for place, one, other in pairs if one != other}
    for _, one, other in pairs:
        for name, alias in ((one, other), (other, one)):
            near = {next(iter(pair - {name})) for pair in found if name in pair}
            found |= {frozenset((alias, far)): statement.lineno for far in near if far != alias}
    return [(place, *sorted(pair)) for pair, place in found.items()]  # type: ignore[misc]


def aliases(draft: Draft | None, statement: ast.AST) -> list[tuple[str, str]]:
    """The pairs of names that a statement may make names of one object, or of one and a part of it."""
    found: list[tuple[str, str]] = []
    for each in own(statement):
        match each:
            case ast.Assign(targets=targets, value=value):
                names = set().union(*(_stored(target) for target in targets))
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
                names = _stored(target)
            case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
                names = _stored(target)
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                names = _stored(target)
            case ast.Call(
                func=ast.Attribute(value=held, attr="append" | "add" | "extend" | "insert" | "update"), args=args
            ):
                names = parts(draft, held)
                found += [(name, root) for name in names for each in args for root in parts(draft, each)]
                continue
            case _:
                continue
        found += [(name, root) for name in names for root in parts(draft, value)]
    return [pair for pair in found if pair[0] != pair[1]]


def _stored(target: ast.expr) -> set[str]:
    """The names that an assignment gives its value, or changes by it."""
    if isinstance(target, (ast.Attribute, ast.Subscript)):
        return _stored(target.value)
    return {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}


def parts(draft: Draft | None, value: ast.expr) -> set[str]:
    """The names whose object, or a part of it, an expression may give."""

    def all_of(nodes: Sequence[ast.expr | None]) -> set[str]:
        return set().union(*(parts(draft, each) for each in nodes if each is not None))

    match value:
        case ast.Name(id=name):
            return {name}
        case (
            ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Starred(value=inner) | ast.Await(value=inner)
        ):
            return parts(draft, inner)
        case ast.List(elts=inner) | ast.Tuple(elts=inner) | ast.Set(elts=inner) | ast.BoolOp(values=inner):
            return all_of(inner)
        case ast.Dict(values=inner):
            return all_of(inner)
        case ast.IfExp(body=one, orelse=other):
            return all_of([one, other])
        case ast.NamedExpr(value=inner):
            return parts(draft, inner)
        case ast.Lambda():
            return set(loads(value))
        case ast.ListComp(elt=inner, generators=several) | ast.GeneratorExp(elt=inner, generators=several):
            return _each(draft, inner, several)
        case ast.DictComp(value=inner, generators=several):
            return _each(draft, inner, several)
        case ast.Call(func=function, args=args, keywords=words):
            return _called(draft, function, [*args, *(word.value for word in words)])
    return set()


def _each(draft: Draft | None, element: ast.expr, several: Sequence[ast.comprehension]) -> set[str]:
    found = parts(draft, element)
    for each in several:
        targets = _stored(each.target)
        if found & targets:
            found = (found - targets) | parts(draft, each.iter)
    return found


def _called(draft: Draft | None, function: ast.expr, given: Sequence[ast.expr]) -> set[str]:
    handed = set().union(*(parts(draft, each) for each in given))
    if isinstance(function, ast.Attribute):
        if function.attr in _COPIES:
            return set()
        return parts(draft, function.value) | (handed if function.attr in (*_VIEWS, "gather", "setdefault") else set())
    if not isinstance(function, ast.Name) or function.id in CALCULATE or draft is None:
        return set()
    target = draft.names.get(function.id)
    return handed if function.id == "gather" or gives_what_it_is_given(target) else set()


def gives_what_it_is_given(target: Any) -> bool:
    """Whether a function of the user's may return an argument of its own, or a part of one."""
    thing = source.unwrap(target) if isinstance(target, (Tool, Agent, types.FunctionType)) else None
    code = source.code_of(thing) if isinstance(thing, types.FunctionType) and source.is_users(thing) else None
    if code is None or not isinstance(code.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    arguments = code.node.args
    names = {each.arg for each in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]}
    names.discard(getattr(target, "context_name", ""))
    body = ast.Module(code.node.body, [])
    pairs = aliases(None, body)
    while more := {pair[at] for pair in pairs for at in (0, 1) if pair[1 - at] in names} - names:
        names |= more
    values = [each.value for each in ast.walk(body) if isinstance(each, ast.Return) and each.value is not None]
    return any(parts(None, value) & names for value in values)
