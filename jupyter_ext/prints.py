"""Text that nodes print, on its way into their journals."""

from __future__ import annotations

import threading
from collections.abc import Callable

from aethergraph.engine import Desk
from aethergraph.errors import AetherGraphError

LONGEST = 256_000  # characters of one piece; what came before is left out, and said so
Where = tuple[str, int, int]


def where(desk: Desk) -> Where:
    """Names the attempt that `desk` stands for; a body's desk may be another object at each look."""
    return desk.run_id, desk.no, desk.attempt


class Prints:
    """Collects what is written and notes it in pieces, at most every `linger_s` seconds.

    `print("a")` writes twice, a training loop writes thousands of times; each piece is one fact. What a node writes
    after its end goes to `fallback(text, err)`.
    """

    def __init__(self, fallback: Callable[[str, bool], None], linger_s: float = 0.05) -> None:
        self.closed = False
        self._fallback, self._linger_s = fallback, linger_s
        self._texts: dict[Where, tuple[Desk, list[tuple[bool, list[str]]]]] = {}
        self._changed = threading.Condition()
        self._noting = threading.RLock()  # pieces of one node are noted in order
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, desk: Desk, text: str, *, err: bool) -> int:
        """Take `text`, from any thread; never waits for the store."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        with self._changed:
            _, pieces = self._texts.setdefault(where(desk), (desk, []))
            if not pieces or pieces[-1][0] is not err:
                pieces.append((err, []))
            pieces[-1][1].append(text)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="aether-prints", daemon=True)
                self._thread.start()
            self._changed.notify()
        return len(text)

    def flush(self, desk: Desk | None = None) -> None:
        """Note what was written so far, by `desk` or by all."""
        with self._noting:
            with self._changed:
                keys = list(self._texts) if desk is None else [where(desk)]
                taken = [self._texts.pop(key) for key in keys if key in self._texts]
            for writer, pieces in taken:
                for err, texts in pieces:
                    self._note(writer, "".join(texts), err)

    def close(self) -> None:
        """Note what is left, and take no more."""
        self.closed = True
        self._ending.set()
        with self._changed:
            self._changed.notify()
        self.flush()

    def _note(self, desk: Desk, text: str, err: bool) -> None:
        if len(text) > LONGEST:
            text = f"[{len(text) - LONGEST} characters left out]\n{text[-LONGEST:]}"
        try:
            desk.note("out", {"s": text.encode(errors="backslashreplace").decode(), "err": err})
        except AetherGraphError:  # the attempt is over: a thread of its own still prints
            self._fallback(text, err)

    def _work(self) -> None:
        while not self._ending.is_set():
            with self._changed:
                while not self._texts and not self.closed:
                    self._changed.wait()
            self._ending.wait(self._linger_s)
            self.flush()
