"""How many run at once: semantics 29."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aethergraph import NodeContext, NodeStatus, Runtime, graph_fn, graphify, tool
from aethergraph.record import facts as f
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.store import MemoryStore

from .lab import LIMIT_S, Lab


class Meter:
    """How many of each name were inside at once, at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def enter(self, names: list[str]) -> None:
        with self._lock:
            for name in names:
                self._now[name] += 1
                self.most[name] = max(self.most[name], self._now[name])

    def leave(self, names: list[str]) -> None:
        with self._lock:
            self._now.subtract(names)


meter = Meter()


@pytest.fixture(autouse=True)
def fresh_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "meter", Meter())


async def _busy(names: list[str]) -> str:
    meter.enter(names)
    for _ in range(3):
        await asyncio.sleep(0)
    meter.leave(names)
    return names[0]


@tool(mutates=())
async def free(names: list[str]) -> str:
    return await _busy([*names, "free"])


@tool(mutates=(), max_concurrency=1)
async def single(names: list[str]) -> str:
    return await _busy([*names, "single"])


@tool(mutates=(), max_concurrency=2)
def double(names: list[str]) -> str:
    meter.enter([*names, "double"])
    meter.leave([*names, "double"])
    return names[0]


@tool(mutates=(), pure=True)
async def pure(names: list[str]) -> str:
    return await _busy([*names, "pure"])


TOOLS = {"free": free, "single": single, "double": double, "pure": pure}


@graph_fn
async def fan(n: int) -> int:
    await asyncio.gather(*(free(["fan"], _id=f"call-{i}") for i in range(n)))
    return n


@graph_fn(max_concurrency=2)
async def narrow(n: int) -> int:
    await asyncio.gather(*(free(["narrow"], _id=f"call-{i}") for i in range(n)))
    return n


@graph_fn
async def nests_narrow(n: int) -> int:
    await asyncio.gather(narrow(n), *(free(["beside"]) for _ in range(4)))
    return n


def test_29_a_run_has_a_cap(lab: Lab) -> None:
    lab.start(fan, n=20, cap=3).result(LIMIT_S)
    assert meter.most["fan"] == 3


def test_29_the_cap_of_an_agent_holds_at_top_level_and_where_it_is_one_node_of_another(lab: Lab) -> None:
    """peers 6: caps did not hold for graph_fn."""
    lab.run(narrow, n=20)
    assert meter.most["narrow"] == 2
    meter.most.clear()
    lab.start(nests_narrow, n=20, cap=10).result(LIMIT_S)
    assert meter.most["narrow"] == 2 and meter.most["beside"] == 4


@graphify(max_concurrency=2)
def static_narrow(n: int) -> Any:
    return {"all": [free(["static"], _id=f"call-{i}") for i in range(8)], "n": n}


@graphify
def static_outer(n: int) -> Any:
    inner = static_narrow(n)
    return {"all": inner.all, "beside": [free(["outer"], _id=f"call-{i}") for i in range(5)]}


def test_29_the_cap_of_a_static_graph_holds_too(lab: Lab) -> None:
    lab.start(static_outer, n=1, cap=9).result(LIMIT_S)
    assert meter.most["static"] == 2 and meter.most["outer"] == 5


@graph_fn
async def mapping(n: int) -> int:
    await free.map([["mapped", str(i)] for i in range(n)], max_concurrency=3)
    return n


@graphify
def static_mapping(items: list[Any]) -> Any:
    return {"all": free.map(items, max_concurrency=3)}


def test_29_a_map_has_a_cap_of_its_own(lab: Lab) -> None:
    lab.start(mapping, n=12, cap=9).result(LIMIT_S)
    assert meter.most["mapped"] == 3
    meter.most.clear()
    lab.start(static_mapping, items=[["mapped", str(i)] for i in range(12)], cap=9).result(LIMIT_S)
    assert meter.most["mapped"] == 3


def test_the_cap_of_a_map_says_nothing_about_what_is_mapped(lab: Lab) -> None:
    """A run whose map got another cap is resumed with all its results."""
    text = """
@tool
async def twice(x):
    ran(f"twice {x}")
    return 2 * x

@graph_fn
async def agent(*, context):
    out = await twice.map([1, 2, 3], max_concurrency=CAP)
    await context.channel().ask_text("go?")
    return out.result
"""
    lab.cell(text.replace("CAP", "2"))
    run = lab.start("agent")
    lab.asked(run, "go?")
    assert len(lab.took()) == 3
    lab.kill()
    lab.cell(text.replace("CAP", "1"))
    again = lab.resume(run)
    lab.answer(again, "go?", "yes")
    assert dict(again.result(LIMIT_S)) == {"result": [2, 4, 6]} and lab.took() == []


@pytest.mark.parametrize("cap", [0, -3, 1.5])
def test_a_cap_that_is_none_is_refused_where_it_is_written(lab: Lab, cap: Any) -> None:
    for wrong in (
        lambda: tool(max_concurrency=cap)(len),
        lambda: graph_fn(max_concurrency=cap)(len),
        lambda: free.map([], max_concurrency=cap),
        lambda: lab.start(fan, n=1, cap=cap),
    ):
        with pytest.raises(ValueError, match="how many may run at once is a number from 1"):
            wrong()


def test_29_a_tool_has_a_cap_over_all_runs(lab: Lab) -> None:
    @graph_fn
    async def several() -> None:
        await asyncio.gather(*(single(["several"], _id=f"call-{i}") for i in range(5)))

    runs = [lab.start(several) for _ in range(4)]
    for run in runs:
        run.result(LIMIT_S)
    assert meter.most["single"] == 1


def test_29_the_process_has_a_cap_over_all_runs_and_they_take_turns(tmp_path: Path) -> None:
    order: list[str] = []

    @tool(mutates=())
    async def step(name: str, i: int) -> None:
        meter.enter(["step"])
        order.append(name)
        await asyncio.sleep(0)
        meter.leave(["step"])

    @graph_fn
    async def steps(name: str) -> None:
        await asyncio.gather(*(step(name, i) for i in range(30)))

    with Runtime(
        MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs")), process_concurrency=1, max_concurrency=50
    ).use() as runtime:
        gate = threading.Event()
        runtime.thread.call(gate.wait, LIMIT_S)  # so that both are there before either begins
        runs = [runtime.start(steps, {"name": name}) for name in ("a", "b")]
        gate.set()
        for run in runs:
            run.result(LIMIT_S)
        runtime.close()
    assert meter.most["step"] == 1 and len(order) == 60
    both = order[order.index("b") : 59 - order[::-1].index("a")]
    assert len(both) > 40 and max(len(list(turns)) for _, turns in itertools.groupby(both)) <= 2


def test_29_a_tool_that_waits_for_a_question_holds_no_slot_of_its_run(lab: Lab) -> None:
    lab.cell("""
@tool
async def asks(*, context):
    return await context.channel().ask_text("who?")

@tool
def asks_in_thread(*, context):
    return context.channel().ask_text("what?")

@tool
async def other():
    ran("other")

@graph_fn
async def agent():
    out = await asyncio.gather(asks(), asks_in_thread(), other())
    return [out[0].result, out[1].result]
""")
    run = lab.start("agent", cap=1)
    lab.asked(run, "who?")
    lab.asked(run, "what?")
    lab.until(run, lambda facts: any(isinstance(x, f.NodeDone) and x.no == 3 for x in facts))
    assert lab.took() == ["other"]
    lab.answer(run, "what?", "this")
    lab.answer(run, "who?", "me")
    assert dict(run.result(LIMIT_S)) == {"result": ["me", "this"]}


def test_29_a_tool_with_a_cap_keeps_its_slot_while_it_waits(lab: Lab) -> None:
    lab.cell("""
@tool(max_concurrency=1)
async def asks(n, *, context):
    ran(f"asks {n}")
    return await context.channel().ask_text(f"question {n}")

@tool
async def other():
    ran("other")

@graph_fn
async def agent():
    out = await asyncio.gather(asks(1), asks(2), other())
    return [out[0].result, out[1].result]
""")
    run = lab.start("agent", cap=1)
    lab.asked(run, "question 1")
    lab.until(run, lambda facts: any(isinstance(x, f.NodeDone) and x.no == 3 for x in facts))
    assert lab.took() == ["asks 1", "other"]
    lab.answer(run, "question 1", "a")
    lab.answer(run, "question 2", "b")
    assert dict(run.result(LIMIT_S)) == {"result": ["a", "b"]}


def test_29_an_attempt_that_pauses_before_the_next_holds_no_slot(lab: Lab) -> None:
    lab.cell("""
@tool(retries=1, backoff_s=0.05)
async def shaky(*, context):
    ran(f"shaky {context.attempt}")
    if context.attempt == 1:
        raise ConnectionError("no")

@tool
async def other():
    ran("other")

@graph_fn
async def agent():
    await asyncio.gather(shaky(), other())
""")
    lab.start("agent", cap=1).result(LIMIT_S)
    assert lab.took() == ["shaky 1", "other", "shaky 2"]


def test_29_two_questions_of_one_attempt_at_once_give_its_slots_back_once(lab: Lab) -> None:
    lab.cell("""
@tool
async def asks(*, context):
    ask = context.channel().ask_text
    return await asyncio.gather(ask("one?"), ask("two?"))

@graph_fn
async def agent():
    return (await asks()).result
""")
    run = lab.start("agent", cap=1)
    lab.answer(run, "one?", "1")
    lab.answer(run, "two?", "2")
    assert dict(run.result(LIMIT_S)) == {"result": ["1", "2"]}
    execution = run.execution
    assert execution is not None and [limit.used for limit in execution.attempts.limits] == [0, 0]


def test_29_a_call_in_line_that_its_body_cancels_leaves_the_line(lab: Lab) -> None:
    lab.cell("""
@tool(max_concurrency=1)
async def held(n, *, context):
    ran(f"held {n}")
    return await context.channel().ask_text(f"question {n}")

@graph_fn
async def agent():
    first = asyncio.ensure_future(held(1))
    second, third = (asyncio.ensure_future(held(n)) for n in (2, 3))
    try:
        await asyncio.wait_for(second, 0.05)
    except TimeoutError:
        pass
    return [(await first).result, (await third).result]
""")
    run = lab.start("agent")
    lab.asked(run, "question 1")
    lab.until(run, lambda facts: any(isinstance(x, f.CallCancelled) for x in facts))
    lab.answer(run, "question 1", "a")
    lab.answer(run, "question 3", "c")
    assert dict(run.result(LIMIT_S)) == {"result": ["a", "c"]}
    assert lab.took() == ["held 1", "held 3"]


CANCELLED_EARLY = """
@tool
async def work(n):
    return n

@graph_fn
async def inner():
    return (await work(0)).result

@graph_fn
async def agent(turns, fails):
    calls = [asyncio.ensure_future(call) for call in (work(1), inner(), work(2))]
    for _ in range(turns):
        await asyncio.sleep(0)
    if fails:
        raise ValueError("no good")
    for call in calls:
        call.cancel()
    return (await work(3)).result
"""
TURNS = range(8)  # of the loop, until calls that were just made have begun, and ended


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("turns", TURNS)
def test_29_calls_that_end_before_they_have_begun_give_their_slots_back(lab: Lab, turns: int, fails: bool) -> None:
    """asyncio runs no line of a task that is cancelled before its first step."""
    lab.cell(CANCELLED_EARLY)
    run = lab.start("agent", cap=2, turns=turns, fails=fails)
    with pytest.raises(ValueError, match="no good") if fails else contextlib.nullcontext():
        assert dict(run.result(LIMIT_S)) == {"result": 3}
    after = lab.start("agent", turns=0, fails=False)  # its end comes after what was left of the other
    after.result(LIMIT_S)
    assert lab.runtime.slots.process.used == 0


@pytest.mark.parametrize("node", ["work", "inner"])
@pytest.mark.parametrize("turns", TURNS)
def test_a_node_that_is_cancelled_before_it_has_begun_has_failed(lab: Lab, turns: int, node: str) -> None:
    lab.cell("""
from aethergraph.engine import HERE

@tool
async def work():
    await asyncio.Event().wait()

@graph_fn
async def inner():
    await work()

@graph_fn
async def agent(turns, node):
    call = asyncio.ensure_future(work() if node == "work" else inner())
    for _ in range(turns):
        await asyncio.sleep(0)
    HERE.get().run.dispatch.cancel_node(node)  # as `run.cancel_node` does it, but now
    try:
        await call
    except asyncio.CancelledError as error:
        return str(error)
""")
    run = lab.start("agent", turns=turns, node=node)
    assert dict(run.result(LIMIT_S)) == {"result": f"node {node} of run {run.run_id} was cancelled"}
    assert [n.status for n in run.nodes if n.node_id == node] == [NodeStatus.FAILED]


def test_29_reading_in_place_respects_the_cap_of_the_tool(lab: Lab) -> None:
    lab.cell("""
@tool(max_concurrency=1)
def held(n, *, context):
    return context.channel().ask_text("who?") if n == 1 else n

@tool
async def later():
    pass

@graph_fn
async def agent():
    first = asyncio.ensure_future(held(1))
    await later()
    try:
        return held(2).result
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
    return [told, (await first).result]
""")
    run = lab.start("agent")
    lab.answer(run, "who?", "me")
    told, first = run.result(LIMIT_S)["result"]
    assert told.startswith("NotAwaited") and "await held(...)" in told and first == "me"


# ---------------------------------------------------------------------- random nestings

Call = st.tuples(st.just("call"), st.sampled_from(sorted(TOOLS)), st.integers(1, 3))
Map = st.tuples(st.just("map"), st.sampled_from(["free", "single", "double"]), st.integers(0, 4), st.integers(1, 3))
Plan = st.recursive(
    st.one_of(Call, Map),
    lambda inner: st.tuples(st.just("graph"), st.integers(1, 3), st.booleans(), st.lists(inner, max_size=4)),
    max_leaves=12,
)


async def _work(plan: Any, path: list[str], *, context: NodeContext) -> None:
    kind = plan[0]
    if kind == "call":
        await asyncio.gather(*(TOOLS[plan[1]]([*path, str(i)]) for i in range(plan[2])))
    elif kind == "map":
        inside = f"map {plan[3]} {'/'.join(path)} {plan[1]} {plan[2]}"
        await TOOLS[plan[1]].map([[*path, inside, str(i)] for i in range(plan[2])], max_concurrency=plan[3])
    else:
        _, cap, at_once, parts = plan
        calls = [CAPPED[cap](part, [*path, f"graph {cap} {'/'.join(path)} {n}"]) for n, part in enumerate(parts)]
        if at_once:
            await asyncio.gather(*calls)
        else:
            for call in calls:
                await call


CAPPED = {cap: graph_fn(name=f"capped_{cap}", max_concurrency=cap)(_work) for cap in (1, 2, 3)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plans=st.lists(Plan, min_size=1, max_size=3),
    caps=st.lists(st.integers(1, 4), min_size=3),
    process=st.integers(1, 5),
)
def test_29_random_nestings_end_and_no_cap_is_exceeded(
    tmp_path: Path, plans: list[Any], caps: list[int], process: int
) -> None:
    meter.most.clear()
    with Runtime(MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs")), process_concurrency=process).use() as runtime:
        try:
            runs = [
                runtime.start(
                    CAPPED[1 + n % 3],
                    {"plan": plan, "path": ["everywhere", f"run {caps[n]} {n}"]},
                    max_concurrency=caps[n],
                )
                for n, plan in enumerate(plans)
            ]
            for run in runs:
                run.result(LIMIT_S)
            assert runtime.slots.process.used == 0
        finally:
            runtime.close()
    assert meter.most["everywhere"] <= process and meter.most["single"] <= 1 and meter.most["double"] <= 2
    for name, most in meter.most.items():
        kind, _, rest = name.partition(" ")
        if kind in ("run", "map", "graph"):
            assert most <= int(rest.partition(" ")[0]), f"{name}: {most} at once"
