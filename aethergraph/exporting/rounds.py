"""A `for` loop that calls one tool in each round: a map, or, over a few items that are known, one node after the other.

The calls come first and then all that the rounds do with what they gave, so this is the same only where no round
needs anything of the one before it, and where that other work has no effect but on the variables of the loop.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ..authoring.staging import StagedTool
from ..authoring.tooling import Tool
from . import small
from .bindings import Binding, Known, Mapped, Outs, Row, Unliftable, Value, field, passed
from .draft import Draft
from .expressions import bind, given, known_items, node, outputs, step
from .quiet import refuse_effects
from .reading import augmented, changes, loads, odd, reads_first, writes
from .recognising import callee, changed_arguments, question
from .words import indented

SHORT = 6  # items of a loop whose calls are written out one by one
_ALWAYS = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)
_MAYBE = (ast.IfExp, ast.BoolOp, ast.Compare, ast.comprehension, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp,
          ast.GeneratorExp)  # fmt: skip


@dataclass(slots=True)
class Round:
    """What one round does.

    guard: only for items for which this holds. before, after: the statements around the call. awaited: where it
    stands; held: the name that is given its outputs, or "".
    """

    loop: ast.For
    guard: ast.expr | None
    before: list[ast.stmt]
    call: ast.Call
    awaited: ast.Await
    held: str
    after: list[ast.stmt]

    @property
    def targets(self) -> set[str]:
        """The names that go through the items."""
        return writes(self.loop.target)


@dataclass(slots=True)
class Calls:
    """The calls of all rounds: one map, or nodes one after the other. over: what the map goes through."""

    made: Mapped | list[Binding]
    over: Binding | None = None

    def output(self, key: str, at: ast.AST) -> Value | Row:
        """A list of what each call gave as `key`; "" for what a question gave."""
        if isinstance(self.made, Mapped):
            return field(Outs(self.made.var, self.made.keys, self.made.roots), key, at)
        items = tuple(field(each, key, at) if isinstance(each, Outs) else each for each in self.made)
        return Row(f"[{', '.join(passed(item, at) for item in items)}]", items, mutable=True)


def emptied(statement: ast.stmt) -> str:
    """The name that a statement like `found = []` or `total = 0` gives a value of its own; "" for any other."""
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(target=ast.Name(id=name), value=value)
        ):
            if isinstance(value, (ast.Constant, ast.List, ast.Dict)) and not list(ast.walk(value))[2:]:
                return name if not getattr(value, "elts", None) else ""
    return ""


def rounds(draft: Draft, fresh: Sequence[ast.stmt], loop: ast.For, following: Sequence[ast.stmt]) -> None:
    """Write the calls of a loop, and what it collects of them.

    Args:
        fresh: statements before it that `emptied` names of; following: those after it.

    Raises:
        Unliftable: it is not surely the same.
    """
    one = _round(draft, loop)
    if one.held:  # nothing else keeps the comments above the call
        first = one.before[-1].end_lineno if one.before else loop.lineno
        draft.comments += draft.words.comments((first or 0) + 1, one.awaited.lineno - 1)
    empty = {emptied(each): each for each in fresh}
    _refuse_dependence(draft, one, set(empty))
    calls = _one_by_one(draft, one) or _mapped(draft, one)
    later: set[str] = set().union(*(loads(each) | augmented(each) for each in following))
    lost = (writes(loop) - empty.keys()) & later
    if lost:
        raise Unliftable(f"`{min(lost)}` is used after the loop", loop)
    wanted = [name for name in empty if name in later]
    if not wanted or (one.guard is None or calls.over) and _appended(draft, one, calls, empty, wanted, following):
        return
    _collect(draft, one, calls, [empty[name] for name in wanted], later)


# ---------------------------------------------------------------------- what a round is


def _round(draft: Draft, loop: ast.For) -> Round:
    """A loop taken apart.

    Raises:
        Unliftable: it calls no tool, or more than one, or not in each round.
    """
    if loop.orelse:
        raise Unliftable("a loop with `else` calls tools", loop.orelse[0])
    if (found := odd([loop])) is not None:
        raise Unliftable(*found)
    for each in ast.walk(loop):
        if isinstance(each, ast.Break):
            raise Unliftable("`break` ends the loop by what a call gave", each)
    guard, body = _guarded(loop.body)
    waits = [each for each in ast.walk(loop) if isinstance(each, (ast.Await, ast.AsyncFor, ast.AsyncWith))]
    tools = [each for each in ast.walk(loop) if isinstance(each, ast.expr) and callee(draft, each) is not None]
    place = next((n for n, each in enumerate(body) if any(inner in waits for inner in ast.walk(each))), 0)
    match waits:
        case [ast.Await(value=ast.Call() as call) as awaited] if place < len(body) and tools in ([call.func], []):
            statement = body[place]
        case [_, _, *_] if len(tools) > 1:
            raise Unliftable("each round makes several calls, one after the other", loop)
        case _:
            raise Unliftable("each round does more than to await one call", loop)
    if not tools and question(call, draft.env) is None:
        raise Unliftable(f"`{draft.words.of(call.func)}` is awaited in each round", call)
    held, after = "", body[place:]
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(target=ast.Name(id=name), value=value)
        ):
            if value is awaited:
                held, after = name, body[place + 1 :]
        case ast.Expr(value=value) if value is awaited:
            after = body[place + 1 :]
    if after[:1] == [statement] and not _is_first(statement, awaited):
        raise Unliftable("a call is made in the middle of a statement", statement)
    return Round(loop, guard, body[:place], call, awaited, held, after)


def _guarded(body: list[ast.stmt]) -> tuple[ast.expr | None, list[ast.stmt]]:
    """`if x > 2:` around a whole body, or `if x <= 2: continue` before it."""
    match body:
        case [ast.If(test=test, body=inner, orelse=[])]:
            return test, inner
        case [ast.If(test=test, body=[ast.Continue()], orelse=[]), *rest]:
            return ast.copy_location(ast.UnaryOp(ast.Not(), test), test), rest
    return None, body


def _is_first(statement: ast.stmt, awaited: ast.Await) -> bool:
    """Whether a statement always awaits the call, before it calls anything else."""
    if not isinstance(statement, _ALWAYS):
        return False
    inside = set(ast.walk(awaited))
    around = [each for each in ast.walk(statement) if each not in inside and awaited in ast.walk(each)]
    others = [each for each in ast.walk(statement) if isinstance(each, ast.Call) and each not in inside]
    return not any(isinstance(each, _MAYBE) for each in around) and all(
        each in around or each.col_offset > awaited.col_offset or each.lineno > awaited.lineno for each in others
    )


def _refuse_dependence(draft: Draft, one: Round, empty: set[str]) -> None:
    """Raises Unliftable: a round depends on another, or does what would come in another order."""
    loop, body = one.loop, ast.Module(one.loop.body, [])
    written = writes(body) | changes(body)
    first = reads_first([*one.before, ast.Expr(one.call)])
    reads = {*first, *(loads(one.guard) if one.guard else ())} - one.targets
    if clash := reads & (written | empty):
        raise Unliftable(f"a round uses `{min(clash)}`, which the one before it has set", loop)
    if clash := one.targets & (written | loads(loop.iter)):
        raise Unliftable(f"`{min(clash)}` is changed in the loop", loop)
    if clash := {*loads(loop.iter)} & (written | empty):
        raise Unliftable(f"the loop changes `{min(clash)}`, which it goes through", loop)
    if changed_arguments(callee(draft, one.call.func), one.call):
        raise Unliftable(f"`{draft.words.of(one.call.func)}` changes what it is given", one.call)
    own = {emptied(each) for each in [*one.before, *one.after]}
    augments = set().union(*(augmented(each) for each in loop.body))
    if clash := (changes(body) | augments) - empty - own:
        raise Unliftable(f"`{min(clash)}`, which a round changes, is not made right before the loop", loop)
    parts: list[ast.AST] = [loop.iter, *one.before, *one.after, *one.call.args, *one.call.keywords]
    refuse_effects(draft, [*parts, *([one.guard] if one.guard else [])], one.call)


# ---------------------------------------------------------------------- the calls


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


def _appended(
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


def _collect(draft: Draft, one: Round, calls: Calls, fresh: Sequence[ast.stmt], later: set[str]) -> None:
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
    used = set().union(*(loads(each) for each in body))
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
