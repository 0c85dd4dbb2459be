"""The commands of `aether`, put together."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import __version__
from . import acting, exporting, files, house, notebooks, reading, running
from .codes import Exit, Wrong, code_of
from .driving import store_at
from .output import complain

ABOUT = """Run agents, look at runs, answer what they ask.

Exit codes: 0 done, 1 failed, 2 written wrongly, 3 waits or is paused, 4 unknown, 5 cancelled, 6 live in another
process, 130 interrupted.
"""

# What wrong options raise. It belongs to click, of which newer versions of typer carry a copy of their own.
MISUSE: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

app = typer.Typer(
    name="aether", help=ABOUT, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
)
for module in (running, reading, acting, exporting, files, house, notebooks):
    for command in module.COMMANDS:
        app.command(command.__name__)(command)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"aethergraph {__version__}")
        raise typer.Exit


@app.callback()
def options(
    store: Annotated[
        Path | None, typer.Option(help="The folder of the store; else AETHERGRAPH_HOME, else the nearest .aethergraph.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")] = False,
) -> None:
    """Of all commands."""
    store_at(store)


def call(arguments: list[str]) -> int:
    """Do what the arguments say; the exit code. An error is one clear line, AETHERGRAPH_DEBUG=1 shows all of it."""
    try:
        found = app(arguments, standalone_mode=False, prog_name="aether")
    except typer.Exit as ended:
        return ended.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except BrokenPipeError:  # `aether runs | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception as error:
        if isinstance(error, MISUSE):
            error.show()
            return Exit.USAGE
        if os.environ.get("AETHERGRAPH_DEBUG"):
            raise
        complain(error)
        return Exit.USAGE if isinstance(error, Wrong) else code_of(error)
    return int(found or 0)
