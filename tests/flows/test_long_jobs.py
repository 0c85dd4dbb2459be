"""Long jobs that a service submits: submit, park, poll or be called back, collect. Issue 3, and semantics 20."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Service, runtime
from aethergraph.errors import GraphBuildError, ServiceUnavailable

from .lab import LIMIT_S, Lab, laboratory

TRAINING = """
from aethergraph import DualStageTool, WaitSpec
@tool(outputs=["model", "node"])
class Train(DualStageTool):
    async def setup(self, n, *, context):
        ran(f"setup {n}")
        node = await context.trainer().submit(n, context.continuation_token)
        return WaitSpec("the training")
    def on_resume(self, payload, *, n, context):
        return {"model": payload["model"], "node": context.trainer().told(n)}
@graph_fn
async def agent(*, context):
    a, b = await asyncio.gather(Train(1), Train(2))
    return {"models": [a.model, b.model], "nodes": [a.node, b.node]}
"""


class Trainer(Service):
    """Does jobs in a thread of its own, when told to."""

    def __init__(self) -> None:
        self.jobs: dict[int, str] = {}
        self.events: list[str] = []
        self.nodes: dict[int, str] = {}
        self.most = self.now = 0

    async def start(self) -> None:
        self.events.append("start")

    async def close(self) -> None:
        self.events.append("close")

    async def submit(self, n: int, token: str) -> str:
        async with self.critical():
            self.now += 1
            self.most = max(self.most, self.now)
            await self.run_blocking(self.jobs.__setitem__, n, token)
            self.nodes[n] = self.ctx().node_id
            self.now -= 1
        return self.nodes[n]

    def told(self, n: int) -> str:
        return f"{self.nodes.get(n)} {self.ctx().node_id}"

    def finish(self) -> None:
        """As an outside system would: from a thread that knows nothing of runs."""

        def work() -> None:
            for n, token in self.jobs.items():
                self.answer(token, {"model": f"model {n}"})

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()


def asked_twice(lab: Lab, run: Any) -> None:
    lab.until(run, lambda _: len(run.waits) == 2)


def test_a_service_is_called_back_and_the_node_goes_on(lab: Lab) -> None:
    trainer = Trainer()
    runtime.register_context_service("trainer", trainer)
    lab.cell(TRAINING)
    run = lab.start("agent")
    asked_twice(lab, run)
    trainer.finish()
    outputs = run.result(LIMIT_S)
    assert outputs.models == ["model 1", "model 2"]
    assert outputs.nodes == ["Train.setup Train.on_resume", "Train.setup-2 Train.on_resume-2"]
    assert trainer.most == 1
    lab.runtime.close()
    assert trainer.events == ["start", "close"]


def test_20_after_a_kill_nothing_is_submitted_again_and_the_token_is_still_good(lab: Lab) -> None:
    trainer = Trainer()
    runtime.register_context_service("trainer", trainer)
    lab.cell(TRAINING)
    run = lab.start("agent")
    asked_twice(lab, run)
    lab.kill()
    runtime.register_context_service("trainer", trainer)  # as the cell that does it is run again
    trainer.finish()  # nobody runs the run
    assert lab.resume(run).result(LIMIT_S).models == ["model 1", "model 2"]
    assert sorted(lab.took()) == ["setup 1", "setup 2"]


def test_24_the_run_is_out_of_memory_while_the_job_goes_on(tmp_path: Path) -> None:
    with laboratory(tmp_path / "store", park_after_s=0.0) as lab:
        trainer = Trainer()
        runtime.register_context_service("trainer", trainer)
        lab.cell(TRAINING)
        run = lab.start("agent")
        lab.parked(run)
        trainer.finish()
        assert run.result(LIMIT_S).models == ["model 1", "model 2"]


def test_services_are_listed_replaced_and_refused(lab: Lab) -> None:
    first, second = Trainer(), Trainer()
    runtime.register_context_service("trainer", first)
    runtime.register_context_service("table", {"a": 1})
    runtime.register_context_service("trainer", second)
    assert first.events == ["start", "close"] and second.events == ["start"]
    assert runtime.list_ext_context_services() == ["table", "trainer"]
    assert runtime.get_ext_context_service("trainer") is second
    assert runtime.get_ext_context_service("other") is None
    assert set(runtime.current_services()) == {"table", "trainer"}
    for name in ("channel", "run_id", "two words", "_hidden"):
        with pytest.raises(ValueError, match="name"):
            runtime.register_context_service(name, Trainer())


def test_what_is_not_registered_says_so(lab: Lab) -> None:
    trainer = Trainer()
    with pytest.raises(RuntimeError, match="Trainer is not registered"):
        trainer.answer("token", 1)
    with pytest.raises(RuntimeError, match=r"Trainer.ctx\(\) is for methods that a node calls"):
        trainer.ctx()
    lab.cell("@graph_fn\nasync def agent(*, context):\n    context.svc('trainer')")
    with pytest.raises(ServiceUnavailable, match="no service of this name is registered"):
        lab.run("agent")


def test_channels_are_set_by_name(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.set_default_channel("inbox")
    assert runtime.get_default_channel() == "inbox"
    runtime.set_channel_alias("me", "console")
    assert lab.runtime.bus.route("me").key == "console"
    console = lab.runtime.bus.route("console").adapter
    assert console is not None
    runtime.register_channel_adapter("other", console)
    assert lab.runtime.bus.route("other:x").adapter is console


@pytest.mark.parametrize("decorated", [True, False])
def test_a_poll_that_takes_what_it_is_not_given_is_refused_where_it_is_written(lab: Lab, decorated: bool) -> None:
    """Not at the first look, when the job has been submitted already."""
    function = """
from aethergraph import WaitSpec
@tool(outputs=["y"])
async def job(n, *, context) -> WaitSpec:
    return WaitSpec("the job", poll_s=60)
@job.poll
def look(n, token, *, context):
    return None
"""
    written = """
from aethergraph import DualStageTool
@tool(outputs=["y"])
class Job(DualStageTool):
    async def setup(self, n, *, context):
        raise AssertionError
    def poll(self, n, token, *, context):
        return None
"""
    told = "poll of [jJ]ob takes context, but it is given the inputs of setup and `token`, no more: take context out"
    with pytest.raises(GraphBuildError, match=told):
        lab.cell(function if decorated else written)
