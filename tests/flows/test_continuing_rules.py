"""`continue_as_new`: semantics 23 and 25."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Runtime
from aethergraph.lifecycle import hub
from aethergraph.lifecycle.launching import Launcher
from aethergraph.record import facts as f
from aethergraph.record.status import RunStatus
from aethergraph.storage import roster
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.store import MemoryStore
from aethergraph.testing import Fragile

from .lab import LIMIT_S, Lab, laboratory

COUNT = """
@tool(outputs=["n"])
def step(n):
    ran(f"step {n}")
    return n + 1
@graph_fn
async def agent(n=0, top=3, *, context):
    n = (await step(n)).n
    if n < top:
        await context.continue_as_new(n=n)
    return {"n": n}
"""
CHAT = """
@graph_fn
async def agent(said=0, *, context):
    text = await context.wait_event("said")
    if text == "bye":
        return {"said": said}
    await context.continue_as_new(said=said + 1)
"""


def test_25_awaiting_the_first_run_gives_what_the_last_gives(lab: Lab) -> None:
    lab.cell(COUNT)
    run = lab.start("agent", run_id="count")
    assert run.result(LIMIT_S) == {"n": 3}
    assert lab.took() == ["step 0", "step 1", "step 2"]
    assert run.status is RunStatus.DONE and run.outputs == {"successor": "count.2"}
    assert run.successor is not None and run.successor.successor is not None
    last = run.successor.successor
    assert (last.run_id, last.outputs, last.successor) == ("count.3", {"n": 3}, None)
    assert last.inputs == {"n": 2, "top": 3}  # what is not given stays
    assert last.continues is not None and last.continues.run_id == "count.2"
    assert run.continues is None


def test_25_each_run_of_the_chain_has_a_journal_of_its_own(lab: Lab) -> None:
    lab.cell(COUNT)
    run = lab.start("agent", run_id="count", top=20)
    run.result(LIMIT_S)
    sizes = [len(lab.facts(lab.runtime.load(row.run_id))) for row in roster.everything(lab.store)]
    assert len(sizes) == 20 and max(sizes) - min(sizes) <= 1


def test_25_a_run_that_is_read_leads_to_the_end_of_its_chain(lab: Lab) -> None:
    lab.cell(COUNT)
    lab.start("agent", run_id="count").result(LIMIT_S)
    lab.kill()
    assert lab.runtime.load("count").result(LIMIT_S) == {"n": 3}
    assert lab.resume(lab.runtime.load("count")).run_id == "count.3"


def test_25_resuming_the_first_goes_on_with_the_last(lab: Lab) -> None:
    lab.cell(CHAT)
    run = lab.start("agent", run_id="chat")
    lab.asked(run, "said")
    lab.runtime.signal("said", "hello")
    successor = next_of(lab, "chat.2")
    lab.kill()
    assert lab.runtime.load("chat.2").status is RunStatus.PAUSED
    resumed = lab.resume(run)
    assert resumed.run_id == successor
    lab.runtime.signal("said", "bye")
    assert resumed.result(LIMIT_S) == {"said": 1}


def next_of(lab: Lab, run_id: str) -> str:
    """Return once this run waits for its event."""
    with lab._decided:
        assert lab._decided.wait_for(
            lambda: any(w.run_id == run_id for w in lab.runtime.waits()) and run_id in lab.runtime.live, LIMIT_S
        )
    return run_id


def test_23_signals_for_the_first_reach_the_run_that_goes_on_and_none_is_lost(lab: Lab) -> None:
    lab.cell(CHAT)
    run = lab.start("agent", run_id="chat")
    lab.asked(run, "said")
    lab.kill()
    for number in range(5):
        lab.runtime.signal("said", number, run_id="chat" if number % 2 else None)
    run = lab.resume(run)
    next_of(lab, "chat.6")
    lab.runtime.signal("said", "bye", run_id="chat.2")
    assert run.result(LIMIT_S) == {"said": 5}


PARTED = """
@tool
def fit():
    if flag("BROKEN"): raise ValueError("no")
@tool
def later():
    pass
@graph_fn
async def agent(got=(), *, context):
    if len(got) == 3:
        return {"got": list(got)}
    if got:
        await context.continue_as_new(got=[*got, await context.wait_event("go")])
    asks, other_has = asyncio.Event(), asyncio.Event()
    async def first():
        try:
            await fit()
        except ValueError:
            asks.set()
            ran(f"got {await context.wait_event('go')}")
            await other_has.wait()
            raise
        asks.set()
    async def other():
        await asks.wait()
        await later()
        text = await context.wait_event("go")
        other_has.set()
        return text
    one, two = asyncio.create_task(first()), asyncio.create_task(other())
    await asyncio.gather(one, two)
    await context.continue_as_new(got=[two.result()])
"""


def test_23_17_a_signal_that_is_free_again_is_for_the_run_that_goes_on_though_a_later_one_was_taken(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKEN", "1")
    lab.cell(PARTED)
    run = lab.start("agent")
    lab.until(run, lambda facts: sum(isinstance(x, f.WaitOpened) for x in facts) == 2)
    for number in (1, 2, 3):
        lab.runtime.signal("go", number)
    with pytest.raises(ValueError, match="no"):
        run.result(LIMIT_S)
    assert lab.took() == ["got 1"]
    monkeypatch.delenv("BROKEN")
    assert lab.resume(run).result(LIMIT_S) == {"got": [2, 1, 3]}


def test_questions_and_calls_that_are_open_end_with_the_run(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def agent(n=0, *, context):
    asyncio.create_task(context.channel().ask_text("name?"))
    await context.channel().ask_text("go on?")
    if not n:
        try:
            await context.continue_as_new(n=1)
        except Exception:
            ran("caught")
    return {"n": n}
""")
    run = lab.start("agent")
    lab.answer(run, "go on?", "yes")
    successor = next(iter(lab.until(run, lambda facts: any(isinstance(x, f.RunContinued) for x in facts))[-1:]))
    assert isinstance(successor, f.RunContinued)
    later = lab.runtime.load(successor.run_id)
    assert {wait.run_id for wait in lab.runtime.waits()} <= {later.run_id}
    lab.answer(later, "go on?", "yes")
    assert run.result(LIMIT_S) == {"n": 1}
    assert lab.took() == []


def test_a_parked_run_continues_when_it_is_woken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with laboratory(tmp_path / "store", park_after_s=0.0) as lab:
        lab.cell(CHAT)
        run = lab.start("agent", run_id="chat")
        lab.parked(run)
        lab.runtime.signal("said", "hello", run_id="chat")
        lab.runtime.signal("said", "bye", run_id="chat")
        assert run.result(LIMIT_S) == {"said": 1}


@pytest.mark.parametrize("after", [False, True])
def test_25_a_kill_at_any_instant_leaves_exactly_one_successor(lab: Lab, tmp_path: Path, after: bool) -> None:
    lab.cell(COUNT)
    agent = lab.cells["agent"]
    lab.close()
    for fatal in itertools.count(1):
        folder = tmp_path / f"{fatal}"
        folder.mkdir()
        store = MemoryStore(folder, DiskBlobs(folder / "blobs"))
        fragile = Fragile(store, fatal, after=after)
        died = False
        try:
            with Runtime(fragile).use() as runtime:
                runtime.start(agent, agent.bind((), {}), run_id="count").result(LIMIT_S)
        except Exception as error:
            died = fragile.dead
            assert died, error
        finally:
            runtime.close()
        if not died:
            break
        with Runtime(store).use() as runtime:
            there = store.get(roster.row_key("count")) is not None
            again = (
                runtime.resume("count", agent=agent)
                if there
                else runtime.start(agent, {"n": 0, "top": 3}, run_id="count")
            )
            assert again.result(LIMIT_S) == {"n": 3}, fatal
            ids = sorted(row.run_id for row in roster.everything(store))
            assert ids == ["count", "count.2", "count.3"], fatal
            assert [runtime.load(one).status for one in ids] == [RunStatus.DONE] * 3
            runtime.close()
    assert fatal > 6
    hub._current = None


def test_only_the_body_of_the_run_itself_can_do_it(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def nested(*, context):
    await context.continue_as_new()
@graph_fn
async def agent(*, context):
    await nested()
@tool
async def helper(*, context):
    await context.continue_as_new()
@graph_fn
async def other(*, context):
    await helper()
@graph_fn
async def wrong(x=1, *, context):
    await context.continue_as_new(y=2)
""")
    with pytest.raises(TypeError, match="call it in the run's own body, not in a nested agent"):
        lab.run("agent")
    with pytest.raises(TypeError, match="not in a tool"):
        lab.run("other")
    with pytest.raises(TypeError, match="wrong: .*'y'"):
        lab.run("wrong")


CHAIN = """
@graph_fn
async def agent(n=0, *, context):
    got = await context.wait_event("go")
    ran(f"agent {n} got {got}")
    if n < 2:
        await context.continue_as_new(n=n + 1)
    return {"got": got}
"""
PARENTS = {
    "body": """
async def parent(*, context):
    return dict(await context.run_and_wait(agent, inputs={}, run_id='chain'))
""",
    "spawned": """
async def parent(*, context):
    run_id = await context.spawn_run(agent, inputs={}, run_id='chain')
    return dict(await context.wait_run(run_id))
""",
    "tool": """
async def parent(*, context):
    return {"got": (await caller()).result}
""",
}


@pytest.mark.parametrize("way", PARENTS)
def test_25_a_parent_that_is_killed_goes_on_with_the_run_that_goes_on_from_its_child(lab: Lab, way: str) -> None:
    """The child itself is done; what the parent waits for is the end of its chain, which the kill has ended."""
    lab.cell(CHAIN)
    lab.cell("@tool\ndef caller(*, context):\n    return context.run_and_wait(agent, inputs={}, run_id='chain').got")
    lab.cell("@graph_fn\n" + PARENTS[way].strip())
    run = lab.start("parent")
    for number, name in enumerate(["chain", "chain.2", "chain.3"]):
        next_of(lab, name)
        lab.kill()
        run = lab.resume(run)
        next_of(lab, name)
        lab.runtime.signal("go", number)
    assert run.result(LIMIT_S) == {"got": 2}
    assert lab.took() == ["agent 0 got 0", "agent 1 got 1", "agent 2 got 2"]
    assert len(lab.runtime.runs()) == 4


@pytest.mark.parametrize("on_loop", [True, False])
def test_30_a_run_that_is_about_to_go_on_from_another_is_not_begun_a_second_time(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, on_loop: bool
) -> None:
    """Found by the soak: that a run goes on is on disk before it does; who resumed it between ran it beside itself."""
    lab.cell(COUNT)
    found: list[str] = []
    resumers = [threading.Thread(target=lambda: found.append(lab.runtime.resume("count.2").run_id)) for _ in range(2)]
    begin = Launcher._go_on

    def late(self: Launcher, *args: Any) -> None:
        if not found and on_loop:
            found.append(lab.runtime.resume("count.2").run_id)
        elif not resumers[0].ident:
            for resumer in resumers:
                resumer.start()
        begin(self, *args)

    monkeypatch.setattr(Launcher, "_go_on", late)
    run = lab.start("agent", run_id="count", top=2)
    assert run.result(LIMIT_S) == {"n": 2}
    for resumer in resumers:
        if resumer.ident:
            resumer.join(LIMIT_S)
    assert found == (["count"] if on_loop else ["count.2", "count.2"])
    opened = [fact for fact in lab.facts(lab.runtime.load("count.2")) if isinstance(fact, f.RunOpened)]
    assert len(opened) == 1
    assert lab.took() == ["step 0", "step 1"]
