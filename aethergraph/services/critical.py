"""One caller at a time: a lock for nodes of all runs, whatever loop or thread they are on."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections import deque

from ..engine import HERE

_Turn = concurrent.futures.Future[None]


class Critical:
    """`async with`, or `with` in a thread. Who waits longest is next.

    An `asyncio.Lock` belongs to the loop that it was first waited for on, and a `threading.Lock` would hold up the loop
    that its holder needs to go on: here a turn is handed on as a future, which both can wait for.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._mutex = threading.Lock()  # of the fields below; never held while anything is waited for
        self._line: deque[_Turn] = deque()
        self._holder: object | None = None

    async def __aenter__(self) -> None:
        place = HERE.get()
        me: object = place if place is not None and place.desk.blocking else asyncio.current_task()
        turn = self._take(me)
        if turn is None:
            return
        try:
            await asyncio.wrap_future(turn)
        except asyncio.CancelledError:
            self._give_up(turn)
            raise
        self._holder = me

    async def __aexit__(self, *error: object) -> None:
        self._hand_on()

    def __enter__(self) -> None:
        place = HERE.get()
        if place is not None and not place.desk.blocking:
            raise TypeError(f"write `async with {self._name}`: an async body or tool must not block its loop")
        me = place or threading.get_ident()
        turn = self._take(me)
        if turn is None:
            return
        try:
            turn.result()
        except BaseException:  # an interrupt: nobody would ever hand the turn on
            self._give_up(turn)
            raise
        self._holder = me

    def __exit__(self, *error: object) -> None:
        self._hand_on()

    def _take(self, me: object) -> _Turn | None:
        """None if it is the caller's, else what to wait for."""
        with self._mutex:
            if self._holder is None:
                self._holder = me
                return None
            if self._holder == me:
                raise RuntimeError(f"{self._name} is already held here: who waits for it inside of it waits for ever")
            turn = _Turn()
            self._line.append(turn)
            return turn

    def _hand_on(self) -> None:
        with self._mutex:
            self._holder = None
            while self._line:
                turn = self._line.popleft()
                if turn.set_running_or_notify_cancel():
                    self._holder = turn  # until who waits for it has woken up
                    turn.set_result(None)
                    return

    def _give_up(self, turn: _Turn) -> None:
        """Who waited does not want it any more; where it was handed on a moment before, the next has it."""
        with self._mutex:
            mine = self._holder is turn
            if not mine and turn in self._line:
                self._line.remove(turn)
        if mine:
            self._hand_on()
