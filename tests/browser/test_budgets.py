"""A run that used up its budget: what its view says then, and that what it says can be typed."""

from __future__ import annotations

from playwright.sync_api import expect

from .agents import LOAD
from .lab import Lab
from .view import RunView

TIRING = """
import asyncio
from aethergraph import graph_fn, start, tool

@tool(outputs=["y"])
async def double(x):
    return 2 * x

@tool(outputs=["y"])
async def think(x):
    from pathlib import Path
    while not Path("enough.txt").exists():
        await asyncio.sleep(0.05)
    return x + 1

@graph_fn
async def tiring(x=3):
    first = await double(x)
    return {"y": (await think(first.y)).y}
"""
STARTED = "h = start(tiring, run_id='tiring-1', budget=1.0)"
RESUMED = "%aether resume tiring-1 --budget 3600"
ENOUGH = "open('enough.txt', 'w').close(); (await load_run('tiring-1')).y"


def test_what_the_view_of_a_used_up_budget_says_to_type_goes_on_with_the_run(lab: Lab) -> None:
    cells = [LOAD, TIRING, STARTED, RESUMED, "from aethergraph import load_run; load_run('tiring-1').graph", ENOUGH]
    with lab.open(cells, kernel="new") as notebook:
        notebook.do(0, 1, 2)
        view = RunView(notebook, 2)
        view.expect_status("paused")
        note = view.root.locator(".note")
        expect(note).to_contain_text("Paused: its budget is used up: 1")
        expect(note.locator("code")).to_have_text("%aether resume tiring-1 --budget SECONDS")
        expect(note.get_by_role("button")).to_have_count(0)
        notebook.screenshot("budget-used-up", view.root)
        notebook.do(3)
        again = RunView(notebook, 3)
        again.expect_node("double", "reused")
        again.expect_status("running")
        notebook.do(4)
        drawn = notebook.cell(4).locator("img")
        expect(drawn).to_be_visible()
        assert drawn.evaluate("(image) => image.naturalWidth") > 100
        notebook.screenshot("budget-graph")
        assert "7" in notebook.do(5)
        again.expect_status("done")
