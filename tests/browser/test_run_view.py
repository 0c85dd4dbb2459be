"""A run under its cell: seen, answered, killed, resumed, saved and read again."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from .agents import BUSY, CHAIN, GATE, LOAD, SAVED, SURVEY, TITLE, lines
from .lab import Lab
from .view import STATIC, RunView, static_copy


def test_boxes_change_as_the_run_goes_on(lab: Lab) -> None:
    with lab.open([LOAD, SURVEY, GATE, "await gated()"], kernel="new") as notebook:
        notebook.do(0, 1, 2)
        notebook.run(3)
        view = RunView(notebook, 3)
        view.expect_node("load", "done")
        view.expect_node("gate", "running")
        view.expect_status("running")
        (notebook.path.parent / "go").touch()
        view.expect_node("gate", "done")
        view.expect_status("waiting for you")
        view.question("Go on?").get_by_role("button", name="Approve").click()
        notebook.finish(3)
        view.expect_status("done")


def test_questions_are_answered_with_the_mouse_and_with_the_keyboard(lab: Lab) -> None:
    with lab.open([LOAD, SURVEY, "out = await survey()\nout.text"], kernel="new") as notebook:
        notebook.do(0, 1)
        notebook.run(2)
        view = RunView(notebook, 2)
        view.choose("Which row shall I keep?", "2")
        view.answer("What is the title?", "Thésis 日本")
        assert "Thésis 日本: 2 of [1, 2, 3]" in notebook.finish(2)
        expect(view.transcript()).to_contain_text("sorted [1, 2, 3]")
        expect(view.transcript()).to_contain_text("Thésis 日本")


def test_a_choice_is_made_with_the_keyboard_alone(lab: Lab) -> None:
    with lab.open([LOAD, SURVEY, "out = await survey()\nout.text"], kernel="new") as notebook:
        notebook.do(0, 1)
        notebook.run(2)
        view = RunView(notebook, 2)
        view.question("Which row shall I keep?").get_by_role("radio").first.focus()
        notebook.page.keyboard.press("Space")
        notebook.page.keyboard.press("ArrowDown")
        notebook.page.keyboard.press("Enter")
        view.answer("What is the title?", "T")
        assert "T: 2 of" in notebook.finish(2)


def test_the_notebooks_shortcuts_do_not_reach_into_the_view(lab: Lab) -> None:
    with lab.open([LOAD, SURVEY, "await survey()"], kernel="new") as notebook:
        notebook.do(0, 1)
        notebook.run(2)
        view = RunView(notebook, 2)
        view.question("Which row shall I keep?").get_by_role("radio").first.focus()
        for key in "xabvzdd":  # cut, insert above and below, paste, undo, delete
            notebook.page.keyboard.press(key)
        view.node("load").focus()
        for key in "xdd":
            notebook.page.keyboard.press(key)
        assert notebook.cell_count() == 3
        view.choose("Which row shall I keep?", "1")
        view.answer("What is the title?", "dd xx")
        notebook.finish(2)
        assert notebook.cell_count() == 3


def test_typing_is_not_disturbed_by_a_busy_run(lab: Lab) -> None:
    with lab.open([LOAD, SURVEY, BUSY, "out = await distracted()\nout.name"], kernel="new") as notebook:
        notebook.do(0, 1, 2)
        notebook.run(3)
        view = RunView(notebook, 3)
        field = view.question("What is your name?").get_by_role("textbox")
        field.click()
        field.evaluate("(field) => { field.dataset.mine = 'the same element' }")
        field.press_sequentially("Ada Lovlace", delay=60)
        for _ in range(4):
            notebook.page.keyboard.press("ArrowLeft")
        notebook.page.keyboard.type("e")
        expect(field).to_be_focused()
        assert field.input_value() == "Ada Lovelace"
        assert field.evaluate("(field) => [field.dataset.mine, field.selectionStart]") == ["the same element", 8]
        notebook.page.keyboard.press("Enter")
        (notebook.path.parent / "enough").touch()
        assert "Ada Lovelace" in notebook.finish(3)


def test_a_clicked_box_shows_what_went_in_and_what_came_out(lab: Lab) -> None:
    with lab.open([LOAD, SURVEY, "await survey()"], kernel="new") as notebook:
        notebook.do(0, 1)
        notebook.run(2)
        view = RunView(notebook, 2)
        view.expect_node("order", "done")
        view.node("order").click()
        expect(view.panel()).to_contain_text("[3, 1, 2]")
        expect(view.panel()).to_contain_text("[1, 2, 3]")


def test_the_stop_button_ends_the_run_for_good(lab: Lab) -> None:
    with lab.open([LOAD, SURVEY, "h = start(survey)", "h.status.value"], kernel="new") as notebook:
        notebook.do(0, 1, 2)
        view = RunView(notebook, 2)
        expect(view.question("Which row shall I keep?")).to_be_visible()
        view.stop()
        view.expect_status("cancelled")
        expect(view.question("Which row shall I keep?")).to_have_count(0)
        assert "cancelled" in notebook.do(3)


def test_an_interrupted_run_goes_on_in_its_view_and_a_fork_of_it_appears_below(lab: Lab) -> None:
    with lab.open([LOAD, SURVEY + TITLE, "await titled()"], kernel="new") as notebook:
        notebook.do(0, 1)
        notebook.run(2)
        view = RunView(notebook, 2)
        expect(view.question("What is the title?")).to_be_visible()
        notebook.interrupt_kernel()
        notebook.finish(2)
        expect(notebook.cell(2)).to_contain_text("is paused (it was interrupted); go on with `%aether resume titled-")
        view.root.get_by_role("button", name="Resume").click()
        view.expect_status("waiting for you")
        view.expect_node("load", "reused")
        view.node("load").click()
        view.panel().get_by_role("button", name="Fork here").click()
        expect(view.panel()).to_contain_text("is shown below")
        fork = notebook.cell(2).locator(".aether").nth(1)
        expect(fork.locator(".name")).to_contain_text("fork of titled-")
        fork.get_by_role("textbox").fill("Forked")
        fork.get_by_role("textbox").press("Enter")
        expect(fork.locator(".pill")).to_contain_text("done")
        view.answer("What is the title?", "Mine")
        view.expect_status("done")
        assert lines(notebook.path.parent) == ["load", "load"]


def test_a_run_that_goes_on_in_new_ones_goes_on_in_the_same_view(lab: Lab) -> None:
    cells = [LOAD, SURVEY + CHAIN, "h = start(talk, run_id='chat')\n(await h)['said']"]
    with lab.open(cells, kernel="new") as notebook:
        notebook.do(0, 1)
        notebook.run(2)
        view = RunView(notebook, 2)
        expect(view.root.locator(".head")).not_to_contain_text("generation")
        view.type("Line 1?", "hello")
        notebook.page.keyboard.press("Enter")
        expect(view.root.locator(".head")).to_contain_text("chat.2generation 2")
        field = view.question("Line 2?").get_by_role("textbox")
        expect(field).to_be_focused()  # whoever types goes on typing
        notebook.page.keyboard.type("again")
        notebook.page.keyboard.press("Enter")
        expect(view.question("Line 3?").get_by_role("textbox")).to_be_focused()
        view.answer("Line 3?", "bye")
        assert notebook.finish(2).strip().endswith("2")
        view.expect_status("done")
        expect(view.root.locator(".head")).to_contain_text("chat.3generation 3")
        assert notebook.cell(2).locator(".aether").count() == 1
        shown = [output.get("data", {}) for output in notebook.outputs(2)]
        assert sum("application/vnd.jupyter.widget-view+json" in data for data in shown) == 1
        copies = [data["text/html"] for data in shown if "text/html" in data]
        assert len(copies) == 1 and "generation 3" in "".join(copies[0])


def test_an_answer_from_elsewhere_closes_the_form(lab: Lab) -> None:
    cells = [LOAD, SURVEY, "h = start(titled)", "%aether answer {h.run_id} from another cell", "(await h).text"]
    with lab.open([cells[0], SURVEY + TITLE, *cells[2:]], kernel="new") as notebook:
        notebook.do(0, 1, 2)
        view = RunView(notebook, 2)
        expect(view.question("What is the title?")).to_be_visible()
        notebook.do(3)
        expect(view.question("What is the title?")).to_have_count(0)
        assert "from another cell" in notebook.do(4)


@pytest.mark.parametrize("kernel", ["new", "old"])
def test_await_is_answerable(lab: Lab, kernel: str) -> None:
    with lab.open([LOAD, SURVEY + TITLE, "out = await titled()\nout.text"], kernel=kernel) as notebook:
        notebook.do(0, 1)
        notebook.run(2)
        RunView(notebook, 2).answer("What is the title?", "awaited")
        assert "awaited: [3, 1, 2]" in notebook.finish(2)


@pytest.mark.parametrize("kernel", ["new", "old"])
def test_start_leaves_the_notebook_free_and_is_answerable(lab: Lab, kernel: str) -> None:
    cells = [LOAD, SURVEY + TITLE, "h = start(titled)", "print('still', 'here')", "out = await h\nout.text"]
    with lab.open(cells, kernel=kernel) as notebook:
        notebook.do(0, 1, 2)
        assert "still here" in notebook.do(3)
        notebook.run(4)
        RunView(notebook, 2).answer("What is the title?", "started")
        assert "started: [3, 1, 2]" in notebook.finish(4)


@pytest.mark.parametrize("kernel", ["new", "old"])
def test_a_blocking_run_is_answerable(lab: Lab, kernel: str) -> None:
    """In the view where the blocked kernel can hear it, else in Jupyter's own input line below the cell."""
    with lab.open([LOAD, SURVEY + TITLE, "run(titled)['text']"], kernel=kernel) as notebook:
        notebook.do(0, 1)
        notebook.run(2)
        view = RunView(notebook, 2)
        if kernel == "new":
            view.answer("What is the title?", "blocked")
        else:
            form, line = view.question("What is the title?"), notebook.cell(2).locator("input.jp-Stdin-input")
            expect(form).to_contain_text("asked in the input line below the cell")
            expect(form.get_by_role("textbox")).to_be_disabled()
            line.fill("blocked")
            line.press("Enter")
        assert "blocked: [3, 1, 2]" in notebook.finish(2)


@pytest.mark.parametrize("kernel", ["new", "old"])
def test_a_killed_kernel_with_a_half_typed_answer_loses_nothing(lab: Lab, kernel: str) -> None:
    cells = [LOAD, SURVEY, "await survey()", f"{LOAD}\n%aether resume", "%aether"]
    with lab.open(cells, kernel=kernel) as notebook:
        folder = notebook.path.parent
        notebook.do(0, 1)
        notebook.run(2)
        view = RunView(notebook, 2)
        view.choose("Which row shall I keep?", "3")
        view.type("What is the title?", "Half a tit")
        notebook.kill_kernel()
        assert lines(folder) == ["load", "order"]

        notebook.do(3)
        resumed = RunView(notebook, 3)
        resumed.expect_node("load", "reused")
        expect(resumed.question("Which row shall I keep?")).to_have_count(0)  # answered: not asked again
        field = resumed.question("What is the title?").get_by_role("textbox")
        expect(field).to_have_value("Half a tit")  # what was typed is still there
        field.press("End")
        field.press_sequentially("le")
        field.press("Enter")
        resumed.expect_status("done")
        expect(resumed.transcript()).to_contain_text("Half a title")
        assert resumed.transcript().get_by_text("sorted [1, 2, 3]").count() == 1
        assert lines(folder) == ["load", "order", "report"]
        assert "done" in notebook.do(4)


def test_a_view_whose_kernel_is_gone_says_what_to_type(lab: Lab) -> None:
    with lab.open([LOAD, SURVEY + TITLE, "await titled()"], kernel="new") as notebook:
        notebook.do(0, 1)
        notebook.run(2)
        view = RunView(notebook, 2)
        view.expect_node("load", "done")
        view.node("load").click()
        expect(view.panel().get_by_role("button", name="Code")).to_be_visible()  # nothing more comes
        edges = "(list) => [list, list.querySelector('dd')].map((one) => one.getBoundingClientRect().right)"
        whole, value = view.panel().locator("dl").evaluate(edges)
        assert abs(whole - value) < 1
        view.type("What is the title?", "to nobody")
        notebook.kill_kernel()
        view.expect_status("kernel gone")
        form = view.question("What is the title?")
        expect(form).to_contain_text("The kernel is gone. What is typed here is kept.")
        expect(form).to_contain_text("run %aether resume titled-")
        expect(form.get_by_role("textbox")).to_have_value("to nobody")
        expect(form.get_by_role("button", name="Send")).to_be_disabled()
        expect(view.root.get_by_role("button", name="Stop")).to_be_disabled()


def test_a_run_that_is_over_shows_beside_its_view_and_says_when_its_kernel_is_gone(lab: Lab) -> None:
    with lab.open([LOAD, SURVEY + SAVED, "await saved()\nsaved.last_run", "saved.last_run"], kernel="new") as notebook:
        notebook.do(0, 1, 2, 3)
        view = RunView(notebook, 2)
        view.expect_status("done")
        expect(notebook.cell(2).locator(STATIC)).to_have_count(2)
        expect(notebook.cell(2).locator(STATIC).first).to_be_hidden()  # the copy that stands in for the view
        expect(notebook.cell(2).locator(STATIC).last).to_be_visible()  # the result of the cell
        expect(static_copy(notebook, 3)).to_be_visible()
        notebook.kill_kernel()
        view = RunView(notebook, 2)
        view.root.get_by_role("tab", name="Artifacts").click()
        view.root.get_by_role("button", name="notes.md").click()
        expect(view.root.locator(".artifacts")).to_contain_text("The kernel is gone.")
        expect(view.root.locator(".note")).to_contain_text("%aether show saved-")


def test_after_an_edit_only_what_it_touches_runs_again_and_the_plan_says_so(lab: Lab) -> None:
    edited = SURVEY.replace("sorted(rows)", "sorted(rows, reverse=True)")
    with lab.open([LOAD, SURVEY, "await survey()", edited, "%aether resume"], kernel="new") as notebook:
        notebook.do(0, 1)
        notebook.run(2)
        expect(RunView(notebook, 2).question("Which row shall I keep?")).to_be_visible()
        notebook.kill_kernel()
        notebook.do(0, 3, 4)
        plan = notebook.text(4)
        assert "resuming survey-" in plan and "1 reused" in plan and "order" in plan
        view = RunView(notebook, 4)
        # The question on record is shown until the edited code has asked its own, which offers what it sorted.
        options = view.question("Which row shall I keep?").locator("label")
        expect(options).to_have_text(["3", "2", "1"])
        view.choose("Which row shall I keep?", "1")
        view.answer("What is the title?", "Edited")
        view.expect_status("done")
        assert lines(notebook.path.parent) == ["load", "order", "order", "report"]
        expect(view.transcript()).to_contain_text("sorted [3, 2, 1]")


def test_a_saved_run_is_seen_after_restart_and_reload(lab: Lab) -> None:
    with lab.open([LOAD, SURVEY, "await survey()"], kernel="new") as notebook:
        notebook.do(0, 1)
        notebook.run(2)
        view = RunView(notebook, 2)
        expect(static_copy(notebook, 2)).to_be_hidden()  # the live view is there
        view.choose("Which row shall I keep?", "3")
        view.answer("What is the title?", "Kept")
        notebook.finish(2)
        view.expect_status("done")
        notebook.page.wait_for_function(
            "([index]) => window.aether.outputs(index).some((o) => JSON.stringify(o.data ?? '').includes('Kept: 3'))",
            arg=[2],
        )
        saved = notebook.save()
        assert len(json.dumps(saved)) < 200_000
        notebook.restart_kernel()
        notebook.reload()
        copy = static_copy(notebook, 2)
        expect(copy).to_be_visible()
        gone = notebook.cell(2).get_by_text("model not found")
        expect(gone).to_have_count(1)  # JupyterLab says so where the widget was ...
        expect(gone).to_be_hidden()  # ... which the copy stands in for
        expect(copy).to_contain_text("What is the title?")
        expect(copy).to_contain_text("Kept: 3 of [1, 2, 3]")
        picture = copy.locator("img").first
        expect(picture).to_have_attribute("src", re.compile("^data:image/svg"))
        assert picture.evaluate("(image) => image.complete && image.naturalWidth > 200")


def test_a_view_comes_back_live_after_a_reload_of_the_page(lab: Lab) -> None:
    with lab.open([LOAD, SURVEY + TITLE, "h = start(titled)", "(await h).text"], kernel="new") as notebook:
        notebook.do(0, 1, 2)
        RunView(notebook, 2).type("What is the title?", "before")
        notebook.save()
        notebook.reload()
        view = RunView(notebook, 2)
        field = view.question("What is the title?").get_by_role("textbox")
        expect(field).to_have_value("before")
        field.press("Enter")
        assert "before: [3, 1, 2]" in notebook.do(3)
