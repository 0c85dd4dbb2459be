"""Where a suspended coroutine stands: its frames, and whether one of them lies in a `with`, `async for` or `try`.

A coroutine can be dropped without running any code of the user's only where no frame would catch what is thrown at
it. Python says so itself: the exception table of a code object leads from each instruction to the handler that covers
it (see "Objects/exception_handling_notes.txt" in CPython's source). Some handlers are the compiler's own and only
hand the exception on; they are followed to what covers *them*.
"""

from __future__ import annotations

import asyncio
import dis
import gc
import inspect
import linecache
import os
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

_OURS = (str(Path(__file__).parents[1]) + os.sep, str(Path(asyncio.__file__).parent) + os.sep)

# What the compiler's own handlers consist of: they restore names and the stack, then raise again.
_TIDYING = ("STORE_", "DELETE_", "LOAD_CONST", "SWAP", "COPY", "POP_TOP", "POP_ITER", "POP_EXCEPT", "END_SEND")
_SKIPPED = frozenset({"CACHE", "NOP", "EXTENDED_ARG", "RESUME"})
_CONVERTS_STOP_ITERATION = 3  # the argument of CALL_INTRINSIC_1 at the end of each coroutine, from 3.12 on


class Block(msgspec.Struct, frozen=True):
    """The innermost block that would run user code: "with", "async with", "async for" or "try", and its line."""

    kind: str
    line: int


class Entry(msgspec.Struct, frozen=True):
    """One row of an exception table: instructions from `start` to before `end` lead to `handler`; all in bytes."""

    start: int
    end: int
    handler: int


def entries(table: bytes) -> Iterator[Entry]:
    """The rows of `co_exceptiontable`, which has no reader in the standard library that one may rely on."""
    at = 0
    while at < len(table):
        numbers = []
        for _ in range(4):  # start, length, handler, depth
            number, at = _number(table, at)
            numbers.append(number)
        start, length, handler, _ = numbers
        yield Entry(2 * start, 2 * (start + length), 2 * handler)


def _number(table: bytes, at: int) -> tuple[int, int]:
    """Six bits a byte, the highest first; bit 6 says that more follow, bit 7 marks the first byte of a row."""
    byte = table[at]
    value = byte & 63
    while byte & 64:
        at += 1
        byte = table[at]
        value = value << 6 | byte & 63
    return value, at + 1


def block(code: types.CodeType, at: int) -> Block | None:
    """The block around the instruction at byte `at` of `code` that would see an exception raised there."""
    table, seen = list(entries(code.co_exceptiontable)), set[int]()
    while True:
        entry = next((one for one in table if one.start <= at < one.end), None)
        if entry is None or entry.handler in seen:
            return None
        seen.add(entry.handler)
        kind, raises_at = _handler(code, entry.handler)
        if kind:
            return Block(kind, _line(code, entry.handler) or _line(code, at))
        at = raises_at


def _handler(code: types.CodeType, start: int) -> tuple[str, int]:
    """What kind of block a handler belongs to; "" for the compiler's own, and where that raises again."""
    instructions = _instructions(code, start)
    at, name, argument = next(instructions, (start, "", 0))
    if name == "PUSH_EXC_INFO":  # `with`, `except` and `finally` begin so, and nothing else does
        names = [name for _, name, _ in instructions]
        if names[:1] != ["WITH_EXCEPT_START"]:
            return "try", 0
        return ("async with" if names[1:2] == ["GET_AWAITABLE"] else "with"), 0
    if name == "END_ASYNC_FOR":
        return "async for", 0
    while name:
        if name in ("RERAISE", "CLEANUP_THROW"):
            return "", at
        stops = name == "CALL_INTRINSIC_1" and argument == _CONVERTS_STOP_ITERATION
        if not stops and not name.startswith(_TIDYING):
            break
        at, name, argument = next(instructions, (at, "", 0))
    return "try", 0  # not known: better once too often in memory than once too little


def _instructions(code: types.CodeType, start: int) -> Iterator[tuple[int, str, int]]:
    text = code.co_code
    for at in range(start, len(text), 2):
        name = dis.opname[text[at]]
        if name not in _SKIPPED:
            yield at, name, text[at + 1]


def _line(code: types.CodeType, at: int) -> int:
    found = [line for start, end, line in code.co_lines() if start <= at < end and line is not None]
    return found[0] if found else 0


class Step(msgspec.Struct, frozen=True):
    """One of the coroutines that await each other: itself, and its frame."""

    holder: Any
    frame: types.FrameType


def chain(coroutine: Any) -> tuple[list[Step], Any]:
    """The steps of a suspended coroutine, the outermost first, and what the innermost awaits that has no frame."""
    steps: list[Step] = []
    while True:
        frame: types.FrameType | None
        if isinstance(coroutine, types.CoroutineType):
            frame, inner = coroutine.cr_frame, coroutine.cr_await
        elif isinstance(coroutine, types.GeneratorType):
            frame, inner = coroutine.gi_frame, coroutine.gi_yieldfrom
        else:
            return steps, coroutine
        if frame is None:
            return steps, None
        steps.append(Step(coroutine, frame))
        if inner is None:
            return steps, None
        coroutine = inner


def generator(step: Step) -> str:
    """The name of a generator that this step holds, in a variable or a loop, and that would see its own end; or "".

    A generator that is dropped has `GeneratorExit` raised in it; one that is async is even closed by a task of its own.
    """
    for held in gc.get_referents(step.holder):  # also what is on the stack of a `for`, which nothing else shows
        if isinstance(held, types.GeneratorType):
            inner = chain(held)[0] if held.gi_suspended and not _is_step(held) else []
            if any(block(one.frame.f_code, one.frame.f_lasti) for one in inner):
                return held.__qualname__
        elif isinstance(held, types.AsyncGeneratorType) and _has_begun(held):
            return held.__qualname__
    return ""


def _has_begun(held: types.AsyncGeneratorType[Any, Any]) -> bool:
    frame = held.ag_frame
    return frame is not None and bool(getattr(held, "ag_suspended", frame.f_lasti > 0))  # 3.11 has no `ag_suspended`


def _is_step(holder: types.GeneratorType[Any, Any, Any]) -> bool:
    """Whether it is what an `await` goes through, which is a step of the chain itself."""
    return bool(holder.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE) or holder.__name__ == "__await__"


def exempt(code: types.CodeType) -> bool:
    """Whether `code` is ours or asyncio's own: what it does when it is thrown out is known to be harmless."""
    return code.co_filename.startswith(_OURS)


def place(code: types.CodeType, line: int) -> str:
    """`code`'s line for a person: of a file, or of a cell."""
    file = code.co_filename
    return f"{os.path.basename(file)}:{line}" if os.path.exists(file) else f"cell line {line}"


def quoted(code: types.CodeType, line: int) -> str:
    """The text of a line, "" where it is not known."""
    return linecache.getline(code.co_filename, line).strip().rstrip(":")
