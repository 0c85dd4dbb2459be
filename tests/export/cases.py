"""The corpus: agents as cells, in files by theme. Each begins with `=== title` and what is known of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("corpus")


@dataclass(frozen=True, slots=True)
class Case:
    """One agent, called `agent` in its last cell.

    kind: "lifted" (taken apart), "whole" (kept as one node) or "refused". says: what the message or module contains.
    """

    theme: str
    title: str
    cells: tuple[str, ...]
    kind: str = "lifted"
    inputs: Any = None
    answers: Any = None
    says: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.theme}: {self.title}"


def cases() -> list[Case]:
    return [case for path in sorted(FOLDER.glob("*.cells")) for case in _read(path)]


def _read(path: Path) -> Iterator[Case]:
    for part in ("\n" + path.read_text(encoding="utf-8")).split("\n=== ")[1:]:
        head, *cells = part.split("\n---\n")
        title, *lines = head.splitlines()
        known: dict[str, Any] = {}
        says: list[str] = []
        for line in filter(None, lines):
            name, _, text = line.partition(": ")
            if name == "says":
                says.append(text)
            else:
                known[name] = text if name == "kind" else ast.literal_eval(text)
        yield Case(path.stem, title, tuple(cells), says=tuple(says), **known)
