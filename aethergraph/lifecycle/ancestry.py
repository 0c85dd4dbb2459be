"""What something was made with: the nodes that it depends on, with their inputs, their code and the answers given.

And the other way: which nodes, of this run and others, used it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from ..errors import known
from ..ids import Key
from ..record import facts as f
from ..record.flow import Flow, Node
from ..services import artifact, catalogue
from ..services.artifact import Artifact
from ..storage import codec
from ..storage.store import Store
from ..values.preview import about_value
from ..views.picture import Picture


@dataclass(frozen=True, slots=True)
class Origin:
    """A node that something was made with; last the run's own body (named as the agent), where that saved it.

    inputs: each argument in words; arguments without a name are numbered from 0.
    code: a fingerprint, in hex, of its code and all that this uses: where it is equal the same code ran.
    answer: of a question.
    uses: the ids of nodes whose values it was given, or that it follows in order; of the run's own body, all whose
        results it knew by then.
    loads: the ids of artifacts that it read.
    """

    node_id: str
    callee: str
    inputs: dict[str, str]
    code: str = ""
    answer: str = ""
    uses: tuple[str, ...] = ()
    loads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """Who used something: a node of some run; `node_id` is the agent's name where the run's own body did.

    how: "loaded" an artifact, was "given" a value, or came "after" in order.
    """

    run_id: str
    node_id: str
    how: str


class Lineage(list[Origin]):
    """What something was made with, the earliest first, and what became of it.

    loaded: the artifacts that were read on the way, of this run or others (`load_run(a.run_id).lineage(a)` goes on).
    used_by: the nodes, of this run or others, that used it.
    """

    def __init__(self, origins: Iterable[Origin], loaded: Iterable[Artifact], used_by: Iterable[Use]) -> None:
        super().__init__(origins)
        self.loaded, self.used_by = list(loaded), list(used_by)

    def __str__(self) -> str:
        lines = [
            f"{one.node_id}({', '.join(f'{k}={v}' for k, v in one.inputs.items())})"
            + (f" code {one.code}" if one.code else "")
            + (f" answered {one.answer!r}" if one.answer else "")
            for one in self
        ]
        lines += [f"read {one.name} ({one.artifact_id} of {one.run_id})" for one in self.loaded]
        return "\n".join([*lines, *(f"used by {one.node_id} of {one.run_id} ({one.how})" for one in self.used_by)])


def lineage(store: Store, flow: Flow, picture: Picture, thing: str | Artifact) -> Lineage:
    """What `thing` was made with, the earliest first; last the node itself, or what saved the artifact.

    Raises:
        LookupError: the run has neither node nor artifact of this name.
    """
    todo, digests, body = _roots(flow, picture, thing)
    used_by = list(_users(store, flow, picture, [] if digests else todo, digests))
    found: set[int] = set()
    loaded: dict[str, Artifact] = {}
    loads: dict[int, list[str]] = {}
    knew = todo if body else []
    if body:
        todo = [*todo, *_loaded(store, flow, picture, 0, loaded, loads)]
    while todo:
        no = todo.pop()
        if no not in found:
            found.add(no)
            todo += [*_upstream(flow.nodes[no - 1]), *_loaded(store, flow, picture, no, loaded, loads)]
    origins = [_origin(flow, picture, flow.nodes[no - 1], loads.get(no, ())) for no in sorted(found)]
    if body:
        origins.append(_body(flow, picture, knew, loads.get(0, ())))
    return Lineage(origins, loaded.values(), used_by)


def _upstream(node: Node) -> Iterable[int]:
    return (*node.deps, *node.after, *((node.scope,) if node.scope else ()))


def _loaded(
    store: Store, flow: Flow, picture: Picture, no: int, loaded: dict[str, Artifact], loads: dict[int, list[str]]
) -> list[int]:
    """The nodes that saved what node `no` read; the artifacts are added to `loaded`, their ids to `loads`."""
    makers: list[int] = []
    for digest, note in picture.uses.get(no, {}).items():
        saved = [one for one in picture.artifacts.values() if one.record.get("sha256") == digest]
        own = [one for one in saved if one.scope != no]
        found = artifact.of_content(store, digest)
        named = [one for one in found if (one.run_id, one.artifact_id) == (note.get("run"), note.get("artifact"))]
        known_as = named or [one for one in found if one.run_id == picture.run_id] or found
        loads.setdefault(no, []).append(known_as[-1].artifact_id if known_as else artifact.SCHEME + digest)
        if known_as:
            loaded[digest] = known_as[-1]
        if not named or named[0].run_id == picture.run_id:
            makers += [node for one in own[:1] for node in _savers(flow, one.scope, None)]
    return makers


def _savers(flow: Flow, scope: int, key: bytes | None) -> list[int]:
    """The node that saved something; where the run's own body did, the nodes whose results it knew."""
    if scope:
        return [scope]
    effect = flow.effects.get(Key(key)) if key is not None else None
    return _before(flow, effect.at if effect is not None else flow.deliveries)


def _users(store: Store, flow: Flow, picture: Picture, nodes: Iterable[int], digests: Iterable[str]) -> Iterator[Use]:
    """Who was given what these nodes gave, or loaded one of these contents."""
    run_id = picture.run_id
    for no in nodes:
        for node in flow.nodes:
            if no in node.deps or no in node.after:
                yield Use(run_id, str(node.node_id), "given" if no in node.deps else "after")
        saved = [str(one.record["sha256"]) for one in picture.artifacts.values() if one.scope == no]
        digests = [*digests, *saved]
    for digest in dict.fromkeys(digests):
        for no, uses in picture.uses.items():
            if digest in uses:
                yield Use(run_id, picture.nodes[no].node_id if no else picture.name, "loaded")
        for where, row in store.scan(f"{catalogue.USE}{digest}:"):
            if catalogue.run_of_use(where) != run_id:
                yield Use(catalogue.run_of_use(where), str(msgspec.msgpack.decode(row)["node"]), "loaded")


def _roots(flow: Flow, picture: Picture, thing: str | Artifact) -> tuple[list[int], list[str], bool]:
    """The nodes that made `thing`, the digest of an artifact, and whether the run's own body saved it."""
    name = thing.artifact_id if isinstance(thing, Artifact) else thing
    for node in flow.nodes:
        if node.node_id == name:
            return [node.no], [], False
    for key, saved in picture.artifacts.items():
        if name in (saved.record.get("artifact_id"), saved.record.get("uri"), saved.record.get("name")):
            return _savers(flow, saved.scope, key), [str(saved.record["sha256"])], not saved.scope
    if isinstance(thing, Artifact) and thing.run_id != picture.run_id:
        how = f"`load_run({thing.run_id!r}).lineage(artifact)`"
        raise LookupError(f"artifact {name!r} was made by run {thing.run_id}, not by {picture.run_id}: {how}")
    ids = known([node.node_id for node in flow.nodes])
    raise LookupError(f"no node or artifact {name!r} in run {picture.run_id}; its nodes are: {ids}")


def _before(flow: Flow, position: int) -> list[int]:
    """What the run's own body knew when it had been told so much: nobody can say what of it mattered."""
    nodes = (node for node in flow.nodes if not node.scope and node.outcome is not None)
    return [node.no for node in nodes if node.outcome is not None and node.outcome.position <= position]


def _origin(flow: Flow, picture: Picture, node: Node, loads: Iterable[str]) -> Origin:
    drawn = picture.nodes[node.no]
    uses = tuple(flow.nodes[no - 1].node_id for no in dict.fromkeys((*node.deps, *node.after)))
    code = "" if node.kind == f.WAIT else node.validity[:8].hex()
    return Origin(str(node.node_id), node.callee, arguments(drawn.args), code, drawn.answer, uses, tuple(loads))


def _body(flow: Flow, picture: Picture, knew: Iterable[int], loads: Iterable[str]) -> Origin:
    inputs = codec.about_outputs(flow.started.inputs) if flow.started else {}
    code = flow.opened.validity[:8].hex() if flow.opened else ""
    uses = tuple(str(flow.nodes[no - 1].node_id) for no in knew)
    return Origin(picture.name, picture.name, inputs, code, uses=uses, loads=tuple(loads))


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
