"""The notebook that a new user opens first, in JupyterLab, from `Run All` to the saved result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .lab import Lab
from .view import RunView, static_copy

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_first_agent.ipynb"
PREFIX = {"markdown": "md:", "code": ""}
WHICH, NAME = "Which model shall I keep?", "Under which name shall I save it?"


def cells() -> list[str]:
    found = json.loads(NOTEBOOK.read_text())["cells"]
    return [PREFIX[cell["cell_type"]] + "".join(cell["source"]) for cell in found]


@pytest.mark.timeout(360)
def test_a_study_from_run_all_to_its_saved_result(lab: Lab) -> None:
    sources = cells()
    start = sources.index("await study()")
    with lab.open(sources, kernel="new") as notebook:
        notebook.command("application:toggle-left-area")
        notebook.run_all()
        view = RunView(notebook, start)
        view.expect_node("fit_mlp", "running")
        notebook.screenshot("1-training")
        expect(view.question(WHICH)).to_be_visible(timeout=120_000)
        view.expect_node("load", "done")
        view.node("fit_forest").click()
        expect(view.panel()).to_contain_text("RandomForestClassifier")
        notebook.screenshot("2-question")
        notebook.page.mouse.move(0, 0)
        notebook.screenshot("run-view", of=view.root)
        view.choose(WHICH, "mlp")
        view.answer(NAME, "digits-v1")
        view.expect_status("done")
        expect(view.transcript()).to_contain_text("digits-v1 is saved.")
        notebook.screenshot("3-done")
        view.root.get_by_role("tab", name="Plots").click()
        expect(view.root).to_contain_text("accuracy")
        notebook.screenshot("4-plots", of=view.root)
        notebook.wait_text(start, "digits-v1")
        notebook.wait_text(len(sources) - 1, "study")  # the table of runs, in the last cell
        saved = notebook.save()
        assert len(json.dumps(saved)) < 300_000
        notebook.restart_kernel()
        notebook.reload()
        expect(static_copy(notebook, start)).to_be_visible()
        notebook.screenshot("5-static")
