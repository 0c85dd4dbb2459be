"""Every status has a sign in text."""

from __future__ import annotations

from aethergraph import NodeStatus, RunStatus
from aethergraph.views.marks import MARKS


def test_every_status_has_a_sign_and_those_of_runs_differ() -> None:
    assert set(MARKS) == {*RunStatus, *NodeStatus}
    assert len({MARKS[status] for status in RunStatus}) == len(RunStatus)
