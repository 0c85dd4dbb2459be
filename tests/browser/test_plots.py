"""Plots of a live run in a real JupyterLab: while points come, in both themes, and in the saved notebook."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from playwright.sync_api import Locator, expect

from .agents import LOAD
from .lab import Lab
from .view import RunView

PLOTS = """
import io
import math

import numpy as np
from matplotlib.figure import Figure

from aethergraph import graph_fn, start, tool


@tool(outputs=["name"])
def train(name, first, last, *, context):
    viz = context.viz()
    for step in range(first, last):
        for k in range(20):
            viz.scalar(f"accuracy/model-{k}", step, 1 - math.exp(-step / (20 + 5 * k)))
        viz.scalar("rate", step, 0.1 * 0.98**step if step % 40 else math.nan)
    for step in range(first, last, 50):
        grid = np.sin(np.outer(np.arange(30), np.arange(60)) / (50 + step))
        viz.matrix("attention", step, grid)
        viz.vector("spectrum", step, np.abs(np.sin(np.arange(200) / (5 + step))))
        figure = Figure(figsize=(4, 2.5), layout="constrained")
        axis = figure.subplots()
        axis.scatter(range(20), [step + i % 7 for i in range(20)])
        axis.set_title(f"residuals at {step}")
        viz.figure("residuals", step, figure)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=40)
        viz.image_from_bytes("sample", step, file.getvalue())
    viz.table("scores", {"model": [f"model-{k}" for k in range(20)], "accuracy": [k / 20 for k in range(20)]})
    return name


@graph_fn
async def study(*, context):
    await train("first", 0, 150)
    await context.channel().ask_text("Go on?")
    await train("second", 150, 300)
"""


def figure(view: RunView, name: str) -> Locator:
    return view.root.locator("figure.picture-of").filter(has=view.page.get_by_text(name, exact=True))


def test_plots_are_live_in_both_themes_and_saved(lab: Lab) -> None:
    with lab.open([LOAD, PLOTS, "run = start(study)"], kernel="new") as notebook:
        notebook.do(0, 1, 2)
        view = RunView(notebook, 2)
        view.expect_status("waiting for you")
        view.root.get_by_role("tab", name="Plots").click()
        chart = view.root.get_by_role("img", name="plot of accuracy: 20 lines")
        expect(chart.locator("canvas")).to_be_visible()
        expect(view.root.get_by_role("button", name=re.compile("^model-0"))).to_have_text("model-00.9994")
        expect(view.root.get_by_role("img", name="plot of rate: 1 line")).to_have_attribute(
            "aria-label", re.compile("at step 149")
        )
        heat = figure(view, "attention")
        expect(heat.get_by_role("img", name="heat map of attention: 30 rows, 60 columns")).to_be_visible()
        expect(heat).to_contain_text("step 100 (3 of 3)")
        slider = heat.get_by_role("slider")
        slider.focus()
        notebook.page.keyboard.press("Home")
        expect(heat).to_contain_text("step 0 (1 of 3)")
        expect(figure(view, "residuals").get_by_role("img", name="residuals at step 100")).to_be_visible()
        expect(figure(view, "sample").get_by_role("img", name="sample at step 100")).to_be_visible()
        expect(figure(view, "spectrum").locator("canvas")).to_be_visible()
        expect(view.root.get_by_role("table", name="table of scores").locator("tbody tr")).to_have_count(20)
        notebook.page.add_style_tag(content=".aether .plots { max-height: none !important }")
        notebook.screenshot("plots-light", of=view.root)
        notebook.command("apputils:change-theme", theme="JupyterLab Dark")
        expect(notebook.page.locator("body[data-jp-theme-light='false']")).to_have_count(1)
        notebook.screenshot("plots-dark", of=view.root)

        view.answer("Go on?", "yes")
        view.expect_status("done")
        expect(chart).to_have_attribute("aria-label", re.compile("at step 299"))
        expect(heat).to_contain_text("step 0 (1 of 6)")  # whoever looks back is left there
        expect(figure(view, "residuals")).to_contain_text("step 250 (6 of 6)")
        assert not [line for line in notebook.console if line.startswith("pageerror")]

        notebook.page.wait_for_function(
            "() => window.aether.outputs(2).some((one) => JSON.stringify(one).includes('the last of 6'))"
        )
        notebook.save()
        command = [sys.executable, "-m", "nbconvert", "--to", "html", "--stdout", str(notebook.path)]
        page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for alt in ("plot of accuracy", "plot of rate", "heat map of attention", "residuals at step 250"):
            assert re.search(rf'<img alt="{alt}" (?:class="[\w-]+" )?src="data:image/[\w+]+;base64,', page), alt
        saved = json.dumps(json.loads(notebook.path.read_text())["cells"][2]["outputs"])
        assert len(saved) < 400_000


def test_what_is_drawn_stays_when_the_kernel_is_gone(lab: Lab) -> None:
    with lab.open([LOAD, PLOTS, "run = start(study)"], kernel="new") as notebook:
        notebook.do(0, 1, 2)
        view = RunView(notebook, 2)
        view.expect_status("waiting for you")
        view.root.get_by_role("tab", name="Plots").click()
        expect(figure(view, "attention").locator("canvas")).to_be_visible()
        notebook.kill_kernel()
        expect(view.root.get_by_role("img", name="plot of accuracy: 20 lines").locator("canvas")).to_be_visible()
        view.root.get_by_role("button", name="log").first.click()
        expect(view.root.get_by_role("button", name="log").first).to_have_attribute("aria-pressed", "true")
        expect(figure(view, "attention").locator("canvas")).to_be_visible()
