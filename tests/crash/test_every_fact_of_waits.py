"""A dual-stage node and two signals, cut off at every fact: setup is not run again once what it waits for was asked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from aethergraph import DualStageTool, NodeContext, Runtime, WaitSpec, graph_fn, tool
from aethergraph.errors import AlreadyAnswered, UnknownWait
from aethergraph.record import facts as f
from aethergraph.record.flow import Flow
from aethergraph.storage import journal, signals, waiting
from aethergraph.storage.store import MemoryStore

from .account import lines
from .cutting import cut_everywhere, maker
from .victim import line

LIMIT_S = 30
RUN_ID = "staged"


@tool(outputs=["y"])
class Job(DualStageTool):
    async def setup(self, n: int, *, context: NodeContext) -> WaitSpec:
        line("setup", context.continuation_token, context.idempotency_key())
        return WaitSpec("the job")

    async def on_resume(self, payload: int, *, n: int, context: NodeContext) -> int:
        line("resumed", payload)
        return payload + n


@tool(outputs=["told"])
async def tell(y: int, got: list[str]) -> str:
    return f"{y} {got}"


@graph_fn
async def staged(*, context: NodeContext) -> dict[str, str]:
    first = await context.wait_event("go")
    y = (await Job(1)).y
    second = await context.wait_event("go")
    return {"told": (await tell(y, [first, second])).told}


class Mortal:
    """A run on a store in memory, an outside system that calls back, and somebody who sends two signals."""

    def __init__(self, store: MemoryStore, path: Path) -> None:
        self.store, self.path = store, path
        self.deaths: list[tuple[int, bool, bool]] = []  # lines so far, whether it was asked, whether it was resumed

    @property
    def facts(self) -> list[f.AnyFact]:
        return [fact for batch in journal.read(self.store, RUN_ID) for fact in batch]

    def live(self) -> None:
        """Run it to its end, if it is not there."""
        runtime = Runtime(self.store)
        with contextlib.closing(runtime), runtime.use():
            known = self.store.get(f"r:{RUN_ID}") is not None
            run = runtime.resume(RUN_ID) if known else runtime.start(staged, {}, run_id=RUN_ID)
            for number in range(signals.last(self.store), 2):
                runtime.signal("go", f"signal {number}", run_id=None if number else RUN_ID)

            def call_back(facts: list[f.AnyFact]) -> None:
                for _, *told in [one for one in lines(self.path) if one[0] == "setup"]:
                    with contextlib.suppress(AlreadyAnswered, UnknownWait):
                        waiting.answer(self.store, told[0], 10, "callback", 0.0)
                        runtime.parking.told(RUN_ID, told[0])

            unfollow = run.follow(call_back)
            try:
                run.result(LIMIT_S)
            finally:
                unfollow()

    def died(self) -> None:
        """The process that ran it is gone."""
        nodes = {node.callee: node for node in Flow.of(self.facts).nodes}
        asked = any(isinstance(x, f.WaitOpened) and x.token.startswith("wait") for x in self.facts)
        resumed = "Job.on_resume" in nodes and nodes["Job.on_resume"].outcome is not None
        self.deaths.append((len(lines(self.path)), asked, resumed))

    def check(self) -> None:
        """It ended as it would have ended undisturbed, and what must not happen twice did not."""
        flow, told = Flow.of(self.facts), lines(self.path)
        assert flow.result is not None
        assert b"11 ['signal 0', 'signal 1']" in flow.result.value
        setups = [one for one in told if one[0] == "setup"]
        assert len({tuple(one) for one in setups}) == 1, f"setup was given another token or key: {setups}"
        for since, asked, resumed in self.deaths:
            later = [one[0] for one in told[since:]]
            assert not (asked and "setup" in later), "setup ran again although its wait was open"
            assert not (resumed and "resumed" in later), "a committed stage ran again"
        assert flow.taken == {"go": {1: flow.taken["go"][1], 2: flow.taken["go"][2]}}
        assert not waiting.open_waits(self.store)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Mortal]:
    """Make a run that has not begun."""
    return maker(Mortal, tmp_path, monkeypatch)


def test_undisturbed_setup_runs_once(make: Callable[[str], Mortal]) -> None:
    life = make("alone")
    life.live()
    life.check()
    assert [one[0] for one in lines(life.path)] == ["setup", "resumed"]


@pytest.mark.parametrize("told", [True, False])
def test_cut_off_at_every_fact(make: Callable[[str], Mortal], told: bool) -> None:
    lives = list[Mortal]()

    def check(life: Mortal) -> None:
        life.check()
        lives.append(life)

    fatal = cut_everywhere(make, check, told=told, again=7)
    assert fatal > 20, f"the run has far fewer facts than it should: {fatal}"
    deaths = [death for life in lives for death in life.deaths]
    assert any(asked for _, asked, _ in deaths) and any(resumed for _, _, resumed in deaths)
