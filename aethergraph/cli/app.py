"""The commands of `aether`, put together."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import __version__
from . import acting, document, exporting, files, house, notebooks, reading, running
from .codes import Exit, code_of
from .driving import store_at
from .output import complain, told

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
    _make_streams_usable()
    as_document = document.wanted(arguments)
    try:
        with document.apart() if as_document else nullcontext():
            code = _done(arguments, as_document)
        sys.stdout.flush()
    except BrokenPipeError:  # `aether runs | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except OSError as error:  # the disk is full, on which it is written
        complain(f"the output cannot be written: {error.strerror or error}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return Exit.FAILED
    return code


def _done(arguments: list[str], as_document: bool) -> int:
    try:
        return int(app(arguments, standalone_mode=False, prog_name="aether") or 0)
    except typer.Exit as ended:
        return ended.exit_code
    except BrokenPipeError:
        raise
    except MISUSE as error:
        error.show()
        code, text = Exit.USAGE, error.format_message()
        if getattr(error, "option_name", "") == "--store":
            complain("--store stands before the command: aether --store FOLDER COMMAND")
    except (KeyboardInterrupt, typer.Abort):
        code, text = Exit.INTERRUPTED, "interrupted"
    except Exception as error:
        if os.environ.get("AETHERGRAPH_DEBUG"):
            raise
        complain(error)
        code, text = code_of(error), told(error)
    if as_document:
        document.show_error(text, code)
    return code


def _make_streams_usable() -> None:
    """A closed output takes everything and shows nothing; one without our signs shows others in their place."""
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (for the whole process)
        elif stream.errors in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
