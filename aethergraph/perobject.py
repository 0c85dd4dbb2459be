"""What is found out about an object once, and holds for as long as the object lives."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class PerObject(Generic[T]):
    """`find`, called once for each object while that lives; it must be one that can be weakly referenced.

    Objects are told apart by identity, and are not kept: a body makes tools and graphs by the thousand and drops them.
    An id is given to another object as soon as its own is gone, so an id alone would say what the dead one was.
    """

    __slots__ = ("_find", "_known")

    def __init__(self, find: Callable[[Any], T]) -> None:
        self._find = find
        self._known: dict[int, tuple[weakref.ref[Any], T]] = {}

    def __call__(self, thing: Any) -> T:
        """What is known of `thing`, found out now if it was not. What `find` raises is passed on, and not kept."""
        entry = self._known.get(id(thing))
        if entry is None or entry[0]() is not thing:
            entry = self._known[id(thing)] = (weakref.ref(thing), self._find(thing))
        return entry[1]
