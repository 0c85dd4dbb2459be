"""Plots as a browser is told of them: lines thinned to what it can show, pictures by number until one is asked for."""

from __future__ import annotations

import base64
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from aethergraph.record import points
from aethergraph.views import frames
from aethergraph.views.frames import Frame
from aethergraph.views.labels import clean
from aethergraph.views.picture import Changes, Picture
from aethergraph.views.plots import Track, thin

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

POINTS = 1_000  # of one line, in a snapshot and at most in a patch
ALL = 50_000  # of all lines together in a snapshot
MOST = 4 * POINTS  # of one line in a browser: beyond that it is told anew
DETAIL = 4_000  # of one line in a range that was zoomed into
CELLS = 256  # rows and columns of a heat map
ROWS = 200  # of a table
_EXACT = 1e-4  # of the span of a line: as far as it may be off in four bytes a value

Json = Any


class Plots:
    """What the browsers of one view hold of its plots."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._held: Counter[str] = Counter()  # points of a line that were sent since it was last told anew

    def snapshot(self) -> dict[str, Json]:
        """Everything, as it is to begin with."""
        picture = self._picture
        most = max(50, min(POINTS, ALL // max(1, len(picture.tracks))))
        return {
            "tracks": {clean(name): line(track, 0, most) for name, track in picture.tracks.items()},
            "frames": {clean(name): listed(one.frames, 0) for name, one in picture.frames.items()},
        }

    def patch(self, changes: Changes) -> dict[str, Json]:
        """What is new."""
        picture, patch = self._picture, dict[str, Json]()
        if changes.tracks:
            patch["tracks"] = {clean(name): self._line(name, start) for name, start in changes.tracks.items()}
        if changes.frames:
            news = changes.frames.items()
            patch["frames"] = {clean(name): listed(picture.frames[name].frames, start) for name, start in news}
        return patch

    def _line(self, name: str, start: int) -> Json:
        track = self._picture.tracks[name]
        new = min(len(track) - start, POINTS)
        if not start or self._held[name] + new > MOST:
            start, new = 0, min(len(track), POINTS)
            self._held[name] = 0
        self._held[name] += new
        return line(track, start, POINTS)


def line(track: Track, start: int, most: int) -> Json:
    """The points of a track from `start` on: from, to, how many follow, their steps and values."""
    steps, values = thin(track.steps[start:], track.values[start:], most)
    return [start, len(track), *written(steps, values)]


def detail(picture: Picture, names: Iterable[str], low: float, high: float) -> dict[str, Json]:
    """The points of a range, with a neighbour on each side."""
    tracks = {clean(name): track for name, track in picture.tracks.items()}
    return {
        name: written(*thin(tracks[name].steps, tracks[name].values, DETAIL, low, high))
        for name in names
        if name in tracks
    }


def written(steps: Array, values: Array) -> list[Json]:
    """How many points there are, their steps, and their values as exactly as can be seen."""
    return [len(steps), _text(points.column(column(steps))), _text(_values(values))]


def _values(values: Array) -> bytes:
    import numpy as np

    finite = values[np.isfinite(values)]
    if len(finite):
        with np.errstate(over="ignore"):
            error = np.abs(finite - finite.astype(np.float32)).max()
        if error <= _EXACT * (finite.max() - finite.min()):
            return b"f" + values.astype("<f4").tobytes()
    return points.column(column(values))


def column(numbers: Array) -> array[float]:
    """The same numbers as points are kept in."""
    found = array("d")
    found.frombytes(numbers.tobytes())
    return found


def _text(data: bytes) -> str:
    return data[:1].decode() + base64.b64encode(data[1:]).decode()


def listed(shown: list[Frame], start: int) -> Json:
    """Pictures from index `start` on: id, step and kind of each."""
    return [start, [[frame.id, frame.step, clean(frame.kind)] for frame in shown[start:]]]


def content(frame: Frame, blob: Callable[[str], bytes]) -> tuple[dict[str, Json], list[bytes]]:
    """A picture as it is drawn: what there is to know of it, and its bytes."""
    data = frame.content(blob)
    about: dict[str, Json] = {"type": clean(frame.kind), "step": frame.step, "why": ""}
    if frame.kind == frames.MATRIX:
        matrix = frames.read_array(data)
        cells = frames.coarse(matrix, CELLS)
        size = {"rows": cells.shape[0], "columns": cells.shape[1], "shape": list(matrix.shape)}
        return about | size, [cells.astype("<f4").tobytes()]
    if frame.kind == frames.VECTOR:
        values = frames.read_array(data).astype("<f8")
        steps, values = thin(array("d", range(len(values))), column(values), POINTS)
        return about, [steps.astype("<f8").tobytes(), values.astype("<f8").tobytes()]
    if frame.kind == frames.TABLE:
        columns, rows, total = frames.read_table(data)
        cells_ = [[_cell(cell) for cell in row] for row in rows[:ROWS]]
        return about | {"columns": [clean(name) for name in columns], "rows": cells_, "total": total}, []
    if frame.kind == frames.IMAGE:
        return about | {"mime": frames.image_type(data)}, [data]
    return about, []


def _cell(cell: Any) -> Json:
    if isinstance(cell, float) and cell - cell != 0:  # JSON has neither NaN nor infinity
        return str(cell)
    return clean(cell) if isinstance(cell, str) else cell
