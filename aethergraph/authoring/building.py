"""While the function of a static agent is called to build its graph: each call of a tool or agent becomes a node."""

from __future__ import annotations

import contextvars
import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import known
from ..graphs.graph import GraphNode, TaskGraph
from ..graphs.references import (
    Condition,
    NodeHandle,
    Reference,
    node_of,
    plain,
    refuse,
    refuse_captured,
    standing,
    user_line,
)
from ..ids import node_id
from ..scheduler.control import CONTROL
from ..scheduler.marking import labels_of, text_of
from ..storage.codec import canonical
from ..values.annotations import signature_of
from ..values.outputs import reserved


class Builder:
    """The nodes of one graph, as they come up."""

    def __init__(self, agent: Any, outer: Builder | None) -> None:
        self.agent, self.graph_id, self.outer = agent, agent.name, outer
        self.nodes: dict[str, GraphNode] = {}
        self._aliases: dict[str, GraphNode] = {}
        self._signatures: dict[int, inspect.Signature] = {}
        self._counts: dict[str, int] = {}
        self._equals: dict[bytes, int] = {}
        self._under: Any = True  # the condition of the branch that is being written

    def call(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NodeHandle:
        """A tool or agent is called: make a node of it."""
        where = user_line()
        options = {name: value for name, value in kwargs.items() if name in CONTROL}
        given, named = plain(args), plain({k: v for k, v in kwargs.items() if k not in CONTROL})
        self._check_arguments(target, given, named, where)
        wanted, alias, labels, name = _said(options, where)
        if wanted in self.nodes:
            refuse(f"_id={wanted!r} was used before at {self.nodes[wanted].where}; an _id names one call", where)
        if alias in self._aliases:
            taken = self._aliases[alias]
            refuse(f"_alias={alias!r} was given to {taken.node_id} at {taken.where}; an alias names one node", where)
        outputs = self._outputs_of(target, where)
        node = GraphNode(
            node_id=wanted or self._free(target.name),
            logic=target.name,
            kind=target.kind,
            target=target,
            args=given,
            kwargs=named,
            outputs=outputs,
            after=self._after(options.get("_after"), where),
            condition=_both(self._under, _condition(options.get("_condition", True), where)),
            alias=alias,
            labels=labels,
            name=name,
            where=where,
            same=bool(options.get("_same")),
            identity=wanted or self._identity(target.name, given, named),
        )
        self.nodes[node.node_id] = node
        if alias:
            self._aliases[alias] = node
        return NodeHandle(node.node_id, outputs)

    def _after(self, value: Any, where: str) -> tuple[str, ...]:
        """Ids of the nodes that `_after=` names."""
        found: list[str] = []
        for one in value if isinstance(value, (list, tuple, set, frozenset)) else [] if value is None else [value]:
            if isinstance(one, NodeHandle):
                found.append(one.node_id)
            elif isinstance(one, Reference) and node_of(one):
                found.append(node_of(one))
            elif isinstance(one, str):
                found += self._marked(one)
            else:
                refuse(f"_after= takes nodes, their ids, or a list of those, got {one!r}", where)
        return tuple(dict.fromkeys(found))

    def _marked(self, name: str) -> list[str]:
        """The nodes written so far that `@alias` or `#label` means; an id, which may be written below, as it is."""
        if name[:1] == "@" and name[1:] in self._aliases:
            return [self._aliases[name[1:]].node_id]
        return [node.node_id for node in self.nodes.values() if name[:1] == "#" and name[1:] in node.labels] or [name]

    def side(self, condition: Any, given: Any) -> Any:
        """One side of a branch: a value, or a function, whose calls run only where `condition` holds."""
        if not inspect.isroutine(given):
            return given
        before, self._under = self._under, _both(self._under, condition)
        try:
            return given()
        finally:
            self._under = before

    def _outputs_of(self, target: Any, where: str) -> tuple[str, ...] | None:
        """The outputs of a callee, as far as they are known before it runs; a static graph is built for that."""
        if target.outputs is not None or not hasattr(target, "build"):
            return target.outputs  # type: ignore[no-any-return]
        builder: Builder | None = self
        while builder is not None:
            if builder.agent is target:
                refuse(f"{target.name} calls itself, so its outputs cannot be read from it: declare outputs=", where)
            builder = builder.outer
        return tuple(target.built().outputs)

    def _check_arguments(self, target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], where: str) -> None:
        signature = self._signatures.get(id(target))
        if signature is None:
            refuse_captured(target.fn, target.name, where)
            signature = target.signature
            parameters = [p for name, p in signature.parameters.items() if name != target.context_name]
            signature = self._signatures[id(target)] = inspect.Signature(parameters)
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            parameters = list(signature.parameters.values())
            shown = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
            refuse(f"{target.name}: {error}; {target.name} takes: {', '.join(shown) or 'nothing'}", where)

    def _free(self, name: str) -> str:
        while True:
            count = self._counts[name] = self._counts.get(name, 0) + 1
            wanted = node_id(name, count)
            if wanted not in self.nodes:
                return wanted

    def _identity(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """What stays the same when calls are written above or below: callee, arguments, number among equals."""
        digest = hashlib.blake2b(
            canonical(standing([name, args, dict(kwargs)], self._identity_of)).data, digest_size=12
        ).digest()
        count = self._equals[digest] = self._equals.get(digest, 0) + 1
        return f"{digest.hex()}:{count}"

    def _identity_of(self, node: str) -> str:
        return self.nodes[node].identity


BUILDING: contextvars.ContextVar[Builder | None] = contextvars.ContextVar("BUILDING", default=None)


def _said(options: Mapping[str, Any], where: str) -> tuple[str, str, tuple[str, ...], str]:
    """Id, alias, labels and name of a call."""
    try:
        return text_of(options, "_id"), text_of(options, "_alias"), labels_of(options), text_of(options, "_name")
    except (TypeError, ValueError) as error:
        why = str(error)
    refuse(why, where)


def _condition(value: Any, where: str) -> Any:
    value = plain(value)
    if not isinstance(value, (bool, Reference, Condition)):
        refuse(f"a condition is a reference, a bool, or a comparison of references, got {value!r}", where)
    return value


def _both(one: Any, other: Any) -> Any:
    if one is True or other is True:
        return other if one is True else one
    return Condition("and", one, other)


def branch(condition: Any, then: Any, otherwise: Any = None) -> Condition:
    """What `then` is where `condition` holds in the run, else what `otherwise` is.

    Args:
        condition: a reference, a bool, or a comparison of references, as for `_condition=`.
        then, otherwise: a value, handle or reference; or a function without parameters, such as a `lambda`, that
            gives one: the calls that it makes run only on that side.

    Raises:
        TypeError: this is no `@graphify` body.
    """
    where, builder = user_line(), BUILDING.get()
    if builder is None:
        raise TypeError("branch(...) is for @graphify bodies; in a graph_fn write an `if`")
    holds = _condition(condition, where)
    sides = builder.side(holds, then), builder.side(Condition("not", holds), otherwise)
    return Condition("branch", holds, *sides)


def build(agent: Any, fn: Callable[..., Any], defaults: Mapping[str, Any], where: str) -> TaskGraph:
    """Call `fn`, the function of `agent` written at `where`, with references, and make a graph of what it called.

    Raises:
        GraphBuildError: it did what a reference cannot do, or its edges or outputs do not fit; names the line.
    """
    builder = Builder(agent, BUILDING.get())
    token = BUILDING.set(builder)
    try:
        parameters = signature_of(fn).parameters
        takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        given = fn(**{name: Reference("", name) for name in agent.inputs if takes_all or name in parameters})
    finally:
        BUILDING.reset(token)
    made = _outputs(given, agent.outputs, builder, where)
    return TaskGraph(
        agent.name,
        builder.nodes.values(),
        inputs=agent.inputs,
        defaults=defaults,
        outputs=made,
        agent=agent,
        version=agent.version,
        where=where,
    )


def _outputs(given: Any, names: tuple[str, ...] | None, builder: Builder, where: str) -> dict[str, Any]:
    """The outputs by name, from what the function returned."""
    if isinstance(given, NodeHandle) and (names is None or len(given.output_keys) > 1):
        declares = builder.nodes[given.node_id].outputs is not None
        given = {key: given[key] for key in given.output_keys} if declares else {"result": given}
    if isinstance(given, dict):
        found = {str(key): plain(value, where) for key, value in given.items()}
        refused = next(filter(reserved, found), None)
        if refused is not None:
            what = f"{refused!r} cannot be an output name: every dict has that attribute; take another, as {refused}_"
            refuse(what, where)
    elif given is None:
        found = {}
    elif isinstance(given, tuple) and names is not None and len(names) == len(given) > 1:
        found = dict(zip(names, plain(given, where), strict=True))
    else:
        found = {names[0] if names is not None and len(names) == 1 else "result": plain(given, where)}
    missing = [name for name in names or () if name not in found]
    if missing:
        what = f"{builder.graph_id} declares the outputs {', '.join(names or ())} but does not return "
        refuse(f"{what}{', '.join(missing)}; it returns: {known(found)}", where)
    return found if names is None else {name: found[name] for name in names}
