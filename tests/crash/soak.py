"""The agents of the soak, which do random programs, and the process that runs them and is killed.

Their tools leave a line each time they run: run, node, number, attempt, idempotency key. As a script it goes on with
every unfinished run of the store that it is given, and starts new ones.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aethergraph import DualStageTool, NodeContext, RunStatus, Runtime, WaitSpec, answer, graph_fn, graphify, tool
from aethergraph.authoring.static import StaticGraph
from tests.crash.programs import PRIME, Step, heard, make, mix, runs_if

LINES = "CRASH_LINES"  # the variable that names the file
AT_ONCE = 10  # runs that a process has live
PARK_AFTER_S = 0.05
TICK_S = 0.03  # sleeps and deadlines are of one or two: about as long as some processes live


class Refused(Exception):
    """What a tool raises, and its body catches."""


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
async def shaky(no: int, x: int, fails: int, *, context: NodeContext) -> int:
    line(context, no)
    if context.attempt <= fails:
        raise ConnectionError(f"attempt {context.attempt}")
    return mix(no, x)


@tool(retries=1, backoff_s=0.002)
async def stubborn(no: int, x: int, *, context: NodeContext) -> int:
    """Fails once it has its answer, and has it still when it is tried again."""
    line(context, no)
    answered = await context.channel("inbox").ask_text(f"{no}:{x}")
    if context.attempt == 1:
        raise ConnectionError("attempt 1")
    return int(answered)


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


@tool
async def doze(no: int, x: int, ticks: int, *, context: NodeContext) -> int:
    line(context, no)
    return mix(no, await sleep(context, x, ticks))


@tool
def overhear(no: int, x: int, count: int, *, context: NodeContext) -> int:
    line(context, no)
    return heard(no, x, [context.wait_event(signal(context, no, count)) for _ in range(count)])


@tool(outputs=["result"])
class job(DualStageTool):
    """Another system is asked, and calls back some time later."""

    async def setup(self, no: int, x: int, *, context: NodeContext) -> WaitSpec:
        line(context, no)
        return WaitSpec(f"{no}:{x}")

    async def on_resume(self, payload: int, *, no: int, x: int, context: NodeContext) -> int:
        line(context, no)
        return payload


@tool(outputs=["result"])
def call(no: int, x: int, *, context: NodeContext) -> WaitSpec:
    """Another system that calls back before its wait is open."""
    line(context, no)
    answer(context.continuation_token, mix(no, x), answer_id="call back")
    return WaitSpec(f"{no}:{x}")


@tool(pure=True)
async def total(values: list[int | None]) -> int:
    return sum(one or 0 for one in values) % PRIME


@tool(pure=True)
async def spread(x: int, size: int) -> list[int]:
    return [x + index for index in range(size)]


async def sleep(context: NodeContext, x: int, ticks: int) -> int:
    """Sleep durably; `x`, or something else if it was too short."""
    began = await context.clock().now()
    await context.clock().sleep(TICK_S * ticks)
    slept = await context.clock().now() - began
    return x if slept >= TICK_S * ticks - 0.001 else x + 1


def signal(context: NodeContext, no: int, count: int) -> str:
    """The name of the signals of one step: who sends them finds all that it must know there."""
    return f"{no}:{count}:{context.run_id}"


# ---------------------------------------------------------------------- agents


@graph_fn
async def agent(step: Step, x: int, *, context: NodeContext) -> int:
    return await _perform(step, x, context)


@graph_fn
async def inner(step: Step, x: int, *, context: NodeContext) -> int:
    return await _perform(step, x, context)


@graph_fn
async def relay(parts: list[Step], x: int, *, context: NodeContext) -> Any:
    """Does one part, and leaves the others to the run that goes on from it."""
    x = await _perform(parts[0], x, context)
    if parts[1:]:
        await context.continue_as_new(parts=parts[1:], x=x)
    return x


@tool
async def caller(no: int, parts: list[Step], x: int, *, context: NodeContext) -> int:
    line(context, no)
    return int((await context.run_and_wait(relay, inputs={"parts": parts, "x": x})).result)


@tool
def thread_caller(no: int, parts: list[Step], x: int, *, context: NodeContext) -> int:
    line(context, no)
    return int(context.run_and_wait(relay, inputs={"parts": parts, "x": x}).result)


async def _perform(step: Step, x: int, context: NodeContext) -> int:
    kind, no, what = step
    match kind:
        case "seq":
            for part in what:
                x = await _perform(part, x, context)
            return x
        case "fan":
            return sum(await asyncio.gather(*[_perform(part, x, context) for part in what])) % PRIME
        case "nest":
            return int((await inner(what, x)).result)
        case "many":
            return sum(out.result for out in await asyncio.gather(*[item(x + i, no) for i in range(what)])) % PRIME
        case "map":
            return sum((await item.map([x + i for i in range(what)], no=no)).result) % PRIME
        case "static":
            return int((await static(no, what)(x)).result)
        case "child":
            return await _child(no, *what, x, context)
    return await _LEAVES.get(kind, _tool)(step, x, context)


async def _tool(step: Step, x: int, context: NodeContext) -> int:
    return int((await called(step, x)).result)


async def _child(no: int, way: str, parts: list[Step], x: int, context: NodeContext) -> int:
    if way in ("tool", "thread"):
        return int((await (caller if way == "tool" else thread_caller)(no, parts, x)).result)
    inputs = {"parts": parts, "x": x}
    if way == "body":
        return int((await context.run_and_wait(relay, inputs=inputs)).result)
    run_id = await context.spawn_run(relay, inputs=inputs)
    await work(no, x)
    return int((await context.wait_run(run_id)).result)


async def _refuse(step: Step, x: int, context: NodeContext) -> int:
    try:
        return int((await refuse(step[1], x)).result)
    except Refused as error:
        return int(error.args[0])


async def _ask(step: Step, x: int, context: NodeContext) -> int:
    return int(await context.channel("inbox").ask_text(f"{step[1]}:{x}"))


async def _late(step: Step, x: int, context: NodeContext) -> int:
    """Nobody need answer: the default is what an answer would be."""
    _, no, ticks = step
    asked = context.channel("inbox").ask_text(f"{no}:{x}", timeout_s=TICK_S * ticks, default=str(mix(no, x)))
    return int(await asked)


async def _say(step: Step, x: int, context: NodeContext) -> int:
    await context.channel("inbox").send_text(f"said {step[1]}")
    return x


async def _nap(step: Step, x: int, context: NodeContext) -> int:
    await asyncio.sleep(0.003)
    return x


async def _clock(step: Step, x: int, context: NodeContext) -> int:
    await context.clock().now()
    return x


async def _sleep(step: Step, x: int, context: NodeContext) -> int:
    return await sleep(context, x, step[2])


async def _listen(step: Step, x: int, context: NodeContext) -> int:
    _, no, count = step
    return heard(no, x, [await context.wait_event(signal(context, no, count)) for _ in range(count)])


async def _bell(step: Step, x: int, context: NodeContext) -> int:
    """What all runs hear that have begun."""
    await context.wait_event("bell")
    return x


async def _tire(step: Step, x: int, context: NodeContext) -> int:
    """Wait for what never comes, until the body has had enough."""
    try:
        async with context.timeout(TICK_S * step[2]):
            await context.wait_event("nothing")
    except TimeoutError:
        return x
    return x + 1


async def _race(step: Step, x: int, context: NodeContext) -> int:
    """Two give the same; the slower one is cancelled."""
    calls = [asyncio.ensure_future(work(step[1], x)), asyncio.ensure_future(thread(step[1], x))]
    done, rest = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    for call in rest:
        call.cancel()
    return int(done.pop().result().result)


_LEAVES: dict[str, Callable[[Step, int, NodeContext], Awaitable[int]]] = {
    "refuse": _refuse, "ask": _ask, "late": _late, "say": _say, "nap": _nap, "clock": _clock, "sleep": _sleep,
    "listen": _listen, "bell": _bell, "tire": _tire, "race": _race,
}  # fmt: skip


def called(step: Step, x: Any, **control: Any) -> Any:
    """The call of the tool that a step names."""
    kind, no, what = step
    made: Any = _TOOLS[kind]
    return made(no, x, what, **control) if kind in ("shaky", "doze", "overhear") else made(no, x, **control)


_TOOLS = {
    "work": work, "thread": thread, "pure": pure, "shaky": shaky, "stubborn": stubborn, "consult": consult,
    "save": save, "doze": doze, "overhear": overhear, "job": job, "call": call,
}  # fmt: skip


def static(no: int, nodes: list[Step]) -> StaticGraph:
    """A static graph of these nodes."""

    def body(x: int) -> Any:
        made: list[Any] = []
        for kind, number, what, given, after, decides in nodes:
            on = total([made[place].result for place in given]).result if given else x
            control = {} if after is None else {"_after": made[after]}
            if decides is not None:
                control["_condition"] = runs_if(made[decides].result)
            if kind == "map":
                made.append(total(item.map(spread(on, what).result, no=number).result, **control))
            elif kind == "graph":
                made.append(static(number, what)(on, **control))
            else:
                made.append(called([kind, number, what], on, **control))
        return {"result": total([one.result for one in made]).result}

    return graphify(name=f"static-{no}", outputs=["result"])(body)


# ---------------------------------------------------------------------- the process


def live(folder: str, seed: int, fresh: bool) -> None:
    """Go on with what is unfinished; with `fresh`, start new runs for ever."""
    with contextlib.closing(Runtime(folder, park_after_s=PARK_AFTER_S)) as runtime, runtime.use():
        print("up", flush=True)
        own = [info for info in runtime.runs(limit=1_000_000) if not info.parent]  # others go on with their parents
        going = {runtime.resume(info.run_id, agent=agent).future for info in own if info.status is not RunStatus.DONE}
        number = len(own)
        while fresh or going:
            while fresh and len(going) < AT_ONCE:
                inputs = {"step": make(seed + number), "x": number}
                going.add(runtime.start(agent, inputs, run_id=f"soak-{number}").future)
                number += 1
            done, going = concurrent.futures.wait(going, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                future.result()


if __name__ == "__main__":
    live(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "fresh")
