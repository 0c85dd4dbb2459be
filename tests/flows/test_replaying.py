"""`replay(run)`: the body is called again against its record, and the first difference is told; nothing is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from aethergraph import Run, load_run
from aethergraph.errors import ReplayDiffers, RunPaused
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.shadow import Shadow
from aethergraph.storage.store import MemoryStore
from aethergraph.testing import FakeClock, ScriptedChannel, replay, settle

from .lab import Lab, laboratory

STORY = """
@tool
def fit(x, *, context):
    ran(f"fit {x}")
    return 2 * x

@tool(pure=True)
async def add(x):
    ran(f"add {x}")
    return x + 1

@graph_fn
async def child(x: int = 1):
    return {"y": (await fit(x)).result}

@graph_fn
async def agent(n: int = 3, *, context):
    KNOB = os.environ.get("KNOB", "")
    channel = context.channel()
    outs = await asyncio.gather(*(fit(x) for x in range(n)))
    four = await add(5 if KNOB == "argument" else 4)
    name = await channel.ask_text("Nom?" if KNOB == "question" else "Name?")
    await channel.send_text(f"hello {name}")
    if KNOB == "effect":
        await context.artifacts().save_text("more", name="more.txt")
    if KNOB == "change":
        await context.kv("run").set("more", 1)
    runs = await context.kv().incr("runs")
    nested = await child(3)
    if KNOB == "child":
        await context.spawn_run(child, inputs={"x": 8})
    spawned = await context.run_and_wait(child, inputs={"x": 7})
    at = await context.clock().now()
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
    except TimeoutError:
        pass
    if KNOB != "fewer":
        await fit(100)
    if KNOB == "raise":
        raise LookupError("this is new")
    if KNOB == "hang":
        await asyncio.Event().wait()
    total = sum(out.result for out in outs) + four.result
    return {"total": total, "name": name, "nested": nested.y, "spawned": spawned.y, "at": [at, runs], "knob": KNOB[:3]}
"""


@pytest.fixture
def told(lab: Lab) -> Run:
    """A run that was done."""
    lab.cell(STORY)
    with ScriptedChannel({"Name?": "Ada"}):
        lab.run("agent")
    lab.took()
    run = lab.cells["agent"].last_run
    assert isinstance(run, Run)
    return run


def test_it_gives_what_the_run_gave_and_does_nothing(lab: Lab, told: Run) -> None:
    before = dict(lab.store.scan(""))
    with ScriptedChannel({}) as script:
        assert replay(told) == told.outputs
    assert not lab.took() and not script.sent and not script.asked
    assert dict(lab.store.scan("")) == before
    lab.runtime.close()  # the store and services are still those of the runtime


@pytest.mark.parametrize(
    ("knob", "difference"),
    [
        ("argument", r"the body calls add\(x=5\), which is not on record; on record is add \(add\)"),
        ("question", r"the body waits for 'Nom\?', which is not on record"),
        ("effect", "the body does or reads .*save.*, which is not on record"),
        ("change", r"the body does or reads kv.set, which is not on record"),
        ("child", "the body does or reads spawn_run, which is not on record"),
        ("fewer", r"the body does not call fit \(fit-\d\) any more"),
        ("raise", "it fails with LookupError: this is new; on record, it comes to its end"),
        ("hang", "the body does not come to its end within 0.5 s: what it waits for is not on record"),
        ("output", "knob is 'out'; on record is ''"),
    ],
)
def test_the_first_difference_is_told_and_nothing_is_done(
    lab: Lab, told: Run, monkeypatch: pytest.MonkeyPatch, knob: str, difference: str
) -> None:
    before = dict(lab.store.scan(""))
    monkeypatch.setenv("KNOB", knob)
    with ScriptedChannel({}) as script, pytest.raises(ReplayDiffers, match=difference) as caught:
        replay(told, timeout_s=0.5 if knob == "hang" else 20)
    assert isinstance(caught.value, AssertionError) and caught.value.run_id == told.run_id
    assert not lab.took() and not script.sent and not script.asked
    assert dict(lab.store.scan("")) == before


def test_3_a_tool_whose_code_changed_is_named(lab: Lab, told: Run) -> None:
    lab.cell(STORY.replace("return 2 * x", "return 3 * x"))
    with pytest.raises(ReplayDiffers, match=r"fit would run again: the code of fit changed"):
        replay(told, lab.cells["agent"])
    assert not lab.took()


def test_a_run_of_another_kernel_is_replayed_with_its_stored_source(lab: Lab, told: Run) -> None:
    lab.kill()
    lab.took()
    again = load_run(told.run_id)
    assert dict(replay(again)) == dict(again.outputs) and not lab.took()


def test_17_a_failed_run_fails_again(lab: Lab) -> None:
    lab.cell("""
@tool
def fit(x):
    ran("fit")
    raise ValueError(f"bad {x}")

@graph_fn
async def agent(*, context):
    await fit(1)
""")
    run = lab.start("agent")
    with pytest.raises(ValueError, match="bad 1"):
        run.result(20)
    lab.took()
    assert replay(run) == {} and not lab.took()
    lab.cell("@graph_fn\nasync def agent(*, context):\n    return 1")
    with pytest.raises(ReplayDiffers, match="the body does not call fit"):
        replay(run, lab.cells["agent"])


def test_a_static_graph_is_replayed_too(lab: Lab) -> None:
    lab.cell("""
from aethergraph import graphify
from aethergraph.tools import ask_text

@tool(outputs=["y"])
def double(x):
    ran("double")
    return {"y": 2 * x}

@graphify(inputs={"x": 2}, outputs=["y", "name"])
def plan(x):
    first = double(x)
    name = ask_text(prompt="Name?", _after=first)
    return {"y": double(first.y).y, "name": name.text}
""")
    with ScriptedChannel({"Name?": "Ada"}):
        assert lab.run("plan") == {"y": 8, "name": "Ada"}
    lab.took()
    assert dict(replay(lab.cells["plan"].last_run)) == {"y": 8, "name": "Ada"} and not lab.took()


def test_a_run_that_has_not_ended_is_not_replayed(lab: Lab) -> None:
    lab.cell("@graph_fn\nasync def agent(*, context):\n    await context.channel().ask_text('Name?')")
    run = settle(lab.start("agent"))
    with pytest.raises(RunPaused, match="a run is replayed when it has ended"):
        replay(run)


def test_22_a_clock_that_is_set_moves_sleeps_of_bodies_and_tools_and_deadlines(tmp_path: Path) -> None:
    clock = FakeClock()
    with laboratory(tmp_path / "store", clock) as lab:
        lab.cell("""
@tool
async def doze(*, context):
    await context.clock().sleep(3600)
    return await context.clock().now()

@tool
def doze_in_thread(*, context):
    context.clock().sleep(3600)

@graph_fn
async def agent(*, context):
    began = await context.clock().now()
    await context.clock().sleep(86400)
    slept, _ = await asyncio.gather(doze(), doze_in_thread())
    late = await context.channel("inbox").ask_text("Name?", timeout_s=60, default="nobody")
    return [slept.result - began, late]
""")
        run = settle(lab.start("agent"))
        for seconds in (86400, 3600, 60):
            assert run.live
            clock.advance(seconds)
            settle(run)
        assert dict(run.result(20)) == {"result": [90000.0, "nobody"]}


def test_a_shadow_hides_what_it_was_given_and_leaves_the_store_below_alone(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs"))
    with store.transact() as rows:
        for key in ("a:1", "a:2", "a:4", "b:1"):
            rows.set(key, b"below")
    shadow = Shadow(store)
    with shadow.transact() as rows:
        rows.set("a:2", b"above")
        rows.set("a:3", b"above")
    assert dict(shadow.scan("a:")) == {"a:1": b"below", "a:2": b"above", "a:3": b"above", "a:4": b"below"}
    assert [key for key, _ in shadow.scan("a:", after="a:1", limit=2)] == ["a:2", "a:3"]
    assert shadow.get("a:2") == b"above" and shadow.get("b:1") == b"below" and shadow.get("c") is None
    assert store.get("a:2") == b"below" and store.get("a:3") is None


def test_28_a_run_that_it_started_and_that_has_not_ended_stays_as_it_is(lab: Lab) -> None:
    lab.cell("""
@tool
def work(x):
    ran(f"work {x}")
    return x

@graph_fn
async def child(*, context):
    await context.channel().ask_text("child?")
    return (await work(1)).result

@graph_fn
async def parent(*, context):
    await work(0)
    return await context.spawn_run(child, detached=True)
""")
    run = lab.start("parent")
    run_id = run.result(20).result
    child = load_run(run_id)
    token = lab.asked(child, "child?")
    lab.kill()
    lab.runtime.answer(token, "go on")  # which it would, were it taken up
    lab.took()
    assert replay(load_run(run.run_id)).result == run_id
    assert load_run(run_id).status == "paused" and not lab.took()
