"""A real IPython shell, and desks that stand for running nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from aethergraph.engine import HERE


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell of its own, without history, plain text."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    InteractiveShell.clear_instance()
    yield InteractiveShell.instance(config=config)
    InteractiveShell.clear_instance()


class FakeBlobs:
    """Contents by number."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def put(self, data: bytes) -> str:
        self.kept.append(data)
        return str(len(self.kept) - 1)


class FakeStore:
    """A store of which only the blobs are used."""

    def __init__(self) -> None:
        self.blobs = FakeBlobs()


class FakeDesk:
    """Stands for one attempt of a node; keeps what is noted."""

    def __init__(self, no: int = 1, attempt: int = 1, refuse: Exception | None = None) -> None:
        self.run_id, self.no, self.attempt = "run-1", no, attempt
        self.store = FakeStore()
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.refuse = refuse
        self.noted: Callable[[], object] = lambda: None

    @property
    def desk(self) -> FakeDesk:
        """It is its own place."""
        return self

    def note(self, kind: str, data: dict[str, Any]) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.notes.append((kind, data))
        self.noted()

    def printed(self) -> list[tuple[str, bool]]:
        """The noted pieces of text, and whether they were errors."""
        return [(data["s"], data["err"]) for kind, data in self.notes if kind == "out"]


@contextmanager
def inside(desk: FakeDesk) -> Iterator[FakeDesk]:
    """Code in this block runs as that node."""
    token = HERE.set(desk)  # type: ignore[arg-type]
    try:
        yield desk
    finally:
        HERE.reset(token)
