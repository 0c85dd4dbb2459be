"""Following a run that another process runs, without asking its database again and again.

Who follows puts a folder under `bells/` in the store and rings the doorbell once. The owner finds it, and from then on
touches the file in it after each commit of that run; it stops when the folder is gone or the run has ended there. A run
that nobody follows costs its owner nothing. Now and then the follower looks whether the owner's lock is still held.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..record import facts as f
from ..storage import doorbell, journal, owner
from ..storage.store import Store

if TYPE_CHECKING:
    from .hub import Runtime

ALIVE_S = 2.0  # seconds between looks at the owner's lock, and at the run itself where files cannot be watched
FOLDER = "bells"


class Bells:
    """The runs of this process that others follow."""

    def __init__(self, store: Store, log: journal.Journal) -> None:
        self._folder, self._journal = store.folder / FOLDER, log
        self._rung: dict[str, Callable[[], None]] = {}  # by name of the folder: what stops it

    def look(self, is_ours: Callable[[str], bool]) -> None:
        """Somebody may have asked for a run of ours."""
        try:
            names = [path.name for path in self._folder.iterdir()]
        except FileNotFoundError:
            return
        for name in names:
            run_id = name.rpartition(".")[0]
            if name not in self._rung and is_ours(run_id):
                self._rung[name] = lambda: None
                self._rung[name] = self._journal.follow(run_id, functools.partial(self._ring, name))

    def _ring(self, name: str, facts: list[f.AnyFact]) -> None:
        there = doorbell.ring(self._folder / name, hung=True)
        if not there or isinstance(facts[-1], journal.ENDS):
            self._rung.pop(name, lambda: None)()


async def follow(runtime: Runtime, run_id: str) -> AsyncIterator[f.AnyFact]:
    """The facts of a run as they are committed by whichever process runs it, from the first; ends when none does."""
    store, loop, rang = runtime.store, asyncio.get_running_loop(), asyncio.Event()
    place = store.folder / FOLDER / f"{run_id}.{secrets.token_hex(4)}"
    read, over = 0, False
    with _listening(place, lambda: loop.call_soon_threadsafe(rang.set)):
        doorbell.ring(store.folder)
        while True:
            rang.clear()
            live = await loop.run_in_executor(None, _is_live, runtime, run_id)
            for batch in journal.read(store, run_id, read):  # after that look: nothing that came before it is missed
                read, over = read + 1, isinstance(batch[-1], journal.ENDS)
                for fact in batch:
                    yield fact
            if over or not live:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(rang.wait(), ALIVE_S)


def _is_live(runtime: Runtime, run_id: str) -> bool:
    epoch = owner.read(runtime.store, run_id)
    return epoch is not None and bool(epoch.owner) and runtime.owner.is_alive(epoch.owner)


@contextlib.contextmanager
def _listening(place: Path, heard: Callable[[], object]) -> Iterator[None]:
    import shutil  # who follows needs it, who runs does not

    place.mkdir(parents=True)
    bell = doorbell.Doorbell(place)
    bell.start(heard)
    try:
        yield
    finally:
        bell.stop()
        shutil.rmtree(place, ignore_errors=True)
