"""Files that a browser sends for a question: in pieces, on a thread of their own, going on where they stopped.

A browser says which file it has and is told how much of it is there; it sends the next piece and is told again. So a
lost message, a second browser, a reload or a new kernel all come to the same: it asks, and goes on from there. When the
last piece is there the browser gets the description of the file that it can answer with. Nothing before that is ever
part of an answer, and what the browser says of a file is checked again when it answers.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

from aethergraph.errors import AetherGraphError, BadAnswer
from aethergraph.record.schema import FILES, Question
from aethergraph.record.uploads import check_file
from aethergraph.storage.store import Store
from aethergraph.storage.uploads import Part

from .patches import Json

PIECE = 1 << 20  # bytes of a piece as the browser cuts them; a larger message might be refused on its way
LARGEST_PIECE = 2 * PIECE

# One at a time: a disk writes no faster for being asked twice, and views are drawn meanwhile.
_WRITER = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="aether-uploads")


class Uploading:
    """The uploads to one view. `tell` answers all browsers that show it; each knows its own by `id`."""

    def __init__(self, tell: Callable[[Json], None]) -> None:
        self._tell = tell
        self._whole: dict[str, Json] = {}  # by key; for a browser that did not hear that its file is there

    def take(self, store: Store, question: Question, message: dict[str, Any]) -> None:
        """Write the piece that `message` brings, if any, and tell how much is there. Returns at once."""
        _WRITER.submit(self._take, store, question, message)

    def _take(self, store: Store, question: Question, message: dict[str, Any]) -> None:
        reply = {"kind": "upload", "token": message.get("token"), "id": message.get("id"), "have": 0, "why": ""}
        try:
            self._tell(reply | self._taken(store, question, message))
        except BadAnswer as error:
            self._tell(reply | {"why": error.why})
        except (AetherGraphError, OSError, ValueError, TypeError) as error:  # the disk is full; no such message
            self._tell(reply | {"why": f"it could not be stored: {error}"})

    def _taken(self, store: Store, question: Question, message: dict[str, Any]) -> dict[str, Any]:
        if question.kind != FILES:
            raise BadAnswer("no file is asked for here")
        size, offset = int(message["size"]), int(message.get("offset", -1))
        if size < 0:
            raise BadAnswer("its size is not known")
        name = check_file(question, str(message.get("name")), size)
        key = "\0".join(str(message.get(part)) for part in ("token", "name", "size", "modified"))
        if key in self._whole and store.blobs.keep(str(self._whole[key]["sha256"])):
            return {"have": size, "file": self._whole[key]}
        part, piece = Part(store, key, name, size), _piece(message)
        have = part.add(offset, piece) if piece else part.have
        if have < size:
            return {"have": have}
        self._whole[key] = part.finish()
        return {"have": size, "file": self._whole[key]}


def _piece(message: dict[str, Any]) -> bytes:
    buffers = message.get("buffers") or []
    piece = bytes(buffers[0]) if buffers else b""
    if len(piece) > LARGEST_PIECE:
        raise BadAnswer(f"a piece has {len(piece)} bytes, and at most {LARGEST_PIECE} are taken")
    return piece
