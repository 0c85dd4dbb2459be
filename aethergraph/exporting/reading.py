"""What statements read, write and change, and whether they are plain Python that a tool may hold."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from ..record.scopes import free

_LEAVES = (ast.Return, ast.Yield, ast.YieldFrom, ast.Global, ast.Nonlocal)
_LATER = (ast.Await, ast.AsyncFor, ast.AsyncWith)
_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_CHANGES = (  # methods of lists, dicts and sets that change them, also where their value is used
    "add append appendleft clear difference_update discard extend insert intersection_update pop popitem popleft "
    "remove reverse rotate setdefault sort symmetric_difference_update update"
)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def own(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and all inside it but the insides of functions and classes."""
    yield node
    if not isinstance(node, _INNER):
        for child in ast.iter_child_nodes(node):
            yield from own(child)


def loads(node: ast.AST) -> frozenset[str]:
    """Names that `node` reads from around it."""
    return free(node)[0]


def writes(node: ast.AST) -> set[str]:
    """Names that statements bind in their own scope, `:=` in comprehensions included."""
    found: set[str] = set()
    for each in own(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, (ast.Store, ast.Del)):
            found.add(each.id)
        elif isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(each.name)
        elif isinstance(each, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in each.names}
        elif isinstance(each, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and each.name:
            found.add(each.name)
        elif isinstance(each, ast.MatchMapping) and each.rest:
            found.add(each.rest)
    return found - _comprehension_targets(node)


def _comprehension_targets(node: ast.AST) -> set[str]:
    """Names that are bound in comprehensions and nowhere else."""
    inside: set[str] = set()
    places: set[int] = set()
    for each in own(node):
        if isinstance(each, ast.comprehension):
            names = [name for name in ast.walk(each.target) if isinstance(name, ast.Name)]
            inside |= {name.id for name in names}
            places |= {id(name) for name in names}
    elsewhere = {
        each.id
        for each in own(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store) and id(each) not in places
    }
    return inside - elsewhere


def surely(statements: Sequence[ast.stmt]) -> set[str]:
    """Names that are bound whichever way the statements go, unless one raises."""
    found: set[str] = set()
    for statement in statements:
        match statement:
            case ast.If(body=body, orelse=orelse):
                found |= surely(body) & surely(orelse)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                found |= {name for item in items if item.optional_vars for name in writes(item.optional_vars)}
                if all(_lets_through(item.context_expr) for item in items):  # others may swallow an exception
                    found |= surely(body)
            case ast.For() | ast.AsyncFor() | ast.While() | ast.Match():
                pass
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
                ways = [surely([*body, *orelse]), *(surely(handler.body) for handler in handlers)]
                found |= set.intersection(*ways) | surely(final)
            case ast.Delete():
                found -= writes(statement)
            case _:
                found |= {name for name in writes(statement) if name not in _conditional(statement)}
    return found


def _lets_through(manager: ast.expr) -> bool:
    """Whether a context manager is one of ours, or a file, which swallow no exception."""
    match manager:
        case ast.Call(func=ast.Name(id="open")) | ast.Call(func=ast.Attribute(attr="progress" | "stream" | "writer")):
            return True
    return False


def _conditional(statement: ast.stmt) -> set[str]:
    """Names that `:=` binds where it may not be evaluated."""
    found: set[str] = set()
    for each in own(statement):
        if isinstance(each, (ast.BoolOp, ast.IfExp, *_COMPREHENSIONS, ast.Compare)):
            found |= {w.target.id for w in ast.walk(each) if isinstance(w, ast.NamedExpr)}
    return found


def reads_first(statements: Sequence[ast.stmt]) -> set[str]:
    """Names that the statements may read before they have bound them."""
    found: set[str] = set()
    bound: set[str] = set()
    for number, statement in enumerate(statements):
        found |= _reads(statement) - bound
        bound |= surely(statements[number : number + 1])
    return found


def _reads(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.If(test=test, body=body, orelse=orelse) | ast.While(test=test, body=body, orelse=orelse):
            return {*loads(test)} | reads_first(body) | reads_first(orelse)
        case ast.For() | ast.AsyncFor():
            inner = reads_first([*statement.body]) - writes(statement.target)
            return {*loads(statement.iter)} | inner | reads_first(statement.orelse)
        case ast.With() | ast.AsyncWith():
            given = set().union(*(loads(item.context_expr) for item in statement.items))
            named = set().union(*(writes(item.optional_vars) for item in statement.items if item.optional_vars))
            return given | (reads_first(statement.body) - named)
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
            found = reads_first([*body, *orelse]) | reads_first(final)
            for handler in handlers:
                found |= (loads(handler.type) if handler.type else set()) | (reads_first(handler.body) - {handler.name})
            return found
    return {*loads(statement)} | augmented(statement)


def augmented(node: ast.AST) -> set[str]:
    """Names that `+=` and the like change."""
    targets = [each.target for each in own(node) if isinstance(each, ast.AugAssign)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def changes(node: ast.AST) -> set[str]:
    """Names whose values are changed in place, as the text shows: items, attributes, methods called for an effect."""
    found: set[str] = set()
    for each in own(node):
        match each:
            case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
                found |= _root(each)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=inner))):
                found |= _root(inner)
            case ast.Call(func=ast.Attribute(value=inner, attr=attr)) if attr in _CHANGES.split():
                found |= _root(inner)
            case ast.AugAssign(target=target):
                found |= _root(target)
    return found


def _root(node: ast.expr) -> set[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def awaits(node: ast.AST) -> bool:
    """Whether it awaits anything."""
    return any(isinstance(each, _LATER) or getattr(each, "is_async", 0) for each in own(node))


def odd(statements: Iterable[ast.AST]) -> tuple[str, ast.AST] | None:
    """What in plain statements cannot be moved into a function of its own, and why not."""
    for statement in statements:
        for each in own(statement):
            if isinstance(each, _LEAVES):
                return f"`{type(each).__name__.lower()}` leaves the steps around it", each
            if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                return f"`{each.name}` is defined inside the agent", each
    return None
