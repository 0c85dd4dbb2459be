"""The view in a browser: what a person sees, and what comes of what a person does."""

from __future__ import annotations

import re

import msgspec
import pytest
from playwright.sync_api import Page, expect

from aethergraph.record import facts as f
from jupyter_ext import below
from tests.js.view import View
from tests.story import PROBE, Story


def answers(view: View) -> list[object]:
    return [message["value"] for message in view.sent("answer")]


def ack(view: View, why: str = "") -> None:
    last = view.sent("answer")[-1]
    view.tell({"kind": "ack", "token": last["token"], "answer_id": last["answer_id"], "why": why})


def die(page: Page) -> None:
    """The kernel is gone, as sending shows, once the views have greeted it."""
    views = page.locator(".aether").count()
    page.wait_for_function("(n) => window.sent.filter((one) => one.kind === 'ready').length === n", arg=3 * views)
    page.evaluate("window.dead = true")


def test_boxes_say_name_status_and_result(page: Page) -> None:
    story = Story()
    load = story.tool("load", rows=3)
    view = View(page, story)
    expect(page.get_by_role("button", name="load: done, 0.0 s \u00b7 3")).to_be_visible()
    fit = story.node("fit", load)
    view.play()
    expect(page.get_by_role("button", name="fit: running")).to_be_visible()
    story.fail(fit, "no such key")
    view.play()
    expect(page.get_by_role("button", name=re.compile("fit: failed, KeyError"))).to_be_visible()
    expect(page.locator(".edge")).to_have_count(1)
    expect(page.locator(".head")).to_contain_text("1 of 2 \u00b7 1 failed")


def test_the_head_says_how_the_run_is(page: Page) -> None:
    story = Story()
    view = View(page, story)
    expect(page.locator(".pill")).to_have_text("running")
    asked = story.ask("Which?")
    view.play()
    expect(page.locator(".pill")).to_have_text("waiting for you")
    story.answer(asked, "a")
    story.end()
    view.play()
    expect(page.locator(".pill")).to_have_text("done")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()


@pytest.mark.parametrize("kind", ["", f.SESSION])
def test_a_run_that_failed_may_be_tried_again_and_a_session_may_not(page: Page, kind: str) -> None:
    story = Story()
    story.facts[0] = msgspec.structs.replace(story.facts[0], kind=kind)
    view = View(page, story)
    story.put(f.RunFailed(f.Error("builtins", "KeyError", "no such key"), [], story.t))
    view.play()
    expect(page.locator(".pill")).to_have_text("failed")
    expect(page.get_by_role("button", name="Retry")).to_be_visible(visible=not kind)


def test_a_text_answer_is_sent_by_enter_and_kept_until_it_is_acknowledged(page: Page) -> None:
    story = Story()
    asked = story.ask("Under which name?")
    view = View(page, story)
    field = page.get_by_role("textbox", name="Under which name?")
    field.fill("digits")
    field.press("Enter")
    assert answers(view) == ["digits"]
    expect(field).to_have_value("digits")
    expect(page.locator("form.ask")).to_contain_text("sending")
    ack(view)
    expect(page.locator("form.ask")).to_contain_text("thank you")
    story.answer(asked, "digits")
    view.play()
    expect(page.locator("form.ask")).to_have_count(0)
    expect(page.get_by_role("log")).to_contain_text("Under which name?\u2192 digits".replace("\u2192 ", ""))
    assert page.evaluate("localStorage.length") == 0


def test_a_refused_answer_shows_why_and_keeps_the_text(page: Page) -> None:
    story = Story()
    story.ask("Under which name?")
    view = View(page, story)
    field = page.get_by_role("textbox", name="Under which name?")
    field.fill("a b")
    field.press("Enter")
    ack(view, "no spaces")
    expect(page.locator("form.ask")).to_contain_text("no spaces")
    expect(field).to_have_value("a b")
    field.fill("ab")
    page.get_by_role("button", name="Send").click()
    assert answers(view) == ["a b", "ab"]
    first, second = view.sent("answer")
    assert first["answer_id"] != second["answer_id"]


def test_typing_goes_on_while_the_view_changes(page: Page) -> None:
    story = Story()
    story.ask("Under which name?")
    view = View(page, story)
    field = page.get_by_role("textbox", name="Under which name?")
    field.click()
    for letter in "digits":
        page.keyboard.type(letter)
        story.tool(f"step_{letter}")
        story.printed(0, "more\n")
        view.play()
    expect(field).to_be_focused()
    expect(field).to_have_value("digits")


def test_what_was_typed_is_there_again_after_a_reload(page: Page) -> None:
    story = Story()
    story.ask("Under which name?")
    story.ask("Password?", silent=True)
    View(page, story)
    page.get_by_role("textbox", name="Under which name?").fill("half typ")
    page.locator("input[type=password]").fill("secret")
    page.reload()
    View(page, story)
    expect(page.get_by_role("textbox", name="Under which name?")).to_have_value("half typ")
    expect(page.locator("input[type=password]")).to_have_value("")
    assert "secret" not in page.evaluate("JSON.stringify(localStorage)")


def test_what_was_typed_is_there_again_after_the_tab_was_closed(page: Page) -> None:
    story = Story()
    story.ask("Under which name?")
    View(page, story)
    page.get_by_role("textbox", name="Under which name?").fill("half typ")
    later = page.context.new_page()
    later.goto(page.url)
    View(later, story)
    expect(later.get_by_role("textbox", name="Under which name?")).to_have_value("half typ")
    later.close()


def test_a_draft_of_long_ago_is_let_go_of(page: Page) -> None:
    page.evaluate("""() => {
        localStorage.setItem("aether:old", JSON.stringify({ at: Date.now() - 31 * 24 * 3600e3, value: "a" }));
        localStorage.setItem("aether:odd", "{");
        localStorage.setItem("aether:new", JSON.stringify({ at: Date.now() - 29 * 24 * 3600e3, value: "b" }));
        localStorage.setItem("theirs", "{");
    }""")
    View(page, Story())
    assert sorted(page.evaluate("Object.keys(localStorage)")) == ["aether:new", "theirs"]


LATE = "Nothing has come back yet: the kernel is busy or gone. The answer is kept and sent on"


def test_an_answer_is_sent_on_as_long_as_the_view_lives(page: Page) -> None:
    page.clock.install()
    story = Story()
    story.ask("Under which name?")
    view = View(page, story)
    field = page.get_by_role("textbox", name="Under which name?")
    field.fill("digits")
    field.press("Enter")
    page.clock.run_for(5_900)
    expect(page.locator("form.ask")).to_contain_text("sending")
    page.clock.run_for(1_000)
    expect(page.locator("form.ask")).to_contain_text(LATE)
    expect(page.locator("form.ask")).to_contain_text(f"%aether resume {story.run_id}")
    expect(field).to_have_value("digits")
    soon = len(answers(view))
    page.clock.run_for(3_600_000)
    hour = len(answers(view)) - soon
    assert 50 < hour < 80  # once a minute, in the end
    assert len({message["answer_id"] for message in view.sent("answer")}) == 1
    ack(view)
    expect(page.locator("form.ask")).to_contain_text("thank you")
    said = len(answers(view))
    page.clock.run_for(600_000)
    assert len(answers(view)) == said


def test_an_answer_that_could_not_be_sent_goes_out_at_once_when_the_kernel_is_heard_again(page: Page) -> None:
    page.clock.install()
    story = Story()
    story.ask("Under which name?")
    view = View(page, story)
    die(page)
    field = page.get_by_role("textbox", name="Under which name?")
    field.fill("digits")
    field.press("Enter")
    page.clock.run_for(120_000)
    assert answers(view) == []
    page.evaluate("window.dead = false")
    view.tell({"kind": "heard", "seq": 0})
    assert answers(view) == ["digits"]


def test_while_nothing_comes_back_another_answer_takes_the_place_of_the_first(page: Page) -> None:
    page.clock.install()
    story = Story()
    story.ask("Under which name?")
    view = View(page, story)
    field = page.get_by_role("textbox", name="Under which name?")
    field.fill("digits")
    field.press("Enter")
    page.clock.run_for(10_000)
    first = view.sent("answer")[-1]["answer_id"]
    field.press("Enter")
    assert view.sent("answer")[-1]["answer_id"] == first  # the same answer is the same message
    page.clock.run_for(10_000)
    field.fill("letters")
    field.press("Enter")
    sent = view.sent("answer")[-1]
    assert sent["value"] == "letters" and sent["answer_id"] != first
    page.clock.run_for(60_000)
    assert answers(view)[-1] == "letters"


def test_an_answer_whose_question_is_closed_elsewhere_is_not_sent_any_more(page: Page) -> None:
    page.clock.install()
    story = Story()
    asked = story.ask("Under which name?")
    view = View(page, story)
    field = page.get_by_role("textbox", name="Under which name?")
    field.fill("digits")
    field.press("Enter")
    story.answer(asked, "other")
    view.play()
    said = len(answers(view))
    page.clock.run_for(600_000)
    assert len(answers(view)) == said


def test_a_second_view_shows_that_an_answer_is_under_way(page: Page) -> None:
    page.clock.install()
    story = Story()
    story.ask("Under which name?")
    View(page, story)
    field = page.get_by_role("textbox", name="Under which name?")
    field.fill("digits")
    field.press("Enter")
    page.evaluate("() => void window.show()")
    expect(page.locator("form.ask").nth(1)).to_contain_text("sending")
    page.clock.run_for(10_000)
    expect(page.locator("form.ask").nth(1)).to_contain_text(LATE)


def test_a_view_that_is_closed_says_that_it_could_not_send(page: Page) -> None:
    story = Story()
    story.ask("Under which name?")
    view = View(page, story)
    field = page.get_by_role("textbox", name="Under which name?")
    field.fill("digits")
    field.press("Enter")
    view.tell({"kind": "closed"})
    expect(page.locator("form.ask")).to_contain_text(f"could not send it. Run %aether show {story.run_id}")


def test_a_choice_is_made_with_the_arrow_keys_and_no_key_leaves_the_view(page: Page) -> None:
    story = Story()
    story.ask("Which?", "choice", options=["svm", "forest"])
    view = View(page, story)
    page.evaluate("window.keys = []; document.addEventListener('keydown', (e) => window.keys.push(e.key))")
    page.get_by_role("radio", name="svm").focus()
    page.keyboard.press("x")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="forest")).to_be_checked()
    page.keyboard.press("Enter")
    assert answers(view) == ["forest"]
    page.keyboard.press("Control+s")
    assert page.evaluate("window.keys") == ["Control", "s"] or page.evaluate("window.keys") == ["s"]


def test_nothing_is_sent_without_a_choice(page: Page) -> None:
    story = Story()
    story.ask("Which?", "choice", options=["svm", "forest"])
    view = View(page, story)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("form.ask")).to_contain_text("choose one")
    assert not answers(view)


def test_several_may_be_chosen(page: Page) -> None:
    story = Story()
    story.ask("Which?", "choice", options=["a", "b", "c"], multiple=True)
    view = View(page, story)
    page.get_by_role("checkbox", name="c").check()
    page.get_by_role("checkbox", name="a").check()
    page.get_by_role("button", name="Send").click()
    assert answers(view) == [["a", "c"]]


def test_a_long_list_of_options_is_searched_and_what_is_chosen_stays(page: Page) -> None:
    story = Story()
    story.ask("Where?", "choice", options=[f"place {i}" for i in range(60)])
    view = View(page, story)
    search = page.get_by_role("searchbox", name="Search 60 options")
    expect(page.get_by_role("radio")).to_have_count(60)
    search.fill("PLACE 4")
    expect(page.get_by_role("radio")).to_have_count(11)  # 4, and 40 to 49
    page.get_by_role("radio", name="place 42").check()
    search.fill("place 7")
    expect(page.get_by_role("radio")).to_have_count(2)
    page.get_by_role("button", name="Send").click()
    assert answers(view) == ["place 42"]


def test_a_search_that_finds_one_option_chooses_it_with_enter(page: Page) -> None:
    story = Story()
    story.ask("Where?", "choice", options=[f"place {i}" for i in range(60)])
    view = View(page, story)
    page.get_by_role("searchbox").fill("place 59")
    page.keyboard.press("Enter")
    expect(page.get_by_role("radio", name="place 59")).to_be_checked()
    assert not answers(view)
    page.keyboard.press("Enter")
    assert answers(view) == ["place 59"]


def test_a_long_prompt_and_many_questions_leave_the_view_its_height(page: Page) -> None:
    story = Story()
    story.ask("Please read this. " * 200)
    for i in range(12):
        story.ask(f"Row {i}?")
    View(page, story)
    prompt = page.locator("form.ask p").first
    assert prompt.bounding_box()["height"] <= 220  # type: ignore[index]
    assert page.locator(".asks").bounding_box()["height"] < 620  # type: ignore[index]
    expect(page.locator(".asks")).to_contain_text("13 questions are open")


def test_approval_is_one_press(page: Page) -> None:
    story = Story()
    story.ask("Deploy?", "approval", options=["Approve", "Reject"])
    view = View(page, story)
    page.get_by_role("button", name="Reject").click()
    assert answers(view) == ["Reject"]


def test_a_number_has_its_bounds_and_is_sent_as_a_number(page: Page) -> None:
    story = Story()
    story.ask("How many?", "number", min=1, max=9, step=2)
    view = View(page, story)
    field = page.get_by_role("spinbutton")
    assert [field.get_attribute(name) for name in ("min", "max", "step")] == ["1", "9", "2"]
    page.get_by_role("button", name="Send").click()
    expect(page.locator("form.ask")).to_contain_text("a number is needed")
    field.fill("5")
    field.press("Enter")
    assert answers(view) == [5]


def test_a_question_takes_the_focus_only_where_nobody_is_typing(page: Page) -> None:
    story = Story()
    view = View(page, story)
    page.evaluate("document.body.append(Object.assign(document.createElement('textarea'), { id: 'cell' }))")
    page.locator("#cell").focus()
    first = story.ask("First?")
    view.play()
    expect(page.locator("#cell")).to_be_focused()
    page.evaluate("document.activeElement.blur()")
    story.answer(first, "a")
    story.ask("Second?")
    view.play()
    expect(page.get_by_role("textbox", name="Second?")).to_be_focused()


def test_the_focus_stays_in_the_view_between_two_questions(page: Page) -> None:
    story = Story()
    first = story.ask("First?")
    view = View(page, story)
    page.get_by_role("textbox", name="First?").press("Enter")
    story.answer(first, "a")
    view.play()
    expect(page.locator(".aether")).to_be_focused()
    story.ask("Second?")
    view.play()
    expect(page.get_by_role("textbox", name="Second?")).to_be_focused()


def test_an_enter_that_ends_a_composition_does_not_send(page: Page) -> None:
    story = Story()
    story.ask("Name?")
    view = View(page, story)
    page.get_by_role("textbox", name="Name?").focus()
    prevented = page.evaluate(
        "!document.activeElement.dispatchEvent(new KeyboardEvent('keydown', "
        "{ key: 'Enter', isComposing: true, bubbles: true, cancelable: true }))"
    )
    assert prevented and not answers(view)


def test_details_show_at_once_what_is_known_and_then_the_rest(page: Page) -> None:
    story = Story()
    load = story.node("load", path="a.csv")
    story.done(load, rows=3)
    view = View(page, story)
    page.get_by_role("button", name="load: done").focus()
    page.keyboard.press("Enter")
    side = page.get_by_role("complementary", name="Details")
    expect(side).to_contain_text("path = 'a.csv'")
    expect(side).to_contain_text("rows = 3")
    assert view.sent("detail") == [{"kind": "detail", "key": load, "no": 0}]
    page.keyboard.press("Escape")
    side = page.get_by_role("complementary", name="Details")
    page.get_by_role("button", name="load: done").click()
    page.get_by_role("button", name="Close details").click()
    expect(page.locator(".side h4")).to_have_count(0)
    expect(page.get_by_role("button", name="load: done")).to_be_focused()


def test_a_busy_kernel_is_named_when_details_do_not_come(page: Page) -> None:
    page.clock.install()
    story = Story()
    story.tool("load", rows=3)
    View(page, story)
    page.get_by_role("button", name="load: done").click()
    page.clock.run_for(2000)
    expect(page.locator(".side")).to_contain_text("The kernel is busy or gone")
    expect(page.locator(".side")).to_contain_text("rows = 3")


def test_code_traceback_and_log_open_in_the_panel(page: Page) -> None:
    from aethergraph.views.scene import scene
    from jupyter_ext.details import detail

    story = Story()
    fit = story.node("fit")
    story.printed(fit, "epoch 1\n")
    story.fail(fit, "no such key")
    view = View(page, story)
    page.get_by_role("button", name="fit: failed").click()
    picture = view.teller.picture
    view.tell(detail(picture, scene(picture).boxes[fit].group, fit, 0, "def fit():\n    return 1\n"))
    for name, text in (("Code", "return 1"), ("Traceback", "Traceback\nKeyError"), ("Log", "epoch 1")):
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.locator(".side pre").first).to_contain_text(text)
    page.get_by_role("button", name="Log", exact=True).click()
    expect(page.locator(".side pre").first).to_be_hidden()


def test_the_details_have_their_width_within_the_styles_of_a_notebook(page: Page) -> None:
    from aethergraph.views.scene import scene
    from jupyter_ext.details import detail

    page.add_style_tag(
        content="""
        .jp-OutputArea-output dt { font-weight: bold; float: left; width: 20%; }
        .jp-OutputArea-output dd { float: left; width: 80%; }"""
    )  # JupyterLab's
    story = Story()
    load = story.tool("load", rows=3)
    view = View(page, story)
    page.get_by_role("button", name="load: done").click()
    picture = view.teller.picture
    view.tell(detail(picture, scene(picture).boxes[load].group, load, 0, ""))
    sizes = "(list) => [list, list.querySelector('dt'), list.querySelector('dd')].map((e) => e.getBoundingClientRect())"
    whole, term, value = page.locator(".side dl").evaluate(sizes)
    assert term["width"] == 58 and abs(value["right"] - whole["right"]) < 1


def test_a_folded_box_opens_as_a_grid_of_its_members(page: Page) -> None:
    from aethergraph.views.scene import scene
    from jupyter_ext.details import detail

    story = Story()
    trials = [story.node("trial") for _ in range(9)]
    story.fail(trials[4], "bad seed")
    view = View(page, story)
    page.get_by_role("button", name=re.compile("trial \u00d79")).click()
    picture = view.teller.picture
    view.tell(detail(picture, scene(picture).boxes[trials[0]].group, trials[0], 0, ""))
    expect(page.locator(".members button")).to_have_count(9)
    page.get_by_role("button", name="trial-5: failed").click()
    assert view.sent("detail")[-1] == {"kind": "detail", "key": trials[0], "no": trials[4]}


def test_stop_needs_a_second_press(page: Page) -> None:
    page.clock.install()
    view = View(page, Story())
    page.get_by_role("button", name="Stop").click()
    page.clock.run_for(5000)
    page.get_by_role("button", name="Stop", exact=True).click()
    assert not view.sent("stop")
    page.get_by_role("button", name="Stop for good?").click()
    assert view.sent("stop") == [{"kind": "stop"}]


def test_a_missed_patch_asks_for_a_snapshot_and_an_old_one_is_ignored(page: Page) -> None:
    story = Story()
    view = View(page, story)
    story.tool("lost")
    view.patch()
    story.tool("late")
    view.tell(view.patch())
    assert view.sent("sync") == [{"kind": "sync"}]
    expect(page.get_by_role("button", name="late: done")).to_have_count(0)
    view.tell({"kind": "snap", "snap": view.snapshot()})
    expect(page.get_by_role("button", name="lost: done")).to_be_visible()
    view.tell({"kind": "patch", "seq": 1, "head": {}, "faces": {}})
    expect(page.locator(".name")).to_have_text("study")


def test_a_silent_kernel_is_asked_and_then_called_busy_or_gone_until_it_is_heard(page: Page) -> None:
    page.clock.install()
    story = Story()
    story.ask("Name?")
    view = View(page, story)
    page.clock.run_for(12_000)
    assert len(view.sent("ping")) == 1
    view.tell({"kind": "heard"})
    page.clock.run_for(5_000)
    note = page.locator(".note")
    expect(note).to_be_hidden()
    page.clock.run_for(25_000)
    assert len(view.sent("ping")) == 2
    expect(note).to_contain_text("does not answer: it is busy, or gone")
    expect(note).to_contain_text(f"%load_ext aethergraph%aether resume {story.run_id}")
    expect(page.get_by_role("button", name="Resume")).to_have_count(0)  # there is nobody to do it
    stopped = page.locator(".time").first.inner_text()
    page.clock.run_for(5_000)
    assert page.locator(".time").first.inner_text() == stopped
    view.tell({"kind": "heard"})
    expect(note).to_be_hidden()


def test_a_kernel_that_the_front_end_calls_gone_is_gone(page: Page) -> None:
    page.clock.install()
    story = Story()
    story.tool("load")
    View(page, story)
    page.evaluate("document.querySelector('.aether').parentElement.classList.add('jupyter-widgets-disconnected')")
    page.clock.run_for(1_500)
    expect(page.locator(".pill")).to_have_text("kernel gone")
    expect(page.locator(".note")).to_contain_text("The kernel is gone. Go on in a new one with")
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()


def test_what_is_asked_of_a_kernel_that_is_gone_says_so_at_once_and_keeps_what_is_typed(page: Page) -> None:
    page.clock.install()
    story = Story()
    load = story.tool("load")
    story.ask("Under which name?")
    story.ask("Go on?", "approval", options=["yes", "no"])
    view = View(page, story)
    page.evaluate("() => void window.show()")
    die(page)
    forms, name = page.locator("form.ask"), page.get_by_role("textbox", name="Under which name?").first
    name.fill("digits")
    name.press("Enter")
    for pill in page.locator(".pill").all():  # of both views
        expect(pill).to_have_text("kernel gone")
    for form in forms.all():
        expect(form).to_contain_text("The kernel is gone. What is typed here is kept.")
        expect(form).to_contain_text(f"To answer, run %aether resume {story.run_id}")
        for button in form.get_by_role("button").all():
            expect(button).to_be_disabled()
    for stop in page.get_by_role("button", name="Stop").all():
        expect(stop).to_be_disabled()
    name.press_sequentially(" of mine")
    expect(name).to_have_value("digits of mine")
    expect(forms.first).to_contain_text("The kernel is gone.")
    page.get_by_role("button", name=re.compile("^load: done")).first.click()
    expect(page.get_by_role("complementary", name="Details").first).to_contain_text("The kernel is gone: this is what")
    page.clock.run_for(60_000)
    expect(page.locator(".pill").first).to_have_text("kernel gone")  # and no less sure of it later
    page.evaluate("window.dead = false")
    view.tell({"kind": "heard", "seq": 0})
    expect(page.locator(".pill").first).to_have_text("waiting for you")
    expect(page.get_by_role("button", name="Stop").first).to_be_enabled()
    expect(forms.nth(1).get_by_role("button", name="yes")).to_be_enabled()
    assert answers(view) == ["digits"] and load


def test_an_answer_that_is_never_shown_is_not_called_kept(page: Page) -> None:
    story = Story()
    story.ask("Key?", silent=True)
    View(page, story)
    die(page)
    field = page.get_by_role("textbox", name="Key?")
    field.fill("secret")
    field.press("Enter")
    said = f"The kernel is gone. To answer, run %aether resume {story.run_id}"
    expect(page.locator("form.ask .message")).to_have_text(said)


def test_a_stop_that_cannot_be_sent_says_why(page: Page) -> None:
    View(page, Story())
    die(page)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Stop for good?").click()
    expect(page.locator(".note")).to_contain_text("The kernel is gone.")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_disabled()  # and not "stopping…"


@pytest.mark.parametrize(
    ("kind", "failed", "does"), [("", False, "show"), ("", True, "resume"), (f.SESSION, True, "show")]
)
def test_a_run_that_is_over_tells_of_its_kernel_when_something_is_asked_of_it(
    page: Page, kind: str, failed: bool, does: str
) -> None:
    page.clock.install()
    story = Story()
    story.facts[0] = msgspec.structs.replace(story.facts[0], kind=kind)
    load = story.tool("load")
    story.save(load, "curve.png", digest="cd" * 32)
    story.save(load, "scores.csv", digest="ef" * 32, mime="text/csv", preview="name,loss\na,1\n")
    if failed:
        story.put(f.RunFailed(f.Error("builtins", "KeyError", "no such key"), [], story.t))
    else:
        story.end()
    view = View(page, story)
    die(page)
    page.evaluate("window.others.comm_live_update.forEach((call) => call())")
    page.clock.run_for(60_000)
    note, tab = page.locator(".note"), page.locator(".artifacts")
    expect(note.get_by_text("The kernel is gone.")).to_have_count(0)
    page.get_by_role("tab", name="Artifacts 2").click()
    expect(tab.locator(".saved").first).to_contain_text("The kernel is gone.")
    tab.get_by_role("button", name="scores.csv").click()
    expect(tab.locator(".saved").last).to_contain_text("The kernel is gone.")
    expect(tab.get_by_role("cell", name="a", exact=True)).to_be_visible()  # the head of the table stays
    expect(note).to_contain_text("The kernel is gone.")
    expect(note).to_contain_text(f"%load_ext aethergraph%aether {does} {story.run_id}")
    expect(page.locator(".pill")).to_have_text("failed" if failed else "done")
    page.evaluate("window.dead = false")
    tab.get_by_role("button", name="curve.png").click()
    assert view.sent("bytes") == [{"kind": "bytes", "digest": "cd" * 32}]  # it is asked for again


def test_a_picture_on_its_way_from_a_kernel_that_dies_is_given_up(page: Page) -> None:
    page.clock.install()
    story = Story()
    story.note(story.node("plot"), "figure", png="cd" * 32)
    view = View(page, story)
    assert len(view.sent("bytes")) == 1
    die(page)
    page.evaluate("window.others.comm_live_update.forEach((call) => call())")
    expect(page.get_by_role("log")).to_contain_text("The kernel is gone.")


def test_the_tabs_stay_where_they_are_when_the_run_ends(page: Page) -> None:
    story = Story()
    story.tool("load")
    view = View(page, story)
    tab, stop = page.get_by_role("tab", name="Timeline"), page.get_by_role("button", name="Stop")
    before = tab.bounding_box()
    stop.click()
    assert tab.bounding_box() == before  # what the button says is longer now
    story.end()
    view.play()
    expect(page.locator(".pill")).to_have_text("done")
    expect(stop).to_be_hidden()
    assert tab.bounding_box() == before


def test_a_restart_is_asked_about_at_once(page: Page) -> None:
    page.clock.install()
    view = View(page, Story())
    page.evaluate("window.others.comm_live_update.forEach((call) => call())")
    assert len(view.sent("ping")) == 1


def test_a_paused_run_is_resumed_by_a_press(page: Page) -> None:
    story = Story()
    story.tool("load")
    story.put(f.RunPaused("it was interrupted", story.t))
    view = View(page, story)
    expect(page.locator(".note")).to_contain_text("Paused: it was interrupted. Go on with")
    button = page.get_by_role("button", name="Resume")
    button.click()
    assert view.sent("resume") == [{"kind": "resume"}]
    expect(page.locator(".note")).to_contain_text("resuming")
    view.tell({"kind": "told", "about": "resume", "said": "RunIsLive: another process runs it", "bad": True})
    expect(page.locator(".note .bad")).to_have_text("RunIsLive: another process runs it")
    expect(button).to_be_enabled()


def test_a_run_that_used_up_its_budget_says_what_to_type_and_has_nothing_to_press(page: Page) -> None:
    story = Story()
    story.tool("load")
    story.put(f.RunPaused("its budget is used up: 5 of 5 seconds at work", story.t))
    View(page, story)
    note = page.locator(".note")
    expect(note).to_contain_text("Paused: its budget is used up: 5 of 5 seconds at work. Go on with")
    expect(note.locator("code")).to_have_text(f"%aether resume {story.run_id} --budget SECONDS")
    expect(note.get_by_role("button")).to_have_count(0)


def test_a_node_is_forked_from_its_details(page: Page) -> None:
    from aethergraph.views.scene import scene
    from jupyter_ext.details import detail

    story = Story()
    load = story.tool("load", rows=3)
    view = View(page, story)
    page.get_by_role("button", name="load: done").click()
    picture = view.teller.picture
    view.tell(detail(picture, scene(picture).boxes[load].group, load, 0, "def load(): pass"))
    side = page.get_by_role("complementary", name="Details")
    side.get_by_role("button", name="Fork here").click()
    assert view.sent("fork") == [{"kind": "fork", "no": load}]
    expect(side).to_contain_text("forking")
    view.tell({"kind": "told", "about": "fork", "said": "study-b is shown below", "bad": False})
    expect(side).to_contain_text("study-b is shown below")


def test_code_gets_room_beside_the_graph(page: Page) -> None:
    from aethergraph.views.scene import scene
    from jupyter_ext.details import detail

    story = Story()
    load = story.tool("load")
    view = View(page, story)
    page.get_by_role("button", name="load: done").click()
    picture = view.teller.picture
    view.tell(detail(picture, scene(picture).boxes[load].group, load, 0, "def load(): pass"))
    side = page.get_by_role("complementary", name="Details")
    narrow = side.bounding_box()
    side.get_by_role("button", name="Code").click()
    wide = side.bounding_box()
    side.get_by_role("button", name="Code").click()
    assert narrow and wide and wide["width"] > 1.5 * narrow["width"]
    assert side.bounding_box() == narrow


def test_the_graph_follows_what_runs_until_somebody_scrolls_away(page: Page) -> None:
    story = Story()
    last = story.tool("step_0")
    view = View(page, story)

    def on(count: int) -> None:
        nonlocal last
        for i in range(count):
            last = story.tool(f"step_{last}_{i}", last)
        view.play()

    def seen(no: int) -> bool:
        return bool(
            page.evaluate(
                """async (key) => {
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                const pane = document.querySelector(".pane").getBoundingClientRect();
                const box = document.querySelector(`.node[data-key="${key}"]`).getBoundingClientRect();
                return box.left >= pane.left && box.right <= pane.right; }""",
                no,
            )
        )

    on(20)
    assert seen(last)
    on(5)
    assert seen(last)
    page.evaluate("document.querySelector('.pane').scrollLeft = 0")
    assert not seen(last)
    on(5)
    assert not seen(last)
    page.get_by_role("button", name="Fit").click()
    assert seen(1) and seen(last)
    page.get_by_role("button", name="Full size").click()
    assert seen(last)


def test_a_view_that_loaded_late_asks_for_what_it_missed(page: Page) -> None:
    story = Story()
    view = View(page, story)
    view.tell({"kind": "heard", "seq": 0})
    assert not view.sent("sync")
    view.tell({"kind": "heard", "seq": 1})
    assert len(view.sent("sync")) == 1


def test_the_graph_may_be_fitted_only_where_it_has_no_room(page: Page) -> None:
    story = Story()
    last = story.tool("step_0")
    for i in range(6):
        last = story.tool(f"step_{i + 1}", last)
    View(page, story)
    fit = page.get_by_role("button", name="Fit", exact=True)
    expect(fit).to_be_hidden()
    page.set_viewport_size({"width": 400, "height": 800})
    expect(fit).to_be_visible()
    page.set_viewport_size({"width": 1000, "height": 800})
    expect(fit).to_be_hidden()


def test_two_views_of_a_run_show_the_same_and_one_that_goes_takes_its_work_along(page: Page) -> None:
    story = Story()
    view = View(page, story)
    page.evaluate("() => void window.show()")
    assert page.evaluate("window.listeners.length") == 1
    story.tool("load")
    view.play()
    expect(page.get_by_role("button", name="load: done")).to_have_count(2)
    page.evaluate("() => window.hide()")
    story.tool("fit")
    view.play()
    expect(page.get_by_role("button", name="fit: done")).to_have_count(1)


def test_the_view_greets_the_kernel_three_times(page: Page) -> None:
    page.clock.install()
    view = View(page, Story())
    page.clock.run_for(1000)
    assert len(view.sent("ready")) == 3


def test_a_live_view_hides_its_own_static_copy_and_no_other_and_a_closed_one_shows_it(page: Page) -> None:
    story = Story()
    view = View(page, story)
    page.evaluate(
        """(id) => {
          const copy = (text) => Object.assign(document.createElement("div"),
            { className: "jp-OutputArea-child", innerHTML: `<div data-run-id="${id}">${text}</div>` });
          document.body.prepend(copy("one above"));
          document.body.append("a print", copy("its own"), copy("the result of the cell"));
          const other = document.createElement("div");
          other.append(copy("one of another cell"));
          document.body.append(other);
        }""",
        story.run_id,
    )
    expect(page.get_by_text("its own")).to_be_hidden()
    for text in ("one above", "the result of the cell", "one of another cell"):
        expect(page.get_by_text(text)).to_be_visible()
    view.tell({"kind": "closed"})
    expect(page.get_by_text("its own")).to_be_visible()


def test_plots_draw_a_line_for_each_track_and_a_timeline_a_bar_for_each_box(page: Page) -> None:
    story = Story()
    fit = story.node("fit")
    for step in range(5):
        story.wait(1)
        for model in ("svm", "mlp"):
            story.point(fit, f"loss/{model}", step, 1 / (step + 1))
    view = View(page, story)
    page.get_by_role("tab", name="Plots 1").click()
    expect(page.get_by_role("img", name="plot of loss: 2 lines").locator("canvas")).to_be_visible()
    expect(page.locator(".legend")).to_contain_text("svm0.2")
    story.point(fit, "loss/svm", 5, 0.1)
    view.play()
    expect(page.locator(".legend")).to_contain_text("svm0.1")
    page.get_by_role("tab", name="Timeline").click()
    expect(page.locator(".timeline .row")).to_have_count(1)
    expect(page.locator(".graph")).to_be_hidden()


def test_a_row_of_the_timeline_keeps_the_focus_while_the_run_goes_on(page: Page) -> None:
    page.clock.install()
    story = Story()
    story.node("load")
    view = View(page, story)
    page.get_by_role("tab", name="Timeline").click()
    row = page.get_by_role("button", name=re.compile("^load: running"))
    row.focus()
    page.clock.run_for(3_000)
    story.tool("fit")
    view.play()
    expect(page.locator(".timeline .row")).to_have_count(2)
    expect(row).to_be_focused()


def test_each_tab_names_its_panel(page: Page) -> None:
    story = Story()
    story.tool("load")
    View(page, story)
    expect(page.get_by_role("tabpanel", name="Graph")).to_be_visible()
    page.get_by_role("tab", name="Timeline").click()
    expect(page.get_by_role("tabpanel", name="Timeline")).to_be_visible()
    expect(page.get_by_role("tabpanel")).to_have_count(1)


def test_pictures_are_asked_for_once_and_shown(page: Page) -> None:
    story = Story()
    no = story.node("plot")
    story.note(no, "figure", png="cd" * 32)
    story.note(no, "figure", png="cd" * 32)
    view = View(page, story)
    assert view.sent("bytes") == [{"kind": "bytes", "digest": "cd" * 32}]
    page.evaluate(
        """(digest) => window.tell({ kind: "bytes", digest, mime: "image/png", why: "" },
        [new DataView(new Uint8Array([137, 80, 78, 71]).buffer)])""",
        "cd" * 32,
    )
    expect(page.locator(".talk img")).to_have_count(2)


def test_a_retried_node_says_which_attempt_of_how_many(page: Page) -> None:
    story = Story()
    fit = story.node("fit")
    story.attempt_failed(fit, 1, most=3)
    view = View(page, story)
    expect(page.get_by_role("button", name="fit: running, attempt 2 of 3")).to_be_visible()
    story.put(f.NodeDone(fit, True, b"", story.t, attempt=2))
    view.play()
    page.get_by_role("button", name="fit: done").click()
    expect(page.locator(".side .state")).to_have_text("done in 0.0 s \u00b7 attempt 2 of 3")


def test_an_open_question_says_how_long_it_has_been_open_and_ticks(page: Page) -> None:
    page.clock.install()
    story = Story()
    story.ask("Which?")
    story.wait(70)
    story.open(2)  # an hour later, say: nobody had the run open meanwhile
    view = View(page, story)
    box = page.get_by_role("button", name="ask: Which?: waiting for you", exact=True)
    expect(box.locator(".sub")).to_have_text("open for 1:10")
    page.clock.run_for(12_000)
    expect(box.locator(".sub")).to_have_text("open for 1:22")
    story.wait(20)
    story.tool("load")
    view.play()
    expect(box.locator(".sub")).to_have_text("open for 1:30")
    page.clock.run_for(1_500)
    expect(box.locator(".sub")).to_have_text("open for 1:31")


def test_a_form_whose_question_is_asked_in_the_input_line_is_disabled_and_says_so(page: Page) -> None:
    page.clock.install()
    story = Story()
    no = story.ask("Under which name?")
    view = View(page, story)
    field, form = page.get_by_role("textbox", name="Under which name?"), page.locator("form.ask")
    field.fill("half typ")
    with below.asked_below(f"token-{no}"):
        view.teller.renew_asks = True
        view.play()
        expect(form).to_contain_text("asked in the input line below the cell")
        expect(field).to_be_disabled()
        expect(form.get_by_role("button", name="Send")).to_be_disabled()
        page.evaluate("() => void window.show()")
        expect(form.nth(1)).to_contain_text("asked in the input line below the cell")
        expect(form.nth(1).get_by_role("textbox")).to_be_disabled()
    view.teller.renew_asks = True
    view.play()
    expect(field.first).to_be_enabled()
    expect(field.first).to_have_value("half typ")
    expect(form.first).to_contain_text("or press Enter")
    field.first.press("Enter")
    assert answers(view) == ["half typ"]


def test_an_answer_under_way_does_not_enable_a_form_that_cannot_be_heard(page: Page) -> None:
    page.clock.install()
    story = Story()
    no = story.ask("Under which name?")
    view = View(page, story)
    field, form = page.get_by_role("textbox", name="Under which name?"), page.locator("form.ask")
    field.fill("digits")
    field.press("Enter")
    with below.asked_below(f"token-{no}"):
        view.teller.renew_asks = True
        view.play()
        page.clock.run_for(20_000)
        expect(form).to_contain_text("asked in the input line below the cell")
        expect(form.get_by_role("button", name="Send")).to_be_disabled()
    view.teller.renew_asks = True
    view.play()
    expect(form).to_contain_text(LATE)


def test_a_run_that_goes_on_in_a_new_one_goes_on_in_the_same_view(page: Page) -> None:
    story = Story()
    story.tool("load", rows=3)
    story.say("hello from the first")
    story.point(1, "loss", 0, 1.0)
    first = story.ask("Name?")
    view = View(page, story)
    page.get_by_role("textbox", name="Name?").fill("half typ")
    page.get_by_role("tab", name="Plots 1").click()
    story.answer(first, "Ada")
    after = story.successor(2)
    after.tool("prepare")  # so that its question has another token
    after.tool("fit")
    after.point(1, "speed", 0, 2.0)
    after.say("hello from the second")
    after.ask("And now?")
    page.evaluate(
        """([first, second]) => { const o = document.createElement("div"); o.className = "jp-OutputArea-child";
        o.innerHTML = `<div data-run-id="${first}">the copy</div>`; document.body.append(o); }""",
        [story.run_id, after.run_id],
    )
    view.turn_to(after)
    expect(page.locator(".aether")).to_have_count(1)
    expect(page.locator(".aether")).to_have_attribute("data-run", after.run_id)
    expect(page.locator(".head")).to_contain_text(f"{after.run_id}generation 2")
    expect(page.locator(".talk")).to_contain_text("hello from the second")
    expect(page.locator(".talk")).not_to_contain_text("hello from the first")
    expect(page.get_by_role("tab", name="Plots 1")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("img", name="plot of speed")).to_be_visible()
    expect(page.get_by_text("the copy")).to_be_hidden()
    page.get_by_role("textbox", name="And now?").press_sequentially("yes")
    page.keyboard.press("Enter")
    assert answers(view) == ["yes"]
    assert page.evaluate("Object.keys(localStorage).length") == 1  # of the question that is open
    page.get_by_role("tab", name="Graph").click()
    after.tool("later")
    view.play()
    expect(page.locator("g.node")).to_have_count(4)
    page.evaluate("() => window.hide()")
    after.tool("last")
    view.play()


@pytest.mark.parametrize("tab", ["Graph", "Timeline", "Plots", "Artifacts"])
def test_markup_is_text_in_every_part(page: Page, tab: str) -> None:
    from aethergraph.views.scene import scene
    from jupyter_ext.details import detail

    story = Story(name=PROBE, run_id="study-7f3ka")
    load = story.node("load" + PROBE, x=PROBE)
    story.printed(load, PROBE)
    story.fail(load, PROBE)
    story.say(PROBE)
    story.save(load, PROBE, mime=PROBE)
    for step in range(3):
        story.point(load, f"{PROBE}/{PROBE}", step, step)
    story.ask(PROBE, "choice", options=[PROBE, "b"])
    story.ask(PROBE, "approval", options=[PROBE, "b"])
    story.ask("d " + PROBE, has_default=True, default=PROBE)
    view = View(page, story)
    page.locator("g.node").first.click()
    picture = view.teller.picture
    view.tell(detail(picture, scene(picture).boxes[load].group, load, 0, "def f(): pass"))
    page.get_by_role("button", name="Log", exact=True).click()
    view.tell({"kind": "ack", "token": "token-2", "answer_id": "x", "why": PROBE})
    page.get_by_role("tab", name=re.compile(tab)).click()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate("window.hit") is None
    assert page.locator(".aether script, .aether img").count() == 0
    expect(page.locator(".talk")).to_contain_text("<img src=x")


def test_dark_and_light_differ_and_text_can_be_read(page: Page) -> None:
    story = Story()
    story.tool("load", rows=3)
    View(page, story)
    light = page.evaluate("getComputedStyle(document.querySelector('.node .ground')).fill")
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    assert page.evaluate("getComputedStyle(document.querySelector('.node .ground')).fill") != light


def test_what_was_saved_shows_its_head_in_the_tab_and_in_the_panel(page: Page) -> None:
    from aethergraph.views.scene import scene
    from jupyter_ext.details import detail

    story = Story()
    load = story.tool("load")
    table = "name,loss\n" + "".join(f"model {n},{n / 8}\n" for n in range(9))
    story.save(load, "scores.csv", mime="text/csv", preview=table, rows=9, metrics={"loss": 0.125}, tags=["final"])
    story.save(load, "notes.md", mime="text/markdown", preview="# A title\nand more")
    story.save(load, "curve.png", digest="cd" * 32)
    view = View(page, story)
    assert view.sent("bytes") == [], "a picture is sent for once it is seen"
    page.get_by_role("tab", name="Artifacts 3").click()
    tab = page.locator(".artifacts")
    expect(tab.get_by_role("row")).to_have_count(6)
    expect(tab.get_by_role("columnheader", name="loss")).to_be_visible()
    expect(tab.get_by_role("cell", name="model 4")).to_be_visible()
    expect(tab.get_by_text("4 more rows")).to_be_visible()
    sides = "(cells) => cells.map((cell) => getComputedStyle(cell).textAlign)"
    assert tab.locator("tr").nth(1).locator("td").evaluate_all(sides) == ["left", "right"]
    expect(tab).to_contain_text("figure \u00b7 4.1 kB \u00b7 loss 0.125")
    expect(tab.locator(".tag")).to_have_text(["final"])
    expect(tab.locator("pre")).to_have_text("# A title\nand more")
    page.wait_for_function("() => window.sent.some((message) => message.kind === 'bytes')")
    assert [message["digest"] for message in view.sent("bytes")] == ["cd" * 32]
    story.save(load, "more.txt", mime="text/plain", preview="more")
    page.evaluate("() => { document.querySelector('.artifacts .saved').marked = true; }")
    view.play()
    expect(tab.locator(".saved")).to_have_count(4)
    assert page.evaluate("() => document.querySelector('.artifacts .saved').marked"), "what stays is not drawn again"
    page.get_by_role("tab", name="Graph").click()
    page.locator("g.node").first.click()
    view.tell(detail(view.teller.picture, scene(view.teller.picture).boxes[load].group, load, 0, "def f(): pass"))
    expect(page.locator(".side").get_by_role("cell", name="model 4")).to_be_visible()
