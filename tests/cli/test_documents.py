"""What the documents say of the command line is what it does."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("command_line", ROOT / "docs" / "make_command_line.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_up_to_date() -> None:
    written = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert generator().reference() == written, "type: python3 dev.py docs"


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
def test_the_recording_in_the_readme_is_what_happens(tmp_path: Path) -> None:
    from .test_terminal import Terminal

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    source = next(block for block in re.findall(r"```python\n(.*?)```", readme, re.S) if "def review" in block)
    (tmp_path / "agents.py").write_text(source, encoding="utf-8")
    recorded = next(block for block in re.findall(r"```console\n(.*?)```", readme, re.S) if "$ aether run" in block)
    command, *lines = recorded.splitlines()
    assert command == '$ aether run agents.py:review --input text="to be or not to be" --watch'
    text = "text=to be or not to be"
    terminal = Terminal(tmp_path, "run", str(tmp_path / "agents.py") + ":review", "--input", text, "--watch")
    terminal.until("> ")
    terminal.type("Hamlet\n")
    try:
        assert terminal.end() == 0, terminal.text
    finally:
        terminal.close()
    shown = [_same(row) for row in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.text))]
    assert [row for row in map(_same, lines) if row not in shown] == []


def _same(row: str) -> str:
    """A line without what differs from run to run."""
    return re.sub(r"\d+(\.\d)? s\b|\d+:\d\d", "T", re.sub(r"review-\w+", "RUN", row)).strip()
