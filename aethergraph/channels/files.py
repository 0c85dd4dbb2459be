"""A text file as a channel: `file:notes.txt`. One line for each message, more where its text has more.

    2026-03-01T12:00:05Z  survey-7f3ka/load  sorted 3 rows  #5f0c7d8a9b3e4411

The end of the last line is the message's mark. A message whose mark is in the file is not written again, so one that
was written just before a kill is there once, and so is one whose write the kill came before. The mark comes last: a
message that was cut off in the middle has none, and is written anew on a line of its own. Each message is on disk when
the node that sent it goes on. Only where the file was taken away meanwhile can a message be in both.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import os
import re
import threading
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from ..clock import Clock, SystemClock
from ..engine import Asker
from ..errors import NotDelivered
from ..views.labels import clean
from .adapter import PLAIN, Message

_MARK = re.compile(rb"  #([0-9a-f]{16})\n")


class TextFile:
    """Appends to the file `path`, which it makes; a relative one is looked up where the process is when this is made.

    Any number of processes may append to one file.

    Raises:
        ValueError: there is no path.
    """

    capabilities = PLAIN
    ask: Asker | None = None  # nobody answers in a file: questions wait in the store

    def __init__(self, path: str | PathLike[str], *, clock: Clock | None = None) -> None:
        if not os.fspath(path).strip():
            raise ValueError('a channel to a file names the file, as in "file:notes.txt"')
        self.path = Path(path).expanduser().absolute()
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._marks: set[int] = set()
        self._read = 0  # bytes of the file whose marks are known

    async def send(self, message: Message, id: str) -> None:
        """Append `message`, unless it is there.

        Raises:
            NotDelivered: the file cannot be written.
        """
        await asyncio.to_thread(self._append, message, mark(id))

    def _append(self, message: Message, mark: str) -> None:
        with self._lock:
            try:
                with self.path.open("ab+") as file:
                    whole = self._learn(file)
                    if int(mark, 16) not in self._marks:
                        file.write((b"" if whole else b"\n") + block(message, mark, self._clock.now()))
                        file.flush()
                        os.fsync(file.fileno())
            except OSError as error:
                raise NotDelivered(f"file:{self.path}", self._why(error)) from error

    def _learn(self, file: BinaryIO) -> bool:
        """Take in the marks of what was appended since the last time; whether the file ends with a whole line."""
        if file.seek(0, os.SEEK_END) < self._read:  # another file is there now
            self._read = 0
            self._marks.clear()
        file.seek(self._read)
        for line in file:
            if not line.endswith(b"\n"):
                return False
            self._read += len(line)
            if (found := _MARK.search(line)) is not None:
                self._marks.add(int(found[1], 16))
        return True

    def _why(self, error: OSError) -> str:
        if isinstance(error, FileNotFoundError):
            return f"there is no folder {self.path.parent}"
        if isinstance(error, IsADirectoryError) or self.path.is_dir():
            return "that is a folder; name a file in it"
        return error.strerror or str(error)


def mark(id: str) -> str:
    """What stands in the file for the id of a message."""
    return hashlib.blake2b(id.encode(), digest_size=8).hexdigest()


def block(message: Message, mark: str, at: float) -> bytes:
    """A message as its lines. No text in it can end a line early, or colour the terminal that shows the file."""
    stamp = datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    first, *rest = message.text.splitlines() or [""]
    lines = [f"{stamp}  {message.run_id}/{message.node_id}  {clean(first)}", *(f"    {clean(line)}" for line in rest)]
    return ("\n".join(lines) + f"  #{mark}\n").encode()
