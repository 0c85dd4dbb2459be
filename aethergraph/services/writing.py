"""Taking over what is written piece by piece: by a `Writer`, or by other programs, as files and folders."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from ..engine import Op
from ..storage.store import Transaction
from . import content as contents
from . import folders
from .artifact import FOLDER, Artifact
from .folders import Folder
from .saving import Kept, Saving
from .writer import Writer

SCRATCH = "scratch"  # the folder, in that of the store, for files that runs are still working on
_LONGEST = 40  # characters of a suffix


class Writing(Saving):
    """Files that are not whole yet."""

    def writer(
        self,
        kind: str = "file",
        planned_ext: str = "",
        *,
        name: str | None = None,
        labels: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Iterable[str] = (),
        pin: bool = False,
    ) -> Writer:
        """`async with artifacts.writer("report", ".txt") as w:`; in a sync tool `with`.

        At the end of the block it is saved, and is `w.artifact`. An error in the block, or a kill, leaves nothing.

        Raises:
            ValueError: a writer of the same name is open in this node.
        """
        title = name or f"{kind}{contents.ending(planned_ext)}"
        how = {"kind": kind, "labels_": labels, "metrics_": metrics, "tags_": contents.tags(tags), "pin": pin}
        return Writer(self, title, how)

    async def stage_path(self, ext: str = "") -> Path:
        """A path to write a file to, for `ingest_file`. It lies in the store and is the same when this is replayed."""
        return await self._path("stage", ext)

    async def stage_dir(self, suffix: str = "") -> Path:
        """A new, empty folder to write to, for `ingest_dir`. It is the same when this is replayed."""
        path = await self._path("stage", suffix)
        path.mkdir(exist_ok=True)
        return path

    async def tmp_path(self, suffix: str = "") -> Path:
        """A path for a file or folder of your own, in the store; `gc` deletes what the run leaves there."""
        return await self._path("tmp", suffix)

    async def _path(self, what: str, suffix: str = "") -> Path:
        if not isinstance(suffix, str) or len(suffix) > _LONGEST or any(sign in suffix for sign in "/\\:\0"):
            raise ValueError(f"suffix={suffix!r}: expected the end of a file's name, as in '.csv'")
        desk = self._scope.desk
        effect = self._scope.effect_id("artifacts.path", [what, suffix])
        number = hashlib.blake2b(f"{effect}:{desk.attempt}".encode(), digest_size=6).hexdigest()
        path = self._scratch / f"{number}{contents.ending(suffix)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not desk.replays:  # of an attempt that was killed; a body, in its turn, finds again what was written for it
            await asyncio.to_thread(_delete, path)
        return path

    async def ingest_file(
        self,
        staged_path: str | PathLike[str],
        *,
        kind: str = "file",
        name: str | None = None,
        labels: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Iterable[str] = (),
        pin: bool = False,
    ) -> Artifact:
        """Store a file that is whole. What `stage_path` gave is deleted then; any other file stays as it is.

        Raises:
            FileNotFoundError, IsADirectoryError: there is no such file.
        """
        source = contents.path(staged_path, "ingest_file")
        title = name or (f"{kind}{source.suffix}" if self._is_staged(source) else source.name or str(source))
        mime = contents.mime(title, contents.mime(source.name))
        content = self._file(source, "ingest_file", mime)
        saved = await self._save(content, kind, title, mime, labels, metrics, tags, pin, path=self._told(source))
        await self._taken(source)
        return saved

    async def ingest_dir(
        self,
        staged_dir: str | PathLike[str],
        *,
        kind: str = "folder",
        name: str | None = None,
        labels: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Iterable[str] = (),
        pin: bool = False,
    ) -> Artifact:
        """Store a folder with all files in it, each once by its content. The same files are the same artifact.

        What `stage_dir` gave is deleted then; any other folder stays as it is. `size` is that of all files.

        Raises:
            FileNotFoundError, NotADirectoryError: there is no such folder.
            ValueError: it holds a link, a pipe or the like, or a name that could not be restored.
        """
        source = contents.path(staged_dir, "ingest_dir")
        title = name or (kind if self._is_staged(source) else source.resolve().name or kind)

        async def content() -> Kept:
            contents.check_folder(source)
            digest, found = await asyncio.to_thread(folders.store, self._blobs, source)
            return Kept(digest, found.size, found.preview(), (_keeping(digest, found),))

        saved = await self._save(content, kind, title, FOLDER, labels, metrics, tags, pin, path=self._told(source))
        await self._taken(source)
        return saved

    # ------------------------------------------------------------------ where

    @property
    def _scratch(self) -> Path:
        return self._scope.desk.store.folder / SCRATCH / self._scope.desk.run_id

    def _is_staged(self, path: Path) -> bool:
        return path.parent == self._scratch

    def _told(self, path: Path) -> str:
        """How a path is known on record: one in the store wherever that lies, and whichever run has its past."""
        return f"{SCRATCH}/{path.name}" if self._is_staged(path) else str(path)

    async def _taken(self, path: Path) -> None:
        if self._is_staged(path):
            await asyncio.to_thread(_delete, path)


def _keeping(digest: str, found: Folder) -> Op:
    def keep(rows: Transaction) -> None:
        folders.keep(rows, digest, found)

    return keep


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
