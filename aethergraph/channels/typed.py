"""What somebody means who types an answer in one line: at a terminal, below a cell, after a command."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from ..record import uploads
from ..record.schema import Question


def option(options: list[str], text: str) -> str:
    """The option that is meant by its text or, unless a number is itself an option, by its number."""
    text = text.strip()
    if text not in options and text.isascii() and text.isdecimal() and 1 <= int(text) <= len(options):
        return options[int(text) - 1]
    return text


def paths(question: Question, line: str) -> list[str]:
    """The paths in a line: one that is a file as it stands, else words as a shell reads them (terminals quote so)."""
    text = line.strip()
    if not text or _is_file(text):
        return [text] if text else []
    try:
        # Where a backslash parts folders it protects nothing.
        words = shlex.split(text.replace("\\", "\\\\") if os.name == "nt" else text)
    except ValueError:  # a quotation mark that is not closed
        return [text]
    return words if question.multiple or _is_file(words[0]) else [" ".join(words)]


def _is_file(text: str) -> bool:
    try:
        return Path(text).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):  # too long, no such user, NUL
        return False


def files_hint(question: Question) -> str:
    """What to type for files."""
    what = "paths of files, those with spaces in quotes" if question.multiple else "path of a file"
    return "; ".join(part for part in (what, uploads.limits(question)) if part)
