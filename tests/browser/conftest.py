"""One server and one browser for all browser tests, which run one after the other on one worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from .lab import Lab, browser
from .page import NotebookPage

HERE = Path(__file__).parent
Opener = Callable[..., AbstractContextManager[NotebookPage]]


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("browser"))
            item.add_marker(pytest.mark.timeout(240))


# Not of the session: Playwright leaves its event loop marked as running in this thread, and any later test of this
# worker that calls asyncio.run() would fail.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="package")
def lab(
    chromium: Browser, clean_env: dict[str, str], old_ipykernel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    kernels: dict[str, list[Path]] = {"new": [], "old": [old_ipykernel]}
    with Lab(tmp_path_factory.mktemp("lab"), chromium, clean_env, kernels) as running:
        yield running
