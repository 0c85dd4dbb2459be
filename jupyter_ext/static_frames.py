"""Pictures per step as standing pictures: of each track the latest, small enough for a saved notebook."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from aethergraph.errors import AetherGraphError
from aethergraph.storage.store import Blobs
from aethergraph.views import frames
from aethergraph.views.frames import Frame, Frames
from aethergraph.views.labels import clean, line
from aethergraph.views.plots import thin

from .plot_wire import column
from .static_images import SVG, small, tag
from .static_plots import chart
from .theming import CELL, SMALL

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Blob = Callable[[str], bytes]

ROOM = 80_000  # characters of all pictures of a copy together
TRACKS = 12
_CELLS = 96  # rows and columns of a heat map
_WIDE = 360  # pixels
_ROWS, _COLUMNS = 10, 8  # of a table
# As in heatmap.js: dark to light and blue to yellow, told apart without red and green, and in grey.
_RAMP = (
    (0, 32, 81), (18, 53, 112), (60, 77, 110), (98, 100, 112), (127, 124, 117), (154, 148, 120), (189, 175, 110),
    (226, 203, 92), (253, 234, 69),
)  # fmt: skip


def pictures(tracks: dict[str, Frames], blobs: Blobs | None) -> Iterator[str]:
    """HTML of each track, as many as there is room for; then how many are left out."""
    blob = _nowhere if blobs is None else blobs.get
    shown, room = 0, ROOM
    there = [one for one in tracks.values() if one.frames]
    for one in there[:TRACKS]:
        frame = one.at(None)
        try:
            text = _DRAW[frame.kind](one.name, frame, blob) if frame.kind in _DRAW else ""
        except (AetherGraphError, OSError, ValueError) as error:
            text = f'<div style="{SMALL}">{escape(clean(str(error))[:300])}</div>'
        if len(text) > room:
            continue
        room -= len(text)
        shown += 1
        count = f", the last of {len(one.frames)}" if len(one.frames) > 1 else ""
        title = f'<b>{escape(line(one.name)[:100])}</b> <span style="{SMALL}">step {frame.step:g}{count}</span>'
        yield f'<div style="margin:6px 0">{title}{text}</div>'
    if len(there) > shown:
        yield f'<div style="{SMALL}">{len(there) - shown} more pictures are left out: run.plot() draws all</div>'


def _nowhere(digest: str) -> bytes:
    raise FileNotFoundError("it lies in the store")


def _matrix(name: str, frame: Frame, blob: Blob) -> str:
    import numpy as np

    matrix = frames.read_array(frame.content(blob))
    cells = frames.coarse(matrix, _CELLS)
    finite = cells[np.isfinite(cells)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    with np.errstate(invalid="ignore"):
        share = (cells - low) / (high - low) if high > low else np.where(np.isfinite(cells), 0.5, np.nan)
        index = np.where(np.isfinite(cells), 1 + np.round(np.nan_to_num(share) * 254), 0).astype(np.uint8)
    by = max(1, _WIDE // max(cells.shape))  # cells as squares of pixels: what scales them up would blur them
    data = png(np.repeat(np.repeat(index, by, axis=0), by, axis=1))
    scale = f"from {low:.4g} (dark) to {high:.4g} (light), {matrix.shape[0]} x {matrix.shape[1]}"
    told = f'<div style="{SMALL}">{scale}</div>'
    return tag("image/png", data, f"heat map of {name}", min(_WIDE, cells.shape[1] * by)) + told


def png(index: Array) -> bytes:
    """A PNG of colours of the ramp; 0 is a gap, and transparent."""
    rows, columns = index.shape
    lines = b"".join(b"\0" + row.tobytes() for row in index)
    palette = bytes((255, 255, 255)) + b"".join(bytes(_colour(i / 254)) for i in range(255))
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
        (b"PLTE", palette),
        (b"tRNS", b"\0"),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    ]
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _colour(share: float) -> tuple[int, ...]:
    at = share * (len(_RAMP) - 1)
    low = min(int(at), len(_RAMP) - 2)
    return tuple(round(a + (b - a) * (at - low)) for a, b in zip(_RAMP[low], _RAMP[low + 1], strict=True))


def _vector(name: str, frame: Frame, blob: Blob) -> str:
    import numpy as np

    values = frames.read_array(frame.content(blob)).astype(np.float64)
    steps, values = thin(column(np.arange(float(len(values)))), column(values), 300)
    points = [(x, y) for x, y in zip(steps.tolist(), values.tolist(), strict=True) if np.isfinite(y)]
    if not points:
        return f'<div style="{SMALL}">no values</div>'
    svg, wide = chart("", [(f"step {frame.step:g}", points)])
    return tag(SVG, svg.encode(), f"plot of {name}", wide, drawn=True)


def _image(name: str, frame: Frame, blob: Blob) -> str:
    mime, data, wide = small(frame.content(blob), _WIDE)
    return tag(mime, data, f"{name} at step {frame.step:g}", wide)


def _table(name: str, frame: Frame, blob: Blob) -> str:
    columns, rows, total = frames.read_table(frame.content(blob))

    def row(cells: list[Any], tag: str) -> str:
        texts = (escape(_cell(cell)) for cell in cells[:_COLUMNS])
        return "<tr>" + "".join(f'<{tag} style="padding:1px 8px;{CELL}">{text}</{tag}>' for text in texts) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows[:_ROWS])
    more = f'<div style="{SMALL}">the first {min(len(rows), _ROWS)} of {total:,} rows</div>' if total > _ROWS else ""
    return f'<table style="margin:2px 0;font-size:12px">{row([*columns], "th")}{body}</table>{more}'


def _cell(cell: Any) -> str:
    text = f"{cell:.4g}" if isinstance(cell, float) else "" if cell is None else str(cell)
    return clean(text)[:60]


_DRAW: dict[str, Callable[[str, Frame, Blob], str]] = {
    frames.MATRIX: _matrix,
    frames.VECTOR: _vector,
    frames.IMAGE: _image,
    frames.TABLE: _table,
}
