"""Which node a value came from."""

from __future__ import annotations

import gc
from typing import Any

from aethergraph.code.origins import Origins


class Model:
    pass


def found(origins: Origins, *values: Any) -> list[int]:
    nodes: list[int] = []
    origins.of_any(values, nodes)
    return nodes


def test_plain_values_are_recognised_by_content() -> None:
    origins = Origins()
    origins.add_plain({"name": "svm", "score": 0.93, "rows": [1, 2]}, 4)
    assert found(origins, "svm") == found(origins, 0.93) == found(origins, [1, 2]) == [4]
    assert found(origins, "forest") == []
    assert found(origins, 1) == []


def test_long_values_are_recognised_too() -> None:
    origins = Origins()
    origins.add_plain({"text": "x" * 10_000}, 4)
    assert found(origins, "x" * 10_000) == [4]


def test_none_and_truth_values_say_nothing() -> None:
    origins = Origins()
    origins.add_plain({"a": None, "b": True, "c": False}, 4)
    assert found(origins, None, True, False) == []


def test_equal_values_may_have_come_from_any_of_their_nodes() -> None:
    origins = Origins()
    for no in (1, 2, 2, 3):
        origins.add_plain({"n": 7}, no)
    assert found(origins, 7) == [1, 2, 3]


def test_all_that_a_node_gave_is_known_whatever_stands_beside_it() -> None:
    origins = Origins()
    origins.add_plain({"first": 1, "rows": [1, 2], "total": 7}, 3)
    origins.add_plain({"total": 7, "table": {"a": 5}, "name": "svm"}, 4)
    assert found(origins, 1) == found(origins, [1, 2]) == [3]
    assert found(origins, {"a": 5}) == found(origins, "svm") == [4]
    assert found(origins, 7) == [3, 4]


def test_what_was_given_stays_known_when_it_was_asked_for_in_between() -> None:
    origins = Origins()
    origins.add_plain({"n": 7}, 1)
    assert found(origins, 7) == [1]
    origins.add_plain({"n": 7, "m": 8}, 2)
    origins.add([7], 3, b"")
    assert (found(origins, 7), found(origins, 8), found(origins, [7])) == ([1, 2], [2], [3])


def test_a_container_that_is_changed_afterwards_is_known_as_it_was_given() -> None:
    origins = Origins()
    rows = [1, 2]
    origins.add_plain({"rows": rows}, 1)
    rows.append(3)
    assert (found(origins, [1, 2]), found(origins, [1, 2, 3])) == ([1], [])


def test_members_of_containers_are_found() -> None:
    origins = Origins()
    origins.add_plain({"n": 7}, 1)
    origins.add_plain({"n": 8}, 2)
    assert found(origins, {"a": [7], "b": (8,)}) == [1, 2]


def test_objects_are_recognised_by_identity_while_they_live() -> None:
    origins = Origins()
    model, twin = Model(), Model()
    origins.add(model, 5, b"digest")
    assert origins.known(model) == (b"digest", 5)
    assert origins.known(twin) is None
    assert found(origins, [model]) == [5]


def test_an_object_that_died_leaves_nothing_behind() -> None:
    origins = Origins()
    for _ in range(100):  # new objects get the old ones' ids
        model = Model()
        assert origins.known(model) is None
        origins.add(model, 5, b"digest")
        del model
        gc.collect(0)
    assert not origins._objects
