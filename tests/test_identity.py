"""Who a call is."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from aethergraph.record.identity import Lineage, is_prefix, root_key, task_name

ROOT = root_key("run-1")


async def work(x: Any = 0, *rest: Any, key: Any = None, **more: Any) -> None:
    pass


async def other() -> None:
    pass


def name(coroutine: Coroutine[Any, Any, Any]) -> str:
    try:
        return task_name(coroutine)
    finally:
        coroutine.close()


def test_equal_calls_are_counted_and_others_are_not_shifted_by_them() -> None:
    one, two = Lineage(ROOT), Lineage(ROOT)
    first, second = one.identity("fit", b"1"), one.identity("fit", b"1")
    assert first != second
    two.identity("inserted", b"")
    two.identity("fit", b"0")
    assert [two.identity("fit", b"1"), two.identity("fit", b"1")] == [first, second]


def test_scope_lineage_callee_and_arguments_all_count() -> None:
    made = {
        Lineage(ROOT).identity("fit", b"1"),
        Lineage(root_key("run-2")).identity("fit", b"1"),
        Lineage(ROOT, "/work:0").identity("fit", b"1"),
        Lineage(ROOT).identity("fix", b"1"),
        Lineage(ROOT).identity("fit", b"2"),
    }
    assert len(made) == 5


def test_a_given_id_stands_for_lineage_and_count() -> None:
    here, there = Lineage(ROOT), Lineage(ROOT, "/work:3")
    there.identity("fit", b"1")
    assert here.identity("fit", b"1", "mine") == there.identity("fit", b"1", "mine")
    assert here.identity("fit", b"2", "mine") != here.identity("fit", b"1", "mine")
    assert Lineage(root_key("run-2")).identity("fit", b"1", "mine") != here.identity("fit", b"1", "mine")


def test_a_task_is_named_by_its_function_its_arguments_and_its_number_among_equals() -> None:
    lineage = Lineage(ROOT)
    tasks = [work(1), work(2), work(1), other()]
    paths = [lineage.child_path(task) for task in tasks]
    for task in tasks:
        task.close()
    assert len(set(paths)) == 4
    assert paths[0].rpartition(":")[0] == paths[2].rpartition(":")[0]
    assert [path.rpartition(":")[2] for path in paths] == ["0", "0", "1", "0"]
    assert paths[3] == "/other:0"


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        (work(1), work(1), True),
        (work(1), work(1.0), False),
        (work((1, "a")), work((1, "b")), False),
        (work([1]), work([2]), True),  # what can change under us counts by its type
        (work([1]), work({}), False),
        (work(key=1), work(key=2), False),
        (work(2**70), work(2**70 + 1), False),
        (work(), other(), False),
    ],
)
def test_scalars_and_tuples_count_by_value_all_else_by_type(
    one: Coroutine[Any, Any, Any], two: Coroutine[Any, Any, Any], same: bool
) -> None:
    assert (name(one) == name(two)) is same


def test_a_lineage_is_a_prefix_of_its_descendants_only() -> None:
    assert is_prefix("", "/a:0/b:0")
    assert is_prefix("/a:0", "/a:0/b:0")
    assert is_prefix("/a:0", "/a:0")
    assert not is_prefix("/a:0/b:0", "/a:0")
    assert not is_prefix("/a:1", "/a:10")


def test_random_seeds_differ_by_lineage_and_name() -> None:
    seeds = {Lineage(ROOT).seed(), Lineage(ROOT, "/a:0").seed(), Lineage(ROOT).seed("b")}
    assert len(seeds) == 3
    assert Lineage(ROOT).seed() in seeds
