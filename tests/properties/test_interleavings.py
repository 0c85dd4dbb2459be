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

from .checking import check
from .conductor import Stage, stage
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


def test_a_run_ends_before_a_cancellation_has_gone_all_the_way_down(on: Stage) -> None:
    """A pure call, which is on record with its end, is given its id and never heard of again."""
    low = ["nested", ["race", [["async", 2], ["nested", ["group", [["fatal", 3], ["pure", 4], ["async", 5]]]]]]]
    step = ["race", [["ask", 0], ["nested", ["group", [["sync", 1], low]]]]]
    _check_orders(on, step, [order for order in orders(step) if order.ends == (0,)], late=False)


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
        if index // 2 % PARTS == part:  # each second one has agents in it
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
            check(on, program, order, late=late, at_ends=at_ends, step=step)
        except BaseException as error:
            error.add_note(f"the program {step}, ended in the order {order.ends}, {late=}")
            raise
