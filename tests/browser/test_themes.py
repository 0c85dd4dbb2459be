"""What stays in a notebook without a kernel is readable on light and dark pages, trusted or not (WCAG 1.4.3: 4.5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Locator, Page, expect

from .agents import LOAD
from .lab import Lab
from .page import NotebookPage
from .view import RunView, static_copy

KEEPER = """
import numpy as np
from matplotlib.figure import Figure

from aethergraph import graph_fn, start, tool


@tool
async def measure(step, *, context):
    figure = Figure()
    figure.subplots().plot([1, 3, 2])
    await context.artifacts().save_figure(figure, name="peak.png")
    await context.artifacts().save_text("# Notes", name="notes.md")
    for at in range(9):
        await context.viz().scalar("loss", at, 1 / (at + 1))
    await context.viz().matrix("weights", 0, np.eye(3))
    print("measured")
    return step


@graph_fn
async def study(*, context):
    await measure(1)
    await context.channel().send_rich("Some *notes*:\\n\\n> quoted `code`\\n\\n|a|b|\\n|-|-|\\n|1|2|\\n")
    await context.channel().ask_text("Keep it?")
"""
BROKEN = """
@graph_fn
async def broken(*, context):
    raise ValueError("no such row")
"""

# For each text of an element its contrast to the ground under it: [contrast, text]. Colours are painted to be read.
CONTRASTS = """(root) => {
  const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const paint = (layers) => {
    pen.globalAlpha = 1;
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, 1, 1);
    for (const [colour, alpha] of layers) {
      pen.globalAlpha = alpha;
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
    }
    const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map((one) => {
      const share = one / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim();
    const own = walker.currentNode.parentElement;
    if (!text || !own.checkVisibility() || own.tagName === 'STYLE') continue;
    const grounds = [];
    let alpha = 1;
    for (let at = own; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      grounds.unshift([style.backgroundColor, 1]);
      alpha *= Number(style.opacity);
    }
    const [a, b] = [paint(grounds), paint([...grounds, [getComputedStyle(own).color, alpha]])];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), text.slice(0, 60)]);
  }
  return found;
}"""

# The share of the pixels of a picture as it is seen that are nearly as bright as white paper.
LIGHTS = """(image) => {
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const pen = canvas.getContext('2d');
  pen.filter = getComputedStyle(image).filter;
  pen.drawImage(image, 0, 0);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  let light = 0;
  for (let i = 0; i < data.length; i += 4) light += Math.min(data[i], data[i + 1], data[i + 2]) > 200;
  return light / (data.length / 4);
}"""


def expect_readable(part: Locator, *texts: str) -> None:
    """Every text of `part`, of which there are `texts`."""
    found: list[tuple[float, str]] = part.evaluate(CONTRASTS)
    for text in texts:
        assert any(text in seen for _, seen in found), (text, found)
    assert not [(round(contrast, 2), text) for contrast, text in found if contrast < 4.5]


def dark(notebook: NotebookPage) -> None:
    notebook.command("apputils:change-theme", theme="JupyterLab Dark")
    expect(notebook.page.locator("body[data-jp-theme-light='false']")).to_have_count(1)


def light(notebook: NotebookPage) -> None:
    notebook.command("apputils:change-theme", theme="JupyterLab Light")
    expect(notebook.page.locator("body[data-jp-theme-light='true']")).to_have_count(1)


def opened(copy: Locator) -> Locator:
    """With all that is folded."""
    copy.evaluate("(root) => root.querySelectorAll('details').forEach((one) => { one.open = true })")
    return copy


def as_page(page: Page, saved: dict[str, Any], path: Path, theme: str) -> None:
    """Show a notebook as nbconvert writes it."""
    html, _ = HTMLExporter(theme=theme).from_notebook_node(nbformat.reads(json.dumps(saved), as_version=4))
    path.write_text(html, encoding="utf-8")
    page.goto(path.as_uri(), wait_until="domcontentloaded")


@pytest.mark.timeout(300)
def test_what_is_kept_of_a_run_is_readable_in_every_theme(lab: Lab, tmp_path: Path) -> None:
    texts = ("study", "Keep it?", "quoted", "code", "measured", "notes.md", "# Notes", "weights", "done")
    with lab.open([LOAD, KEEPER, "run = start(study)", BROKEN, "start(broken)", "%aether"], kernel="new") as notebook:
        notebook.do(0, 1)
        notebook.do(2)
        RunView(notebook, 2).expect_status("waiting for you")
        notebook.do(3, 4)
        RunView(notebook, 4).expect_status("failed")
        notebook.do(5)
        notebook.page.wait_for_function(
            "() => window.aether.outputs(2).some((o) => o.data?.['text/html']?.includes('Keep'))"
        )
        saved = notebook.save()
        notebook.restart_kernel()
        notebook.reload()
        for theme in (light, dark):
            theme(notebook)
            copy = opened(static_copy(notebook, 2))
            expect(copy).to_be_visible()
            expect_readable(copy, *texts)
            notebook.screenshot(f"kept-{theme.__name__}", of=copy)
            expect_readable(opened(static_copy(notebook, 4)), "no such row", "failed")
            expect_readable(notebook.cell(5).locator("table"), "waiting", "failed", "command")
            notebook.screenshot(f"runs-{theme.__name__}", of=notebook.cell(5))
            for name, shares in {"graph of study": (0.5, 1.0), "peak.png": (0.8, 1.0)}.items():
                picture = static_copy(notebook, 2).get_by_role("img", name=name)
                low, high = shares if theme is light or name == "peak.png" else (0.0, 0.1)
                assert low <= picture.evaluate(LIGHTS) <= high
    theirs = {**saved, "metadata": {**saved["metadata"], "title": "a copy that somebody sent"}}
    with lab.show(theirs, kernel="new") as notebook:
        for theme in (light, dark):
            theme(notebook)
            copy = opened(notebook.cell(2).locator(".tex2jax_ignore"))
            expect_readable(copy, *texts)
            assert copy.get_attribute("data-run-id") is None  # stripped, since it is not trusted
            notebook.screenshot(f"theirs-{theme.__name__}", of=copy)
        for name in ("light", "dark"):
            as_page(notebook.page, saved, tmp_path / f"{name}.html", name)
            copy = opened(notebook.page.locator("[data-run-id]").first)
            expect_readable(copy, *texts)
            picture = copy.get_by_role("img", name="graph of study")
            assert (picture.evaluate(LIGHTS) > 0.5) == (name == "light")
            notebook.screenshot(f"page-{name}", of=copy)
