"""Questions that are asked in the input line below a running cell: while that lasts, a view's form cannot be heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_asked: dict[str, int] = {}  # token -> how many lines ask for it; only ever written by the thread that asks
listeners: list[Callable[[str], None]] = []  # told the token when its line opens, and when it is gone


@contextmanager
def asked_below(token: str) -> Iterator[None]:
    """In this block the question of `token` is asked in an input line."""
    _asked[token] = _asked.get(token, 0) + 1
    _tell(token)
    try:
        yield
    finally:
        _asked[token] -= 1
        if not _asked[token]:
            del _asked[token]
        _tell(token)


def is_asked_below(token: str) -> bool:
    """Whether an input line asks for the answer to `token` now."""
    return token in _asked


def _tell(token: str) -> None:
    for listener in listeners.copy():
        listener(token)
