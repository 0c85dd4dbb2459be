"""A worker process: it runs one function at a time for the process that started it, and ends with that.

Messages are a length of 8 bytes and that many bytes: tasks come by standard input, answers go by what was standard
output. What Python code prints goes with the answers; what C code prints goes to standard error.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import linecache
import os
import pickle
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO

import cloudpickle  # type: ignore[import-untyped]

from ... import errors
from ...record.failures import assemble, parts, user_traceback

OUT, DONE, FAILED = b"o", b"d", b"f"
BOOT = "import sys; sys.path[:] = {path!r}; from aethergraph.scheduler.executors.worker import main; main()"


def write(stream: BinaryIO, message: bytes) -> None:
    """Send a message."""
    stream.write(len(message).to_bytes(8, "big") + message)
    stream.flush()


def read(stream: BinaryIO) -> bytes:
    """The next message.

    Raises:
        EOFError: the other side is gone.
    """
    head = stream.read(8)
    message = stream.read(int.from_bytes(head, "big")) if len(head) == 8 else b""
    if len(head) < 8 or len(message) < int.from_bytes(head, "big"):
        raise EOFError("the other side is gone")
    return message


class _Printed(io.TextIOBase):
    """Standard output or error of the function that runs."""

    def __init__(self, answers: BinaryIO, lock: threading.Lock, err: bool) -> None:
        self._answers, self._lock, self._kind = answers, lock, b"2" if err else b"1"
        self._text = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._text += text
        if "\n" in text or len(self._text) > 8_000:
            self.flush()
        return len(text)

    def flush(self) -> None:
        with self._lock:
            text, self._text = self._text, ""
            if text:
                write(self._answers, OUT + self._kind + text.encode("utf-8", "replace"))


def main() -> None:
    """Serve until the process that started this one is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for whoever started us
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    lock = threading.Lock()
    printed = _Printed(answers, lock, False), _Printed(answers, lock, True)
    sys.stdout, sys.stderr = printed
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(tasks, waiting), daemon=True).start()
    while True:
        answer = _run(waiting.get())
        for stream in printed:
            stream.flush()
        with lock:
            write(answers, answer)


def _listen(tasks: BinaryIO, waiting: queue.SimpleQueue[bytes]) -> None:
    try:
        while True:
            waiting.put(read(tasks))
    except (EOFError, OSError):
        os._exit(1)  # nobody is there any more to take the answer, whatever is running


def _run(task: bytes) -> bytes:
    try:
        sources, names, made = pickle.loads(task)
        linecache.cache.update(sources)
        errors.cell_name = lambda file: names.get(file, file)
        fn, args, kwargs = pickle.loads(made)
        value = fn(*args, **kwargs)
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
        return DONE + _sent(value)
    except BaseException as error:  # noqa: BLE001 (it goes to whoever waits for it)
        return FAILED + _told(error)


def _sent(value: Any) -> bytes:
    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as error:
        raise TypeError(
            f"its result, of type {type(value).__name__}, cannot be sent back from the process where it was made "
            f'({type(error).__name__}: {error}); return plain values, or run it here: runs_in="thread"'
        ) from error


def _told(error: BaseException) -> bytes:
    shown = f"{type(error).__name__}: {error}"
    return pickle.dumps((_kept(error), shown, user_traceback(error)))


def _kept(error: BaseException) -> bytes:
    """What it is made of, without what cannot be sent: its class stays, since `except` and `retry_on` go by that."""
    arguments, state = parts(error)
    message = str(error)[:2_000]
    members = [_kept(member) for member in getattr(error, "exceptions", ())]
    if members and not all(members):
        return b""
    if members:  # each by itself: a class that pickle cannot make again is made again by `assemble`
        arguments = [error.args[0]]
    if not all(map(_goes, arguments)):
        arguments = [message]
    try:
        return bytes(cloudpickle.dumps((type(error), arguments, _going(state), message, members)))
    except Exception:  # noqa: BLE001 (its class is the user's)
        return b""


def _goes(value: Any) -> bool:
    try:
        pickle.loads(cloudpickle.dumps(value))
    except Exception:  # noqa: BLE001 (what it is is the user's)
        return False
    return True


def _going(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if _goes(value)}


def unpack(answer: bytes) -> Any:
    """What the function gave.

    Raises:
        BaseException: what it raised, with the worker's traceback as its cause.
    """
    if answer[:1] == DONE:
        return pickle.loads(answer[1:])
    kept, shown, text = pickle.loads(answer[1:])
    error = _made_again(kept) or RuntimeError(shown)
    if error.__cause__ is None:
        error.__cause__ = WorkerTraceback(text)
    raise error


def _made_again(kept: bytes) -> BaseException | None:
    try:
        if not kept:
            return None
        kind, arguments, state, message, members = pickle.loads(kept)
        if members:
            arguments = [*arguments, [_made_again(member) for member in members]]
        return assemble(kind, arguments, state, message)
    except Exception:  # noqa: BLE001 (the class is the user's)
        return None


class WorkerTraceback(Exception):
    """Where in the worker process an exception was raised, as text."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'
