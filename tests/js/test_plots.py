"""Plots in a browser: charts that zoom, lines that go off, pictures with a slider; for the eye, keys and the ear."""

from __future__ import annotations

import io
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from playwright.sync_api import Locator, Page, expect

from aethergraph.views import frames
from jupyter_ext import plot_wire
from tests.js.view import View
from tests.story import PROBE, Story

DARK = "document.body.dataset.jpThemeLight = 'false'; document.body.style.background = '#111'"


def png(text: str = "") -> bytes:
    file = io.BytesIO()
    figure = Figure(figsize=(3, 2), layout="constrained")
    figure.subplots().set_title(text)
    figure.savefig(file, format="png")
    return file.getvalue()


def lossy(count: int = 400) -> Story:
    """A story of two lines; the second has a gap and values below 0."""
    story = Story()
    fit = story.node("fit")
    for step in range(count):
        story.point(fit, "loss/svm", step, 2.0 ** (-step / 50))
        story.point(fit, "loss/mlp", step, math.nan if 100 < step < 150 else math.cos(step / 40))
    return story


def opened(page: Page, story: Story) -> View:
    view = View(page, story)
    page.get_by_role("tab", name="Plots").click()
    return view


def chart(page: Page, name: str = "loss") -> Locator:
    return page.get_by_role("img", name=f"plot of {name}")


def ink(place: Locator) -> int:
    """How many pixels of a canvas are drawn on."""
    return int(
        place.locator("canvas").evaluate(
            """(canvas) => {
              const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              let count = 0;
              for (let i = 3; i < data.length; i += 4) if (data[i]) count += 1;
              return count;
            }"""
        )
    )


def shot(page: Page, name: str) -> None:
    """A picture for whoever wants to look, where SCREENSHOTS names a folder."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.locator(".aether").screenshot(path=Path(folder) / f"{name}.png")


def test_a_chart_is_drawn_and_says_what_it_shows(page: Page) -> None:
    opened(page, lossy())
    place = chart(page)
    expect(place.locator("canvas")).to_be_visible()
    assert ink(place) > 1_000
    label = place.get_attribute("aria-label") or ""
    assert label.startswith("plot of loss: 2 lines. svm from 0.003961 to 1, last 0.003961 at step")
    expect(page.locator(".legend button")).to_have_text(["svm0.003961", "mlp-0.8524"])


def test_a_line_goes_off_and_on(page: Page) -> None:
    opened(page, lossy())
    both = ink(chart(page))
    svm = page.get_by_role("button", name="svm", exact=False)
    svm.click()
    expect(svm).to_have_attribute("aria-pressed", "false")
    assert ink(chart(page)) < both
    svm.focus()
    page.keyboard.press("Enter")
    expect(svm).to_have_attribute("aria-pressed", "true")
    assert ink(chart(page)) == both


def test_a_line_that_is_pointed_at_stands_out(page: Page) -> None:
    opened(page, lossy())
    strong = """(canvas) => { const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let count = 0; for (let i = 3; i < data.length; i += 4) if (data[i] > 200) count += 1; return count; }"""
    canvas = chart(page).locator("canvas")
    before = canvas.evaluate(strong)
    page.get_by_role("button", name="svm").hover()
    assert canvas.evaluate(strong) < before  # the other line is faint
    page.mouse.move(0, 0)
    assert canvas.evaluate(strong) == before


def test_many_points_are_drawn_hair_thin(page: Page) -> None:
    story = Story()
    fit = story.node("fit")
    for k in range(9):
        for step in range(900):
            story.point(fit, f"loss/{k}", step, math.sin(step * (k + 1) / 50))
    view = View(page, story)
    page.get_by_role("tab", name="Plots").click()
    expect(page.locator(".legend i.d1")).to_have_count(0)
    story.attempt_failed(fit, 1)
    for k in range(9):
        story.point(fit, f"loss/{k}", 0, k)
    view.play()
    expect(page.locator(".legend i.d1")).to_have_count(2)  # few again: dashes tell lines of one colour apart


def test_values_under_the_pointer(page: Page) -> None:
    opened(page, lossy())
    area = chart(page).locator(".u-over").bounding_box()
    assert area is not None
    page.mouse.move(area["x"] + area["width"] * 0.5, area["y"] + 20)
    expect(page.locator(".legend")).to_contain_text("svm0.06")  # near step 200
    caption, high = page.locator("figcaption"), page.locator("figure").first.bounding_box()
    expect(caption).to_contain_text(re.compile(r"step (199|200)$"))
    page.mouse.move(area["x"] + area["width"] * 120 / 399, area["y"] + 20)
    expect(page.locator(".legend")).to_contain_text("mlpgap")
    page.mouse.move(0, 0)
    expect(page.locator(".legend")).to_contain_text("svm0.003961")
    expect(caption).not_to_contain_text("step")
    assert page.locator("figure").first.bounding_box() == high  # nothing has moved


def test_steps_are_told_apart_however_large_they_are(page: Page) -> None:
    story = Story()
    fit = story.node("fit")
    for step in range(1_234_560, 1_234_570):
        story.point(fit, "loss", step, 1.0)
    opened(page, story)
    chart(page).focus()
    page.keyboard.press("Home")
    expect(page.locator("figcaption")).to_contain_text("step 1234560")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".aloud")).to_have_text("step 1234561: loss 1")


DRAWN = """() => {
  const { fillText } = CanvasRenderingContext2D.prototype;
  window.labels = [];
  CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
    if (text) window.labels.push(text);
    return fillText.call(this, text, ...rest);
  };
}"""


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.42, 0.48, {"0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"}),
        (2, 30, {"2", "5", "10", "20", "50", "100"}),
        (0.012, 9, {"0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10"}),
        (1e-5, 10, {"1.0e-5", "1.0e-4", "0.001", "0.01", "0.1", "1", "10"}),
    ],
)
def test_a_logarithmic_axis_names_as_much_as_has_room(page: Page, low: float, high: float, labels: set[str]) -> None:
    story = Story()
    fit = story.node("fit")
    for step in range(40):
        story.point(fit, "loss", 1000 + step, low * (high / low) ** (step / 39))
    opened(page, story)
    expect(chart(page).locator("canvas")).to_be_visible()
    page.evaluate(DRAWN)
    page.get_by_role("button", name="log", exact=True).click()
    page.wait_for_function("window.labels.length > 0")
    found = [text for text in page.evaluate("window.labels") if not re.fullmatch(r"10\d\d", text)]  # but for the steps
    assert set(found) == labels


def test_the_keys_read_and_zoom(page: Page) -> None:
    opened(page, lossy())
    place, said = chart(page), page.locator(".aloud")
    place.focus()
    page.keyboard.press("Home")
    expect(said).to_have_text("step 0: svm 1, mlp 1")
    page.keyboard.press("ArrowRight")
    expect(said).to_have_text("step 1: svm 0.9862, mlp 0.9997")
    page.keyboard.press("End")
    expect(said).to_have_text("step 399: svm 0.003961, mlp -0.8524")
    whole = page.get_by_role("button", name="whole range")
    expect(whole).to_be_hidden()
    page.keyboard.press("+")
    expect(whole).to_be_visible()
    page.keyboard.press("0")
    expect(whole).to_be_hidden()


def test_a_drag_zooms_and_stays_zoomed_while_points_come(page: Page) -> None:
    story = lossy()
    view = opened(page, story)
    area = chart(page).locator(".u-over").bounding_box()
    assert area is not None
    page.mouse.move(area["x"] + 100, area["y"] + 30)
    page.mouse.down()
    page.mouse.move(area["x"] + 200, area["y"] + 60, steps=4)
    page.mouse.up()
    whole = page.get_by_role("button", name="whole range")
    expect(whole).to_be_visible()
    assert view.sent("range") == []  # nothing was left out, so there is nothing to ask for
    zoomed = ink(chart(page))
    story.point(1, "loss/svm", 400, 50.0)
    view.play()
    page.mouse.move(0, 0)
    expect(page.locator(".legend")).to_contain_text("svm50")
    assert abs(ink(chart(page)) - zoomed) < 60  # but for the pointer
    whole.click()
    expect(whole).to_be_hidden()


def test_a_range_of_a_long_line_is_asked_for_and_shown_in_full(page: Page) -> None:
    story = Story()
    fit = story.node("fit")
    for step in range(6_000):
        story.point(fit, "loss", step, 1.0 if step == 3_001 else math.sin(step) / 4)
    view = opened(page, story)
    chart(page).focus()
    for _ in range(5):
        page.keyboard.press("+")
    asked = view.sent("range")[-1]
    assert asked["tracks"] == ["loss"] and asked["high"] - asked["low"] < 200
    tracks = plot_wire.detail(view.teller.picture, asked["tracks"], asked["low"], asked["high"])
    view.tell({"kind": "range", "chart": "loss", "low": asked["low"], "high": asked["high"], "tracks": tracks})
    page.keyboard.press("Home")
    steps = set()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
        steps.add(page.locator("figcaption .read").inner_text())
    assert len(steps) >= 30  # every step, where the coarse line had two of each six


def test_a_logarithmic_axis_says_what_it_leaves_out(page: Page) -> None:
    opened(page, lossy())
    before = ink(chart(page))
    log = page.get_by_role("button", name="log", exact=True)
    log.click()
    expect(log).to_have_attribute("aria-pressed", "true")
    expect(page.locator("figcaption")).to_contain_text("values not above 0 are left out")
    assert ink(chart(page)) != before
    log.click()
    expect(page.locator("figcaption")).not_to_contain_text("left out")


def test_a_line_that_runs_again_begins_anew(page: Page) -> None:
    story = lossy(5)
    view = opened(page, story)
    story.attempt_failed(1, 1)
    view.play()
    expect(page.locator(".plots")).to_have_text("")
    story.point(1, "loss/svm", 0, 7)
    view.play()
    expect(page.locator(".legend button")).to_have_text(["svm7"])


def test_a_chart_follows_the_theme(page: Page) -> None:
    opened(page, lossy())
    colour = """(canvas) => { const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const seen = new Set(); for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
        return [...seen]; }"""  # noqa: E501
    canvas = chart(page).locator("canvas")
    assert "0,114,178" in canvas.evaluate(colour)
    page.evaluate(DARK)
    assert "86,180,233" in canvas.evaluate(colour)


# ---------------------------------------------------------------------- pictures


def pictured() -> Story:
    story = Story()
    fit = story.node("fit")
    for step in range(4):
        matrix = np.outer(np.arange(12), np.arange(20)) * (step + 1.0)
        matrix[3, 4] = math.nan
        story.frame(fit, "attention", step, frames.MATRIX, frames.write_array(matrix))
        story.frame(fit, "spectrum", step, frames.VECTOR, frames.write_array(np.sin(np.arange(300) * 0.1 * step)))
        story.frame(fit, "fit", step, frames.IMAGE, png(f"step {step}"), mime="image/png")
    rows: list[list[Any]] = [[f"model {i}", i / 7, None, PROBE] for i in range(300)]
    story.frame(fit, "scores", 0, frames.TABLE, frames.write_table(["model", "score", "note", PROBE], rows, 5_000))
    return story


def figure(page: Page, name: str) -> Locator:
    return page.locator("figure.picture-of").filter(has=page.locator("figcaption", has_text=name))


def test_pictures_are_asked_for_when_they_are_seen_and_only_the_latest(page: Page) -> None:
    view = View(page, pictured())
    assert view.sent("frame") == []
    page.get_by_role("tab", name="Plots 4").click()
    view.frame()
    asked = {message["track"]: message["id"] for message in view.sent("frame")}
    assert asked == {"attention": 3, "spectrum": 3, "fit": 3, "scores": 0}
    expect(figure(page, "attention").locator("canvas")).to_be_visible()
    expect(figure(page, "attention")).to_contain_text("step 3 (4 of 4)")
    expect(figure(page, "fit").get_by_role("img", name="fit at step 3")).to_be_visible()
    expect(figure(page, "scores").get_by_role("slider")).to_be_hidden()  # there is only one


def test_a_slider_goes_through_the_steps_and_back_to_the_run(page: Page) -> None:
    story = pictured()
    view = opened(page, story)
    view.frame()
    one = figure(page, "attention")
    slider = one.get_by_role("slider", name="step of attention")
    slider.focus()
    page.keyboard.press("Home")
    view.frame()
    expect(one.get_by_role("img")).to_have_attribute(
        "aria-label", "heat map of attention: 12 rows, 20 columns, from 0 to 209. Arrow keys read cells"
    )
    expect(slider).to_have_attribute("aria-valuetext", "step 0")
    story.frame(1, "attention", 4, frames.MATRIX, frames.write_array(np.eye(3)))
    view.play()
    expect(one).to_contain_text("step 0 (1 of 5)")  # whoever looks back is left where they are
    one.get_by_role("button", name="latest").click()
    view.frame()
    expect(one).to_contain_text("step 4 (5 of 5)")
    expect(one.get_by_role("img")).to_have_attribute(
        "aria-label", "heat map of attention: 3 rows, 3 columns, from 0 to 1. Arrow keys read cells"
    )
    story.frame(1, "attention", 5, frames.MATRIX, frames.write_array(np.eye(2)))
    view.play()
    expect(one).to_contain_text("step 5 (6 of 6)")  # and whoever follows goes along


def test_cells_of_a_heat_map_are_read(page: Page) -> None:
    view = opened(page, pictured())
    view.frame()
    one = figure(page, "attention")
    area = one.locator("canvas").bounding_box()
    assert area is not None
    page.mouse.move(area["x"] + area["width"] * 19.5 / 20, area["y"] + area["height"] * 11.5 / 12)
    expect(one.locator(".cell")).to_have_text("row 11, column 19: 836")
    one.locator("canvas").focus()
    page.mouse.move(0, 0)
    page.keyboard.press("ArrowLeft")
    expect(one.locator(".cell")).to_have_text("row 11, column 18: 792")
    page.mouse.move(area["x"] + area["width"] * 4.5 / 20, area["y"] + area["height"] * 3.5 / 12)
    expect(one.locator(".cell")).to_have_text("row 3, column 4: gap")


def test_a_table_is_text_whatever_is_in_it(page: Page) -> None:
    view = opened(page, pictured())
    view.frame()
    table = page.get_by_role("table", name="table of scores")
    expect(table.locator("tbody tr")).to_have_count(200)
    expect(table.locator("tbody tr").nth(1)).to_contain_text("model 10.1429<img src=x onerror=")
    expect(figure(page, "scores")).to_contain_text("the first 200 of 5000 rows")
    assert page.evaluate("window.hit") is None


def test_a_picture_that_cannot_be_read_says_why(page: Page) -> None:
    view = opened(page, pictured())
    for asked in view.sent("frame"):
        why = "blob ab12 is damaged"
        view.tell({"kind": "frame", "track": asked["track"], "id": asked["id"], "type": "matrix", "why": why})
    expect(figure(page, "attention")).to_contain_text("blob ab12 is damaged")


def test_pictures_of_a_node_that_runs_again_go(page: Page) -> None:
    story = pictured()
    view = opened(page, story)
    view.frame()
    story.attempt_failed(1, 1)
    view.play()
    expect(page.locator("figure")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_of_it_together(page: Page, theme: str) -> None:
    story = pictured()
    for step in range(300):
        for k in range(20):
            story.point(1, f"accuracy/model-{k}", step, 1 - math.exp(-step / (40 + 9 * k)) + 0.02 * math.sin(step * k))
            story.point(1, f"rate-{k % 2}", step, math.cos(step / 30 + k))
    view = opened(page, story)
    view.frame()
    if theme == "dark":
        page.evaluate(DARK)
    page.add_style_tag(content=".aether .plots { max-height: none !important }")
    expect(page.locator("figure")).to_have_count(8)  # 3 charts, 4 pictures, the chart in one of them
    expect(page.locator(".chart canvas")).to_have_count(4)
    shot(page, f"plots-{theme}")
