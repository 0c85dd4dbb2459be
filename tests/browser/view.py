"""The run view under a cell, found by what a person or a screen reader finds: roles, labels and words."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from .page import NotebookPage

STATIC = "[data-run-id]"


class RunView:
    """The widget in the output of one cell."""

    def __init__(self, notebook: NotebookPage, index: int) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.root = notebook.cell(index).locator(".aether").first
        expect(self.root).to_be_visible()

    def node(self, name: str) -> Locator:
        """The box of a node."""
        return self.root.locator(f'g.node[role="button"][aria-label^="{name}:"]')

    def expect_node(self, name: str, status: str) -> None:
        """Wait until a node's box says `status`."""
        expect(self.node(name)).to_have_attribute("aria-label", re.compile(rf"^{re.escape(name)}: {status}"))

    def expect_status(self, word: str) -> None:
        """Wait until the head of the view says how the run is."""
        expect(self.root.locator(".pill")).to_contain_text(word)

    def question(self, prompt: str) -> Locator:
        """The form of an open question."""
        return self.root.locator("form.ask").filter(has_text=prompt)

    def type(self, prompt: str, text: str) -> None:
        """Type into a question key by key, and leave it unsent."""
        field = self.question(prompt).get_by_role("textbox")
        field.click()
        field.press_sequentially(text, delay=15)

    def answer(self, prompt: str, text: str) -> None:
        """Answer with the keyboard alone, and wait until the question is gone."""
        self.type(prompt, text)
        self.page.keyboard.press("Enter")
        expect(self.question(prompt)).to_have_count(0)

    def choose(self, prompt: str, option: str) -> None:
        """Answer a choice with the mouse alone, and wait until the question is gone."""
        form = self.question(prompt)
        form.get_by_text(option, exact=True).click()
        form.get_by_role("button", name="Send").click()
        expect(form).to_have_count(0)

    def transcript(self) -> Locator:
        """What was said in the run, questions and answers included."""
        return self.root.get_by_role("log", name="Transcript")

    def panel(self) -> Locator:
        """The details of the box that was clicked last."""
        return self.root.get_by_role("complementary", name="Details")

    def stop(self) -> None:
        """Press Stop, and once more to say that it is meant."""
        self.root.get_by_role("button", name="Stop").click()
        self.root.get_by_role("button", name="Stop for good?").click()


def static_copy(notebook: NotebookPage, index: int) -> Locator:
    """The saved picture of the run in a cell's output."""
    return notebook.cell(index).locator(STATIC).first
