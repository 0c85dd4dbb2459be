"""The modules of the view in a real browser, without a notebook around them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, sync_playwright

PACKAGE = Path(__file__).resolve().parents[2] / "jupyter_ext"
PLACES = (PACKAGE / "static", PACKAGE / "js")  # the bundle, which holds what is not ours, and single modules of ours
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
ORIGIN = "http://view.test"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All on one worker, which then starts one browser."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("browser"))


def _serve(route: Route) -> None:
    name = route.request.url.removeprefix(ORIGIN + "/")
    if name == "":
        route.fulfill(body="<!doctype html><body></body>", content_type="text/html")
    elif "/" not in name and (found := next((one for one in PLACES if (one / name).is_file()), None)) is not None:
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        route.fulfill(body=(found / name).read_bytes(), content_type=kind)
    else:
        route.abort()


@pytest.fixture(scope="module")
def window() -> Iterator[Page]:
    """An empty page that can import the modules; nothing else can be loaded."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1000, "height": 800})
        context.route("**/*", _serve)
        yield context.new_page()
        browser.close()


@pytest.fixture
def page(window: Page) -> Iterator[Page]:
    """The page, as new, which may not have raised an error at the end."""
    errors: list[str] = []

    def note(error: object) -> None:
        errors.append(str(error))

    window.on("pageerror", note)
    window.goto(ORIGIN + "/")
    window.evaluate("localStorage.clear()")
    yield window
    window.remove_listener("pageerror", note)
    assert not errors
