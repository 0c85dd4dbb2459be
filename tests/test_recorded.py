"""The nodes of a run as text: for people, and for other programs, read by their own parsers."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from aethergraph.graphs.recorded import RunGraph
from aethergraph.record import facts as f
from aethergraph.record.flow import Flow
from aethergraph.views.labels import line
from tests.hostile import NAMES
from tests.story import Story


def graph_of(story: Story) -> RunGraph:
    return RunGraph(story.run_id, "study", Flow.of(story.facts).nodes, lambda: "<svg/>")


@pytest.fixture
def story() -> Story:
    """`load`, then `part` with a `fit` in it that has a `trial` in it, then `show`, which is given what `load` gave."""
    story = Story()
    load = story.tool("load")
    story.mark(load, "data", ("slow",))
    part = story.node("part", load, kind=f.GRAPH)
    fit = story.node("fit", scope=part, kind=f.GRAPH)
    story.done(story.node("trial", scope=fit))
    story.done(fit)
    story.done(part)
    show = story.node("show", load, after=(part,))
    story.mark(show, name="the plot", labels=("slow", "last"))
    return story


def test_a_table_shows_each_node_under_the_one_that_called_it_with_its_marks(story: Story) -> None:
    assert graph_of(story).pretty().splitlines() == [
        "study: 5 nodes",
        "  load       load  done  @data  #slow",
        "  part       part  done  after load",
        "    fit      fit  done",
        "      trial  trial  done",
        "  show       show  running  after load, part  #slow  #last",
    ]


def test_plain_data_has_marks_and_edges(story: Story) -> None:
    graph = graph_of(story)
    told = json.loads(json.dumps(graph.spec_json()))
    assert (told["graph_id"], told["run_id"]) == ("study", story.run_id) and told == graph.view()
    assert told["nodes"][4] == {
        "node_id": "show", "logic": "show", "kind": "tool", "status": "running", "scope": "",
        "dependencies": ["load", "part"], "after": ["part"], "alias": "", "labels": ["slow", "last"],
        "name": "the plot",
    }  # fmt: skip
    assert [one["scope"] for one in told["nodes"]] == ["", "", "part", "fit", ""]
    assert graph.find_by_display("the plot") == ["show"] and repr(graph) == "<graph of run study-7f3ka: 5 nodes>"


def test_mermaid_has_a_box_for_each_body_and_every_edge(story: Story) -> None:
    assert graph_of(story).to_mermaid().splitlines() == [
        "flowchart LR",
        '  n1["load"]',
        '  subgraph s2[" "]',
        '    n2[["part"]]',
        '    subgraph s3[" "]',
        '      n3[["fit"]]',
        '      n4["trial"]',
        "    end",
        "  end",
        '  n5["the plot"]',
        "  n1 --> n2",
        "  n1 --> n5",
        "  n2 -.-> n5",
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pydot")  # it calls pyparsing by old names
def test_dot_is_read_by_a_parser_whatever_the_names(story: Story) -> None:
    pydot = pytest.importorskip("pydot", reason="the extra `dev` brings the parser of Graphviz's language")
    for name in NAMES:
        story.mark(story.node("show"), name=name)
    graph = graph_of(story)
    (parsed,) = pydot.graph_from_dot_data(graph.to_dot())
    (part,) = parsed.get_subgraphs()
    (fit,) = part.get_subgraphs()
    inside = [[one.get_name().strip('"') for one in each.get_nodes()] for each in (part, fit)]
    assert inside == [["part"], ["fit", "trial"]]
    labels = [one.get("label")[1:-1] for one in parsed.get_nodes() if one.get("label")]
    shown = [label.replace('\\"', '"').replace("\\\\", "\\") for label in labels]
    assert shown == [line(node.title) for node in graph if not node.scope and node.callee != "part"]
    edges = [(one.get_source(), one.get_destination(), one.get("style")) for one in parsed.get_edges()]
    assert edges == [('"load"', '"part"', None), ('"load"', '"show"', None), ('"part"', '"show"', "dashed")]


def test_what_follows_what_is_asked_as_of_a_static_graph(story: Story) -> None:
    graph = graph_of(story)
    order = graph.topological_order()
    assert sorted(order) == sorted(graph.node_ids())
    assert all(order.index(other) < order.index(name) for name in order for other in graph.before(name))
    assert graph.dependents("load") == ["part", "show"]
    assert graph.get_upstream_nodes("show") == ["load", "part"]
    assert graph.get_subgraph_nodes("part") == ["part", "show"]
    with pytest.raises(LookupError, match="load"):
        graph.get_upstream_nodes("loud")


def test_it_is_shown_level_by_level(story: Story) -> None:
    assert graph_of(story).ascii_overview() == "study\n  |\n[load]   [fit]   [trial]\n  |\n[part]\n  |\n[show]"


def test_a_node_that_was_given_what_came_up_after_it_stands_at_the_end() -> None:
    """One that ran again, with other values, keeps its number."""
    story = Story()
    first = story.tool("first")
    second = story.tool("second", first)
    nodes = Flow.of(story.facts).nodes
    nodes[0].deps = (second,)
    graph = RunGraph(story.run_id, "study", nodes, lambda: "")
    assert graph.topological_order() == ["first", "second"] and len(graph.levels()) == 2
    assert graph.get_upstream_nodes("first") == ["second"]


def test_it_is_compared_by_what_its_nodes_call_and_follow(story: Story) -> None:
    before = graph_of(story)
    story.done(5)
    story.tool("more", 5)
    after = graph_of(story)
    assert before.diff(after) == {"added": ["more"], "removed": [], "modified": []}
    assert after.diff(before) == {"added": [], "removed": ["more"], "modified": []}
    after[4].after = ()
    assert before.diff(after)["modified"] == ["show"]


def test_it_shows_itself_as_its_picture(story: Story) -> None:
    graph = graph_of(story)
    assert graph.to_svg() == "<svg/>" and graph.visualize() is graph
    shown = graph._repr_mimebundle_()
    assert "data:image/svg+xml;base64," in shown["text/html"] and shown["text/plain"] == repr(graph)


def test_it_can_be_copied_and_pickled_without_its_run(story: Story) -> None:
    graph = graph_of(story)
    for made in (pickle.loads(pickle.dumps(graph)), copy.deepcopy(graph)):
        assert made == graph and made.pretty() == graph.pretty() and made.topological_order()
        with pytest.raises(TypeError, match=rf"load_run\('{story.run_id}'\)\.graph\.to_svg\(\)"):
            made.to_svg()


def test_it_stays_as_it_was_when_it_was_asked_for(story: Story) -> None:
    nodes = Flow.of(story.facts).nodes
    graph = RunGraph(story.run_id, "study", nodes, lambda: "")
    before = graph.spec_json()
    nodes[0].deps = (77,)  # it ran again, after a node that came up later
    assert graph.spec_json() == before
    later = RunGraph(story.run_id, "study", nodes, lambda: "")
    assert later.before("load") == [] and later.to_mermaid() == graph.to_mermaid()
    assert later.to_dot() == graph.to_dot() and later.pretty() == graph.pretty()
