"""Every interleaving of up to six calls: whatever the order of ends, a run is what plain asyncio is, wherever cut off.

What is exhaustive: of every shape of up to six calls (for six without task groups), every order in which its calls can
end; of up to five calls a cut at every fact, of six a cut after every end. Where two orders begin alike, what they have
in common is cut in the first of them only: up to there the facts are the same, and so is all that a resume can see.
What is not: each shape of four calls and more has calls of one mix of kinds and not of all.

With `late`, the calls that lose a race end right after the winner, before the body can cancel them: their results come
too late. Up to the first such end, and in an order without one, nothing differs from the order without `late`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from aethergraph.record import facts as f
from aethergraph.record.flow import Flow, Node

from .conductor import Going, Stage, stage
from .history import Ended, state
from .interleaving import CALLS, Order, Step, any_order, filled, has_agents, orders, program, programs, shapes

SAMPLES = 120  # orders of five and of six calls that are tried in a short test
PARTS = 4  # of what is tried in a long one


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        yield made


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("calls", [1, 2, 3])
def test_every_order_of_up_to_three_calls_of_any_kinds(on: Stage, calls: int, late: bool) -> None:
    for turn in range(len(CALLS)):
        for shape in shapes(calls):
            _check_program(on, filled(shape, [*CALLS[turn:], *CALLS[:turn]]), late=late)


@pytest.mark.parametrize("part", range(2))
def test_every_order_of_four_calls(on: Stage, part: int) -> None:
    for index, step in enumerate(programs(4)):
        if index % 2 == part:
            _check_program(on, step, late=index % 4 < 2)


@pytest.mark.parametrize("calls", [5, 6])
def test_some_orders_of_more_calls(on: Stage, calls: int) -> None:
    seed = random.getrandbits(32)
    rng = random.Random(seed)
    for step in rng.sample(list(programs(calls)), SAMPLES):
        order = any_order(step, rng)
        try:
            late = rng.random() < 0.5 and any(order.late) and not has_agents(step)
            _check_orders(on, step, [order], late=late)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("calls", [5, 6])
def test_every_order_of_five_and_six_calls(on: Stage, calls: int, late: bool, part: int) -> None:
    """Six calls are combined by sequences, gathers and races; a task group differs from a gather by failures only.

    All parts together take one core about nine minutes.
    """
    every = programs(calls, ("seq", "gather", "race")) if calls == 6 else programs(calls)
    for index, step in enumerate(every):
        if index % PARTS == part:
            _check_program(on, step, late=late, at_ends=calls == 6)


# ---------------------------------------------------------------------- one program


def _check_program(on: Stage, step: Step, *, late: bool, at_ends: bool = False) -> None:
    _check_orders(on, step, orders(step), late=late, at_ends=at_ends)


def _check_orders(on: Stage, step: Step, all_orders: Iterable[Order], *, late: bool, at_ends: bool = False) -> None:
    if late and has_agents(step):  # an agent ends some time after its last call: what ends between is not late
        return
    for order in all_orders:
        if late and not any(order.late):
            continue
        try:
            _check(on, step, order, late=late, at_ends=at_ends)
        except BaseException as error:
            error.add_note(f"the program {step}, ended in the order {order.ends}, {late=}")
            raise


def _check(on: Stage, step: Step, order: Order, *, late: bool, at_ends: bool) -> None:
    whole, going = on.start(program, order, late=late, step=step)
    _check_story(whole, going, order)
    assert len(going.ran) == len(set(going.ran)), "a call ran twice"
    assert state(Flow.of(whole.facts)) == state(whole.live), "the journal does not tell what the process knew"
    facts = whole.unfinished
    calls = {node.no: going.keys[node.key] for node in whole.live.nodes if node.key in going.keys}
    for cut in _cuts(facts, order, calls, late=late, at_ends=at_ends):
        done = {calls[node.no] for node in _settled(facts[:cut]) if node.no in calls}
        ends = [no for no in order.ends if no not in done]
        try:
            resumed, again = on.go_on(whole.run.run_id, program, facts[:cut], ends, order, late=late)
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
