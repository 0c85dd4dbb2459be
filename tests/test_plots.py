"""Points come and go by node, and thinning keeps what can be seen."""

from __future__ import annotations

import math
from array import array

from aethergraph.views.plots import Track, thin


def column(*numbers: float) -> array[float]:
    return array("d", numbers)


def test_the_index_of_the_first_new_point_is_told() -> None:
    track = Track("loss")
    assert [track.add(1, [i, i + 0.5], [0, 1]) for i in range(3)] == [0, 2, 4]
    assert len(track) == 6


def test_dropping_a_node_keeps_the_points_of_others() -> None:
    track = Track("loss")
    for i in range(4):
        track.add(i % 2, [i], [1.0])
    assert (track.owns(0), track.owns(1)) == (2, 2)
    taken = track.take(0)
    assert taken is not None and list(taken[0]) == [0, 2] and track.take(0) is None
    assert track.points == [(1, 1), (3, 1)]
    assert (track.owns(0), track.owns(1)) == (0, 2)


def test_thinning_keeps_the_spikes() -> None:
    steps = column(*range(10_000))
    values = column(*(100.0 if i == 4321 else math.sin(i / 500) for i in range(10_000)))
    x, y = thin(steps, values, 200)
    assert len(x) <= 200
    assert (4321.0, 100.0) in set(zip(x.tolist(), y.tolist(), strict=True))
    assert x.tolist() == sorted(x.tolist())
    assert x[-1] >= 9_900  # a stretch is never left out


def test_few_points_are_only_sorted() -> None:
    x, y = thin(column(2, 1, 1), column(1, 5, 6), 10)
    assert (x.tolist(), y.tolist()) == ([1, 1, 2], [5, 6, 1])


def test_a_stretch_without_a_number_stays_a_gap_and_a_gap_among_numbers_goes() -> None:
    values = [float(i % 7) for i in range(1000)]
    values[300:400] = [math.nan] * 100
    values[800] = math.inf
    x, y = thin(column(*range(1000)), column(*values), 100)
    gaps = [step for step, value in zip(x, y, strict=True) if not math.isfinite(value)]
    assert 1 <= len(gaps) <= 10 and all(300 <= step < 400 for step in gaps)


def test_a_range_has_its_points_and_a_neighbour_on_each_side() -> None:
    steps = column(*range(100))
    x, _ = thin(steps, steps, 50, 10, 12)
    assert x.tolist() == [9, 10, 11, 12, 13]
    x, _ = thin(steps, steps, 50, -5, 1)
    assert x.tolist() == [0, 1, 2]
    x, _ = thin(steps, steps, 50, 400, 500)
    assert x.tolist() == [99]


def test_points_at_one_step_only_are_thinned_too() -> None:
    x, y = thin(column(*[3.0] * 1000), column(*range(1000)), 10)
    assert (x.tolist(), y.tolist()) == ([3, 3], [0, 999])


def test_no_points_are_none() -> None:
    x, y = thin(column(), column(), 10)
    assert (x.tolist(), y.tolist()) == ([], [])
