"""Ending one node, and what static graphs leave out: semantics 18."""

from __future__ import annotations

import asyncio
import concurrent.futures

import pytest

from aethergraph import NodeStatus, RunStatus
from aethergraph.errors import AlreadyAnswered, NodeFailed, RunCancelled
from aethergraph.record import facts as f
from aethergraph.scheduler import outside

from .lab import LIMIT_S, Lab

CELL = """
from aethergraph import graphify

@tool
async def fit(n):
    ran(f"fit {n}")
    if not flag("QUICK"):
        await asyncio.Event().wait()
    return n

@tool
async def other(n):
    ran(f"other {n}")
    return n

@graph_fn
async def agent(*, context):
    try:
        await fit(1)
    except asyncio.CancelledError as error:
        told = str(error)
    await context.channel().ask_text("go?")
    return told

@graph_fn
async def careless():
    await fit(1)

@graphify
def study(n):
    fitted = fit(n)
    return {"fitted": other(fitted), "beside": other(7)}
"""


@pytest.fixture
def cells(lab: Lab) -> Lab:
    lab.cell(CELL)
    return lab


def started(facts: list[f.AnyFact], *names: str) -> bool:
    return set(names) <= {fact.node_id for fact in facts if isinstance(fact, f.NodeStarted)}


def test_18_whoever_awaits_a_cancelled_node_is_told_and_a_replay_tells_the_same(cells: Lab) -> None:
    run = cells.start("agent")
    cells.until(run, lambda facts: started(facts, "fit"))
    run.cancel(node="fit")
    cells.asked(run, "go?")
    cells.kill()
    again = cells.resume(run)
    cells.answer(again, "go?", "yes")
    assert again.result(LIMIT_S)["result"] == f"node fit of run {run.run_id} was cancelled"
    assert cells.took() == ["fit 1"]


@pytest.mark.parametrize("agent", ["careless", "study"])
def test_a_cancelled_node_that_nobody_caught_fails_the_run_and_is_tried_again(
    cells: Lab, monkeypatch: pytest.MonkeyPatch, agent: str
) -> None:
    run = cells.start(agent, **({"n": 1} if agent == "study" else {}))
    cells.until(run, lambda facts: started(facts, "fit"))
    run.cancel(node="fit")
    with pytest.raises(NodeFailed, match="node 'fit' of run") as raised:
        run.result(LIMIT_S)
    assert isinstance(raised.value.__cause__, asyncio.CancelledError)
    assert cells.runtime.load(run.run_id).status is RunStatus.FAILED
    assert "other 1" not in cells.took()
    cells.kill()
    monkeypatch.setenv("QUICK", "1")
    cells.resume(run).result(LIMIT_S)
    assert cells.took()[0] == "fit 1"


def test_a_node_that_is_not_running_is_named_with_those_that_are(cells: Lab) -> None:
    run = cells.start("agent")
    cells.until(run, lambda facts: started(facts, "fit"))
    with pytest.raises(LookupError, match="no node 'fti' of run .* running are: fit"):
        run.cancel(node="fti")
    run.cancel()
    run.future.exception(LIMIT_S)
    with pytest.raises(LookupError, match="it is cancelled"):
        run.cancel(node="fit")


def test_a_cancelled_run_has_no_node_that_goes_on(cells: Lab) -> None:
    run = cells.start("agent")
    cells.until(run, lambda facts: started(facts, "fit"))
    run.cancel()
    with pytest.raises(RunCancelled):
        run.result(LIMIT_S)
    assert [node.status for node in run.nodes] == [NodeStatus.CANCELLED]
    assert [node.status for node in cells.runtime.load(run.run_id).nodes] == [NodeStatus.CANCELLED]


SKIPS = """
from aethergraph import graphify

@tool
async def check(n):
    return n > 3

@tool
async def deep(n):
    ran("deep")
    return 10 * n

@tool
async def after(deep_):
    return deep_

@graphify
def study(n):
    good = check(n)
    found = deep(n, _condition=good)
    return {"good": good, "found": found, "after": after(found)}

@graph_fn
async def agent(n: int, *, context):
    out = await study(n)
    await context.channel().ask_text("go?")
    return {"found": out.found, "after": out.after}
"""


@pytest.mark.parametrize("agent", ["study", "agent"])
def test_an_output_of_a_skipped_node_is_none_and_the_node_says_why(lab: Lab, agent: str) -> None:
    lab.cell(SKIPS)
    run = lab.start(agent, n=1)
    if agent == "agent":
        lab.asked(run, "go?")
        lab.kill()
        run = lab.resume(run)
        lab.answer(run, "go?", "yes")
    outputs = run.result(LIMIT_S)
    assert outputs["found"] is None and outputs["after"] is None
    by_id = {node.node_id: node.status for node in run.nodes}
    assert by_id["deep"] is NodeStatus.SKIPPED and by_id["after"] is NodeStatus.SKIPPED
    shown = {node.node_id: (str(node.status), node.why) for node in run.picture().nodes.values()}
    assert shown["deep"] == ("skipped", "its condition does not hold")
    assert shown["after"] == ("skipped", "what it needs was skipped")
    assert sum(isinstance(fact, f.NodeSkipped) for fact in lab.facts(run)) == 2


def test_what_was_skipped_runs_where_the_edited_code_does_not_skip_it(lab: Lab) -> None:
    lab.cell(SKIPS.replace("return deep_", "raise ValueError"))
    run = lab.start("study", n=1)
    run.result(LIMIT_S)
    lab.cell(SKIPS.replace("n > 3", "n > 0"))
    fork = run.fork(at="check")
    assert dict(fork.result(LIMIT_S)) == {"good": True, "found": 10, "after": 10}
    assert lab.took() == ["deep"]


ON_ERROR = """
from aethergraph import graphify

@tool
async def bad():
    raise ValueError("no")

@tool
async def good(n):
    ran(f"good {n}")
    return n

@graphify
def study():
    return {"bad": bad(), "second": good(good(1))}

@graph_fn
async def reactive():
    return 1
"""


def test_a_run_may_say_what_a_failure_does_to_the_rest(lab: Lab) -> None:
    lab.cell(ON_ERROR)
    run = lab.runtime.start(lab.cells["study"], {}, on_error="finish")
    with pytest.raises(NodeFailed):
        run.result(LIMIT_S)
    assert lab.took() == ["good 1", "good 1"]
    run = lab.runtime.start(lab.cells["study"], {}, on_error="stop")
    with pytest.raises(NodeFailed):
        run.result(LIMIT_S)
    assert len(lab.took()) < 2
    with pytest.raises(ValueError, match="on_error= is for static graphs, and reactive is a @graph_fn"):
        lab.runtime.start(lab.cells["reactive"], {}, on_error="stop")
    with pytest.raises(ValueError, match='"finish"'):
        lab.runtime.start(lab.cells["study"], {}, on_error="go on")


GIVEN_UP = """
gate = threading.Event()

@tool(mutates=())
def first():
    ran("first")
    gate.wait()

@tool
def second():
    ran("second")

@graph_fn
async def agent(*, context):
    held = asyncio.create_task(first())
    try:
        async with asyncio.timeout(0.1):
            await second()
    except TimeoutError:
        ran("given up")
    await context.channel().ask_text("Go on?")
    await held
"""


def test_18_a_call_that_is_given_up_before_a_thread_is_there_for_it_never_runs(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = concurrent.futures.ThreadPoolExecutor(1)
    monkeypatch.setattr(outside, "_threads", pool)
    lab.cell("import threading")
    lab.cell(GIVEN_UP)
    run = lab.start("agent")
    token = lab.asked(run, "Go on?")
    lab.cells["gate"].set()
    lab.runtime.answer(token, "yes")
    run.result(LIMIT_S)
    pool.shutdown(wait=True)
    assert lab.took() == ["first", "given up"]


ASKING = """
from aethergraph import graphify
from aethergraph import tools

@tool
async def other(n):
    ran(f"other {n}")
    return n

@graphify
def survey(n):
    asked = tools.ask_text("Your name?", channel="inbox", _id="who")
    return {"name": asked.text, "beside": other(n)}
"""


def test_26_what_a_cancelled_dual_stage_node_asks_is_asked_no_more_and_a_retry_asks_anew(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("survey", n=1)
    token = lab.asked(run, "Your name?")
    run.cancel(node="who")
    with pytest.raises((asyncio.CancelledError, concurrent.futures.CancelledError, NodeFailed)):
        run.result(LIMIT_S)
    assert lab.runtime.waits() == []
    with pytest.raises(AlreadyAnswered, match="withdrawn"):
        lab.runtime.answer(token, "too late")
    again = lab.resume(run)
    lab.answer(again, "Your name?", "Ada")
    assert again.result(LIMIT_S) == {"name": "Ada", "beside": 1}
    assert lab.took() == ["other 1"]
