"""Every interleaving of small static graphs: whatever the order in which their nodes end, and wherever cut off.

Each gives the outputs that plain Python says, runs nothing twice, and runs nothing again that had ended. A cut is tried
at every fact, of graphs of five nodes after every end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .checking import check
from .conductor import Stage, stage
from .gated_graphs import KINDS, Gated, every, graph, named, orders


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        yield made


@pytest.mark.parametrize("turn", range(len(KINDS)))
@pytest.mark.parametrize("form", named(KINDS))
def test_every_order_in_which_the_nodes_of_a_graph_can_end(on: Stage, form: str, turn: int) -> None:
    _check_all(on, named((*KINDS[turn:], *KINDS[:turn]))[form])


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_every_order_of_every_graph_of_up_to_four_nodes(on: Stage, size: int) -> None:
    """Each node is given any of those before it: 1, 2, 8 and 64 graphs."""
    for nodes in every(size):
        _check_all(on, nodes)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(4))
def test_every_order_of_every_graph_of_five_nodes(on: Stage, part: int) -> None:
    """There are 1,024."""
    for index, nodes in enumerate(every(5)):
        if index % 4 == part:
            _check_all(on, nodes, at_ends=True)


def test_the_orders_are_those_that_the_edges_allow() -> None:
    found = {form: [order.ends for order in orders(nodes)] for form, nodes in named(KINDS).items()}
    assert found["chain"] == [(0, 1, 2, 3)]
    assert sorted(found["diamond"]) == [(0, 1, 2, 3), (0, 2, 1, 3)]
    assert len(found["fan-in"]) == len(set(found["fan-in"])) == 24
    assert sorted(found["condition"]) == [(0, 1, 3, 4), (0, 1, 4, 3), (0, 4, 1, 3)]
    assert len(found["map"]) == len(set(found["map"])) == 30  # the last one after the items


def _check_all(on: Stage, nodes: list[Gated], *, at_ends: bool = False) -> None:
    made = graph(nodes)
    for order in orders(nodes):
        try:
            check(on, made, order, at_ends=at_ends)
        except BaseException as error:
            error.add_note(f"the graph {nodes}, ended in the order {order.ends}")
            raise
