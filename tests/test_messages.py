"""Pictures, files, buttons and rich text in a run's picture and transcript."""

from __future__ import annotations

from typing import Any

import pytest

from aethergraph.lifecycle import telling
from aethergraph.views import messages
from tests.story import PROBE, Story

IMAGE = {
    "title": "The loss",
    "alt": "loss",
    "filename": "plot.png",
    "mime": "image/png",
    "sha256": "ab" * 32,
    "size": 48,
}
BUTTONS = [{"label": "Yes", "value": "y", "style": "primary", "url": ""}]


def told(story: Story) -> list[str]:
    return telling.transcript(story.picture())


def test_the_transcript_names_what_was_sent() -> None:
    story = Story()
    fit = story.node("fit")
    story.send("image", scope=fit, **IMAGE)
    story.send("file", **{**IMAGE, "title": "", "filename": "t.csv", "size": 12_345})
    story.send("buttons", text="Go on?", buttons=BUTTONS)
    story.send("rich", text="", rich={"kind": "markdown", "text": "# Hi"})
    assert told(story) == [
        "fit: The loss: plot.png (image, 48 B)",
        "t.csv (file, 12.3 kB)",
        "Go on?\n  [Yes]",
        "# Hi",
    ]


def test_what_a_node_sent_goes_when_it_runs_again() -> None:
    story = Story()
    fit = story.done(story.node("fit"))
    story.send("image", scope=fit, **IMAGE)
    story.again(fit)
    story.send("image", scope=fit, execution=2, **{**IMAGE, "title": "Again"})
    assert told(story) == ["fit: Again: plot.png (image, 48 B)"]


def test_contents_that_were_sent_are_known_and_no_others() -> None:
    story = Story()
    story.send("file", **{**IMAGE, "mime": "text/html", "sha256": "cd" * 32})
    story.send("file", **IMAGE)
    story.send("image", **IMAGE)
    picture = story.picture()
    assert picture.sent("ab" * 32) == "image/png"
    assert picture.sent("cd" * 32) == "application/octet-stream"  # never as a page
    assert picture.sent("ef" * 32) == ""


def test_a_message_of_another_version_is_passed_over_or_shown_as_far_as_it_is_known() -> None:
    story = Story()
    story.effect("send_hologram", {"channel": ""}, {"text": "x"})
    story.effect("send_image", {"channel": ""}, None)
    assert told(story) == []
    assert messages.shown("image", {})["size"] == 0
    assert messages.shown("buttons", {}) == {"buttons": []}


def test_no_text_in_it_disturbs_what_stands_around_it() -> None:
    hostile = dict.fromkeys(("title", "alt", "filename", "mime", "url", "sha256"), PROBE * 100)
    for text in messages.shown("image", hostile).values():
        assert not isinstance(text, str) or ("\x00" not in text and "\u202e" not in text and len(text) <= 2_000)
    table = {"kind": "table", "columns": [PROBE], "rows": [[PROBE]], "numeric": [False], "more": [2, 1]}
    *_, more = messages.tree(table)
    assert words([more]) == ["and 2 more rows, 1 more column"]
    assert "\u202e" not in str(messages.tree(table))


def test_a_view_is_told_the_beginning_of_what_is_very_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "SHOWN", 10)
    for kind in ("markdown", "json"):
        assert words(messages.tree({"kind": kind, "text": "a" * 1010})) == ["a" * 10, "and 1,000 more characters"]
        assert words(messages.tree({"kind": kind, "text": "a" * 10})) == ["a" * 10]
    rows = [["aaaa", "bb"], ["cc", "dd"], ["e", "f"]]
    table = {"kind": "table", "columns": ["x", "y"], "rows": rows, "numeric": [False, False], "more": [5, 0]}
    assert words(messages.tree(table)) == ["x", "y", "aaaa", "bb", "cc", "dd", "and 6 more rows"]


def words(parts: list[Any]) -> list[str]:
    """All text in the parts."""
    return [word for part in parts for word in ([part] if isinstance(part, str) else words(part[2]))]
