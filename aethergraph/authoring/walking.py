"""A static graph as the body of a run: each node is called as soon as what it depends on is known.

Calls go through the same engine as those of a reactive body, so caps, commits, retries, replay and resume are the
same. Each node has a lineage of its own: what is undone on record after a failure is that node and nothing beside it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterable, Mapping
from typing import Any

from ..engine import HERE
from ..errors import GraphBuildError, NodeFailed, NoOneToAsk
from ..graphs.graph import GraphNode, TaskGraph
from ..graphs.references import SKIPPED, Reference, chosen, evaluate, evaluated, node_of, references
from ..ids import Key
from ..record import facts as f
from ..record.failures import told
from ..record.identity import Lineage
from ..record.status import NodeStatus
from ..scheduler.calls import CallHandle
from ..scheduler.marking import marks
from ..scheduler.places import BodyPlace

_NONE: frozenset[int] = frozenset()
# One for all nodes, which nobody changes: the garbage collector looks at what there is a thousand of.
_NOTHING: dict[int, None] = {}
_NO_KWARGS: dict[str, Any] = {}


async def walk(graph: TaskGraph, inputs: Mapping[str, Any], *, on_error: str = "finish") -> dict[str, Any] | None:
    """Run `graph` in the body that calls this; its outputs, None where it has none.

    Raises:
        NodeFailed: from the exception of the node that failed first. What does not depend on it was finished before,
            or cancelled with `on_error="stop"`.
    """
    place = HERE.get()
    if not isinstance(place, BodyPlace):
        raise TypeError(f"{graph.graph_id} can run only in the body of a run")
    started = place.run.flow.started
    if not place.no and started is not None and started.on_error:
        on_error = started.on_error
    return await _Walk(place, graph, inputs, on_error).outputs()


class _NodePlace(BodyPlace):
    """Where one node is called: a lineage of its own, and an identity that does not depend on when it is called."""

    __slots__ = ("_given", "_marks")
    written = True

    def __init__(self, body: BodyPlace, node: GraphNode, rerun: frozenset[int] = _NONE) -> None:
        self.scope, self.path = body.scope, f"{body.path}/{node.node_id.replace('/', '|')}"
        self._children = self._seen = self._hash = None
        self.run, self.no, self.parent, self.pulse = body.run, body.no, body, body.pulse
        self.limits, self.loose = body.limits, body.loose
        self.frontier, self.rerun = _NOTHING, rerun
        self._given = node.identity
        has_some = node.alias or node.labels or node.name
        self._marks = marks(node.alias, node.labels, node.name) if has_some else None

    def identity(self, callee: str, arguments: bytes, given: str | None = None) -> Key:
        key = Lineage.identity(self, callee, arguments, self._given)
        if self._marks is not None:
            self.run.marking.call(key, self._marks)
        return key

    def delivered(self, handle: CallHandle, rerun: frozenset[int]) -> None:
        if rerun:  # else there is nothing to know: what follows it is written
            self.frontier = {}
            super().delivered(handle, rerun)


class _Walk:
    def __init__(self, place: BodyPlace, graph: TaskGraph, inputs: Mapping[str, Any], on_error: str) -> None:
        self._place, self._graph, self._inputs, self._on_error = place, graph, inputs, on_error
        self._left = {node.node_id: len(node.dependencies) for node in graph.nodes}
        self._followers = graph.followers
        self._handles: dict[str, CallHandle] = {}
        self._results: dict[str, Any] = {}
        self._skipped: set[str] = set()
        self._numbers: dict[str, int] = {}  # of the nodes that were skipped
        self._failed: dict[str, BaseException] = {}
        self._stopped: set[str] = set()  # cannot be called any more: something before them failed
        self._open: dict[asyncio.Future[Any], str] = {}  # what has been called, by what its call gives
        self._when_ended = self._ended  # one for all
        self._context = contextvars.copy_context()  # in which it goes on when a node has ended
        self._end: asyncio.Future[None] = place.run.loop.create_future()
        self._taken: set[str] = set()  # ids that the run has given already
        if not place.no:
            self._taken.update(n.node_id for n in place.run.flow.nodes if n.status is not NodeStatus.SKIPPED)
            for node in graph.nodes:
                place.run.flow.reserve(node.logic, node.node_id)

    async def outputs(self) -> dict[str, Any] | None:
        """All nodes have ended: what the graph gives."""
        self._go_on(name for name, left in self._left.items() if not left)
        try:
            await self._end
        except BaseException:
            self._cancel_open()
            raise
        finally:
            del self._when_ended  # or it would wait for the garbage collector
        if self._failed:
            raise self._failure()
        try:
            return evaluate(self._graph.outputs, self._look) or None
        except Exception as error:
            error.add_note(f"for the outputs of {self._graph.graph_id}, written at {self._graph.where}")
            raise

    def _failure(self) -> BaseException:
        for error in self._failed.values():
            if isinstance(error, NoOneToAsk):
                return error
        (first, error), *others = self._failed.items()
        failed = NodeFailed(
            self._place.run.run_id,
            self._named(first),
            told(type(error).__name__, str(error), getattr(error, "__notes__", ())),
        )
        failed.__cause__ = error
        if others:  # reachable from here, so that a resume tries all of them again
            failed.__context__ = BaseExceptionGroup("others failed, too", [other for _, other in others])
            failed.add_note("also failed: " + ", ".join(self._named(name) for name, _ in others))
        return failed

    def _named(self, name: str) -> str:
        handle = self._handles.get(name)
        return (handle.node_id if handle else "") or name

    # ------------------------------------------------------------------ going on

    def _go_on(self, ready: Iterable[str]) -> None:
        todo = list(ready)
        for name in todo:  # which grows meanwhile
            if not self._begin(self._graph.node(name)):
                todo += self._settled(name)
        if not self._open and not self._end.done():
            self._end.set_result(None)

    def _settled(self, name: str) -> list[str]:
        """`name` has ended: the nodes that need wait no longer."""
        ready = []
        for follower in self._followers[name]:
            self._left[follower] -= 1
            if not self._left[follower]:
                ready.append(follower)
        return ready

    def _begin(self, node: GraphNode) -> bool:
        """Call a node whose dependencies have ended; False where it is not to be called."""
        name = node.node_id
        gone = self._failed or self._stopped
        if gone and any(other in self._failed or other in self._stopped for other in node.dependencies):
            self._stopped.add(name)
            return False
        try:
            if (node.condition is not True or self._skipped) and self._is_skipped(node):
                self._skip(node)
                return False
            args = tuple(evaluated(node.args, self._look))
            kwargs = evaluate(dict(node.kwargs), self._look) if node.kwargs else _NO_KWARGS
            node.target.check(args, kwargs)
        except Exception as error:  # noqa: BLE001 (a comparison of the user's values may raise anything)
            error.add_note(f"for node {name}, written at {node.where}")
            self._fail(name, error)
            return False
        self._call(node, args, kwargs)
        return True

    def _is_skipped(self, node: GraphNode) -> bool:
        """Its condition is false, or it is given, as a whole argument, something of a node that was skipped."""
        given = [chosen(value, self._look) for value in (*node.args, *node.kwargs.values())]
        direct = [*given, *references(node.condition)]
        if any(isinstance(value, Reference) and node_of(value) in self._skipped for value in direct):
            return True
        return not evaluate(node.condition, self._look)

    def _skip(self, node: GraphNode) -> None:
        """Not called: say so, for people to see."""
        self._skipped.add(node.node_id)
        run, place = self._place.run, _NodePlace(self._place, node)
        key = place.identity(node.logic, b"skipped")
        known = run.flow.by_key.get(key)
        if known is None or known.status is not NodeStatus.SKIPPED:
            no = known.no if known is not None else len(run.flow.nodes) + 1
            before = [self._number(other) for other in node.dependencies]
            node_id = known.node_id if known is not None else node.node_id
            if known is None and self._place.no:
                node_id = run.flow.name(node_id)
            why = "its condition does not hold"
            if any(other in self._skipped for other in node.dependencies):
                why = "what it needs was skipped"
            run.fact(
                f.NodeSkipped(
                    no, key, self._place.no, place.path, run.at, node.logic, node_id, node.target.kind,
                    run.clock(), why, after=tuple(before),
                )
            )  # fmt: skip
        self._numbers[node.node_id] = run.flow.by_key[key].no

    def _number(self, name: str) -> int:
        handle = self._handles.get(name)
        return handle.no if handle is not None else self._numbers[name]

    def _look(self, node: str, key: str | None) -> Any:
        if not node:
            return self._inputs[key or ""]
        if node in self._skipped:
            return SKIPPED
        outputs = self._results[node]
        if key is None:
            return next(iter(outputs.values())) if len(outputs) == 1 else outputs
        if key not in outputs:
            raise GraphBuildError(f"{node} gave no output {key!r}; it gave: {', '.join(outputs) or 'none'}")
        return outputs[key]

    def _call(self, node: GraphNode, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        run, handles = self._place.run, self._handles
        given, order, rerun = list[CallHandle](), tuple[int, ...](), _NONE
        if node.dependencies:
            given = [handles[other] for other in node.needs if other in handles]
            order = tuple([handles[other].no for other in node.after if other in handles])
            for other in node.dependencies:
                if other in handles and (more := handles[other].place.rerun):
                    rerun |= more
        place = _NodePlace(self._place, node, rerun)
        handle = run.dispatch.call(place, node.target, args, kwargs, given, same=node.same)
        handle.after = order
        if node.node_id not in self._taken and not self._place.no and handle.node is None:
            handle.node_id = node.node_id
        self._handles[node.node_id] = handle
        future = handle.as_task()
        self._open[future] = node.node_id
        future.add_done_callback(self._when_ended, context=self._context)

    def _ended(self, future: asyncio.Future[Any]) -> None:
        name = self._open.pop(future)
        if self._end.done():
            if not future.cancelled():
                future.exception()  # retrieved: the body has ended before
            return
        try:
            if future.cancelled():
                self._stopped.add(name)
                if self._on_error == "finish" or not self._failed:
                    self._fail(name, asyncio.CancelledError("it was cancelled"))
            elif (error := future.exception()) is not None:
                self._fail(name, error)
            else:
                self._results[name] = future.result()
            ready = self._settled(name)
            if ready or not self._open:
                self._go_on(ready)
        except asyncio.CancelledError:  # the run takes no more calls
            self._end.cancel()
        except BaseException as error:  # noqa: BLE001 (raised in a callback it would be lost, and the run would hang)
            self._end.set_exception(error)

    def _fail(self, name: str, error: BaseException) -> None:
        self._failed[name] = error
        if self._on_error == "stop" and len(self._failed) == 1:
            self._stopped.update(name for name, left in self._left.items() if name not in self._handles)
            self._cancel_open()

    def _cancel_open(self) -> None:
        if not self._place.run.closed:
            for name in list(self._open.values()):
                self._handles[name].future.cancel()
