"""A pydantic model that is filled in under its cell."""

from __future__ import annotations

from playwright.sync_api import expect

from .agents import LOAD
from .lab import Lab
from .view import RunView

AGENT = """
import datetime
from typing import Literal

from aethergraph import graph_fn
from pydantic import BaseModel, Field, model_validator


class Split(BaseModel):
    test: float = Field(0.2, gt=0, lt=1, description="the part that is held out")
    seed: int = 0


class Fit(BaseModel):
    "How shall I fit the digits?"

    name: str = Field(min_length=1, description="as it is to stand in the table")
    rows: int = Field(500, ge=10, le=1797)
    method: Literal["svm", "forest", "neighbours"] = "svm"
    day: datetime.date | None = None
    shuffle: bool = True
    tags: list[str] = []
    split: Split = Split()

    @model_validator(mode="after")
    def few(self):
        if self.method == "svm" and self.rows > 1000:
            raise ValueError("an svm takes at most 1000 rows")
        return self


@graph_fn
async def fit(*, context):
    got = await context.channel().ask_form(Fit, name="fit")
    return {"seen": f"{got.name} {got.rows} {got.method} {got.day!r} {got.shuffle} {got.tags} {got.split.test}"}
"""


def test_a_form_is_filled_in_refused_corrected_and_taken(lab: Lab) -> None:
    with lab.open([LOAD, AGENT, "out = await fit()\nout.seen"], kernel="new") as notebook:
        notebook.do(0, 1)
        notebook.run(2)
        view = RunView(notebook, 2)
        form = view.question("How shall I fit the digits?")
        expect(form.get_by_label("Name", exact=True)).to_be_visible()
        form.get_by_label("Rows").fill("1500")
        form.get_by_role("button", name="Send").click()
        expect(form.locator(".leaf.wrong .bad")).to_have_text("is empty")
        form.get_by_label("Name", exact=True).fill("first")
        form.get_by_role("button", name="Send").click()
        expect(form.locator(".message")).to_contain_text("an svm takes at most 1000 rows")
        notebook.screenshot("form-refused", view.root)
        form.get_by_label("forest").check()
        form.get_by_label("Day").fill("2026-03-31")
        form.get_by_label("Tags").fill("digits\nfirst")
        form.get_by_role("group", name="Split").get_by_label("Test").fill("0.25")
        form.get_by_role("button", name="Send").click()
        seen = notebook.finish(2)
        assert "first 1500 forest datetime.date(2026, 3, 31) True ['digits', 'first'] 0.25" in seen
        expect(view.transcript()).to_contain_text("name: first, rows: 1500, method: forest")
        notebook.screenshot("form-answered", view.root)
