"""One run while this process runs it: calls become nodes, nodes run, results go through the mailbox into the bodies.

It obeys `flow`: every call asks `Flow.request`, and every change of state is a fact that is folded and appended in one
step. Everything here happens on the loop's thread.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from . import codec as values
from . import contents
from . import facts as f
from .asking import Asking
from .attempts import Attempts
from .calls import CallHandle, Reference, resolve, unresolved
from .desks import BodyDesk
from .effects import Effects
from .engine import HERE, Desk, Op
from .errors import JournalBroken, NoOneToAsk, NotAwaited, OurBug
from .failures import describe, mark, reachable, rebuild
from .flow import Flow, Node, Todo
from .identity import root_key
from .ids import Key
from .loop import EMPTY, AetherLoop, Pulse
from .mailbox import Mailbox
from .origins import Origins
from .outputs import Outputs
from .places import BodyPlace
from .shapes import shape
from .status import RunStatus
from .timers import Timers

if TYPE_CHECKING:
    from .hub import Runtime
    from .reactive import Agent
    from .tooling import Tool

CONTROL = ("_id", "_alias", "_labels", "_name", "_after", "_condition", "_same")
_stable = msgspec.msgpack.Encoder(order="deterministic").encode


class Execution:
    """A live run. Made on the loop by `Runtime`, which has taken ownership and read the journal before."""

    def __init__(self, runtime: Runtime, run_id: str, agent: Agent, flow: Flow, cap: int) -> None:
        self.runtime, self.run_id, self.agent, self.flow = runtime, run_id, agent, flow
        self.loop: AetherLoop = runtime.thread.loop
        self.journal = runtime.journal
        self.names = agent.names  # where classes of the run's own definitions are found
        self.codec = runtime.codec_for(agent)
        self.pulse = Pulse()
        self.now = self.loop.raw_time()
        self.at = -1  # the position of the last delivery
        self.number = 0  # of the last fact appended
        self.closed = ""  # why no more calls are taken
        self.origins = Origins()
        self.covers: dict[int, frozenset[int]] = {}  # nodes that ran again after an edit, by what descends from them
        self.pins: dict[int, bytes] = {}  # code fingerprints, taken once per callee and run
        self.tasks: dict[Key, set[asyncio.Task[Any]]] = {}
        self.loose: dict[Key, dict[CallHandle, None]] = {}  # calls that nobody has awaited yet, by scope
        self.live: set[CallHandle] = set()
        self.failed: dict[int, CallHandle] = {}
        self._out: list[CallHandle] = []
        self._gate: deque[tuple[int, CallHandle]] = deque()
        self._gate_armed = False
        self._had_history = bool(flow.nodes)
        self.mailbox = Mailbox(self.loop, self.pulse, flow, self._quiet)
        self.timers = Timers(self)
        self.attempts = Attempts(self, cap)
        self.asking = Asking(self)
        self.effects = Effects(self)
        self.root = BodyPlace(self, root_key(run_id), 0)
        self.task: asyncio.Task[Any] | None = None
        self.broken: BaseException | None = None
        self.row_status = RunStatus.RUNNING  # as the run's row says
        self._given: dict[Key, set[str]] = {}
        self._desks: dict[int, BodyDesk] = {}

    # ------------------------------------------------------------------ facts

    def fact(self, fact: f.AnyFact, ops: Sequence[Op] = ()) -> int:
        """Fold and append in one step; return the number of its delivery, or -1."""
        self.number = self.journal.append(self.run_id, fact, ops)
        return self.flow.fold(fact)

    async def committed(self, number: int | None = None) -> None:
        """Return when append `number` (default: all so far) is on disk."""
        done = self.loop.create_future()

        def tell() -> None:
            self.loop.call_soon_threadsafe(lambda: done.done() or done.set_result(None), context=EMPTY)

        if not self.journal.barrier(self.number if number is None else number, tell):
            await done
            self.journal.barrier(0, tell)  # raises if the journal broke meanwhile

    def when_committed(self, call: Callable[[], None]) -> None:
        """Call on the loop once all that was appended so far is on disk."""
        if self.journal.barrier(self.number, lambda: self.loop.call_soon_threadsafe(call, context=EMPTY)):
            self.loop.call_soon(call, context=EMPTY)

    def advance(self, position: int) -> None:
        """A delivery happens: time goes on."""
        if position > self.at:
            self.at = position
        self.now = self.loop.raw_time()

    def clock(self) -> float:
        """Wall-clock seconds."""
        return self.runtime.clock.now()

    # ------------------------------------------------------------------ calls

    def call(self, place: BodyPlace, target: Tool | Agent, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallHandle:
        """A body calls a tool or an agent: a node, or a recorded result."""
        if self.closed:
            raise asyncio.CancelledError(f"run {self.run_id} takes no more calls: {self.closed}")
        options = None
        if kwargs:
            for name in CONTROL:
                if name in kwargs:
                    options, kwargs = _split(kwargs)
                    break
        handle = CallHandle(self, place, target, target.name, args, kwargs)
        waits_for = self._fingerprint(handle)
        if options:
            self._options(handle, options, waits_for)
        given = options.get("_id") if options else None
        handle.key = place.identity(target.name, handle.fingerprint, given)
        if given is not None:
            self._claim_id(handle, given)
        self.loose.setdefault(place.scope, {})[handle] = None
        if waits_for:
            self._when_done(waits_for, handle, bool(options and options.get("_same")))
        else:
            self._decide(handle, bool(options and options.get("_same")))
        return handle

    def _fingerprint(self, handle: CallHandle) -> list[CallHandle]:
        """Set argument fingerprint and edges; return the calls whose results the arguments need."""
        args, kwargs = handle.args, handle.kwargs
        place = handle.place
        if all(map(values.plain, args)) and (not kwargs or all(map(values.plain, kwargs.values()))):
            handle.fingerprint = _stable((args, kwargs))
            self.origins.of_plain(args, handle.deps)
            if kwargs:
                self.origins.of_plain(kwargs.values(), handle.deps)
            if not handle.deps:
                handle.after = list(place.frontier)
            return []
        waits_for = unresolved(args) + unresolved(kwargs)
        form = values.canonical((_standing(args), _standing(kwargs)), self.origins.known)
        handle.fingerprint = form.data
        if not waits_for:
            self.origins.of_any(args, handle.deps)
            self.origins.of_any(kwargs, handle.deps)
            if not handle.deps:
                handle.after = list(place.frontier)
        return waits_for

    def _options(self, handle: CallHandle, options: dict[str, Any], waits_for: list[CallHandle]) -> None:
        for upstream in unresolved(options.get("_after")):
            waits_for.append(upstream)
        if "_condition" in options:
            raise TypeError("_condition= is for @graphify bodies; in a graph_fn write an `if`")

    def _claim_id(self, handle: CallHandle, given: str) -> None:
        taken = self._given.setdefault(handle.place.scope, set())
        if given in taken:
            raise ValueError(f"_id={given!r} was used twice in this body; an _id names one call")
        taken.add(given)

    def _when_done(self, upstream: list[CallHandle], handle: CallHandle, same: bool) -> None:
        """Decide about `handle` once the calls that its arguments refer to are done."""
        left = len(upstream)

        def one(future: asyncio.Future[Any]) -> None:
            nonlocal left
            left -= 1
            if handle.future.done() or self.closed:
                return
            if future.cancelled():
                handle.future.cancel()
                return
            error = future.exception()
            if error is not None:
                handle.future.set_exception(error)
                return
            if not left:
                handle.at = self.at
                handle.deps = list(dict.fromkeys(h.no for h in upstream))
                handle.args, handle.kwargs = resolve(handle.args), resolve(handle.kwargs)
                self._decide(handle, same)

        for other in upstream:
            other.awaited = True
            self.loose.get(other.place.scope, {}).pop(other, None)
            other.future.add_done_callback(one)
        self.flush()

    def _decide(self, handle: CallHandle, same: bool = False) -> None:
        node = self.flow.by_key.get(handle.key)
        if node is None:
            self._queue(handle)
            return
        handle.node, handle.no, handle.node_id = node, node.no, node.node_id
        decision = self.flow.request(
            handle.key, lambda: self.validity(handle), same=same, independent=lambda known: self._independent(handle, known)
        )
        if decision.todo is Todo.REUSE and self.reuse(handle):
            return
        if decision.todo is Todo.PENDING:
            return
        handle.why = decision.why or "its failure cannot be built again"
        unfinished = node.outcome is None
        handle.execution = node.execution + (0 if unfinished else 1)
        handle.redo = handle.key in self.flow.positions and (unfinished or bool(node.outcome and node.outcome.volatile))
        if handle.redo and node.kind == f.TOOL:
            self.mailbox.hold(handle.key)
        else:
            handle.redo = False
        self._queue(handle)

    def _queue(self, handle: CallHandle) -> None:
        if not self._out:
            self.loop.call_soon(self.flush, context=EMPTY)
        self._out.append(handle)

    def reuse(self, handle: CallHandle) -> bool:
        """Claim the recorded outcome of a known node; False where it is a failure that cannot be built again."""
        node = handle.node
        outcome = node.outcome if node is not None else None
        if node is None or outcome is None:
            raise OurBug(f"{handle.callee} of run {self.run_id} has no outcome to reuse")
        error: BaseException | None = None
        if not outcome.ok:
            error = rebuild(outcome.error, self.codec.load, self.names()) if outcome.error else None
            if error is None:
                return False
        if node.kind == f.GRAPH:
            self.mailbox.skip_scope(node.no)
        covered = self._covered(handle)
        if covered:
            self.covers[node.no] = covered

        def deliver(position: int) -> None:
            self.advance(position)
            if handle.future.done():
                return
            handle.place.delivered(handle, rerun=False)
            if error is not None:
                self.failed[handle.no] = handle
                handle.future.set_exception(error)
            else:
                handle.future.set_result(self._loaded(node))

        self.mailbox.claim(handle.key, deliver)
        return True

    def _loaded(self, node: Node) -> Any:
        outcome = node.outcome
        if outcome is None:
            raise OurBug(f"node {node.node_id} of run {self.run_id} lost its outcome")
        if node.kind == f.WAIT:
            return self.codec.load(outcome.value)
        return self.codec.load_outputs(
            outcome.value, lambda _, value, digest: self.origins.add(value, node.no, digest)
        )

    # ------------------------------------------------------------------ validity

    def validity(self, handle: CallHandle) -> bytes:
        """The fingerprint of the callee's code, taken once per run, and of files named by the arguments."""
        pin = self.pins.get(id(handle.target))
        if pin is None:
            pin = self.pins[id(handle.target)] = handle.target.validity()
        files = contents.files_in((handle.args, handle.kwargs))
        return pin + _stable(files) if files else pin

    def _covered(self, handle: CallHandle) -> frozenset[int]:
        if not self.covers:
            return frozenset()
        found: set[int] = set()
        for dep in handle.deps:
            found |= self.covers.get(dep, frozenset())
        return frozenset(found)

    def _independent(self, handle: CallHandle, node: Node) -> str:
        """Why a valid record cannot be reused all the same: a file it made is gone, or it may depend on what ran again."""
        outcome = node.outcome
        for path, size, mtime in outcome.files if outcome else ():
            if not contents.file_is(path, size, mtime):
                return f"the file {path} that it returned changed"
        rerun = handle.place.rerun
        target = handle.target
        if not rerun or node.kind != f.TOOL or target.pure or target.cache:
            return ""
        unexplained = rerun - self._covered(handle)
        if not unexplained:
            return ""
        first = self.flow.nodes[min(unexplained) - 1]
        return f"it follows {first.node_id}, which ran again, and nothing shows that it does not depend on it"

    # ------------------------------------------------------------------ starting

    def flush(self) -> None:
        """Hand on what the bodies called since the last time: one barrier serves the whole group."""
        if not self._out or self.closed:
            return
        out, self._out = self._out, []
        for handle in out:
            if handle.future.done():
                continue
            target = handle.target
            if not handle.node_id:
                handle.node_id = self.flow.name(target.name)
            if target.kind == f.TOOL and target.pure and not handle.redo:
                self.attempts.enqueue(handle)
                continue
            self.node_started(handle)
            if target.kind == f.GRAPH:
                self._start_graph(handle)
            else:
                self._gate.append((self.number, handle))
        self._open_gate()

    def node_started(self, handle: CallHandle) -> None:
        """Write that `handle` is a node, and starts."""
        if handle.node is None:
            handle.no = len(self.flow.nodes) + 1
        kind = handle.target.kind
        self.fact(
            f.NodeStarted(
                handle.no, handle.key, handle.place.no, handle.place.path, handle.at, handle.callee, handle.node_id, kind,
                self.validity(handle) if kind != f.WAIT else b"", self.clock(),
                values.preview_args(handle.args, handle.kwargs), handle.deps, handle.after, handle.execution, handle.why,
            )
        )  # fmt: skip
        handle.node = self.flow.by_key[handle.key]

    def _open_gate(self) -> None:
        gate = self._gate
        while gate and not self._gate_armed and not self.closed:
            number = gate[-1][0]
            try:
                there = self.journal.barrier(number, self._gate_committed, inline=True)
            except JournalBroken as error:
                self.break_off(error)
                return
            if not there:
                self._gate_armed = True
                return
            while gate and gate[0][0] <= number:
                self.attempts.enqueue(gate.popleft()[1])

    def _gate_committed(self) -> None:
        self.loop.call_soon_threadsafe(self._gate_opened, context=EMPTY)

    def _gate_opened(self) -> None:
        self._gate_armed = False
        self._open_gate()

    def _start_graph(self, handle: CallHandle) -> None:
        place = BodyPlace(self, handle.key, handle.no)
        context = handle.context
        context.run(HERE.set, place)
        self.live.add(handle)
        handle.task = asyncio.Task(self._graph(handle, place), loop=self.loop, context=context)

    async def _graph(self, handle: CallHandle, place: BodyPlace) -> None:
        try:
            outputs = await self.run_body(handle.target, handle.args, handle.kwargs, place)
        except asyncio.CancelledError as error:
            if not handle.future.done() and not self.closed:
                self.complete(handle, error=error)
        except Exception as error:  # noqa: BLE001 (the body is the user's)
            self.complete(handle, error=error)
        else:
            self.complete(handle, outputs=outputs)
        finally:
            self.live.discard(handle)

    # ------------------------------------------------------------------ bodies

    async def run_body(
        self, agent: Agent, args: tuple[Any, ...], kwargs: dict[str, Any], place: BodyPlace
    ) -> dict[str, Any]:
        """Run the body of `agent` in `place` to the end of its scope; its outputs."""
        context = self.runtime.make_context(self.body_desk(place)) if agent.context_name else None
        if agent.context_name:
            kwargs = {**kwargs, agent.context_name: context}
        try:
            value = agent.fn(*args, **kwargs)
            if inspect.isawaitable(value) and not isinstance(value, (CallHandle, Reference, Outputs)):
                value = await value
            await self._join_loose(place.scope, value)
            value = resolve(value)
        except BaseException:
            for loose in self.loose.pop(place.scope, {}):
                if not loose.future.done() and not self.closed:
                    loose.future.cancel()
            raise
        finally:
            await self._end_tasks(place.scope)
            self.runtime.scope_ended(self._desks.pop(place.no, None))
        if context is not None:
            context.close()
        return shape(value, agent.outputs, agent.name)

    async def _join_loose(self, scope: Key, value: Any) -> None:
        """Calls that nobody awaited still run; their errors count."""
        for handle in unresolved(value):
            self.loose.setdefault(scope, {})[handle] = None
        while loose := self.loose.get(scope):
            handle = next(iter(loose))
            del loose[handle]
            await handle

    async def _end_tasks(self, scope: Key) -> None:
        """A scope ends with its tasks: nothing may change an output after it was encoded."""
        here = asyncio.current_task()
        while left := [task for task in self.tasks.pop(scope, ()) if not task.done() and task is not here]:
            for task in left:
                task.cancel()
            await asyncio.wait(left)

    # ------------------------------------------------------------------ completing

    def complete(
        self,
        handle: CallHandle,
        *,
        outputs: dict[str, Any] | None = None,
        packed: values.Packed | None = None,
        error: BaseException | None = None,
        volatile: str = "",
        started: float = 0.0,
        attempt: int = 1,
        in_place: bool = False,
    ) -> None:
        """A node ended: one append and one push, so that mailbox order is journal order."""
        if self.closed or handle.future.done():
            return
        if isinstance(error, NoOneToAsk):  # recorded as nothing: the question stays open, and is asked again on resume
            handle.future.set_exception(error)
            return
        no = handle.no or len(self.flow.nodes) + 1
        where = f"node {handle.node_id} of run {self.run_id}"
        failure: f.Error | None = None
        value, files = b"", []
        if error is not None:
            mark(error, no, f"in {where}")
            failure = describe(error, self.codec.dump)
        elif outputs is not None:
            if handle.target.kind == f.TOOL and not handle.target.store:
                packed = values.Packed(b"", {}, "its outputs are kept out of the store (store=False)")
            packed = packed or self.codec.dump_outputs(outputs, where)
            value, files = packed.payload, packed.files
            volatile = volatile or packed.volatile
        now = self.clock()
        if handle.node is None or (handle.target.pure and not handle.redo and handle.execution != handle.node.execution):
            handle.no = no
            fact: f.AnyFact = f.NodeRan(
                no, handle.key, handle.place.no, handle.place.path, handle.at, handle.callee, handle.node_id,
                self.validity(handle), started or now, now - started if started else 0.0, failure is None, value,
                values.preview_args(handle.args, handle.kwargs), handle.deps, handle.after, failure, volatile, files,
                attempt,
            )  # fmt: skip
        else:
            fact = f.NodeDone(
                no, failure is None, value, now, failure, volatile, files, attempt, redo=handle.redo
            )
        position = self.fact(fact)
        self._remember(handle, outputs, packed)
        deliver = self._deliverer(handle, outputs, error)
        if in_place:
            deliver(position)
        elif handle.redo:
            self.mailbox.claim(handle.key, deliver)
            self.mailbox.release(handle.key)
        else:
            self.mailbox.push(position, deliver)

    def wait_done(self, handle: CallHandle, value: Any, error: Exception | None, *, through_mailbox: bool) -> None:
        """A question has its answer, or ran out of time."""
        failure = None
        if error is not None:
            mark(error, handle.no, f"in node {handle.node_id} of run {self.run_id}")
            failure = describe(error, self.codec.dump)
        payload = b"" if failure else self.codec.dump(value)
        position = self.fact(f.NodeDone(handle.no, failure is None, payload, self.clock(), failure))

        def deliver(at: int) -> None:
            if through_mailbox:
                self.advance(at)
                handle.place.delivered(handle, rerun=False)
            if handle.future.done():
                return
            if error is not None:
                handle.future.set_exception(error)
            else:
                handle.future.set_result(value)

        if through_mailbox:
            self.mailbox.push(position, deliver)
        else:
            deliver(position)
            self.journal.nudge()

    def _remember(self, handle: CallHandle, outputs: dict[str, Any] | None, packed: values.Packed | None) -> None:
        if outputs is None or packed is None:
            return
        if packed.hashes:
            for key, digest in packed.hashes.items():
                self.origins.add(outputs[key], handle.no, digest)
        else:
            self.origins.add_plain(outputs, handle.no)

    def _deliverer(
        self, handle: CallHandle, outputs: dict[str, Any] | None, error: BaseException | None
    ) -> Callable[[int], None]:
        def deliver(position: int) -> None:
            self.advance(position)
            if handle.future.done():
                return
            rerun = self._had_history and handle.target.kind == f.TOOL and not handle.redo
            if rerun:
                self.covers[handle.no] = self._covered(handle) | {handle.no}
            handle.place.delivered(handle, rerun=rerun)
            if error is not None:
                self.failed[handle.no] = handle
                handle.future.set_exception(error)
            else:
                handle.future.set_result(Outputs(outputs or {}))

        return deliver

    # ------------------------------------------------------------------ reading in place

    def read(self, handle: CallHandle, key: str) -> Any:
        """`handle.key` in a body: the value, run in place for a sync tool that was not awaited; else a reference."""
        if handle.future.done():
            return _output(handle, key)
        target = handle.target
        if target.kind != f.TOOL or target.is_async:
            return Reference(handle, key)
        self._run_in_place(handle)
        return _output(handle, key)

    def _run_in_place(self, handle: CallHandle) -> None:
        handle.awaited = True
        self.loose.get(handle.place.scope, {}).pop(handle, None)
        if handle in self._out:
            self._out.remove(handle)
            if not handle.node_id:
                handle.node_id = self.flow.name(handle.callee)
            if not handle.target.pure:
                self.node_started(handle)
                self.journal.flush()
            self.attempts.run_here(handle)
        elif handle.node is not None and handle.node.outcome is not None and handle.task is None:
            self.mailbox.take(handle.key)
            node = handle.node
            if handle.node.outcome.ok:
                handle.place.delivered(handle, rerun=False)
                handle.future.set_result(self._loaded(node))
            elif handle.node.outcome.error is not None:
                error = rebuild(handle.node.outcome.error, self.codec.load, self.names())
                handle.future.set_exception(error or OurBug(f"the failure of {node.node_id} cannot be built"))
        else:
            raise NotAwaited(handle.callee)

    # ------------------------------------------------------------------ cancelling, pausing, ending

    def body_cancelled(self, handle: CallHandle) -> None:
        """The body cancelled a call itself: on replay it stays pending until the body cancels it again."""
        self.loose.get(handle.place.scope, {}).pop(handle, None)
        if self.closed:
            return
        if handle.task is not None:
            handle.task.cancel()
        self.mailbox.unclaim(handle.key)
        if handle.redo:
            self.mailbox.release(handle.key)
        if handle.node is None:
            if not handle.node_id:  # it was never handed on
                return
            self.node_started(handle)
        if handle.node is not None and handle.node.cancelled:
            return
        self.asking.withdraw(handle)
        self.fact(f.CallCancelled(handle.no, handle.key))
        self.journal.nudge()

    def _quiet(self) -> None:
        self.journal.nudge()
        self.asking.quiet()

    @property
    def only_waits(self) -> bool:
        """Whether nothing but open questions is left to happen."""
        return bool(self.asking.open) and not self.attempts.busy and not self.timers.pending and not self._gate

    async def main(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outputs:
        """Run the root body to its end, and put that end on disk.

        Raises:
            Exception: what the body raised, unchanged.
            asyncio.CancelledError: the run was cancelled or suspended; `closed` says which.
        """
        HERE.set(self.root)
        try:
            outputs = await self.run_body(self.agent, args, kwargs, self.root)
            packed = self.codec.dump_outputs(outputs, f"run {self.run_id}")
            if not self.closed:
                self.asking.withdraw_all()
                self._end(f.RunDone(packed.payload, self.clock(), packed.volatile), RunStatus.DONE)
                self.closed = "it is done"
        except asyncio.CancelledError:
            if not self.closed:
                self._suspend("it was interrupted")
            raise
        except NoOneToAsk as error:
            self._suspend(f"nobody could be asked {error.prompt!r}")
            raise
        except Exception as error:
            self._failed(error)
            raise
        finally:
            HERE.set(None)
            await self._close()
        return Outputs(outputs)

    def _failed(self, error: Exception) -> None:
        unretrieved = [no for no, handle in self.failed.items() if not handle.awaited]
        fatal = list(dict.fromkeys([*reachable(error), *unretrieved]))
        self.asking.withdraw_all_unclaimed()
        failure = describe(error, self.codec.dump)
        self._end(f.RunFailed(failure, fatal, self.clock()), RunStatus.FAILED, f"{failure.qualname}: {failure.message}")
        self.closed = "it failed"

    def _end(self, fact: f.AnyFact, status: RunStatus, error: str = "") -> None:
        """Write the end of the run, or of this process's part in it, together with the run's row."""
        self.flow.fold(fact)
        self.number = self.journal.append(self.run_id, fact, [self.runtime.row_op(self, status, error[:200])])

    def _suspend(self, why: str) -> None:
        self._end(f.RunPaused(why, self.clock()), RunStatus.PAUSED)
        self.closed = why

    def suspend(self, why: str) -> None:
        """Let go of the run: facts flushed, further calls refused, status paused."""
        if not self.closed:
            self._suspend(why)
            self._cancel_tasks()

    def cancel(self, by: str) -> None:
        """End the run for good."""
        if not self.closed:
            self.asking.withdraw_all()
            self._end(f.RunCancelled(by, self.clock()), RunStatus.CANCELLED)
            self.closed = "it was cancelled"
            self._cancel_tasks()

    def break_off(self, error: BaseException) -> None:
        """The journal is broken, or another process took the run: nothing more can be written."""
        if not self.closed:
            self.closed = str(error)
            self.broken = error
            self._cancel_tasks()

    def _cancel_tasks(self) -> None:
        self.mailbox.closed = True
        if self.task is not None:
            self.task.cancel()

    async def _close(self) -> None:
        """The body has ended: stop what is left of the run and put its end on disk."""
        self.mailbox.closed = True
        self.asking.close()
        self.attempts.close()
        for handle in list(self.live):
            if handle.task is not None:
                handle.task.cancel()
        if self.broken is None:
            await self.committed()

    def body_desk(self, place: BodyPlace) -> Desk:
        """The desk of a body: one for all its tasks."""
        desk = self._desks.get(place.no)
        if desk is None:
            desk = self._desks[place.no] = BodyDesk(self, place)
        return desk


def _split(kwargs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    options = {name: value for name, value in kwargs.items() if name in CONTROL}
    return options, {name: value for name, value in kwargs.items() if name not in CONTROL}


def _output(handle: CallHandle, key: str) -> Any:
    outputs = handle.future.result()
    return outputs[key] if key in outputs else getattr(outputs, key)


def _standing(value: Any, depth: int = 4) -> Any:
    """`value` with calls and references replaced by what stands for them in a fingerprint: whose output it is."""
    if isinstance(value, CallHandle):
        return ("call", value.key)
    if isinstance(value, Reference):
        return ("output", value.handle.key, value.key)
    if depth and isinstance(value, (list, tuple)):
        members = [_standing(member, depth - 1) for member in value]
        return members if isinstance(value, list) else tuple(members)
    if depth and type(value) is dict:
        return {key: _standing(member, depth - 1) for key, member in value.items()}
    return value

