"""Saving what Python holds: figures, tables, any value."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from ..storage.codec import about_value, plain
from . import content as contents
from . import tables
from .artifact import OBJECT, Artifact
from .saving import Kept, Saving


class SavingObjects(Saving):
    """What has to be brought into the form of a file first."""

    async def save_figure(
        self,
        fig: Any,
        name: str = "figure.png",
        *,
        kind: str = "figure",
        dpi: float | None = None,
        labels: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Iterable[str] = (),
        pin: bool = False,
    ) -> Artifact:
        """Store a matplotlib figure (or an axes' figure) as PNG. The figure stays open."""
        figure = fig if hasattr(fig, "savefig") else getattr(fig, "figure", None)
        if not hasattr(figure, "savefig"):
            raise TypeError(f"save_figure takes a matplotlib Figure or Axes, got {type(fig).__name__}")

        async def content() -> Kept:
            return await self._put(await asyncio.to_thread(contents.png, figure, dpi), "")

        title = name if name.lower().endswith(".png") else f"{name}.png"
        return await self._save(content, kind, title, "image/png", labels, metrics, tags, pin)

    async def save_dataframe(
        self,
        df: Any,
        name: str = "table",
        *,
        kind: str = "dataframe",
        labels: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Iterable[str] = (),
        pin: bool = False,
    ) -> Artifact:
        """Store a table of pandas or polars, or anything with `to_parquet` or `to_csv`.

        The ending of `name`, .parquet or .csv, says as what; without one as Parquet where that can be written here,
        else as CSV. The index of a pandas table is kept, but for one that only counts the rows.

        Raises:
            TypeError: it is no such table.
            ValueError: `name` has another ending.
            ImportError: Parquet was asked for, and a package that writes it is missing.
        """
        title = tables.named(df, name)

        async def content() -> Kept:
            with self._blobs.draft(PurePath(title).suffix) as draft:
                await asyncio.to_thread(tables.write, df, draft.path)
                digest, size = await asyncio.to_thread(draft.keep)
            return Kept(digest, size, tables.head(df), rows=tables.rows(df))

        mime = contents.mime(title)
        return await self._save(content, kind, title, mime, labels, metrics, tags, pin, value=df)

    async def save_object(
        self,
        obj: Any,
        name: str = "object",
        *,
        kind: str = "object",
        labels: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Iterable[str] = (),
        pin: bool = False,
    ) -> Artifact:
        """Store any Python value, as results of nodes are stored; what has to be pickled is signed with your key.

        Raises:
            NotStorable: it cannot be pickled (an open file, a live connection).
        """

        # Plain data by digest: arguments of plain data are written into the record whole.
        value = contents.fingerprint(obj) if plain(obj) else obj

        async def content() -> Kept:
            payload = await asyncio.to_thread(self._scope.codec.dump_whole, obj, f"artifact {name!r}")
            return await self._put(payload, about_value(obj))

        return await self._save(content, kind, name, OBJECT, labels, metrics, tags, pin, value=value)
