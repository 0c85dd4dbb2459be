"""The command line in this process, on a store of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Runtime
from aethergraph.cli import main
from aethergraph.storage.keyring import Keyring

AGENTS = str(Path(__file__).with_name("agents.py"))


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    for name in ("AETHERGRAPH_ANSWERS", "AETHERGRAPH_CHANNEL", "AETHERGRAPH_INTERACTIVE"):
        monkeypatch.setenv(name, "")  # `--answers` sets one of them, and this puts it back
    runtime = Runtime(tmp_path / "store", keyring=Keyring(tmp_path / "key"), durability="process")
    with runtime.use():
        yield runtime
    runtime.close()


class Aether:
    """Calls of `aether`: the exit code, and what was printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.code, self.out, self.err = 0, "", ""

    def __call__(self, *arguments: str) -> int:
        self._capsys.readouterr()
        self.code = main(list(arguments))
        self.out, self.err = self._capsys.readouterr()
        return self.code

    def json(self, *arguments: str) -> Any:
        """The document that a command printed with `--json`."""
        self(*arguments, "--json")
        return json.loads(self.out)


@pytest.fixture
def aether(capsys: pytest.CaptureFixture[str]) -> Aether:
    return Aether(capsys)


Call = Callable[..., int]
