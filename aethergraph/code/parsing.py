"""Parsing while other threads parse, too: the kernel's cells in one, the code of runs in another."""

from __future__ import annotations

import ast

TRIES = 10


def parse(text: str, file: str = "<unknown>") -> ast.Module:
    """The tree of a text.

    Python 3.11 and 3.12 count how deep a tree is in one place for all threads, and raise SystemError where the switch
    of threads came in between (python/cpython#106905). Nothing is wrong with the text then: it is parsed again.

    Raises:
        SyntaxError, ValueError: it is no Python.
    """
    for _ in range(TRIES - 1):
        try:
            return ast.parse(text, file)
        except SystemError:
            continue
    return ast.parse(text, file)
