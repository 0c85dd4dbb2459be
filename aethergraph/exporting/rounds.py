"""A `for` loop that calls one tool in each round: a map, or, over a few items that are known, one node after the other.

The calls come first and then all that the rounds do with what they gave, so this is the same only where no round
needs anything of the one before it, and where that other work has no effect but on the variables of the loop.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from ..authoring.staging import StagedTool
from ..authoring.tooling import Tool
from . import small
from .bindings import Binding, Known, Mapped, Row, Unliftable, Value, passed
from .collecting import appended, collect
from .draft import Draft
from .expressions import bind, given, known_items, node, outputs, step
from .loops import Calls, Round, emptied, refuse_dependence, round_of
from .reading import augmented, loads, writes
from .recognising import callee, question
from .words import indented

SHORT = 6  # items of a loop whose calls are written out one by one


def rounds(draft: Draft, fresh: Sequence[ast.stmt], loop: ast.For, following: Sequence[ast.stmt]) -> None:
    """Write the calls of a loop, and what it collects of them.

    Args:
        fresh: statements before it that `emptied` names of; following: those after it.

    Raises:
        Unliftable: it is not surely the same.
    """
    one = round_of(draft, loop)
    if one.held:  # nothing else keeps the comments above the call
        first = one.before[-1].end_lineno if one.before else loop.lineno
        draft.comments += draft.words.comments((first or 0) + 1, one.awaited.lineno - 1)
    empty = {emptied(each): each for each in fresh}
    refuse_dependence(draft, one, set(empty))
    calls = _one_by_one(draft, one) or _mapped(draft, one)
    later: set[str] = set().union(*(loads(each) | augmented(each) for each in following))
    lost = (writes(loop) - empty.keys()) & later
    if lost:
        raise Unliftable(f"`{min(lost)}` is used after the loop", loop)
    wanted = [name for name in empty if name in later]
    if not wanted or (one.guard is None or calls.over) and appended(draft, one, calls, empty, wanted, following):
        return
    collect(draft, one, calls, [empty[name] for name in wanted], later)


def _one_by_one(draft: Draft, one: Round) -> Calls | None:
    """The calls over a few items that are known, each after the one before; None where they are not known."""
    mark = draft.mark()
    try:
        items = None if one.guard or one.before else known_items(draft, one.loop.iter)
        if items is None or len(items) > SHORT or not items:
            draft.back(mark)
            return None
        made: list[Binding] = []
        outer = draft.env
        for item in items:
            draft.env = {**outer, **_named(one.loop.target, item)}
            made.append(_call(draft, one))
        draft.env = outer
    except Unliftable:
        draft.back(mark)
        return None
    return Calls(made)


def _call(draft: Draft, one: Round) -> Binding:
    if (asked := question(one.call, draft.env)) is not None:
        return step(draft, one.call, *asked, one.held)
    return node(draft, one.call, one.held)


def _named(target: ast.expr, item: Binding) -> dict[str, Binding]:
    """What the names of a target stand for where the loop is at `item`.

    Raises:
        Unliftable: that is not known.
    """
    if isinstance(target, ast.Name):
        return {target.id: item}
    if isinstance(target, (ast.Tuple, ast.List)):
        items: Sequence[Binding] | None = item.items if isinstance(item, Row) else None
        if isinstance(item, Known):
            shown = ast.parse(item.text, mode="eval").body
            parts = shown.elts if isinstance(shown, (ast.Tuple, ast.List)) else []
            items = [Known(ast.unparse(part)) for part in parts]
        if items is not None and len(items) == len(target.elts):
            return {
                name: held
                for each, part in zip(target.elts, items, strict=True)
                for name, held in _named(each, part).items()
            }
    raise Unliftable("what the names of the loop stand for is not known beforehand", target)


def _mapped(draft: Draft, one: Round) -> Calls:
    """One map over the items, which are worked on one at a time, as in the loop."""
    target, call = callee(draft, one.call.func), one.call
    if not isinstance(target, Tool) or isinstance(target, StagedTool):
        raise Unliftable(f"`{draft.words.of(call.func)}` is called for each item, which only a tool can be", call)
    if target.context_name:
        raise Unliftable(f"`{target.name}` has a context, and what it does with that keeps its order here", call)
    parameters = list(target.signature.parameters)
    pairs = [*zip(parameters, call.args, strict=False), *((word.arg or "", word.value) for word in call.keywords)]
    bound = one.targets | writes(ast.Module(one.before, []))
    own = [(key, value) for key, value in pairs if loads(value) & bound]
    starred = any(isinstance(each, ast.Starred) for each in call.args) or "" in dict(pairs)
    if starred or len(call.args) > len(parameters) or "max_concurrency" in parameters:
        raise Unliftable(f"`{draft.words.of(call)}` does not name its arguments", call)
    if len(own) != 1 or own[0][0] != parameters[0]:
        raise Unliftable(f"not only the first argument of `{target.name}` differs from round to round", call)
    words = [ast.copy_location(ast.keyword(key, value), value) for key, value in pairs if (key, value) != own[0]]
    over = _items(draft, one, *own[0])
    arguments, roots = given(draft, ast.copy_location(ast.Call(call.func, [], words), call))
    draft.uses.add(name := _tool_name(draft, call))
    roots |= over.roots if isinstance(over, Value) else frozenset()
    var = draft.fresh(one.held, own=True) if one.held else draft.fresh(f"{name}_done")
    draft.line(var, draft.call(f"{name}.map", [passed(over, call), *arguments, "max_concurrency=1"], roots))
    draft.lines[-1].beside = _beside(draft, one)
    made = draft.made(var, roots)
    draft.reached(var)
    over_target = isinstance(own[0][1], ast.Name) and one.targets == {own[0][1].id}
    return Calls(Mapped(var, outputs(target), made), over if over_target else None)


def _beside(draft: Draft, one: Round) -> str:
    """The comment beside the call."""
    statements = [each for each in ast.walk(one.loop) if isinstance(each, ast.stmt) and one.awaited in ast.walk(each)]
    return draft.words.beside(statements[-1]) if len(statements) > 1 else ""


def _tool_name(draft: Draft, call: ast.Call) -> str:
    assert isinstance(call.func, ast.Name)
    held = draft.env.get(call.func.id)
    return held.text if isinstance(held, Known) else call.func.id


def _items(draft: Draft, one: Round, parameter: str, argument: ast.expr) -> Value | Known:
    """The list of what the calls are given, one after the other."""
    loop, words = one.loop, draft.words
    plain = isinstance(loop.target, ast.Name) and isinstance(argument, ast.Name) and argument.id == loop.target.id
    if plain and one.guard is None and not one.before and _is_list(draft, loop.iter):
        over = bind(draft, loop.iter, small.many(parameter))
        if isinstance(over, (Value, Known)):
            return over
    nodes: list[ast.AST] = [loop.iter, argument, *one.before, *([one.guard] if one.guard else [])]
    inside = one.targets | writes(ast.Module(one.before, []))
    read = set().union(*(loads(each) for each in nodes)) - inside
    held = small.given_to(draft, nodes, read, {})
    over_text, text = words.changed(loop.iter, held.replaced), words.changed(argument, held.replaced)
    target = words.of(loop.target)
    check = _guard(draft, one, held.replaced)
    taken = read | inside | held.parameters.keys()
    several = next(name for name in (small.many(parameter), "items", "items_") if name not in taken)
    if not one.before:
        listed = f"[{text} for {target} in {over_text}{f' if {check}' if check else ''}]"
        body = f"return list({over_text})" if plain and not check else f"return {listed}"
    else:
        inner = f"{words.block(one.before, held.replaced)}\n{several}.append({text})"
        inner = f"if {check}:\n{indented(inner)}" if check else inner
        body = f"{several} = []\nfor {target} in {over_text}:\n{indented(inner)}\nreturn {several}"
    var = small.write(draft, [several], held, body, draft.fresh(several))
    return Value(var, f".{several}", frozenset({var}))


def _guard(draft: Draft, one: Round, replaced: Mapping[ast.AST, str]) -> str:
    match one.guard:
        case None:
            return ""
        case ast.UnaryOp(op=ast.Not(), operand=test) if one.guard.col_offset == test.col_offset:
            return f"not ({draft.words.changed(test, replaced)})"
    return draft.words.changed(one.guard, replaced)


def _is_list(draft: Draft, over: ast.expr) -> bool:
    """Whether what a loop goes through is surely a list or the like: a map takes no text and no dict."""
    match over:
        case ast.List() | ast.Tuple() | ast.Set() | ast.ListComp() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in ("list", "sorted", "range", "tuple", "set", "reversed")
        case ast.Name(id=name) if name in draft.env:
            held = draft.env[name]
            return isinstance(held, Value) and held.text in draft.lists
        case ast.Name(id=name):
            return isinstance(draft.names.get(name), (list, tuple, range, set, frozenset))
    return False


# ---------------------------------------------------------------------- what is made of them
