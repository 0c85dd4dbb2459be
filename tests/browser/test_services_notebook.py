"""The second notebook in JupyterLab, from `Run All` to its last cell, as a reader sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .lab import Lab
from .view import RunView

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "02_services.ipynb"
PREFIX = {"markdown": "md:", "code": ""}
PLAN, NOTES = "How shall the networks be trained?", "Your tasting notes?"


@pytest.mark.timeout(360)
def test_two_sessions_from_run_all_to_the_last_cell(lab: Lab, tmp_path: Path) -> None:
    notes = tmp_path / "my notes.txt"
    notes.write_text("Bruno's is light.")
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    sources = [PREFIX[cell["cell_type"]] + "".join(cell["source"]) for cell in found]
    number = {cell["id"]: index for index, cell in enumerate(found)}
    with lab.open(sources, kernel="new") as notebook:
        notebook.command("application:toggle-left-area")
        notebook.run_all()
        for session, (name, neurons) in enumerate({"first": "8", "second": "16"}.items(), 1):
            view = RunView(notebook, number[name])
            form = view.question(PLAN)
            expect(form).to_be_visible(timeout=60_000)
            form.get_by_label("Neurons").fill(neurons)
            form.get_by_label("120").check()
            notebook.screenshot(f"services-{session}-asks")
            form.get_by_role("button", name="Send").click()
            form = view.question(NOTES)
            form.locator("input[type=file]").set_input_files(notes)
            expect(form).to_contain_text("uploaded")
            if session == 1:
                notebook.screenshot("services-1-notes", of=view.root)
            form.get_by_role("button", name="Send").click()
            view.expect_status("done")
            expect(view.transcript()).to_contain_text(f"Session {session}:")
            notebook.screenshot(f"services-{session}-done")
            if session == 2:
                expect(view.transcript()).to_contain_text("Last time: ")
                view.root.get_by_role("tab", name="Plots").click()
                expect(view.root).to_contain_text("loss")
                notebook.screenshot("services-plots", of=view.root)
        notebook.wait_text(number["best"], "take the first bottle for")
        for name in ("plot", "kept", "best", "runs"):
            notebook.cell(number[name]).scroll_into_view_if_needed()
            notebook.screenshot(f"services-{name}")
        assert len(json.dumps(notebook.save())) < 600_000
