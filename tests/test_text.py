"""What a graph writes for other programs, read by their own parsers; Mermaid's runs in a browser."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from aethergraph.graphs.text import edges
from aethergraph.views.labels import line
from tests.hostile import NAMES, hostile

pydot = pytest.importorskip("pydot", reason="the extra `dev` brings the parser of Graphviz's language")


def _text(quoted: str) -> str:
    """What Graphviz shows for a quoted text: it reads \\" and, in labels, \\\\."""
    assert quoted[0] == quoted[-1] == '"'
    return quoted[1:-1].replace('\\"', '"').replace("\\\\", "\\")


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pydot")  # it calls pyparsing by old names
def test_dot_is_read_by_a_parser_whatever_the_names() -> None:
    graph = hostile()
    parsed = pydot.graph_from_dot_data(graph.to_dot())
    assert parsed is not None and len(parsed) == 1
    nodes = {_text(node.get_name()): _text(node.get("label")) for node in parsed[0].get_nodes() if node.get("label")}
    assert nodes == {line(node.node_id): line(node.title) for node in graph.nodes}
    found = sorted((_text(edge.get_source()), _text(edge.get_destination())) for edge in parsed[0].get_edges())
    assert found == sorted((line(start), line(end)) for start, end, _ in edges(graph))


def test_svg_is_xml_whatever_the_names() -> None:
    picture = ElementTree.fromstring(hostile().to_svg())
    shown = [text.text or "" for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in shown if text] == [line(name) for name in NAMES]


def test_pictures_are_made_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 7 of the peers: `draw_mermaid_png` calls a web service."""

    def refused(*_: object) -> None:
        raise AssertionError("a picture asked for the network")

    monkeypatch.setattr("socket.socket.connect", refused)
    monkeypatch.setattr("socket.getaddrinfo", refused)
    graph = hostile()
    made: list[Callable[[], object]] = [
        graph.to_dot,
        graph.to_mermaid,
        graph.to_svg,
        graph.pretty,
        graph.ascii_overview,
    ]
    for make in [*made, graph._repr_mimebundle_]:
        text = str(make())
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
