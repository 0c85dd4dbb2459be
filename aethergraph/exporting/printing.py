"""A module as text: docstring, imports in their groups, definitions, the agent, and what runs it as a script."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..code.definitions import FUTURE_LINE

_OURS = "aethergraph"
_SECONDS = 30  # that the formatter may take


@dataclass(slots=True)
class Page:
    """What a module is made of."""

    title: str
    imports: set[str]
    definitions: list[str]
    agent: str
    script: str
    future: bool = False
    notes: list[str] = field(default_factory=list)

    def text(self, path: Path | None = None) -> str:
        """The whole module, formatted where ruff is installed, as the project wants it in which `path` lies."""
        head = [self.title]
        if self.future:
            head.append(FUTURE_LINE)
        head.append(imports(self.imports))
        parts = ["\n\n".join(part for part in head if part), *self.definitions, self.agent, self.script]
        return formatted("\n\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n", path)


def imports(statements: Iterable[str]) -> str:
    """Import statements in three groups: the standard library, packages, and this one; each module once."""
    plain: set[str] = set()
    members: dict[str, set[str]] = defaultdict(set)
    for statement in statements:
        (tree,) = ast.parse(statement).body
        if isinstance(tree, ast.ImportFrom) and not tree.level:
            members[tree.module or ""] |= {ast.unparse(alias) for alias in tree.names}
        else:
            plain.add(statement)
    lines = [(_group(line.split()[1]), 0, line.split()[1], line) for line in plain]
    for module, names in members.items():
        lines.append((_group(module), 1, module, f"from {module} import {', '.join(sorted(names, key=_ordered))}"))
    groups = [[line for *_, line in sorted(lines) if _group(line.split()[1]) == group] for group in range(3)]
    return "\n\n".join("\n".join(group) for group in groups if group)


def _ordered(name: str) -> tuple[bool, bool, str]:
    """As formatters do: constants, classes, the rest."""
    own = name.split()[0]
    return not own.isupper(), not own[:1].isupper(), own


def _group(module: str) -> int:
    root = module.partition(".")[0]
    return 0 if root in sys.stdlib_module_names else 2 if root == _OURS else 1


def formatted(text: str, path: Path | None = None) -> str:
    """The text as ruff sets it, with the settings of the project in which `path` lies; as it is, without ruff."""
    ruff = _ruff()
    if ruff is None:
        return text
    how = ["--isolated", "--line-length", "100"] if path is None else []
    named = ["--stdin-filename", str(path or "module.py"), "-"]
    for command in (["check", "--quiet", "--select", "I", "--fix-only"], ["format", "--quiet"]):
        done = subprocess.run(
            [ruff, *command, *how, *named],
            input=text, capture_output=True, text=True, encoding="utf-8", timeout=_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode == 0 and done.stdout.strip():
            text = done.stdout
    return text


def _ruff() -> str | None:
    beside = Path(sysconfig.get_path("scripts")) / ("ruff.exe" if sys.platform == "win32" else "ruff")
    return str(beside) if beside.exists() else shutil.which("ruff")
