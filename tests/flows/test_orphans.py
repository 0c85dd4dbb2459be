"""Nodes that are on record and that no code calls any more, after an edit or a fork. Semantics 26."""

from __future__ import annotations

from aethergraph import Run
from aethergraph.record.status import NodeStatus, RunStatus
from aethergraph.runner import runs

from .lab import LIMIT_S, Lab

TOOLS = """
@tool(outputs=["n"])
async def load(n):
    if n < 0:
        raise ValueError("below 0")
    return n

@tool(outputs=["n"])
async def fetch(n):
    return n + 100

@tool(outputs=["answer"])
async def asking(*, context):
    return await context.channel().ask_text("In a tool?")

@graph_fn(outputs=["n"])
async def inner(n):
    return (await load(n)).n
"""
AGENT = """
@graph_fn
async def agent(*, context: NodeContext):
    n = (await {first}).n
    await asking()
    await inner(7)
    await context.channel().ask_text("Go on?")
    return n
"""
NONE_LEFT = {
    "load": "reused", "asking": "reused", "ask": "reused", "inner": "reused", "load-2": "reused", "ask-2": "done"
}  # fmt: skip


def _asked(lab: Lab, first: str) -> Run:
    lab.cell(TOOLS)
    lab.cell(AGENT.format(first=first))
    run = lab.start("agent")
    lab.answer(run, "In a tool?", "yes")
    lab.asked(run, "Go on?")
    return run


def _ended(lab: Lab, run: Run) -> dict[str, str]:
    """The picture's word for each node, once the run was answered and is done."""
    lab.answer(run, "Go on?", "yes")
    run.result(LIMIT_S)
    return {node.node_id: str(node.status) for node in run.picture().nodes.values()}


def test_26_a_run_that_is_resumed_as_it_was_has_no_orphans(lab: Lab) -> None:
    run = _asked(lab, "load(1)")
    lab.kill()
    assert _ended(lab, lab.resume(run)) == NONE_LEFT


def test_26_a_node_that_the_edited_code_does_not_call_is_told_as_that(lab: Lab) -> None:
    run = _asked(lab, "load(1)")
    lab.kill()
    lab.cell(AGENT.format(first="fetch(1)"))
    again = lab.resume(run)
    words = _ended(lab, again)
    assert words.pop("fetch") == "done"
    assert words == NONE_LEFT | {"load": "skipped", "asking": "done"}, "what follows a node that ran runs again"
    assert next(node.why for node in again.picture().nodes.values() if node.node_id == "load") == (
        "no code calls it any more"
    )
    (info,) = runs()
    assert (info.nodes, info.nodes_done) == (7, 6)


def test_26_what_is_inside_a_graph_that_is_not_called_any_more_goes_with_it(lab: Lab) -> None:
    run = _asked(lab, "load(1)")
    lab.kill()
    lab.cell(AGENT.format(first="load(1)").replace("    await inner(7)\n", ""))
    assert _ended(lab, lab.resume(run)) == NONE_LEFT | {"inner": "skipped", "load-2": "skipped"}


def test_26_a_failure_that_the_edited_code_went_round_is_no_failure_of_the_run(lab: Lab) -> None:
    lab.cell(TOOLS)
    lab.cell(AGENT.format(first="load(-1)"))
    run = lab.start("agent")
    assert isinstance(run.future.exception(LIMIT_S), ValueError)
    lab.kill()
    lab.cell(AGENT.format(first="fetch(1)"))
    again = lab.resume(run)
    lab.answer(again, "In a tool?", "yes")
    words = _ended(lab, again)
    assert (words["load"], words["fetch"], again.status) == ("skipped", "done", RunStatus.DONE)


def test_26_code_that_comes_back_finds_what_it_gave(lab: Lab) -> None:
    run = _asked(lab, "load(1)")
    lab.kill()
    lab.cell(AGENT.format(first="fetch(1)"))
    again = lab.resume(run)
    _ended(lab, again)
    lab.cell(AGENT.format(first="load(1)"))
    fork = lab.runtime.fork(run.run_id, namespace=lab.cells.names)
    assert fork.result(LIMIT_S).result == 1
    assert {node.node_id: node.status for node in fork.picture().nodes.values()}["load"] is NodeStatus.REUSED
    assert {node.node_id: node.status for node in fork.picture().nodes.values()}["fetch"] is NodeStatus.SKIPPED


def test_26_in_a_fork_what_hung_on_the_old_value_is_told_as_left(lab: Lab) -> None:
    run = _asked(lab, "load(1)")
    _ended(lab, run)
    lab.cell(AGENT.format(first="load(1)").replace("inner(7)", "inner(8)"))
    fork = lab.runtime.fork(run.run_id, namespace=lab.cells.names)
    fork.result(LIMIT_S)
    words = {node.node_id: str(node.status) for node in fork.picture().nodes.values()}
    assert (words["inner"], words["load-2"], words["inner-2"]) == ("skipped", "skipped", "done")


STATIC = """
@graphify(inputs=["n"], outputs=["n"])
def flow(n):
    a = load(n)
    b = {second}
    return {{"n": b.n}}
"""


def test_26_a_node_that_left_a_static_graph_is_told_as_that(lab: Lab) -> None:
    lab.cell("from aethergraph import graphify\n" + TOOLS)
    lab.cell(STATIC.format(second="fetch(a.n)"))
    run = lab.start("flow", n=1)
    run.result(LIMIT_S)
    lab.cell(STATIC.format(second="load(a.n)"))
    fork = lab.runtime.fork(run.run_id, namespace=lab.cells.names)
    fork.result(LIMIT_S)
    words = {node.node_id: str(node.status) for node in fork.picture().nodes.values()}
    assert (words["load"], words["fetch"]) == ("reused", "skipped")
