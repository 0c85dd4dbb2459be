"""What something was made with: the nodes that it depends on, with their inputs, their code and the answers given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from ..errors import known
from ..ids import Key
from ..record import facts as f
from ..record.flow import Flow, Node
from ..services.artifact import Artifact
from ..values.preview import about_value
from ..views.picture import Picture


@dataclass(frozen=True, slots=True)
class Origin:
    """A node that something was made with.

    inputs: each argument in words; arguments without a name are numbered from 0.
    code: a fingerprint, in hex, of its code and all that this uses: where it is equal the same code ran.
    answer: of a question.
    uses: the ids of nodes whose values it was given, or that it follows in order.
    """

    node_id: str
    callee: str
    inputs: dict[str, str]
    code: str = ""
    answer: str = ""
    uses: tuple[str, ...] = ()


def lineage(flow: Flow, picture: Picture, thing: str | Artifact) -> list[Origin]:
    """What `thing` was made with, the earliest first; last the node itself, or the one that saved the artifact.

    Raises:
        LookupError: the run has neither node nor artifact of this name.
    """
    todo = _roots(flow, picture, thing)
    found: set[int] = set()
    while todo:
        no = todo.pop()
        if no not in found:
            found.add(no)
            todo += _upstream(flow.nodes[no - 1])
    return [_origin(flow, picture, flow.nodes[no - 1]) for no in sorted(found)]


def _upstream(node: Node) -> Iterable[int]:
    return (*node.deps, *node.after, *((node.scope,) if node.scope else ()))


def _roots(flow: Flow, picture: Picture, thing: str | Artifact) -> list[int]:
    name = thing.artifact_id if isinstance(thing, Artifact) else thing
    for node in flow.nodes:
        if node.node_id == name:
            return [node.no]
    for key, saved in picture.artifacts.items():
        if name in (saved.record.get("artifact_id"), saved.record.get("uri"), saved.record.get("name")):
            if saved.scope:
                return [saved.scope]
            effect = flow.effects.get(Key(key))
            return _before(flow, effect.at if effect is not None else flow.deliveries)
    ids = known([node.node_id for node in flow.nodes])
    raise LookupError(f"no node or artifact {name!r} in run {picture.run_id}; its nodes are: {ids}")


def _before(flow: Flow, position: int) -> list[int]:
    """What the run's own body knew when it had been told so much: nobody can say what of it mattered."""
    nodes = (node for node in flow.nodes if not node.scope and node.outcome is not None)
    return [node.no for node in nodes if node.outcome is not None and node.outcome.position <= position]


def _origin(flow: Flow, picture: Picture, node: Node) -> Origin:
    drawn = picture.nodes[node.no]
    uses = tuple(flow.nodes[no - 1].node_id for no in dict.fromkeys((*node.deps, *node.after)))
    code = "" if node.kind == f.WAIT else node.validity[:8].hex()
    return Origin(str(node.node_id), node.callee, arguments(drawn.args), code, drawn.answer, uses)


def arguments(payload: bytes) -> dict[str, str]:
    """The arguments of a node's first fact, in words."""
    if payload[:1] == b"t":  # a text already, without names
        return {"": payload[1:].decode("utf-8", "replace")}
    if payload[:1] not in (b"m", b"n"):
        return {}
    args, kwargs = msgspec.msgpack.decode(payload[1:])
    named = {str(number): value for number, value in enumerate(args)} | dict(kwargs)
    told = payload[:1] == b"n"  # texts already
    return {name: str(value) if told else about_value(value) for name, value in named.items()}
