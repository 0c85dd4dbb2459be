"""What a history means for a call: small histories, read off by hand."""

from __future__ import annotations

from typing import Any

import pytest

from aethergraph.ids import Key
from aethergraph.record import facts as f
from aethergraph.record.flow import Flow, Todo
from aethergraph.record.status import NodeStatus, RunStatus

STARTED = f.RunStarted("r", "agent", 0.0, b"", b"")
OPENED = f.RunOpened(1, 0.0)
ERROR = f.Error("builtins", "ValueError", "no")


def key(no: int) -> Key:
    return Key(b"key %d" % no)


def started(no: int, **more: Any) -> f.NodeStarted:
    settings: dict[str, Any] = {"scope": 0, "path": "", "at": -1, "callee": "fit", "kind": f.TOOL, "validity": b"v"}
    settings |= {"node_id": f"{settings['callee']}-{no}", "t": 0.0} | more
    return f.NodeStarted(no=no, key=key(no), **settings)


def done(no: int, **more: Any) -> f.NodeDone:
    return f.NodeDone(no, True, b"value", 0.0, **more)


def failed(no: int) -> f.NodeDone:
    return f.NodeDone(no, False, b"", 0.0, ERROR)


def flow(*facts: f.AnyFact) -> Flow:
    return Flow.of([STARTED, OPENED, *facts])


def decide(state: Flow, no: int, validity: bytes = b"v", **more: Any) -> tuple[Todo, str]:
    decision = state.request(key(no), lambda: validity, **more)
    return decision.todo, decision.why


def never() -> bytes:
    raise AssertionError("the code of an unknown call need not be looked at")


def test_an_unknown_call_starts() -> None:
    decision = flow().request(key(1), never)
    assert (decision.todo, decision.node, decision.why) == (Todo.START, None, "")


def test_a_finished_call_is_reused_and_a_failure_is_an_outcome_too() -> None:
    state = flow(started(1), done(1), started(2), failed(2))
    assert decide(state, 1) == decide(state, 2) == (Todo.REUSE, "")
    assert [node.status for node in state.nodes] == [NodeStatus.DONE, NodeStatus.FAILED]


@pytest.mark.parametrize(
    ("facts", "validity", "more", "why"),
    [
        ([started(1)], b"v", {}, "it was not finished"),
        ([started(1), done(1)], b"w", {}, "the code of fit changed"),
        (
            [started(1), done(1, volatile="it changed one of its arguments")],
            b"v",
            {},
            "it changed one of its arguments",
        ),
        ([started(1), done(1)], b"v", {"independent": lambda node: f"{node.node_id} follows"}, "fit-1 follows"),
    ],
)
def test_a_known_call_starts_again_with_a_reason(
    facts: list[f.AnyFact], validity: bytes, more: dict[str, Any], why: str
) -> None:
    assert decide(flow(*facts), 1, validity, **more) == (Todo.START, why)


def test_the_user_may_say_that_an_edit_changes_nothing() -> None:
    assert decide(flow(started(1), done(1)), 1, b"w", same=True) == (Todo.REUSE, "")


def test_a_cancelled_call_stays_pending_whatever_its_result_was() -> None:
    assert decide(flow(started(1), f.CallCancelled(1, key(1))), 1)[0] is Todo.PENDING
    late = flow(started(1), done(1), f.CallCancelled(1, key(1)))
    assert decide(late, 1)[0] is Todo.PENDING
    assert key(1) not in late.positions


def test_deliveries_are_numbered_in_the_order_of_the_journal() -> None:
    state = flow(started(1), started(2), done(2), f.TimerFired(b"timer", 0, "", -1), done(1))
    assert [state.positions[Key(k)] for k in (key(2), b"timer", key(1))] == [0, 1, 2]
    assert state.deliveries == 3


def test_what_runs_again_after_an_edit_moves_to_its_new_place() -> None:
    state = flow(started(1), done(1), started(2), done(2), started(1, execution=2), done(1), OPENED)
    assert [entry.key for entry in state.order] == [key(2), key(1)]


def test_what_was_redone_keeps_its_place() -> None:
    state = flow(started(1), done(1), started(2), done(2), started(1, execution=2), done(1, redo=True), OPENED)
    assert [entry.key for entry in state.order] == [key(1), key(2)]


def test_a_take_over_leaves_nothing_running() -> None:
    state = flow(started(1), started(2), done(2))
    state.fold(f.RunOpened(2, 0.0))
    assert [node.status for node in state.nodes] == [NodeStatus.READY, NodeStatus.DONE]


def test_a_failed_run_forgets_the_fatal_failure_and_what_followed_it_in_its_lineage() -> None:
    state = flow(
        started(1), done(1),
        started(2, path="/a:0"), failed(2),
        started(3, path="/a:0", at=1), done(3),  # a `finally` of the same task
        started(4, at=1), done(4),  # its parent
        started(5, path="/b:0", at=1), done(5),  # a sibling
        f.RunFailed(ERROR, [2], 0.0), OPENED,
    )  # fmt: skip
    assert [decide(state, no)[0] for no in range(1, 6)] == [
        Todo.REUSE, Todo.START, Todo.START, Todo.START, Todo.REUSE,
    ]  # fmt: skip
    assert state.status is RunStatus.RUNNING
    assert state.failure is None


def test_a_failure_in_a_nested_graph_is_undone_in_the_scopes_around_it() -> None:
    state = flow(
        started(1, kind=f.GRAPH),
        started(2, scope=1), done(2),
        started(3, scope=1, at=0), failed(3), failed(1),
        started(4, at=2), done(4),
        f.RunFailed(ERROR, [3], 0.0), OPENED,
    )  # fmt: skip
    assert [decide(state, no)[0] for no in (1, 2, 3, 4)] == [Todo.START, Todo.REUSE, Todo.START, Todo.START]


def test_the_answer_to_a_question_of_a_failed_try_is_not_used_for_the_next() -> None:
    asked = [started(2, kind=f.WAIT, at=0), f.WaitOpened(2, "token", b"", 0.0), done(2)]
    state = flow(started(1), failed(1), *asked, f.RunFailed(ERROR, [1], 0.0), OPENED)
    assert state.nodes[1].round == 2
    assert state.nodes[1].wait is None


def test_names_go_on_after_those_that_were_given() -> None:
    state = flow(started(1, node_id="fit"), started(2, node_id="fit-2"), started(3, node_id="mine"))
    assert [state.name("fit"), state.name("fit"), state.name("mine"), state.name("new")] == [
        "fit-3", "fit-4", "mine-2", "new",
    ]  # fmt: skip


def test_open_questions_are_those_neither_answered_nor_withdrawn() -> None:
    questions = [fact for no in (1, 2, 3) for fact in (started(no, kind=f.WAIT), f.WaitOpened(no, f"t{no}", b"", 0.0))]
    state = flow(*questions, done(1), f.WaitWithdrawn(2, 0.0))
    assert [node.no for node in state.open_waits] == [3]
    assert state.nodes[1].status is NodeStatus.CANCELLED


@pytest.mark.parametrize(
    ("fact", "status"),
    [
        (f.RunDone(b"", 0.0), RunStatus.DONE),
        (f.RunFailed(ERROR, [], 0.0), RunStatus.FAILED),
        (f.RunPaused("why", 0.0), RunStatus.PAUSED),
        (f.RunCancelled("a user", 0.0), RunStatus.CANCELLED),
    ],
)
def test_the_last_fact_says_how_the_run_stands(fact: f.AnyFact, status: RunStatus) -> None:
    assert flow(fact).status is status
