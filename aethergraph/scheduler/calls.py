"""What a call in a body gives: a handle that can be awaited, passed on, or (for a sync tool) read in place."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Generator, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import NotAwaited
from ..graphs.held import members
from ..ids import Key
from ..record.flow import Node
from ..record.status import NodeStatus
from ..values.canonical import plain
from .slots import Seat

if TYPE_CHECKING:  # the engine makes handles and handles call the engine: one noun, two files
    from .execution import Execution
    from .places import BodyPlace
    from .stages import Staging


_NO_CONTEXT = contextvars.Context()
_RUNNING = NodeStatus.RUNNING
_NO_NODES: frozenset[int] = frozenset()  # each `frozenset()` is an object of its own, for the collector to look at


class CallFuture(asyncio.Future[Any]):
    """The result of a call. Cancelling it is the body's own decision, which goes on record."""

    __slots__ = ("handle",)  # else each has a dict, which the garbage collector has to look at
    handle: CallHandle | None  # set by who makes it: an `__init__` would be the slowest part of a call

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the call."""
        done = super().cancel(msg)
        if done and self.handle is not None:
            self.handle.run.dispatch.cancelled(self.handle)
        return done

    def fail(self, error: BaseException) -> None:
        """End with `error`. The engine sees to failures that nobody awaits: asyncio need not complain of them."""
        self.set_exception(error)
        self.exception()

    # What callers of `create_task` may expect beyond a future.

    def get_name(self) -> str:
        """The id of the node, where it has one."""
        return self._name or (self.handle.node_id if self.handle is not None else "") or "call"

    def set_name(self, value: object) -> None:
        """As `asyncio.Task`."""
        self._name = str(value)

    _name = ""

    def get_coro(self) -> Call | None:
        """The call, until it is done."""
        return None if self.handle is None else Call(self.handle)

    def cancelling(self) -> int:
        """How often it was asked to cancel: a call does so at once."""
        return int(self.cancelled())

    def uncancel(self) -> int:
        """A cancelled call stays cancelled."""
        return self.cancelling()


class CallHandle:
    """One call of a tool, agent or question in a body, as the engine has it; `Call` is what the body has.

    It has no `__getattr__`: with one, Python would take several times as long for each of its attributes.
    """

    __slots__ = (
        "after", "args", "at", "awaited", "callee", "context", "deps", "execution", "fingerprint", "flat", "future",
        "given", "inner", "key", "kwargs", "no", "node", "node_id", "place", "redo", "run", "seat", "staging",
        "target", "task", "token", "why",
    )  # fmt: skip

    def __init__(
        self, run: Execution, place: BodyPlace, target: Any, callee: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.run, self.place, self.target, self.callee = run, place, target, callee
        self.args, self.kwargs = args, kwargs
        self.context = _NO_CONTEXT  # the caller's, once it is to run: what the user set there reaches the callee
        self.key = Key(b"")
        self.fingerprint = b""
        self.given = b""  # a hash of the values of arguments that were calls when it was made
        self.flat = False  # its arguments are numbers and short texts: nothing in them can change or name a file
        self.no = 0  # known once its first fact is written
        self.node: Node | None = None
        self.node_id = ""
        self.at = run.at
        self.deps: tuple[int, ...] = ()
        self.after: tuple[int, ...] = ()
        self.execution = 1
        self.inner = _NO_NODES  # nodes inside it that ran again
        self.why = ""
        self.redo = False
        self.awaited = False
        self.token = ""
        self.task: asyncio.Task[Any] | None = None
        self.staging: Staging | None = None  # the stages of a dual-stage tool, which need no task
        self.seat: Seat | None = None  # its slots, once it is to run
        future = self.future = CallFuture(loop=run.loop)
        future.handle = self

    @property
    def begun(self) -> bool:
        """Whether a fact says that this execution has begun: without it views would take its notes for the last one's.

        A pure tool that runs again without being shown has none.
        """
        node = self.node
        return node is not None and node.status is _RUNNING and node.execution == self.execution

    def told(self) -> str:
        """What its body does with it, for an error."""
        return f"calls {self.callee}"

    def pass_on(self, error: BaseException) -> None:
        """Raise `error` where the call is awaited, with nothing on record: it runs again on resume."""
        if not self.future.done():
            self.future.set_exception(error)

    def as_task(self) -> CallFuture:
        """Its future: somebody will await it."""
        if not self.awaited:
            self.awaited = True
            self.place.loose.pop(self, None)
        return self.future

    def __await__(self) -> Generator[Any, Any, Any]:
        future = self.as_task()
        self.run.dispatch.flush()
        return future.__await__()

    def give(self, outputs: Any) -> None:
        """It has its result, which is delivered; who awaits it goes on at once where no task of the body runs now."""
        mailbox, future = self.run.mailbox, self.future
        if not mailbox.delivering:
            future.set_result(outputs)
            self.settled()
            return
        mailbox.delivering = False  # what the body does when it goes on is no delivery
        loop = self.run.loop
        waiting = loop.caught = []
        loop.given = future
        try:
            future.set_result(outputs)
        finally:
            loop.given = None
        self.settled()
        left = iter(waiting)
        try:
            for callback, context in left:
                loop.run_now(callback, future, context)
        finally:  # after an exit the others have their turn all the same
            for callback, context in left:
                loop.call_soon(callback, future, context=context)

    def settled(self) -> None:
        """It has its result: break the reference cycles, or each call would have to wait for the garbage collector."""
        self.future.handle = None
        self.task, self.context, self.seat = None, _NO_CONTEXT, None


class Reference:
    """One output of an async call that was not awaited: it can be passed on to another call, or returned."""

    __slots__ = ("handle", "key")

    def __init__(self, handle: CallHandle, key: str) -> None:
        self.handle, self.key = handle, key

    def __await__(self) -> Generator[Any, Any, Any]:
        outputs = yield from self.handle.__await__()
        return outputs[self.key]

    def _unread(self, *_: Any, **__: Any) -> NoReturn:
        """Raises NotAwaited: it has no value yet."""
        raise NotAwaited(self.handle.callee, self.key)

    __aethergraph_unread__ = _unread
    __bool__ = __len__ = __iter__ = __int__ = __float__ = __index__ = __contains__ = _unread
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _unread
    __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = __call__ = _unread
    __format__ = __str__ = _unread

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._unread()

    def __repr__(self) -> str:
        return f"<output {self.key!r} of {self.handle.callee}, not awaited yet>"


class Call(Coroutine[Any, Any, Any]):
    """A call as its body has it: works wherever a coroutine does, and each of its outputs can be read by its name."""

    __slots__ = ("_call", "_iterator")

    def __init__(self, call: CallHandle) -> None:
        self._call = call
        self._iterator: Iterator[Any] | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._call.__await__()

    def send(self, value: Any) -> Any:
        """Go on."""
        if self._iterator is None:
            self._iterator = self.__await__()
        return self._iterator.send(value)  # type: ignore[attr-defined]

    def throw(self, *error: Any) -> Any:
        """Raise at the await."""
        if self._iterator is None:
            self._iterator = self.__await__()
        return self._iterator.throw(*error)  # type: ignore[attr-defined]

    def close(self) -> None:
        """A call that nobody awaits still runs: there is nothing to close."""

    def _unread(self, *_: Any, **__: Any) -> NoReturn:
        """Raises NotAwaited: it has no value yet."""
        raise NotAwaited(self._call.callee)

    __aethergraph_unread__ = _unread
    # Without `__iter__`, Python would ask for [0], [1], [2] ... and get a reference each time, for ever.
    __iter__ = __contains__ = _unread
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _unread
    __lt__ = __le__ = __gt__ = __ge__ = _unread

    def __getitem__(self, key: str) -> Any:
        if not isinstance(key, str):
            self._unread()
        return self._call.run.dispatch.read(self._call, key)

    def __getattr__(self, key: str) -> Any:
        if key.startswith(("__", "cr_", "gi_")):
            raise AttributeError(key)
        return self._call.run.dispatch.read(self._call, key)

    def __repr__(self) -> str:
        call = self._call
        state = "done" if call.future.done() else "running" if call.task else "not awaited yet"
        return f"<call of {call.callee} ({state}): write `await {call.callee}(...)`>"


def handle_of(value: Any) -> CallHandle | None:
    """The call that `value` is, or None."""
    kind = type(value)
    return value if kind is CallHandle else value._call if kind is Call else None


def unresolved(value: Any, depth: int = 4) -> list[CallHandle]:
    """The calls that `value` refers to, directly or in lists, tuples and dicts."""
    handle = handle_of(value)
    if handle is not None:
        return [handle]
    if isinstance(value, Reference):
        return [value.handle]
    if depth and (type(value) in (list, tuple) or is_named(value)):
        return [handle for member in value for handle in unresolved(member, depth - 1)]
    if depth and type(value) is dict:
        return [handle for member in value.values() for handle in unresolved(member, depth - 1)]
    return []


def resolve(value: Any, depth: int = 4) -> Any:
    """`value` with finished calls and references replaced by what they gave: a call with one output by that output."""
    handle = handle_of(value)
    if handle is not None:
        outputs = handle.future.result()
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs
    if isinstance(value, Reference):
        return value.handle.future.result()[value.key]
    kind = type(value)
    if depth and (kind is list or kind is tuple):
        return kind(resolve(member, depth - 1) for member in value)
    if depth and kind is dict:
        return {key: resolve(member, depth - 1) for key, member in value.items()}
    if depth and is_named(value):
        return kind._make(resolve(member, depth - 1) for member in value)
    return value


def is_named(value: Any) -> bool:
    """Whether it is a named tuple."""
    return isinstance(value, tuple) and hasattr(value, "_make")


def refuse_hidden(value: Any) -> None:
    """Raises NotAwaited: what a body returns holds a call where its value would not be put."""
    todo, seen = [(value, 4)], set[int]()
    while todo:
        one, depth = todo.pop()
        if isinstance(one, (Call, Reference)):
            one._unread()
        if depth and not plain(one) and id(one) not in seen:
            seen.add(id(one))
            todo += [(member, depth - 1) for member in members(one)]
