"""The copy that stays in the notebook: complete, small, stable, harmless."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aethergraph.record import facts as f
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.views import frames
from jupyter_ext import static_copy, static_messages
from jupyter_ext.static_copy import LIMIT, bundle
from jupyter_ext.theming import RULE, SHADE, WAITS, WRONG
from tests.story import PROBE, Story

TAGS = {"div", "b", "code", "span", "img", "details", "summary", "pre", "style"}
RICH = {"a", "table", "thead", "tbody", "tr", "th", "td", "p", "h1", "ul", "li", "strong", "em"}
ATTRIBUTES = {"class", "style", "alt", "src", "data-run-id"}


class Outline(HTMLParser):
    """Tags, attributes and text of a piece of html; complains about what is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.text, self.open = set[str](), set[str](), "", list[str]()
        self.images: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag in ("br", "hr"):
            return
        if tag == "img":
            self.images.append(dict(attrs)["src"] or "")
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def outline(story: Story, *, small: bool = False, live: bool = True) -> Outline:
    return Outline(bundle(story.picture(), small=small, live=live)["text/html"])


def rich() -> Story:
    story = Story()
    load = story.tool("load", rows=3)
    fits = [story.node("fit", load) for _ in range(6)]
    for i, fit in enumerate(fits[:5]):
        for step in range(4):
            story.point(fit, f"loss/{i}", step, step * i)
        story.done(fit, score=i)
    story.fail(fits[5], "no such key")
    story.say("half way")
    story.save(load, "curve.png")
    asked = story.ask("Which one?", "choice", options=["a", "b"])
    story.answer(asked, "a")
    return story


def test_the_copy_shows_graph_transcript_plots_nodes_and_what_was_saved() -> None:
    story = rich()
    story.end()
    seen = outline(story)
    assert len(seen.images) == 2  # graph and plot
    for text in (
        "study",
        "done, 7 of 8 nodes done, 1 failed",
        "half way",
        "Which one?",
        "curve.png",
        "KeyError: no such key",
    ):
        assert text in seen.text
    assert f'data-run-id="{story.run_id}"' in bundle(story.picture())["text/html"]


def test_a_run_that_skipped_a_node_says_why_not_all_are_done() -> None:
    story = Story()
    load = story.tool("load")
    story.put(
        f.NodeSkipped(9, b"k9", 0, "/deep", -1, "deep", "deep", f.TOOL, story.t, "its condition does not hold", (load,))
    )
    story.end()
    assert "done, 1 of 2 nodes done, 1 skipped" in outline(story).text


def test_pictures_are_complete_svg_in_the_page_itself() -> None:
    for source in outline(rich()).images:
        kind, _, data = source.partition(",")
        assert kind == "data:image/svg+xml;base64"
        assert base64.b64decode(data).startswith(b"<svg ")


def test_an_unfinished_run_names_the_command_that_goes_on_and_when_the_copy_was_taken() -> None:
    story = rich()
    seen = outline(story)
    assert f"%aether resume {story.run_id}" in seen.text and "a copy taken at 7 of 8 nodes" in seen.text
    assert f"%aether resume {story.run_id}" in bundle(story.picture())["text/plain"]
    story.end()
    assert "%aether" not in outline(story).text


def test_a_run_that_nobody_runs_is_called_paused() -> None:
    assert "paused" in bundle(rich().picture(), live=False)["text/plain"]


def test_open_questions_are_named() -> None:
    story = Story()
    story.ask("Which one?", "choice", options=["first", "second"])
    assert "Which one?" in outline(story).text and "first, second" in outline(story).text
    assert "asks: Which one?" in bundle(story.picture())["text/plain"]


def test_a_failed_run_shows_its_traceback() -> None:
    story = Story()
    error = f.Error("builtins", "KeyError", "no such key", traceback="Traceback:\n  cell 3, line 4")
    story.put(f.RunFailed(error, [], story.t))
    assert "cell 3, line 4" in outline(story).text


def test_markup_shows_as_text_everywhere() -> None:
    story = Story(name=PROBE, run_id="study-7f3ka")
    load = story.tool("load" + PROBE, x=PROBE)
    story.fail(story.node("fit" + PROBE, load, a=PROBE), PROBE)
    for _ in range(6):
        story.fail(story.node("many" + PROBE), PROBE)
    story.say(PROBE)
    story.printed(0, PROBE)
    story.printed(load, PROBE)
    story.save(load, PROBE)
    story.point(load, PROBE + "/" + PROBE, 0, 1)
    story.point(load, PROBE + "/" + PROBE, 1, 1)
    story.ask(PROBE, "choice", options=[PROBE])
    asked = story.ask("again " + PROBE)
    story.answer(asked, PROBE)
    story.put(f.RunFailed(f.Error("x", PROBE, PROBE, traceback=PROBE), [], story.t))
    for small in (False, True):
        seen = outline(story, small=small)
        assert seen.tags <= TAGS and seen.attributes <= ATTRIBUTES
        assert "<script>" in seen.text and "\u202e" not in seen.text and "\x00" not in seen.text


@pytest.mark.parametrize("run_id", ["x\\", 'x"]{}*{display:none}', "</style><script>", "a b"])
def test_an_id_that_could_mean_something_in_a_style_sheet_gets_no_rule(run_id: str) -> None:
    def rules(name: str) -> str:
        return bundle(Story(run_id=name).picture())["text/html"].partition("<style>")[2].partition("</style>")[0]

    assert rules(run_id) == RULE
    assert rules("study-7f3ka") == f"{RULE}{static_copy._instead('study-7f3ka')}" != RULE


def test_the_same_facts_give_the_same_copy() -> None:
    assert bundle(rich().picture()) == bundle(rich().picture())


def test_time_alone_does_not_change_the_copy() -> None:
    story = rich()
    picture = story.picture()
    before = bundle(picture)
    story.wait(60)
    assert bundle(picture) == before


@pytest.mark.parametrize("count", [300, 2000])
def test_a_big_run_still_fits(count: int) -> None:
    story = Story()
    root = story.tool("root")
    for i in range(count):
        story.fail(story.node(f"t{i % 40}", root, *([max(2, i - 3)] if i > 4 else []), x="y" * 100), "why " * 50)
        story.say("word " * 40)
    html = bundle(story.picture())["text/html"]
    assert len(html) <= LIMIT and "<img" in html and "earlier lines are left out" in html


def test_a_graph_that_cannot_be_folded_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_copy, "LIMIT", 3000)
    story = Story()
    for i in range(60):
        story.tool(f"t{i}")
    seen = outline(story)
    assert not seen.images and "too large for a saved copy: %aether show" in seen.text


def test_the_small_copy_has_no_nodes_and_no_plots() -> None:
    seen = outline(rich(), small=True)
    assert len(seen.images) == 1 and "details" not in seen.tags and "half way" in seen.text


def test_silent_answers_are_not_in_the_copy() -> None:
    story = Story()
    asked = story.ask("Password?", silent=True)
    story.answer(asked, "hunter2")
    text = str(bundle(story.picture()))
    for data in re.findall(r"base64,([A-Za-z0-9+/=]+)", text):
        text += base64.b64decode(data).decode()
    assert "hunter2" not in text


def test_no_code_keeps_the_ground_that_a_front_end_gives_it() -> None:
    story = Story()
    story.printed(story.tool("load"), "3 rows\n")
    story.say("hello")
    html = bundle(story.picture())["text/html"]
    codes = re.findall(r"<code[^>]*>", html)
    assert len(codes) > 3 and all("background:none" in code and "color:inherit" in code for code in codes)


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))


def talk(blobs: DiskBlobs) -> Story:
    """A run that sent one of each."""
    story = Story()
    digest = blobs.put(PNG)
    story.send("image", title="Loss", alt="loss", filename="l.png", mime="image/png", sha256=digest, size=48)
    story.send("file", title="", filename=PROBE, mime="text/html", sha256=digest, size=12_345)
    story.send("image", title="", alt="", filename="far.png", mime="", url="https://example.org/far.png")
    links = [
        {"label": PROBE, "value": "y", "style": "default", "url": ""},
        {"label": "Docs", "value": "", "style": "default", "url": 'https://example.org/"onclick="x'},
        {"label": "Bad", "value": "", "style": "default", "url": "javascript:window.hit=1"},
    ]
    story.send("buttons", text=PROBE, buttons=links)
    text = f"# Head\n\n- **{PROBE}**\n- [site](https://example.org)\n"
    story.send("rich", text="Notes", rich={"kind": "markdown", "text": text})
    table = {"kind": "table", "columns": ["a", PROBE], "rows": [["1", PROBE]], "numeric": [True, False], "more": [7, 0]}
    story.send("rich", text="", rich=table)
    story.send("rich", text="", rich={"kind": "json", "text": '{"a": "<b>"}'})
    return story


def test_what_was_sent_is_shown_as_what_it_is_and_cannot_act(tmp_path: Path) -> None:
    blobs = DiskBlobs(tmp_path)
    html = bundle(talk(blobs).picture(), blobs=blobs)["text/html"]
    seen = Outline(html)
    assert seen.tags - {"br", "hr"} <= TAGS | RICH
    assert seen.attributes <= ATTRIBUTES | {"href", "target", "rel"}
    assert "javascript:" not in html.replace("javascript:window.hit=1</", "")
    assert [base64.b64decode(one.partition(",")[2]) for one in seen.images if one.startswith("data:image/png")] == [PNG]
    assert not [one for one in seen.images if not one.startswith("data:")]  # nothing is loaded that nobody asked for
    assert {"a", "table", "th", "h1", "li"} <= seen.tags
    for text in ("12.3 kB", "and 7 more rows", "far.png", '{"a": "<b>"}', "Docs"):
        assert text in seen.text, text
    assert "<!--picture" not in html


def test_all_text_has_the_colours_of_the_page(tmp_path: Path) -> None:
    blobs = DiskBlobs(tmp_path)
    story = talk(blobs)
    load = story.tool("load", x=1)
    story.fail(story.node("fit", load), "no")
    story.send("image", title="", alt="", filename="gone.png", mime="image/png", sha256="ab" * 32, size=9)
    text = "# a\n\n> b\n\n`c`\n\n```\nd\n```\n\n|e|\n|-|\n|f|\n"
    story.send("rich", text="", rich={"kind": "markdown", "text": text})
    story.save(load, "t.csv", mime="text/csv", preview="name,n\nsvm,1\n")
    story.save(load, "t.md", mime="text/markdown", preview="# A title")
    story.frame(load, "scores", 0, frames.TABLE, frames.write_table(["a"], [[1]], 1))
    story.ask("Which one?", "choice", options=["a"])
    story.put(f.RunFailed(f.Error("x", "KeyError", "no", traceback="Traceback"), [], story.t))
    html = bundle(story.picture(), blobs=blobs)["text/html"]
    styles = re.findall(r'<(\w+)[^>]* style="([^"]*)"', html)
    rules = {rule for tag, style in styles if tag != "img" for rule in style.split(";")}
    colours = {rule for rule in rules if rule.startswith(("color", "background"))}
    for rule in colours:
        assert rule in ("color:inherit", "background:none", f"background:{SHADE}") or "currentColor" in rule, rule
    assert {"color:inherit", "background:none", f"background:{SHADE}", WRONG, WAITS} <= colours


def test_pictures_are_saved_up_to_a_size_the_last_ones_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = DiskBlobs(tmp_path)
    story = Story()
    for n in range(4):
        digest = blobs.put(PNG + bytes([n]))
        size = len(PNG) + 1
        story.send("image", title=f"{n}", alt="", filename="x.png", mime="image/png", sha256=digest, size=size)
    monkeypatch.setattr(static_messages, "ALL", 2 * (len(PNG) + 1))
    seen = Outline(bundle(story.picture(), blobs=blobs)["text/html"])
    assert [base64.b64decode(one.partition(",")[2])[-1] for one in seen.images] == [2, 3]
    monkeypatch.setattr(static_messages, "ONE", len(PNG))
    assert Outline(bundle(story.picture(), blobs=blobs)["text/html"]).images == []
    assert Outline(bundle(story.picture(), blobs=blobs, small=True)["text/html"]).images == []
    assert Outline(bundle(story.picture())["text/html"]).images == []


def test_a_picture_whose_content_is_gone_says_so(tmp_path: Path) -> None:
    blobs = DiskBlobs(tmp_path)
    story = Story()
    story.send("image", title="", alt="", filename="x.png", mime="image/png", sha256="ab" * 32, size=9)
    assert "the file is gone" in Outline(bundle(story.picture(), blobs=blobs)["text/html"]).text


def test_an_open_question_for_files_says_what_is_taken_and_an_answered_one_what_came() -> None:
    story = Story()
    asked = story.ask("Which table?", "files", accept=[".csv"], max_size=5000)
    assert "(.csv; at most 5.0 kB)" in bundle(story.picture())["text/html"]
    story.answer(asked, {"text": "the second", "files": [{"name": "<b>.csv", "size": 7, "sha256": "0" * 64}]})
    assert "<b>the second: &lt;b&gt;.csv (7 B)</b>" in bundle(story.picture())["text/html"]
