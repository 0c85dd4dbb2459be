"""Points come and go by node, and thinning keeps what can be seen."""

from __future__ import annotations

import math

import pytest

from aethergraph.views import plots
from aethergraph.views.plots import Track, thin


def test_the_index_of_the_first_new_point_is_told() -> None:
    track = Track("loss")
    assert [track.add(1, i, i * 2.0) for i in range(3)] == [0, 1, 2]


def test_dropping_a_node_keeps_the_points_of_others() -> None:
    track = Track("loss")
    for i in range(4):
        track.add(i % 2, i, 1.0)
    track.drop(0)
    assert [step for step, _ in track.points] == [1, 3]
    assert dict(track.owners) == {1: 2}


def test_a_long_track_is_halved_and_says_that_all_points_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "KEPT", 10)
    track = Track("loss")
    assert [track.add(1, i, 0.0) for i in range(11)][-1] == 0
    assert len(track.points) == 6 and track.owners[1] == 6


def test_thinning_keeps_the_spikes() -> None:
    points = [(float(i), 100.0 if i == 4321 else math.sin(i / 500)) for i in range(10_000)]
    kept = thin(points, 200)
    assert len(kept) <= 202 and (4321.0, 100.0) in kept
    assert [step for step, _ in kept] == sorted(step for step, _ in kept)


def test_few_points_are_only_sorted() -> None:
    assert thin([(2.0, 1.0), (1.0, 5.0)], 10) == [(1.0, 5.0), (2.0, 1.0)]
