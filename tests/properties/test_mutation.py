"""A model trained in place between nodes, killed and resumed, is the trained one (semantics 8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from aethergraph.authoring.reactive import Agent

from . import learner
from .history import history

WEIGHTS = [11.0, 11.0]


@pytest.mark.parametrize("agent", [learner.trained_by_a_tool, learner.trained_in_the_body], ids=lambda a: a.name)
def test_a_model_that_was_trained_in_place_stays_trained(agent: Agent, tmp_path: Path) -> None:
    with history(tmp_path) as runs:
        whole = runs.start(agent)
        assert whole.outcome["weights"] == WEIGHTS
        facts = whole.unfinished
        for cut in range(1, len(facts) + 1):
            resumed = runs.resume(whole.run.run_id, agent, facts[:cut])
            assert resumed.outcome == whole.outcome, f"after a kill at fact {cut} of {len(facts)}"
            again = runs.resume(whole.run.run_id, agent, resumed.unfinished)
            assert again.outcome == whole.outcome, f"after a kill at fact {cut} of {len(facts)}, and one at the end"


def test_the_node_that_changed_its_argument_says_so(tmp_path: Path) -> None:
    with history(tmp_path) as runs:
        whole = runs.start(learner.trained_by_a_tool)
        why = {node.callee: node.outcome.volatile for node in whole.live.nodes if node.outcome is not None}
    assert why == {"make": "", "train": "it changed one of its arguments", "evaluate": ""}
