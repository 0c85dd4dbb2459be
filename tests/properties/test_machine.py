"""The engine against a model in plain Python: runs are started, answered, killed, edited, broken, resumed."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from aethergraph import RunStatus
from aethergraph.errors import RunCancelled
from tests.flows.lab import LIMIT_S, Lab, laboratory

from .driving import Counted, drive

STAGES = 4  # of a run: a tool, then a question
TOOLS = 3  # the last one is pure
MOST_RUNS = 2

AGENT = f"""
class Broken(Exception):
    pass

@graph_fn
async def agent(x, *, context):
    made = []
    for stage in range({STAGES}):
        made.append((await [t0, t1, t2][stage % {TOOLS}](x, stage)).result)
        made.append(await context.channel("inbox").ask_text(f"{{x}} {{stage}}"))
    return made
"""


def tool_cell(number: int, version: int) -> str:
    """A tool whose code says which version it is."""
    pure = "(pure=True)" if number == TOOLS - 1 else ""
    return f"""
@tool{pure}
async def t{number}(x, stage):
    ran(f"{{x}} {{stage}}")
    if flag("BROKEN{number}"):
        raise Broken(x)
    return f"{{x}} {{stage}} v{version}"
"""


@dataclass
class Model:
    """What a run must be. `made` and `answers` go by stage; `stale`: stages whose recorded tool must run again."""

    run: Any
    x: int
    status: RunStatus = RunStatus.RUNNING
    made: dict[int, int] = field(default_factory=dict)  # the version that gave each result
    answers: dict[int, str] = field(default_factory=dict)
    stale: set[int] = field(default_factory=set)

    @property
    def outputs(self) -> list[str]:
        return [part for s in range(STAGES) for part in (f"{self.x} {s} v{self.made[s]}", self.answers[s])]

    def go_on(self, versions: list[int], broken: set[int], *, again: bool) -> list[str]:
        """Go on until the run waits or ends; the calls of tools that really run. `again`: the body is replayed."""
        ran, reran = [], False
        self.status = RunStatus.RUNNING
        for stage in range(STAGES):
            number = stage % TOOLS
            pure = number == TOOLS - 1
            known = stage in self.made
            if known and reran and not pure:  # nothing says that it does not depend on what ran again
                self.stale.add(stage)
            if not known or (again and (stage in self.stale or self.made[stage] != versions[number])):
                ran.append(f"{self.x} {stage}")
                reran = reran or known
                if number in broken:
                    self.made.pop(stage, None)
                    if known:
                        self.stale.update(later for later in self.made if later > stage and later % TOOLS != TOOLS - 1)
                    self.status = RunStatus.FAILED
                    return ran
                self.made[stage] = versions[number]
                self.stale.discard(stage)
            if stage not in self.answers:
                self.status = RunStatus.WAITING
                return ran
        self.status = RunStatus.DONE
        return ran

    @property
    def asks(self) -> str:
        """The prompt of the question that is open."""
        return f"{self.x} {next(stage for stage in range(STAGES) if stage not in self.answers)}"


class Engine(Counted):
    """Each rule lets a thing happen to the engine and to the model, until both are quiet."""

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
        self.live: set[int] = set()

    def teardown(self) -> None:
        self.stack.close()

    def _where(self, *statuses: RunStatus) -> list[Model]:
        return [model for model in self.models if model.status in statuses]

    def _settle(self, model: Model, ran: list[str]) -> None:
        """The run does what the model says, and its tools run as often."""
        if model.status is RunStatus.WAITING:
            self.lab.asked(model.run, model.asks)
            self.lab.rests(model.run)
        elif model.status is RunStatus.DONE:
            assert dict(model.run.result(LIMIT_S)) == {"result": model.outputs}
        else:
            with pytest.raises(Exception) as raised:
                model.run.result(LIMIT_S)
            assert type(raised.value).__name__ == "Broken", raised.value
        assert self.lab.took() == ran

    @precondition(lambda self: len(self.models) < MOST_RUNS)
    @rule()
    def start(self) -> None:
        model = Model(None, len(self.models))
        ran = model.go_on(self.versions, self.broken, again=False)
        model.run = self.lab.start("agent", x=model.x)
        self.models.append(model)
        self.live.add(model.x)
        self._settle(model, ran)

    @precondition(lambda self: self._where(RunStatus.WAITING))
    @rule(pick=st.integers(0, 9), text=st.text(max_size=8))
    def answer(self, pick: int, text: str) -> None:
        """A live run goes on at once; one that is not live keeps the answer until it is resumed."""
        waiting = self._where(RunStatus.WAITING)
        model = waiting[pick % len(waiting)]
        token = next(wait.token for wait in self.lab.runtime.waits() if wait.prompt == model.asks)
        self.lab.runtime.answer(token, text)
        model.answers[int(model.asks.split()[1])] = text
        if model.x in self.live:
            self._settle(model, model.go_on(self.versions, self.broken, again=False))
        else:
            model.status = RunStatus.PAUSED

    @precondition(lambda self: self.live)
    @rule()
    def kill(self) -> None:
        self.lab.kill()
        self.live.clear()

    @precondition(lambda self: self._where(RunStatus.WAITING, RunStatus.PAUSED, RunStatus.FAILED))
    @rule(pick=st.integers(0, 9))
    def resume(self, pick: int) -> None:
        """What failed is tried again; what is live stays as it is."""
        found = self._where(RunStatus.WAITING, RunStatus.PAUSED, RunStatus.FAILED)
        model = found[pick % len(found)]
        live = model.x in self.live and model.status is RunStatus.WAITING
        ran = [] if live else model.go_on(self.versions, self.broken, again=True)
        model.run = self.lab.resume(model.run)
        self.live.add(model.x)
        self._settle(model, ran)

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

    @precondition(lambda self: self._where(RunStatus.WAITING, RunStatus.PAUSED))
    @rule(pick=st.integers(0, 9))
    def cancel(self, pick: int) -> None:
        if pick:  # now and then only
            return
        model = self._where(RunStatus.WAITING, RunStatus.PAUSED)[0]
        self.lab.runtime.cancel(model.run.run_id)
        model.status = RunStatus.CANCELLED
        with pytest.raises(RunCancelled):
            self.lab.runtime.load(model.run.run_id).result(LIMIT_S)
        with pytest.raises(RunCancelled):
            self.lab.resume(model.run)

    @invariant()
    def the_store_tells_what_the_model_tells(self) -> None:
        asked = sorted(wait.prompt for wait in self.lab.runtime.waits())
        assert asked == sorted(model.asks for model in self._where(RunStatus.WAITING))
        for model in self.models:
            status = self.lab.runtime.load(model.run.run_id).status
            if model.status is RunStatus.WAITING and model.x in self.live:  # "running" until the run notices
                assert status in (RunStatus.RUNNING, RunStatus.WAITING)
            elif model.status in (RunStatus.PAUSED, RunStatus.WAITING):
                assert status in (RunStatus.PAUSED, RunStatus.WAITING)
            else:
                assert status is model.status


def test_the_engine_does_what_the_model_does() -> None:
    drive(Engine, examples=60, long=600, steps=60)
