"""What a loop shows of itself to a thread that looks: how often it came round, and whether it sleeps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Heart:
    """Put before the class of a loop's selector, which every turn of the loop calls: `class X(Heart, base)`.

    beats: how often the loop came round. asleep: it waits until something is to do. thread: the one it turns in.
    rouse: called when it wakes up while nobody looks; None while somebody does.
    """

    beats = 0
    asleep = False
    thread: int | None = None
    rouse: Callable[[], None] | None = None

    def select(self, timeout: float | None = None) -> Any:
        """What is ready, as the base tells."""
        self.beats += 1
        if timeout is not None and timeout <= 0:
            return self.plain(timeout)
        self.asleep = True
        try:
            return self.plain(timeout)
        finally:
            self.asleep = False
            if self.rouse is not None:
                self.rouse()

    def plain(self, timeout: float | None) -> Any:
        """What the base does."""
        return super().select(timeout)  # type: ignore[misc]  # it stands before a selector


def give(loop: Any) -> Heart | None:
    """Give the selector of a running loop a heart, until `take` takes it; None where it is no class of Python's."""
    selector = getattr(loop, "_selector", None)
    if selector is None or isinstance(selector, Heart):
        return selector
    base: Any = type(selector)
    try:
        selector.__class__ = type(base.__name__, (Heart, base), {})
    except TypeError:
        return None
    selector.thread = threading.get_ident()
    given: Heart = selector
    return given


def take(heart: Any) -> None:
    """Make it the selector that it was."""
    heart.rouse = None
    bases = type(heart).__bases__
    if bases[0] is Heart and len(bases) == 2:
        heart.__class__ = bases[1]
