"""The pages of `docs/`, for those who run their code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs"


def text(name: str) -> str:
    """The page `name`."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def fenced(page: str) -> list[tuple[str, str]]:
    """The blocks of a page, each with its language."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    """The blocks of Python of a page."""
    return [body for language, body in fenced(page) if language == "python"]


def run(page: str, folder: Path) -> dict[str, Any]:
    """Run the Python of a page as one module, a file in `folder`, since tools are looked up by their source."""
    script = folder / "page.py"
    script.write_text("\n".join(blocks(page)), encoding="utf-8")
    names: dict[str, Any] = {"__name__": "page", "__file__": str(script)}
    exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), names)
    return names
