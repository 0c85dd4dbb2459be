"""The process that proves an exported module: `python -m aethergraph.exporting.rerunning`, with the order on stdin.

It imports the module, runs its agent with the inputs, answers and times of a recorded run in a store of its own, and
writes what is equal to what as one line of JSON.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import sys
import tempfile
import traceback
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from .. import context
from ..channels.scripted import Asked, ScriptedChannel
from ..engine import Desk
from ..ids import Key, NodeId
from ..lifecycle.hub import Runtime
from ..lifecycle.running import Run
from ..record import facts as f
from ..record import schema
from ..record.flow import Node
from ..record.identity import Lineage, root_key
from ..record.status import NodeStatus
from ..scheduler.desks import AttemptDesk, seed_of_attempt
from ..services.clock import RunClock
from ..storage.codec import Codec
from .saved import Compared, Saved

MARK = "aethergraph-verify:"  # begins the line of the report
SENDS = ("send_text", "send_phase")


class Recorded:
    """What a run was told and gave: its answers by question, its times in order, its messages."""

    def __init__(self, run: Run, codec: Codec) -> None:
        self.run, self.codec, self.flow = run, codec, run.flow()
        self._answers: dict[tuple[str, str], deque[Any]] = defaultdict(deque)
        self._given: dict[str, Any] = {}
        for node in self.flow.nodes:
            if node.kind == f.WAIT and node.wait is not None and node.outcome is not None and node.outcome.ok:
                question = schema.decode(node.wait.question)
                if question.by_person:
                    self._answers[question.name, question.prompt].append(codec.load(node.outcome.value))
        effects = list(self.flow.effects.values())
        self.times = deque(codec.load(effect.value) for effect in effects if effect.name == "clock.now")
        self.sent = [codec.load(effect.args) for effect in effects if effect.name in SENDS]

    def answer(self, asked: Asked) -> Any:
        """The recorded answer to a question."""
        if asked.token not in self._given:
            waiting = self._answers[asked.name, asked.prompt]
            self._given[asked.token] = waiting.popleft() if waiting else None
        return self._given[asked.token]


class _Randoms:
    """Gives each node the generator that its fellow in the recorded run had, and the body its one."""

    def __init__(self, recorded: Recorded) -> None:
        flow, run_id = recorded.flow, recorded.run.run_id
        self._root = Key(flow.forked.root) if flow.forked is not None else root_key(run_id)
        self._keys = {node.node_id: node.key for node in flow.nodes}
        self._body: dict[bytes, random.Random] = {}  # of the recorded body: what is left of it goes on where it was

    def of(self, desk: Desk, name: str) -> random.Random:
        """The generator `name` of the node that `desk` serves."""
        key = self._keys.get(NodeId(desk.node_id)) if desk.no else None
        if key is None:
            seed = Lineage(self._root, "").seed(name)
            return self._body.setdefault(seed, random.Random(seed))
        if isinstance(desk, AttemptDesk):
            return random.Random(seed_of_attempt(key, name))
        return random.Random(Lineage(key, "").seed(name))


class _Clock(RunClock):
    """Tells the recorded times, and never waits."""

    recorded: Recorded

    async def now(self) -> float:
        """The next recorded time."""
        times = self.recorded.times
        return float(times.popleft()) if times else await super().now()

    async def sleep(self, seconds: float) -> None:
        """It has passed."""


def rerun(path: Path, name: str, folder: Path, run_id: str) -> dict[str, Any]:
    """Run the agent `name` of the module at `path` as the run `run_id` of the store in `folder` ran; the report."""
    module = load(path)
    vars(sys.modules["__main__"]).update(
        {key: value for key, value in vars(module).items() if not key.startswith("__")}
    )
    past = Runtime(store=folder)
    codec = Codec(past.store.blobs, past.keyring, lambda: vars(module))
    past.codec = codec
    recorded = Recorded(past.load(run_id), codec)
    agent = vars(module)[name]
    clock = type("_RecordedClock", (_Clock,), {"recorded": recorded})
    context.SERVICES["clock"] = clock
    randoms = _Randoms(recorded)

    def generator(self: context.NodeContext, name: str = "") -> random.Random:
        made = self._randoms  # a context that asks twice goes on
        return made.setdefault(name.encode(), randoms.of(self._scope.desk, name))

    context.NodeContext.random = generator  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as store:
        runtime = Runtime(store=store, durability="process")
        try:
            with (
                runtime.use(),
                ScriptedChannel(lambda asked: _brought(recorded.answer(asked), past, runtime)),
            ):
                run = runtime.start(agent, agent.bind((), recorded.run.inputs))
                outputs = run.result()
                compared = Compared(Saved(recorded.run, codec), Saved(run, runtime.codec))
                rows = [*_outputs(recorded, outputs, compared), *_nodes(recorded, run, agent, compared)]
                rows += _messages(recorded, Recorded(run, runtime.codec))
        finally:
            runtime.close()
    past.close()
    return {"rows": rows}


def _brought(answer: Any, past: Runtime, now: Runtime) -> Any:
    """A recorded answer, once the contents of its files are in the store of the new run."""
    for file in answer.get("files", ()) if isinstance(answer, dict) else ():
        if isinstance(file, dict) and "sha256" in file:
            now.store.blobs.put(past.store.blobs.get(file["sha256"]))
    return answer


def load(path: Path) -> Any:
    """The module at `path`, under its own name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


Row = tuple[str, str, str]  # of the run, of the module, where they differ


def _outputs(recorded: Recorded, outputs: Any, compared: Compared) -> Iterator[Row]:
    before = recorded.codec.load_outputs(recorded.flow.result.value) if recorded.flow.result else {}
    for key in dict.fromkeys([*before, *outputs]):
        if key not in before or key not in outputs:
            yield f"output {key}", f"output {key}", f"only the {'run' if key in before else 'module'} has it"
        else:
            yield f"output {key}", f"output {key}", compared.difference(before[key], outputs[key])


def _messages(recorded: Recorded, now: Recorded) -> Iterator[Row]:
    before, sent = ([_text(args) for args in each.sent] for each in (recorded, now))
    for number in range(max(len(before), len(sent))):
        one = before[number] if number < len(before) else "(nothing)"
        other = sent[number] if number < len(sent) else "(nothing)"
        yield f"message {number + 1}", f"message {number + 1}", "" if one == other else f"{one!r:.60} and {other!r:.60}"


def _text(args: dict[str, Any]) -> str:
    if "phase" not in args:
        return str(args["text"])
    return f"{args['phase']}: {args['status']}" + (f" ({args['detail']})" if args.get("detail") else "")


# ---------------------------------------------------------------------- node against node


def _nodes(recorded: Recorded, run: Run, agent: Any, compared: Compared) -> Iterator[Row]:
    order = {node_id: place for place, node_id in enumerate(agent.built().node_ids())}
    now, scope, names = run.flow().nodes, 0, {}
    top = _inside(now, scope)
    if len(top) == 1 and top[0].callee == f"{recorded.run.name}_steps":  # the body as it was, in one node
        scope, names, order = top[0].no, {top[0].callee: recorded.run.name}, {}
    yield from _Pairs(recorded, run, now, names, compared).scope(0, scope, order)


@dataclass(slots=True)
class _Pairs:
    """Nodes of a run and of its module. names: what callees of the module are called in the run."""

    recorded: Recorded
    run: Run
    now: list[Node]
    names: dict[str, str]
    compared: Compared

    def scope(self, past: int, now: int, order: dict[str, int]) -> Iterator[Row]:
        """The nodes of one body against those of the other."""
        new = sorted(_inside(self.now, now), key=lambda node: (order.get(node.node_id, 0), node.no))
        old = _inside(self.recorded.flow.nodes, past)
        names = {self._callee(node) for node in old}
        flat = [inner for node in new for inner in self._opened(node, names)]
        known = {self._callee(node) for node in old}
        for callee in dict.fromkeys(self._callee(node) for node in [*old, *flat]):
            ours, theirs = ([n for n in nodes if self._callee(n) == callee] for nodes in (flat, old))
            for one, other in zip_longest(theirs, ours):
                if one is not None and other is not None:
                    yield one.node_id, other.node_id, self._difference(one, other)
                    if one.kind == other.kind == f.GRAPH:
                        yield from self.scope(one.no, other.no, {})
                elif one is None and callee in known:
                    yield "", other.node_id, "the run has no such node"
                elif one is not None and not _is_sleep(one):
                    yield one.node_id, "", "the module has no such node"

    def _opened(self, node: Node, names: set[str]) -> list[Node]:
        """A node, or those inside, where it is a map or holds statements of the body that stayed as they were."""
        inside = _inside(self.now, node.no)
        if node.kind != f.GRAPH or self._callee(node) in names or self._callee(node).startswith("ask_"):
            return [node]
        return [inner for each in inside for inner in self._opened(each, names)] or [node]

    def _callee(self, node: Node) -> str:
        """What was called; a question counts as the tool that asks it."""
        if node.kind == f.WAIT and node.wait is not None:
            question = schema.decode(node.wait.question)
            return f"ask_{question.kind}" if question.by_person else node.callee
        return "ask_text" if node.callee == "wait_text" else self.names.get(node.callee, node.callee)

    def _difference(self, one: Node, other: Node) -> str:
        before, after = _value(one, self.recorded.codec), _value(other, self.run.runtime.codec)
        if one.kind == f.WAIT and other.kind != f.WAIT and isinstance(after, dict):
            after = next(iter(after.values())) if len(after) == 1 else dict(after)
        return self.compared.difference(before, after)


def _inside(nodes: list[Node], scope: int) -> list[Node]:
    return [node for node in nodes if node.scope == scope and node.status is not NodeStatus.SKIPPED]


def _is_sleep(node: Node) -> bool:
    return node.wait is not None and schema.decode(node.wait.question).kind == "timer"


def _value(node: Node, codec: Codec) -> Any:
    outcome = node.outcome
    if outcome is None:
        return None
    if not outcome.ok:
        return outcome.error.message if outcome.error else ""
    return codec.load(outcome.value) if node.kind == f.WAIT else dict(codec.load_outputs(outcome.value))


def main() -> None:
    """Do what stdin orders, a line each; whatever the modules print goes to stderr."""
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        order = json.loads(line)
        sys.path[:] = list(dict.fromkeys([order["here"], *order["path"], *sys.path]))
        os.chdir(order["here"])
        report: dict[str, Any]
        try:
            report = rerun(Path(order["module"]), order["name"], Path(order["store"]), order["run"])
        except Exception:  # noqa: BLE001 (whatever the module raises: the report says it)
            report = {"error": traceback.format_exc()}
        print(MARK + json.dumps(report), file=out, flush=True)


if __name__ == "__main__":
    main()
