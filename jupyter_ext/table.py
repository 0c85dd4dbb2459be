"""Tables of `%aether`: runs and open questions, as text and as HTML, each row with the command to type for it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aethergraph.record.schema import ASKED
from aethergraph.record.status import RunStatus
from aethergraph.views.labels import age, cut, line
from aethergraph.views.marks import MARKS

from .theming import toned

COLOURS = {
    RunStatus.RUNNING: toned(0, 114, 178),
    RunStatus.WAITING: toned(176, 120, 0),
    RunStatus.PAUSED: toned(138, 90, 153),
    RunStatus.DONE: toned(0, 121, 90),
    RunStatus.FAILED: toned(194, 78, 0),
    RunStatus.CANCELLED: toned(107, 107, 107),
}  # Okabe-Ito
WHOLE = 40  # characters of a name that stays on one line
_LEFT = "text-align:left"
DIGITS = 4  # of a token that are shown at least: one that is opened later should differ
PLANNED = 30  # rows of a plan that are shown


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table; `style` for a status, `code` for what can be typed."""

    text: str
    style: str = ""
    code: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head, with lines above and below; shows itself in a notebook. All of it is data, never markup."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        texts = [list(self.head), *([cell.text for cell in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in texts
        ]
        return "\n".join([self.title, *(lines if self.rows else ()), *self.notes])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._html()}

    def _html(self) -> str:
        quiet = '<div style="opacity:.75;margin:2px 0 4px">'
        title = f"{quiet}{html.escape(self.title)}</div>"
        notes = "".join(f"{quiet}{html.escape(note)}</div>" for note in self.notes)
        if not self.rows:
            return title + notes
        head = "".join(f'<th style="{_LEFT}">{html.escape(text)}</th>' for text in self.head)
        rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in self.rows)
        return f"{title}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{notes}"


def _cell(cell: Cell) -> str:
    whole = cell.code or (len(cell.text) <= WHOLE and " " not in cell.text)  # a name or command is not broken in two
    text = html.escape(cell.text)
    if cell.code:
        text = f"<code>{text}</code>"
    elif cell.style:
        text = f'<span style="{cell.style}">{text}</span>'
    return f'<td style="{_LEFT}{";white-space:nowrap" if whole else ""}">{text}</td>'


def run_table(infos: Iterable[Any], now: float, title: str = "") -> Table:
    """The runs of `infos`, in their order; `now` in seconds since the epoch."""
    rows = [_run(info, now) for info in infos]
    empty = "no runs in this store yet: start one with `await agent(...)` or `start(agent)`"
    return Table(title or (_counted(len(rows), "run") if rows else empty), HEAD, rows)


HEAD = ("run", "agent", "status", "nodes", "waits for", "age", "command")


def _run(info: Any, now: float) -> list[Cell]:
    status = RunStatus(info.status)
    says = f"{MARKS[status]} {status.value}"
    if info.live_elsewhere:
        says += " (another process)"
    elif info.error and status in (RunStatus.FAILED, RunStatus.PAUSED):
        says += f": {cut(str(info.error), 220)}"
    return [
        Cell(line(info.run_id)),
        Cell(cut(info.name, 180)),
        Cell(says, style=COLOURS[status]),
        Cell(f"{info.nodes_done}/{info.nodes}"),
        Cell(_counted(info.waiting, "answer") if info.waiting else ""),
        Cell(age(now - info.created_at)),
        Cell(command(info), code=True),
    ]


def command(info: Any) -> str:
    """What to type to go on with this run, or to look at it."""
    return f"%aether {'resume' if info.stands_still else 'show'} {line(info.run_id)}"


def wait_table(waits: Iterable[Any], now: float) -> Table:
    """Open questions and what else is waited for, oldest first as given."""
    waits = list(waits)
    names = short([wait.token for wait in waits])
    rows = [_wait(wait, name, now) for wait, name in zip(waits, names, strict=True)]
    asked = sum(1 for wait in waits if wait.kind in ASKED)
    title = _counted(asked, "open question") if asked else "no open questions"
    if len(waits) > asked:
        title += f", {_counted(len(waits) - asked, 'other wait')}"
    return Table(title, ("question", "kind", "run", "node", "age", "to answer"), rows)


def short(tokens: Sequence[str]) -> list[str]:
    """The beginnings of `tokens` that are enough to tell them apart, in the same order."""
    return [_short(token, [other for other in tokens if other != token]) for token in tokens]


def _short(token: str, others: Sequence[str]) -> str:
    least = token.find("-") + 1 + DIGITS
    sizes = range(least, len(token))
    return next((token[:n] for n in sizes if not any(other.startswith(token[:n]) for other in others)), token)


def _wait(wait: Any, name: str, now: float) -> list[Cell]:
    options = list(getattr(wait.schema, "options", ()) or ())
    kind = f"{wait.kind}: {' | '.join(options)}" if options else wait.kind
    due = f", due in {age(wait.deadline - now)}" if wait.deadline else ""
    return [
        Cell(cut(wait.prompt, 320)),
        Cell(cut(kind, 240)),
        Cell(line(wait.run_id)),
        Cell(line(wait.node_id)),
        Cell(age(now - wait.created_at) + due),
        Cell(f"%aether answer {line(name)} ...", code=True) if wait.kind in ASKED else Cell(""),
    ]


def plan_table(run_id: str, plan: Any) -> Table:
    """What a resume will do: a row for each node that runs or may run; what is reused is counted."""
    verdicts = [row.verdict for row in plan.rows]
    counts = [
        f"{verdicts.count(verdict)} {verdict}" for verdict in ("reused", "runs", "may run") if verdict in verdicts
    ]
    title = f"resuming {line(run_id)}: {', '.join(counts) or 'nothing has run yet'}"
    rows = [row for row in plan.rows if row.verdict != "reused"]
    cells = [[Cell(line(row.node_id)), Cell(row.verdict), Cell(cut(row.why, 520))] for row in rows[:PLANNED]]
    more = [f"and {len(rows) - PLANNED} more nodes"] if len(rows) > PLANNED else []
    return Table(title, ("node", "plan", "why"), cells, [*more, *map(line, plan.notes)])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
