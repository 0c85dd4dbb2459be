"""HTML and script in any text of a run show as text, in every part of the view and of its static copy."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .agents import LOAD
from .lab import Lab
from .page import NotebookPage
from .view import RunView, static_copy

PROBE = '"><img src=x onerror="window.pwned=1"><script>window.pwned=1</script><svg onload="window.pwned=1">'

HOSTILE = f"""
from aethergraph import graph_fn, start, tool

P = {PROBE!r}


@tool(outputs=["out"], retries=1, backoff_s=0.01)
def make(text, context):
    if context.attempt == 1:
        raise ValueError(P)
    print(P)
    context.logger().info(P)
    context.viz().scalar(P, 0, 1.0)
    context.viz().scalar(P, 1, 2.0)
    with context.channel().progress(title=P, total=2) as bar:
        bar.update(inc=1, subtitle=P)
    context.artifacts().save_text(P, name=P, labels={{"label": P}})
    return P


@tool(outputs=["out"])
def broken(text):
    raise ValueError(P)


@graph_fn(name=P, outputs=["out"])
async def inner(text: str):
    return {{"out": (await make(text)).out}}


@graph_fn(outputs=["out"])
async def hostile(text: str = P, *, context):
    channel = context.channel()
    await channel.send_text(P)
    await make(text, _id=P)
    await inner(text)
    try:
        await broken(text)
    except ValueError:
        await channel.send_text("failed: " + P)
    await channel.ask_choice(P, options=[P, "other"], name=P)
    answer = await channel.ask_text("last " + P)
    return {{"out": answer}}
"""


def expect_unhurt(page: Page) -> None:
    """Nothing of the probe was parsed as HTML anywhere on the page, and none of its script has run."""
    assert page.evaluate("() => window.pwned") is None
    expect(page.locator('img[src="x"]')).to_have_count(0)
    expect(page.locator("[onload], [onerror]")).to_have_count(0)
    inserted = "() => [...document.scripts].filter((script) => script.textContent.includes('pwned')).length"
    assert page.evaluate(inserted) == 0


def look_everywhere(view: RunView) -> None:
    """Click every box, every section of its details, and every tab."""
    for box in view.root.locator('g.node[role="button"]').all():
        box.press("Enter")
        for section in view.panel().locator("button[aria-pressed]").all():
            section.click()
            expect_unhurt(view.page)
    for tab in view.root.locator("[role=tab]:visible").all():
        tab.click()
        expect_unhurt(view.page)


def answer_with_probes(notebook: NotebookPage, view: RunView) -> None:
    view.root.get_by_role("radio").first.check()
    view.root.get_by_role("button", name="Send").click()
    form = view.root.locator("form.ask").filter(has_text="last ")
    form.get_by_role("textbox").fill(PROBE)
    expect_unhurt(notebook.page)
    notebook.page.keyboard.press("Enter")
    view.expect_status("done")


def test_no_text_of_a_run_becomes_html(lab: Lab) -> None:
    with lab.open([LOAD, HOSTILE, "h = start(hostile)", "(await h).out"], kernel="new") as notebook:
        notebook.do(0, 1, 2)
        view = RunView(notebook, 2)
        expect(view.root.locator("form.ask").filter(has_text=PROBE)).to_be_visible()
        expect(view.transcript()).to_contain_text(PROBE)
        expect_unhurt(notebook.page)
        answer_with_probes(notebook, view)
        look_everywhere(view)
        notebook.do(3)
        notebook.save()
        notebook.restart_kernel()
        notebook.reload()
        copy = static_copy(notebook, 2)
        expect(copy).to_be_visible()
        expect(copy).to_contain_text(PROBE)
        for details in copy.locator("details").all():
            details.evaluate("(details) => { details.open = true }")
        expect_unhurt(notebook.page)


def test_the_tables_of_runs_and_questions_show_text(lab: Lab) -> None:
    cells = [LOAD, HOSTILE, "h = start(hostile)", "%aether", "%aether waits"]
    with lab.open(cells, kernel="new") as notebook:
        notebook.do(0, 1, 2)
        expect(RunView(notebook, 2).root.locator("form.ask")).to_be_visible()
        notebook.do(3, 4)
        expect(notebook.cell(4)).to_contain_text(PROBE[:40])  # long texts are cut in tables
        expect_unhurt(notebook.page)
