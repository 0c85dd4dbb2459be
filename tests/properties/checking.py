"""Lets a run go through an order of ends, and then again from each place where it may have been cut off."""

from __future__ import annotations

from typing import Any

from aethergraph.record import facts as f
from aethergraph.record.flow import Flow, Node

from .conductor import Going, Stage
from .history import Ended, state
from .interleaving import Order


def check(on: Stage, agent: Any, order: Order, *, late: bool = False, at_ends: bool = False, **inputs: Any) -> None:
    """The run gives what it should, runs nothing twice, and does so again from each cut.

    late: whether calls that the body cancels end before. at_ends: cut after the end of each call, else at each fact.
    """
    whole, going = on.start(agent, order, late=late, **inputs)
    _check_story(whole, going, order)
    assert len(going.ran) == len(set(going.ran)), "a call ran twice"
    assert state(Flow.of(whole.facts)) == state(whole.live), "the journal does not tell what the process knew"
    facts = whole.unfinished
    calls = {node.no: going.keys[node.key] for node in whole.live.nodes if node.key in going.keys}
    for cut in _cuts(facts, order, calls, late=late, at_ends=at_ends):
        done = {calls[node.no] for node in _settled(facts[:cut]) if node.no in calls}
        ends = [no for no in order.ends if no not in done]
        try:
            resumed, again = on.go_on(whole.run.run_id, agent, facts[:cut], ends, order, late=late)
            _check_story(resumed, again, order)
            assert not set(again.ran) & done, "a call that had ended ran again"
        except (AssertionError, TimeoutError) as error:
            error.add_note(f"cut off after {cut} of {len(facts)} facts")
            raise
    on.forget(whole.run.run_id)


def _check_story(ended: Ended, going: Going, order: Order) -> None:
    outcome = repr(ended.outcome["result"]) if isinstance(ended.outcome, dict) else str(ended.outcome)
    assert (outcome, tuple(going.log)) == (order.outcome, order.log)
    assert not going.ends, "not all calls ended"


def _cuts(facts: list[f.AnyFact], order: Order, calls: dict[int, int], *, late: bool, at_ends: bool) -> list[int]:
    """Where to cut: from where this order begins to differ from those before it, and from itself without `late`."""
    ends = {
        calls[fact.no]: place
        for place, fact in enumerate(facts, 1)
        if isinstance(fact, (f.NodeDone, f.NodeRan)) and fact.no in calls
    }
    first = ends.get(order.new, 1) if order.new is not None else 1
    if late:
        cause = next(no for no, lost in zip(order.ends, order.late, strict=True) if lost)
        first = max(first, ends[cause])
    cuts = sorted(ends.values()) if at_ends else range(1, len(facts) + 1)
    return [cut for cut in cuts if cut >= first]


def _settled(facts: list[f.AnyFact]) -> list[Node]:
    flow = Flow.of([*facts, f.RunOpened(0, 0.0)])
    return [node for node in flow.nodes if node.outcome is not None]
