"""The terminal as a channel."""

from __future__ import annotations

import asyncio
import contextvars
import getpass
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

import msgspec

from ..engine import ANSWERED, Asker
from ..record import uploads
from ..record.schema import FORM, Question
from . import typed
from .adapter import PLAIN, Message, Progress
from .fields import asking

WIDTH = 24  # characters of a progress bar
Read = Callable[[str], str]


class Console:
    """Asks by `input()` and prints messages. One question at a time: the next prompt shows when the last is settled.

    `input()` cannot be interrupted. Where a question is answered elsewhere while its prompt stands, the line that is
    being read belongs to the next question, or to nobody.
    """

    capabilities = PLAIN

    def __init__(
        self,
        read: Read = input,
        read_silent: Read = getpass.getpass,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self._read, self._read_silent = read, read_silent
        self._out, self._err = out, err
        self._turns = threading.Lock()
        self._queue: list[_Turn] = []
        self._reading = False
        self._typed: dict[str, dict[str, Any]] = {}  # forms as they were answered last

    @property
    def ask(self) -> Asker | None:
        """Ask at the prompt. Raises EOFError where the input is closed."""
        return self._ask

    async def send(self, message: Message, id: str) -> None:
        """Print the message as text; of a picture or file also where it lies."""
        where = f"\n  {message.path}" if message.path is not None else ""
        print(f"{message.text}{where}", file=self._out or sys.stdout, flush=True)

    def progress(self, state: Progress) -> None:
        """Draw the bar over the last one on the error stream, if that is a terminal."""
        err = self._err or sys.stderr
        if err.isatty():
            err.write(f"\r\x1b[K{bar(state)}" + ("\n" if state.end else ""))
            err.flush()

    async def _ask(self, question: Question, token: str, refused: str) -> Any:
        if question.kind != FORM:
            return await self._line(question, refused)
        fields = asking(question, refused, self._typed.pop(token, None))
        meant = None
        while True:
            try:
                field, why = fields.send(meant)
            except StopIteration as done:
                self._typed[token] = done.value  # it may be refused as a whole
                return done.value
            meant = await self._line(field, why)

    async def _line(self, question: Question, refused: str) -> Any:
        loop = asyncio.get_running_loop()
        turn = _Turn(question, refused, loop, loop.create_future(), contextvars.copy_context())
        with self._turns:
            self._queue.append(turn)
            begin, self._reading = not self._reading, True
        if begin:
            threading.Thread(target=self._serve, name="aether-console", daemon=True).start()
        elif self._queue[0] is turn:  # the thread still reads for a question that is settled: this one takes over
            self._show(turn)
        said = ""
        try:
            return understand(question, await turn.answer)
        except asyncio.CancelledError as error:
            said = "(answered elsewhere)" if ANSWERED in error.args else ""
            raise
        finally:
            self._leave(turn, said)

    def _leave(self, turn: _Turn, said: str) -> None:
        with self._turns:
            first = bool(self._queue) and self._queue[0] is turn
            if turn in self._queue:
                self._queue.remove(turn)
            following = self._queue[0] if first and self._queue and self._reading else None
        if first and turn.answer.cancelled():
            print(said, file=self._out or sys.stdout, flush=True)
            if following is not None:
                self._show(following)

    def _show(self, turn: _Turn) -> None:
        print(prompt(turn.question, turn.refused), end="", file=self._out or sys.stdout, flush=True)

    def _serve(self) -> None:
        """Read a line for whoever is first in the queue, until nobody is."""
        while True:
            with self._turns:
                if not self._queue:
                    self._reading = False
                    return
                turn = self._queue[0]
            read = self._read_silent if turn.question.silent else self._read
            line: str | BaseException
            try:
                line = turn.context.run(read, prompt(turn.question, turn.refused))
            except (EOFError, OSError, KeyboardInterrupt, NotImplementedError) as error:
                # A kernel without standard input raises StdinNotImplementedError, a NotImplementedError.
                line = EOFError(str(error) or "the input is closed")
            with self._turns:
                taker = self._queue.pop(0) if self._queue else None
            if taker is not None and not taker.loop.is_closed():
                taker.loop.call_soon_threadsafe(taker.settle, line)


class _Turn(msgspec.Struct, eq=False):
    question: Question
    refused: str
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[str]
    context: contextvars.Context

    def settle(self, line: str | BaseException) -> None:
        if self.answer.done():
            return
        if isinstance(line, BaseException):
            self.answer.set_exception(line)
        else:
            self.answer.set_result(line)


def prompt(question: Question, refused: str = "") -> str:
    """What is printed to ask: the reason of a refusal, the question, its numbered options."""
    lines = [f"! {refused}"] if refused else []
    lines.append(question.prompt)
    lines += [f"  {number}. {option}" for number, option in enumerate(question.options, 1)]
    hint = _hint(question)
    return "\n".join(lines) + (f"\n[{hint}] > " if hint else "\n> ")


def _hint(question: Question) -> str:
    parts = []
    if question.multiple and question.options:
        parts.append("several, separated by commas")
    if question.kind == "files":
        parts = [typed.files_hint(question)]
    if question.kind == "number" and (question.min is not None or question.max is not None):
        low = "" if question.min is None else f"from {question.min:g}"
        high = "" if question.max is None else f"to {question.max:g}"
        parts.append(f"{low} {high}".strip())
    if question.has_default and not question.silent:
        default = question.default["choice"] if question.kind == "approval" else question.default
        default = uploads.told(default) if question.kind == "files" else default
        parts.append(f"Enter for {', '.join(default) if isinstance(default, list) else default}")
    return "; ".join(parts)


def understand(question: Question, line: str) -> Any:
    """The raw answer that a typed line means: an option by its text or its number, the default for an empty line."""
    return question.default if question.has_default and not line.strip() else typed.answer(question, line)


def bar(state: Progress) -> str:
    """One line: title, bar and count."""
    count = f"{state.now:g}/{state.total:g}" if state.total else f"{state.now:g}"
    part = min(max(state.now / state.total, 0.0), 1.0) if state.total else float(state.end)
    full = round(part * WIDTH)
    drawn = "#" * full + "-" * (WIDTH - full)
    return " ".join(piece for piece in (state.title, f"[{drawn}]", count, state.sub) if piece)
