"""`if` around calls: the nodes of both sides have a condition, and what follows has what the taken side gave."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from . import small
from .bindings import NO_ROOTS, Binding, Known, Outs, Unliftable, Value, field, passed, roots_of
from .draft import Draft
from .expressions import refer
from .reading import augmented, loads, writes

Side = Callable[[list[ast.stmt], int, Sequence[ast.stmt]], None]
_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


def either(draft: Draft, statement: ast.If, side: Side, following: Sequence[ast.stmt]) -> None:
    """Write both sides of an `if`; `side` writes one.

    Raises:
        Unliftable: one of them cannot be nodes, or a name is not assigned on both.
    """
    holds, fails, roots = _condition(draft, statement, [*statement.body, *statement.orelse])
    before = dict(draft.env)
    line = statement.body[-1].end_lineno or 0
    one = _one(draft, holds, roots, lambda: side(statement.body, statement.lineno, following))
    ends, env = draft.frontier, draft.env
    draft.env = dict(before)
    draft.goes_on_from(one)
    _one(draft, fails, roots, lambda: side(statement.orelse, line, following))
    draft.goes_on_from(dict.fromkeys([*ends, *draft.frontier]))
    draft.reached(*draft.frontier)
    rest = ast.Module(list(following), [])
    changed = {name for name in env.keys() & draft.env.keys() if env[name] != draft.env[name]}  # in place, too
    for name in sorted((writes(statement) | changed) & (loads(rest) | augmented(rest))):
        if name not in env or name not in draft.env:
            raise Unliftable(f"`{name}` is not assigned on both sides of an `if`", statement)
        draft.env[name] = _merged(draft, name, holds, roots, (env[name], draft.env[name]), following, statement)
    for name in set(draft.env) - before.keys() - writes(rest):
        if name not in env:
            del draft.env[name]


def either_return(draft: Draft, statement: ast.If, orelse: list[ast.stmt], side: Side) -> None:
    """Write an `if` both sides of which return.

    Raises:
        Unliftable: they cannot be nodes, or return different outputs.
    """
    holds, fails, roots = _condition(draft, statement, [*statement.body, *orelse])
    before = dict(draft.env)
    outer = draft.condition
    frontier = _one(draft, holds, roots, lambda: side(statement.body, statement.lineno, ()))
    first, draft.returned = draft.returned, None
    draft.env = before
    draft.goes_on_from(frontier)
    _one(draft, fails, roots, lambda: side(orelse, (statement.body[-1].end_lineno or 0), ()))
    other, draft.returned = draft.returned, None
    if first is None or other is None or first.keys() != other.keys():
        raise Unliftable("the sides of an `if` return different outputs", statement)
    choose = draft.our("branch")
    given = {
        key: text if other[key] == text else f"{choose}({holds}, {text}, {other[key]})" for key, text in first.items()
    }
    if outer:
        draft.returned = given
    else:
        draft.line("", f"return {{{', '.join(f'{_quoted(key)}: {text}' for key, text in given.items())}}}")


def _quoted(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _one(draft: Draft, condition: str, roots: frozenset[str], write: Callable[[], None]) -> list[str]:
    """Write one side under its condition; gives the variables after which it begins."""
    begins, pending = draft.frontier, set(draft.pending)
    outer, around = draft.condition, draft.condition_roots
    draft.condition = f"({outer}) & ({condition})" if outer else condition
    draft.condition_roots = around | roots
    try:
        write()
    finally:
        draft.condition, draft.condition_roots = outer, around
    if draft.pending != pending:
        raise Unliftable("a call inside an `if` is not awaited there", ast.Pass())
    return begins


def _condition(draft: Draft, statement: ast.If, sides: list[ast.stmt]) -> tuple[str, str, frozenset[str]]:
    """The text for that the test holds, for that it does not, and what it is made of."""
    test = statement.test
    if not _is_used(test, sides):
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand) if isinstance(held := refer(draft, operand), Value):
                return f"~{held.text}", held.text, held.roots
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _SIGNS:
                one, other = refer(draft, left), refer(draft, right)
                if isinstance(one, Value) and isinstance(other, (Value, Known)) and (one.tail is not None):
                    text = f"{one.text} {_SIGNS[type(sign)]} {other.text}"
                    return text, f"~({text})", one.roots | roots_of(other)
            case _ if isinstance(held := refer(draft, test), Value):
                return held.text, f"~{held.text}", held.roots
    held = small.condition(draft, test)
    return held.text, f"~{held.text}", held.roots


def _is_used(test: ast.expr, sides: list[ast.stmt]) -> bool:
    """Whether something of the test is also given to a call on one of the sides, which might change it."""
    parts = {ast.unparse(each) for each in ast.walk(test) if isinstance(each, (ast.Name, ast.Attribute, ast.Subscript))}
    inside = {ast.unparse(each) for side in sides for each in ast.walk(side) if isinstance(each, ast.expr)}
    return bool(parts & inside)


def _merged(
    draft: Draft,
    name: str,
    holds: str,
    roots: frozenset[str],
    sides: tuple[Binding, Binding],
    following: Sequence[ast.stmt],
    node: ast.AST,
) -> Binding:
    """What a name stands for after an `if` that gave it one thing or another."""
    one, other = sides
    if one == other:
        return one
    if isinstance(one, Outs) and isinstance(other, Outs):
        keys = small.keys_read(name, following, node)
        pairs = [(key, (field(one, key, node), field(other, key, node))) for key in keys]
        made = tuple((key, _chosen(draft, f"{name}_{key}", holds, roots, pair, node)) for key, pair in pairs)
        return Outs(name, tuple(keys), NO_ROOTS.union(*(value.roots for _, value in made)), made=made)
    return _chosen(draft, name, holds, roots, sides, node, own=True)


def _chosen(
    draft: Draft,
    name: str,
    holds: str,
    roots: frozenset[str],
    sides: tuple[Binding, Binding],
    node: ast.AST,
    *,
    own: bool = False,
) -> Value:
    texts = [passed(side, node) for side in sides]
    var = draft.fresh(name, own=own)
    draft.line(var, f"{draft.our('branch')}({holds}, {texts[0]}, {texts[1]})")
    return Value(var, None, roots | roots_of(sides[0]) | roots_of(sides[1]))
