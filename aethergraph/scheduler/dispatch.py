"""From a call in a body to a node that starts, or to a recorded result.

A call is identified at once, decided by `flow`, queued, and handed on when its body next yields, so that one barrier
serves all that was called together. A default tool starts when its facts are on disk, a pure one ahead of them.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import JournalBroken, NotAwaited, OurBug
from ..record import facts as f
from ..record.failures import rebuild
from ..record.flow import Node, Todo
from ..record.status import NodeStatus
from ..storage import codec as values
from .calls import CallHandle, Reference, handle_of, is_named, resolve, unresolved
from .control import CONTROL, Control, split
from .marking import of_options
from .places import THREAD, BodyPlace

if TYPE_CHECKING:
    from ..authoring.reactive import Agent
    from ..authoring.tooling import Tool
    from .execution import Execution

_stable = msgspec.msgpack.Encoder(order="deterministic").encode
_FLAT = frozenset({int, float, bool, type(None)})
_PENDING, _REUSE = Todo.PENDING, Todo.REUSE  # each look into an enum takes its time in Python 3.11


class Dispatch:
    """The calls of one run."""

    def __init__(self, run: Execution) -> None:
        self._run = run
        self._out: list[CallHandle] = []
        self._gate: deque[tuple[int, CallHandle]] = deque()
        self._gate_armed = False
        self._control = Control(run)

    @property
    def busy(self) -> bool:
        """Whether calls wait to be handed on."""
        return bool(self._out or self._gate)

    # ------------------------------------------------------------------ calling

    def call(
        self,
        place: BodyPlace,
        target: Tool | Agent,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        upstream: Sequence[CallHandle] = (),
        *,
        same: bool = False,
    ) -> CallHandle:
        """A body calls a tool or an agent; `upstream` and `same` are what `_after=` and `_same=` say."""
        run = self._run
        if run.closed:
            raise asyncio.CancelledError(f"run {run.run_id} takes no more calls: {run.closed}")
        options: dict[str, Any] | None = None
        if kwargs and not kwargs.keys().isdisjoint(CONTROL):
            options, kwargs = split(kwargs)
        handle = CallHandle(run, place, target, target.name, args, kwargs)
        waits_for = self._fingerprint(handle)
        if upstream:
            waits_for += upstream
        if options is None:
            handle.key = place.identity(target.name, handle.fingerprint)
        else:
            waits_for += self._control.read(handle, options)
            same = same or bool(options.get("_same"))
            given = options.get("_id")
            handle.key = place.identity(target.name, handle.fingerprint, given)
            title = given or options.get("_name") or options.get("_alias")
            said = of_options(options)
            if self._control.is_skipped(handle, options):
                self._control.skip(handle, said, title)
                return handle
            run.marking.call(handle.key, said)
            if title and handle.key not in run.flow.by_key:
                handle.node_id = run.flow.name(title)
        place.loose[handle] = None
        if place.written:  # the edges are those of the graph, not of values that happen to be equal; all of it is there
            if upstream:
                handle.deps = tuple([other.no for other in upstream])
            if handle.flat or not upstream:
                self._decide(handle, same)
            else:
                self._resolved(handle, same)
        elif not waits_for:
            self._decide(handle, same)
        elif all(map(_gave_something, waits_for)):
            self._follows(waits_for, handle, same)
        else:
            self._when_done(waits_for, handle, same)
        return handle

    def _fingerprint(self, handle: CallHandle) -> list[CallHandle]:
        """Set argument fingerprint and edges; return the calls whose results the arguments need."""
        run, args, kwargs, place = self._run, handle.args, handle.kwargs, handle.place
        waits_for: list[CallHandle] = []
        deps: list[int] = []
        if _is_flat(args) and (not kwargs or _is_flat(kwargs.values())):
            handle.flat = True
        if handle.flat or (all(map(values.plain, args)) and all(map(values.plain, kwargs.values()))):
            try:
                handle.fingerprint = _stable((args, kwargs))
            except (OverflowError, UnicodeEncodeError):  # beyond 64 bits, or a lone surrogate: the slow form holds both
                handle.fingerprint, handle.flat = values.canonical((args, kwargs)).data, False
            if place.written:
                return waits_for
            run.origins.of_plain(args, deps)
            if kwargs:
                run.origins.of_plain(kwargs.values(), deps)
        else:
            waits_for = unresolved(args) + unresolved(kwargs)
            handle.fingerprint = values.canonical((_standing(args), _standing(kwargs)), run.origins.known).data
            if place.written:
                return waits_for
            run.origins.of_any(args, deps)
            run.origins.of_any(kwargs, deps)
        if deps:
            handle.deps = tuple(deps)
        else:
            handle.after = tuple(place.frontier)
        return waits_for

    def open_calls(self, node_id: str) -> list[CallHandle]:
        """The call of this id, where it has not ended.

        Raises:
            ValueError: there was none.
        """
        self.flush()
        live = [handle for handle in (*self._run.live, *(h for _, h in self._gate)) if handle.node_id == node_id]
        if not live and node_id not in {node.node_id for node in self._run.flow.nodes}:
            raise ValueError(
                f"_after={node_id!r}: no call of that id was made before; give calls an _id= to name them, or "
                f"_alias= and _labels= for `@alias` and `#label`"
            )
        return live

    def _when_done(self, upstream: list[CallHandle], handle: CallHandle, same: bool) -> None:
        """Decide about `handle` once the calls that its arguments refer to are done."""
        left = len(upstream)

        def one(future: asyncio.Future[Any]) -> None:
            nonlocal left
            left -= 1
            if handle.future.done() or self._run.closed:
                return
            if future.cancelled():
                handle.future.cancel()
            elif (error := future.exception()) is not None:
                handle.future.fail(error)
            elif not left:
                handle.at = self._run.at
                self._follows(upstream, handle, same)

        for other in upstream:
            other.as_task().add_done_callback(one)
        self.flush()

    def _follows(self, upstream: list[CallHandle], handle: CallHandle, same: bool) -> None:
        """All of `upstream` have given something: `handle` can be decided about."""
        for other in upstream:
            other.as_task()
        handle.deps = tuple(dict.fromkeys([*handle.deps, *(other.no for other in upstream)]))
        if self._control.was_skipped(handle):
            return
        self._resolved(handle, same)

    def _resolved(self, handle: CallHandle, same: bool) -> None:
        """What the arguments refer to is known: it counts for validity, since the identity only says whose it is."""
        if handle.flat:
            form = values.canonical_call(handle.args, handle.kwargs)
        else:
            if not handle.place.written:  # there they are values already
                try:
                    handle.args, handle.kwargs = resolve(handle.args), resolve(handle.kwargs)
                except (LookupError, AttributeError) as error:  # there is no such output
                    handle.future.fail(error)
                    return
            form = values.canonical((handle.args, handle.kwargs), self._run.origins.known).data
        handle.given = hashlib.blake2b(form, digest_size=8).digest()
        self._decide(handle, same)

    # ------------------------------------------------------------------ deciding

    def _decide(self, handle: CallHandle, same: bool) -> None:
        run = self._run
        node = run.flow.by_key.get(handle.key)
        if node is None:
            self._queue(handle)
            return
        handle.node, handle.no, handle.node_id = node, node.no, node.node_id
        run.validity.called(node)
        if node.given:
            self._give(handle, node.given)
        decision = run.flow.request(
            handle.key,
            lambda: run.validity.of(handle),
            same=same or run.rejoined,  # the code of this process that ran it: what was edited since is for a resume
            independent=lambda known: run.validity.independent(handle, known),
        )
        if decision.todo is _PENDING:
            run.hold_back(handle.key, lambda: self._start_again(handle, node))
            return
        if decision.todo is _REUSE and self.reuse(handle):
            return
        handle.why = decision.why or "its failure cannot be built again"
        unfinished = node.outcome is None
        handle.execution = node.execution + (0 if unfinished else 1)
        volatile = node.outcome is not None and bool(node.outcome.volatile)
        if node.kind == f.TOOL and handle.key in run.flow.positions and (unfinished or volatile):
            handle.redo = True  # it keeps its place in the order, so that races come out as they did
            run.mailbox.hold(handle.key)
        self._queue(handle)

    def _give(self, handle: CallHandle, payload: bytes) -> None:
        """A fork gives this call other inputs; whose call it is stays."""
        args, kwargs = list(handle.args), dict(handle.kwargs)
        names = handle.target.inputs
        for name, value in self._run.codec.load(payload).items():
            if name in names[: len(args)]:
                args[names.index(name)] = value
            else:
                kwargs[name] = value
        handle.args, handle.kwargs, handle.flat = tuple(args), kwargs, False
        handle.given = hashlib.blake2b(handle.given + payload, digest_size=8).digest()

    def _start_again(self, handle: CallHandle, node: Node) -> None:
        """The body cancelled it before, and does not now: after an edit, or since what failed then did not fail now."""
        if not handle.future.done():
            handle.execution, handle.why = node.execution, "it was cancelled, and now it is not"
            self._queue(handle)

    def _queue(self, handle: CallHandle) -> None:
        self._run.new(handle.place, handle.told, handle)
        handle.context = contextvars.copy_context()
        self._out.append(handle)
        self._run.mailbox.kick()  # which flushes, at the latest when the body yields

    def reuse(self, handle: CallHandle) -> bool:
        """Claim the recorded outcome of a known node; False where it is a failure that cannot be built again."""
        run, node = self._run, handle.node
        outcome = node.outcome if node is not None else None
        if node is None or outcome is None:
            raise OurBug(f"{handle.callee} of run {run.run_id} has no outcome to reuse")
        error: BaseException | None = None
        if not outcome.ok:
            error = rebuild(outcome.error, run.codec.load, run.names()) if outcome.error else None
            if error is None:
                return False
        if node.kind == f.GRAPH:
            run.mailbox.skip_scope(node.no)
        run.validity.reused(handle)
        run.mailbox.claim(handle.key, partial(run.delivery.recorded, handle, node, error))
        return True

    # ------------------------------------------------------------------ handing on

    def flush(self) -> None:
        """Hand on what the bodies called since the last time."""
        while self._out and not self._run.closed:  # what is handed on may call at once
            self._hand_on()
        if self._gate:
            self._open_gate()

    def _hand_on(self) -> None:
        run = self._run
        out, self._out = self._out, []
        for handle in out:
            if handle.future.done():
                continue
            target = handle.target
            if not handle.node_id:
                handle.node_id = run.flow.name(target.name)
            if target.kind == f.TOOL:
                if target.cache and run.caching.serves(handle):
                    continue
                if target.pure and not handle.redo:
                    run.attempts.enqueue(handle)
                    continue
            if target.kind == f.GRAPH and run.rejoined and _was_running(handle):
                run.start_graph(handle)  # it never ended: it was out of memory for a while
                continue
            self.node_started(handle)
            if target.kind == f.GRAPH:
                run.start_graph(handle)
            else:
                self._gate.append((run.number, handle))

    def node_started(self, handle: CallHandle) -> None:
        """Write that `handle` is a node, and starts."""
        run, kind = self._run, handle.target.kind
        if handle.node is None:
            handle.no = len(run.flow.nodes) + 1
        run.fact(
            f.NodeStarted(
                no=handle.no,
                key=handle.key,
                scope=handle.place.no,
                path=handle.place.path,
                at=handle.at,
                callee=handle.callee,
                node_id=handle.node_id,
                kind=kind,
                validity=run.validity.of(handle) if kind != f.WAIT else b"",
                t=run.clock(),
                args=b"" if kind == f.WAIT else preview(handle),  # what is asked is told when it opens
                deps=handle.deps,
                after=handle.after,
                execution=handle.execution,
                why=handle.why,
            )
        )
        handle.node = run.flow.by_key[handle.key]

    def _open_gate(self) -> None:
        """Start what is committed; one registration serves the whole group."""
        run, gate = self._run, self._gate
        while gate and not self._gate_armed and not run.closed:
            number = gate[-1][0]
            try:
                there = run.journal.barrier(number, self._committed, inline=True)
            except JournalBroken as error:
                run.break_off(error)
                return
            if run.journal.was_taken(run.run_id):
                run.break_off(run.taken())
                return
            if not there:
                self._gate_armed = True
                return
            while gate and gate[0][0] <= number:
                run.attempts.enqueue(gate.popleft()[1])

    def _committed(self) -> None:
        self._run.host.call(self._opened)

    def _opened(self) -> None:
        self._gate_armed = False
        self._open_gate()

    # ------------------------------------------------------------------ reading in place

    def read(self, handle: CallHandle, key: str) -> Any:
        """`handle.key` in a body: the value, run in place for a sync tool that was not awaited; else a reference."""
        target = handle.target
        if not handle.future.done():
            if target.kind != f.TOOL or target.runs_in != THREAD:
                return Reference(handle, key)
            self._run_in_place(handle)
        outputs = handle.future.result()
        return outputs[key] if key in outputs else getattr(outputs, key)

    def _run_in_place(self, handle: CallHandle) -> None:
        run, node = self._run, handle.node
        if handle in self._out and run.attempts.may_run_here(handle):
            handle.awaited = True
            handle.place.loose.pop(handle, None)
            self._out.remove(handle)
            if not handle.node_id:
                handle.node_id = run.flow.name(handle.callee)
            if handle.target.cache and run.caching.serves(handle, in_place=True):
                return
            if not handle.target.pure:
                self.node_started(handle)
                run.journal.flush()
            run.attempts.run_here(handle)
        elif node is not None and node.outcome is not None and handle.task is None:
            handle.awaited = True
            handle.place.loose.pop(handle, None)
            outcome = node.outcome
            error = rebuild(outcome.error, run.codec.load, run.names()) if outcome.error is not None else None
            run.mailbox.take(handle.key)
            run.delivery.recorded(handle, node, error, outcome.position)
        else:
            raise NotAwaited(handle.callee)

    # ------------------------------------------------------------------ cancelling

    async def cancelling(self, node_id: str) -> None:
        """`cancel_node`, for other threads."""
        self.cancel_node(node_id)

    def cancel_node(self, node_id: str) -> None:
        """Somebody outside ends a node: it has failed with `CancelledError`, on record and on replay.

        Raises:
            LookupError: it is not running; names those that are.
        """
        run = self._run
        self.flush()
        there = {handle.node_id: handle for handle in (*run.live, *run.attempts.in_line, *(h for _, h in self._gate))}
        handle = there.get(node_id)
        if handle is None or handle.future.done():
            running = ", ".join(sorted(there)) or "none"
            raise LookupError(f"no node {node_id!r} of run {run.run_id} is running; running are: {running}")
        error = asyncio.CancelledError(f"node {node_id} of run {run.run_id} was cancelled")
        if handle.staging is not None and handle.staging.give_up(error):
            return
        if handle.task is None:
            run.attempts.forget(handle)
            self._gate = deque(entry for entry in self._gate if entry[1] is not handle)
            run.delivery.failed(handle, error)
        elif not run.cancel_task(handle, str(error)):
            run.delivery.failed(handle, error)

    def cancelled(self, handle: CallHandle) -> None:
        """The body cancelled a call itself: on replay it stays pending until the body cancels it again."""
        run = self._run
        handle.place.loose.pop(handle, None)
        run.pending.pop(handle.key, None)
        if run.closed:
            return
        if handle.task is not None:
            run.cancel_task(handle)
        if handle.staging is not None:
            handle.staging.cancel()
        else:
            run.attempts.forget(handle)
        run.mailbox.unclaim(handle.key)
        if handle.redo:
            run.mailbox.release(handle.key)
        if handle.node is None:
            if not handle.node_id:  # it was never handed on
                return
            self.node_started(handle)
        if handle.node is not None and handle.node.cancelled:
            return
        run.asking.withdraw(handle)
        run.fact(f.CallCancelled(handle.no, handle.key))
        run.events.freed(handle.target.kind)
        run.journal.nudge()


def _gave_something(handle: CallHandle) -> bool:
    future = handle.future
    return future.done() and not future.cancelled() and future.exception() is None


def _was_running(handle: CallHandle) -> bool:
    node = handle.node
    return node is not None and node.status is NodeStatus.RUNNING and node.execution == handle.execution


def preview(handle: CallHandle) -> bytes:
    """The arguments as its fact keeps them, for a person to look at."""
    target, args = handle.target, handle.args
    if handle.flat and len(handle.fingerprint) <= values.ARGS_LIMIT and (target.pure or not args):
        return b"m" + handle.fingerprint  # what is at hand: plain arguments are fingerprinted by their encoding
    names = getattr(target, "inputs", ())
    named: dict[str, Any]
    rest: tuple[Any, ...]
    if len(args) == 1 and names:
        named, rest = {names[0]: args[0]}, ()
    else:
        named, rest = dict(zip(names, args, strict=False)), args[len(names) :]
    if handle.kwargs:
        named |= handle.kwargs
    if handle.flat:
        return values.preview_args(rest, named, flat=True)
    told = {name: values.about_value(value) for name, value in named.items()}
    return b"n" + _stable([[values.about_value(value) for value in rest], told])


def _is_flat(arguments: Any) -> bool:
    """Whether all arguments are numbers, None, or short texts that name no file: nothing to follow or to change."""
    for value in arguments:
        kind = type(value)
        if kind in _FLAT:
            if kind is int and not -(2**63) <= value < 2**63:
                return False
        elif kind is not str or len(value) > 256 or "/" in value or "\\" in value:
            return False
    return True


def _standing(value: Any, depth: int = 4) -> Any:
    """`value` with calls and references replaced by what stands for them in a fingerprint: whose output it is."""
    handle = handle_of(value)
    if handle is not None:
        return ("call", handle.key)
    if isinstance(value, Reference):
        return ("output", value.handle.key, value.key)
    if depth and type(value) in (list, tuple):
        members = [_standing(member, depth - 1) for member in value]
        return members if type(value) is list else tuple(members)
    if depth and type(value) is dict:
        return {key: _standing(member, depth - 1) for key, member in value.items()}
    if depth and is_named(value):
        return type(value)._make(_standing(member, depth - 1) for member in value)
    return value


def outcome_of(node: Node) -> Any:
    """The outcome of a finished node."""
    if node.outcome is None:
        raise OurBug(f"node {node.node_id} lost its outcome")
    return node.outcome
