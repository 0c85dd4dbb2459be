"""Tracebacks in cells: a user's own frames, without the machinery between them.

Between `await study()` and the line that failed lie a dozen frames of ours, of asyncio and of a thread pool. They are
left out where the user's code failed or where we raised an error on purpose; an error that we did not mean to raise
is our bug, and is shown whole. `%xmode Verbose` shows everything always.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from aethergraph.errors import AetherGraphError

_OURS = ("aethergraph", "jupyter_ext")
_BETWEEN = ("asyncio", "concurrent", "contextlib", "threading")  # hidden where they come right after frames of ours
_RAISE = dis.opmap["RAISE_VARARGS"]


def install(shell: Any) -> Callable[[], None]:
    """Trim what `shell` shows; gives the call that undoes it."""
    formatter = shell.InteractiveTB
    plain = formatter.structured_traceback

    def structured_traceback(etype: Any, evalue: Any, etb: Any = None, *args: Any, **kwargs: Any) -> Any:
        if formatter.mode == "Verbose" or not isinstance(evalue, BaseException) or etb is None:
            return plain(etype, evalue, etb, *args, **kwargs)
        with _trimmed_chain(evalue):
            return plain(etype, evalue, trimmed(evalue, etb), *args, **kwargs)

    formatter.structured_traceback = structured_traceback

    def undo() -> None:
        if formatter.__dict__.get("structured_traceback") is structured_traceback:
            del formatter.structured_traceback

    return undo


def cell_name(shell: Any, filename: str) -> str:
    """`Cell In[3]` for the file that a cell of `shell` was compiled as; any other file name as it is."""
    found = shell.compile.format_code_name(filename)
    return " ".join(found) if found else filename


def trimmed(error: BaseException, tb: TracebackType) -> TracebackType:
    """`tb` without the frames of the machinery; as it is where `error` is a bug of ours."""
    steps = list(_steps(tb))
    ours = [_package(step) in _OURS for step in steps]
    if ours[-1] and not isinstance(error, AetherGraphError) and not _meant(steps[-1]):
        return tb
    hidden: list[bool] = []
    for step, own in zip(steps, ours, strict=True):
        hidden.append(own or (bool(hidden) and hidden[-1] and _package(step) in _BETWEEN))
    kept: TracebackType | None = None
    for step, hide in zip(reversed(steps), reversed(hidden), strict=True):
        if not hide:
            kept = TracebackType(kept, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return kept or tb


def _steps(tb: TracebackType | None) -> Iterator[TracebackType]:
    while tb is not None:
        yield tb
        tb = tb.tb_next


def _package(step: TracebackType) -> str:
    return str(step.tb_frame.f_globals.get("__name__") or "").partition(".")[0]


def _meant(step: TracebackType) -> bool:
    """Whether a `raise` stands there."""
    code = step.tb_frame.f_code.co_code
    return 0 <= step.tb_lasti < len(code) and code[step.tb_lasti] == _RAISE


@contextmanager
def _trimmed_chain(error: BaseException) -> Iterator[None]:
    """While the block lasts, the causes of `error` have trimmed tracebacks too."""
    before: dict[int, tuple[BaseException, TracebackType]] = {}
    todo = [error.__cause__, error.__context__]
    while todo:
        one = todo.pop()
        if one is None or id(one) in before:
            continue
        todo += [one.__cause__, one.__context__]
        if one.__traceback__ is not None:
            before[id(one)] = one, one.__traceback__
            one.__traceback__ = trimmed(one, one.__traceback__)
    try:
        yield
    finally:
        for one, tb in before.values():
            one.__traceback__ = tb
