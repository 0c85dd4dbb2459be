"""Random agents for a soak, and the process that runs them and is killed.

A program is plain data, made from a seed: what it gives is known from plain Python (`value`), whatever happens to the
process that runs it. Its tools leave a line each time they run: run, node, number, attempt, idempotency key. As a
script it goes on with every unfinished run of the store that it is given, and starts new ones.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import json
import os
import random
import sys
import time
from typing import Any

from aethergraph import NodeContext, RunStatus, Runtime, graph_fn, graphify, tool
from aethergraph.authoring.static import StaticGraph

LINES = "CRASH_LINES"  # the variable that names the file
DEPTH, FAN = 5, 50
AT_ONCE = 10  # runs that a process has live
PRIME = 1_000_003

Step = list[Any]  # kind, number, and what else it takes
LEAVES = ("work", "work", "thread", "pure", "shaky", "refuse", "ask", "consult", "say", "save", "nap", "clock", "race")
TREES = ("seq", "seq", "fan", "fan", "nest", "nest", "many", "map", "static", "static")


class Refused(Exception):
    """What a tool raises, and its body catches."""


# ---------------------------------------------------------------------- programs, and what they give


def make(seed: int) -> Step:
    """A random program."""
    rng, count = random.Random(seed), itertools.count(1)
    return ["seq", 0, [_step(rng, count, 1) for _ in range(6)]]


def _step(rng: random.Random, count: itertools.count[int], depth: int) -> Step:
    kind, no = rng.choice(LEAVES if depth == DEPTH or rng.random() < 0.4 else TREES), next(count)
    if kind in ("seq", "fan"):
        return [kind, no, [_step(rng, count, depth + 1) for _ in range(rng.randint(2, 4))]]
    if kind == "nest":
        return [kind, no, _step(rng, count, depth + 1)]
    if kind in ("many", "map"):
        return [kind, no, rng.choice([2, 3, 5, 8, FAN])]
    if kind == "static":
        return [kind, no, [_node(rng, next(count), place) for place in range(rng.randint(3, 8))]]
    return [kind, no, rng.randint(1, 2)]


def _node(rng: random.Random, no: int, place: int) -> Step:
    """A node of a static graph: its tool, its number, the nodes that it is given, the one that it only follows."""
    given = rng.sample(range(place), min(place, rng.randint(0, 3)))
    after = rng.randrange(place) if place and rng.random() < 0.3 else None
    return [rng.choice(["work", "thread", "pure", "shaky"]), no, given, after]


def mix(no: int, x: int) -> int:
    """What a tool makes of `x`."""
    return (x * 31 + no * 17 + 7) % PRIME


def value(step: Step, x: int) -> int:
    """What a program gives, in plain Python."""
    kind, no, what = step
    if kind == "seq":
        for part in what:
            x = value(part, x)
        return x
    if kind == "fan":
        return sum(value(part, x) for part in what) % PRIME
    if kind == "nest":
        return value(what, x)
    if kind in ("many", "map"):
        return sum(mix(no, x + index) for index in range(what)) % PRIME
    if kind == "static":
        given: list[int] = []
        for _, number, deps, _ in what:
            given.append(mix(number, sum(given[dep] for dep in deps) % PRIME if deps else x))
        return sum(given) % PRIME
    return x if kind in ("say", "nap", "clock") else mix(no, x)


def steps(step: Step) -> list[Step]:
    """A step and all in it."""
    kind, _, what = step
    inside = what if kind in ("seq", "fan") else [what] if kind == "nest" else []
    return [step, *(one for part in inside for one in steps(part))]


# ---------------------------------------------------------------------- tools


def line(context: NodeContext, no: int) -> None:
    """Say that a tool runs."""
    told = [context.run_id, context.node_id, no, context.attempt, context.idempotency_key()]
    file = os.open(os.environ[LINES], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, json.dumps(told).encode() + b"\n")
    finally:
        os.close(file)


@tool
async def work(no: int, x: int, *, context: NodeContext) -> int:
    line(context, no)
    await asyncio.sleep(0.002 * random.random())
    return mix(no, x)


@tool
def thread(no: int, x: int, *, context: NodeContext) -> int:
    line(context, no)
    time.sleep(0.002 * random.random())
    return mix(no, x)


@tool(pure=True)
async def pure(no: int, x: int) -> int:
    return mix(no, x)


@tool(retries=3, backoff_s=0.002)
async def shaky(no: int, x: int, fails: int = 1, *, context: NodeContext) -> int:
    line(context, no)
    if context.attempt <= fails:
        raise ConnectionError(f"attempt {context.attempt}")
    return mix(no, x)


@tool
async def refuse(no: int, x: int, *, context: NodeContext) -> int:
    line(context, no)
    raise Refused(mix(no, x))


@tool
def consult(no: int, x: int, *, context: NodeContext) -> int:
    line(context, no)
    return int(context.channel("inbox").ask_text(f"{no}:{x}"))


@tool
async def save(no: int, x: int, *, context: NodeContext) -> int:
    line(context, no)
    await context.artifacts().save_text(f"{no}: {x}", name=f"{no}.txt")
    return mix(no, x)


@tool
async def item(x: int, no: int, *, context: NodeContext) -> int:
    line(context, no)
    return mix(no, x)


TOOLS = {"work": work, "thread": thread, "pure": pure, "shaky": shaky}


# ---------------------------------------------------------------------- agents


@graph_fn
async def agent(step: Step, x: int, *, context: NodeContext) -> int:
    return await _perform(step, x, context)


@graph_fn
async def inner(step: Step, x: int, *, context: NodeContext) -> int:
    return await _perform(step, x, context)


async def _perform(step: Step, x: int, context: NodeContext) -> int:
    kind, no, what = step
    if kind == "seq":
        for part in what:
            x = await _perform(part, x, context)
        return x
    if kind == "fan":
        return sum(await asyncio.gather(*[_perform(part, x, context) for part in what])) % PRIME
    if kind == "nest":
        return int((await inner(what, x)).result)
    if kind == "many":
        return sum(out.result for out in await asyncio.gather(*[item(x + i, no) for i in range(what)])) % PRIME
    if kind == "map":
        return sum((await item.map([x + i for i in range(what)], no=no)).result) % PRIME
    if kind == "static":
        return sum((await static(no, what)(x)).result) % PRIME
    return await _leaf(kind, no, what, x, context)


async def _leaf(kind: str, no: int, what: int, x: int, context: NodeContext) -> int:
    if kind == "refuse":
        try:
            return int((await refuse(no, x)).result)
        except Refused as error:
            return int(error.args[0])
    if kind == "ask":
        return int(await context.channel("inbox").ask_text(f"{no}:{x}"))
    if kind == "say":
        await context.channel("inbox").send_text(f"said {no}")
    elif kind == "nap":
        await asyncio.sleep(0.003)
    elif kind == "clock":
        await context.clock().now()
    elif kind == "race":
        return await _race(no, x)
    else:
        given = {"fails": what} if kind == "shaky" else {}
        return int((await {"consult": consult, "save": save, **TOOLS}[kind](no, x, **given)).result)
    return x


async def _race(no: int, x: int) -> int:
    """Two give the same; the slower one is cancelled."""
    calls = [asyncio.ensure_future(work(no, x)), asyncio.ensure_future(thread(no, x))]
    done, rest = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    for call in rest:
        call.cancel()
    return int(done.pop().result().result)


def static(no: int, nodes: list[Step]) -> StaticGraph:
    """A static graph of these nodes."""

    def body(x: int) -> Any:
        made: list[Any] = []
        for kind, number, deps, after in nodes:
            given = total(number, [made[dep].result for dep in deps]) if deps else x
            made.append(TOOLS[kind](number, given, **({} if after is None else {"_after": made[after]})))
        return {"result": [one.result for one in made]}

    return graphify(name=f"static-{no}", outputs=["result"])(body)


@tool(pure=True)
async def total(no: int, values: list[int]) -> int:
    return sum(values) % PRIME


# ---------------------------------------------------------------------- the process


def live(folder: str, seed: int, fresh: bool) -> None:
    """Go on with what is unfinished; with `fresh`, start new runs for ever."""
    with contextlib.closing(Runtime(folder)) as runtime:
        print("up", flush=True)
        known = runtime.runs(limit=1_000_000)
        going = {runtime.resume(info.run_id, agent=agent).future for info in known if info.status is not RunStatus.DONE}
        number = len(known)
        while fresh or going:
            while fresh and len(going) < AT_ONCE:
                going.add(
                    runtime.start(agent, {"step": make(seed + number), "x": number}, run_id=f"soak-{number}").future
                )
                number += 1
            done, going = concurrent.futures.wait(going, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                future.result()


if __name__ == "__main__":
    live(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "fresh")
