"""Pictures, files, buttons and rich text in the view."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.js.view import View
from tests.story import PROBE, Story

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
IMAGE = {"title": "The loss", "alt": "loss", "filename": "l.png", "mime": "image/png", "sha256": "ab" * 32}


def call(page: Page, function: str, *args: Any) -> Any:
    return page.evaluate(
        "async ([name, args]) => (await import('/messages.js'))[name](...args)", [function, list(args)]
    )


def deliver(view: View, digest: str) -> None:
    """What Python answers to a wish for the bytes of a picture."""
    view.page.evaluate(
        """([message, bytes]) => window.tell(message, [new DataView(new Uint8Array(bytes).buffer)])""",
        [{"kind": "bytes", "digest": digest, "mime": "image/png", "why": ""}, list(PIXEL)],
    )


def test_a_picture_is_asked_for_and_shown_in_its_line(page: Page) -> None:
    story = Story()
    story.send("image", **IMAGE, size=len(PIXEL))
    view = View(page, story)
    assert [message["digest"] for message in view.sent("bytes")] == ["ab" * 32]
    deliver(view, "ab" * 32)
    picture = page.get_by_role("log").get_by_role("img", name="loss")
    expect(picture).to_be_visible()
    assert picture.evaluate("(image) => image.naturalWidth") == 1
    expect(page.get_by_role("log")).to_contain_text("The loss")


def test_a_large_picture_and_one_of_the_web_are_shown_when_asked_for(page: Page) -> None:
    asked: list[str] = []
    page.route("https://example.org/**", lambda route: (asked.append(route.request.url), route.abort()))
    story = Story()
    story.send("image", **IMAGE, size=9_000_000)
    story.send("image", title="", alt="far", filename="far.png", mime="image/png", url="https://example.org/far.png")
    view = View(page, story)
    expect(page.get_by_role("button", name="show far.png")).to_be_visible()
    assert view.sent("bytes") == [] and asked == []
    page.get_by_role("button", name="show l.png \u00b7 9.0 MB").click()
    page.get_by_role("button", name="show far.png").click()
    link = page.get_by_role("log").locator("a")
    expect(link).to_have_attribute("href", "https://example.org/far.png")
    assert len(view.sent("bytes")) == 1 and asked == ["https://example.org/far.png"]


def test_a_file_is_a_download_with_its_size(page: Page) -> None:
    story = Story()
    story.send("file", **{**IMAGE, "title": "Results", "filename": "r.csv"}, size=12_345)
    story.send("file", title="", filename="far.pdf", mime="", url="https://example.org/far.pdf")
    view = View(page, story)
    expect(page.get_by_role("log")).to_contain_text("12.3 kB")
    with page.expect_download() as download:
        page.get_by_role("button", name="r.csv").click()
        deliver(view, "ab" * 32)
    assert download.value.suggested_filename == "r.csv"
    assert download.value.path().read_bytes() == PIXEL
    far = page.get_by_role("link", name="far.pdf")
    expect(far).to_have_attribute("rel", "noopener noreferrer")
    expect(far).to_have_attribute("target", "_blank")


def test_a_file_that_cannot_be_had_says_why(page: Page) -> None:
    story = Story()
    story.send("file", **{**IMAGE, "filename": "r.csv"}, size=99)
    view = View(page, story)
    page.get_by_role("button", name="r.csv").click()
    view.tell({"kind": "bytes", "digest": "ab" * 32, "mime": "", "why": "the file is gone"})
    expect(page.locator(".t-file .bad")).to_have_text("the file is gone")


BUTTONS = [
    {"label": "Deeper", "value": "deep", "style": "primary", "url": ""},
    {"label": "Stop", "value": "stop", "style": "danger", "url": ""},
    {"label": "Docs", "value": "", "style": "default", "url": "https://example.org/docs"},
]


def test_a_button_answers_the_question_that_takes_it(page: Page) -> None:
    story = Story()
    story.send("buttons", text="How shall I go on?", buttons=BUTTONS)
    view = View(page, story)
    deeper, stop = page.get_by_role("button", name="Deeper"), page.get_by_role("button", name="Stop", exact=True).last
    expect(deeper).to_be_disabled()
    expect(deeper).to_have_attribute("title", "No open question takes this")
    expect(page.get_by_role("link", name="Docs")).to_have_attribute("href", "https://example.org/docs")
    which = story.ask("Which?", "choice", options=["stop", "go"])
    view.play()
    expect(deeper).to_be_disabled()
    stop.click()
    story.answer(which, "stop")
    story.ask("What now?")
    view.play()
    deeper.click()
    assert [message["value"] for message in view.sent("answer")] == ["stop", "deep"]
    expect(page.locator("form.ask")).to_contain_text("sending")


@pytest.mark.parametrize(
    ("asks", "taken"),
    [
        ([], None),
        ([{"token": "a", "kind": "number", "options": []}], None),
        ([{"token": "a", "kind": "text", "options": [], "silent": True}], None),
        ([{"token": "a", "kind": "text", "options": [], "below": True}], None),
        ([{"token": "a", "kind": "choice", "options": ["Deeper"], "multiple": True}], None),
        ([{"token": "a", "kind": "text", "options": []}, {"token": "b", "kind": "choice", "options": ["Deeper", "No"]}],
         {"token": "b", "value": "Deeper"}),
        ([{"token": "a", "kind": "text", "options": []}, {"token": "b", "kind": "text", "options": []}],
         {"token": "a", "value": "deep"}),
    ],
)  # fmt: skip
def test_which_question_a_button_answers(page: Page, asks: list[dict[str, Any]], taken: Any) -> None:
    assert call(page, "taker", asks, BUTTONS[0]) == taken


def test_rich_text_is_what_it_is(page: Page) -> None:
    story = Story()
    text = "# Head\n\n1. **bold** and `code`\n2. [site](https://example.org)\n\n```\nx = 1\n```"
    story.send("rich", text="Notes", rich={"kind": "markdown", "text": text})
    table = {"kind": "table", "columns": ["model", "score"], "rows": [["svm", "0.5"]], "numeric": [False, True]}
    story.send("rich", text="Scores", rich=table | {"more": [3, 0]})
    story.send("rich", text="", rich={"kind": "json", "text": '{\n  "a": 1\n}'})
    View(page, story)
    log = page.get_by_role("log")
    expect(log.get_by_role("heading", name="Head")).to_be_visible()
    expect(log.get_by_role("listitem").first).to_have_text("bold and code")
    expect(log.get_by_role("link", name="site")).to_have_attribute("href", "https://example.org")
    expect(log.get_by_role("columnheader", name="score")).to_have_class("n")
    expect(log.get_by_role("cell", name="0.5")).to_be_visible()
    expect(log).to_contain_text("and 3 more rows")
    expect(log.locator("pre").last).to_have_text('{\n  "a": 1\n}')


def test_nothing_in_it_becomes_html_or_leads_to_a_script(page: Page) -> None:
    story = Story()
    hostile = dict.fromkeys(("title", "alt", "filename", "mime"), PROBE)
    story.send("image", **hostile, url="javascript:window.hit=1")
    story.send("file", **hostile, sha256="ab" * 32, size=1)
    story.send("file", **hostile, url="javascript:window.hit=1")
    bad = [{"label": PROBE, "value": PROBE, "style": PROBE, "url": ""}]
    bad += [{"label": "bad", "value": "", "style": "", "url": "javascript:window.hit=1"}]
    story.send("buttons", text=PROBE, buttons=bad)
    story.send("rich", text=PROBE, rich={"kind": "markdown", "text": f"{PROBE}\n[x](javascript:window.hit=1)"})
    story.send("rich", text="", rich={"kind": "json", "text": PROBE})
    table = {"kind": "table", "columns": [PROBE], "rows": [[PROBE]], "numeric": [False], "more": [0, 0]}
    story.send("rich", text="", rich=table)
    View(page, story)
    page.get_by_role("button", name="show").click()
    expect(page.get_by_role("log")).to_contain_text("<script>")
    assert page.evaluate("window.hit") is None
    expect(page.locator("[onerror], .talk script, a[href^=javascript]")).to_have_count(0)


def test_a_tag_that_is_not_known_is_no_element(page: Page) -> None:
    made = page.evaluate(
        """async () => (await import('/messages.js')).build(
            ["script", {class: "x", onclick: "y"}, ["hit", ["a", {href: "javascript:x"}, ["z"]]]]).outerHTML"""
    )
    assert made == "<span>hit<span>z</span></span>"


def test_what_comes_below_before_a_scroll_is_told_does_not_leave_the_end(page: Page) -> None:
    story = Story()
    for n in range(40):
        story.say(f"line {n}")
    view = View(page, story)
    story.say("the last line")
    page.evaluate(
        """() => {
        const talk = document.querySelector(".talk");
        const grow = new MutationObserver(() => {  // after our scroll, before the browser tells of it
            grow.disconnect();
            const tall = document.createElement("div");
            tall.style.height = "400px";
            talk.lastElementChild.append(tall);
        });
        grow.observe(talk, { childList: true }); }"""
    )
    view.play()
    left = page.evaluate(
        """async () => {
        const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        const talk = document.querySelector(".talk");
        await frame();
        const before = talk.scrollHeight - talk.scrollTop - talk.clientHeight;
        talk.lastElementChild.dispatchEvent(new Event("load"));  // as a picture does
        await frame();
        return [before, talk.scrollHeight - talk.scrollTop - talk.clientHeight]; }"""
    )
    assert left[0] > 300 and left[1] < 2


def test_the_end_stays_in_sight_when_a_picture_comes(page: Page) -> None:
    story = Story()
    for n in range(40):
        story.say(f"line {n}")
    view = View(page, story)
    tall = b"<svg xmlns='http://www.w3.org/2000/svg' width='50' height='400'/>"
    story.send("image", **{**IMAGE, "mime": "image/svg+xml"}, size=len(tall))
    view.play()
    page.evaluate(
        "([message, bytes]) => window.tell(message, [new DataView(new Uint8Array(bytes).buffer)])",
        [{"kind": "bytes", "digest": "ab" * 32, "mime": "image/svg+xml", "why": ""}, list(tall)],
    )
    expect(page.get_by_role("img", name="loss")).to_be_visible()
    page.wait_for_function(
        "() => { const t = document.querySelector('.talk'); return t.scrollHeight - t.scrollTop - t.clientHeight < 2; }"
    )
