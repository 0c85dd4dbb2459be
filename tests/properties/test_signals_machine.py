"""Events, signals and timers against a model in plain Python that says who gets what: semantics 18, 22, 23, 24, 25."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from aethergraph import RunStatus, Runtime
from aethergraph.errors import RunCancelled, RunEnded
from aethergraph.record import facts as f
from aethergraph.record.flow import Flow
from aethergraph.storage import signals
from aethergraph.testing import FakeClock
from tests.flows.lab import LIMIT_S, Lab, laboratory

from .driving import Counted, drive

MOST_RUNS = 3
NAMES = ("go", "stop")
NOTHING = "nothing"

AGENT = f"""
@tool
async def heard(name, timeout_s, *, context):
    return await context.wait_event(name, timeout_s=timeout_s, default="{NOTHING}")

@tool
def heard_in_thread(name, timeout_s, *, context):
    return context.wait_event(name, timeout_s=timeout_s, default="{NOTHING}")

@graph_fn
async def agent(script, *, context):
    async def one(kind, name, timeout_s):
        if kind == "sleep":
            return await context.clock().sleep(timeout_s)
        if kind == "tool":
            return (await heard(name, timeout_s)).result
        if kind == "thread":
            return (await heard_in_thread(name, timeout_s)).result
        return await context.wait_event(name, timeout_s=timeout_s, default="{NOTHING}")

    got = []
    for how, parts in script:
        tasks = [asyncio.create_task(one(*part)) for part in parts]
        if how == "first":
            done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            got.append([task.result() if task in done else "given up" for task in tasks])
        else:
            got.append(await asyncio.gather(*tasks))
    return {{"got": got}}
"""

times = st.sampled_from([None, 5, 20])
events = st.tuples(st.just("event"), st.sampled_from(NAMES), times)
sleeps = st.tuples(st.just("sleep"), st.just(""), st.sampled_from([5, 20]))
in_tools = st.tuples(st.sampled_from(["tool", "thread"]), st.sampled_from(NAMES), times)
stages = st.one_of(
    st.tuples(st.just("all"), st.lists(events | sleeps, min_size=1, max_size=3)),
    st.tuples(st.just("first"), st.lists(events | sleeps, min_size=2, max_size=3)),
    st.tuples(st.just("all"), st.lists(in_tools, min_size=1, max_size=1)),
)
scripts = st.lists(stages, min_size=1, max_size=4)


@dataclass(frozen=True)
class Sent:
    """A signal of the log. `to`: the run that it is for, None for all."""

    number: int
    name: str
    payload: str
    t: float
    to: str | None


@dataclass
class Waits:
    """One wait that a run has opened. `got` is None until it has something."""

    kind: str
    name: str
    deadline: float
    got: list[Any] | None = None


@dataclass
class Model:
    """What a run must be."""

    run: Any
    name: str
    script: list[Any]
    after: int  # signals for all that have a number above this are for it
    live: bool = True
    status: RunStatus = RunStatus.RUNNING
    stage: int = -1
    waits: list[Waits] = field(default_factory=list)
    opened: int = 0
    taken: list[int] = field(default_factory=list)
    got: list[list[Any]] = field(default_factory=list)

    @property
    def open(self) -> list[Waits]:
        return [one for one in self.waits if one.got is None]

    def go_on(self, now: float, log: list[Sent]) -> None:
        """Take what is there, until there is nothing more to take."""
        if self.stage < 0:
            self._next(now)
        while self.status is RunStatus.RUNNING and (arrived := self._arrived(now, log)):
            first_only = self.script[self.stage][0] == "first"
            for _, _, one, signal in arrived[:1] if first_only else arrived:
                one.got = [self._value(one, signal)]
                if signal is not None:
                    self.taken.append(signal.number)
            if first_only or not self.open:
                self.got.append([one.got[0] if one.got else "given up" for one in self.waits])
                self._next(now)

    def _value(self, one: Waits, signal: Sent | None) -> Any:
        if signal is not None:
            return signal.payload
        return None if one.kind == "sleep" else NOTHING

    def _arrived(self, now: float, log: list[Sent]) -> list[tuple[float, int, Waits, Sent | None]]:
        """What its waits have got by now, in the order of its time: the first wait that asked has the first choice."""
        arrived: list[tuple[float, int, Waits, Sent | None]] = []
        gone = set(self.taken)
        for number, one in enumerate(self.waits):
            if one.got is not None:
                continue
            mine = (s for s in log if s.name == one.name and s.number not in gone and self._is_for_me(s))
            signal = next(mine, None) if one.kind != "sleep" else None
            if signal is not None and not 0 < one.deadline <= signal.t:
                gone.add(signal.number)
                arrived.append((signal.t, number, one, signal))
            elif 0 < one.deadline <= now:
                arrived.append((one.deadline, number, one, None))
        return sorted(arrived, key=lambda each: each[:2])

    def _is_for_me(self, signal: Sent) -> bool:
        return signal.to == self.name or (signal.to is None and signal.number > self.after)

    def _next(self, now: float) -> None:
        self.stage += 1
        self.waits = []
        if self.stage == len(self.script):
            self.status = RunStatus.DONE
            return
        for kind, name, lasts in self.script[self.stage][1]:
            self.waits.append(Waits(kind, name, 0.0 if lasts is None else now + lasts))
            self.opened += 1


class Signals(Counted):
    """Each rule lets a thing happen to the engine and to the model, until both are quiet."""

    park_after_s = 10.0

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        self.clock = FakeClock()
        self.lab: Lab = self.stack.enter_context(laboratory(Path(folder), self.clock, self.park_after_s))
        self.lab.cell(AGENT)
        self.models: list[Model] = []
        self.log: list[Sent] = []

    def teardown(self) -> None:
        self.stack.close()

    def _pick(self, pick: int, *, live: bool | None = None) -> Model | None:
        found = [m for m in self.models if m.status is RunStatus.RUNNING and live in (None, m.live)]
        return found[pick % len(found)] if found else None

    def _all_go_on(self) -> None:
        for model in self.models:
            if model.live and model.status is RunStatus.RUNNING:
                model.go_on(self.clock.now(), self.log)
        for model in self.models:
            if model.live:
                self._settle(model)

    def _settle(self, model: Model) -> None:
        """Wait until the run has done what the model says."""
        if model.status is RunStatus.DONE:
            assert dict(model.run.result(LIMIT_S)) == {"got": model.got}
        elif model.status is RunStatus.RUNNING:
            self.lab.until(model.run, lambda facts: self._has(model, facts))
            self.lab.watched(model.run)  # of two deadlines that passed before, either may come first

    def _has(self, model: Model, facts: list[f.AnyFact]) -> bool:
        """Whether it has opened, taken and closed what the model says."""
        if sum(isinstance(fact, f.WaitOpened) for fact in facts) < model.opened:
            return False
        if _taken(facts) != sorted(model.taken):  # a wait whose time is over is not listed, though its run is to look
            return False
        return sorted(self._waits_of(model)) == sorted(_seen(model))

    def _waits_of(self, model: Model) -> list[tuple[str, str, float]]:
        waits = [wait for wait in self.lab.runtime.waits() if wait.run_id == model.name]
        return [("timer" if w.kind == "timer" else w.prompt, "", w.deadline) for w in waits]

    # ------------------------------------------------------------------ what happens

    @precondition(lambda self: len(self.models) < MOST_RUNS)
    @rule(script=scripts)
    def start(self, script: list[Any]) -> None:
        name = f"run{len(self.models)}"
        model = Model(None, name, script, len(self.log))
        model.run = self.lab.start("agent", run_id=name, script=[[how, [*map(list, parts)]] for how, parts in script])
        self.models.append(model)
        self._all_go_on()

    @precondition(lambda self: self.models)
    @rule(name=st.sampled_from(NAMES), to=st.none() | st.integers(0, 9), second=st.booleans())
    def signal(self, name: str, to: int | None, second: bool) -> None:
        """To all or to one, from the runtime that runs them or from another on the same store."""
        target = None if to is None else self.models[to % len(self.models)]
        sender = Runtime(self.lab.store, clock=self.clock) if second else self.lab.runtime
        payload = f"{name} {len(self.log) + 1}"
        try:
            if target is not None and target.status is not RunStatus.RUNNING:
                with pytest.raises(RunEnded):
                    sender.signal(name, payload, run_id=target.name)
                return
            to_run = target.name if target else None
            number = sender.signal(name, payload, run_id=to_run)
            self.log.append(Sent(number, name, payload, self.clock.now(), to_run))
            assert number == len(self.log)
        finally:
            if second:
                sender.close()
        self._all_go_on()

    @rule(seconds=st.sampled_from([1, 5, 30]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self._all_go_on()

    @precondition(lambda self: any(model.live for model in self.models))
    @rule()
    def kill(self) -> None:
        self.lab.kill()
        for model in self.models:
            model.live = False

    @precondition(lambda self: self._pick(0, live=False))
    @rule(pick=st.integers(0, 9))
    def resume(self, pick: int) -> None:
        model = self._pick(pick, live=False)
        assert model is not None
        model.run = self.lab.resume(model.run)
        model.live = True
        self._all_go_on()

    @precondition(lambda self: self._pick(0))
    @rule(pick=st.integers(0, 30))
    def cancel(self, pick: int) -> None:
        model = self._pick(pick)
        if pick % 4 or model is None:  # now and then only
            return
        self.lab.runtime.cancel(model.name)
        with pytest.raises(RunCancelled):
            self.lab.runtime.load(model.name).result(LIMIT_S)
        model.status, model.waits = RunStatus.CANCELLED, []

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def each_signal_went_where_the_model_says(self) -> None:
        for model in self.models:
            taken = _taken(self.lab.facts(model.run))
            assert taken == sorted(model.taken), f"{model.name} took {taken}"
            seen = [one for one in _seen(model) if not 0 < one[2] <= self.clock.now()]  # over, if nobody runs it
            assert sorted(self._waits_of(model)) == sorted(seen)
        assert signals.last(self.lab.store) == len(self.log)


def _taken(facts: list[f.AnyFact]) -> list[int]:
    return sorted(number for of_a_name in Flow.of(facts).taken.values() for number in of_a_name)


def _seen(model: Model) -> list[tuple[str, str, float]]:
    return [("timer" if one.kind == "sleep" else one.name, "", one.deadline) for one in model.open]


class LeavesMemory(Signals):
    """Runs that only wait leave memory at once, and are woken."""

    park_after_s = 0.0


@pytest.mark.parametrize("machine", [Signals, LeavesMemory])
def test_each_signal_goes_to_whom_the_model_says(machine: type[Signals], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    drive(machine, examples=60, long=120, steps=40)
