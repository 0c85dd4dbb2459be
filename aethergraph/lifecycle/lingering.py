"""Why a waiting run stays in memory: what would be lost, done again or run if its coroutines were dropped.

A run may leave memory only if everything in it waits for the engine alone, so that a replay brings it back as it was,
and if no code of the user's would see it go. What cannot be looked into stays.
"""

from __future__ import annotations

import asyncio
import functools
import types
from typing import TYPE_CHECKING, Any

from ..record import facts as f
from ..record.failures import rebuild
from ..record.flow import Node
from ..scheduler.calls import CallFuture
from ..values import suspended

if TYPE_CHECKING:
    from ..scheduler.execution import Execution

_FUTURE_ITERATOR = "FutureIter"  # what `await future` leaves at the end of a chain; its type has no public name


def why_not(run: Execution) -> str:
    """Why `run` may not leave memory: a sentence; "" where it may. On the loop's thread."""
    if not run.at_rest:
        return "it does not only wait"
    return _outside(run) or _in_memory_only(run) or _tasks(run)


def _outside(run: Execution) -> str:
    """What of it is going on outside its bodies."""
    for one in run.asking.open.values():
        if one.asker is not None:
            return f"somebody is out asking {one.question.prompt!r} for it"
    for handle in run.live:
        if handle.target.kind == f.TOOL:
            return f"node {handle.node_id} waits inside its tool, which cannot be taken up in the middle"
    if run.attempts.threads:
        return "a worker thread of it has not ended"
    if run.timers.jobs:
        return "its body has given work to an executor or thread, and would do so again"
    return ""


def _in_memory_only(run: Execution) -> str:
    """Results that its bodies have and that the store cannot give them again."""
    nodes = run.flow.nodes
    for node in nodes:
        if node.outcome is None or (node.scope and nodes[node.scope - 1].outcome is not None):
            continue
        if node.outcome.volatile:
            return f"node {node.node_id} would have to run again: {node.outcome.volatile}"
        if not _can_fail_again(run, node):
            return f"node {node.node_id} would have to run again: its failure cannot be built again"
    return ""


def _can_fail_again(run: Execution, node: Node) -> bool:
    outcome = node.outcome
    if outcome is None or outcome.ok:
        return True
    return outcome.error is not None and rebuild(outcome.error, run.codec.load, run.names()) is not None


# ---------------------------------------------------------------------- its tasks


def _tasks(run: Execution) -> str:
    tasks = {task for task in [run.task, *(handle.task for handle in run.live)] if task is not None}
    for owned in run.tasks.values():
        tasks |= {task for task in owned if not task.done()}
    look = _Look(run, tasks)
    return next((why for task in tasks if (why := look.task(task))), "")


class _Look:
    """Looks through the tasks of one run."""

    def __init__(self, run: Execution, tasks: set[asyncio.Task[Any]]) -> None:
        self._run, self._known = run, tasks

    def task(self, task: asyncio.Task[Any]) -> str:
        """Why this task keeps the run in memory."""
        steps, end = suspended.chain(task.get_coro())
        for step in steps:
            if why := self._step(step):
                return why
        frames = [step.frame for step in steps]
        waiter = getattr(task, "_fut_waiter", None)
        if waiter is None or not frames:
            return "one of its tasks is about to go on"
        if end is not None and type(end).__name__ != _FUTURE_ITERATOR:
            return f"it waits for a {type(end).__name__}, which cannot be looked into, {_at(frames)}"
        return self._callbacks(task) or self._future(waiter, frames)

    def _step(self, step: suspended.Step) -> str:
        """Why this frame would see its own end."""
        frame, code = step.frame, step.frame.f_code
        if suspended.exempt(code):
            return ""
        block = suspended.block(code, frame.f_lasti)
        if block is None:
            name = suspended.generator(step)
            return f"it is in the middle of the generator `{name}`: {_where(frame)}" if name else ""
        line = frame.f_lineno if block.kind == "try" else block.line  # a handler has the line of its `except`
        text = suspended.quoted(code, line)
        shown = text if text.startswith(("with ", "async ")) else block.kind
        return f"it waits inside `{shown}`: {suspended.place(code, line)}"

    def _callbacks(self, future: asyncio.Future[Any]) -> str:
        for call, _ in getattr(future, "_callbacks", None) or ():
            if not _harmless(call):
                name = getattr(call, "__qualname__", type(call).__name__)
                return f"`{name}` is to be called when one of its tasks is done"
        return ""

    def _future(self, future: Any, frames: list[types.FrameType]) -> str:
        """Why waiting for `future` is no wait for the engine alone; `frames` wait for it."""
        if why := self._callbacks(future):
            return why
        if isinstance(future, CallFuture):
            other = future.handle is not None and future.handle.run is not self._run
            return f"it waits for a call of another run {_at(frames)}" if other else ""
        if isinstance(future, asyncio.Task):
            return "" if future in self._known else f"it waits for a task that is not its own {_at(frames)}"
        behind = _behind(future, frames[-1] if frames else None)
        if behind is not None:
            return next((why for one in behind if not one.done() and (why := self._future(one, [])) != ""), "")
        if frames and suspended.exempt(frames[-1].f_code) and "aethergraph" in frames[-1].f_globals["__name__"]:
            return ""  # the engine's own wait for its nodes, as in a static graph
        return f"it waits for something that is no wait of the engine {_at(frames)}"


def _behind(future: Any, frame: types.FrameType | None) -> list[asyncio.Future[Any]] | None:
    """The futures that asyncio itself waits for on behalf of `future`: `gather`, `wait` and `shield`; else None."""
    children = getattr(future, "_children", None)
    if children is not None:
        return list(children)
    if frame is not None and frame.f_code is _WAIT:
        return list(frame.f_locals["fs"])
    for call, _ in getattr(future, "_callbacks", None) or ():
        code = getattr(call, "__code__", None)
        if code is not None and code.co_qualname == "shield.<locals>._outer_done_callback":
            cells = dict(zip(code.co_freevars, call.__closure__, strict=True))
            return [cells["inner"].cell_contents]
    return None


_WAIT = asyncio.tasks._wait.__code__  # type: ignore[attr-defined]  # the coroutine behind `asyncio.wait`


def _harmless(call: Any) -> bool:
    """Whether a callback is ours, asyncio's, or built in (a task's own wake-up, `set.discard`)."""
    while isinstance(call, functools.partial):
        call = call.func
    if isinstance(call, types.BuiltinFunctionType) or type(call).__module__ == "_asyncio":
        return True
    return (getattr(call, "__module__", None) or "").split(".")[0] in ("asyncio", "aethergraph")


def _at(frames: list[types.FrameType]) -> str:
    """Where the user's code waits."""
    for frame in reversed(frames):
        if not suspended.exempt(frame.f_code):
            text = suspended.quoted(frame.f_code, frame.f_lineno)
            return f"(`{text}`: {_where(frame)})" if text else f"({_where(frame)})"
    return "(in asyncio)"


def _where(frame: types.FrameType) -> str:
    return suspended.place(frame.f_code, frame.f_lineno)
