"""Time travel: a new run that has the past of another one, up to a point, and goes on differently.

A fork copies the facts of its parent (not the blobs that they refer to), so it needs its parent no longer. Its calls
keep their identities, by which it finds what it shares; its questions get tokens of its own, since its secret is new.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from .. import hooks
from ..code import definitions, gathering
from ..errors import UnknownRun, known
from ..record import facts as f
from ..record import schema
from ..record.flow import Flow, Node
from ..record.identity import root_key
from ..services import catalogue
from ..storage import journal, roster, uploads
from ..storage.codec import Codec
from ..storage.store import Store, Transaction
from .launching import Past
from .resuming import agent_of, callees

if TYPE_CHECKING:
    from ..authoring.reactive import Agent
    from .hub import Runtime
    from .running import Run

_LEFT_OUT = (f.RunStarted, f.RunDone, f.RunCancelled, f.RunContinued)


def fork(
    runtime: Runtime,
    run_id: str,
    *,
    at: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    outputs: Any = None,
    namespace: Mapping[str, Any] | None = None,
) -> Run:
    """Start a run that shares what run `run_id` has committed, and goes on differently. See `Run.fork`."""
    if not runtime.on_loop() and run_id in runtime.live:
        runtime.journal.flush()
    history = [fact for batch in journal.read(runtime.store, run_id) for fact in batch]
    parent = Flow.of(history)
    if parent.started is None:
        roster.read(runtime.store, run_id)  # raises: there is no such run
        raise UnknownRun(run_id)
    if outputs is not None and (at is None or inputs is not None):
        what = "inputs= and outputs= exclude each other" if at else "outputs= are those of a node: name it with at="
        raise ValueError(f"fork of {run_id}: {what}")
    agent = agent_of(runtime, run_id, parent, namespace)
    codec = runtime.codec_for(agent)
    node = None if at is None else _node(parent, at)
    started = parent.started
    given = codec.load(started.inputs)
    root = parent.forked.root if parent.forked else root_key(run_id)
    forked = f.Forked(run_id, root, runtime.clock.now(), no=node.no if node else 0)
    if node is None and inputs:
        given = agent.bind((), {**given, **inputs})
    elif node is not None and inputs:
        forked = msgspec.structs.replace(forked, inputs=_inputs(codec, agent, node, inputs))
    elif node is not None and outputs is not None:
        forked = msgspec.structs.replace(forked, outputs=_outputs(runtime.store, codec, agent, node, outputs))
    new = msgspec.structs.replace(
        started,
        run_id="",
        continues="",
        chain="",
        generation=1,
        t=forked.t,
        inputs=codec.dump(given, f"the inputs of {agent.name}"),
        secret=secrets.token_bytes(16),
        definition=definitions.save(runtime.store, gathering.gather(agent), runtime.keyring),
        session=hooks.session() or started.session,
        parent=run_id,
        tied=False,
        budget=parent.budget,
        spent={},
    )
    facts = [*(fact for fact in history if not isinstance(fact, _LEFT_OUT)), forked]
    past = Past(facts, _taking_over(run_id, Flow.of(facts)), parent.openings)
    return runtime.launcher.begin(agent, new, given, past=past)


def _node(parent: Flow, at: str) -> Node:
    """The node `at`; ids are unique in a run, also those of nodes inside nodes."""
    for node in parent.nodes:
        if node.node_id == at:
            return node
    run_id = parent.started.run_id if parent.started else ""
    raise LookupError(f"no node {at!r} in run {run_id}; there are: {known([node.node_id for node in parent.nodes])}")


def _inputs(codec: Codec, agent: Agent, node: Node, inputs: Mapping[str, Any]) -> bytes:
    """The payload of inputs for `node`, once they fit it."""
    if node.kind == f.WAIT:
        raise ValueError(f"{node.node_id} is a question and has no inputs; outputs= is its answer")
    target = callees(agent).get(node.callee)
    if target is not None:
        if unknown := [name for name in inputs if name not in target.inputs]:
            names = ", ".join(target.inputs) or "none"
            raise TypeError(f"{node.node_id} has no input {', '.join(unknown)}; its inputs are: {names}")
        if hasattr(target, "check"):
            target.check((), dict(inputs))
    return codec.dump(dict(inputs), f"the inputs of {node.node_id}")


def _outputs(store: Store, codec: Codec, agent: Agent, node: Node, outputs: Any) -> bytes:
    """The payload of what `node` is to have given: a dict with all its outputs; for a question, its answer."""
    if node.kind == f.WAIT:
        question = schema.decode(node.wait.question) if node.wait is not None else None
        if question is None:
            return codec.dump(outputs)
        return codec.dump(schema.check(question, uploads.take_in(store, question, outputs)))
    if not isinstance(outputs, Mapping):
        raise TypeError(f"outputs of {node.node_id} are a dict by name, got {type(outputs).__name__}")
    names = _names_of(codec, agent, node)
    if names is not None and set(names) != set(outputs):
        raise ValueError(f"outputs of {node.node_id} are {', '.join(names)}; got {', '.join(outputs) or 'none'}")
    packed = codec.dump_outputs(dict(outputs), f"{node.node_id}, as it is forked")
    if packed.volatile:
        raise ValueError(f"a fork cannot begin with this: {packed.volatile}")
    return packed.payload


def _names_of(codec: Codec, agent: Agent, node: Node) -> tuple[str, ...] | None:
    """The outputs that `node` gave, or that it declares; None where neither is known."""
    if node.outcome is not None and node.outcome.ok and node.outcome.value:
        return tuple(codec.load_outputs(node.outcome.value))
    target = callees(agent).get(node.callee)
    return None if target is None or target.outputs is None else tuple(target.outputs)


def _taking_over(run_id: str, shared: Flow) -> Callable[[Transaction, str], None]:
    """Writes, for a new run, the records of what the nodes that it shares with its parent `run_id` have saved."""
    saved = {
        str(record["artifact_id"])
        for effect in shared.effects.values()
        if effect.ok and effect.name == "artifacts.save" and (record := _record(effect.value)) is not None
    }

    def op(rows: Transaction, new_id: str) -> None:
        if rows.get(roster.row_key(run_id)) is None:
            raise UnknownRun(run_id)  # collected meanwhile, and its contents with it
        for artifact_id in saved:
            where = catalogue.key(run_id, artifact_id)
            row = rows.get(where)
            if row is not None:
                catalogue.write(rows, catalogue.decode(row, where) | {"run_id": new_id})

    return op


def _record(payload: bytes) -> dict[str, Any] | None:
    data = msgspec.msgpack.decode(payload[1:]) if payload[:1] == b"m" else None
    return data if isinstance(data, dict) and "artifact_id" in data else None
