"""A `for` loop with one call in each round, taken apart, and whether no round needs anything of the one before."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from .bindings import Binding, Mapped, Outs, Row, Unliftable, Value, field, passed
from .draft import Draft
from .quiet import refuse_effects
from .reading import augmented, changes, loads, odd, reads_first, writes
from .recognising import callee, changed_arguments, question

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


def round_of(draft: Draft, loop: ast.For) -> Round:
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


def refuse_dependence(draft: Draft, one: Round, empty: set[str]) -> None:
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
