"""`TaskGraph`: selecting, topology, and its forms as text."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from typing import Any

import pytest

from aethergraph import TaskGraph, graphify, tool
from aethergraph.errors import GraphBuildError
from aethergraph.graphs.graph import GraphNode
from aethergraph.graphs.references import Reference


@tool(outputs=["y"])
def load(x: Any) -> Any:
    return x


@tool(outputs=["y"])
def fit(x: Any, *, depth: int = 1) -> Any:
    return x


@graphify
def study(x: int, n: int = 2) -> Any:
    data = load(x, _alias="data", _labels=["io"])
    small = fit(data, _id="small", _labels=["model", "io"])
    large = fit(data, depth=n, _id="large", _name='the "large" <one>', _labels=["model"], _condition=small.y > 1)
    best = fit([small, large], _after="small")
    return {"best": best, "data": data.y}


@pytest.fixture
def graph() -> TaskGraph:
    return study()


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("@data", ["load"]),
        ("#model", ["small", "large"]),
        ("#io", ["load", "small"]),
        ("id:small", ["small"]),
        ("logic:fit", ["small", "large", "fit"]),
        ('name:the "large" <one>', ["large"]),
        ("name:small", ["small"]),
        ("/^l/", ["load", "large"]),
        ("l", ["load", "large"]),
        ("la", ["large"]),
        ("fit", ["fit"]),
        ("", []),
        ("@nobody", []),
        ("#none", []),
    ],
)
def test_selectors(graph: TaskGraph, selector: str, found: list[str]) -> None:
    assert graph.pick_all(selector) == graph.select(selector) == found
    assert graph.select(selector, first=True) == (found[0] if found else None)
    if len(found) == 1:
        assert graph.pick_one(selector) == found[0]
    else:
        with pytest.raises(LookupError, match="names 2 nodes|names 3 nodes|names none of: fit, large, load, small"):
            graph.pick_one(selector)


def test_an_id_is_no_prefix_of_itself() -> None:
    graph = graphify(lambda x: [load(x), load(x)])()
    assert graph.pick_one("load") == "load" and graph.pick_all("loa") == ["load", "load-2"]


def test_nodes_by_id_alias_label_logic_and_name(graph: TaskGraph) -> None:
    assert graph.get_by_id("small") == "small" and graph.get_by_alias("data") == "load"
    assert graph.find_by_label("io") == ["load", "small"] and graph.find_by_logic("load") == ["load"]
    assert graph.find_by_display("load") == ["load"]
    assert graph.node_ids() == [node.node_id for node in graph.nodes] == ["load", "small", "large", "fit"]
    assert graph.list_nodes() == graph.nodes and len(graph) == 4
    with pytest.raises(LookupError, match="study has no node 'none'; its nodes are: fit, large, load, small"):
        graph.node("none")


def test_topology(graph: TaskGraph) -> None:
    assert graph.topological_order() == ["load", "small", "large", "fit"]
    assert graph.dependents("load") == ["small", "large"]
    assert graph.get_upstream_nodes("fit") == ["load", "small", "large"]
    assert graph.get_upstream_nodes("load") == []
    assert graph.get_subgraph_nodes("small") == ["small", "large", "fit"]


def test_io_signature(graph: TaskGraph) -> None:
    expected = {"inputs": {"required": ["x"], "optional": {"n": 2}}, "outputs": ["best", "data"]}
    assert graph.io_signature() == expected
    assert repr(graph) == "<graph study(x, n) -> best, data: 4 nodes>"


def test_an_id_used_twice_and_edges_to_nowhere_are_refused() -> None:
    one = GraphNode("a", "load", "tool", load, where="cell:1")
    with pytest.raises(GraphBuildError, match="cell:1: the id 'a' is used twice"):
        TaskGraph("g", [one, one])
    lost = GraphNode("b", "load", "tool", load, args=(Reference("z", "y"),), where="cell:2")
    with pytest.raises(GraphBuildError, match="cell:2: b follows 'z', which is no node; the nodes are: a, b"):
        TaskGraph("g", [one, lost])


def test_a_long_chain_is_no_problem() -> None:
    nodes = [GraphNode("n0", "load", "tool", load)]
    nodes += [GraphNode(f"n{i}", "load", "tool", load, args=(Reference(f"n{i - 1}", "y"),)) for i in range(1, 3000)]
    graph = TaskGraph("g", reversed(nodes))
    assert graph.topological_order() == [f"n{i}" for i in range(3000)]
    assert len(graph.get_upstream_nodes("n2999")) == 2999


# ---------------------------------------------------------------------- as text


def test_pretty_says_what_is_called_with_what(graph: TaskGraph) -> None:
    assert graph.pretty().splitlines() == [
        "study(x, n) -> best, data",
        "  load   load(<input x>)  @data  #io",
        "  small  fit(<load.y>)  #model  #io",
        "  large  fit(<load.y>, depth=<input n>)  if (<small.y> > 1)  #model",
        "  fit    fit([<small.y>, <large.y>])  after small",
        "  best = <fit.y>",
        "  data = <load.y>",
    ]


def test_ascii_overview_goes_level_by_level(graph: TaskGraph) -> None:
    lines = [line for line in graph.ascii_overview().splitlines() if line != "  |"]
    assert lines == ["x, n", "[load]", "[small]", "[large]", "[fit]", "best, data"]


def test_spec_is_plain_data(graph: TaskGraph) -> None:
    spec = graph.spec_json()
    assert json.loads(json.dumps(spec)) == spec == graph.view()
    large = next(node for node in spec["nodes"] if node["node_id"] == "large")
    assert large["kwargs"] == {"depth": {"ref": "input n"}} and large["dependencies"] == ["load", "small"]
    assert large["condition"] == {"condition": "(<small.y> > 1)"}
    assert spec["outputs"] == {"best": {"ref": "fit.y"}, "data": {"ref": "load.y"}}


def test_diff_names_what_changed(graph: TaskGraph) -> None:
    @graphify(name="study")
    def other(x: int) -> Any:
        data = load(x, _alias="data", _labels=["io"])
        return fit(data, depth=9, _id="small", _labels=["model", "io"]), load(1, _id="more")

    assert graph.diff(graph) == {"added": [], "removed": [], "modified": []}
    assert graph.diff(other()) == {"added": ["more"], "removed": ["large", "fit"], "modified": ["small"]}


_TEXT = r'"(?:[^"\\]|\\.)*"'


def test_dot_holds_every_node_and_edge(graph: TaskGraph) -> None:
    lines = graph.to_dot().splitlines()
    assert lines[0] == 'digraph "study" {' and lines[-1] == "}"
    nodes = [line for line in lines if re.fullmatch(rf"  {_TEXT} \[label={_TEXT}(, peripheries=2)?\];", line)]
    edges = [line for line in lines if re.fullmatch(rf"  {_TEXT} -> {_TEXT} \[(label={_TEXT}|style=dashed)\];", line)]
    assert (len(nodes), len(edges)) == (4, 6) and len(lines) == 4 + 6 + 4
    assert r'"large" [label="the \"large\" <one>"];' in graph.to_dot()


def test_mermaid_holds_every_node_and_edge(graph: TaskGraph) -> None:
    lines = graph.to_mermaid().splitlines()
    assert lines[0] == "flowchart LR"
    nodes = [line for line in lines if re.fullmatch(r'  n\d+\["[^"<>`]*"\]', line)]
    edges = [line for line in lines if re.fullmatch(r'  n\d+ (-->|-\.->)(\|"[^"<>`]*"\|)? n\d+', line)]
    assert (len(nodes), len(edges)) == (4, 6) and len(lines) == 1 + 4 + 6
    assert '  n3["the #quot;large#quot; #lt;one#gt;"]' in lines


def test_svg_stands_alone_and_is_well_formed(graph: TaskGraph) -> None:
    picture = ElementTree.fromstring(graph.to_svg())
    name = "{http://www.w3.org/2000/svg}"
    assert [text.text for text in picture.iter(f"{name}text")] == ["load", "small", 'the "large" <one>', "fit"]
    assert len(list(picture.iter(f"{name}path"))) == 5  # small -> fit carries a value and an order, and is one line
    assert "href" not in graph.to_svg() and "<script" not in graph.to_svg()


def test_it_shows_itself_as_an_image(graph: TaskGraph) -> None:
    bundle = graph.visualize()._repr_mimebundle_()
    assert bundle["text/plain"] == repr(graph)
    image = ElementTree.fromstring(bundle["text/html"].replace('">', '"/>'))
    kind, _, data = image.attrib["src"].partition(",")
    assert kind == "data:image/svg+xml;base64" and b64decode(data).decode() == graph.to_svg()


def test_an_empty_graph_has_all_forms() -> None:
    graph = graphify(lambda x: {"x": x})()
    assert graph.pretty() == "<lambda>(x) -> x\n  x = <input x>"
    assert graph.to_dot().count("->") == 0 and graph.to_mermaid() == "flowchart LR\n"
    ElementTree.fromstring(graph.to_svg())
