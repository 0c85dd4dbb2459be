"""`--json`: one document on the standard output, of what was done or of what is wrong; and nothing else there.

What agents, their child processes and libraries print meanwhile goes to the standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Annotated, Any, TextIO

import typer

from .codes import Exit
from .values import plain

OPTION = "--json"
AsJson = Annotated[bool, typer.Option(OPTION, help="One JSON document on the standard output, of an error too.")]

_outputs: list[TextIO] = []  # where the document goes while all else is kept away from there


def wanted(arguments: Sequence[str]) -> bool:
    """Whether the arguments ask for a document. They may be wrong, so they are not parsed."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return OPTION in arguments[:end]


@contextmanager
def apart() -> Iterator[None]:
    """Inside a `with`, only documents come to the standard output: also of what child processes write."""
    output = sys.stdout
    output.flush()
    try:
        number = output.fileno()
    except OSError:  # no file: whoever replaced it reads it in this process
        number = -1
    if number != 1:
        with _kept(output), redirect_stdout(sys.stderr):
            yield
        return
    kept = os.dup(number)
    with open(kept, "w", encoding=output.encoding, errors=output.errors) as document, _kept(document):
        os.dup2(sys.stderr.fileno(), number)  # `input()` asks at a terminal only where this is the standard output
        try:
            yield
        finally:
            output.flush()
            os.dup2(kept, number)


@contextmanager
def _kept(output: TextIO) -> Iterator[None]:
    _outputs.append(output)
    try:
        yield
    finally:
        _outputs.remove(output)


def show_json(thing: Any) -> None:
    """One JSON document on the standard output; in ASCII where that has no form for all letters."""
    output = _outputs[-1] if _outputs else sys.stdout
    narrow = (getattr(output, "encoding", None) or "").lower().replace("-", "") != "utf8"
    print(json.dumps(plain(thing), indent=2, ensure_ascii=narrow), file=output, flush=True)


def show_error(text: str, code: Exit) -> None:
    """The document of a command that could not be done."""
    show_json({"error": text, "exit_code": int(code)})
