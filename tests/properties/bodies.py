"""Random bodies: a tree of what asyncio programs do, made from a seed, and an agent that does it.

Delays and values are truly random, so that anything that runs twice, or in another order, shows in the log of the body.
Tools must use no global that changes: it would count as a change of their code. So they tell a logger that they ran.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Sequence
from typing import Any

from aethergraph import NodeContext, graph_fn, tool

from .history import RAN

SLOW_S = 0.002
ran = logging.getLogger(RAN)
logs: list[list[str]] = []  # the log of each root body, in the order in which they began

Step = list[Any]  # kind, then what it takes: plain data, so that nested agents can be given theirs
LEAVES = [
    "work", "work", "quick", "bad", "draw", "clock", "nap", "thread", "blocking", "send", "ask", "hurry", "consult",
]  # fmt: skip
_BRANCHES = [
    "seq", "seq", "gather", "gather", "race", "timeout", "wait_for", "ascomp", "nested", "group", "equal", "bare",
    "forgotten", "guarded",
]  # fmt: skip


class Odd(Exception):
    """What `bad` raises."""


def _random_text() -> str:
    return os.urandom(2).hex()


@tool
async def work(x: Any) -> str:
    ran.info("")
    await asyncio.sleep(random.random() * SLOW_S)
    return f"{x}!{_random_text()}"


@tool(outputs=["v", "r"], pure=True)
async def quick(x: Any) -> dict[str, Any]:
    ran.info("")
    return {"v": x, "r": _random_text()}


@tool
async def bad(x: Any) -> str:
    ran.info("")
    await asyncio.sleep(random.random() * SLOW_S)
    if os.urandom(1)[0] < 160:
        raise Odd(x, _random_text())
    return "fine" + _random_text()


@tool
def blocking(x: Any) -> str:
    ran.info("")
    time.sleep(random.random() * SLOW_S)
    return f"{x}?{_random_text()}"


@tool(retries=2, backoff_s=0.0002)
def consult(x: Any, *, context: NodeContext) -> str:
    ran.info("")
    answer = context.channel().ask_text(f"inner {x}?")
    if os.urandom(1)[0] < 100:
        raise Odd(x, _random_text())
    return f"{answer} {_random_text()}"


@tool
async def risky(x: Any) -> str:
    ran.info("")
    await asyncio.sleep(random.random() * SLOW_S)
    if os.urandom(1)[0] < 80:
        raise Odd(x, _random_text())
    return "safe" + _random_text()


def generate(rng: random.Random, depth: int = 0, leaves: Sequence[str] = LEAVES) -> Step:
    """A random program."""
    kind = rng.choice([*leaves] if depth > 2 else [*_BRANCHES, *leaves])
    if kind in ("seq", "gather", "race", "ascomp", "group", "equal", "bare"):
        return [kind, [generate(rng, depth + 1, leaves) for _ in range(rng.randint(2, 3))], rng.random() < 0.5]
    if kind in ("timeout", "wait_for"):
        return [kind, generate(rng, depth + 1, leaves), rng.choice([0.0003, 0.001, 0.002])]
    if kind in ("nested", "guarded"):
        return [kind, generate(rng, depth + 1, leaves)]
    return [kind, rng.randint(0, 2)]


@graph_fn
async def nested(step: Step, *, context: NodeContext) -> Any:
    log: list[str] = []
    return [await perform(step, log, context), log]


@graph_fn
async def program(steps: list[Step], *, context: NodeContext) -> Any:
    log: list[str] = []
    logs.append(log)
    return [await perform(["seq", steps, False], log, context), log]


async def perform(step: Step, log: list[str], context: NodeContext) -> Any:
    """Do one step of a program; what it gave goes to the log."""
    value = await _KINDS[step[0]](step, log, context)
    log.append(f"{step[0]} {value!r:.60}")
    return value


async def _work(step: Step, log: list[str], context: NodeContext) -> Any:
    return (await work(step[1])).result


async def _quick(step: Step, log: list[str], context: NodeContext) -> Any:
    return (await quick(step[1])).r


async def _bad(step: Step, log: list[str], context: NodeContext) -> Any:
    try:
        return (await bad(step[1])).result
    except Odd as error:
        return ["odd", *error.args]


async def _risky(step: Step, log: list[str], context: NodeContext) -> Any:
    """Its failure is caught by nobody, or whoever caught it raises it again."""
    return (await risky(step[1])).result


async def _blocking(step: Step, log: list[str], context: NodeContext) -> Any:
    return (await blocking(step[1])).result


async def _draw(step: Step, log: list[str], context: NodeContext) -> Any:
    return context.random().random()


async def _clock(step: Step, log: list[str], context: NodeContext) -> Any:
    return await context.clock().now()


async def _send(step: Step, log: list[str], context: NodeContext) -> Any:
    await context.channel("inbox").send_text(f"message {step[1]}")


async def _ask(step: Step, log: list[str], context: NodeContext) -> Any:
    return await context.channel().ask_text(f"question {step[1]}?")


async def _hurry(step: Step, log: list[str], context: NodeContext) -> Any:
    return await context.channel().ask_text(f"quick {step[1]}?", timeout_s=0.002, default="nothing", channel="inbox")


async def _consult(step: Step, log: list[str], context: NodeContext) -> Any:
    try:
        return (await consult(step[1])).result
    except Odd as error:
        return ["odd", *error.args]


async def _nap(step: Step, log: list[str], context: NodeContext) -> Any:
    await asyncio.sleep(random.random() * SLOW_S)


async def _thread(step: Step, log: list[str], context: NodeContext) -> Any:
    return await asyncio.to_thread(time.sleep, random.random() * SLOW_S)


async def _seq(step: Step, log: list[str], context: NodeContext) -> Any:
    return [await perform(part, log, context) for part in step[1]]


async def _gather(step: Step, log: list[str], context: NodeContext) -> Any:
    return list(await asyncio.gather(*[perform(part, log, context) for part in step[1]]))


async def _equal(step: Step, log: list[str], context: NodeContext) -> Any:
    """Sibling tasks of one function, which all make the same call."""

    async def sibling(part: Step) -> Any:
        first = (await work("same")).result
        log.append(first)
        return [first, await perform(part, log, context)]

    return list(await asyncio.gather(*[sibling(part) for part in step[1]]))


async def _group(step: Step, log: list[str], context: NodeContext) -> Any:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(perform(part, log, context)) for part in step[1]]
        handle = group.create_task(work(9, _labels=["spare", "last"]))
    return [*(task.result() for task in tasks), handle.result().result]


async def _guarded(step: Step, log: list[str], context: NodeContext) -> Any:
    """What was taken is released, whatever happens."""
    await work("take")
    try:
        return await perform(step[1], log, context)
    finally:
        await work("release")


async def _bare(step: Step, log: list[str], context: NodeContext) -> Any:
    """Calls without tasks around them."""
    found = await asyncio.gather(
        work(1), work(1), quick(1, _labels="pure"), bad(5), blocking(5), return_exceptions=True
    )
    return [*map(repr, found), *[await perform(part, log, context) for part in step[1]]]


async def _forgotten(step: Step, log: list[str], context: NodeContext) -> Any:
    """A call that nobody awaits, and one that another is given."""
    work(["forgotten", step[1]])
    return (await quick(work("given").result)).r


async def _race(step: Step, log: list[str], context: NodeContext) -> Any:
    tasks = [asyncio.ensure_future(perform(part, log, context)) for part in step[1]]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    first = [no for no, task in enumerate(tasks) if task in done]
    if step[2]:
        for task in rest:
            task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
    return ["first", *first, "cancelled", *[no for no, task in enumerate(tasks) if task.cancelled()]]


async def _ascomp(step: Step, log: list[str], context: NodeContext) -> Any:
    """`as_completed` makes its tasks in the order of a set: only their arguments tell them apart.

    So what they do before they first wait comes in any order, in any asyncio program.
    """

    async def numbered(no: int, part: Step) -> Any:
        await work(no)
        return [no, await perform(part, log, context)]

    parts = [numbered(no, part) for no, part in enumerate(step[1])]
    return [await done for done in asyncio.as_completed(parts)]


async def _timeout(step: Step, log: list[str], context: NodeContext) -> Any:
    try:
        async with asyncio.timeout(step[2]):
            return await perform(step[1], log, context)
    except TimeoutError:
        return "timed out"


async def _wait_for(step: Step, log: list[str], context: NodeContext) -> Any:
    try:
        return await asyncio.wait_for(perform(step[1], log, context), step[2])
    except TimeoutError:
        return "timed out"


async def _nested(step: Step, log: list[str], context: NodeContext) -> Any:
    return (await nested(step[1], _labels="inner", _name="part")).result


_KINDS = {
    "work": _work, "quick": _quick, "bad": _bad, "blocking": _blocking, "draw": _draw, "clock": _clock, "send": _send,
    "nap": _nap, "thread": _thread, "seq": _seq, "gather": _gather, "equal": _equal, "group": _group, "bare": _bare,
    "forgotten": _forgotten, "race": _race, "ascomp": _ascomp, "timeout": _timeout, "wait_for": _wait_for,
    "nested": _nested, "ask": _ask, "hurry": _hurry, "consult": _consult, "risky": _risky, "guarded": _guarded,
}  # fmt: skip
