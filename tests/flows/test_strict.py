"""`Runtime(strict=True)`: live, values are what a resume would find. Semantics 8."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Runtime, graph_fn, run, tool
from aethergraph.errors import NotStorable

from .lab import Lab


class Model:
    """Trained in place."""

    def __init__(self) -> None:
        self.steps = 0


class Forgetful(Model):
    """Does not survive storage whole."""

    def __getstate__(self) -> dict[str, Any]:
        return {"steps": 0}


class Stubborn:
    """Cannot be loaded again."""

    def __init__(self, a: int) -> None:
        self.a = a

    def __reduce__(self) -> Any:
        return _explode, (self.a,)


def _explode(a: int) -> Any:
    raise ValueError(f"{a} cannot be made again")


@tool
async def train(model: Model) -> Model:
    model.steps += 1
    return model


@tool
async def steps(model: Model) -> int:
    return model.steps


@pytest.fixture(params=[False, True], ids=["lenient", "strict"])
def strict(request: pytest.FixtureRequest, tmp_path: Path, lab: Lab) -> Iterator[bool]:
    with Runtime(tmp_path / "strict", strict=request.param).use() as runtime:
        yield request.param
        runtime.close()


def test_8_an_argument_that_is_changed_is_not_the_callers(strict: bool) -> None:
    @graph_fn
    async def agent() -> Any:
        model = Model()
        await train(model)
        return model.steps

    assert run(agent) == {"result": 0 if strict else 1}


def test_8_what_is_handed_on_by_its_result_is_the_same_either_way(strict: bool) -> None:
    @graph_fn
    async def agent() -> Any:
        model = (await train(Model())).result
        model = (await train(model)).result
        return (await steps(model)).result

    assert run(agent) == {"result": 2}


def test_8_what_storage_loses_is_lost_at_once(strict: bool) -> None:
    @graph_fn
    async def agent() -> Any:
        return (await steps((await train(Forgetful())).result)).result

    assert run(agent) == {"result": 0 if strict else 1}


@pytest.mark.parametrize("sync", [False, True])
def test_8_an_output_that_cannot_be_stored_fails_its_node(strict: bool, sync: bool) -> None:
    def locks() -> Any:
        return threading.Lock()

    async def locks_soon() -> Any:
        return threading.Lock()

    made = tool(name="locks")(locks if sync else locks_soon)

    @graph_fn
    async def agent() -> Any:
        return (await made()).result.locked()

    if not strict:
        assert run(agent) == {"result": False}
        return
    with pytest.raises(NotStorable, match=r"output 'result' of node locks of run agent-\w+"):
        run(agent)


def test_8_an_output_that_cannot_be_loaded_fails_its_node(strict: bool) -> None:
    @tool
    async def make() -> Any:
        return Stubborn(3)

    @graph_fn
    async def agent() -> Any:
        return (await make()).result.a

    if not strict:
        assert run(agent) == {"result": 3}
        return
    with pytest.raises(Exception, match="3 cannot be made again"):
        run(agent)


def test_8_inputs_and_outputs_of_runs_and_nested_agents_are_copies(strict: bool) -> None:
    given, seen = Model(), []

    @graph_fn
    async def inner(model: Model) -> Any:
        seen.append(model)
        return model

    @graph_fn
    async def outer(model: Model) -> Any:
        seen.append(model)
        return (await inner(model)).result

    out = run(outer, model=given).result
    assert len({id(model) for model in (given, *seen, out)}) == (4 if strict else 1)


def test_8_a_copy_is_still_the_output_of_its_node(strict: bool) -> None:
    """So that calls have the identities, and the picture the edges, of a run that is not strict."""

    @graph_fn
    async def agent() -> Any:
        await steps((await train(Model())).result)

    run(agent)
    train_, steps_ = agent.last_run.nodes  # type: ignore[union-attr]
    assert list(steps_.deps) == [train_.no]


def test_8_an_argument_that_cannot_be_stored_is_handed_on_as_it_is(strict: bool, tmp_path: Path) -> None:
    @tool
    async def writes(file: Any) -> Any:
        return file.write("text")

    @graph_fn
    async def agent() -> Any:
        with (tmp_path / "file").open("w") as file:
            return (await writes(file)).result

    assert run(agent) == {"result": 4}


def test_8_what_an_effect_gives_is_what_is_on_record(strict: bool) -> None:
    @graph_fn
    async def agent(*, context: Any) -> Any:
        artifact = await context.artifacts().save_text("text", name="a.txt")
        return type(artifact).__name__

    assert run(agent) == {"result": "Artifact"}
