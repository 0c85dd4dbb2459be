"""A run that says more than text: seen live, pressed, saved and read again without a kernel."""

from __future__ import annotations

from playwright.sync_api import expect

from .agents import LOAD
from .lab import Lab
from .test_injection import PROBE, expect_unhurt
from .view import RunView, static_copy

TALK = f"""
import io
from matplotlib.figure import Figure
from aethergraph import Button, graph_fn, start, tool

P = {PROBE!r}
NOTES = '''## What was found

The **forest** is best, by a *small* margin; see the [documentation](https://example.org/docs).

1. load the data with `load()`
2. fit both models

> Keep the one that is cheaper to run.
'''


def drawn():
    figure = Figure(figsize=(5, 2.4))
    axes = figure.subplots()
    axes.plot([0, 1, 2, 3], [1.0, 0.5, 0.33, 0.25], label="loss")
    axes.legend()
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


@tool
async def report(*, context):
    await context.channel().send_image(file_bytes=drawn(), title="The loss by epoch", filename="loss.png")
    scores = b"model,score\\nsvm,0.91\\n"
    await context.channel().send_file(file_bytes=scores, filename="scores.csv", title="All scores")


@graph_fn
async def talk(*, context):
    channel = context.channel()
    await channel.send_phase("fit", "done")
    await report()
    rows = [{{"model": "svm", "score": 0.912, "seconds": 4}}, {{"model": "forest", "score": 0.934, "seconds": 31}}]
    await channel.send_rich("The scores", rows)
    await channel.send_rich("", {{"markdown": NOTES}})
    await channel.send_rich("How it was fitted", {{"depth": 3, "note": P}})
    docs = Button("Documentation", url="https://example.org/docs")
    await channel.send_buttons("Which shall I keep?", [Button("forest", style="primary"), "svm", docs])
    kept = await channel.ask_text("Which model?", name="kept")
    await channel.send_file(file_bytes=P.encode(), filename="page.html", title=P)
    await channel.send_rich(P, {{"markdown": P}})
    return {{"kept": kept}}
"""


def test_pictures_files_buttons_and_rich_text_live_and_in_the_saved_copy(lab: Lab) -> None:
    with lab.open([LOAD, TALK, "h = start(talk)", "(await h)['kept']"], kernel="new") as notebook:
        notebook.do(0, 1, 2)
        view = RunView(notebook, 2)
        log = view.transcript()
        picture = log.get_by_role("img", name="The loss by epoch")
        expect(picture).to_be_visible()
        assert picture.evaluate("(image) => image.naturalWidth") == 500
        expect(log.get_by_role("cell", name="0.934")).to_be_visible()
        expect(log.get_by_role("heading", name="What was found")).to_be_visible()
        notebook.screenshot("messages-end", view.root)
        picture.scroll_into_view_if_needed()
        notebook.screenshot("messages-picture", view.root)
        with notebook.page.expect_download() as download:
            log.get_by_role("button", name="scores.csv").click()
        assert download.value.path().read_bytes() == b"model,score\nsvm,0.91\n"
        log.get_by_role("button", name="forest").click()
        assert "forest" in notebook.do(3)
        view.expect_status("done")
        expect(log.get_by_role("button", name="forest")).to_be_disabled()
        expect_unhurt(notebook.page)
        notebook.save()
        notebook.restart_kernel()
        notebook.reload()
        copy = static_copy(notebook, 2)
        expect(copy).to_be_visible()
        kept = copy.get_by_role("img", name="The loss by epoch")
        assert kept.evaluate("(image) => image.naturalWidth") == 500
        expect(copy.get_by_role("cell", name="0.934")).to_be_visible()
        expect(copy.get_by_role("link", name="Documentation", exact=True)).to_be_visible()
        expect(copy).to_contain_text("All scores")
        expect(copy).to_contain_text("scores.csv")
        expect(copy).to_contain_text(PROBE)
        expect_unhurt(notebook.page)
        notebook.screenshot("messages-copy", copy)
