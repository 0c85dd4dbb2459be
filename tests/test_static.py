"""`@graphify`: what its function may write, and what it is told where it may not. Nothing is run here."""

from __future__ import annotations

import inspect
import json
import statistics
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aethergraph import NodeContext, TaskGraph, branch, graph_fn, graphify, tool
from aethergraph.errors import GraphBuildError
from aethergraph.graph import arg
from aethergraph.graphs.references import Reference
from tests.cells import notebook


@tool(outputs=["y"])
def inc(x: int) -> dict[str, Any]:
    raise AssertionError("building a graph runs no tool")


@tool(outputs=["a", "b"])
async def two(x: int, k: int = 2, *, context: NodeContext) -> dict[str, Any]:
    raise AssertionError("building a graph runs no tool")


@tool
def free(v: Any) -> Any:
    raise AssertionError("building a graph runs no tool")


@graph_fn
async def agent(x: int) -> Any:
    raise AssertionError("building a graph runs no agent")


def graph_of(body: Callable[..., Any], **options: Any) -> TaskGraph:
    return graphify(**options)(body)()


def refused(body: Callable[..., Any], **options: Any) -> str:
    """The error of building `body`, which must name the line of `body` marked `# here`."""
    lines, first = inspect.getsourcelines(body)
    marked = [number for number, line in enumerate(lines, first) if "# here" in line]
    with pytest.raises(GraphBuildError) as raised:
        graph_of(body, **options)
    assert raised.value.where == f"{__file__}:{marked[0]}"
    return raised.value.what


# ---------------------------------------------------------------------- inputs


def test_inputs_are_read_from_the_signature_with_defaults() -> None:
    def g(x: int, n: int = 3) -> Any:
        return inc(x)

    made = graphify(g)
    assert made.inputs == ("x", "n")
    assert made.io() == {"inputs": {"required": ["x"], "optional": {"n": 3}}, "outputs": ["y"]}
    assert made.bind((1,), {}) == {"x": 1, "n": 3}


def test_a_list_of_inputs_is_required() -> None:
    made = graphify(inputs=["x", "n"], outputs=["y"])(lambda x, n=3: inc(x))
    assert made.io()["inputs"] == {"required": ["x", "n"], "optional": {}}


def test_a_dict_of_inputs_has_defaults() -> None:
    made = graphify(name="g", inputs={"x": 1, "n": 2})(lambda x: {"y": inc(x), "n": arg("n")})
    assert made.name == "g"
    assert made.io() == {"inputs": {"required": [], "optional": {"x": 1, "n": 2}}, "outputs": ["y", "n"]}


@pytest.mark.parametrize("inputs", [["x", "n"], {"x": 1, "n": 2}])
def test_the_inputs_that_a_function_does_not_name_go_to_its_double_star(inputs: Any) -> None:
    def g(x: Any, **others: Any) -> Any:
        return {"y": inc(x), "others": others}

    made = graphify(inputs=inputs)(g)
    assert made.inputs == ("x", "n")
    assert made.spec()["outputs"] == {"y": {"ref": "inc.y"}, "others": {"n": {"ref": "input n"}}}
    assert made.bind((), {"x": 3, "n": 4}) == {"x": 3, "n": 4}
    with pytest.raises(TypeError, match="its inputs are: x, n"):
        made.bind((), {"x": 3, "n": 4, "z": 5})


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (
            lambda x, **others: inc(x),
            r"\*\*others has none: .*`@graphify\(inputs=\[.*\]\)`, or a dict of their defaults",
        ),
        (lambda *xs: inc(xs), r"\*xs has none: write it without the `\*`"),
    ],
)
def test_a_parameter_without_a_name_is_refused_and_says_what_to_write(function: Any, told: str) -> None:
    with pytest.raises(GraphBuildError, match=rf"test_static.py:\d+: inputs of a graph have names, and {told}"):
        graphify(function)


def test_what_tells_of_a_graph_is_plain_data_also_where_its_defaults_and_literals_are_not() -> None:
    def g(x: Any, where: Any = Path("a"), near: Any = (1, float("inf"))) -> Any:
        return {"y": inc(x, _condition=arg("x") > 1), "kept": {"at": where, "of": {1, 2}}}

    made = graphify(g)()
    optional = {"where": {"repr": repr(Path("a"))}, "near": [1, {"repr": "inf"}]}
    assert made.io_signature() == {"inputs": {"required": ["x"], "optional": optional}, "outputs": ["y", "kept"]}
    spec = made.spec_json()
    assert spec["inputs"] == made.io_signature()["inputs"]
    assert spec["outputs"] == {"y": {"ref": "inc.y"}, "kept": {"at": {"ref": "input where"}, "of": {"repr": "{1, 2}"}}}
    for told in (spec, graphify(g).spec(), graphify(g).io(), made.diff(made), made.view()):
        assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_inputs_can_be_named_by_arg_alone() -> None:
    graph = graph_of(lambda: inc(arg("x")), inputs=["x"])
    assert repr(graph.node("inc").args[0]) == "<input x>"


def test_a_parameter_that_no_input_fills_is_refused() -> None:
    with pytest.raises(GraphBuildError, match="takes n, which inputs= does not have: x"):
        graphify(inputs=["x"])(lambda x, n: inc(x))


def test_an_unknown_input_is_refused() -> None:
    def body(x: int) -> Any:
        return inc(arg("z"))  # here

    assert "has no input 'z'; its inputs are: x" in refused(body)


@pytest.mark.parametrize("body", [lambda *xs: xs, lambda **named: named, lambda context: context])
def test_parameters_without_a_name_or_a_value_are_refused(body: Callable[..., Any]) -> None:
    with pytest.raises(GraphBuildError, match=r"test_static\.py:\d+"):
        graphify(body)


# ---------------------------------------------------------------------- handles


def test_an_output_has_three_spellings() -> None:
    handles = []

    def body(x: int) -> Any:
        h = inc(x)
        handles.append(h)
        return {"a": h.y, "b": h["y"], "c": h}

    graph = graph_of(body)
    assert {repr(value) for value in graph.outputs.values()} == {"<inc.y>"}
    (h,) = handles
    assert (h.node_id, h.output_keys) == ("inc", ["y"])


def test_several_outputs_are_unpacked_by_name() -> None:
    def body(x: int) -> Any:
        b, a = two(x).unpack("b", "a")
        return a, b

    assert repr(graph_of(body, outputs=["a", "b"]).outputs) == "{'a': <two.a>, 'b': <two.b>}"


def test_parts_of_an_output_are_references() -> None:
    graph = graph_of(lambda x: inc(free(x).result[0]["k"].shape))
    assert repr(graph.node("inc").args[0]) == "<free.result[0]['k'].shape>"
    assert graph.node("inc").needs == ["free"]


def test_arguments_hold_literals_and_references_at_any_depth() -> None:
    graph = graph_of(lambda x: free({"a": [inc(x), 2], "b": (inc(3).y, None)}))
    assert graph.node("free").needs == ["inc", "inc-2"]
    assert repr(graph.node("free").args[0]) == "{'a': [<inc.y>, 2], 'b': (<inc-2.y>, None)}"


def test_positional_and_keyword_arguments_work() -> None:
    graph = graph_of(lambda x: two(inc(x=x), k=3))
    assert repr(graph.node("inc").kwargs) == "{'x': <input x>}"
    assert graph.node("two").kwargs == {"k": 3}


def test_ids_count_the_calls_of_one_tool_and_step_over_those_that_were_given() -> None:
    graph = graph_of(lambda x: [inc(x), inc(x, _id="inc-2"), inc(x)])
    assert graph.node_ids() == ["inc", "inc-2", "inc-3"]


def test_control_keywords_describe_the_node() -> None:
    def body(x: int) -> Any:
        first = inc(x)
        inc(2, _id="second", _after=[first, "third"], _alias="best", _labels=["a", "b"], _name="Second")
        inc(3, _id="third", _labels="c")
        return first

    node = graph_of(body).node("second")
    assert (node.after, node.alias, node.labels, node.title) == (("inc", "third"), "best", ("a", "b"), "Second")
    assert node.args == (2,) and not node.kwargs
    assert node.dependencies == ["inc", "third"] and node.needs == []


def test_a_condition_is_a_comparison_of_references() -> None:
    def body(x: int) -> Any:
        a, b = two(x).unpack()
        return free(x, _condition=~(a > 1) & (b == 2) | (inc(x) != 3))

    node = graph_of(body).node("free")
    assert repr(node.condition) == "((not (<two.a> > 1) and (<two.b> == 2)) or (<inc.y> != 3))"
    assert node.needs == ["two", "inc"]


def test_a_branch_puts_its_condition_on_the_calls_of_its_sides() -> None:
    def body(x: int) -> Any:
        h = inc(x)
        return branch(h.y > 3, lambda: free(inc(h), _condition=arg("x") != 9), branch(True, 1, lambda: two(x).a))

    graph = graph_of(body)
    conditions = {node.node_id: repr(node.condition) for node in graph.nodes}
    assert conditions == {
        "inc": "True",
        "inc-2": "(<inc.y> > 3)",
        "free": "((<inc.y> > 3) and (<input x> != 9))",
        "two": "not True",  # written before the outer branch began
    }
    assert repr(graph.outputs["result"]) == "(<free> if (<inc.y> > 3) else (1 if True else <two.a>))"
    assert graph.spec_json()["outputs"] == {"result": {"condition": repr(graph.outputs["result"])}}


def test_a_branch_outside_a_body_says_what_to_write() -> None:
    with pytest.raises(TypeError, match="in a graph_fn write an `if`"):
        branch(True, 1, 2)


def test_agents_and_static_graphs_are_nodes() -> None:
    inner = graphify(name="inner")(lambda p: {"s": inc(p), "t": 1})
    graph = graph_of(lambda x: {"s": inner(x).s, "z": agent(x).z})
    assert [(node.logic, node.kind) for node in graph.nodes] == [("inner", "graph"), ("agent", "graph")]
    assert graph.node("inner").outputs == ("s", "t")


def test_loops_over_plain_values_are_plain_python() -> None:
    assert len(graph_of(lambda x: [inc(x, _id=f"n{i}") for i in range(5)])) == 5


def test_closures_and_helpers_work() -> None:
    @tool(outputs=["z"])
    def local(x: int) -> int:
        return x

    def helper(value: Any) -> Any:
        return local(inc(value).y)

    assert graph_of(lambda x: helper(helper(x).z)).node_ids() == ["inc", "local", "inc-2", "local-2"]


# ---------------------------------------------------------------------- outputs


def test_a_single_value_is_the_single_output_or_result() -> None:
    assert list(graph_of(lambda x: inc(x).y).outputs) == ["result"]
    assert list(graph_of(lambda x: inc(x).y, outputs=["best"]).outputs) == ["best"]
    assert list(graph_of(lambda x: inc(x)).outputs) == ["y"]
    assert repr(graph_of(lambda x: inc(x), outputs=["best"]).outputs) == "{'best': <inc.y>}"
    assert list(graph_of(lambda x: two(x)).outputs) == ["a", "b"]


def test_a_missing_output_is_refused() -> None:
    def body(x: int) -> Any:  # here
        return {"y": inc(x)}

    assert refused(body, outputs=["y", "z"]) == "body declares the outputs y, z but does not return z; it returns: y"


@pytest.mark.parametrize("name", ["keys", "items", "copy"])
def test_semantics_10_an_output_that_every_dict_has_as_a_method_is_refused(name: str) -> None:
    def body(x: int) -> Any:  # here
        return {name: inc(x), "y": x}

    told = f"{name!r} cannot be an output name: every dict has that attribute; take another, as {name}_"
    assert refused(body) == told


def test_an_output_that_is_no_input_is_told_where_the_function_is() -> None:
    def body(x: int) -> Any:  # here
        return {"y": arg("k")}

    assert refused(body) == "body has no input 'k'; its inputs are: x"


# ---------------------------------------------------------------------- what is refused, on the user's line


def _iterated(x: Any) -> Any:
    return [value for value in inc(x).y]  # here


def _iterated_handle(x: Any) -> Any:
    a, b = two(x)  # here
    return a, b


def _added(x: Any) -> Any:
    return inc(inc(x).y + 1)  # here


def _radded(x: Any) -> Any:
    return 1 + inc(x)  # here


def _measured(x: Any) -> Any:
    return range(len(inc(x).y))  # here


def _decided(x: Any) -> Any:
    if inc(x).y:  # here
        return x
    return None


def _negated(x: Any) -> Any:
    return free(x, _condition=not inc(x))  # here


def _chained(x: Any) -> Any:
    return free(x, _condition=0 < x < 3)  # here


def _formatted(x: Any) -> Any:
    return free(f"{inc(x).y}")  # here


def _called(x: Any) -> Any:
    return inc(x).y.upper()  # here


def _indexed(x: Any) -> Any:
    return [1, 2, 3][inc(x).y]  # here


def _unknown_output(x: Any) -> Any:
    return two(x).c  # here


def _which_output(x: Any) -> Any:
    return inc(two(x))  # here


def _id_twice(x: Any) -> Any:
    inc(x, _id="n")
    return inc(x, _id="n")  # here


def _alias_twice(x: Any) -> Any:
    inc(x, _alias="n")
    return inc(x, _alias="n")  # here


def _missing(x: Any) -> Any:
    return two(k=3)  # here


def _too_many(x: Any) -> Any:
    return inc(x, z=3)  # here


def _nested_missing(x: Any) -> Any:
    return agent()  # here


def _after_nothing(x: Any) -> Any:
    return inc(x, _after="nowhere")  # here


def _after_odd(x: Any) -> Any:
    return inc(x, _after=3)  # here


def _cycle(x: Any) -> Any:
    a = inc(x, _id="a", _after="b")  # here
    return inc(a, _id="b")


def _branch_odd(x: Any) -> Any:
    return branch(inc, 1, 2)  # here


def _branch_side(x: Any) -> Any:
    return branch(x, two(x), 2)  # here


def _condition_odd(x: Any) -> Any:
    return inc(x, _condition=3)  # here


def _text(x: Any) -> Any:
    return free("/data/" + str(inc(x)))  # here


def _percent(x: Any) -> Any:
    return free("%s.txt" % x)  # here  # noqa: UP031


def _labels_odd(x: Any) -> Any:
    return inc(x, _labels=3)  # here


def _opened(x: Any) -> Any:
    with open(x, encoding="utf-8") as file:  # here
        return file.read()


def _path_of_handle(x: Any) -> Any:
    return Path("data", inc(x))  # here


def _given_to_a_library(x: Any) -> Any:
    return statistics.fmean(x)  # here


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (_opened, r"<input x> has no value .* cannot be used as a path, as in `open\(\)`: do that in a @tool"),
        (_path_of_handle, "<inc.y> has no value .* cannot be used as a path"),
        (_given_to_a_library, "<input x> has no value .* cannot be"),
        (_text, r"<inc.y> has no value while the graph is built, so it cannot be made a text: .*look at it.*repr"),
        (_percent, "<input x> has no value while the graph is built, so it cannot be made a text"),
        (_labels_odd, "_labels= takes a text or a list of texts, got 3"),
        (_iterated, "cannot be iterated or unpacked: use `handle.unpack"),
        (_iterated_handle, "cannot be iterated or unpacked: use `handle.unpack"),
        (_added, "<inc.y> has no value while the graph is built, so it cannot be calculated with: do that in a @tool"),
        (_radded, "cannot be calculated with: do that in a @tool"),
        (_measured, r"measured with len\(\): do that in a @tool"),
        (_decided, "write `_condition=`"),
        (_negated, "combine with ~, & and |"),
        (_chained, "combine with ~, & and |"),
        (_formatted, "formatted into a text: do that in a @tool"),
        (_called, "<inc.y.upper> has no value .* cannot be called, and neither can its methods: do that in a @tool"),
        (_indexed, "cannot be made a number"),
        (_unknown_output, "two has no output 'c'; its outputs are: a, b"),
        (_which_output, r"two has 2 outputs, not one: name which \(two.a, two.b\)"),
        (_id_twice, r"_id='n' was used before at .*test_static.py:\d+; an _id names one call"),
        (_alias_twice, "_alias='n' was given to inc at"),
        (_missing, "two: missing a required argument: 'x'; two takes: x, k=2"),
        (_too_many, "inc: got an unexpected keyword argument 'z'; inc takes: x"),
        (_nested_missing, "agent: missing a required argument: 'x'"),
        (_after_nothing, "inc follows 'nowhere', which is no node; the nodes are: inc"),
        (_after_odd, "_after= takes nodes, their ids, or a list of those, got 3"),
        (_cycle, "these nodes depend on each other: a -> b -> a; take one of the `_after=` away"),
        (_branch_odd, "a condition is a reference, a bool, or a comparison of references, got <tool inc"),
        (_branch_side, r"two has 2 outputs, not one: name which"),
        (_condition_odd, "a condition is a reference, a bool, or a comparison of references, got 3"),
    ],
)
def test_what_cannot_be_written_is_told_on_its_line(body: Callable[..., Any], told: str) -> None:
    message = refused(body)
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(message)


class _Pair(NamedTuple):
    a: Any
    b: Any


@dataclass
class _Box:
    inside: Any


class _Slotted:
    __slots__ = ("inside",)

    def __init__(self, inside: Any) -> None:
        self.inside = inside


class _Objects:
    """As an array of objects is seen."""

    class dtype:
        hasobject = True

    def __init__(self, *members: Any) -> None:
        self.flat = members


HIDING = [
    (lambda ref: {ref}, "<inc.y>", "a set"),
    (lambda ref: frozenset([ref]), "<inc.y>", "a frozenset"),
    (lambda ref: {ref: 1}, "<inc.y>", "the keys of a dict"),
    (lambda ref: [{"deep": ({ref},)}], "<inc.y>", "a set"),
    (lambda ref: OrderedDict(a=ref), "<inc.y>", "a OrderedDict"),
    (lambda ref: _Pair(ref, 2), "<inc.y>", "a _Pair"),
    (lambda ref: _Box([ref]), "<inc.y>", "a _Box"),
    (lambda ref: _Slotted(ref), "<inc.y>", "a _Slotted"),
    (lambda ref: lambda: ref, "<inc.y>", "a function"),
    (lambda ref: partial(max, ref), "<inc.y>", "a partial"),
    (lambda ref: _Objects(1, ref), "<inc.y>", "a _Objects"),
]


@pytest.mark.parametrize(("hide", "ref", "where"), HIDING, ids=[where for *_, where in HIDING])
def test_peers_6_a_reference_where_no_value_would_be_put_is_refused(
    hide: Callable[[Any], Any], ref: str, where: str
) -> None:
    def argument(x: Any) -> Any:
        return free(hide(inc(x).y))  # here

    told = f"{ref} is inside {where}, where no run puts its value: give it by itself, or in a list, tuple or dict"
    assert refused(argument) == told

    def output(x: Any) -> Any:  # here
        return {"out": hide(inc(x).y)}

    assert refused(output) == told


def test_what_holds_no_reference_is_an_argument_as_it_is() -> None:
    box = _Box({1, 2})
    assert graph_of(lambda x: free([box, _Objects(1)])).node("free").args[0][0] is box


def test_a_tool_that_uses_a_reference_from_around_it_is_refused() -> None:
    def body(x: Any) -> Any:
        before = inc(x)

        @tool
        def local(y: int) -> list[Any]:
            return [y, before]

        return local(3)  # here

    assert refused(body) == "local uses <node inc> of the body around it, which has no value there: make it an argument"


def test_an_output_that_is_several_is_told_where_the_function_is() -> None:
    def body(x: Any) -> Any:  # here
        return {"one": two(x)}

    assert refused(body) == "two has 2 outputs, not one: name which (two.a, two.b)"


def test_awaiting_in_the_body_is_refused() -> None:
    async def body(x: int) -> Any:
        return await inc(x)

    with pytest.raises(GraphBuildError, match=r"test_static\.py:\d+: body is `async def`.*leave out `await`"):
        graphify(body)


def test_a_graph_that_calls_itself_must_declare_its_outputs() -> None:
    @graphify
    def again(x: int) -> Any:
        return {"y": again(x).y}

    with pytest.raises(GraphBuildError, match="again calls itself, .* declare outputs="):
        again()

    @graphify(outputs=["y"])
    def once(x: int) -> Any:
        return {"y": once(x, _condition=arg("x") > 0).y}

    assert once().node_ids() == ["once"]


def test_a_failed_build_leaves_nothing_behind() -> None:
    with pytest.raises(GraphBuildError):
        graph_of(_added)
    assert tool(lambda v: v)(3) == {"result": 3}  # a plain call again


# ---------------------------------------------------------------------- the object

_CELL = """
from aethergraph import graphify, tool
@tool(outputs=["y"])
def inc(x):
    return {"y": x + """


def test_calling_it_builds_a_graph_anew() -> None:
    made = graphify(lambda x: inc(x))
    assert made() is not made.build()
    assert made().agent is made and made.spec() == made().spec_json()
    with pytest.raises(TypeError, match="to run it write run"):
        made(x=1)


def test_its_validity_is_that_of_its_function_and_what_it_uses() -> None:
    def made(body: str, add: int) -> bytes:
        with notebook(f"{_CELL}{add}}}\n@graphify\ndef g(x):\n    {body}") as cells:
            return bytes(cells["g"].validity())

    assert made("return inc(x)", 1) == made("return inc( x )  # a comment", 1)
    assert len({made("return inc(x)", 1), made("return inc(2)", 1), made("return inc(x)", 2)}) == 3


def test_on_error_is_one_of_two_words() -> None:
    with pytest.raises(ValueError, match='"finish"'):
        graphify(on_error="go on")(lambda x: inc(x))


def test_a_reference_outlives_its_build() -> None:
    assert isinstance(arg("x"), Reference)
