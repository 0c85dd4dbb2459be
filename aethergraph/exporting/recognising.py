"""What a call in an agent's body is: of a tool or agent, a question, a message, several at once, or anything else."""

from __future__ import annotations

import ast
import asyncio
import types
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..authoring.mapping import Map
from ..authoring.reactive import Agent
from ..authoring.tooling import Tool
from ..code import source
from .bindings import CONTEXT, Binding, Known, Outs, Service, Unliftable
from .draft import Draft
from .reading import changes


@dataclass(frozen=True, slots=True)
class Step:
    """A method of `context.channel()`, as the tool of the same name in `aethergraph.tools`.

    gives: its outputs. single: whether the method gives the one output itself. said: how the variable that holds the
    node is called where the agent has no name for it.
    """

    gives: tuple[str, ...]
    single: bool = True
    said: str = "said"


_MANY = 1000  # members of a container; more are data
# What a body does for itself alone: as a tool it would not be durable, or another's.
_OF_BODIES = (
    "attempt cancel_run continue_as_new create_continuation graph_id idempotency_key node_id random run_and_wait sleep "
    "spawn_run timeout wait_event wait_for_resume wait_run"
)

STEPS = {
    "ask_text": Step(("text",), said="answer"),
    "ask_choice": Step(("choice",), said="choice"),
    "ask_number": Step(("number",), said="number"),
    "ask_approval": Step(("approved", "choice"), single=False, said="approval"),
    "ask_files": Step(("text", "files"), single=False, said="answer"),
    "wait_text": Step(("text",), said="answer"),
    "send_text": Step(()),
    "send_phase": Step(()),
}


def service(node: ast.expr, text: str, env: Mapping[str, Binding]) -> Service | None:
    """The service that an expression like `context.channel()` gives, to be called by name later."""
    match node:
        case ast.Name(id=name) if isinstance(binding := env.get(name), Service):
            return binding
        case ast.Call(func=ast.Attribute(value=ast.Name(id="context")), args=args, keywords=keywords):
            fixed = [*args, *(keyword.value for keyword in keywords)]
            if CONTEXT not in env and all(isinstance(each, ast.Constant) for each in fixed):
                return Service(text)
    return None


def question(call: ast.Call, env: Mapping[str, Binding]) -> tuple[str, ast.expr | None] | None:
    """The step that a call of a channel is, and the key of that channel; None where it is none."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in STEPS:
        return None
    held = call.func.value
    if isinstance(held, ast.Name) and isinstance(binding := env.get(held.id), Service):
        held = ast.parse(binding.text, mode="eval").body
    match held:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="context"), attr="channel"), args=[], keywords=[]):
            return call.func.attr, None
        case ast.Call(func=ast.Attribute(value=ast.Name(id="context"), attr="channel"), args=[ast.Constant() as key]):
            return call.func.attr, key
    return None


def callee(draft: Draft, node: ast.expr) -> Any:
    """The tool or agent that `node` names, or None."""
    if not isinstance(node, ast.Name):
        return None
    name = node.id
    if name in draft.locals:
        held = draft.env.get(name)
        if not isinstance(held, Known) or not held.text.isidentifier() or held.text in draft.locals:
            return None
        name = held.text  # another name for a tool
    found = draft.names.get(name)
    return found if isinstance(found, (Tool, Agent)) else None


def is_gather(draft: Draft, function: ast.expr) -> bool:
    """Whether it names `asyncio.gather`."""
    match function:
        case ast.Attribute(value=ast.Name(id=name), attr="gather"):
            return draft.names.get(name) is asyncio and name not in draft.locals
        case ast.Name(id=name):
            return draft.names.get(name) is asyncio.gather and name not in draft.locals
    return False


def is_node(draft: Draft, value: ast.expr) -> bool:
    if isinstance(value, ast.Name):
        return isinstance(draft.env.get(value.id), Outs)
    if not isinstance(value, ast.Call):
        return False
    return (
        callee(draft, value.func) is not None or question(value, draft.env) is not None or is_gather(draft, value.func)
    )


def refuse_engine(draft: Draft, nodes: Iterable[ast.AST], but: Collection[ast.AST] = ()) -> None:
    """Raises Unliftable: plain statements, `but` for some parts, call a tool, or do what only an agent's body can."""
    for whole in nodes:
        for each in _parts(whole, but):
            if isinstance(each, ast.expr):
                _refuse(draft, whole, each)
            if isinstance(each, ast.Name) and each.id not in draft.locals and touches(draft.names.get(each.id)):
                raise Unliftable(f"`{each.id}` calls tools", each)


def _parts(node: ast.AST, but: Collection[ast.AST]) -> Iterator[ast.AST]:
    if node not in but:
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _parts(child, but)


def _refuse(draft: Draft, whole: ast.AST, each: ast.expr) -> None:
    if callee(draft, each) is not None:
        assert isinstance(each, ast.Name)
        raise Unliftable(f"the tool `{each.id}` is called inside {_told(whole)}", each)
    match each:
        case ast.Call() if (asked := question(each, draft.env)) is not None:
            raise Unliftable(f"`{asked[0]}` is called inside {_told(whole)}", each)
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if draft.names.get(name) is asyncio and attr != "sleep":
            raise Unliftable(f"`asyncio.{attr}` is used in a way that no static graph has", each)
        case ast.Attribute(value=inner, attr=attr) if attr in _OF_BODIES.split() and _of_context(draft, inner):
            raise Unliftable(f"`{attr}` of the context belongs to the body of an agent", each)
        case ast.Name(id=name) if getattr(draft.names.get(name), "__module__", "").startswith("asyncio"):
            if name not in draft.locals and draft.names[name] is not asyncio.sleep:
                raise Unliftable(f"`{name}` is used in a way that no static graph has", each)


def _of_context(draft: Draft, node: ast.expr) -> bool:
    while isinstance(node, (ast.Call, ast.Attribute)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and (node.id == CONTEXT or isinstance(draft.env.get(node.id), Service))


def _told(node: ast.AST) -> str:
    return f"`{type(node).__name__.lower()}`" if isinstance(node, ast.stmt) else "an expression"


def touches(value: Any, seen: set[int] | None = None) -> bool:
    """Whether code of the user's, or what it uses, calls tools or agents."""
    seen = set() if seen is None else seen
    if isinstance(value, (list, tuple, set, frozenset, dict)):
        members = [*value, *(value.values() if isinstance(value, dict) else ())]
        return len(members) <= _MANY and any(touches(member, seen) for member in members)
    if any(isinstance(layer, (Tool, Agent, Map)) for layer in source.layers(value)):
        return True
    thing = source.unwrap(value)
    if not isinstance(thing, (types.FunctionType, type)):
        thing = type(thing)
    if id(thing) in seen or not source.is_users(thing):
        return False
    seen.add(id(thing))
    code = source.code_of(thing)
    if code is None:
        return False
    resolve = source.lookup(thing)
    for name in code.names:
        try:
            found = resolve(name)
        except LookupError:
            continue
        if touches(found, seen):
            return True
    return False


def changed_by_calls(draft: Draft, node: ast.AST) -> set[str]:
    """Names whose values calls inside `node` change in place: by what the text of the called functions shows, and by
    being called for nothing else.
    """
    found: set[str] = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Expr) and isinstance(each.value, ast.Call) and callee(draft, each.value.func) is None:
            found |= {argument.id for argument in each.value.args if isinstance(argument, ast.Name)}
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name):
            target = callee(draft, each.func) or draft.names.get(each.func.id)
            for argument in changed_arguments(target, each):
                found |= {name.id for name in ast.walk(argument) if isinstance(name, ast.Name)}
    return found & draft.locals


def changed_arguments(target: Any, call: ast.Call, depth: int = 4) -> list[ast.expr]:
    """The arguments that a function of the user's changes in place."""
    changing = _changing(target, depth)
    if not changing:
        return []
    code = source.code_of(source.unwrap(target))
    assert code is not None and isinstance(code.node, (ast.FunctionDef, ast.AsyncFunctionDef))
    names = [each.arg for each in [*code.node.args.posonlyargs, *code.node.args.args]]
    context = getattr(target, "context_name", "")
    pairs = zip([name for name in names if name != context], call.args, strict=False)
    found = [argument for name, argument in pairs if name in changing]
    return found + [word.value for word in call.keywords if word.arg in changing]


def _changing(target: Any, depth: int) -> set[str]:
    """The parameters of a function that it changes in place, or hands to one that does."""
    thing = source.unwrap(target)
    if not depth or not isinstance(thing, types.FunctionType) or not source.is_users(thing):
        return set()
    code = source.code_of(thing)
    if code is None or not isinstance(code.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return set()
    arguments = code.node.args
    names = {each.arg for each in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]}
    names.discard(getattr(target, "context_name", "") or CONTEXT)
    body = ast.Module(code.node.body, [])
    found = changes(body)
    resolve = source.lookup(thing)
    for each in ast.walk(body):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name):
            try:
                inner = resolve(each.func.id)
            except LookupError:
                continue
            handed = changed_arguments(inner, each, depth - 1)
            found |= {argument.id for argument in handed if isinstance(argument, ast.Name)}
    return found & names
