"""Live plots."""

from __future__ import annotations

import math
from typing import Any

from ..record.files import amount
from ..views import frames
from . import content as contents
from . import plottable
from .artifact import Artifact
from .scope import Scope, clean, never_waits

IMAGE = 16 << 20  # bytes of the largest image
_KINDS = {"image_from_bytes": "image", "image_from_artifact": "image", "figure": "image"}  # where the method is not it


class Viz:
    """`context.viz()`: what the run view plots while it comes, and `run.plot()` and `run.points()` give afterwards.

    Tracks named `loss/a` and `loss/b` are lines of one plot, `loss`. Plots are cosmetic: they are written a few times
    a second without anybody waiting for it, and a node that runs again, in a retry or after a kill, draws anew what
    it drew. Before a node's result is on disk, its plots are.

    A track shows one kind of thing: numbers, vectors, matrices, images or tables.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __repr__(self) -> str:
        return "<viz>"

    @never_waits
    async def scalar(self, track: str, step: Any, value: Any) -> None:
        """Add a point to the line `track`.

        Args:
            step: where on the x-axis, in any order. A number, as `value`.
            value: a Python or numpy number, a 0-d array, a tensor of one element. NaN and infinities leave a gap.

        Raises:
            TypeError: step or value is no number.
        """
        track, step, _ = self._place("scalar", track, step)
        number = plottable.number(value, f"viz().scalar({track!r}, step {step:g})", "value")
        self._scope.desk.note("point", {"track": track, "step": step, "value": number})

    @never_waits
    async def vector(self, track: str, step: Any, values: Any) -> None:
        """Show a line over the indices of `values`, one per step: a spectrum, a histogram, a profile.

        Args:
            values: shape (n,), n at most 100,000: a list, an array, a tensor.

        Raises:
            TypeError: these are no numbers, or not in one dimension.
            ValueError: there are none, or too many.
        """
        track, step, where = self._place("vector", track, step)
        array = plottable.vector(values, where)
        self._note(track, step, frames.VECTOR, frames.write_array(array), {"shape": list(array.shape)})

    @never_waits
    async def matrix(self, track: str, step: Any, values: Any) -> None:
        """Show a heat map, one per step; the first row is on top.

        Args:
            values: shape (rows, columns), at most a million cells: nested lists, an array, a tensor. NaN is a gap.

        Raises:
            TypeError: these are no numbers, or not in two dimensions.
            ValueError: there are none, or too many.
        """
        track, step, where = self._place("matrix", track, step)
        array = plottable.matrix(values, where)
        self._note(track, step, frames.MATRIX, frames.write_array(array), {"shape": list(array.shape)})

    @never_waits
    async def image_from_bytes(self, track: str, step: Any, data: bytes) -> None:
        """Show an image, one per step.

        Args:
            data: a PNG, JPEG, GIF or WebP file of at most 16 MB.

        Raises:
            TypeError: `data` is no bytes.
            ValueError: it is no such image, or too large.
        """
        track, step, where = self._place("image_from_bytes", track, step)
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"{where}: an image is given as the bytes of its file, got {type(data).__name__}")
        self._image(track, step, where, bytes(data))

    @never_waits
    async def image_from_artifact(self, track: str, step: Any, artifact: Artifact | str) -> None:
        """Show an image that was saved, one per step; it is not stored again.

        Args:
            artifact: what a `save_...` of `context.artifacts()` gave, or its uri.

        Raises:
            ValueError: it is no PNG, JPEG, GIF or WebP file, or too large.
        """
        track, step, where = self._place("image_from_artifact", track, step)
        if not isinstance(artifact, (Artifact, str)):
            raise TypeError(f"{where}: expected an artifact or its uri, got {type(artifact).__name__}")
        data = self._scope.desk.store.blobs.get(contents.digest(artifact))
        self._image(track, step, f"{where}, {contents.called(artifact)}", data)

    @never_waits
    async def figure(self, track: str, step: Any, fig: Any) -> None:
        """Show a matplotlib figure (or an axes' figure) as it is now, one per step. It stays open.

        Raises:
            TypeError: it is no figure.
        """
        track, step, where = self._place("figure", track, step)
        drawn = fig if hasattr(fig, "savefig") else getattr(fig, "figure", None)
        if not hasattr(drawn, "savefig"):
            raise TypeError(f"{where}: expected a matplotlib Figure or Axes, got {type(fig).__name__}")
        if not self._scope.desk.unseen:
            self._image(track, step, where, contents.png(drawn, None))

    @never_waits
    async def table(self, track: str, df: Any, step: Any = None) -> None:
        """Show the head of a table: its first 1,000 rows and 100 columns.

        Args:
            df: a data frame (pandas, polars), a dict of columns, or a list of dicts.
            step: left out, tables of one track are numbered from 0.

        Raises:
            TypeError: it is no table.
            ValueError: its columns have several lengths.
        """
        if step is None:
            step = self._scope.count(f"viz.table {track}")
        track, step, where = self._place("table", track, step)
        columns, rows, total, width = plottable.table(df, where)
        about = {"rows": total, "columns": width, "shown": [len(rows), len(columns)]}
        self._note(track, step, frames.TABLE, frames.write_table(columns, rows, total), about)

    # ------------------------------------------------------------------

    def _place(self, method: str, track: Any, step: Any) -> tuple[str, float, str]:
        """Track and step, checked, and how messages name the call."""
        if not isinstance(track, str) or not track:
            raise TypeError(f"viz().{method}: a track is named by a text, got {track!r}")
        at = plottable.number(step, f"viz().{method}({track!r}, step, ...)", "step")
        if not math.isfinite(at):
            raise ValueError(f"viz().{method}({track!r}, step, ...): step is {at}, which has no place on an axis")
        kind = _KINDS.get(method, method)
        if (before := self._scope.tracks.setdefault(track, kind)) != kind:
            raise ValueError(
                f"viz().{method}({track!r}, step {at:g}): in this node this track shows {before}s already, and a "
                f"track shows one kind of thing; take another name, as {track + '/' + kind!r}"
            )
        return clean(track), at, f"viz().{method}({track!r}, step {at:g})"

    def _image(self, track: str, step: float, where: str, data: bytes) -> None:
        if len(data) > IMAGE:
            raise ValueError(
                f"{where}: an image of {amount(len(data))}, and a plot takes at most {amount(IMAGE)}: make it "
                "smaller, or keep it with `context.artifacts().save_bytes(data, name)`"
            )
        mime = frames.image_type(data)
        if not mime:
            raise ValueError(
                f"{where}: an image is a PNG, JPEG, GIF or WebP file; this begins with {data[:8]!r} "
                "(an array is shown by `matrix`, a matplotlib figure by `figure`)"
            )
        self._note(track, step, frames.IMAGE, data, {"mime": mime, "size": len(data)})

    def _note(self, track: str, step: float, kind: str, data: bytes, about: dict[str, Any]) -> None:
        desk = self._scope.desk
        if desk.unseen:
            return
        small = len(data) <= frames.INLINE
        blob = "" if small else desk.store.blobs.put(data)
        note = {"track": track, "step": step, "kind": kind, "data": data if small else b"", "blob": blob}
        desk.note("frame", note | {"about": about})
