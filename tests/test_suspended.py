"""Where a suspended coroutine stands, by what Python itself says of its code."""

from __future__ import annotations

import asyncio
import contextlib
import dis
import sys
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from aethergraph.values import suspended
from aethergraph.values.suspended import Block, Entry


@types.coroutine
def pause() -> Any:
    """Suspend here."""
    yield


class Manager:
    async def __aenter__(self) -> None:
        await pause()

    async def __aexit__(self, *error: Any) -> None:
        await pause()


async def numbers() -> AsyncIterator[int]:
    await pause()
    yield 1


async def plain() -> None:
    await pause()


async def in_with() -> None:
    with contextlib.nullcontext():
        await pause()


async def in_async_with() -> None:
    async with contextlib.AsyncExitStack():
        await pause()


async def entering() -> None:
    async with Manager():
        pass


async def in_try() -> None:
    try:
        await pause()
    except ValueError:
        ""


async def in_finally() -> None:
    try:
        await pause()
    finally:
        ""


async def in_async_for() -> None:
    async for _ in numbers():
        pass


async def in_async_comprehension() -> list[int]:
    return [number async for number in numbers()]


async def in_nested() -> None:
    for _ in range(1):
        try:
            with contextlib.suppress(ValueError):
                await pause()
        finally:
            ""


async def after_with() -> None:
    with contextlib.nullcontext():
        pass
    await pause()


async def before_try() -> None:
    await pause()
    try:
        pass
    finally:
        ""


async def in_handler() -> None:
    try:
        raise ValueError
    except ValueError as error:
        await pause()
        str(error)


async def in_handler_in_try() -> None:
    try:
        try:
            raise ValueError
        except ValueError:
            await pause()
    finally:
        ""


async def in_comprehension() -> list[Any]:
    return [await pause() for _ in range(2)]


async def in_comprehension_in_with() -> list[Any]:
    with contextlib.nullcontext():
        return [await pause() for _ in range(2)]


async def in_while() -> None:
    while True:
        if await pause():
            break


async def in_match() -> None:
    match [1]:
        case [_]:
            await pause()


CASES: list[tuple[Callable[[], Coroutine[Any, Any, Any]], str]] = [
    (plain, ""),
    (in_with, "with"),
    (in_async_with, "async with"),
    (entering, ""),
    (in_try, "try"),
    (in_finally, "try"),
    (in_async_for, "async for"),
    (in_async_comprehension, "async for"),
    (in_nested, "with"),
    (after_with, ""),
    (before_try, ""),
    (in_handler, ""),
    (in_handler_in_try, "try"),
    (in_comprehension, ""),
    (in_comprehension_in_with, "with"),
    (in_while, ""),
    (in_match, ""),
]


@pytest.mark.parametrize(("function", "kind"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_the_block_around_an_await_is_known(function: Callable[[], Coroutine[Any, Any, Any]], kind: str) -> None:
    coroutine = function()
    coroutine.send(None)
    frames = [step.frame for step in suspended.chain(coroutine)[0]]
    found = [block for frame in frames if (block := suspended.block(frame.f_code, frame.f_lasti)) is not None]
    assert (found[0].kind if found else "") == kind
    coroutine.close()


@pytest.mark.parametrize(("function", "kind"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_where_there_is_no_block_nothing_of_the_function_runs_on(
    function: Callable[[], Coroutine[Any, Any, Any]], kind: str
) -> None:
    """The proof of the pudding: what is thrown in goes through without a call or another line of the function.

    From 3.12 on its way out is told as the line that it stood at: that is the compiler's own handler.
    """
    coroutine = function()
    coroutine.send(None)
    ran: list[int] = []

    def trace(frame: types.FrameType, event: str, argument: Any) -> Any:
        if frame.f_code is function.__code__ and event == "line":  # type: ignore[attr-defined]
            ran.append(frame.f_lineno)
        return trace

    frame: Any = suspended.chain(coroutine)[0][0].frame
    stood = frame.f_lineno
    frame.f_trace = trace
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(asyncio.CancelledError, StopIteration):
            coroutine.throw(asyncio.CancelledError())
    finally:
        sys.settrace(before)
    coroutine.close()
    if not kind:
        assert set(ran) <= ({stood} if sys.version_info >= (3, 12) else set())


def test_the_line_of_a_block_is_told() -> None:
    coroutine = in_with()
    coroutine.send(None)
    frame = coroutine.cr_frame
    assert frame is not None
    first = in_with.__code__.co_firstlineno
    assert suspended.block(frame.f_code, frame.f_lasti) == Block("with", first + 1)
    assert suspended.quoted(frame.f_code, first + 1) == "with contextlib.nullcontext()"
    assert suspended.place(frame.f_code, first + 1) == f"test_suspended.py:{first + 1}"
    coroutine.close()


def test_a_line_of_a_cell_is_told_as_such() -> None:
    code = compile("x = 1", "<ipython-input-3>", "exec")
    assert suspended.place(code, 7) == "cell line 7"


@pytest.mark.parametrize("function", [function for function, _ in CASES], ids=lambda function: function.__name__)
def test_the_exception_table_is_read_as_the_standard_library_shows_it(function: Any) -> None:
    shown = [line for line in dis.Bytecode(function).dis().partition("ExceptionTable:")[2].splitlines() if "->" in line]
    assert len(list(suspended.entries(function.__code__.co_exceptiontable))) == len(shown)


def test_numbers_of_a_table_have_six_bits_a_byte() -> None:
    """start 1, length 70 (1 * 64 + 6), handler 4161 (1 * 4096 + 1 * 64 + 1), depth 0."""
    table = bytes([0x80 | 1, 0x40 | 1, 6, 0x40 | 1, 0x40 | 1, 1, 0])
    assert list(suspended.entries(table)) == [Entry(2, 142, 8322)]


class Code:
    """What `block` looks at, as other versions of Python compile it."""

    def __init__(self, rows: list[tuple[int, int, int]], instructions: list[tuple[str, int]]) -> None:
        self.co_exceptiontable = b"".join(bytes([0x80 | start, end - start, to, 0]) for start, end, to in rows)
        self.co_code = b"".join(bytes([dis.opmap.get(name, 255), argument]) for name, argument in instructions)

    def co_lines(self) -> list[tuple[int, int, int]]:
        return [(0, 1000, 9)]


def known(name: str) -> bool:
    return name in dis.opmap


@pytest.mark.skipif(not known("CLEANUP_THROW"), reason="3.12 and later have this handler")
def test_the_handler_of_an_await_is_followed_to_what_is_around_it() -> None:
    """As 3.12 compiles `await`: the yield leads to CLEANUP_THROW, which the block around covers, or nothing does."""
    body = [("RESUME", 0), ("YIELD_VALUE", 0), ("CLEANUP_THROW", 0), ("PUSH_EXC_INFO", 0), ("RERAISE", 0)]
    bare: Any = Code([(1, 2, 2)], body)
    inside: Any = Code([(1, 2, 2), (2, 3, 3)], body)
    assert suspended.block(bare, 2) is None
    assert suspended.block(inside, 2) == Block("try", 9)


def test_a_handler_of_an_unknown_kind_counts_as_the_users() -> None:
    unknown: Any = Code([(0, 1, 1)], [("YIELD_VALUE", 0), ("BUILD_LIST", 0), ("RERAISE", 0)])
    assert suspended.block(unknown, 0) == Block("try", 9)


def test_the_compilers_own_handlers_do_not_count() -> None:
    """A comprehension that is compiled in line restores its names and raises again."""
    restoring: Any = Code(
        [(0, 1, 1)],
        [("YIELD_VALUE", 0), ("SWAP", 2), ("POP_TOP", 0), ("SWAP", 2), ("STORE_FAST", 0), ("RERAISE", 0)],
    )
    assert suspended.block(restoring, 0) is None


def test_the_chain_of_a_coroutine_ends_in_what_has_no_frame() -> None:
    async def outer() -> None:
        await plain()

    coroutine = outer()
    coroutine.send(None)
    steps, end = suspended.chain(coroutine)
    assert [step.frame.f_code.co_name for step in steps] == ["outer", "plain", "pause"]
    assert end is None
    coroutine.close()
    assert suspended.chain(coroutine) == ([], None)
    thing = object()
    assert suspended.chain(thing) == ([], thing)


async def ready() -> AsyncIterator[int]:
    yield 1


def reading() -> Iterator[int]:
    with contextlib.nullcontext():
        yield 1


def counting() -> Iterator[int]:
    yield 1


async def in_loop_of_async_for() -> None:
    async for _ in ready():
        await pause()


async def in_loop_of_with() -> None:
    for _ in reading():
        await pause()


async def with_generator() -> None:
    kept = reading()
    next(kept)
    await pause()


async def with_generator_not_begun() -> None:
    kept = reading()
    await pause()
    next(kept)


async def in_loop_of_nothing() -> None:
    for _ in counting():
        await pause()


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (in_loop_of_async_for, "ready"),
        (in_loop_of_with, "reading"),
        (with_generator, "reading"),
        (with_generator_not_begun, ""),
        (in_loop_of_nothing, ""),
        (plain, ""),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_generator_that_would_see_its_end_is_found(function: Any, name: str) -> None:
    coroutine = function()
    coroutine.send(None)
    assert [suspended.generator(step) for step in suspended.chain(coroutine)[0]][0] == name
    coroutine.close()


def test_our_own_frames_and_asyncios_are_exempt() -> None:
    assert suspended.exempt(suspended.block.__code__)
    assert suspended.exempt(asyncio.wait.__code__)
    assert not suspended.exempt(in_with.__code__)
    assert not suspended.exempt(contextlib.nullcontext.__enter__.__code__)
