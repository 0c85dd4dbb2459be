"""A kernel to which a browser sends a file in pieces, and which kills itself after so many of its messages.

`python -m tests.crash.uploader FOLDER KILL` starts the run in the store of the folder, or goes on with it; KILL is the
message after which it dies, 0 for never. It tells how much of the file was there when it began, and what the run gave.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from aethergraph import NodeContext, Runtime, graph_fn
from aethergraph.record.schema import Question
from jupyter_ext import uploading
from jupyter_ext.uploading import PIECE, Uploading

RUN_ID = "uploader"
MESSAGES = 6  # it asks, sends four pieces, answers


def data() -> bytes:
    """The same file each time, and no piece like another."""
    return b"".join(bytes([number]) * PIECE for number in range(3)) + b"the last piece"


@graph_fn
async def measure(*, context: NodeContext) -> dict[str, Any]:
    file = await context.channel("inbox").ask_file("Data?", accept=".bin", name="data")
    taken = await context.channel().get_latest_uploads()
    same = Path(file.path).read_bytes() == data()
    return {"name": file.name, "whole": same, "latest": [one.name for one in taken]}


class Browser:
    """Sends the file, and counts what it sends."""

    def __init__(self, runtime: Runtime, token: str, question: Question, kill: int) -> None:
        self.runtime, self.token, self.question, self.kill = runtime, token, question, kill
        self.told: list[dict[str, Any]] = []
        self.kernel = Uploading(self.told.append)
        self.sent = 0

    def send(self, offset: int, piece: bytes = b"") -> dict[str, Any]:
        message = {
            "kind": "upload",
            "token": self.token,
            "id": "1",
            "name": "a.bin",
            "size": len(data()),
            "modified": 1,
        }
        self.kernel.take(self.runtime.store, self.question, {**message, "offset": offset, "buffers": [piece]})
        uploading._WRITER.submit(lambda: None).result()
        self.count()
        return self.told[-1]

    def count(self) -> None:
        self.sent += 1
        if self.sent == self.kill:
            os.kill(os.getpid(), signal.SIGKILL)

    def upload(self) -> None:
        reply = self.send(-1)
        print("had", reply["have"], flush=True)
        while "file" not in reply:
            reply = self.send(reply["have"], data()[reply["have"] : reply["have"] + PIECE])
        self.runtime.answer(self.token, {"files": [reply["file"]]})
        self.count()


if __name__ == "__main__":
    with closing(Runtime(sys.argv[1])) as runtime:
        run = runtime.start(measure, {}, run_id=RUN_ID)
        while not run.waits and not run.future.done():
            time.sleep(0.002)
        for wait in run.waits:
            Browser(runtime, wait.token, wait.schema, int(sys.argv[2])).upload()
        print("gave", dict(run.result(30)), flush=True)
