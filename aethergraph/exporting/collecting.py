"""What the rounds of a loop do with what their calls gave: lists of outputs, or a small tool that goes through them."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping, Sequence
from typing import cast

from . import small
from .bindings import Binding, Outs, Row, Unliftable, Value, passed
from .draft import Draft
from .loops import Calls, Round, emptied
from .reading import changes, loads, reads_first, writes
from .words import indented


def _reads(one: Round) -> dict[ast.AST, str | None]:
    """Where the round reads what the call gave: the output, or None for all of them."""
    found: dict[ast.AST, str | None] = {}

    def is_made(each: ast.AST) -> bool:
        return each is one.awaited or bool(one.held) and isinstance(each, ast.Name) and each.id == one.held

    def visit(each: ast.AST) -> None:
        match each:
            case ast.Attribute(value=inner, attr=key) if is_made(inner):
                found[each] = key
            case ast.Subscript(value=inner, slice=ast.Constant(value=str(key))) if is_made(inner):
                found[each] = key
            case _ if is_made(each):
                found[each] = None
            case _:
                for child in ast.iter_child_nodes(each):
                    visit(child)

    for statement in one.after:
        visit(statement)
    return found


def appended(
    draft: Draft,
    one: Round,
    calls: Calls,
    empty: Mapping[str, ast.stmt],
    wanted: list[str],
    following: Sequence[ast.stmt],
) -> bool:
    """Where the rounds only append what the calls gave, the lists are outputs of the map; else False."""
    held: dict[str, Binding] = {}
    reads = _reads(one)
    for statement in one.after:
        match statement:
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(id=name), "append"), [value], [])) if name not in held:
                pass
            case ast.AugAssign(ast.Name(id=name), ast.Add(), ast.List([value])) if name not in held:
                pass
            case _:
                return False
        if value not in reads or not isinstance(getattr(empty.get(name), "value", None), ast.List):
            return False
        key = reads[value]
        if key is not None:
            held[name] = calls.output(key, value)
        elif isinstance(calls.made, list):
            text = ", ".join(each.var if isinstance(each, Outs) else passed(each, value) for each in calls.made)
            held[name] = Row(f"[{text}]", tuple(calls.made), mutable=True)
        elif _is_read_by_output(name, following):
            held[name] = calls.made
        else:
            raise Unliftable(f"`{name}` holds all outputs of each call, and is used as a whole", statement)
    if any(isinstance(each, Row) and name in changes(after) for name, each in held.items() for after in following):
        return False
    if set(wanted) - held.keys():
        return False
    draft.env.update(held)
    return True


def _is_read_by_output(name: str, following: Sequence[ast.stmt]) -> bool:
    """Whether what follows reads `name` only as `[one.y for one in name]`."""
    rest = ast.Module(list(following), [])
    reads = sum(isinstance(each, ast.Name) and each.id == name for each in ast.walk(rest))
    for each in ast.walk(rest):
        match each:
            case ast.ListComp(
                elt=ast.Attribute(value=ast.Name(id=inner)) | ast.Subscript(value=ast.Name(id=inner)),
                generators=[ast.comprehension(ast.Name(id=target), ast.Name(id=over), [], 0)],
            ) if over == name and inner == target:
                reads -= 1
    return reads == 0


def collect(draft: Draft, one: Round, calls: Calls, fresh: Sequence[ast.stmt], later: set[str]) -> None:
    """Write the loop without its calls as a small tool, over what they gave."""
    reads = _reads(one)
    keys: dict[str, ast.AST] = {}
    is_value = isinstance(calls.made, list) and all(isinstance(each, Value) for each in calls.made)
    for each, key in reads.items():
        if is_value:
            key = "" if isinstance(each, (ast.Name, ast.Await)) else None
        if key is None:
            raise Unliftable("all outputs of a call are used as a whole, not one by one", each)
        keys[key] = each
    statements = [*one.before, *one.after]
    around = [] if isinstance(calls.over, Value) else [one.loop.iter]
    taken = one.targets | {
        each.id for part in [*statements, *around] for each in ast.walk(part) if isinstance(each, ast.Name)
    }
    names = {key: _free(key or one.held or "answer", taken - {one.held}, draft) for key in keys}
    swapped = {each: names["" if is_value else str(key)] for each, key in reads.items()}
    body = [cast(ast.stmt, _swapped(each, swapped)) for each in statements]
    before = body[: len(one.before)] if writes(ast.Module(one.before, [])) & _loaded(body[len(one.before) :]) else []
    after = body[len(one.before) :]
    used = _loaded([*before, *after])
    target = bool(one.targets & used)
    own = {emptied(each) for each in fresh}
    nodes: list[ast.AST] = [*before, *after, *(around if target else [])]
    read = reads_first([*before, *after]) - one.targets - set(names.values()) - own
    held = small.given_to(draft, nodes, read | (_loaded(around) if target else set()), {})
    for inner in (inner for each in [*before, *after] for inner in ast.walk(each)):
        if isinstance(inner, ast.Name) and hasattr(inner, "swapped"):
            held.replaced[inner] = inner.id
    tool = one.held or draft.words.of(one.call.func).rpartition(".")[2]
    columns = {
        names[key]: small.parameter(
            held, many := small.many(names[key]), taken | own, _listed(calls.output(key, each)), f"{tool}_{many}"
        )
        for key, each in keys.items()
    }
    if target and one.guard is not None and not calls.over:
        raise Unliftable("only some rounds make a call", one.loop)
    heads, over = list(columns), list(columns.values())
    if target:
        words = draft.words
        heads.insert(
            0, f"({words.of(one.loop.target)})" if "," in words.of(one.loop.target) else words.of(one.loop.target)
        )
        over.insert(0, _over(draft, one, calls, held, {*own, *columns, *columns.values(), *one.targets, *used}))
    if not heads:
        raise Unliftable("the rounds use nothing of what they call", one.loop)
    listed = over[0] if len(over) == 1 else f"zip({', '.join(over)}, strict=True)"
    blocks = [draft.words.block(part, held.replaced) for part in (before, after) if part]
    lines = [draft.words.block([each], {}) for each in fresh]
    lines.append(f"for {', '.join(heads)} in {listed}:\n{indented(chr(10).join(blocks))}")
    pairs = [(emptied(each), not isinstance(getattr(each, "value", None), ast.Dict)) for each in fresh]
    lines.append(small.returns([(small.output_name(name), name, plain) for name, plain in pairs]))
    wanted = draft.fresh(pairs[0][0], own=True) if len(pairs) == 1 else "collected"
    var = small.write(draft, [name for name, _ in pairs], held, "\n".join(lines), wanted)
    small.bind_outputs(draft, var, [name for name, _ in pairs])


def _loaded(statements: Sequence[ast.AST]) -> set[str]:
    return set().union(*(loads(each) for each in statements))


def _listed(found: Value | Row) -> Value:
    return Value(found.text, None, found.roots)


def _over(draft: Draft, one: Round, calls: Calls, held: small.Given, taken: set[str]) -> str:
    """What the small tool goes through for the names of the loop."""
    if isinstance(calls.over, Value):
        name = small.many(min(one.targets))
        return small.parameter(held, name, taken, calls.over)
    return draft.words.changed(one.loop.iter, held.replaced)


def _free(name: str, taken: set[str], draft: Draft) -> str:
    while name in taken or name in draft.names:
        name += "_"
    return name


def _swapped(each: ast.AST, swapped: Mapping[ast.AST, str]) -> ast.AST:
    """A copy of a statement with names in place of some parts, which stand where those stood."""
    if each in swapped:
        made = ast.copy_location(ast.Name(swapped[each], ast.Load()), each)
        made.swapped = True  # type: ignore[attr-defined]
        return made
    copied = copy.copy(each)
    for key, value in ast.iter_fields(each):
        if isinstance(value, ast.AST):
            setattr(copied, key, _swapped(value, swapped))
        elif isinstance(value, list):
            setattr(copied, key, [_swapped(part, swapped) if isinstance(part, ast.AST) else part for part in value])
    return copied
