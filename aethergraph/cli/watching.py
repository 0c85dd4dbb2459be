"""`--watch`: the tree of a run, drawn while it runs, with its messages above and its questions below.

Where the output is no terminal, a line for each thing that happens.
"""

from __future__ import annotations

import getpass
import io
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..channels.bus import Bus
from ..channels.console import Console
from ..lifecycle.running import Run
from ..record import facts as f
from ..record.status import NodeStatus
from ..views.labels import line
from ..views.marks import MARKS
from ..views.picture import HIDDEN, Picture
from . import tree
from .output import clipped, colour

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

RATE = 8  # drawings a second
BUSY = frozenset({NodeStatus.RUNNING, NodeStatus.WAITING, NodeStatus.FAILED})


class Watch:
    """What a run does, on the terminal. Made before the run is, so that its first question knows of the drawing."""

    def __init__(self, bus: Bus) -> None:
        self._picture = Picture()
        self._lock = threading.Lock()  # facts come on the journal's thread, drawings are made on another
        self._now: Callable[[], float] = lambda: 0.0
        self._drawing = threading.Lock()  # of the four below: questions are read in a thread of their own
        self._on_terminal = sys.stdout.isatty()
        self._live: Live | None = None
        self._begun = False
        self._reading = False
        self._told: dict[int, NodeStatus] = {}
        if self._on_terminal:
            no_bars = io.StringIO()  # the tree shows them
            bus.register("console", Console(self._asking(input), self._asking(getpass.getpass), err=no_bars))

    @contextmanager
    def of(self, run: Run) -> Iterator[None]:
        """Show `run` inside a `with`."""
        self._now = run.runtime.clock.now
        with self._drawing:
            self._begun = True
            self._draw()
        unfollow = run.follow(self._take)
        try:
            yield
        finally:
            run.runtime.journal.flush()  # the end is told to those who follow before this returns
            unfollow()
            with self._drawing:
                self._begun = False
                self._rub(leave=True)

    def _draw(self) -> None:
        """Draw from here on. A new drawing each time: one that goes on would rub out what was written meanwhile."""
        if self._on_terminal and self._begun and not self._reading:
            from rich.live import Live

            self._live = Live(get_renderable=self._drawn, refresh_per_second=RATE)
            self._live.start()

    def _rub(self, *, leave: bool) -> None:
        """Stop drawing; `leave` what is drawn on the page."""
        if self._live is not None:
            self._live.transient = not leave
            self._live.stop()
            self._live = None

    def _asking(self, read: Callable[[str], str]) -> Callable[[str], str]:
        """`read`, with the drawing out of the way: both would write on the same lines."""

        def ask(prompt: str) -> str:
            with self._drawing:
                self._reading = True
                self._rub(leave=False)  # what was drawn goes, and only the question and its answer stay
            try:
                return read(prompt)
            finally:
                with self._drawing:
                    self._reading = False
                    self._draw()

        return ask

    def _take(self, facts: Iterable[f.AnyFact]) -> None:
        with self._lock:
            for fact in facts:
                self._picture.fold(fact)
            if not self._on_terminal:
                self._tell()

    # ------------------------------------------------------------------ lines

    def _tell(self) -> None:
        """A line for each node that changed its status, and for what was said and asked."""
        for no in sorted(self._picture.changes().nodes):
            node = self._picture.nodes.get(no)
            if node is None or self._told.get(no) is node.status:
                continue
            self._told[no] = node.status
            ended = f"  {node.ended - node.began:.1f} s" if node.ended is not None else ""
            failed = f"  {clipped(node.error.message, 200)}" if node.error is not None else ""
            print(f"{MARKS[node.status]} {line(node.label)}{ended}{failed}", flush=True)
        changed, _ = self._picture.transcript.changes()
        for entry in changed:
            if entry.kind in ("say", "phase", "error") or entry.data is not None:
                print(f"  {clipped(entry.whole, 400)}", flush=True)
            elif entry.kind == "ask":
                answered = f" -> {entry.more or HIDDEN}" if not entry.open else ""
                print(f"  ? {clipped(entry.text, 400)}{answered}", flush=True)

    # ------------------------------------------------------------------ drawing

    def _drawn(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        with self._lock:
            now = self._picture.elapsed(self._now())
            head = tree.head(self._picture, now) if self._picture.title else ""
            parts: list[Any] = [Text(head, style="bold", no_wrap=True, overflow="ellipsis")]
            room = max(shutil.get_terminal_size().lines - 4, 6)
            parts += _fitted(list(tree.rows(self._picture, now)), room)
        return Group(*parts)


def _fitted(rows: list[tree.Row], room: int) -> list[Any]:
    """As many rows as there is room for: what is busy or failed comes first, then what ended last."""
    from rich.text import Text

    kept = rows
    if len(rows) > room:
        order = sorted(range(len(rows)), key=lambda at: (rows[at].status not in BUSY, -at))[:room]
        kept = [rows[at] for at in sorted(order)]
    shown = [Text(str(row), style=colour(row.status), no_wrap=True, overflow="ellipsis") for row in kept]
    if len(kept) < len(rows):
        shown.append(Text(f"… and {len(rows) - len(kept)} more", style="bright_black"))
    return shown
