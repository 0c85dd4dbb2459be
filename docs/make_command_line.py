#!/usr/bin/env python3
"""Writes docs/command-line.md from the commands themselves: `python docs/make_command_line.py`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FILE = ROOT / "docs" / "command-line.md"
HEAD = """# The command line

`aether` runs agents that live in modules, and looks at, answers and goes on with runs of any store: those of notebooks,
too. What is printed on the standard output is what was asked for; all else goes to the standard error.

Each command takes `--json`: then one JSON document stands on the standard output, and nothing else, whatever the agent
prints. Of what could not be done it is `{"error": "...", "exit_code": 4}`; of a run that failed, its usual document.

```console
$ aether run agents.py:review --input text="to be or not to be" --watch
$ aether runs
$ aether --install-completion      # Tab completes commands and options, in bash, zsh, fish and PowerShell
```

| exit code | means |
| ---: | --- |
"""
WRITTEN = "<!-- written by docs/make_command_line.py -->"


def reference() -> str:
    """The whole page."""
    import typer

    from aethergraph.cli.app import app

    group: Any = typer.main.get_command(app)
    parts = [f"{WRITTEN}\n\n{HEAD}{_codes()}"]
    parts.append(f"\n## Options of all commands\n\n{_options(group)}")
    parts += [_command(name, command) for name, command in group.commands.items()]
    return "\n".join(parts).rstrip() + "\n"


def _codes() -> str:
    from aethergraph.cli import codes

    rows = []
    for row in inspect.getsource(codes.Exit).splitlines():
        name, equals, rest = row.partition(" = ")
        if equals:
            number, _, why = rest.partition("#")
            rows.append(f"| {number.strip()} | {why.strip() or name.strip().lower()} |")
    return "\n".join(rows) + "\n"


def _command(name: str, command: Any) -> str:
    words = [_shown(one) for one in command.params if one.param_type_name == "argument"]
    about = inspect.cleandoc(command.callback.__doc__ or "")
    return f"\n## aether {' '.join([name, *words])}\n\n{about}\n\n{_options(command)}"


def _options(command: Any) -> str:
    rows = [
        f"| `{_spelling(one)}` | {one.help or ''} |"
        for one in command.params
        if one.name not in ("install_completion", "show_completion")
    ]
    return "\n".join(["| | |", "| --- | --- |", *rows]) + "\n" if rows else ""


def _spelling(one: Any) -> str:
    if one.param_type_name == "argument":
        return _shown(one)
    flag = one.is_flag
    value = "" if flag else f" {one.metavar or one.name.upper()}"
    return ", ".join(sorted(one.opts, key=len)) + value


def _shown(one: Any) -> str:
    return str(one.metavar or one.name.upper())


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
    print(FILE)
