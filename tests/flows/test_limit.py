"""`context.timeout(s)`: `asyncio.timeout` with an error that says whose block took too long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aethergraph import graph_fn, tool
from aethergraph.context import NodeContext

from .lab import LIMIT_S, Lab


@pytest.mark.parametrize("home", ["tool", "agent"])
def test_4_a_limit_that_ran_out_names_the_node_and_the_seconds_live_and_read_back(lab: Lab, home: str) -> None:
    @tool
    async def slow(*, context: NodeContext) -> None:
        async with context.timeout(0.01):
            await asyncio.Event().wait()

    @graph_fn
    async def agent(*, context: NodeContext) -> None:
        if home == "tool":
            await slow()
        async with context.timeout(0.01):
            await context.wait_event("never")

    run = lab.start(agent)
    whose = "slow" if home == "tool" else "agent"
    told = rf"a block of {whose} of run {run.run_id} took longer than 0.01 s: `context.timeout\(0.01\)`"
    with pytest.raises(TimeoutError, match=told):
        run.result(LIMIT_S)
    lab.kill()
    with pytest.raises(TimeoutError, match=told):
        lab.runtime.load(run.run_id).result(LIMIT_S)


def test_what_ends_in_time_and_what_raises_of_its_own_is_left_alone(lab: Lab) -> None:
    @graph_fn
    async def agent(*, context: NodeContext) -> Any:
        async with context.timeout(60) as limit:
            assert not limit.expired()
        async with context.timeout(None):
            pass
        async with context.timeout(60):
            raise TimeoutError("my own")

    with pytest.raises(TimeoutError, match=r"^my own$"):
        lab.run(agent)


def test_a_limit_that_is_set_later_says_so(lab: Lab) -> None:
    @graph_fn
    async def agent(*, context: NodeContext) -> None:
        async with context.timeout(None) as limit:
            limit.reschedule(asyncio.get_running_loop().time())
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="a block of agent of run .* took longer than it may"):
        lab.run(agent)
