"""`@tool` outside any run, and as it is written."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

from aethergraph import NodeContext, Outputs, graphify, tool
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


class _Scale:
    def __init__(self, by: int) -> None:
        self.by = by

    def __call__(self, x: int) -> int:
        return self.by * x


class _Later:
    async def __call__(self, x: int) -> int:
        return x + 1


def test_partials_and_objects_that_can_be_called_are_tools() -> None:
    tripled, less = tool(_Scale(3)), tool(functools.partial(double.fn, x=4))
    assert (tripled.name, tripled(2), less.name, less()) == ("_Scale", {"result": 6}, "double", {"result": 8})
    later = tool(outputs=["y"])(_Later())
    assert (later.name, later.is_async, asyncio.run(_await(later(1)))) == ("_Later", True, {"y": 2})

    @graphify
    def g(x: int) -> Any:
        return {"tripled": tripled(x), "later": later(x), "less": less()}

    assert g().node_ids() == ["_Scale", "_Later", "double"]


async def _await(call: Any) -> Any:
    return await call


def test_a_plain_function_that_returns_a_coroutine_is_told_to_be_async() -> None:
    def timed(fn: Any) -> Any:
        @functools.wraps(fn)
        def around(*args: Any) -> Any:
            return fn(*args)

        return around

    async def plus(x: int) -> int:
        return x + 1

    with pytest.raises(TypeError, match=r"plus is no `async def` but returned a coroutine.*write `async def plus\("):
        tool(timed(plus))(1)


def test_what_cannot_be_a_tool_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError, match="@tool decorates a function, got int"):
        tool(outputs=["y"])(3)
    with pytest.raises(ValueError, match="retries=-1"):
        tool(outputs=["y"], retries=-1)(lambda x: x)

    async def lines():
        yield 1

    with pytest.raises(GraphBuildError, match=r"test_tooling.py:\d+: lines is a generator"):
        tool(lines)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"cache": "x"}, "cache='x': it is True or False"),
        ({"pure": 1}, "pure=1: it is True or False"),
        ({"store": None}, "store=None: it is True or False"),
        ({"retry_on": 5}, "retry_on=5: it is a class of exceptions"),
        ({"retry_on": (OSError, "x")}, "it is a class of exceptions"),
        ({"mutates": 5}, "mutates=5: it is a list of names"),
        ({"name": ""}, "name='' of a tool"),
        ({"name": 5}, "name=5 of a tool"),
    ],
)
def test_an_option_of_a_wrong_type_is_refused_where_it_stands(option: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError) as caught:
        tool(**option)(lambda x: x)
    assert said in str(caught.value)


def test_one_name_need_not_be_a_list() -> None:
    assert tool(mutates="frame")(lambda frame: None).mutates == ("frame",)
