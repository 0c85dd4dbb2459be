"""The plots of runs afterwards: as matplotlib figures, of one run or of several side by side, and as plain columns."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import known
from ..views import frames
from ..views.frames import Frame
from ..views.picture import Picture
from ..views.plots import Track

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 6.4  # inches
LINE, FRAME = 2.6, 3.2  # inches of height of a chart, and of a picture
ROWS = 12  # of a table that is drawn
COLOURS = "cividis"  # of heat maps, as in the run view: told apart by those who see no red or green
STYLES = ("-", "--", "-.", ":")

Blob = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Plotted:
    """What one run plotted. `blob` reads contents of its store; `name` tells it from others in a legend."""

    name: str
    picture: Picture
    blob: Blob

    def tracks(self, chosen: str | None) -> dict[str, Track]:
        """The lines of a track, or of the tracks whose name begins with it and `/`."""
        return {n: t for n, t in self.picture.tracks.items() if len(t) and _chosen(n, chosen)}

    def frames(self, chosen: str | None) -> dict[str, frames.Frames]:
        """The same of pictures per step."""
        return {n: one for n, one in self.picture.frames.items() if one.frames and _chosen(n, chosen)}


def _chosen(name: str, track: str | None) -> bool:
    return track is None or name == track or name.partition("/")[0] == track


def _check(runs: Sequence[Plotted], track: str | None) -> None:
    if track is not None and not isinstance(track, str):
        raise TypeError(f"a track is named by a text, got {track!r}")
    if any(run.tracks(track) or run.frames(track) for run in runs):
        return
    there = sorted({name for run in runs for name in (*run.tracks(None), *run.frames(None))})
    one = len(runs) == 1
    who = f"run {runs[0].name} has no" if one else f"none of the runs {known(run.name for run in runs)} has"
    if not there:
        plots = "plots" if one else "any plots"
        raise LookupError(f"{who} {plots}: a body or tool makes some with `context.viz().scalar(track, step, value)`")
    raise LookupError(f"{who} {'' if one else 'a '}track {track!r}; there are: {known(there)}")


# ---------------------------------------------------------------------- columns


def columns(run: Plotted, track: str | None = None) -> dict[str, list[Any]]:
    """Every point as plain columns `track`, `step`, `value`, by track and step.

    The value is a float for a point, a numpy array for a vector or matrix, the bytes of the file for an image, and
    for a table the dict of its columns. Without `track` only the points of lines.

    Raises:
        LookupError: the run has no such track, or has plotted nothing.
    """
    _check([run], track)
    found: dict[str, list[Any]] = {"track": [], "step": [], "value": []}

    def put(name: str, points: Iterable[tuple[float, Any]]) -> None:
        for step, value in points:
            found["track"].append(name)
            found["step"].append(step)
            found["value"].append(value)

    for name, line in run.tracks(track).items():
        put(name, sorted(line.points, key=lambda point: point[0]))
    for name, one in run.frames(track).items() if track is not None else ():
        put(name, ((frame.step, value_of(frame, run.blob)) for frame in one.ordered()))
    return found


def value_of(frame: Frame, blob: Blob) -> Any:
    """What was shown, as it was given."""
    content = frame.content(blob)
    if frame.kind == frames.IMAGE:
        return content
    if frame.kind == frames.TABLE:
        names, rows, _ = frames.read_table(content)
        return {name: [row[i] for row in rows] for i, name in enumerate(names)}
    return frames.read_array(content)


# ---------------------------------------------------------------------- figures


def figure(runs: Sequence[Plotted], track: str | None = None, step: float | None = None) -> Figure:
    """A chart for each group of lines, with those of all runs; then the pictures, a row for each track.

    Raises:
        LookupError: no run has such a track, or none at all.
    """
    from matplotlib.figure import Figure

    _check(runs, track)
    groups = list(dict.fromkeys(name.partition("/")[0] for run in runs for name in run.tracks(track)))
    pictures = list(dict.fromkeys(name for run in runs for name in run.frames(track)))
    heights = [LINE] * len(groups) + [FRAME] * len(pictures)
    drawn = Figure(figsize=(WIDE, sum(heights) + 0.6), layout="constrained")
    parts: Any = drawn.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, group in zip(parts, groups, strict=False):
        _chart(part.subplots(), runs, group, track)
    for part, name in zip(parts[len(groups) :], pictures, strict=True):
        shown = [(run, run.frames(track)[name].at(step)) for run in runs if name in run.frames(track)]
        axes = part.subplots(1, len(shown), squeeze=False)[0]
        for axis, (run, frame) in zip(axes, shown, strict=True):
            title = f"{name}, step {frame.step:g}" + (f"\n{run.name}" if len(runs) > 1 else "")
            axis.set_title(title, loc="left", fontsize=10)
            _DRAW.get(frame.kind, _unknown)(axis, frame, run.blob)
    return drawn


def _chart(axis: Axes, runs: Sequence[Plotted], group: str, track: str | None) -> None:
    """Of several runs, a colour stands for the run and a kind of line for the track."""
    series = list(dict.fromkeys(n for run in runs for n in run.tracks(track) if n.partition("/")[0] == group))
    for number, run in enumerate(runs):
        for name, line in run.tracks(track).items():
            if name not in series:
                continue
            points = sorted(line.points, key=lambda point: point[0])
            label, style = name.partition("/")[2] or name, "-"
            how: dict[str, Any] = {}
            if len(runs) > 1:
                label = f"{run.name} {label}" if len(series) > 1 else run.name
                style, how = STYLES[series.index(name) % len(STYLES)], {"color": f"C{number}"}
            marker = "o" if len(points) == 1 else None
            axis.plot([x for x, _ in points], [y for _, y in points], style, label=label, marker=marker, **how)
    axis.set_title(group, loc="left", fontsize=10)
    axis.set_xlabel("step", fontsize=9)
    axis.legend(frameon=False, fontsize=8 if len(axis.lines) > 6 else None, ncols=1 + len(axis.lines) // 12)


def _vector(axis: Axes, frame: Frame, blob: Blob) -> None:
    axis.plot(frames.read_array(frame.content(blob)))


def _matrix(axis: Axes, frame: Frame, blob: Blob) -> None:
    from matplotlib.ticker import MaxNLocator

    matrix = frames.read_array(frame.content(blob))
    shown = axis.imshow(matrix, cmap=COLOURS, aspect="auto", interpolation="nearest")
    for side in (axis.xaxis, axis.yaxis):  # rows and columns are counted: there is none between two
        side.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.figure.colorbar(shown, ax=axis)


def _image(axis: Axes, frame: Frame, blob: Blob) -> None:
    from matplotlib.image import imread

    suffix = str(frame.about.get("mime", "image/png")).rpartition("/")[2]
    axis.imshow(imread(io.BytesIO(frame.content(blob)), format=suffix))
    axis.set_axis_off()


def _table(axis: Axes, frame: Frame, blob: Blob) -> None:
    names, rows, total = frames.read_table(frame.content(blob))
    cells = [[_short(cell) for cell in row[:8]] for row in rows[:ROWS]]
    axis.set_axis_off()
    if total > len(cells):
        axis.text(0, 0, f"the first {len(cells)} of {total:,} rows", fontsize=8, transform=axis.transAxes)
    if cells and names:
        axis.table(cellText=cells, colLabels=[name[:20] for name in names[:8]], loc="upper center")


def _unknown(axis: Axes, frame: Frame, blob: Blob) -> None:
    axis.set_axis_off()
    axis.text(0, 0.5, f"a later version plotted a {frame.kind} here", transform=axis.transAxes)


def _short(cell: Any) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else "" if cell is None else str(cell)[:24]


_DRAW: Mapping[str, Callable[[Axes, Frame, Blob], None]] = {
    frames.VECTOR: _vector,
    frames.MATRIX: _matrix,
    frames.IMAGE: _image,
    frames.TABLE: _table,
}
