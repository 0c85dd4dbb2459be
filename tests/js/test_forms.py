"""Forms of several fields: each by its type, with its errors beside it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from aethergraph.record.forms import Field
from tests.js.test_modules import call
from tests.js.view import View
from tests.story import Story

FIELDS = [
    Field("name", title="Name", help="as in the paper", shortest=1),
    Field("rows", "number", title="Rows", whole=True, min=1, max=1000, default=10, has_default=True, needed=False),
    Field("fast", "bool", title="Fast"),
    Field("method", "choice", title="Method", options=["svm", "forest"], default="svm", has_default=True, needed=False),
    Field("city", "choice", title="City", options=[1, 2, 3, 4, 5]),
    Field("day", "date", title="Day", nullable=True, needed=False),
    Field("tags", "texts", title="Tags", needed=False),
    Field("split", "form", title="Split", fields=[Field("test", "number", title="Test", over=0, under=1)]),
]


def opened(page: Page) -> View:
    story = Story()
    story.ask("Which model?", kind="form", form=FIELDS)
    return View(page, story)


def refuse(view: View, why: str) -> None:
    last = view.sent("answer")[-1]
    view.tell({"kind": "ack", "token": last["token"], "answer_id": last["answer_id"], "why": why})


def value(view: View) -> Any:
    return view.sent("answer")[-1]["value"]


def test_each_field_is_filled_by_its_label_and_sent_as_its_type(page: Page) -> None:
    view = opened(page)
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    expect(page.locator("form.ask")).to_contain_text("as in the paper")
    expect(page.locator("form.ask")).to_contain_text("1 to 1000")
    page.get_by_label("Name", exact=True).fill("digits")
    page.get_by_label("Rows").fill("20")
    page.get_by_label("Fast").check()
    page.get_by_role("radiogroup", name="Method").get_by_label("forest").check()
    page.get_by_label("City").select_option(label="3")
    page.get_by_label("Day").fill("2026-03-31")
    page.get_by_label("Tags").fill("a\nb\n")
    page.get_by_role("group", name="Split").get_by_label("Test").fill("0.25")
    page.get_by_role("button", name="Send").click()
    assert value(view) == {
        "name": "digits", "rows": 20, "fast": True, "method": "forest", "city": 3, "day": "2026-03-31",
        "tags": ["a", "b"], "split": {"test": 0.25},
    }  # fmt: skip


def test_what_is_left_empty_is_left_out_or_none(page: Page) -> None:
    view = opened(page)
    page.get_by_label("Rows").fill("")
    page.get_by_label("Rows").press("Enter")
    assert value(view) == {"name": "", "fast": False, "method": "svm", "day": None, "split": {}}


def test_what_is_refused_is_said_at_its_field_and_the_first_is_focused(page: Page) -> None:
    view = opened(page)
    page.get_by_role("button", name="Send").click()
    refuse(view, "name: is empty; split.test: is needed; a forest has no kernel")
    expect(page.locator(".leaf.wrong .bad")).to_have_text(["is empty", "is needed; a forest has no kernel"])
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    expect(page.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Name", exact=True).fill("a")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".leaf.wrong")).to_have_count(0)
    refuse(view, "this question is not open any more")
    expect(page.locator("form.ask .message")).to_have_text("this question is not open any more")


def test_reasons_find_their_fields(page: Page) -> None:
    found = call(page, "forms", "split", "a.b: x; y; a: z; tags.0: w", ["a", "a.b", "tags"])
    assert found == {"at": {"a.b": "x; y", "a": "z", "tags": "w"}, "rest": ""}
    assert call(page, "forms", "split", "no; a: x", ["b"]) == {"at": {}, "rest": "no; a: x"}


def test_what_was_filled_in_survives_a_reload(page: Page) -> None:
    opened(page)
    page.get_by_label("Name", exact=True).fill("digits")
    page.get_by_role("group", name="Split").get_by_label("Test").fill("0.5")
    page.evaluate("window.hide(); document.body.replaceChildren(); window.hide = window.show()")
    expect(page.get_by_label("Name", exact=True)).to_have_value("digits")
    expect(page.get_by_role("group", name="Split").get_by_label("Test")).to_have_value("0.5")


def tab_to(page: Page, label: str) -> None:
    """Press Tab until the field has the focus: a date is several stops."""
    field = page.get_by_label(label, exact=True)
    for _ in range(8):
        page.keyboard.press("Tab")
        if field.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"{label} is not reached")


def test_the_form_works_with_the_keyboard_alone(page: Page) -> None:
    view = opened(page)
    for key in ("d", "Tab", "7", "Tab", "Space", "Tab", "ArrowRight", "Tab", "ArrowDown"):
        page.keyboard.press(key)
    tab_to(page, "Tags")
    page.keyboard.type("x")
    tab_to(page, "Test")
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    got = value(view)
    assert (got["name"], got["rows"], got["fast"], got["method"]) == ("d", 7, True, "forest")
    assert (got["city"], got["tags"], got["split"]) == (1, ["x"], {"test": 0.5})
