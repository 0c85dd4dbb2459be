"""Events and signals: semantics 21, 22, 23, 24, 25 and 26."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Runtime
from aethergraph.errors import AlreadyAnswered, RunEnded, UnknownRun, WaitTimeout
from aethergraph.record import facts as f
from aethergraph.record.status import RunStatus
from aethergraph.storage import signals
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.store import MemoryStore
from aethergraph.testing import FakeClock

from .lab import LIMIT_S, Lab, laboratory

ONE = """
@graph_fn
async def agent(*, context):
    return {"got": await context.wait_event("go")}
"""
THREE = """
@graph_fn
async def agent(*, context):
    got = [await context.wait_event("go") for _ in range(3)]
    return {"got": got}
"""
ASKS_FIRST = """
@graph_fn
async def agent(*, context):
    await context.channel().ask_text("ready?")
    return {"got": [await context.wait_event("go") for _ in range(2)]}
"""


@pytest.fixture
def timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Lab, FakeClock]]:
    """A lab whose clock stands still."""
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    clock = FakeClock()
    with laboratory(tmp_path / "store", clock) as made:
        yield made, clock


def taken(lab: Lab, run: Any) -> list[int]:
    return [fact.seq for fact in lab.facts(run) if isinstance(fact, f.SignalTaken)]


def test_23_a_run_goes_on_when_a_signal_comes(lab: Lab) -> None:
    lab.cell(ONE)
    run = lab.start("agent")
    lab.asked(run, "go")
    (wait,) = lab.runtime.waits()
    assert (wait.kind, wait.prompt, wait.schema.by_person) == ("event", "go", False)
    assert run.status is RunStatus.WAITING
    lab.runtime.signal("other", 1)
    lab.runtime.signal("go", {"x": [1, None]})
    assert run.result(LIMIT_S) == {"got": {"x": [1, None]}}
    assert lab.runtime.waits() == []
    assert taken(lab, run) == [2]


def test_23_every_run_that_started_before_a_signal_sees_it_once(lab: Lab) -> None:
    lab.cell(ASKS_FIRST)
    lab.runtime.signal("go", "before anyone")
    early = lab.start("agent")
    lab.asked(early, "ready?")
    lab.runtime.signal("go", 1)
    late = lab.start("agent")
    lab.asked(late, "ready?")
    lab.runtime.signal("go", 2)
    for run in (early, late):
        lab.answer(run, "ready?", "yes")
    assert early.result(LIMIT_S) == {"got": [1, 2]}
    lab.asked(late, "go")
    lab.runtime.signal("go", 3)
    assert late.result(LIMIT_S) == {"got": [2, 3]}


def test_23_a_mailbox_of_a_run_is_first_in_first_out_and_nobody_elses(lab: Lab) -> None:
    lab.cell(THREE)
    one, other = lab.start("agent", run_id="one"), lab.start("agent", run_id="other")
    lab.asked(one, "go")
    lab.asked(other, "go")
    for number in range(3):
        lab.runtime.signal("go", number, run_id="one")
    assert one.result(LIMIT_S) == {"got": [0, 1, 2]}
    assert taken(lab, other) == []
    for number in "abc":
        lab.runtime.signal("go", number, run_id="other")
    assert other.result(LIMIT_S) == {"got": ["a", "b", "c"]}


def test_23_signals_for_all_and_for_one_come_in_the_order_of_the_log(lab: Lab) -> None:
    lab.cell(THREE)
    run = lab.start("agent", run_id="one")
    lab.asked(run, "go")
    lab.kill()
    lab.runtime.signal("go", "first", run_id="one")
    lab.runtime.signal("go", "second")
    lab.runtime.signal("go", "third", run_id="one")
    assert lab.resume(run).result(LIMIT_S) == {"got": ["first", "second", "third"]}


def test_23_of_two_waits_for_one_name_each_gets_its_own_signal(lab: Lab) -> None:
    """Fault 3 of LangGraph: parallel tools shared one id, so answers went to the wrong one."""
    lab.cell("""
@tool(outputs=["got"])
async def listen(n, *, context):
    return await context.wait_event("go")
@tool(outputs=["got"])
def listen_in_thread(*, context):
    return context.wait_event("go")
@graph_fn
async def agent(*, context):
    a, b, c = await asyncio.gather(listen(1), listen(2), listen_in_thread())
    return {"got": sorted([a.got, b.got, c.got])}
""")
    run = lab.start("agent")
    lab.until(run, lambda facts: sum(isinstance(x, f.WaitOpened) for x in facts) == 3)
    for number in range(3):
        lab.runtime.signal("go", number)
    assert run.result(LIMIT_S) == {"got": [0, 1, 2]}
    assert sorted(taken(lab, run)) == [1, 2, 3]


def test_23_consumption_is_on_record_and_survives_kills(lab: Lab) -> None:
    lab.cell(THREE)
    run = lab.start("agent")
    lab.asked(run, "go")
    lab.runtime.signal("go", 1)
    lab.until(run, lambda facts: sum(isinstance(x, f.WaitOpened) for x in facts) == 2)
    lab.kill()
    run = lab.resume(run)
    lab.asked(run, "go")
    lab.runtime.signal("go", 2)
    lab.runtime.signal("go", 3)
    assert run.result(LIMIT_S) == {"got": [1, 2, 3]}


def test_23_a_fork_inherits_the_position(lab: Lab) -> None:
    lab.cell(THREE)
    run = lab.start("agent")
    lab.asked(run, "go")
    lab.runtime.signal("go", 1)
    lab.until(run, lambda facts: sum(isinstance(x, f.WaitOpened) for x in facts) == 2)
    lab.kill()
    fork = lab.runtime.load(run.run_id).fork()
    lab.asked(fork, "go")
    lab.runtime.signal("go", 2)
    lab.runtime.signal("go", 3)
    assert fork.result(LIMIT_S) == {"got": [1, 2, 3]}
    assert lab.resume(run).result(LIMIT_S) == {"got": [1, 2, 3]}


def test_17_a_signal_that_was_taken_after_a_failure_is_free_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKEN", "1")
    lab.cell("""
@tool
def fit():
    if flag("BROKEN"): raise ValueError("no")
    return 1
@graph_fn
async def agent(*, context):
    try:
        await fit()
    finally:
        got = await context.wait_event("go")
        ran(f"got {got}")
    return {"got": got}
""")
    run = lab.start("agent")
    lab.asked(run, "go")
    lab.runtime.signal("go", 1)
    with pytest.raises(ValueError, match="no"):
        run.result(LIMIT_S)
    monkeypatch.delenv("BROKEN")
    assert lab.resume(run).result(LIMIT_S) == {"got": 1}
    assert lab.took() == ["got 1", "got 1"]


def test_22_a_deadline_takes_the_default_and_the_signal_is_for_the_next_wait(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def agent(*, context):
    first = await context.wait_event("go", timeout_s=0.02, default=None)
    await context.channel().ask_text("ready?")
    return {"got": [first, await context.wait_event("go")]}
""")
    run = lab.start("agent")
    lab.asked(run, "ready?")
    lab.runtime.signal("go", 1)
    lab.answer(run, "ready?", "yes")
    assert run.result(LIMIT_S) == {"got": [None, 1]}


def test_22_without_a_default_it_is_a_timeout(lab: Lab) -> None:
    lab.cell("@graph_fn\nasync def agent(*, context):\n    await context.wait_event('go', timeout_s=0.02)")
    with pytest.raises(WaitTimeout, match="no answer within 0.02 s to: 'go'"):
        lab.run("agent")


@pytest.mark.parametrize(("sent_after_s", "got"), [(30, "signal"), (60, "nobody"), (90, "nobody")])
def test_22_a_signal_counts_by_its_own_time_and_not_by_when_it_is_found(
    timed: tuple[Lab, FakeClock], sent_after_s: float, got: str
) -> None:
    lab, clock = timed
    lab.cell("""
@graph_fn
async def agent(*, context):
    return {"got": await context.wait_event("go", timeout_s=60, default="nobody")}
""")
    run = lab.start("agent")
    lab.asked(run, "go")
    lab.kill()
    clock.advance(sent_after_s)
    lab.runtime.signal("go", "signal")
    clock.advance(1000)
    assert lab.runtime.waits() == []  # nor by who looks: only the run itself knows what came for it in time
    assert lab.resume(run).result(LIMIT_S) == {"got": got}


def test_26_a_wait_that_the_body_gives_up_leaves_its_signal_to_the_next(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def agent(*, context):
    try:
        async with context.timeout(0.02):
            await context.wait_event("go")
    except TimeoutError:
        pass
    return {"got": await context.wait_event("go")}
""")
    run = lab.start("agent")
    lab.until(run, lambda facts: sum(isinstance(x, f.WaitOpened) for x in facts) == 2)
    assert len(lab.runtime.waits()) == 1
    lab.runtime.signal("go", 1)
    assert run.result(LIMIT_S) == {"got": 1}


def test_18_26_a_signal_on_its_way_to_a_wait_that_is_given_up_is_for_the_next(lab: Lab) -> None:
    """Both are there when the run is taken up: the first wins, and what was on its way to the other is not lost."""
    lab.cell("""
@graph_fn
async def agent(*, context):
    a, b = [asyncio.create_task(context.wait_event(name)) for name in ("a", "b")]
    done, rest = await asyncio.wait([a, b], return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    first = [task.result() for task in done]
    await context.channel().ask_text("go on?")
    return {"got": [first, await context.wait_event("b"), await context.wait_event("b")]}
""")
    run = lab.start("agent")
    lab.asked(run, "b")
    lab.kill()
    for name, payload in (("a", 1), ("b", 2), ("b", 3)):
        lab.runtime.signal(name, payload)
    run = lab.resume(run)
    lab.asked(run, "go on?")
    lab.kill()  # what is free is so on record
    run = lab.resume(run)
    lab.answer(run, "go on?", "yes")
    assert run.result(LIMIT_S) == {"got": [[1], 2, 3]}


def test_26_a_wait_that_the_edited_code_does_not_have_is_withdrawn(lab: Lab) -> None:
    lab.cell(ONE)
    run = lab.start("agent")
    token = lab.asked(run, "go")
    lab.kill()
    lab.cell(ONE.replace('"go"', '"stop"'))
    run = lab.resume(run)
    said = lab.until(run, lambda facts: any(isinstance(x, f.WaitWithdrawn) for x in facts))
    assert [x.why for x in said if isinstance(x, f.WaitWithdrawn)] == ["the code that asked is gone"]
    with pytest.raises(AlreadyAnswered, match="already withdrawn"):
        lab.runtime.answer(token, 1)
    lab.runtime.signal("stop", 2)
    assert run.result(LIMIT_S) == {"got": 2}


def test_21_it_can_be_answered_by_its_token_too_and_the_signal_is_not_used_up(lab: Lab) -> None:
    lab.cell(ASKS_FIRST)
    run = lab.start("agent")
    lab.answer(run, "ready?", "yes")
    lab.runtime.answer(lab.asked(run, "go"), "by token")
    lab.until(run, lambda facts: sum(isinstance(x, f.WaitOpened) for x in facts) == 3)
    lab.runtime.signal("go", "signal")
    assert run.result(LIMIT_S) == {"got": ["by token", "signal"]}


def test_24_25_a_run_that_waits_for_a_signal_leaves_memory_and_is_woken_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    with laboratory(tmp_path / "store", park_after_s=0.0) as lab:
        lab.cell(THREE)
        runs = [lab.start("agent", run_id=name) for name in ("one", "other")]
        for run in runs:
            lab.parked(run)
        lab.runtime.signal("go", 1, run_id="one")
        lab.until(runs[0], lambda facts: sum(isinstance(x, f.WaitOpened) for x in facts) == 2)
        lab.parked(runs[0])
        assert runs[1].parked and taken(lab, runs[1]) == []
        lab.runtime.signal("go", 2)
        lab.runtime.signal("go", 3)
        assert runs[0].result(LIMIT_S) == {"got": [1, 2, 3]}
        lab.runtime.signal("go", 4)
        assert runs[1].result(LIMIT_S) == {"got": [2, 3, 4]}


FROM_OUTSIDE = """
import sys
from aethergraph import Runtime
with Runtime(sys.argv[1]).use() as runtime:
    runtime.signal("go", "from outside")
    runtime.close()
"""


@pytest.mark.parametrize("park_after_s", [0.0, 60.0])
def test_25_a_signal_from_another_process_is_heard(tmp_path: Path, lab: Lab, park_after_s: float) -> None:
    lab.cell(ONE)
    runtime = Runtime(tmp_path / "disk", park_after_s=park_after_s)
    with runtime.use():
        agent = lab.cells["agent"]
        run = runtime.start(agent, {})
        asked = lab.until(run, lambda facts: any(isinstance(x, f.WaitOpened) for x in facts))
        assert asked
        subprocess.run([sys.executable, "-c", FROM_OUTSIDE, str(tmp_path / "disk")], check=True)
        assert run.result(LIMIT_S) == {"got": "from outside"}
    runtime.close()


# ---------------------------------------------------------------------- sending


def test_a_signal_for_a_run_that_is_not_there_or_over_is_refused(lab: Lab) -> None:
    lab.cell(ONE)
    with pytest.raises(UnknownRun, match="nobody"):
        lab.runtime.signal("go", run_id="nobody")
    run = lab.start("agent", run_id="over")
    lab.asked(run, "go")
    lab.runtime.signal("go", run_id="over")
    assert run.result(LIMIT_S) == {"got": None}
    with pytest.raises(RunEnded, match="run over is done: nothing of it will take signal 'go'"):
        lab.runtime.signal("go", run_id="over")


@pytest.mark.parametrize("payload", [object(), {1: 2}, (1, 2), {"x": {3}}])
def test_a_payload_that_is_not_plain_is_refused(lab: Lab, payload: object) -> None:
    with pytest.raises(TypeError, match=r"the payload of signal 'go' is not plain data \(None, bool, number"):
        lab.runtime.signal("go", payload)


def test_a_signal_has_a_name(lab: Lab) -> None:
    with pytest.raises(ValueError, match="a signal has a name"):
        lab.runtime.signal("")
    with pytest.raises(TypeError, match="got int"):
        lab.runtime.signal(3)
    lab.cell("@graph_fn\nasync def agent(*, context):\n    await context.wait_event('')")
    with pytest.raises(ValueError, match="a signal has a name"):
        lab.run("agent")


# ---------------------------------------------------------------------- the log


def test_the_log_is_numbered_and_read_in_pages(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs"))
    for number in range(200):
        signals.send(store, "a:b" if number % 2 else "a", number, "run" if number % 3 else "", float(number))
    assert signals.last(store) == 200
    for_one = [s.value for s in signals.waiting_for(store, "a", "run", 100, {103})]
    assert for_one == [n for n in range(100, 200) if n % 2 == 0 and n != 102]
    assert [s.value for s in signals.waiting_for(store, "a:b", "other", 0, ())] == list(range(3, 200, 6))
    assert [s.number for s in signals.since(store, 198)] == [199, 200]


def test_23_what_is_sent_while_the_boxes_are_read_is_not_taken_out_of_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal for all and then one for the run, both between the looks into their boxes: only the later is seen."""
    store = MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs"))
    scan, read = store.scan, list[str]()

    def scanning(prefix: str, **how: Any) -> Any:
        found = list(scan(prefix, **how))
        read.append(prefix)
        if len(read) == 1:
            boxes = ["", "run"] if prefix.startswith(signals.TO_ALL) else ["run", ""]
            for value, mailbox in enumerate(boxes, 1):
                signals.send(store, "a", value, mailbox, 0.0)
        return iter(found)

    monkeypatch.setattr(store, "scan", scanning)
    assert [s.value for s in signals.waiting_for(store, "a", "run", 0, ())] in ([], [1, 2])
    assert len(read) == 2
    assert [s.value for s in signals.waiting_for(store, "a", "run", 0, ())] == [1, 2]
