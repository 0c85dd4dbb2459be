"""Pictures of plots that there is one of per step: vectors, matrices, images and tables, as notes hold them.

Arrays are `.npy` (no pickle), tables msgpack, images the bytes that were given. What is large lies in the store by its
content, and the note names it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

VECTOR, MATRIX, IMAGE, TABLE = "vector", "matrix", "image", "table"
KEPT = 2_000  # pictures of one track that a view knows of; beyond that every other one goes
INLINE = 8 << 10  # bytes of the largest content that lies in the note itself

_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture. `about` is known without its content: shape, mime type, number of rows."""

    id: int  # of its track; counts up
    no: int  # the node that drew it
    step: float
    kind: str
    data: bytes
    blob: str  # digest, where the content does not lie in `data`
    about: Mapping[str, Any]

    def content(self, blob: Callable[[str], bytes]) -> bytes:
        """Its bytes; `blob` reads one of the store."""
        return blob(self.blob) if self.blob else self.data


class Frames:
    """The pictures of one track, in order of arrival."""

    __slots__ = ("_next", "frames", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.frames: list[Frame] = []
        self._next = 0

    def add(self, no: int, note: Mapping[str, Any]) -> int:
        """Take the picture of a note of node `no`; return the index of the first one that is new or moved."""
        about = note.get("about")
        self.frames.append(
            Frame(
                self._next, no, float(note["step"]), str(note["kind"]), bytes(note.get("data") or b""),
                str(note.get("blob") or ""), about if isinstance(about, dict) else {},
            )
        )  # fmt: skip
        self._next += 1
        if len(self.frames) <= KEPT:
            return len(self.frames) - 1
        self.frames = self.frames[::2]
        return 0

    def take(self, no: int) -> list[Frame]:
        """Give up those of node `no`."""
        taken = [frame for frame in self.frames if frame.no == no]
        if taken:
            self.frames = [frame for frame in self.frames if frame.no != no]
        return taken

    def put_back(self, taken: list[Frame]) -> None:
        """Have again what `take` gave."""
        self.frames = sorted([*self.frames, *taken], key=lambda frame: frame.id)

    def ordered(self) -> list[Frame]:
        """By step; of one step in order of arrival."""
        return sorted(self.frames, key=lambda frame: frame.step)

    def find(self, id_: int) -> Frame | None:
        """The picture of this id, if it is still known."""
        return next((frame for frame in self.frames if frame.id == id_), None)

    def at(self, step: float | None) -> Frame:
        """The one whose step is nearest; the latest where none is named."""
        ordered = self.ordered()
        return ordered[-1] if step is None else min(reversed(ordered), key=lambda frame: abs(frame.step - step))


def write_array(array: Array) -> bytes:
    """An array as `.npy`."""
    import numpy as np

    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def read_array(data: bytes) -> Array:
    """The array of `write_array`; reading runs no code.

    Raises:
        ValueError: the bytes are no such array.
    """
    import numpy as np

    if not data.startswith(b"\x93NUMPY"):  # numpy would take it for a pickle, and say so
        raise ValueError(f"this is no stored array: it begins with {data[:8]!r}")
    array: Array = np.load(io.BytesIO(data), allow_pickle=False)
    return array


def write_table(columns: list[str], rows: list[list[Any]], total: int) -> bytes:
    """The head of a table of `total` rows."""
    return msgspec.msgpack.encode([columns, rows, total])


def read_table(data: bytes) -> tuple[list[str], list[list[Any]], int]:
    """Names of the columns, rows, and how many rows the whole table has."""
    columns, rows, total = msgspec.msgpack.decode(data, type=tuple[list[str], list[list[Any]], int])
    return columns, rows, total


def image_type(data: bytes) -> str:
    """The mime type of an image by its first bytes; "" for what browsers and matplotlib do not both show."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in _MAGIC.items() if data.startswith(magic)), "")


def coarse(matrix: Array, most: int) -> Array:
    """`matrix` with at most `most` rows and columns, as float32: the mean of each block, gaps left out of it."""
    import numpy as np

    rows, columns = (-(-size // most) for size in matrix.shape)
    if rows <= 1 and columns <= 1:
        return matrix.astype(np.float32)
    numbers = matrix.astype(np.float64)
    finite = np.isfinite(numbers)
    starts = [np.arange(0, size, by) for size, by in zip(matrix.shape, (rows, columns), strict=True)]

    def summed(cells: Array) -> Array:
        found: Array = np.add.reduceat(np.add.reduceat(cells, starts[0], axis=0), starts[1], axis=1)
        return found

    count = summed(finite.astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (summed(np.where(finite, numbers, 0.0)) / count).astype(np.float32)  # 0 / 0: a block of gaps is one
