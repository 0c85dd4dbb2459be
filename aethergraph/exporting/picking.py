"""`best = fits[index]`, where the index is known only when the graph runs: one small tool picks what is used of it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from . import small
from .bindings import Outs, Row, roots_of
from .draft import Draft


@dataclass(slots=True)
class _Pick:
    """One name, the list that it is picked from, and the outputs that are read of it later."""

    name: str
    source: ast.Subscript
    row: Row
    keys: list[str]


def picked(draft: Draft, statement: ast.Assign, later: Sequence[ast.stmt]) -> bool:
    """Write the node that picks; False where the statement is nothing of this kind.

    Raises:
        Unliftable: what is picked is used as a whole.
    """
    pairs = _pairs(statement)
    found = [_pick(draft, name, value, later) for name, value in pairs]
    picks = [pick for pick in found if pick is not None]
    if not picks or len(picks) < len(found):
        return False
    twice = {key for pick in picks for key in pick.keys if sum(key in other.keys for other in picks) > 1}
    replaced: dict[ast.AST, str] = {pick.source.value: "" for pick in picks}
    given = small.given_to(draft, [pick.source.slice for pick in picks], _reads(picks), {})
    outputs: list[str] = []
    texts: list[str] = []
    for pick in picks:
        replaced[pick.source] = draft.words.changed(pick.source.slice, given.replaced)
        for key in pick.keys:
            items = ", ".join(f"{item.var}.{item.prefix}{key}" for item in pick.row.items if isinstance(item, Outs))
            held = f"[one.{key} for one in {pick.row.text}]" if pick.row.text.isidentifier() else f"[{items}]"
            texts.append(f"{_parameter(given, key, pick, held)}[{pick.name}]")
            outputs.append(f"{pick.name}_{key}" if key in twice else key)
        given.roots |= roots_of(pick.row)
    del replaced[picks[0].source.value]
    body = f"{draft.words.block([statement], replaced)}\nreturn {', '.join(texts)}"
    title = "_and_".join(pick.name for pick in picks)
    var = small.write(draft, outputs, given, body, draft.fresh("picked"), f"pick_{title}")
    for pick in picks:
        prefix = f"{pick.name}_" if any(key in twice for key in pick.keys) else ""
        draft.env[pick.name] = Outs(var, tuple(pick.keys), frozenset({var}), prefix=prefix)
    return True


def _pairs(statement: ast.Assign) -> list[tuple[str, ast.expr]]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return [(name, value)]
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)) if len(names) == len(values):
            return [(name.id, each) for name, each in zip(names, values, strict=True) if isinstance(name, ast.Name)]
    return []


def _pick(draft: Draft, name: str, value: ast.expr, later: Sequence[ast.stmt]) -> _Pick | None:
    match value:
        case ast.Subscript(value=ast.Name(id=held), slice=index) if isinstance(row := draft.env.get(held), Row):
            fixed = isinstance(index, (ast.Constant, ast.Slice, ast.UnaryOp))
            if fixed or not row.items or not all(isinstance(item, Outs) for item in row.items):
                return None
            return _Pick(name, value, row, small.keys_read(name, later, value))
    return None


def _reads(picks: Sequence[_Pick]) -> set[str]:
    return {each.id for pick in picks for each in ast.walk(pick.source.slice) if isinstance(each, ast.Name)}


def _parameter(given: small.Given, key: str, pick: _Pick, held: str) -> str:
    for name, argument in given.parameters.items():
        if argument == held:
            return name
    taken = {*given.parameters, *_reads([pick]), pick.name}
    several = small.many(key)
    numbered = (f"{several}_{number}" for number in range(2, 1000))
    names = (several, f"{pick.name}_{several}", *numbered)
    name = next(name for name in names if name not in taken)
    given.parameters[name] = held
    return name
