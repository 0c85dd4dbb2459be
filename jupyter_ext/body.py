"""What the statements of a cell do, as the body of one function. Nested functions and classes are not looked into."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def awaits(body: ast.Module) -> int:
    """The first line that needs an `async def`, or 0."""
    lines = [node.lineno for node in _own(body) if isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith))]
    inside = [node for node in _own(body) if isinstance(node, ast.comprehension) and node.is_async]
    return min(lines + [node.target.lineno for node in inside], default=0)


def first_yield(body: ast.Module) -> int:
    """The line of the first `yield`, or 0."""
    lines = [node.lineno for node in _own(body) if isinstance(node, (ast.Yield, ast.YieldFrom))]
    return min(lines, default=0)


def returns(body: ast.Module) -> bool:
    """Whether the body returns a value anywhere."""
    return any(isinstance(node, ast.Return) and node.value is not None for node in _own(body))


def uses(body: ast.Module, name: str) -> bool:
    """Whether `name` is read anywhere, in nested functions too."""
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(body))


def assigned(body: ast.Module) -> frozenset[str]:
    """The names that the body binds."""
    found = set[str]()
    for node in _own(body):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                found.update((alias.asname or alias.name).split(".")[0] for alias in aliases)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                found.add(name)
    return frozenset(found)


def ends(statements: Sequence[ast.stmt]) -> bool:
    """Whether the last statement surely leaves the function. Where that is not certain: False."""
    if not statements:
        return False
    match statements[-1]:
        case ast.Return() | ast.Raise():
            return True
        case ast.If(body=body, orelse=orelse):
            return ends(body) and ends(orelse)
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
            return ends(final) or (ends(orelse or body) and all(ends(handler.body) for handler in handlers))
        case ast.While(test=ast.Constant(value=True)) as loop:
            return not any(isinstance(node, ast.Break) for node in _own(loop))
        case ast.Match(cases=cases):
            last = cases[-1]
            catches_all = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
            return catches_all and all(ends(case.body) for case in cases)
    return False  # a `with` may swallow an exception


def _own(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if isinstance(child, DEFINITIONS):
            for outer in child.decorator_list:  # evaluated here, unlike the inside
                yield from _own(outer)
        elif isinstance(child, ast.comprehension):  # its targets are names of its own
            yield from _own(ast.Tuple([child.iter, *child.ifs], ast.Load()))
        elif not isinstance(child, ast.Lambda):
            yield from _own(child)
