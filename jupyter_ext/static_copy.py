"""The picture of a run that stays in the notebook: no script, no widget, nothing that an untrusted notebook strips.

Front ends strip inline SVG from a notebook that they do not trust; an `<img>` with the SVG inside survives. Text has
the colours of the page that it is shown in. Nothing in it changes by itself: saved twice, it is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from aethergraph.record.schema import FILES
from aethergraph.record.status import NodeStatus, RunStatus
from aethergraph.record.uploads import limits
from aethergraph.storage import codec
from aethergraph.storage.store import Blobs
from aethergraph.views.drawing import to_svg
from aethergraph.views.labels import clean, clock, cut, duration, line
from aethergraph.views.picture import Node, Picture, error_text
from aethergraph.views.scene import Scene, face, scene, shown
from aethergraph.views.transcript import Entry

from . import static_messages
from .details import detail
from .patches import said
from .static_artifacts import saved
from .static_frames import pictures
from .static_images import SVG, tag
from .static_plots import plots
from .theming import CARD, CODE, PRE, RULE, SMALL, WAITS, WRONG

LIMIT = 200_000  # characters of html
BOXES = 300  # beyond that the graph is folded further, and the list of boxes is cut
_UNFINISHED = frozenset({RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED, RunStatus.FAILED})
_PLAIN = re.compile(r"[\w.-]+")


def bundle(picture: Picture, *, live: bool = True, small: bool = False, blobs: Blobs | None = None) -> dict[str, str]:
    """MIME bundle of the run as it is now. `live`: some process runs it. `small`: the graph and the last messages.

    blobs: where the pictures are that were sent, plotted or saved; without it they are named.
    """
    status = _status(picture, live)
    plotted = (
        [] if small else [tag(SVG, svg.encode(), name, wide, drawn=True) for name, svg, wide in plots(picture.tracks)]
    )
    plotted += [] if small else pictures(picture.frames, blobs)
    kept = saved(picture, None if small else blobs)
    html = _html(picture, status, plotted, kept, small=small)
    if blobs is not None and not small:
        html = static_messages.with_pictures(html, picture.transcript, blobs)
    return {"text/plain": _text(picture, status), "text/html": html}


def _status(picture: Picture, live: bool) -> RunStatus:
    status = picture.state
    return RunStatus.PAUSED if status in (RunStatus.RUNNING, RunStatus.WAITING) and not live else status


def _count(picture: Picture) -> str:
    parts = [f"{picture.done} of {len(picture.nodes)} nodes done"]
    told = (NodeStatus.REUSED, NodeStatus.SKIPPED, NodeStatus.FAILED)
    parts += [f"{picture.counts[status]} {status.value}" for status in told if picture.counts[status]]
    return ", ".join(parts)


def _text(picture: Picture, status: RunStatus) -> str:
    head = f"run {line(picture.run_id)} of {line(picture.name)}: {status.value}, {_count(picture)}"
    asked = [f"  asks: {line(ask.question.prompt)[:200]}" for ask in picture.asks.values()]
    asked += [f"  waits for: {line(one.question.prompt)[:200]}" for one in picture.awaited.values()]
    error = [f"  {line(error_text(picture.error)[:400])}"] if picture.error else []
    more = [f"  go on: %aether resume {line(picture.run_id)}{picture.needs}"] if _goes_on(picture, status) else []
    return "\n".join([head, *asked, *error, *more])


def _goes_on(picture: Picture, status: RunStatus) -> bool:
    """Whether there is something to resume."""
    return status in _UNFINISHED and not picture.is_session


def _html(picture: Picture, status: RunStatus, plotted: list[str], kept: list[str], *, small: bool) -> str:
    """As much as fits: nodes go first, then the transcript, plots (the last first), what was saved, and the graph."""
    placed = scene(picture, BOXES)
    graph = _graph(picture, placed)
    if len(graph) > LIMIT:
        graph = ""
    nodes = 0 if small else BOXES
    lines, drawn, named = 10 if small else 200, bool(graph), saved(picture)
    while True:
        text = _page(picture, status, placed, graph if drawn else "", plotted, kept, nodes=nodes, lines=lines)
        if len(text) <= LIMIT:
            return text
        if nodes > 10:
            nodes = nodes // 3
        elif lines > 10:
            lines = lines // 3
        elif plotted and (drawn or len(plotted) > 1):
            plotted = plotted[: len(plotted) // 2]
        elif len(kept) > len(named):
            kept = named
        elif drawn:
            drawn = False
        else:
            return _page(picture, status, placed, "", [], named, nodes=0, lines=0)


def _graph(picture: Picture, placed: Scene) -> str:
    """The picture of the graph, drawn once however often the page around it is shortened; "" where there is nothing."""
    if not picture.nodes:
        return ""
    svg = to_svg(picture, codec.about_outputs, placed=placed)
    return tag(SVG, svg.encode(), f"graph of {picture.name}", placed.width, drawn=True)


def _page(
    picture: Picture, status: RunStatus, placed: Scene, graph: str, *more: list[str], nodes: int, lines: int
) -> str:
    parts = [_head(picture, status)]
    if graph:
        parts.append(graph)
    elif picture.nodes:
        text = f"The graph of {len(placed.boxes)} boxes is too large for a saved copy: %aether show {picture.run_id}"
        parts.append(f'<div style="{SMALL}">{escape(clean(text))}</div>')
    parts += _asks(picture)
    parts += _transcript(picture, lines)
    for one in more:
        parts += one
    if picture.error is not None:
        text = f"{clean(error_text(picture.error))[:2000]}\n{clean(picture.error.traceback)[:4000]}"
        parts.append(f'<pre style="{PRE};{WRONG}">{escape(text.rstrip())}</pre>')
    if nodes:
        parts += _nodes(picture, placed, nodes)
    run = escape(clean(picture.run_id))
    return (
        f'<div class="tex2jax_ignore mathjax_ignore" data-run-id="{run}">'
        f'<style>{RULE}{_instead(run)}</style><div style="{CARD}">' + "".join(parts) + "</div></div>"
    )


def _instead(run: str) -> str:
    """Hides what a front end writes where the widget of a kernel that is gone was ("model not found").

    That is the output just before this one, if there is no element in it. A notebook that is not trusted loses the
    rule and nothing else; so does a run whose id could mean something in a style sheet.
    """
    if not _PLAIN.fullmatch(run):
        return ""
    child = ".jp-OutputArea-child"
    dead = f"{child}:not(:has(>.jp-OutputArea-output *))"  # a `:has` inside a `:has` makes the whole rule void
    return f'{dead}:has(+{child} [data-run-id="{run}"]){{display:none!important}}'


def _head(picture: Picture, status: RunStatus) -> str:
    run = escape(clean(picture.run_id))
    over = status in (RunStatus.DONE, RunStatus.FAILED, RunStatus.CANCELLED)
    took = f", {duration(picture.elapsed(0.0))}" if over else ""
    command = f'<code style="{CODE}">%aether resume {run}{picture.needs}</code>'
    more = f". Go on with {command}" if _goes_on(picture, status) else ""
    when = "" if over else f" (a copy taken at {picture.done} of {len(picture.nodes)} nodes)"
    chain = f"generation {picture.generation}, " if picture.continues else ""
    return (
        f'<div style="margin-bottom:6px"><b>{escape(line(picture.title))}</b> <code style="{CODE}">{run}</code> '
        f'<span style="{SMALL}">{chain}{status.value}, {_count(picture)}{took}{when}{more}</span></div>'
    )


def _asks(picture: Picture) -> list[str]:
    parts = []
    for ask in picture.asks.values():
        options = ", ".join(line(option)[:80] for option in ask.question.options[:20])
        if ask.question.kind == FILES:
            options = line(limits(ask.question))
        tail = f' <span style="{SMALL}">({escape(options)})</span>' if options else ""
        prompt = escape(clean(ask.question.prompt)[:1000])
        parts.append(f'<div style="margin:4px 0;{WAITS}">&#9670; {prompt}{tail}</div>')
    for awaited in picture.awaited.values():
        what = escape(clean(awaited.question.prompt)[:1000])
        parts.append(f'<div style="margin:4px 0;{SMALL}">&#9671; waits for: {what}</div>')
    return parts


def _transcript(picture: Picture, limit: int) -> list[str]:
    entries = [entry for entry in picture.transcript if entry.kind not in ("figure", "show") and not entry.open]
    lost = len(entries) - limit
    parts = [f'<div style="{SMALL}">{lost} earlier lines are left out</div>'] if lost > 0 else []
    return parts + [_line(picture, entry) for entry in (entries[-limit:] if limit else [])]


def _line(picture: Picture, entry: Entry) -> str:
    text = escape(clean(said(entry))[-1000:])
    if entry.kind in ("out", "err", "log"):
        by = escape(clean(picture.owner(entry.scope)))
        text = f'<span style="{SMALL}">{by}</span> <code style="{CODE};white-space:pre-wrap">{text}</code>'
    answer = f" &rarr; <b>{escape(clean(entry.more)[:500])}</b>" if entry.more else ""
    under = static_messages.under(entry)
    return f'<div><code style="{CODE};{SMALL}">{clock(entry.t)}</code> {text}{answer}{under}</div>'


def _nodes(picture: Picture, placed: Scene, limit: int) -> Iterator[str]:
    """Boxes with what went in and came out; of a folded box its failures."""
    boxes = list(placed.boxes.values())
    failed = [box for box in boxes if face(picture, box, codec.about_outputs).status is NodeStatus.FAILED]
    chosen = boxes if len(boxes) <= limit else (failed + boxes)[:limit]
    for box in dict.fromkeys(chosen):
        look = face(picture, box, codec.about_outputs)
        members = box.group.members if box.group is not None else []
        wrong = [picture.nodes[no] for no in members if picture.nodes[no].status is NodeStatus.FAILED]
        inside = _facts(picture, picture.nodes[box.key]) if box.group is None else "".join(map(_failure, wrong[:5]))
        label = (
            f'{escape(box.label)} <span style="{SMALL}">{escape(f"{look.status.value}, {cut(look.sub, 300)}")}</span>'
        )
        yield f'<details><summary>{label}</summary><pre style="{PRE}">{inside}</pre></details>'
    if len(boxes) > len(chosen):
        yield f'<div style="{SMALL}">and {len(boxes) - len(chosen)} more boxes</div>'


def _facts(picture: Picture, node: Node) -> str:
    known = detail(picture, None, node.no, node.no, "")
    took = f" in {duration(node.ended - node.began)}" if node.ended is not None else ""
    rows = [f"{shown(node).value}{took}" + (f", {known['tried']}" if known["tried"] else "")]
    for name in ("inputs", "outputs"):
        rows += [f"{name}: {f'{what} = ' if what else ''}{text[:160]}" for what, text in known[name]]
    rows += known["failures"] + [text for text in (known["error"][:600], known["why"], known["volatile"]) if text]
    rows += [f"log: {known['lastly']}"] if known["lastly"] else []
    return escape("\n".join(rows))


def _failure(node: Node) -> str:
    error = node.error
    return escape(f"{line(node.label)}: {line(error_text(error)[:400])}\n" if error else "")
