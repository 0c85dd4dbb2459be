"""The modules of the view in a real browser, without a notebook around them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

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


class Window:
    """A page in a browser, which is used again by the next test where it can be."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._page: Page | None = None

    @property
    def page(self) -> Page:
        """An empty page that can import the modules; nothing else can be loaded."""
        if self._page is None:
            context = self._browser.new_context(viewport={"width": 1000, "height": 800})
            context.route("**/*", _serve)
            self._page = context.new_page()
        return self._page

    def left(self) -> None:
        """A test is over. A clock that it has installed stays with its context, and all frames come by that."""
        if self._page is not None and not self._page.evaluate("`${requestAnimationFrame}`.includes('[native code]')"):
            self._page.context.close()
            self._page = None


@pytest.fixture(scope="module")
def window() -> Iterator[Window]:
    """Where the tests of a module take place."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield Window(browser)
        browser.close()


@pytest.fixture
def page(window: Window) -> Iterator[Page]:
    """The page, as new, which may not have raised an error at the end."""
    errors: list[str] = []
    opened = window.page

    def note(error: object) -> None:
        errors.append(str(error))

    opened.on("pageerror", note)
    opened.goto(ORIGIN + "/")
    opened.evaluate("localStorage.clear()")
    yield opened
    opened.remove_listener("pageerror", note)
    window.left()
    assert not errors
