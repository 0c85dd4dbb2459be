"""The standing picture of a run: complete, harmless, the same each time."""

from __future__ import annotations

from xml.etree import ElementTree

from aethergraph.record.status import NodeStatus
from aethergraph.storage import codec
from aethergraph.views.drawing import COLOURS, ICONS, to_svg
from tests.story import PROBE, Story


def svg(story: Story) -> ElementTree.Element:
    return ElementTree.fromstring(to_svg(story.picture(), codec.about_outputs))


def words(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_every_status_has_a_colour_and_a_shape() -> None:
    assert set(COLOURS) == set(ICONS) == set(NodeStatus)


def test_the_picture_names_every_box_and_what_it_says() -> None:
    story = Story()
    load = story.tool("load", rows=12)
    graph = story.node("evaluate", load, kind="graph")
    story.tool("score", scope=graph, f1=0.5)
    story.done(graph)
    assert words(svg(story)) == [
        "evaluate",
        "1 node \u00b7 0.0 s",
        "load",
        "0.0 s \u00b7 12",
        "score",
        "0.0 s \u00b7 0.5",
    ]


def test_markup_in_names_and_values_is_text() -> None:
    story = Story()
    story.fail(story.node("fit" + PROBE), PROBE)
    story.tool("load" + PROBE, x=PROBE)
    story.ask(PROBE)
    root = svg(story)  # it parses, so nothing broke out
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
        "svg", "style", "defs", "path", "rect", "g", "use", "text",
    }  # fmt: skip
    assert any(text.startswith("fit<img src=x") for text in words(root))


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    story = Story()
    story.tool("load")
    text = to_svg(story.picture(), codec.about_outputs)
    assert "url(" not in text and "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_the_same_run_gives_the_same_picture() -> None:
    story = Story()
    load = story.tool("load")
    for _ in range(7):
        story.tool("fit", load)
    assert to_svg(story.picture(), codec.about_outputs) == to_svg(story.picture(), codec.about_outputs)
