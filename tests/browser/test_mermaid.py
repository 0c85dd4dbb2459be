"""The Mermaid text of a graph, as JupyterLab's own Mermaid reads it in a Markdown cell."""

from __future__ import annotations

from urllib.parse import unquote
from xml.etree import ElementTree

from playwright.sync_api import Locator, expect

from aethergraph.graphs.text import edges
from aethergraph.views.labels import line
from tests.hostile import NAMES, hostile

from .lab import Lab

DRAWN_MS = 60_000


def _texts(image: Locator, kind: str) -> list[str]:
    """The labels of a picture, which JupyterLab shows as an image."""
    source = image.get_attribute("src") or ""
    picture = ElementTree.fromstring(unquote(source.partition(",")[2]))
    return ["".join(part.itertext()) for part in picture.iter() if (part.get("class") or "").split()[:1] == [kind]]


def test_mermaid_shows_every_name_as_it_is(lab: Lab) -> None:
    graph = hostile()
    cells = [f"md:```mermaid\n{text}\n```" for text in (graph.to_mermaid(), "flowchart LR\n a[[[b --> ")]
    with lab.open(cells, kernel="new") as notebook:
        drawn, broken = (notebook.page.locator(".jp-MarkdownCell").nth(place) for place in range(2))
        image = drawn.locator(".jp-RenderedMermaid img")
        expect(image).to_be_visible(timeout=DRAWN_MS)
        assert _texts(image, "nodeLabel") == [line(name) for name in NAMES]
        told = {line(what) for _, _, what in edges(graph) if what != "after"}
        assert set(filter(None, _texts(image, "edgeLabel"))) == told
        expect(broken.locator("details > pre")).to_contain_text(
            "Parse error", timeout=DRAWN_MS
        )  # what a bad text gives
        expect(broken.locator("img")).to_have_count(0)
