"""Runs that are started from inside of a run: semantics 26, 28 and 29."""

from __future__ import annotations

from pathlib import Path

import pytest

from aethergraph import Run, RunStatus, Runtime, graph_fn, tool
from aethergraph import run as run_agent
from aethergraph.errors import RunCancelled, RunPaused, SlotCycle
from aethergraph.record import facts as f
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.store import MemoryStore

from .lab import LIMIT_S, Lab

CHILD = """
from aethergraph import run, run_async, start

@tool
async def work(x):
    ran(f"work {x}")
    return 10 * x

@graph_fn
async def child(x: int, *, context):
    y = (await work(x)).result
    if x > 5:
        y = await context.channel().ask_text(f"child {x}?")
    if x < 0:
        raise LookupError(f"child {x}")
    return {"y": y}
"""


@pytest.fixture
def family(lab: Lab) -> Lab:
    """A lab with a child: it asks for more than 5, and fails below 0."""
    lab.cell(CHILD)
    return lab


def children(lab: Lab, run: Run) -> list[Run]:
    return [lab.runtime.load(info.run_id) for info in lab.runtime.runs(parent=run.run_id)]


def reader(lab: Lab, run: Run) -> Run:
    """The run to read, whether or not it is live."""
    return Run(lab.runtime, run.run_id, run.name)


def opens(facts: list[f.AnyFact]) -> int:
    return sum(isinstance(fact, f.RunOpened) for fact in facts)


BODY = """
@graph_fn
async def parent(x: int, *, context):
    run_id = await context.spawn_run(child, inputs={"x": x}, tags=["mine"])
    ran(f"spawned {run_id}")
    return await context.wait_run(run_id)
"""
TOOL = """
@tool
async def caller(x, *, context):
    run_id = await context.spawn_run(child, inputs={"x": x}, tags=["mine"])
    ran(f"spawned {run_id}")
    return dict(await context.wait_run(run_id))

@graph_fn
async def parent(x: int):
    return await caller(x)
"""
THREAD = TOOL.replace("async def caller", "def caller").replace("await context.", "context.")
RUN_ASYNC = """
@tool
async def caller(x):
    return dict(await run_async(child, x=x))

@graph_fn
async def parent(x: int):
    return await caller(x)
"""
RUN = RUN_ASYNC.replace("async def caller", "def caller").replace("await run_async", "run")
START = """
@tool
async def caller(x):
    return dict(await start(child, x=x))

@graph_fn
async def parent(x: int):
    return await caller(x)
"""
START_IN_THREAD = START.replace("async def", "def", 1).replace("await start(child, x=x)", "start(child, x=x).result()")
START_IN_BODY = """
@graph_fn
async def parent(x: int):
    one = start(child, x=x)
    return await one
"""
RUN_ASYNC_IN_BODY = """
@graph_fn
async def parent(x: int):
    return await run_async(child, x=x)
"""
AWAITED = """
@tool
async def caller(x):
    return dict(await child(x))

@graph_fn
async def parent(x: int):
    return await caller(x)
"""
BY_NAME = """
@graph_fn
async def parent(x: int, *, context):
    return await context.run_and_wait("child", inputs={"x": x})
"""
WAYS = {
    "body": BODY, "tool": TOOL, "thread": THREAD, "run_async": RUN_ASYNC, "run": RUN, "start": START,
    "start in thread": START_IN_THREAD, "start in body": START_IN_BODY, "run_async in body": RUN_ASYNC_IN_BODY,
    "awaited in tool": AWAITED, "by name": BY_NAME,
}  # fmt: skip


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return WAYS[request.param]


def test_28_a_run_is_started_from_a_body_and_from_a_tool(family: Lab, way: str) -> None:
    family.cell(way)
    run = family.start("parent", x=2)
    assert run.result(LIMIT_S)["y"] == 20
    (one,) = children(family, run)
    assert one.status is RunStatus.DONE and dict(one.outputs) == {"y": 20}
    started = one.flow().started
    assert started is not None and started.parent == run.run_id


def test_28_after_a_kill_the_same_child_is_found_and_goes_on(family: Lab, way: str) -> None:
    family.cell(way)
    run = family.start("parent", x=7)
    family.until(run, lambda _: bool(children(family, run)))
    (one,) = children(family, run)
    family.asked(one, "child 7?")
    family.kill()
    again = family.resume(run)
    family.until(again, lambda _: True)
    family.answer(family.runtime.load(one.run_id), "child 7?", "seven")
    assert again.result(LIMIT_S)["y"] == "seven"
    assert [child.run_id for child in children(family, again)] == [one.run_id]
    assert family.took().count("work 7") == 1


IN_TWO = """
@tool
async def caller(*, context):
    out = await context.run_and_wait(child, inputs={"x": 3})
    return [out["y"], await context.channel().ask_text("tool?")]

@graph_fn
async def parent(*, context):
    out = await run_async(child, x=4)
    told = await context.channel().ask_text("body?")
    return [out["y"], told, (await caller()).result]
"""


def test_28_a_finished_child_is_not_run_again_by_what_goes_on_after_a_kill(family: Lab) -> None:
    family.cell(IN_TWO)
    run = family.start("parent")
    for question in ("body?", "tool?"):
        family.asked(run, question)
        family.kill()
        run = family.resume(run)
        family.answer(run, question, question[:-1])
    assert run.result(LIMIT_S)["result"] == [40, "body", [30, "tool"]]
    assert sorted(family.took()) == ["work 3", "work 4"] and len(children(family, run)) == 2


FAILING = """
@tool(retries=1, backoff_s=0.001)
async def caller(x, *, context):
    ran(f"attempt {context.attempt}")
    return (await context.run_and_wait(child, inputs={"x": x})).y

@graph_fn
async def parent(x: int, *, context):
    if flag("IN_BODY"):
        return (await run_async(child, x=x)).y
    return (await caller(x)).result
"""


def test_28_each_attempt_has_the_same_child(family: Lab) -> None:
    family.cell(FAILING)
    run = family.start("parent", x=-1)
    with pytest.raises(LookupError, match="child -1"):
        run.result(LIMIT_S)
    assert family.took() == ["attempt 1", "work -1", "attempt 2"] and len(children(family, run)) == 1


@pytest.mark.parametrize("in_body", [False, True])
def test_17_the_failure_of_a_child_arrives_unchanged_and_a_resume_tries_it_again(
    family: Lab, monkeypatch: pytest.MonkeyPatch, in_body: bool
) -> None:
    if in_body:
        monkeypatch.setenv("IN_BODY", "1")
    family.cell(FAILING)
    run = family.start("parent", x=-1)
    with pytest.raises(LookupError, match="child -1"):
        run.result(LIMIT_S)
    family.kill()
    family.cell(CHILD.replace("if x < 0", "if x < -9"))
    family.took()
    again = family.resume(run)
    assert again.result(LIMIT_S)["result"] == -10
    assert not [told for told in family.took() if told.startswith("work")] and len(children(family, run)) == 1


def test_28_a_child_may_have_a_name_of_its_own_and_another_call_of_that_name_joins_it(family: Lab) -> None:
    family.cell("""
@graph_fn
async def parent(*, context):
    first = await context.spawn_run(child, inputs={"x": 1}, run_id="the-child")
    second = await context.spawn_run(child, inputs={"x": 1}, run_id="the-child")
    out = await context.wait_run(second, return_outputs=False)
    return [first, second, out]
""")
    assert family.run("parent") == {"result": ["the-child", "the-child", None]}
    assert family.took() == ["work 1"]


def test_28_what_is_no_agent_is_refused_and_names_are_told(family: Lab) -> None:
    family.cell("""
@graph_fn
async def parent(*, context):
    told = []
    for target in ("chidl", work):
        try:
            await context.spawn_run(target, inputs={"x": 1})
        except Exception as error:
            told.append(f"{type(error).__name__}: {error}")
    return told
""")
    no_name, no_agent = family.run("parent")["result"]
    assert no_name == "LookupError: no agent 'chidl' is defined in this process; did you mean 'child'?"
    assert no_agent.startswith("TypeError: an agent made with @graph_fn or @graphify can be run, got Tool")


def test_28_blocking_on_the_loop_is_refused_with_advice(family: Lab) -> None:
    family.cell("""
@tool
async def caller():
    return run(child, x=1)

@graph_fn
async def parent():
    told = []
    for call in (lambda: run(child, x=1), lambda: child.sync(x=1), lambda: start(child, x=1).result()):
        try:
            call()
        except Exception as error:
            told.append(f"{type(error).__name__}: {error}")
    try:
        await caller()
    except Exception as error:
        told.append(f"{type(error).__name__}: {error}")
    return told
""")
    told = family.run("parent")["result"]
    assert [one.partition(":")[0] for one in told] == ["WouldBlock"] * 4
    assert all("await" in one for one in told)


def test_28_a_wait_for_a_child_can_run_out(family: Lab) -> None:
    family.cell("""
@graph_fn
async def parent(*, context):
    run_id = await context.spawn_run(child, inputs={"x": 8})
    try:
        await context.wait_run(run_id, timeout_s=0.01)
    except TimeoutError as error:
        told = str(error)
    return [told, (await context.wait_run(run_id)).y]
""")
    run = family.start("parent")
    family.until(run, lambda facts: any(isinstance(x, f.Effect) and not x.ok for x in facts))
    (one,) = children(family, run)
    family.answer(one, "child 8?", "late")
    assert run.result(LIMIT_S)["result"] == [f"run {one.run_id} did not end within 0.01 s; it goes on", "late"]


# ---------------------------------------------------------------------- slots


def test_29_who_waits_for_a_child_holds_no_slot_not_even_the_last_of_the_process(tmp_path: Path) -> None:
    @tool
    def leaf(x: int) -> int:
        return x + 1

    @graph_fn
    async def nested(depth: int) -> int:
        return int((await (below(depth - 1) if depth else leaf(0))).result)

    @tool
    def below(depth: int) -> int:
        return int(run_agent(nested, depth=depth).result) + 1

    store = MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs"))
    with Runtime(store, process_concurrency=1, max_concurrency=1).use() as runtime:
        try:
            assert runtime.start(nested, {"depth": 4}).result(LIMIT_S)["result"] == 5
            assert runtime.slots.process.used == 0
        finally:
            runtime.close()


def test_29_a_tool_that_waits_for_its_own_slot_is_told_so(lab: Lab) -> None:
    lab.cell("""
from aethergraph import run_async

@tool(max_concurrency=1)
async def recursive(n):
    return (await run_async(nested, n=n - 1)).result if n else "end"

@graph_fn
async def nested(n: int):
    return (await recursive(n)).result
""")
    assert lab.run("nested", n=0) == {"result": "end"}
    run = lab.start("nested", n=2)
    with pytest.raises(
        SlotCycle, match=r"recursive of run nested-\w+ waits for a slot of the tool 'recursive'"
    ) as told:
        run.result(LIMIT_S)
    assert told.value.holders == (f"recursive of run {run.run_id}",)
    assert lab.runtime.slots.process.used == 0


def test_29_a_cycle_that_comes_up_only_when_the_waiting_begins_is_found_too(lab: Lab) -> None:
    lab.cell("""
from aethergraph import run_async

@tool(max_concurrency=1)
async def once(n, *, context):
    if not n:
        return "end"
    run_id = await context.spawn_run(nested, inputs={"n": 0})
    await context.channel().ask_text("wait now?")
    return (await context.wait_run(run_id)).result

@graph_fn
async def nested(n: int):
    return (await once(n)).result
""")
    run = lab.start("nested", n=1)
    lab.asked(run, "wait now?")
    (one,) = children(lab, run)
    lab.until(one, lambda facts: any(isinstance(x, f.NodeStarted) for x in facts))
    lab.answer(run, "wait now?", "yes")
    with pytest.raises(SlotCycle):
        run.result(LIMIT_S)


# ---------------------------------------------------------------------- ends

SPAWNS = """
@graph_fn
async def parent(detached: bool = False, *, context):
    await context.spawn_run(child, inputs={"x": 7}, detached=detached)
    await context.spawn_run(grandparent, inputs={})
    return await context.channel().ask_text("go?")

@graph_fn
async def grandparent(*, context):
    return await context.run_and_wait(child, inputs={"x": 8})
"""


def family_of(lab: Lab, run: Run) -> dict[str, Run]:
    """All below `run`, by the question that it asks or its name."""
    found = {}
    for one in children(lab, run):
        found[one.name if one.name != "child" else str(one.inputs["x"])] = one
        found |= family_of(lab, one)
    return found


@pytest.fixture
def spawned(family: Lab) -> tuple[Lab, Run]:
    family.cell(SPAWNS)
    run = family.start("parent")
    family.asked(run, "go?")
    below = family_of(family, run)
    family.asked(below["7"], "child 7?")
    family.until(below["grandparent"], lambda _: bool(children(family, below["grandparent"])))
    family.asked(family_of(family, run)["8"], "child 8?")
    return family, run


def test_cancelling_a_run_cancels_what_it_started_and_what_that_started(spawned: tuple[Lab, Run]) -> None:
    lab, run = spawned
    below = family_of(lab, run)
    run.cancel()
    with pytest.raises(RunCancelled):
        run.result(LIMIT_S)
    for one in below.values():
        with pytest.raises(RunCancelled):
            one.result(LIMIT_S)
    assert lab.runtime.waits() == []


def test_cancelling_a_run_that_is_not_live_cancels_its_children_too(spawned: tuple[Lab, Run]) -> None:
    lab, run = spawned
    lab.kill()
    lab.runtime.cancel(run.run_id)
    below = family_of(lab, run)
    assert {one.status for one in below.values()} == {RunStatus.CANCELLED} and len(below) == 3


def test_a_detached_child_does_not_mind_its_parent(family: Lab) -> None:
    family.cell(SPAWNS)
    run = family.start("parent", detached=True)
    family.asked(run, "go?")
    one = family_of(family, run)["7"]
    run.cancel()
    with pytest.raises(RunCancelled):
        run.result(LIMIT_S)
    family.answer(one, "child 7?", "free")
    assert dict(one.result(LIMIT_S)) == {"y": "free"}


def test_a_run_that_is_paused_pauses_its_children_and_takes_them_up_again(spawned: tuple[Lab, Run]) -> None:
    lab, run = spawned
    below = family_of(lab, run)
    run.pause("for a while")
    with pytest.raises(RunPaused):
        run.result(LIMIT_S)
    for one in below.values():
        with pytest.raises(RunPaused):
            one.result(LIMIT_S)
    lab.resume(run)
    for number in ("7", "8"):
        opened = lab.until(reader(lab, below[number]), lambda facts: opens(facts) == 2)
        assert isinstance(opened[-1], f.RunOpened)
        lab.answer(reader(lab, below[number]), f"child {number}?", number)
    lab.answer(lab.runtime.load(run.run_id), "go?", "yes")
    assert lab.runtime.load(run.run_id).result(LIMIT_S)["result"] == "yes"


def test_a_child_goes_on_when_its_parent_is_done(spawned: tuple[Lab, Run]) -> None:
    lab, run = spawned
    below = family_of(lab, run)
    lab.answer(run, "go?", "yes")
    run.result(LIMIT_S)
    lab.answer(below["7"], "child 7?", "on my own")
    assert dict(below["7"].result(LIMIT_S)) == {"y": "on my own"}


def test_26_a_child_that_the_edited_code_does_not_start_is_cancelled(spawned: tuple[Lab, Run]) -> None:
    lab, run = spawned
    below = family_of(lab, run)
    lab.kill()
    lab.cell(SPAWNS.replace("    await context.spawn_run(grandparent, inputs={})\n", ""))
    again = lab.resume(run)
    lab.answer(reader(lab, below["7"]), "child 7?", "kept")
    lab.answer(again, "go?", "yes")
    again.result(LIMIT_S)
    assert {lab.runtime.load(below[name].run_id).status for name in ("grandparent", "8")} == {RunStatus.CANCELLED}
    assert dict(lab.runtime.load(below["7"].run_id).result(LIMIT_S)) == {"y": "kept"}


def test_a_child_whose_waiting_is_given_up_is_paused_and_ends_with_its_parent(family: Lab) -> None:
    family.cell("""
@graph_fn
async def parent(*, context):
    try:
        async with asyncio.timeout(0.5):
            await context.run_and_wait(child, inputs={"x": 7})
    except TimeoutError:
        pass
    return await context.channel().ask_text("go?")
""")
    run = family.start("parent")
    family.asked(run, "go?")
    (one,) = children(family, run)
    with pytest.raises(RunPaused):
        one.result(LIMIT_S)
    family.answer(run, "go?", "yes")
    run.result(LIMIT_S)
    assert family.runtime.load(one.run_id).status is RunStatus.CANCELLED


def test_cancel_run_ends_a_child(family: Lab) -> None:
    family.cell("""
from aethergraph.errors import RunCancelled

@tool
def in_tool(run_id, *, context):
    context.cancel_run(run_id)
    try:
        context.wait_run(run_id)
    except RunCancelled as error:
        return str(error)

@graph_fn
async def parent(*, context):
    run_id = await context.spawn_run(child, inputs={"x": 7})
    return (await in_tool(run_id)).result
""")
    told = family.run("parent")["result"]
    assert told.startswith("run child-") and "was cancelled" in told


FORKED = """
@graph_fn
async def parent(*, context):
    done = await context.run_and_wait(child, inputs={"x": 1})
    open_ = await context.spawn_run(child, inputs={"x": 7})
    if await context.channel().ask_text("go?"):
        return [done["y"], open_, (await context.wait_run(open_)).y]
"""


def test_32_a_fork_has_the_finished_children_of_its_parent_and_unfinished_ones_of_its_own(family: Lab) -> None:
    family.cell(FORKED)
    run = family.start("parent")
    family.asked(run, "go?")
    assert sorted(family.took()) == ["work 1", "work 7"]
    fork = run.fork()
    family.answer(fork, "go?", "yes")
    family.until(fork, lambda _: bool(children(family, fork)))
    (own,) = children(family, fork)
    family.answer(own, "child 7?", "forked")
    assert fork.result(LIMIT_S)["result"] == [10, own.run_id, "forked"]
    assert family.took() == ["work 7"]
    (one,) = [child for child in children(family, run) if child.inputs == {"x": 7}]
    assert one.run_id != own.run_id and one.status is RunStatus.WAITING


def test_28_resuming_what_is_unfinished_goes_on_with_the_parent_and_not_with_its_child_alone(family: Lab) -> None:
    family.cell(
        "@graph_fn\nasync def parent(*, context):\n"
        "    return await context.wait_run(await context.spawn_run(child, inputs={'x': 6}))\n"
    )
    parent = family.start("parent")
    family.until(parent, lambda _: len(children(family, parent)) == 1)
    (child,) = children(family, parent)
    token = family.asked(child, "child 6?")
    family.kill()
    again = family.runtime.resume(namespace=family.cells.names)
    assert again.run_id == parent.run_id
    family.runtime.answer(token, "yes")
    assert again.result(LIMIT_S) == {"y": "yes"}
