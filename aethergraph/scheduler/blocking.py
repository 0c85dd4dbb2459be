"""Which code of whose blocks a loop: read from the stack of the loop's thread by another one, and told once a node.

The context of the callback that runs says which body or attempt it belongs to. What belongs to no run, such as a cell
on the kernel's own loop, is nobody's business here.
"""

from __future__ import annotations

import asyncio
import linecache
import logging
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import msgspec

from .. import errors
from ..code.source import is_users_file
from ..engine import HERE
from ..record import facts as f
from ..storage import journal
from .loop import AetherLoop
from .places import LOOP, AttemptPlace, BodyPlace

if TYPE_CHECKING:
    from .execution import Execution

_log = logging.getLogger("aethergraph.watchdog")
# Below one of these on a stack is the loop, above it what the loop has called.
_AT_ONCE = AetherLoop.run_now.__code__
_CALLBACKS = (asyncio.Handle._run.__code__, _AT_ONCE)
_DEBUGGERS = frozenset({"bdb", "pdb", "pydevd", "debugpy", "pudb", "ipdb", "_pydevd_bundle", "_pydevd_frame_eval"})
_MARK = "blocks"  # the field of the note that says what it is about


class Blocking(msgspec.Struct, frozen=True):
    """What runs on a loop: in which body or attempt, at which line. The line is the user's own where there is one."""

    place: BodyPlace | AttemptPlace
    file: str
    line: int


def find(thread: int) -> Blocking | None:
    """What runs in the loop of `thread` now; None where it is of no run, or where a debugger holds the thread."""
    top = sys._current_frames().get(thread)
    if top is None:
        return None
    stack = list(_stack(top))
    callback = stack.pop()
    if callback.f_code not in _CALLBACKS or any(_debugged(frame) for frame in stack):
        return None
    local = callback.f_locals
    context = local["context"] if callback.f_code is _AT_ONCE else local["self"]._context
    place = context.get(HERE)
    if place is None or not stack:
        return None
    at = next((frame for frame in stack if is_users_file(frame.f_code.co_filename)), stack[0])
    line = at.f_lineno or at.f_code.co_firstlineno  # None between two lines
    return Blocking(place, at.f_code.co_filename, line)


def _stack(top: FrameType) -> Iterator[FrameType]:
    """From what runs to the callback that it is in; to the end where it is in none."""
    frame: FrameType | None = top
    while frame is not None:
        yield frame
        if frame.f_code in _CALLBACKS:
            return
        frame = frame.f_back


def _debugged(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__") or "")
    return frame.f_trace is not None or module.partition(".")[0] in _DEBUGGERS or module == "IPython.core.debugger"


def tell(blocking: Blocking) -> None:
    """Note it in the log of the node and warn of it, unless that was done; from any thread."""
    place: Any = blocking.place
    run: Execution = place.run if place.in_body else place.handle.run
    key = place.scope if place.in_body else place.handle.key
    if run.closed or key in run.blocked or run.woken:  # woken: what its replay does now was told before
        return
    run.blocked.add(key)
    no = place.no if place.in_body else place.handle.no
    graph, name = run.agent.name, _name(blocking, run, no)
    text = f"{name} has blocked the loop {_loop(run)} for over 2 s, {_where(blocking)}. {_advice(place)}"
    # A body that is called again by a resume has a log of its own, where the line stands once more.
    warned = _on_record(run, name)
    data = msgspec.msgpack.encode({"level": "WARNING", "text": text, _MARK: name})
    run.journal.append(run.run_id, f.Noted(no, "log", data, run.clock()))
    run.journal.nudge()
    if not warned:
        node_id = run.flow.nodes[no - 1].node_id if no else graph
        _log.warning("%s", text, extra={"run_id": run.run_id, "graph_id": graph, "node_id": node_id})


def _on_record(run: Execution, name: str) -> bool:
    """Whether a process that ran it before has told of that."""
    if run.epoch == 1:
        return False
    facts = (fact for batch in journal.read(run.runtime.store, run.run_id) for fact in batch)
    logs = (fact.data for fact in facts if isinstance(fact, f.Noted) and fact.kind == "log")
    return any(msgspec.msgpack.decode(data).get(_MARK) == name for data in logs)


def _name(blocking: Blocking, run: Execution, no: int) -> str:
    place: Any = blocking.place
    if not place.in_body:
        handle = place.handle
        return f"node {handle.node_id} of run {run.run_id}" if no else f"{handle.callee} of run {run.run_id}"
    return f"the body of {f'node {run.flow.nodes[no - 1].node_id} of ' if no else ''}run {run.run_id}"


def _loop(run: Execution) -> str:
    return "that all runs share" if run.host.own else "that it was started on"


def _where(blocking: Blocking) -> str:
    name = errors.cell_name(blocking.file) if errors.cell_name is not None else blocking.file
    code = linecache.getline(blocking.file, blocking.line).strip()
    return f"at {name}, line {blocking.line}" + (f": `{code}`" if code else "")


def _advice(place: Any) -> str:
    to_thread = "a plain `def` tool, which runs in a thread, or `await asyncio.to_thread(...)`"
    if place.in_body:
        what = f"move what takes long into {to_thread} it"
    elif (tool := place.handle.target).is_async:
        what = f"make {tool.name} {to_thread} what takes long in it"
    elif tool.runs_in == LOOP:
        what = f'leave out runs_in="loop" of {tool.name}: it runs in a thread then'
    else:
        what = f"write `await {tool.name}(...)` before its output is read: it runs in a thread then"
    return f"Nothing else moves there meanwhile: {what}"
