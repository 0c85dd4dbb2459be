"""The form for files: chosen, sent piece by piece, gone on with, refused, removed, answered; with keys alone, too."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.js.view import View
from tests.story import Story

PIECE = 1 << 20


def opened(page: Page, **more: Any) -> View:
    story = Story()
    story.ask("Which files?", kind="files", multiple=True, **more)
    return View(page, story)


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    chosen: Any = [{"name": name, "mimeType": "text/plain", "buffer": data} for name, data in files]
    page.locator("form.ask input[type=file]").set_input_files(chosen)


def last(view: View, count: int) -> Any:
    """The `count`-th message about an upload."""
    view.page.wait_for_function(f"window.sent.filter((m) => m.kind === 'upload').length >= {count}")
    return view.sent("upload")[count - 1]


def reply(view: View, to: Any, have: int, why: str = "", file: Any = None) -> None:
    told = {"kind": "upload", "token": to["token"], "id": to["id"], "have": have, "why": why}
    view.tell(told | ({"file": file} if file else {}))


def described(message: Any) -> dict[str, Any]:
    return {"name": message["name"], "size": message["size"], "mime": "text/plain", "sha256": "0" * 64}


def upload(view: View, count: int) -> None:
    """Let the next small file come through; `count` messages were sent before it."""
    first = last(view, count + 1)
    reply(view, first, first["size"], file=described(first))


def test_a_file_is_sent_in_pieces_from_where_the_kernel_says(page: Page) -> None:
    view = opened(page)
    choose(page, ("big.bin", b"x" * (2 * PIECE + 5)))
    first = last(view, 1)
    assert (first["offset"], first["size"], "piece" in first) == (-1, 2 * PIECE + 5, False)
    reply(view, first, PIECE)  # so much was there from before
    second = last(view, 2)
    assert (second["offset"], second["piece"]) == (PIECE, PIECE)
    expect(page.get_by_role("progressbar", name="big.bin, sent")).to_be_visible()
    expect(page.locator(".uploads .state")).to_have_text("49 %")
    reply(view, second, 2 * PIECE)
    third = last(view, 3)
    assert (third["offset"], third["piece"]) == (2 * PIECE, 5)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("form.ask .message")).to_have_text("not all files are there yet")
    reply(view, third, 2 * PIECE + 5, file=described(third))
    expect(page.locator(".uploads .state")).to_have_text("\u2713 uploaded")
    page.get_by_label("A line to go with it").fill("the second run")
    page.get_by_role("button", name="Send").click()
    (answer,) = view.sent("answer")
    assert answer["value"] == {"text": "the second run", "files": [described(third)]}


def test_after_a_silence_the_kernel_is_asked_again_and_it_goes_on(page: Page) -> None:
    page.clock.install()
    view = opened(page)
    choose(page, ("a.txt", b"abc"))
    first = last(view, 1)
    reply(view, first, 0)
    assert last(view, 2)["piece"] == 3  # and nothing comes back
    page.clock.run_for(5_000)
    assert last(view, 3)["offset"] == -1
    page.clock.run_for(120_000)
    expect(page.locator(".uploads .state")).to_contain_text("nothing comes back")
    reply(view, first, 3, file=described(first))
    expect(page.locator(".uploads .state")).to_have_text("\u2713 uploaded")


def test_files_are_sent_one_after_the_other_and_what_is_refused_says_why(page: Page) -> None:
    view = opened(page, accept=[".txt"], max_size=10)
    expect(page.locator(".drop .limits")).to_have_text(".txt; at most 10 B each")
    choose(page, ("a.txt", b"abc"), ("b.exe", b"x"))
    expect(page.locator(".uploads li").nth(1)).to_contain_text("next")
    upload(view, 0)
    second = last(view, 2)
    assert second["name"] == "b.exe"
    reply(view, second, 0, why="'b.exe' is application/x-msdos-program, and .txt is asked for")
    expect(page.locator(".uploads .refused")).to_contain_text(".txt is asked for")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("form.ask .message")).to_have_text("remove the files that were refused")
    page.get_by_role("button", name="Remove b.exe").click()
    page.get_by_role("button", name="Send").click()
    assert [one["name"] for one in view.sent("answer")[0]["value"]["files"]] == ["a.txt"]


def test_the_form_works_with_the_keyboard_alone(page: Page) -> None:
    view = opened(page)
    expect(page.locator("form.ask input[type=file]")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.evaluate("0")  # comes back once the browser has been told to leave the dialog to us
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"abc"})
    upload(view, 0)
    expect(page.locator(".uploads .done")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Remove a.txt")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # in the line of text
    assert len(view.sent("answer")) == 1


def test_files_are_dropped(page: Page) -> None:
    view = opened(page)
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(["abc"], "dropped.txt", { type: "text/plain" }));
          const drop = document.querySelector(".drop");
          for (const type of ["dragenter", "dragover", "drop"])
            drop.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
        }"""
    )
    assert last(view, 1)["name"] == "dropped.txt"
    expect(page.locator(".drop")).not_to_have_class("drop over")


def test_of_one_file_the_last_that_is_chosen_counts(page: Page) -> None:
    story = Story()
    story.ask("Which file?", kind="files")
    view = View(page, story)
    choose(page, ("a.txt", b"a"))
    last(view, 1)
    choose(page, ("b.txt", b"b"))
    expect(page.locator(".uploads li")).to_have_count(1)
    upload(view, 1)
    page.get_by_role("button", name="Send").click()
    assert [one["name"] for one in view.sent("answer")[0]["value"]["files"]] == ["b.txt"]


def test_what_was_uploaded_and_not_sent_survives_a_reload(page: Page) -> None:
    view = opened(page)
    choose(page, ("a.txt", b"abc"))
    upload(view, 0)
    expect(page.locator(".uploads .done")).to_be_visible()
    page.evaluate("window.hide(); document.body.replaceChildren()")
    page.evaluate("window.hide = window.show()")
    expect(page.locator(".uploads .done")).to_contain_text("a.txt")
    page.get_by_role("button", name="Send").click()
    assert [one["name"] for one in view.sent("answer")[0]["value"]["files"]] == ["a.txt"]


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>.txt"])
def test_a_name_is_shown_as_text(page: Page, name: str) -> None:
    view = opened(page)
    choose(page, (name, b"a"))
    last(view, 1)
    expect(page.locator(".uploads .name")).to_have_text(name)
    expect(page.locator(".uploads img")).to_have_count(0)
