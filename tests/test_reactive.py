"""`@graph_fn` as it is written, and a call of it at top level."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph import Runtime, graph_fn, run, run_async, start, tool
from aethergraph.errors import GraphBuildError, MissingInput, WouldBlock


@tool(outputs=["y"])
async def double(x):
    return 2 * x


@graph_fn
async def study(x: int, times: int = 1, *, context):
    """Doubles."""
    for _ in range(times):
        x = (await double(x)).y
    return {"x": x}


@graph_fn(name="plain-one", outputs=["y"])
def plain(x):
    return double(x)


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(tmp_path / "store")
    with made.use():
        yield made
    made.close()


def test_every_way_to_run_it_gives_the_same() -> None:
    async def main() -> list[object]:
        return [await study(3, times=2), await run_async(study, x=3, times=2), await start(study, {"x": 3, "times": 2})]

    assert asyncio.run(main()) == [{"x": 12}] * 3
    assert run(study, {"x": 3}, times=2) == study.sync(3, 2) == {"x": 12}


def test_a_plain_body_may_return_a_call() -> None:
    assert plain.sync(4) == {"y": 8}
    assert plain.last_run is not None
    assert plain.last_run.name == "plain-one"


def test_a_call_that_nobody_awaits_starts_nothing_and_says_so(runtime: Runtime) -> None:
    call = study(3)
    assert repr(call) == (
        "<call of agent study: nothing has started; write `await study(...)` or `run = start(study, ...)`>"
    )
    call.close()
    assert runtime.runs() == []


def test_the_last_run_can_be_looked_at() -> None:
    study.sync(3, 2)
    assert [node.node_id for node in study.last_graph] == ["double", "double-2"]


def test_it_says_what_goes_in_and_out() -> None:
    assert study.io_signature() == {"inputs": ["x", "times"], "outputs": ["result"]}
    assert plain.io_signature() == {"inputs": ["x"], "outputs": ["y"]}
    assert repr(plain) == "<agent plain-one(x) -> y>"
    assert study.description == "Doubles."


def test_what_cannot_be_run_is_refused() -> None:
    with pytest.raises(TypeError, match="an agent made with @graph_fn or @graphify can be run, got Tool"):
        run(double, x=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"inputs are a dict by name, got int; or write study\(x=...\)"):
        run(study, 3)  # type: ignore[arg-type]
    with pytest.raises(MissingInput, match="'study' needs x"):
        run(study)
    with pytest.raises(TypeError, match="@graph_fn decorates a function, got int"):
        graph_fn("name")(3)  # type: ignore[arg-type]


def test_inputs_of_an_agent_have_names() -> None:
    @graph_fn
    async def many(*xs):
        return xs

    with pytest.raises(GraphBuildError, match=r"many takes \*xs: name the inputs"):
        many(1, 2)


def test_more_inputs_may_come_by_keyword() -> None:
    @graph_fn
    async def many(**more):
        return {"n": sum(more.values())}

    assert run(many, a=1, b=2) == {"n": 3}


def test_blocking_in_a_body_raises_with_advice() -> None:
    @graph_fn
    async def outer():
        return run(study, x=1)

    with pytest.raises(WouldBlock, match=r"run\(study\) would block .*write `await study\(...\)`"):
        run(outer)
