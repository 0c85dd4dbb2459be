"""Letting the kernel's loop turn under a cell that blocks: `run(agent, loop="kernel")`, the one place for nest-asyncio.

`nest_asyncio.apply()` would change asyncio for the whole process and for good: its tasks, `asyncio.run`, the policy,
tornado. Only what it does to the class of a loop is needed here, and that class is made for this one call.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def turn(ended: concurrent.futures.Future[Any]) -> None:
    """Return when `ended` is done; callbacks of the running loop are called meanwhile."""
    loop: Any = asyncio.get_running_loop()
    done = asyncio.Event()
    ended.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set))
    with _reentrant(loop), _outside_its_task(loop), _queue_kept(loop):
        loop.run_until_complete(done.wait())


@contextmanager
def _reentrant(loop: Any) -> Iterator[None]:
    import nest_asyncio  # type: ignore[import-untyped]

    was = type(loop)
    loop.__class__ = type(was.__name__, (was,), {})
    try:
        nest_asyncio._patch_loop(loop)
        yield
    finally:
        loop.__class__ = was
        vars(loop).pop("_num_runs_pending", None)  # set on the loop itself while it turns


@contextmanager
def _outside_its_task(loop: Any) -> Iterator[None]:
    """The cell is in a task, and asyncio lets no other task take a step while that one does."""
    task: Any = asyncio.current_task(loop)
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    try:
        yield
    finally:
        if task is not None:
            asyncio.tasks._enter_task(loop, task)


@contextmanager
def _queue_kept(loop: Any) -> Iterator[None]:
    """The turn of the loop that the cell is in counted its callbacks when it began, and must not find fewer."""
    count = len(loop._ready)
    try:
        yield
    finally:
        for _ in range(count - len(loop._ready)):
            loop.call_soon(lambda: None)
