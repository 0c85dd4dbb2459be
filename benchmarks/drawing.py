"""The run view in a real JupyterLab in Chromium: how soon a large graph is there, and what a busy run costs both ends.

Needs what the browser tests need: playwright, JupyterLab, and a Chromium (`CHROMIUM` names its path).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from bench import MS, Sizes, sizes
from measure import Row

from tests.browser.lab import Lab, browser
from tests.browser.view import RunView

ROOT = Path(__file__).resolve().parent.parent
__all__ = ["NOT_MEASURED", "measure", "sizes"]

NOT_MEASURED = ["other browsers and front ends", "a machine with a graphics card: Chromium runs without a window"]
WATCHED_S = 10.0
CELLS = """
import sys
sys.path.insert(0, {here!r})
from many import busy, many, wide
from aethergraph import run, start
%load_ext aethergraph
"""
MANY = """
import asyncio
from aethergraph import graph_fn, tool

{tools}

STEPS = [{names}]

@graph_fn
async def many(*, context):
    '''Tools of different names, forty side by side, each after the one above it: nothing can be folded.'''
    row = [1_000_000 * column for column in range(40)]  # values of their own: each comes from one node
    for at in range(0, len(STEPS), 40):
        row = [one.result for one in await asyncio.gather(*[step(x) for step, x in zip(STEPS[at:at + 40], row)])]
    await context.channel("inbox").ask_text("Go on?")

@tool(pure=True)
async def step(x):
    return x + 1

@graph_fn
async def wide(n, *, context):
    '''One tool, many times: one box.'''
    await asyncio.gather(*[step(i) for i in range(n)])
    await context.channel("inbox").ask_text("Go on?")

@tool
async def tick(x):
    await asyncio.sleep(0.05)
    return x + 1

@graph_fn
async def busy(rounds):
    '''A dozen nodes at once, some two hundred changes a second.'''
    async def chain():
        for i in range(rounds):
            await tick(i)
    await asyncio.gather(*[chain() for _ in range(12)])
"""
WAIT = "import asyncio\nwhile str(handle.status) != 'waiting':\n    await asyncio.sleep(0.05)"
# Timed in the page itself, by frames: whoever looks from outside looks seldom (Playwright: after 0.1, 0.35, 0.85 and
# 1.85 s), and takes time of the page's to do so.
_SHOWN = """([index, boxes]) => new Promise((done) => {
  const began = performance.now();
  const cell = () => document.querySelector(`.jp-Notebook .jp-Cell[data-windowed-list-index="${index}"]`);
  const look = () => {
    const there = (cell()?.querySelectorAll(".aether g.node").length ?? 0) >= boxes;
    requestAnimationFrame(there ? () => setTimeout(() => done((performance.now() - began) / 1000)) : look);
  };
  look();
  window.aether.run(index);
})"""
_CLICKED = """([index]) => new Promise((done) => {
  const began = performance.now();
  const view = document.querySelector(`.jp-Notebook .jp-Cell[data-windowed-list-index="${index}"] .aether`);
  const look = () => {
    const there = view.querySelector(".side dl dd, .side .members button")?.checkVisibility();
    requestAnimationFrame(there ? () => setTimeout(() => done((performance.now() - began) / 1000)) : look);
  };
  look();
  view.querySelector("g.node").dispatchEvent(new MouseEvent("click", { bubbles: true }));
})"""


def measure(folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> list[Row]:
    """All rows, in one JupyterLab."""
    env = {**os.environ, "AETHERGRAPH_KEY_FILE": str(folder / "key"), "IPYTHONDIR": str(folder / "ipython")}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), env.get("PYTHONPATH", "")])
    boxes, nodes = sizes.chains[-2], sizes.chains[-1]
    with browser() as chromium, Lab(folder / "lab", chromium, env, {"new": []}) as lab:
        (lab.notebooks / "many.py").write_text(_many(boxes))
        rows: list[Row] = []
        for name, agent, shown in (
            (f"{boxes:,} boxes", "many", boxes),
            (f"{nodes:,} nodes in one box", f"wide, n={nodes}", 1),
        ):
            tell(f"a view of {name}")
            rows += _drawn(lab, name, agent, shown, sizes.rounds)
        tell("a busy run")
        return [*rows, *_busy(lab)]


def _many(boxes: int) -> str:
    names = [f"step_{number}" for number in range(boxes)]
    tools = "\n".join(f"@tool(pure=True)\nasync def {name}(x):\n    return x + 1\n" for name in names)
    return MANY.format(tools=tools, names=", ".join(names))


def _drawn(lab: Lab, name: str, agent: str, shown: int, rounds: int) -> list[Row]:
    """From running the cell that shows a run to its first frame, and from a click on a box to its details."""
    starting = f"handle = start({agent})"
    shows = ["%aether show {handle.run_id}"] * rounds
    drawn: list[float] = []
    clicked: list[float] = []
    with lab.open([CELLS.format(here=str(lab.notebooks)), starting, WAIT, *shows], kernel="new") as notebook:
        notebook.do(0, 1, 2)
        for index in range(3, 3 + rounds):
            notebook.cell(index)  # scrolled to where one sees it
            drawn.append(notebook.page.evaluate(_SHOWN, [index, shown]))
            notebook.finish(index)
            clicked.append(notebook.page.evaluate(_CLICKED, [index]))
    return [
        Row(f"view of {name}, from the cell to the first frame", [MS * s for s in drawn], "ms", must=1_000.0),
        Row(f"view of {name}, from a click to the details", [MS * s for s in clicked], "ms", must=1_000.0),
    ]


def _busy(lab: Lab) -> list[Row]:
    """CPU of the kernel and of the browser while a busy run is watched, as shares of one core."""
    rounds = int(WATCHED_S / 0.05) + 100
    with lab.open(
        [CELLS.format(here=str(lab.notebooks)), f"handle = start(busy, rounds={rounds})"], kernel="new"
    ) as one:
        one.do(0)
        one.run(1)
        view = RunView(one, 1)
        view.expect_status("running")
        kernel = [psutil.Process(one.kernel_pid())]
        pages = [process for process in psutil.Process().children(recursive=True) if "chrom" in process.name()]
        before, began = (_cpu(kernel), _cpu(pages)), time.perf_counter()
        one.page.wait_for_timeout(WATCHED_S * 1_000)
        took = time.perf_counter() - began
        shares = [
            100 * (after - first) / took for first, after in zip(before, (_cpu(kernel), _cpu(pages)), strict=True)
        ]
        view.stop()
    return [
        Row("a busy run that is watched, CPU of the kernel", [shares[0]], "% of a core"),
        Row("a busy run that is watched, CPU of the browser", [shares[1]], "% of a core"),
    ]


def _cpu(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes if process.is_running()]
    return sum(one.user + one.system for one in times)
