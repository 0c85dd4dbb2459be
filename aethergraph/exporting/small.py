"""Plain Python between two calls becomes a small tool, named after what it assigns."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..values.outputs import reserved
from .aliases import parts
from .bindings import CONTEXT, Binding, Mapped, Outs, Row, Service, Unliftable, Value, field, passed, roots_of
from .draft import Draft
from .reading import augmented, awaits, changes, loads, odd, own, reads_first, surely, writes
from .recognising import callee, changed_by_calls, is_gather, refuse_engine
from .words import indented


@dataclass(slots=True)
class Given:
    """What a small tool is given: its parameters with the arguments, and the text that it has in place of others."""

    parameters: dict[str, str]
    roots: set[str]
    replaced: dict[ast.AST, str]


def expression(
    draft: Draft, node: ast.expr, wanted: str, before: Mapping[ast.AST, Value] | None = None, *, own: bool = False
) -> Value:
    """Make a small tool of an expression; `before`: parts of it that are there already. Its one output.

    own: `wanted` is a variable of the agent's.
    """
    if any(isinstance(each, ast.NamedExpr) for each in ast.walk(node)):
        raise Unliftable("`:=` inside an expression", node)
    output = output_name(wanted) if wanted.isidentifier() else "value"
    var = draft.fresh(wanted if wanted.isidentifier() else output, own=own)
    refuse_engine(draft, [node], before or {})
    if (changes(node) | changed_by_calls(draft, node)) & draft.env.keys():
        raise Unliftable("an expression changes what it uses", node)
    given = given_to(draft, [node], set(loads(node)), before or {})
    text = draft.words.changed(node, given.replaced)
    write(draft, [output], given, returns([(output, _joined(text), is_no_dict(node))]), var)
    return Value(var, f".{output}", frozenset({var}))


def condition(draft: Draft, node: ast.expr) -> Value:
    """Make a small tool of the test of an `if`."""
    if any(isinstance(each, (ast.NamedExpr, ast.Await)) for each in ast.walk(node)):
        raise Unliftable("the test of an `if` does more than to look", node)
    refuse_engine(draft, [node])
    given = given_to(draft, [node], set(loads(node)), {})
    text = draft.words.changed(node, given.replaced)
    var = draft.fresh("holds")
    write(draft, ["holds"], given, f"return bool({text})", var, "decide")
    return Value(var, ".holds", frozenset({var}))


def returned(draft: Draft, node: ast.expr, outputs: tuple[str, ...]) -> Outs:
    """Make a small tool of the expression that an agent returns, which has the agent's outputs."""
    refuse_engine(draft, [node])
    given = given_to(draft, [node], set(loads(node)), {})
    text = draft.words.changed(node, given.replaced)
    var = draft.fresh("results")
    write(draft, list(outputs), given, f"return {_joined(text)}", var, "make_results")
    return Outs(var, outputs, frozenset({var}))


def held(draft: Draft, name: str, row: Row) -> Value:
    """Make a node that holds a list, so that all who are given it are given one and the same object."""
    var = draft.fresh(name, own=True)
    passed(row, ast.Name(name))
    given = Given({name: row.text}, set(row.roots), {})
    write(draft, [name], given, f"return {name}", var)
    return Value(var, f".{output_name(name)}", frozenset({var}))


def statements(
    draft: Draft, block: Sequence[ast.stmt], later: set[str], before: Mapping[ast.AST, Value] | None = None
) -> None:
    """Make a small tool of statements that follow each other.

    later: the names that are used after them. before: parts of them that are there already.

    Raises:
        Unliftable: they cannot be moved into a function, or not surely with the same effect.
    """
    if (found := odd(block)) is not None:
        raise Unliftable(*found)
    refuse_engine(draft, block)
    read = reads_first(block)
    _refuse_deletion(block)
    changed = _changed(draft, block)
    bound = set().union(*(writes(each) for each in block))
    outputs = sorted((bound | changed) & later, key=lambda name: _place(block, name))
    for name in outputs:
        if name not in surely(block) and name not in draft.env:
            raise Unliftable(f"`{name}` is not assigned on every way through these lines", block[0])
    read |= {name for name in outputs if name not in surely(block)}
    given = given_to(draft, block, read, before or {})
    body = draft.words.block(block, given.replaced)
    names = {name: draft.fresh(name, own=True) for name in outputs}
    last = body
    if outputs:
        last += "\n" + returns([(output_name(name), name, _ends_as_no_dict(block, name)) for name in outputs])
    wanted = outputs[0] if len(outputs) == 1 else ""
    var = write(draft, outputs, given, last, names[wanted] if wanted else _deed(block))
    bind_outputs(draft, var, outputs)


def _changed(draft: Draft, block: Sequence[ast.stmt]) -> set[str]:
    """The names around some statements whose values these change in place."""
    changed = set().union(*(changes(each) | changed_by_calls(draft, each) for each in block))
    for each in (inner for statement in block for inner in own(statement)):
        if isinstance(each, ast.For) and writes(each.target) & changed:
            changed |= parts(draft, each.iter)  # `for row in rows: row["x"] = 1`
    return changed & draft.env.keys()


def _refuse_deletion(block: Sequence[ast.stmt]) -> None:
    """Raises Unliftable: a name is deleted that these lines have not bound."""
    bound: set[str] = set()
    for each in block:
        for name in (name for name in ast.walk(each) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Del)):
            if name.id not in bound:
                raise Unliftable(f"`del {name.id}` ends a name of other lines", name)
        bound |= writes(each)


def bind_outputs(draft: Draft, var: str, names: Sequence[str]) -> None:
    """From now on the names `names` of the agent stand for the outputs of the small tool that `var` holds."""
    single = len(names) == 1
    for name in names:
        part = f".{output_name(name)}"
        draft.env[name] = Value(var if single else f"{var}{part}", part if single else "", frozenset({var}))


def region(draft: Draft, block: Sequence[ast.stmt], why: str, following: Sequence[ast.stmt]) -> None:
    """Keep statements that call tools as they are, in an agent of its own that is one node; `why` is written beside.

    following: the statements that come after it.

    Raises:
        Unliftable: it leaves the agent, or what it gives cannot be the outputs of a node.
    """
    if (found := odd(block)) is not None:
        raise Unliftable(*found)
    rest = ast.Module(list(following), [])
    read = reads_first(block)
    whole = ast.Module(list(block), [])
    bound = writes(whole)
    changed = _changed(draft, block)
    _refuse_deletion(block)
    sure = surely(block)
    texts: dict[str, str] = {}  # output -> what gives it
    held: dict[str, Outs | Value] = {}
    names = sorted((bound | changed) & (loads(rest) | augmented(rest)), key=lambda name: _place(block, name))
    for name in names:
        if name not in sure and name not in draft.env:
            raise Unliftable(f"`{name}` is not assigned on every way through these lines", block[-1])
        if not _holds_outputs(draft, block, name):
            texts[output_name(name)] = name
            continue
        if name not in sure:
            raise Unliftable(f"`{name}` does not always hold the outputs of the same call", block[-1])
        keys = keys_read(name, following, block[-1])
        texts |= {f"{name}_{key}": f"{name}.{key}" for key in keys}
        held[name] = Outs("", tuple(keys), prefix=f"{name}_")
    given = given_to(draft, block, read | {name for name in names if name not in sure}, {})
    body = draft.words.block(block, given.replaced)
    pairs = ", ".join(f'"{output}": {text}' for output, text in texts.items())
    outputs = list(texts)
    title = f"get_{'_and_'.join(names[:3])}" if names else f"{type(block[-1]).__name__.lower()}_steps"
    draft.comments.append(f"# one node, as it was: {why}")
    text = f"{body}\nreturn {{{pairs}}}" if outputs else body
    var = write(
        draft,
        outputs,
        given,
        text,
        draft.fresh(names[0], own=True) if len(texts) == len(names) == 1 else draft.fresh(title.removeprefix("get_")),
        title,
        "graph_fn",
    )
    roots = frozenset({var})
    single = len(texts) == len(names) == 1
    for name in names:
        part = f".{output_name(name)}"
        if name in held:
            draft.env[name] = Outs(var, held[name].keys, roots, prefix=f"{name}_")  # type: ignore[union-attr]
        else:
            draft.env[name] = Value(var if single else f"{var}{part}", part if single else "", roots)


def _holds_outputs(draft: Draft, block: Sequence[ast.stmt], name: str) -> bool:
    """Whether `name` is given what a tool or several give as a whole."""
    for each in ast.walk(ast.Module(list(block), [])):
        if isinstance(each, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and name in writes(each):
            value = each.value.value if isinstance(each.value, ast.Await) else each.value
            if isinstance(value, ast.Call) and (callee(draft, value.func) or is_gather(draft, value.func)):
                if not isinstance(each.value, ast.Await) or is_gather(draft, value.func):
                    raise Unliftable(f"`{name}` holds calls, or several results", each)
                return True
    return False


def keys_read(name: str, following: Sequence[ast.stmt], node: ast.AST) -> list[str]:
    """The outputs that are read of `name` in what follows.

    Raises:
        Unliftable: it is used as a whole, or assigned again.
    """
    whole = ast.Module(list(following), [])
    if name in writes(whole):
        raise Unliftable(f"`{name}` is assigned again", node)
    reads = {
        id(each.value): each.attr
        for each in ast.walk(whole)
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == name
    }
    for each in ast.walk(whole):
        if isinstance(each, ast.Name) and each.id == name and id(each) not in reads:
            raise Unliftable(f"`{name}` is used as a whole, not output by output", each)
    return list(dict.fromkeys(reads.values()))


def given_to(draft: Draft, nodes: Sequence[ast.AST], read: set[str], before: Mapping[ast.AST, Value]) -> Given:
    given = Given({}, set(), {})
    _refuse_shadows(draft, nodes, before)
    own = set().union(*(loads(node) | writes(node) for node in nodes))
    for node, value in before.items():
        given.replaced[node] = parameter(given, _named_after(value), own, value)
    for node in nodes:
        for outs in _fields(draft, node, before):
            _field(draft, given, outs, own)
    for name in sorted(read & draft.env.keys(), key=lambda name: _place(nodes, name)):
        binding = draft.env[name]
        whole = any(_reads(node, name, given.replaced) for node in nodes)
        if isinstance(binding, Service) or (isinstance(binding, Outs) and not whole):
            continue
        if isinstance(binding, (Outs, Row, Mapped)) and not whole:
            continue
        given.parameters[name] = passed(binding, nodes[0])
        given.roots |= roots_of(binding)
    missing = (read & draft.locals) - draft.env.keys()
    if missing:
        raise Unliftable(f"`{sorted(missing)[0]}` may not be assigned here", nodes[0])
    for node in nodes:
        _services(draft, node, given)
    return given


def _named_after(value: Value) -> str:
    """A name for a parameter that is given `value`: `y` for `out.y`, `ys` for `[one.y for one in outs]`."""
    if value.text.startswith("["):
        found = re.match(r"\[\w+(?:\[\d+\])?\.(\w+)", value.text)
        return many(found[1]) if found else "items"
    last = value.text.rpartition(".")[2]
    return last if last.isidentifier() else "value"


def many(key: str) -> str:
    """A name for several of `key`."""
    if key.endswith("y") and len(key) > 2 and key[-2] not in "aeiou":
        return f"{key[:-1]}ies"
    return f"{key}es" if key.endswith(("s", "x", "ch", "sh")) and len(key) > 1 else f"{key}s"


def _refuse_shadows(draft: Draft, nodes: Sequence[ast.AST], before: Mapping[ast.AST, Value]) -> None:
    """Raises Unliftable: a comprehension or lambda has a variable that means something else outside of it."""
    inside = {inner for node in before for inner in ast.walk(node)}
    for each in (inner for node in nodes for inner in ast.walk(node) if inner not in inside):
        names: set[str] = set()
        if isinstance(each, ast.comprehension):
            names = {name.id for name in ast.walk(each.target) if isinstance(name, ast.Name)}
        elif isinstance(each, ast.arg):
            names = {each.arg}
        for name in names:
            if isinstance(draft.env.get(name), (Outs, Row, Service, Mapped)):
                raise Unliftable(f"`{name}` has two meanings here", each)


def _fields(draft: Draft, node: ast.AST, before: Mapping[ast.AST, Value]) -> list[ast.expr]:
    """Reads of one output of a node: `out.y`, `out["y"]`, `outs[0].y`."""
    if node in before:
        return []
    if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(_held(draft, node), Value):
        return [node]
    return [found for child in ast.iter_child_nodes(node) for found in _fields(draft, child, before)]


def _held(draft: Draft, node: ast.expr) -> Binding | None:
    """What a read of outputs, or of a list of them, stands for; None where it is none."""
    if isinstance(node, ast.Name):
        found = draft.env.get(node.id)
        return found if isinstance(found, (Outs, Row)) else None
    if not isinstance(node, (ast.Attribute, ast.Subscript)):
        return None
    inner = _held(draft, node.value)
    match inner, node:
        case Outs(), ast.Attribute(attr=key):
            return field(inner, key, node)
        case Outs(), ast.Subscript(slice=ast.Constant(value=str(key))):
            return field(inner, key, node)
        case Row(items=items), ast.Subscript(slice=ast.Constant(value=int(place))) if place < len(items):
            return items[place]
    return None


def _field(draft: Draft, given: Given, node: ast.expr, own: set[str]) -> None:
    assert isinstance(node, (ast.Attribute, ast.Subscript))
    value = _held(draft, node)
    assert isinstance(value, Value)
    root = min(_names(node))
    if not isinstance(node.ctx, ast.Load):
        raise Unliftable(f"the outputs `{root}` are changed", node)
    draft.join(value.roots)
    key = value.text.rpartition(".")[2]
    given.replaced[node] = parameter(given, key, own, value, f"{root}_{key}")


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def parameter(given: Given, wanted: str, own: set[str], value: Value, other: str = "") -> str:
    """A parameter for `value`; one that has it already is taken again."""
    for name, argument in given.parameters.items():
        if argument == value.text:
            return name
    name, number = wanted, 1
    while not name.isidentifier() or name in own or name in given.parameters:
        number += 1
        name = other if other and number == 2 else f"{other or wanted}_{number}"
    given.parameters[name] = value.text
    given.roots |= value.roots
    return name


def _services(draft: Draft, node: ast.AST, given: Given) -> None:
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(binding := draft.env.get(each.id), Service):
            given.replaced[each] = binding.text


def _reads(node: ast.AST, name: str, replaced: Mapping[ast.AST, str]) -> bool:
    """Whether `name` is read anywhere outside of what is replaced."""
    if node in replaced:
        return False
    if isinstance(node, ast.Name) and node.id == name:
        return True
    return any(_reads(child, name, replaced) for child in ast.iter_child_nodes(node))


def _place(nodes: Sequence[ast.AST], name: str) -> tuple[int, int]:
    """Where `name` stands first."""
    found = [
        (each.lineno, each.col_offset)
        for node in nodes
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and each.id == name
    ]
    return min(found, default=(0, 0))


def _deed(block: Sequence[ast.stmt]) -> str:
    """A name for statements that assign nothing which is used: the first function that they call, or `step`."""
    for each in ast.walk(ast.Module(list(block), [])):
        if isinstance(each, ast.Call):
            function = each.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            if name:
                return f"{name}_done"
    return "step"


def write(
    draft: Draft, outputs: list[str], given: Given, body: str, wanted: str, title: str = "", kind: str = "tool"
) -> str:
    """Write the tool and its call; the variable that holds it."""
    (tree,) = ast.parse(f"async def f({', '.join(given.parameters)}):\n{indented(body)}").body
    context = CONTEXT in loads(tree)
    later = kind == "graph_fn" or context  # a body's own context is awaited, too
    later = later or any(awaits(each) for each in ast.iter_child_nodes(tree))
    title = title or (f"make_{'_and_'.join(outputs[:3])}" if outputs else f"do_{wanted.removesuffix('_done')}")
    parameters = ", ".join([*given.parameters, *(["*", CONTEXT] if context else [])])
    shown = ", ".join(f'"{output_name(output)}"' for output in outputs)
    head = f"@{draft.our(kind)}(outputs=[{shown}])\n{'async ' if later else ''}def "
    rest = f"({parameters}):\n{indented(body)}"
    same = [text for text in draft.tools if text.startswith(head) and text.endswith(rest)]
    name = same[0][len(head) : -len(rest)] if same else ""
    if not name.isidentifier():  # else a tool that was made before does the same
        name = draft.fresh(title)
        draft.tools.append(f"{head}{name}{rest}")
    draft.uses |= loads(tree) - {CONTEXT}
    var = wanted if len(outputs) == 1 or title.startswith("pick") else draft.fresh("_".join(outputs[:2]) or wanted)
    draft.line(var, draft.call(name, given.parameters.values(), given.roots))
    draft.made(var, given.roots)
    draft.reached(var)
    return var


def _joined(text: str) -> str:
    """An expression of several lines, which stood in brackets."""
    return f"({text})" if "\n" in text else text


def output_name(name: str) -> str:
    """A name that an output can have."""
    return f"{name}_" if reserved(name) else name


def returns(outputs: Sequence[tuple[str, str, bool]]) -> str:
    """The `return` of outputs: each with its text, and whether that is surely no dict, which would be read as all."""
    if len(outputs) == 1 and not outputs[0][2]:
        return f'return {{"{outputs[0][0]}": {outputs[0][1]}}}'
    return f"return {', '.join(text for _, text, _ in outputs)}"


_NO_DICT = (ast.JoinedStr, ast.List, ast.Tuple, ast.Set, ast.ListComp, ast.SetComp, ast.Compare, ast.Constant)
_GIVE_NO_DICT = "abs any all bool bytes float frozenset int len list range repr round set sorted str tuple"


def is_no_dict(node: ast.AST) -> bool:
    """Whether an expression gives surely no dict, and nothing with fields of its own."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name in _GIVE_NO_DICT.split()
        case ast.BinOp(left=left, right=right):
            return is_no_dict(left) or is_no_dict(right)
        case ast.UnaryOp():
            return True
    return isinstance(node, _NO_DICT)


def _ends_as_no_dict(block: Sequence[ast.stmt], name: str) -> bool:
    """Whether the last statement gives `name` a value that is surely no dict."""
    match block[-1]:
        case ast.Assign(targets=[ast.Name(id=own)], value=value) if own == name:
            return is_no_dict(value)
    return False
