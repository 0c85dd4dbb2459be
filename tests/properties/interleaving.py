"""Small programs of gated calls: every order in which their calls can end, as plain asyncio has it, and as runs do.

A program is a tree: calls, and what combines them. Each call waits at a gate that somebody else opens. `orders` runs
it in plain asyncio and finds every order of ends, with what the body saw; `conductor` lets runs go through such an
order. Tools use no global that changes: they tell a logger of their gates.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aethergraph import NodeContext, graph_fn, tool

GATES = "tests.gates"
told = logging.getLogger(GATES).info

Step = list[Any]  # ["async", 3]: the call of number 3; ["gather", [step, ...]]: what combines several
CALLS = ("async", "sync", "pure", "bad", "fatal", "ask")
COMBINED = ("seq", "gather", "race", "group")


class Odd(Exception):
    """What a call raises."""


class Fatal(Odd):
    """What nobody catches."""


# ---------------------------------------------------------------------- the program


@tool
async def in_loop(no: int) -> str:
    gate = asyncio.get_running_loop().create_future()
    told("%d", no, extra={"gate": gate})
    await gate
    return f"v{no}"


@tool
def in_thread(no: int) -> str:
    gate = threading.Event()
    told("%d", no, extra={"gate": gate})
    gate.wait()
    return f"v{no}"


@tool(pure=True)
async def pure(no: int) -> str:
    gate = asyncio.get_running_loop().create_future()
    told("%d", no, extra={"gate": gate})
    await gate
    return f"v{no}"


@tool
async def bad(no: int) -> str:
    gate = asyncio.get_running_loop().create_future()
    told("%d", no, extra={"gate": gate})
    await gate
    raise Odd(no)


@tool
async def fatal(no: int) -> str:
    gate = asyncio.get_running_loop().create_future()
    told("%d", no, extra={"gate": gate})
    await gate
    raise Fatal(no)


TOOLS = {"async": in_loop, "sync": in_thread, "pure": pure, "bad": bad, "fatal": fatal}


async def perform(step: Step, log: list[str], here: Plain | NodeContext) -> Any:
    """Do one step; what it gave goes to the log, so that the log is the story as the body saw it."""
    kind, what = step
    if kind in CALLS:
        value = await _call(kind, what, here)
    elif kind == "nested":
        value = await _nested(what, here)
    elif kind == "map":
        value = await _mapped(what, here)
    else:
        value = await _COMBINED[kind](what, log, here)
    log.append(f"{kind} {value}")
    return value


async def _call(kind: str, no: int, here: Plain | NodeContext) -> str:
    try:
        if isinstance(here, Plain):
            return await here.call(kind, no)
        if kind == "ask":
            return str(await here.channel("inbox").ask_text(f"{no}"))
        return str((await TOOLS[kind](no)).result)
    except Fatal:
        raise
    except Odd as error:
        return f"odd {error.args[0]}"


async def _nested(step: Step, here: Plain | NodeContext) -> Any:
    if isinstance(here, Plain):
        log: list[str] = []
        return [await perform(step, log, here), log]
    return list((await inner(step)).result)


async def _mapped(numbers: list[int], here: Plain | NodeContext) -> Any:
    if isinstance(here, Plain):
        return list(await asyncio.gather(*[here.call("async", no) for no in numbers]))
    return list((await in_loop.map(numbers)).result)


async def _seq(parts: list[Step], log: list[str], here: Plain | NodeContext) -> Any:
    return [await perform(part, log, here) for part in parts]


async def _gather(parts: list[Step], log: list[str], here: Plain | NodeContext) -> Any:
    return list(await asyncio.gather(*[perform(part, log, here) for part in parts]))


async def _group(parts: list[Step], log: list[str], here: Plain | NodeContext) -> Any:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(perform(part, log, here)) for part in parts]
    return [task.result() for task in tasks]


async def _race(parts: list[Step], log: list[str], here: Plain | NodeContext) -> Any:
    tasks = [asyncio.ensure_future(perform(part, log, here)) for part in parts]
    try:
        done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        raise
    first = [no for no, task in enumerate(tasks) if task in done]
    for task in rest:
        task.cancel()
    for error in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(error, Exception):
            raise error
    return ["first", *first, "cancelled", *[no for no, task in enumerate(tasks) if task.cancelled()]]


_COMBINED = {"seq": _seq, "gather": _gather, "group": _group, "race": _race}


@graph_fn
async def inner(step: Step, *, context: NodeContext) -> Any:
    log: list[str] = []
    return [await perform(step, log, context), log]


@graph_fn
async def program(step: Step, *, context: NodeContext) -> Any:
    log: list[str] = []
    told("body", extra={"gate": log})
    return [await perform(step, log, context), log]


# ---------------------------------------------------------------------- in plain asyncio


@dataclass(frozen=True)
class Order:
    """One order of ends, and what comes of it.

    Attributes:
        ends: the numbers of the calls, as they end. late: for each, the calls that the body cancels because of it.
        new: the first call at which it differs from all orders before it; None for the first order of a program.
        outcome: what the program gives, or the exception. log: what its outermost body saw.
    """

    ends: tuple[int, ...]
    late: tuple[tuple[int, ...], ...]
    new: int | None
    outcome: str
    log: tuple[str, ...]


class Plain:
    """A program in plain asyncio, in a loop that is run by hand."""

    def __init__(self, step: Step) -> None:
        self.gates: dict[int, asyncio.Future[None]] = {}
        self._log: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(perform(step, self._log, self))
        self._settle()

    async def call(self, kind: str, no: int) -> str:
        """One call: wait at its gate."""
        gate = self.gates[no] = asyncio.get_running_loop().create_future()
        await gate
        if kind in ("bad", "fatal"):
            raise (Odd if kind == "bad" else Fatal)(no)
        return f"v{no}"

    @property
    def waiting(self) -> list[int]:
        """The calls that could end now; none once the body has ended."""
        return [] if self._task.done() else [no for no, gate in self.gates.items() if not gate.done()]

    def end(self, no: int) -> tuple[int, ...]:
        """Let this call end; which calls the body cancels then."""
        before = self.waiting
        self.gates[no].set_result(None)
        self._settle()
        return tuple(other for other in before if self.gates[other].cancelled())

    def _settle(self) -> None:
        while self._loop._ready:  # type: ignore[attr-defined]
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()

    def close(self) -> tuple[str, tuple[str, ...]]:
        """What the body gave, or raised, and its log."""
        error, log = self._task.exception(), tuple(self._log)
        outcome = repr(error) if error is not None else repr([self._task.result(), self._log])
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._settle()
        self._loop.close()
        return outcome, log


def orders(step: Step) -> Iterator[Order]:
    """Every order in which the calls of a program can end, depth first."""
    todo: list[tuple[int, ...]] = [()]
    while todo:
        begin = todo.pop()
        plain = Plain(step)
        ends, late = list(begin), [plain.end(no) for no in begin]
        while waiting := plain.waiting:
            todo += [(*ends, other) for other in waiting[1:]]
            ends.append(waiting[0])
            late.append(plain.end(waiting[0]))
        yield Order(tuple(ends), tuple(late), begin[-1] if begin else None, *plain.close())


def any_order(step: Step, rng: random.Random) -> Order:
    """One of them."""
    plain = Plain(step)
    ends: list[int] = []
    late = []
    while waiting := plain.waiting:
        ends.append(rng.choice(waiting))
        late.append(plain.end(ends[-1]))
    return Order(tuple(ends), tuple(late), None, *plain.close())


# ---------------------------------------------------------------------- programs


def shapes(calls: int, combined: tuple[str, ...] = COMBINED, outer: str = "") -> Iterator[Step]:
    """Every tree of so many calls, which are still without kind and number; nothing stands directly in its like.

    Parts that asyncio does not tell apart come in one order only.
    """
    if calls == 1:
        yield ["call", 0]
        return
    for kind in combined:
        if kind != outer:
            for sizes in _partitions(calls, ordered=kind == "seq"):
                choices = [list(shapes(size, combined, kind)) for size in sizes]
                for parts in itertools.product(*choices):
                    yield [kind, list(parts)]


def _partitions(total: int, *, ordered: bool, least: int = 1) -> Iterator[tuple[int, ...]]:
    """The ways to write `total` as a sum of two or more numbers."""
    for first in range(least, total):
        yield from ((first, *rest) for rest in _rests(total - first, ordered, 1 if ordered else first))


def _rests(total: int, ordered: bool, least: int) -> Iterator[tuple[int, ...]]:
    if total >= least:
        yield (total,)
    yield from _partitions(total, ordered=ordered, least=least)


MIXED = (  # kinds of calls that are met in one program
    ("async", "sync", "pure", "ask"),
    ("bad", "async", "sync", "ask", "pure"),
    ("sync", "async", "fatal", "pure", "async", "ask"),
)


def programs(calls: int, combined: tuple[str, ...] = COMBINED) -> Iterator[Step]:
    """Every shape with calls of mixed kinds; each second one with agents and maps in it."""
    for index, shape in enumerate(shapes(calls, combined)):
        kinds = MIXED[index % len(MIXED)]
        turn = index // len(MIXED) % len(kinds)
        step = filled(shape, [*kinds[turn:], *kinds[:turn]])
        yield deepened(step) if index % 2 else step


def filled(shape: Step, kinds: list[str], numbers: Iterator[int] | None = None) -> Step:
    """`shape` with its calls numbered from 0, each of its kind."""
    numbers = numbers if numbers is not None else itertools.count()
    if shape[0] == "call":
        no = next(numbers)
        return [kinds[no % len(kinds)], no]
    return [shape[0], [filled(part, kinds, numbers) for part in shape[1]]]


def deepened(step: Step) -> Step:
    """The parts of a program that combine calls, in agents of their own; those that gather calls alone as maps."""
    kind, parts = step
    if kind in CALLS:
        return step
    made = []
    for part in parts:
        if part[0] == "gather" and all(one[0] == "async" for one in part[1]):
            made.append(["map", [one[1] for one in part[1]]])
        else:
            made.append(part if part[0] in CALLS else ["nested", deepened(part)])
    return [kind, made]


def has_agents(step: Step) -> bool:
    """Whether parts of a program are agents of their own."""
    kind, parts = step
    return kind in ("nested", "map") or (kind not in CALLS and any(map(has_agents, parts)))
