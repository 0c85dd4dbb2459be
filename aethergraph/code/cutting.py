"""One function or class of a module, parsed without the rest: a run that goes on need not wait for a long file."""

from __future__ import annotations

import ast
from functools import lru_cache, partial
from itertools import chain, islice

from .parsing import parse

TRIES = 8  # ends that are tried; a definition whose texts have many lines at the margin is found in the whole tree
_NO_BEGINNING = (" ", "\t", "#", ")", "]", "}")  # of a statement at the margin


def definition_at(text: str, line: int) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | None:
    """The definition at the margin whose first line, or that of its first decorator, is `line`; its places are right.

    None where there is none, or where it takes the whole text to tell. What comes before a line at the margin either
    is whole, and so is the definition, or ends within brackets, a text or a joined line, and then it cannot be parsed.
    """
    lines = _lines(text)
    if not 0 < line <= len(lines) or not lines[line - 1].startswith(("@", "def ", "async ", "class ")):
        return None
    before = next(filter(partial(_begins, lines), range(line - 2, -1, -1)), None)
    if before is not None and lines[before].startswith("@"):
        return None  # a decorator comes first
    ends = filter(partial(_begins, lines), range(line, len(lines)))
    for end in islice(chain(ends, [len(lines)]), TRIES):
        found = _only("\n" * (line - 1) + "\n".join(lines[line - 1 : end]))
        if found is not None:
            return found
    return None


def _begins(lines: list[str], n: int) -> bool:
    """Whether line n (from 0) can begin a statement at the margin."""
    return bool(lines[n]) and not lines[n].startswith(_NO_BEGINNING)


@lru_cache(maxsize=64)
def _lines(text: str) -> list[str]:
    """The lines as Python counts them; none where that takes more than a look at the ends of lines."""
    return [] if "\r" in text or "\f" in text else text.split("\n")


def _only(piece: str) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | None:
    try:
        body = parse(piece).body
    except (SyntaxError, ValueError):
        return None
    (one,) = body if len(body) == 1 else (None,)
    return one if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) else None
