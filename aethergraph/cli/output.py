"""What `aether` prints: tables and errors; colour only where a terminal shows it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..errors import AetherGraphError, NoOneToAsk
from ..record.status import NodeStatus, RunStatus
from ..views.labels import line
from ..views.marks import MARKS
from .codes import Wrong

COLOURS: dict[str, str] = {
    RunStatus.RUNNING: "blue",
    RunStatus.WAITING: "yellow",
    RunStatus.PAUSED: "magenta",
    RunStatus.DONE: "green",
    RunStatus.FAILED: "red",
    NodeStatus.REUSED: "green",
}  # names of the terminal's own; a status that is not here is dim


def colour(status: str) -> str:
    """The name of the colour of a status."""
    return COLOURS.get(status, "bright_black")


def say(text: str) -> None:
    """A line for the person, on the standard error: the standard output is for what was asked for."""
    print(text, file=sys.stderr, flush=True)


def complain(error: BaseException | str) -> None:
    """An error as a person at a terminal wants it."""
    say(f"aether: {error if isinstance(error, str) else told(error)}")


def told(error: BaseException) -> str:
    """An error in words: no traceback, its notes below, and the commands as they are typed here."""
    if isinstance(error, NoOneToAsk):
        why = f" ({error.why})" if error.why else ""
        script = f"--answers '{{\"{error.name or error.prompt}\": ...}}'"
        return f"nobody can be asked {error.prompt!r}{why}: aether answer {error.token} VALUE, or give {script}"
    own = isinstance(error, (AetherGraphError, Wrong))
    text = str(error) if own else f"{type(error).__name__}: {error}"
    return here("\n".join([text, *getattr(error, "__notes__", ())]))


def here(text: str) -> str:
    """`text` with the commands of a notebook as they are typed in a terminal: both have the same names."""
    for written, meant in _HERE:
        text = text.replace(written, meant)
    return text


_HERE = (
    ("`aethergraph.runs()`, or `%aether` in a notebook, lists", "`aether runs` lists"),
    ("`%aether waits` or `aethergraph.waits()` lists", "`aether waits` lists"),
    ("`await context.artifacts().list('all')` has them", "`aether artifacts` lists them"),
    ("%aether ", "aether "),
    ("`%aether`", "`aether runs`"),
)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], colours: Sequence[str] = ()) -> None:
    """Aligned columns; on a terminal the rows have `colours`, and a long last column is wrapped."""
    if sys.stdout.isatty():
        _rich_table(head, rows, colours)
        return
    texts = [list(head), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _rich_table(head: Sequence[str], rows: Sequence[Sequence[str]], colours: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(head):
        shown.add_column(name, no_wrap=number == 0, overflow="fold")
    for row, style in zip(rows, colours or [""] * len(rows), strict=True):
        shown.add_row(*(Text(text, style=style if text[:1] in _SIGNS else "") for text in row))
    Console(highlight=False).print(shown)


_SIGNS = frozenset(MARKS.values())


def clipped(text: str, most: int = 100) -> str:
    """`text` on one line of at most so many characters."""
    text = line(text)
    return text if len(text) <= most else text[: most - 1] + "…"
