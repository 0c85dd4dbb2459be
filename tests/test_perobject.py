"""What is known of an object is known of that object, not of its place in memory."""

from __future__ import annotations

import gc
import weakref

import pytest

from aethergraph.perobject import PerObject


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number


def test_it_is_found_out_once() -> None:
    asked: list[int] = []

    def find(thing: Thing) -> int:
        asked.append(thing.number)
        return thing.number

    known, thing = PerObject(find), Thing(7)
    assert [known(thing), known(thing)] == [7, 7]
    assert asked == [7]


def test_an_object_in_the_place_of_a_dead_one_is_looked_at_itself() -> None:
    known = PerObject(lambda thing: thing.number)
    places = set()
    for number in range(200):
        thing = Thing(number)
        places.add(id(thing))
        assert known(thing) == number
        del thing
    assert len(places) < 200  # some did take the place of others


def test_objects_are_not_kept() -> None:
    known, thing = PerObject(lambda thing: thing.number), Thing(1)
    known(thing)
    gone = weakref.ref(thing)
    del thing
    gc.collect()
    assert gone() is None


def test_an_error_is_passed_on_and_not_kept() -> None:
    answers = iter([None, 5])

    def find(_: Thing) -> int:
        answer = next(answers)
        if answer is None:
            raise LookupError("not yet")
        return answer

    known, thing = PerObject(find), Thing(1)
    with pytest.raises(LookupError):
        known(thing)
    assert known(thing) == 5
