"""`@tool` outside any run, and as it is written."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aethergraph import NodeContext, Outputs, tool
from aethergraph.errors import GraphBuildError, MissingOutput


@tool(outputs=["y"])
def double(x: int):
    """Twice x."""
    return 2 * x


@tool
async def split(text: str):
    return {"head": text[0], "tail": text[1:]}


def test_outside_any_run_a_tool_is_a_plain_call() -> None:
    out = double(4)
    assert isinstance(out, Outputs)
    assert (out.y, out["y"]) == (8, 8)

    async def main() -> Any:
        return await split("abc")

    assert asyncio.run(main()) == {"head": "a", "tail": "bc"}


def test_a_wrong_argument_or_output_is_told_outside_too() -> None:
    with pytest.raises(TypeError, match=r"double\(x=...\) takes int, got str"):
        double("4")
    with pytest.raises(MissingOutput, match="'bad' declares the outputs a, b"):
        tool(outputs=["a", "b"], name="bad")(lambda: 1)()


def test_it_looks_like_its_function() -> None:
    assert double.__name__ == "double"
    assert double.__doc__ == "Twice x."
    assert repr(double) == "<tool double(x) -> y>"
    assert repr(split) == "<tool split(text) -> result>"
    assert (double.is_async, split.is_async) == (False, True)


@pytest.mark.parametrize("parameter", ["context", "ctx: NodeContext", "ctx: 'NodeContext'"])
def test_a_context_is_never_an_input(parameter: str) -> None:
    names: dict[str, Any] = {"NodeContext": NodeContext}
    exec(compile(f"def fit(x, *, {parameter}): return x", "cell", "exec", dont_inherit=True), names)
    made = tool(names["fit"])
    assert made.inputs == ("x",)
    with pytest.raises(TypeError, match="fit needs a context: call it in a @graph_fn"):
        made(1)


def test_a_method_can_be_a_tool() -> None:
    class Trainer:
        rate = 3

        @tool(outputs=["y"])
        def fit(self, x):
            return self.rate * x

    assert Trainer().fit(2).y == 6
    assert Trainer.fit.name == "fit"


def test_what_cannot_be_a_tool_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError, match="@tool decorates a function, got int"):
        tool(outputs=["y"])(3)
    with pytest.raises(ValueError, match="retries=-1"):
        tool(outputs=["y"], retries=-1)(lambda x: x)

    async def lines():
        yield 1

    with pytest.raises(GraphBuildError, match=r"test_tooling.py:\d+: lines is a generator"):
        tool(lines)
