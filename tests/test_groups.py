"""Which nodes become one box."""

from __future__ import annotations

from collections import Counter

import pytest

from aethergraph.record.status import NodeStatus as S
from aethergraph.views.groups import Groups, finished, overall


def grouped(groups: Groups, scope: int = 0) -> list[list[int]]:
    return [group.members for group in groups.within.get(scope, [])]


def test_a_fan_out_folds_from_five_on() -> None:
    groups = Groups()
    groups.add(1, "load", 0, [])
    shapes = [groups.add(no, "fit", 0, [1]) for no in range(2, 9)]
    assert grouped(groups) == [[1], [2, 3, 4, 5, 6, 7, 8]]
    assert [group.folded for group in groups.within[0]] == [False, True]
    assert shapes == [True] * 5 + [False] * 2  # a sixth member changes a count, not the shape
    more = [groups.add(no, "fit", 0, [1]) for no in range(9, 14)]
    assert more == [False, False, True, False, False]  # the tenth: its box must be wide enough for "x10"


def test_nodes_of_other_parents_callees_or_scopes_stay_apart() -> None:
    groups = Groups()
    groups.add(1, "a", 0, [])
    groups.add(2, "b", 0, [])
    groups.add(3, "fit", 0, [1])
    groups.add(4, "fit", 0, [2])
    groups.add(5, "score", 0, [1])
    groups.add(6, "fit", 9, [1])
    assert grouped(groups) == [[1], [2], [3], [4], [5]] and grouped(groups, 9) == [[6]]


def test_a_chain_of_one_callee_is_one_group() -> None:
    groups = Groups()
    for no in range(1, 8):
        groups.add(no, "step", 0, [no - 1] if no > 1 else [])
    assert grouped(groups) == [[1, 2, 3, 4, 5, 6, 7]]


def test_a_second_stage_over_a_fan_out_folds_too() -> None:
    groups = Groups()
    for no in range(1, 7):
        groups.add(no, "fetch", 0, [])
    for no in range(7, 13):
        groups.add(no, "parse", 0, [no - 6])
    assert grouped(groups) == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]


def test_what_a_group_depends_on_stays_short() -> None:
    groups = Groups()
    for no in range(1, 1001):
        groups.add(no, "fetch", 0, [])
    for no in range(1001, 2001):
        groups.add(no, "parse", 0, [no - 1000])
    assert len(groups.of[1001].parents) <= 5


def test_counts_follow_the_members_in_both_views() -> None:
    groups = Groups()
    groups.add(1, "fit", 0, [])
    groups.of[1].move(None, S.RUNNING)
    groups.of[1].move(S.RUNNING, S.DONE)
    assert +groups.of[1].counts == Counter({S.DONE: 1}) == +groups.wide[0]["fit"].counts


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({S.DONE: 3, S.FAILED: 1}, S.FAILED),
        ({S.DONE: 3, S.WAITING: 1, S.RUNNING: 2}, S.WAITING),
        ({S.DONE: 3, S.READY: 1}, S.RUNNING),
        ({S.READY: 2}, S.READY),
        ({S.DONE: 1, S.REUSED: 2}, S.DONE),
        ({S.REUSED: 2, S.DONE: 0}, S.REUSED),
        ({}, S.PENDING),
    ],
)
def test_one_status_for_many(counts: dict[S, int], status: S) -> None:
    assert overall(Counter(counts)) is status


def test_reused_nodes_are_finished() -> None:
    assert finished(Counter({S.DONE: 2, S.REUSED: 3, S.FAILED: 1})) == 5
