"""What somebody means who types an answer in one line: at a terminal, below a cell, after a command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..record import uploads
from ..record.schema import FILES, FORM, Question


def value(text: str) -> Any:
    """JSON as what it says, anything else as the text that it is."""
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text


def answer(question: Question, line: str) -> Any:
    """The raw answer that a typed line means: an option by its text or its number, files by their paths."""
    if question.kind == "text":
        return line
    text = line.strip()
    if question.kind == FILES:
        return paths(question, text)
    if question.options and question.multiple:
        return [option(question.options, part) for part in text.split(",") if part.strip()]
    if question.kind == "approval" and (meant := _YES_OR_NO.get(text.lower())) is not None and _may_say_so(question):
        return meant
    return option(question.options, text) if question.options else text


_YES_OR_NO = {"yes": True, "y": True, "no": False, "n": False}


def _may_say_so(question: Question) -> bool:
    """Whether yes and no are plain: of two options the first approves, and none has such a name itself."""
    return len(question.options) == 2 and not any(one.strip().lower()[:1] in ("y", "n") for one in question.options)


def given(question: Question, text: str) -> Any:
    """As `answer`, where the text was not typed at the question itself: several options, files or a form as JSON too.

    Raises:
        ValueError: it begins as JSON does, and is none.
    """
    if (question.multiple and text.startswith("[")) or (question.kind in (FILES, FORM) and text.startswith("{")):
        import json

        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError(f"{text} is not JSON: {error}") from None
    return answer(question, text)


def option(options: list[str], text: str) -> str:
    """The option that is meant by its text or, unless a number is itself an option, by its number."""
    text = text.strip()
    if text not in options and text.isascii() and text.isdecimal() and 1 <= int(text) <= len(options):
        return options[int(text) - 1]
    return text


def paths(question: Question, line: str) -> list[str]:
    """The paths in a line: one that is a file as it stands, else words as a shell reads them (terminals quote so)."""
    import shlex

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
