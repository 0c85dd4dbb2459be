"""Forks, edits, failures, retries, cancelled nodes against plain calls that are counted: rules 11, 17, 18, 32."""

from __future__ import annotations

import copy
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from aethergraph import RunStatus
from aethergraph.errors import NodeFailed
from aethergraph.record.flow import Flow
from tests.flows.lab import LIMIT_S, Lab, laboratory

from .driving import Counted, drive

STAGES = 4
TOOLS = 3  # the last one is pure
MOST_RUNS = 4

AGENT = f"""
class Broken(Exception):
    pass

@graph_fn
async def agent(x):
    value = x
    for stage in range({STAGES}):
        value = (await [t0, t1, t2][stage % {TOOLS}](value, stage)).result
    return value
"""


def gives(value: str, stage: int, version: int) -> str:
    """What a tool gives: each second edit of its code changes nothing of that."""
    return f"{value}|{stage}.{version // 2}"


def tool_cell(number: int, version: int) -> str:
    """The tool of this version."""
    pure = "(pure=True)" if number == TOOLS - 1 else ""
    return f"""
@tool{pure}
async def t{number}(value, stage, *, context):
    version = {version}
    ran(f"{{stage}} {{value}}")
    if flag("HOLD{number}"):
        await context.channel("inbox").ask_text(f"hold {{stage}}")
    if flag("BROKEN{number}"):
        raise Broken(value)
    return f"{{value}}|{{stage}}.{{version // 2}}"
"""


@dataclass
class Result:
    """What is on record of a call. `fixed`: a fork was told what it gives, so that its code does not matter."""

    value: str
    version: int
    fixed: bool = False


@dataclass
class Model:
    """A run: what is on record, by stage and argument; `instead`: what a fork gives a call instead of its argument."""

    run: Any
    x: str
    known: dict[tuple[int, str], Result] = field(default_factory=dict)
    instead: dict[tuple[int, str], str] = field(default_factory=dict)
    status: RunStatus = RunStatus.RUNNING
    path: list[tuple[int, str]] = field(default_factory=list)
    value: str = ""

    def go_on(self, versions: list[int], stops: set[int]) -> list[str]:
        """Evaluate; what really runs. It stops in a tool of `stops`."""
        ran, value, self.path = [], self.x, []
        for stage in range(STAGES):
            number, call = stage % TOOLS, (stage, value)
            known = self.known.get(call)
            if known is None or (not known.fixed and known.version != versions[number]):
                given = self.instead.get(call, value)
                ran.append(f"{stage} {given}")
                if number in stops:
                    self.known.pop(call, None)
                    self.status = RunStatus.FAILED
                    return ran
                known = self.known[call] = Result(gives(given, stage, versions[number]), versions[number])
            self.path.append(call)
            value = known.value
        self.status, self.value = RunStatus.DONE, value
        return ran


class Forks(Counted):
    """Each rule lets a thing happen to the engine and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        self.patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        self.lab: Lab = self.stack.enter_context(laboratory(Path(folder)))
        self.versions, self.broken = [0] * TOOLS, set[int]()
        for number in range(TOOLS):
            self.lab.cell(tool_cell(number, 0))
        self.lab.cell(AGENT)
        self.models: list[Model] = []
        self.fresh = 0

    def teardown(self) -> None:
        self.stack.close()

    def _new(self) -> str:
        self.fresh += 1
        return f"new{self.fresh}"

    def _settle(self, model: Model, ran: list[str]) -> None:
        if model.status is RunStatus.DONE:
            assert dict(model.run.result(LIMIT_S)) == {"result": model.value}
        else:
            with pytest.raises(Exception) as raised:
                model.run.result(LIMIT_S)
            assert type(raised.value).__name__ == "Broken", raised.value
        assert self.lab.took() == ran

    def _node(self, model: Model, call: tuple[int, str]) -> str:
        """The id of the node of this call, by what it gave."""
        flow, name = Flow.of(self.lab.facts(model.run)), f"t{call[0] % TOOLS}"
        load, value = self.lab.runtime.codec.load, model.known[call].value
        ended = [node for node in flow.nodes if node.callee == name and node.outcome is not None and node.outcome.ok]
        (node_id,) = [n.node_id for n in ended if n.outcome is not None and load(n.outcome.value)["result"] == value]
        return str(node_id)

    # ------------------------------------------------------------------ what happens

    @precondition(lambda self: len(self.models) < MOST_RUNS)
    @rule(x=st.sampled_from(["a", "b"]))
    def start(self, x: str) -> None:
        model = Model(None, x)
        ran = model.go_on(self.versions, self.broken)
        model.run = self.lab.start("agent", x=x)
        self.models.append(model)
        self._settle(model, ran)

    @precondition(lambda self: self.models)
    @rule(
        pick=st.integers(0, 9), stage=st.none() | st.integers(0, STAGES - 1),
        how=st.sampled_from(["as it is", "inputs", "outputs"]),
    )  # fmt: skip
    def fork(self, pick: int, stage: int | None, how: str) -> None:
        """As it is, at a node or not, with other inputs, or with other outputs of the node."""
        parent = self.models[pick % len(self.models)]
        if stage is not None and stage >= len(parent.path):
            return
        model = Model(None, parent.x, copy.deepcopy(parent.known), dict(parent.instead))
        how_to: dict[str, Any] = {}
        if stage is None and how == "inputs":
            model.x = self._new()
            how_to["inputs"] = {"x": model.x}
        elif stage is not None:
            call = parent.path[stage]
            how_to["at"] = self._node(parent, call)
            del model.known[call]  # and what an earlier fork said of this node
            model.instead.pop(call, None)
            if how == "inputs":
                model.instead[call] = self._new()
                how_to["inputs"] = {"value": model.instead[call]}
            elif how == "outputs":
                model.known[call] = Result(self._new(), 0, fixed=True)
                how_to["outputs"] = {"result": model.known[call].value}
        ran = model.go_on(self.versions, self.broken)
        model.run = self.lab.runtime.fork(parent.run.run_id, namespace=self.lab.cells.names, **how_to)
        self.models = [*self.models, model][-MOST_RUNS:]
        self._settle(model, ran)

    @precondition(lambda self: any(model.status is RunStatus.FAILED for model in self.models))
    @rule(pick=st.integers(0, 9))
    def retry(self, pick: int) -> None:
        """What failed runs again, and what was edited since."""
        failed = [model for model in self.models if model.status is RunStatus.FAILED]
        model = failed[pick % len(failed)]
        ran = model.go_on(self.versions, self.broken)
        model.run = self.lab.resume(model.run)
        self._settle(model, ran)

    @precondition(lambda self: not self.broken and len(self.models) < MOST_RUNS)
    @rule(x=st.sampled_from(["a", "b"]), number=st.integers(0, TOOLS - 1))
    def cancel_a_node(self, x: str, number: int) -> None:
        """Its run fails, as nobody catches it, and a retry tries it again."""
        model = Model(None, x)
        ran = model.go_on(self.versions, {number})
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(f"HOLD{number}", "1")
            model.run = self.lab.start("agent", x=x)
            self.lab.asked(model.run, f"hold {number}")
            model.run.cancel(node=f"t{number}")
            with pytest.raises(NodeFailed, match=f"'t{number}' .* it was cancelled"):
                model.run.result(LIMIT_S)
        self.models.append(model)
        assert self.lab.took() == ran

    @rule(number=st.integers(0, TOOLS - 1))
    def edit(self, number: int) -> None:
        self.versions[number] += 1
        self.lab.cell(tool_cell(number, self.versions[number]))

    @precondition(lambda self: not self.broken)
    @rule(number=st.integers(0, 5))
    def break_one(self, number: int) -> None:
        if number < TOOLS:
            self.broken.add(number)
            self.patch.setenv(f"BROKEN{number}", "1")

    @precondition(lambda self: self.broken)
    @rule()
    def mend(self) -> None:
        self.patch.delenv(f"BROKEN{self.broken.pop()}")

    @precondition(lambda self: self.models)
    @rule()
    def kill(self) -> None:
        self.lab.kill()

    @invariant()
    def each_run_is_what_it_was(self) -> None:
        """A fork leaves its parent alone."""
        for model in self.models:
            told = self.lab.runtime.load(model.run.run_id)
            assert told.status is model.status
            if model.status is RunStatus.DONE:
                assert dict(told.outputs) == {"result": model.value}


def test_forks_and_retries_run_what_the_model_runs() -> None:
    drive(Forks, examples=62, long=450, steps=40)
