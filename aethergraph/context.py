"""What a body or tool gets as its `context`: the way to people, files and the store."""

from __future__ import annotations

import random
from collections.abc import AsyncIterable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from . import services
from .channels.bus import Bus
from .clock import Clock, SystemClock
from .engine import Desk
from .errors import NoSuchService, ServiceUnavailable
from .services import expecting
from .services.clock import RunClock
from .services.limit import Limit
from .services.logger import RunLogger
from .services.progress import Steps
from .services.runs import RUNS, Runs
from .services.scope import Blocking, Scope, Watched
from .services.waits import Waits
from .storage.codec import Codec

if TYPE_CHECKING:
    from .services.artifacts import Artifacts
    from .services.channel import Channel
    from .services.kv import KV
    from .services.memory import Memory
    from .services.viz import Viz

T = TypeVar("T")
Factory = Callable[..., Any]  # (scope, *arguments of the accessor) -> the service, bound to that scope


def _first_used(name: str) -> Factory:
    """The service of this name, which is loaded by the first call: no agent uses all of them."""
    return lambda scope, *args: getattr(services, name)(scope, *args)


SERVICES: dict[str, Factory] = {
    "channel": _first_used("Channel"), "artifacts": _first_used("Artifacts"), "memory": _first_used("Memory"),
    "kv": _first_used("KV"), "viz": _first_used("Viz"), "clock": RunClock,
}  # fmt: skip
"""Accessors by name: `context.<name>(...)`. A service that is added here needs no change elsewhere."""

_LATER = ("llm", "rag", "mcp", "skills", "indices")


if TYPE_CHECKING:
    _OfRuns = Runs
else:
    _OfRuns = object  # its methods are fitted to the scope, as those of every service


class NodeContext(_OfRuns):
    """One scope's context. In an async body its methods are awaited; in a sync tool they block.

    services: objects of the user's own by name, reached by `context.NAME()` and `context.svc(NAME)`.
    """

    run_id: str
    graph_id: str
    node_id: str
    session_id: str
    attempt: int

    def __init__(
        self,
        desk: Desk,
        bus: Bus,
        codec: Codec,
        *,
        clock: Clock | None = None,
        services: dict[str, Any] | None = None,
    ) -> None:
        self._scope = Scope(desk, bus, codec, clock or SystemClock())
        self._services = {} if services is None else services  # looked at when asked: cells register more
        self._randoms: dict[bytes, random.Random] = {}
        self._logger: RunLogger | None = None
        self.run_id, self.graph_id, self.node_id = desk.run_id, desk.graph_id, desk.node_id
        self.session_id, self.attempt = desk.session_id, desk.attempt

    def __repr__(self) -> str:
        return f"<NodeContext of {self.node_id or self.graph_id} in run {self.run_id}>"

    def __reduce__(self) -> Any:
        raise TypeError("a context belongs to its node and cannot be pickled; call its services inside the tool")

    # ------------------------------------------------------------------ services

    def channel(self, key: str | None = None) -> Channel:
        """Messages and questions, on the channel `key` or the default one."""
        return cast("Channel", self._accessor("channel", key))

    def artifacts(self) -> Artifacts:
        """Saving files, texts, figures and objects, and getting them back."""
        return cast("Artifacts", self._accessor("artifacts"))

    def kv(self, level: str = "session") -> KV:
        """A durable dict, of this run ("run"), of its session, or of all runs ("user")."""
        return cast("KV", self._accessor("kv", level))

    def memory(self, level: str = "session") -> Memory:
        """What was remembered: by this run ("run"), in its session, or by all runs ("user")."""
        return cast("Memory", self._accessor("memory", level))

    def viz(self) -> Viz:
        """Live plots."""
        return cast("Viz", self._accessor("viz"))

    def clock(self) -> RunClock:
        """Recorded time."""
        return cast(RunClock, self._accessor("clock"))

    def logger(self) -> RunLogger:
        """A logger whose lines show in the run view."""
        if self._logger is None:
            self._logger = RunLogger(self._scope)
        return self._logger

    def svc(self, name: str) -> Any:
        """The service that was registered under `name`.

        Raises:
            ServiceUnavailable: there is none.
        """
        if name in self._services:
            return self._fit(self._services[name], f"context.svc({name!r})")
        if name in SERVICES:
            return self._accessor(name)
        there = ", ".join(sorted([*self._services, *SERVICES]))
        raise ServiceUnavailable(
            name,
            f"no service of this name is registered; there are: {there}. {self._registered(name)}",
        )

    def __getattr__(self, name: str) -> Any:
        # Only asked for names that nothing else defines: services of the user's own, and those that are not there.
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._services:
            return lambda: self.svc(name)
        if name in SERVICES:
            return lambda *args, **kwargs: self._accessor(name, *args, **kwargs)
        if name in RUNS:
            return getattr(self._fit(Runs(self._scope), "context"), name)
        if name in _LATER:
            return lambda *args, **kwargs: _unavailable(name)
        if name == "llm_set_key":
            return lambda *args, **kwargs: _unavailable("llm")
        from difflib import get_close_matches  # for a mistake alone

        there = sorted([*SERVICES, "logger", *self._services])
        every = [*there, *_LATER, *(one for one in dir(type(self)) if not one.startswith("_"))]
        near = get_close_matches(name, every, 1)
        meant = f"did you mean `context.{near[0]}`? " if near else ""
        raise NoSuchService(
            name,
            f"{meant}a context has no {name!r}; its services are: {', '.join(there)}. {self._registered(name)}",
        )

    def _registered(self, name: str) -> str:
        """What to do about a service that is not there: a new kernel has none of those that cells have registered."""
        call = f"aethergraph.runtime.register_context_service({name!r}, ...)"
        return f"If it is one of your own, run the cell that registers it (`{call}`), then {self._again()}"

    def _again(self) -> str:
        return f"go on with `%aether resume {self.run_id}` or `aethergraph.resume({self.run_id!r})`"

    def _accessor(self, name: str, *args: Any, **kwargs: Any) -> Any:
        shown = ", ".join(repr(arg) for arg in args if arg is not None)
        return self._fit(SERVICES[name](self._scope, *args, **kwargs), f"context.{name}({shown})")

    def _fit(self, service: Any, name: str) -> Any:
        desk = self._scope.desk
        return Blocking(service, desk) if desk.blocking else Watched(service, name, self._scope.calls)

    # ------------------------------------------------------------------ the rest

    def random(self, name: str = "") -> random.Random:
        """A generator of random numbers whose draws are the same on each replay.

        It is seeded by run, node, task and `name`; asked for again, it goes on where it was.
        """
        seed = self._scope.desk.seed(expecting.text(self._scope.desk, "random", "name", name))
        if seed not in self._randoms:
            self._randoms[seed] = random.Random(seed)
        return self._randoms[seed]

    def idempotency_key(self, name: str = "") -> str:
        """The same for all attempts, kills, resumes and edits: for outside systems that can deduplicate."""
        desk = self._scope.desk
        return desk.idempotency_key(expecting.text(desk, "idempotency_key", "name", name))

    # ------------------------------------------------------------------ waiting

    @property
    def continuation_token(self) -> str:
        """In `setup` of a dual-stage tool: where its wait is answered. It is on disk, and the same after a kill.

        Raises:
            TypeError: there is no wait to come here.
        """
        token = self._scope.desk.token
        if not token:
            raise TypeError(
                f"there is no continuation_token in {self.node_id}: only `setup` of a dual-stage tool has one; "
                f"elsewhere write `(await context.create_continuation()).token`"
            )
        return token

    def wait_event(self, name: str, *, timeout_s: float | None = None, default: Any = ...) -> Any:
        """Wait for the next signal `name` (see `aethergraph.signal`) that this run has not had; gives its payload.

        Signals for this run wait in line until they are taken; of those for all, it has those that were sent since it
        started. Each comes once, in the order in which they were sent, whatever is killed meanwhile.

        Raises:
            WaitTimeout: none came within `timeout_s` seconds and there is no default.
        """
        return self._waits().wait_event(name, timeout_s=timeout_s, default=default)

    def continue_as_new(self, **inputs: Any) -> Any:
        """End this run here and go on in a new one with a fresh journal: for conversations without end.

        The new run calls the same agent; inputs that are not given stay as they are. What was begun and not awaited is
        cancelled. Awaiting this run gives what the last of the chain gives; `run.successor` leads to the next.

        Raises:
            TypeError: it is not the run's own body that calls, or there is no such input.
            NotStorable: an input cannot be stored.
        """
        return self._waits().continue_as_new(inputs)

    def timeout(self, seconds: float | None) -> Limit:
        """`async with context.timeout(5):` raises TimeoutError after so many seconds; on replay where it did.

        The error says whose block it was, and how long. `as` gives the `asyncio.Timeout`; None sets no limit.
        """
        if self._scope.desk.blocking:
            raise TypeError("a sync tool cannot be interrupted: give the tool timeout_s=, or the question its own")
        if seconds is not None:
            seconds = expecting.number(
                self._scope.desk, "timeout", "seconds", seconds, "a number, or None for no limit"
            )
        return Limit(seconds, f"{self.node_id or self.graph_id} of run {self.run_id}")

    def create_continuation(self, name: str = "") -> Any:
        """An address, with its `.token`, for `wait_for_resume` later; what is answered before that is kept.

        In a stage of a dual-stage tool it is the address of what the WaitSpec that it returns waits for.
        """
        return self._waits().create_continuation(name)

    def wait_for_resume(
        self, continuation: Any, *, prompt: str = "", timeout_s: float | None = None, default: Any = ...
    ) -> Any:
        """Wait for `aethergraph.answer(token, payload)`, from whatever process; gives the payload, any plain value.

        Raises:
            WaitTimeout: nobody answered within `timeout_s` seconds and there is no default.
            ValueError: the address was not made here.
        """
        return self._waits().wait_for_resume(continuation, prompt=prompt, timeout_s=timeout_s, default=default)

    def _waits(self) -> Any:
        return self._fit(Waits(self._scope), "context")

    # ------------------------------------------------------------------ the rest

    def progress(self, iterable: Iterable[T] | AsyncIterable[T], title: str = "") -> Steps[T]:
        """`for x in context.progress(xs, "training")`, or `async for`: a bar that follows the loop."""
        return Steps(self._scope, iterable, title)

    def pending(self) -> list[str]:
        """The calls of services whose coroutine was made but not yet awaited."""
        return self._scope.calls.pending()

    def close(self) -> None:
        """The scope has ended.

        Raises:
            GraphBuildError: a call of a service was never awaited, so it did not happen.
        """
        self._scope.calls.close()


def _unavailable(name: str) -> Any:
    raise ServiceUnavailable(
        name, f"this version of aethergraph has no such service; register your own under {name!r} to use it"
    )
