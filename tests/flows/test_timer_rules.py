"""`context.clock().sleep`: a durable wait that ends by itself. Semantics 22 and 24."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph.errors import BadAnswer, UnknownWait
from aethergraph.record import facts as f
from aethergraph.record.status import NodeStatus, RunStatus
from aethergraph.testing import FakeClock
from aethergraph.views.picture import Picture

from .lab import LIMIT_S, Lab, laboratory

SLEEPING = """
@graph_fn
async def agent(*, context):
    began = await context.clock().now()
    await context.clock().sleep(3600)
    return {"slept": await context.clock().now() - began}
"""


@pytest.fixture
def timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Lab, FakeClock]]:
    """A lab whose clock stands still, and whose runs leave memory at once."""
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    clock = FakeClock()
    with laboratory(tmp_path / "store", clock, park_after_s=0.0) as made:
        yield made, clock


def test_24_a_run_that_sleeps_leaves_memory_and_wakes_in_time(timed: tuple[Lab, FakeClock]) -> None:
    lab, clock = timed
    lab.cell(SLEEPING)
    run = lab.start("agent")
    lab.parked(run)
    assert run.status is RunStatus.WAITING
    clock.advance(3599)
    assert run.parked
    clock.advance(1)
    assert run.result(LIMIT_S) == {"slept": 3600.0}


@pytest.mark.parametrize("seconds", ["np.float64(3600)", "np.int64(3600)", "Fraction(3600)"])
def test_22_seconds_may_be_a_number_of_another_type(timed: tuple[Lab, FakeClock], seconds: str) -> None:
    lab, clock = timed
    lab.cell("import numpy as np\nfrom fractions import Fraction\n" + SLEEPING.replace("3600", seconds))
    run = lab.start("agent")
    lab.parked(run)
    lab.kill()
    clock.advance(3600)
    assert lab.resume(run).result(LIMIT_S) == {"slept": 3600.0}


def test_22_a_sleep_goes_on_while_nobody_runs_the_run(timed: tuple[Lab, FakeClock]) -> None:
    lab, clock = timed
    lab.cell(SLEEPING)
    run = lab.start("agent")
    lab.parked(run)
    lab.kill()
    clock.advance(5000)
    assert lab.resume(run).result(LIMIT_S) == {"slept": 5000.0}


def test_22_a_sleep_is_not_begun_anew_by_a_resume(timed: tuple[Lab, FakeClock]) -> None:
    lab, clock = timed
    lab.cell(SLEEPING)
    run = lab.start("agent")
    lab.parked(run)
    clock.advance(3000)
    lab.kill()
    resumed = lab.resume(run)
    lab.parked(resumed)
    clock.advance(600)
    assert resumed.result(LIMIT_S) == {"slept": 3600.0}
    assert [node.node_id for node in resumed.nodes] == ["sleep"]


def test_22_sleeps_end_in_the_order_of_their_times_also_after_a_kill(timed: tuple[Lab, FakeClock]) -> None:
    lab, clock = timed
    lab.cell("""
@graph_fn
async def agent(*, context):
    order = []
    async def sleep(seconds):
        await context.clock().sleep(seconds)
        order.append(seconds)
    await asyncio.gather(*[sleep(seconds) for seconds in (30, 10, 20)])
    return {"order": order}
""")
    run = lab.start("agent")
    lab.parked(run)
    lab.kill()
    clock.advance(100)
    assert lab.resume(run).result(LIMIT_S) == {"order": [10, 20, 30]}


def test_a_sleep_is_listed_and_nobody_is_asked_for_it(timed: tuple[Lab, FakeClock]) -> None:
    lab, clock = timed
    lab.cell(SLEEPING)
    run = lab.start("agent")
    lab.parked(run)
    (wait,) = lab.runtime.waits()
    assert (wait.kind, wait.prompt, wait.deadline, wait.schema.by_person) == (
        "timer", "sleep 3600 s", clock.now() + 3600, False,
    )  # fmt: skip
    with pytest.raises(BadAnswer, match="a timer ends by itself"):
        lab.runtime.answer(wait.token, "now")
    with pytest.raises(UnknownWait, match="has no open question: it is waiting"):
        run.answer("now")
    clock.advance(3600)
    run.result(LIMIT_S)
    assert lab.runtime.waits() == []


def test_a_sleep_is_a_node_of_the_picture_and_no_question(timed: tuple[Lab, FakeClock]) -> None:
    lab, clock = timed
    lab.cell(SLEEPING)
    run = lab.start("agent")
    lab.parked(run)
    picture = run.picture()
    assert isinstance(picture, Picture)
    assert (picture.nodes[1].label, picture.nodes[1].status) == ("sleep 3600 s", NodeStatus.WAITING)
    assert picture.asks == {}
    assert run.transcript() == []
    clock.advance(3600)
    run.result(LIMIT_S)
    assert run.picture().nodes[1].status is NodeStatus.DONE


def test_18_a_sleep_that_the_body_gives_up_is_withdrawn(timed: tuple[Lab, FakeClock]) -> None:
    lab, _ = timed
    lab.cell("""
@graph_fn
async def agent(*, context):
    task = asyncio.create_task(context.clock().sleep(3600))
    await context.channel().ask_text("name?")
    task.cancel()
    await context.channel().ask_text("go on?")
""")
    run = lab.start("agent")
    lab.answer(run, "name?", "Ada")
    lab.asked(run, "go on?")
    assert [wait.prompt for wait in lab.runtime.waits()] == ["go on?"]
    lab.parked(run)
    assert len(lab.runtime.alarms) == 0
    run.answer("yes")
    run.result(LIMIT_S)


@pytest.mark.parametrize("how", ["async def", "def"])
def test_a_sleep_in_a_tool_gives_its_slot_to_others(lab: Lab, how: str) -> None:
    lab.cell(f"""
@tool(outputs=["y"])
{how} slow(*, context):
    {"await " if how == "async def" else ""}context.clock().sleep(0.05)
    ran("slept")
    return 1
@tool(outputs=["y"])
async def quick():
    ran("quick")
    return 1
@graph_fn
async def agent():
    await asyncio.gather(slow(), quick())
""")
    lab.start("agent", cap=1).result(LIMIT_S)
    assert lab.took() == ["quick", "slept"]


def test_a_sleep_of_nothing_is_no_node(lab: Lab) -> None:
    lab.cell("@graph_fn\nasync def agent(*, context):\n    await context.clock().sleep(0)\n    return {'y': 1}")
    run = lab.start("agent")
    assert run.result(LIMIT_S) == {"y": 1}
    assert not any(isinstance(fact, f.WaitOpened) for fact in lab.facts(run))


def test_4_a_sleep_of_asyncio_stays_what_it_is(lab: Lab) -> None:
    lab.cell("@graph_fn\nasync def agent(*, context):\n    await asyncio.sleep(0.01)\n    return {'y': 1}")
    run = lab.start("agent")
    assert run.result(LIMIT_S) == {"y": 1}
    assert any(isinstance(fact, f.TimerFired) for fact in lab.facts(run))
