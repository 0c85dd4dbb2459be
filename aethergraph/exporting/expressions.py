"""Expressions of an agent's body as a static graph says them: references, nodes, and small tools for the rest."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Sequence
from typing import Any

from ..authoring.tooling import Tool
from ..scheduler.control import CONTROL
from ..values.literals import NoLiteral, literal
from . import small
from .bindings import (
    CONTEXT,
    NO_ROOTS,
    Binding,
    Known,
    Mapped,
    Outs,
    Row,
    Service,
    Unliftable,
    Value,
    field,
    passed,
    placed,
    roots_of,
)
from .calculating import CALCULATE, is_calculated, is_constant, known_text
from .draft import Draft
from .reading import loads
from .recognising import STEPS, callee, changed_by_calls, is_gather, is_node, question, service


def bind(draft: Draft, node: ast.expr, wanted: str) -> Binding:
    """What an expression stands for; what no reference can say becomes a small tool, with an output `wanted`."""
    found = refer(draft, node)
    return found if found is not None else small.expression(draft, node, wanted, awaited_inside(draft, node))


def refer(draft: Draft, node: ast.expr) -> Binding | None:
    """What an expression stands for, or None where a reference cannot say it; then nothing was written."""
    before = draft.mark()
    found = _referred(draft, node)
    if found is None:
        draft.back(before)
    return found


def _referred(draft: Draft, node: ast.expr) -> Binding | None:
    match node:
        case ast.Constant():
            return Known(draft.words.of(node))
        case ast.Name(id=name):
            return _name(draft, node, name)
        case ast.Await(value=value):
            return awaited(draft, value)
        case ast.Attribute(value=inner, attr=attr):
            return _attribute(draft, node, refer(draft, inner), attr)
        case ast.Subscript(value=inner, slice=index):
            return _item(draft, node, refer(draft, inner), index)
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return _display(draft, node, items)
        case ast.Dict(keys=keys, values=values):
            return _dict(draft, node, keys, values)
        case ast.ListComp(elt=element, generators=[generator]) | ast.GeneratorExp(elt=element, generators=[generator]):
            return _each(draft, node, element, generator)
        case ast.Call() if (found := service(node, draft.words.of(node), draft.env)) is not None:
            return found
        case ast.Call(func=function) if callee(draft, function) is not None:
            return _begun(draft, node)
    return Known(known_text(draft, node)) if is_calculated(draft, node) else None


def _name(draft: Draft, node: ast.Name, name: str) -> Binding | None:
    if name in draft.env:
        draft.join(roots_of(draft.env[name]))
        return draft.env[name]
    if name in draft.locals:
        raise Unliftable(f"`{name}` may not be assigned here", node)
    if name == CONTEXT:
        raise Unliftable("the context itself is handed on", node)
    if name in draft.moving and is_constant(draft.names.get(name, node)):
        return None  # read it when the graph runs
    draft.uses.add(name)
    return Known(name)


def _attribute(draft: Draft, node: ast.Attribute, base: Binding | None, attr: str) -> Binding | None:
    match base:
        case Outs():
            draft.join(base.roots)
            return field(base, attr, node)
        case Value() if not attr.startswith("_"):
            return base.part(f".{attr}")
        case Known() if is_calculated(draft, node):
            return Known(known_text(draft, node))
    return None


def _item(draft: Draft, node: ast.Subscript, base: Binding | None, index: ast.expr) -> Binding | None:
    try:
        key = ast.literal_eval(index)
    except (ValueError, TypeError, SyntaxError):
        key = None
    match base:
        case Outs() if isinstance(key, str):
            draft.join(base.roots)
            return field(base, key, node)
        case Value() if type(key) in (int, str):
            return base.part(f"[{draft.words.of(index)}]")
        case Row(items=items) if type(key) is int and -len(items) <= key < len(items):
            return items[key]
        case Known() if is_calculated(draft, node):
            return Known(known_text(draft, node))
    return None


def _display(draft: Draft, node: ast.expr, items: list[ast.expr]) -> Row | Known | None:
    found: list[Binding] = []
    texts: list[str] = []
    for item in items:
        given = refer(draft, item.value if isinstance(item, ast.Starred) else item)
        if given is None or isinstance(given, (Service, Mapped)):
            return None
        if isinstance(item, ast.Starred):
            if not isinstance(given, Row):
                return None
            found += given.items
        else:
            found.append(given)
        texts.append(f"*{_shown(given)}" if isinstance(item, ast.Starred) else _shown(given))
    inner = ", ".join(texts)
    mutable = isinstance(node, ast.List)
    text = f"[{inner}]" if mutable else f"({inner}{',' if len(texts) == 1 else ''})"
    if all(isinstance(item, Known) for item in found):
        return Known(text)
    return Row(text, tuple(found), mutable)


def _shown(binding: Value | Outs | Row | Known) -> str:
    """A member of a display that exists only while the graph is built: outputs stay together there."""
    return binding.var if isinstance(binding, Outs) else binding.text


def _dict(draft: Draft, node: ast.Dict, keys: Sequence[ast.expr | None], values: list[ast.expr]) -> Binding | None:
    pairs: list[str] = []
    roots: frozenset[str] = NO_ROOTS
    for key, value in zip(keys, values, strict=True):
        name = None if key is None else refer(draft, key)
        given = refer(draft, value)
        if not isinstance(name, Known) or given is None or isinstance(given, Service):
            return None
        pairs.append(f"{name.text}: {passed(given, value)}")
        roots |= roots_of(given)
    text = f"{{{', '.join(pairs)}}}"
    return Value(text, None, roots) if roots or _depends(draft, node) else Known(text)


def _depends(draft: Draft, node: ast.AST) -> bool:
    """Whether it has anything to do with the inputs or with what nodes gave."""
    return any(not isinstance(draft.env.get(name, Known("")), Known) for name in loads(node))


def _each(draft: Draft, node: ast.expr, element: ast.expr, generator: ast.comprehension) -> Binding | None:
    """`[one.accuracy for one in fits]`, where `fits` are nodes."""
    if generator.ifs or generator.is_async or not isinstance(generator.target, ast.Name):
        return None
    inside = [each for each in ast.walk(element) if isinstance(each, ast.expr)]
    if any(isinstance(each, ast.Await) or callee(draft, each) for each in inside) or isinstance(node, ast.GeneratorExp):
        return None
    over = refer(draft, generator.iter)
    name = generator.target.id
    if isinstance(over, Mapped):
        return _listed_output(over, name, element)
    if not isinstance(over, Row):
        return None
    items: list[Value | Outs | Row | Known] = []
    for item in over.items:
        given = _under(draft, name, item, element)
        if given is None or isinstance(given, (Service, Mapped)):
            return None
        items.append(given)
    general = _generic(over, name)
    shown = None if general is None else _under(draft, name, general, element)
    if shown is None or isinstance(shown, (Service, Mapped)):
        return Row(f"[{', '.join(map(_shown, items))}]", tuple(items), mutable=True)
    return Row(f"[{_shown(shown)} for {name} in {over.text}]", tuple(items), mutable=True)


def _listed_output(over: Mapped, name: str, element: ast.expr) -> Value | None:
    """`[one.y for one in results]` of calls for each item of a list: their output `y`, which is a list."""
    match element:
        case ast.Attribute(value=ast.Name(id=own), attr=key) if own == name:
            return field(Outs(over.var, over.keys, over.roots), key, element)
        case ast.Subscript(value=ast.Name(id=own), slice=ast.Constant(value=str(key))) if own == name:
            return field(Outs(over.var, over.keys, over.roots), key, element)
    return None


def _under(draft: Draft, name: str, item: Binding, element: ast.expr) -> Binding | None:
    """What `element` stands for where `name` is `item`."""
    outer, draft.env = draft.env, {**draft.env, name: item}
    try:
        return refer(draft, element)
    finally:
        draft.env = outer


def _generic(row: Row, name: str) -> Binding | None:
    """A variable that goes through the items of `row`; None where they are not of one kind."""
    general = [placed(Row("", (item,)), name).items[0] for item in row.items]
    texts = {repr(_named_alike(item, name)) for item in general}
    if len(texts) > 1:
        return None
    return _named_alike(general[0], name) if general else Known(name)


def _named_alike(item: Binding, name: str) -> Binding:
    match item:
        case Outs(keys=keys, whole=whole, prefix=prefix, var=var):
            return Outs(name, keys, NO_ROOTS, whole.replace(var, name), prefix)
        case Value(tail=tail):
            return Value(name, tail)
    return Known(name)


# ---------------------------------------------------------------------- nodes


def awaited(draft: Draft, value: ast.expr) -> Binding | None:
    """`await` of a tool, agent, question or gather; None where it is something else."""
    if isinstance(value, ast.Name) and isinstance(held := draft.env.get(value.id), Outs):
        draft.join(held.roots)
        return held
    if not isinstance(value, ast.Call):
        return None
    if callee(draft, value.func) is not None:
        return node(draft, value)
    if (asked := question(value, draft.env)) is not None:
        return step(draft, value, *asked)
    if is_gather(draft, value.func):
        return gathered(draft, value)
    return None


def awaited_inside(draft: Draft, whole: ast.expr | ast.stmt) -> dict[ast.AST, Value]:
    """The calls of tools inside an expression, written as nodes before it; what is read of them there.

    Raises:
        Unliftable: one is not always made, or something else is called before it.
    """
    found: dict[ast.AST, Value] = {}
    called = False

    def visit(each: ast.AST, sure: bool) -> None:
        nonlocal called
        inner = each
        while isinstance(inner, (ast.Attribute, ast.Subscript)):
            inner = inner.value
        if isinstance(inner, ast.Await) and is_node(draft, inner.value):
            if called or not sure or not isinstance(each, ast.expr):
                raise Unliftable("a tool is called in the middle of an expression", each)
            value = refer(draft, each)
            if not isinstance(value, Value):
                raise Unliftable("the outputs of a tool are used as a whole, not one by one", each)
            found[each] = value
            return
        for child in ast.iter_child_nodes(each):
            visit(child, sure and not isinstance(each, _NOT_ALWAYS))
        called = called or isinstance(each, ast.Call)

    visit(whole, True)
    return found | listed_inside(draft, [whole])


def listed_inside(draft: Draft, nodes: Sequence[ast.AST], but: Collection[str] = ()) -> dict[ast.AST, Value]:
    """`[one.y for one in results]` inside of plain code: the lists that the graph gives for them.

    but: names that mean something else there.
    """
    found: dict[ast.AST, Value] = {}
    for node in nodes:
        for each in ast.walk(node):
            made = each
            match each:
                case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() as inner]) if name in CALCULATE:
                    each, made = inner, ast.copy_location(ast.ListComp(inner.elt, inner.generators), inner)
            if not isinstance(made, ast.ListComp) or not isinstance(made.generators[0].iter, ast.Name):
                continue
            name = made.generators[0].iter.id
            if name in but or not isinstance(draft.env.get(name), (Row, Mapped)):
                continue
            held = refer(draft, made)
            if isinstance(held, (Row, Value)):
                found[each] = Value(passed(held, each), None, held.roots)
    return found


_NOT_ALWAYS = (ast.IfExp, ast.BoolOp, ast.Compare, ast.comprehension, ast.ListComp, ast.GeneratorExp, ast.Lambda,
               ast.SetComp, ast.DictComp)  # fmt: skip


def _begun(draft: Draft, call: ast.Call) -> Outs:
    """A call of a tool that is not awaited here: it begins, and ends when it is awaited or read."""
    target = callee(draft, call.func)
    if not isinstance(target, Tool):
        raise Unliftable(f"`{draft.words.of(call.func)}(...)` is not awaited where it is called", call)
    return node(draft, call, awaited=False)


def node(draft: Draft, call: ast.Call, wanted: str = "", *, awaited: bool = True) -> Outs:
    """Write a call of a tool or agent as a node of its own."""
    return _written(draft, call, *given(draft, call), wanted, awaited=awaited)


def _written(
    draft: Draft, call: ast.Call, arguments: list[str], roots: frozenset[str], wanted: str, *, awaited: bool
) -> Outs:
    name = named(draft, call.func)
    if name in draft.callers:
        raise Unliftable(f"`{name}` calls itself", call)
    var = draft.fresh(wanted, own=True) if wanted else draft.fresh(f"{name}_done")
    draft.line(var, draft.call(name, arguments, roots))
    made = draft.made(var, roots, awaited=awaited)
    if awaited:
        draft.reached(var)
    return Outs(var, outputs(callee(draft, call.func)), made)


def named(draft: Draft, function: ast.expr) -> str:
    """A tool or agent by its name in the module."""
    assert isinstance(function, ast.Name)
    held = draft.env.get(function.id)
    name = held.text if isinstance(held, Known) else function.id
    draft.uses.add(name)
    return name


def outputs(target: Any) -> tuple[str, ...] | None:
    """The outputs of a tool or agent, where it declares them."""
    declared = target.outputs
    return tuple(declared) if declared is not None else None


def given(draft: Draft, call: ast.Call) -> tuple[list[str], frozenset[str]]:
    """The arguments of a call, and the variables that they come from."""
    texts: list[str] = []
    roots: frozenset[str] = NO_ROOTS
    target = callee(draft, call.func)
    if target is not None and changed_by_calls(draft, call):
        raise Unliftable(f"`{draft.words.of(call.func)}` changes what it is given", call)
    parameters = [name for name in target.signature.parameters if name != target.context_name] if target else []
    for place, argument in enumerate(call.args):
        if isinstance(argument, ast.Starred):
            held = refer(draft, argument.value)
            if not isinstance(held, Row):
                raise Unliftable(f"how many arguments `*{draft.words.of(argument.value)}` gives is not known", call)
            texts.append(f"*{passed(held, argument)}")
        else:
            held = bind(draft, argument, parameters[place] if place < len(parameters) else "value")
            texts.append(passed(held, argument))
        roots |= roots_of(held)
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in CONTROL or (target and keyword.arg == target.context_name):
            raise Unliftable(f"`{draft.words.of(keyword)}` in a call", call)
        held = bind(draft, keyword.value, keyword.arg)
        texts.append(f"{keyword.arg}={passed(held, keyword.value)}")
        roots |= roots_of(held)
    return texts, roots


def step(draft: Draft, call: ast.Call, name: str, key: ast.expr | None, var: str = "") -> Binding:
    """A question or message, as the tool of that name."""
    made_by = STEPS[name]
    words = [word for word in call.keywords if not (isinstance(word.value, ast.Constant) and word.value.value is None)]
    plain = ast.copy_location(ast.Call(call.func, call.args, words), call)
    wanted = "prompt" if name.startswith("ask") else name.removeprefix("send_")
    if len(plain.args) and refer_or_none(draft, plain.args[0]) is None:
        first: Binding = bind(draft, plain.args[0], wanted)
        texts, roots = given(draft, ast.copy_location(ast.Call(call.func, call.args[1:], words), call))
        texts, roots = [passed(first, call), *texts], roots | roots_of(first)
    else:
        texts, roots = given(draft, plain)
    if key is not None:
        texts.append(f"channel={draft.words.of(key)}")
    var = draft.fresh(var, own=True) if var else draft.fresh(made_by.said)
    draft.line(var, draft.call(draft.our(name), texts, roots))
    made = draft.made(var, roots)
    draft.reached(var)
    if not made_by.gives:
        return Known("None")
    if made_by.single:
        return Value(var, f".{made_by.gives[0]}", made)
    pairs = ", ".join(f'"{each}": {var}.{each}' for each in made_by.gives)
    return Outs(var, made_by.gives, made, f"{{{pairs}}}")


def refer_or_none(draft: Draft, argument: ast.expr) -> Binding | None:
    """As `refer`, for an argument that may begin with a star."""
    return Known("") if isinstance(argument, ast.Starred) else refer(draft, argument)


# ---------------------------------------------------------------------- several at once


def gathered(draft: Draft, call: ast.Call, wanted: Sequence[str] = ()) -> Row | Mapped:
    """`await asyncio.gather(...)` of calls: nodes that begin together. `wanted`: variables for them, or for their list.

    Raises:
        Unliftable: it gathers something else.
    """
    if call.keywords:
        raise Unliftable(f"`{draft.words.of(call.keywords[0])}` of gather", call)
    if len(wanted) == 1 or any(isinstance(each, ast.Starred) for each in call.args):
        return _listed(draft, call, wanted[0] if len(wanted) == 1 else "results")
    begun: list[Outs | tuple[ast.Call, list[str], frozenset[str]]] = []
    for argument in call.args:
        held = draft.env.get(argument.id) if isinstance(argument, ast.Name) else None
        if isinstance(held, Outs):  # begun before, without `await`
            begun.append(held)
        elif isinstance(argument, ast.Call) and callee(draft, argument.func) is not None:
            begun.append((argument, *given(draft, argument)))  # all arguments are there before the first call begins
        else:
            raise Unliftable(f"`{draft.words.of(argument)}` is gathered, which is no call of a tool or agent", argument)
    names = [*wanted, *[""] * len(begun)]
    items = [
        each if isinstance(each, Outs) else _written(draft, *each, names[place], awaited=False)
        for place, each in enumerate(begun)
    ]
    ends = [root for item in items for root in sorted(item.roots)]
    draft.pending -= set(ends)
    draft.reached(*dict.fromkeys(ends))
    return Row(f"[{', '.join(item.var for item in items)}]", tuple(items))


def _listed(draft: Draft, call: ast.Call, wanted: str) -> Row | Mapped:
    """Gathered calls as one list of nodes: `fits = [fit(x), fit(y)]`, `views = [look(one.model) for one in fits]`."""
    if len(call.args) == 1 and isinstance(call.args[0], ast.Starred):
        made = call.args[0].value
        if not isinstance(made, (ast.GeneratorExp, ast.ListComp)) or len(made.generators) != 1:
            raise Unliftable(f"`*{draft.words.of(made)}` is gathered", made)
        found = _comprehended(draft, made, wanted)
    else:
        begun = []
        for argument in call.args:
            if not isinstance(argument, ast.Call) or callee(draft, argument.func) is None:
                raise Unliftable(f"`{draft.words.of(argument)}` is gathered, which is no call of a tool", argument)
            begun.append((argument, *given(draft, argument)))
        members = [
            (draft.call(named(draft, each.func), arguments, roots), outputs(callee(draft, each.func)), roots)
            for each, arguments, roots in begun
        ]
        found = _row(draft, f"[{', '.join(text for text, _, _ in members)}]", members, wanted)
    return found


def _row(
    draft: Draft, text: str, members: Sequence[tuple[str, tuple[str, ...] | None, frozenset[str]]], wanted: str
) -> Row:
    """A variable that holds a list of nodes."""
    var = draft.fresh(wanted, own=True)
    draft.line(var, text)
    made = draft.made_row(var, [roots for _, _, roots in members])
    draft.reached(var)
    items = [Outs(f"{var}[{n}]", keys, made[n]) for n, (_, keys, _) in enumerate(members)]
    return Row(var, tuple(items))


def _comprehended(draft: Draft, made: ast.GeneratorExp | ast.ListComp, wanted: str) -> Row | Mapped:
    """Calls for each item of a list: a list of nodes, or a map where its length is known only when the graph runs."""
    generator, call = made.generators[0], made.elt
    fits = isinstance(generator.target, ast.Name) and not generator.ifs and not generator.is_async
    if not fits or not isinstance(call, ast.Call) or callee(draft, call.func) is None:
        raise Unliftable(f"`{draft.words.of(made)}` is gathered", made)
    assert isinstance(generator.target, ast.Name)
    name = generator.target.id
    over = refer(draft, generator.iter)
    if isinstance(over, Known):
        over = Row(over.text, tuple(Known(name) for _ in _items(draft, over, generator.iter)))
    if not isinstance(over, Row):
        return _mapped(draft, made, name, call, over, wanted)
    general = _generic(over, name)
    if general is None:
        raise Unliftable(f"the items of `{draft.words.of(generator.iter)}` are not of one kind", made)
    outer, written = draft.env, len(draft.lines)
    try:
        draft.env = {**outer, name: general}
        arguments, roots = given(draft, call)
    finally:
        draft.env = outer
    if any(name in loads(ast.parse(line.text)) for line in draft.lines[written:]):
        raise Unliftable(f"something is calculated from `{name}` for each call", call)
    own = [roots_of(item) if name in loads(call) else NO_ROOTS for item in over.items]
    ended = [draft.closure(each) for each in own]
    surely_ended = draft.closure(roots) | (frozenset.intersection(*ended) if ended else NO_ROOTS)
    text = draft.call_after(named(draft, call.func), arguments, surely_ended)
    members = [(text, outputs(callee(draft, call.func)), roots | each) for each in own]
    return _row(draft, f"[{text} for {name} in {over.text}]", members, wanted)


def _mapped(draft: Draft, made: ast.expr, name: str, call: ast.Call, over: Binding | None, wanted: str) -> Mapped:
    """`tool.map(xs, other=...)`: one call for each item of a list that is known when the graph runs."""
    target = callee(draft, call.func)
    if not isinstance(over, Value) or not isinstance(target, Tool):
        raise Unliftable(f"`{draft.words.of(made)}` is gathered", made)
    parameters = [each for each in target.signature.parameters if each != target.context_name]
    pairs = [*zip(parameters, call.args, strict=False), *((word.arg, word.value) for word in call.keywords)]
    if len(call.args) > len(parameters) or any(isinstance(each, ast.Starred) for each in call.args):
        raise Unliftable(f"`{draft.words.of(call)}` does not name its arguments", call)
    shared = [(key, value) for key, value in pairs if name not in loads(value)]
    own = [(key, value) for key, value in pairs if name in loads(value)]
    if len(own) != 1 or own[0][0] != parameters[0] or not isinstance(own[0][1], ast.Name):
        raise Unliftable(f"only the first argument of `{target.name}` can differ from item to item", call)
    words = [ast.copy_location(ast.keyword(key, value), value) for key, value in shared]
    plain = ast.copy_location(ast.Call(call.func, [], words), call)
    arguments, roots = given(draft, plain)
    roots |= over.roots
    var = draft.fresh(wanted, own=True)
    draft.line(var, draft.call(f"{named(draft, call.func)}.map", [over.text, *arguments], roots))
    made_roots = draft.made(var, roots)
    draft.reached(var)
    return Mapped(var, outputs(target), made_roots)


def known_items(draft: Draft, node: ast.expr) -> list[Binding] | None:
    """The items of a list that is known when the graph is built; None where it is not known."""
    held = refer(draft, node)
    if isinstance(held, Row):
        return list(held.items)
    if not isinstance(held, Known):
        return None
    found: list[Binding] = []
    for value in _items(draft, held, node):
        try:
            text, needs = literal(value)
        except NoLiteral:
            return None
        if needs:
            return None
        found.append(Known(text))
    return found


def _items(draft: Draft, known: Known, node: ast.expr) -> list[Any]:
    """The items of a list that is known when the graph is built."""
    names = {**vars(builtins), **draft.names}
    try:
        return list(eval(compile(ast.Expression(ast.parse(known.text, mode="eval").body), "<export>", "eval"), names))
    except Exception:  # noqa: BLE001 (whatever it is, it is no list of constants)
        raise Unliftable(f"`{draft.words.of(node)}` is no list that is known beforehand", node) from None
