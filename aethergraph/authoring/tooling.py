"""`@tool`: a function with named outputs. In a body each call is a node; outside any run it is a plain call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, overload

from ..code import fingerprint
from ..engine import HERE
from ..errors import GraphBuildError, ServiceUnavailable
from ..record import facts as f
from ..scheduler.calls import Call
from ..scheduler.executors import cluster
from ..scheduler.places import DASK, LOOP, PROCESS, THREAD
from ..scheduler.retries import RetryPolicy
from ..scheduler.slots import checked_cap
from ..values.annotations import signature_of
from ..values.arguments import Check, checks
from ..values.outputs import Outputs
from ..values.shapes import awaited, declared, location, named, shape
from .building import BUILDING
from .mapping import Map
from .options import exceptions, known, names, number, yes_or_no

KINDS: list[tuple[Callable[[Any], bool], Any]] = []  # other classes of tool: what each is for, and the class
_HOMES = (LOOP, THREAD, PROCESS, DASK)


class Tool:
    """A tool, made by `@tool`. Call it; `fn` is the function itself.

    Attributes:
        outputs: the declared output names, or None where the function declares none.
        is_async: whether `fn` is a coroutine function.
        runs_in: where its calls in a body run: "loop", "thread", "process" or "dask".
    """

    kind = f.TOOL

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        outputs: Sequence[str] | None = None,
        inputs: Sequence[str] | None = None,
        name: str | None = None,
        version: str = "0.1.0",
        retries: int | None = None,
        retry_on: tuple[type[BaseException], ...] | type[BaseException] = (Exception,),
        backoff_s: float = 0.5,
        backoff_cap_s: float = 60.0,
        timeout_s: float | None = None,
        max_concurrency: int | None = None,
        runs_in: str | None = None,
        pure: bool = False,
        cache: bool = False,
        mutates: Sequence[str] | None = None,
        store: bool = True,
    ) -> None:
        if not callable(fn):
            raise TypeError(f"@tool decorates a function, got {type(fn).__name__}")
        number("retries", retries, whole=True)
        number("backoff_s", backoff_s)
        number("backoff_cap_s", backoff_cap_s)
        number("timeout_s", timeout_s, above=True)
        for option, value in (("pure", pure), ("cache", cache), ("store", store)):
            yes_or_no(option, value)
        exceptions("retry_on", retry_on)
        if name is not None and not (isinstance(name, str) and name):
            raise TypeError(f"name={name!r} of a tool: expected a text that is not empty")
        if inspect.isasyncgenfunction(fn) or inspect.isgeneratorfunction(fn):
            raise GraphBuildError(f"{named(fn)} is a generator; a tool returns its outputs", where=location(fn))
        if cache and not store:
            raise ValueError(
                f"{named(fn)}: cache=True keeps outputs in the store, and store=False keeps them out of it"
            )
        functools.update_wrapper(self, fn)
        self.fn, self.name, self.version = fn, name or named(fn), version
        self.outputs = declared(fn, outputs)
        self.signature = signature_of(fn)
        self.context_name = context_parameter(self.signature)
        self.inputs = tuple(inputs) if inputs else tuple(p for p in self.signature.parameters if p != self.context_name)
        self.is_async = awaited(fn)
        self.retries, self.backoff_s, self.backoff_cap_s = retries or 0, backoff_s, backoff_cap_s
        self.retry_on = retry_on if isinstance(retry_on, tuple) else (retry_on,)
        self.retry = None  # how failed attempts are made again; None where it does not say, and the run does
        if retries is not None:
            self.retry = RetryPolicy(retries + 1, 2.0, backoff_s, self.retry_on, backoff_cap_s)
        self.timeout_s = timeout_s
        self.max_concurrency = checked_cap(max_concurrency)
        self.runs_in = _home(self, runs_in)
        self.pure, self.cache, self.store = pure, cache, store
        self.mutates = names("mutates", mutates)
        self._checks: list[Check] = checks(self.signature)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """In a body: a node, to be awaited. Elsewhere it runs now; an async one gives an awaitable of its outputs."""
        self.check(args, kwargs)
        builder = BUILDING.get()
        if builder is not None:
            return builder.call(self, args, kwargs)
        place: Any = HERE.get()
        if place is not None and place.in_body:
            return Call(place.run.dispatch.call(place, self, args, kwargs))
        return self._plain(args, kwargs)

    @functools.cached_property
    def map(self) -> Map:
        """`tool.map(items, other=1)`: one call per item; its outputs are lists. See `Map`."""
        return Map(self)

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raises TypeError: an argument is plainly of another type than its annotation says."""
        for check in self._checks:
            check(self.name, args, kwargs)

    def _plain(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.context_name and self.context_name not in kwargs:
            place: Any = HERE.get()
            if place is None:
                raise TypeError(
                    f"{self.name} needs a context: call it in a @graph_fn, or pass {self.context_name}= yourself"
                )
            kwargs = {**kwargs, self.context_name: place.handle.run.runtime.make_context(place.desk)}
        result = self.fn(*args, **kwargs)
        return self._later(result) if self.is_async else Outputs(shape(result, self.outputs, self.name))

    async def _later(self, result: Awaitable[Any]) -> Outputs:
        return Outputs(shape(await result, self.outputs, self.name))

    def validity(self) -> bytes:
        """The fingerprint of its code and of all the user's code and constants that it uses, as they are now."""
        return fingerprint.code(self.fn).digest[:8]

    def on_resume(self, fn: Callable[..., Any]) -> Any:
        """The second stage of a dual-stage tool, which this is not. Raises TypeError, saying how to make it one."""
        raise TypeError(
            f"{self.name} is no dual-stage tool, so it has no on_resume: annotate its return, "
            f"`def {self.name}(...) -> WaitSpec`, with WaitSpec imported from aethergraph"
        )

    @property
    def parts(self) -> tuple[Any, ...]:
        """What it makes nodes of, beside itself."""
        return (self.map,)

    def own_code(self) -> bytes:
        """The fingerprint of its own text alone."""
        return fingerprint.own_text(self.fn)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<tool {self.name}({', '.join(self.inputs)}) -> {', '.join(self.outputs or ('result',))}>"


def _home(tool: Tool, wanted: str | None) -> str:
    """Where a tool runs.

    Raises:
        ValueError, GraphBuildError, ServiceUnavailable: it cannot run there.
    """
    if wanted is None:
        return LOOP if tool.is_async else THREAD
    if wanted not in _HOMES:
        raise ValueError(f"{tool.name}: runs_in={wanted!r}: it is one of {', '.join(map(repr, _HOMES))}")
    if tool.context_name and wanted != (LOOP if tool.is_async else THREAD):
        own = "in the loop" if tool.is_async else "in a thread"
        what = (
            f"{tool.name} takes {tool.context_name}, which works only {own}: leave out runs_in={wanted!r}, or "
            f"{tool.context_name} and give it what it needs as arguments"
        )
        raise GraphBuildError(what, where=location(tool.fn))
    if wanted == DASK and not cluster.is_there():
        raise ServiceUnavailable("dask", f'{tool.name} has runs_in="dask": {cluster.EXTRA}')
    return wanted


def context_parameter(signature: inspect.Signature) -> str:
    """The name of the parameter that gets the context: called `context`, or annotated `NodeContext`; else ""."""
    for name, parameter in signature.parameters.items():
        annotation = parameter.annotation
        told = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        if name == "context" or told.rpartition(".")[2] == "NodeContext":
            return name
    return ""


@overload
def tool(fn: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    outputs: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
    *,
    name: str | None = None,
    version: str = "0.1.0",
    retries: int | None = None,
    retry_on: tuple[type[BaseException], ...] | type[BaseException] = (Exception,),
    backoff_s: float = 0.5,
    backoff_cap_s: float = 60.0,
    timeout_s: float | None = None,
    max_concurrency: int | None = None,
    runs_in: str | None = None,
    pure: bool = False,
    cache: bool = False,
    mutates: Sequence[str] | None = None,
    store: bool = True,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(outputs: Any = None, inputs: Sequence[str] | None = None, **options: Any) -> Any:
    """Make a tool of a function; bare (`@tool`) or with options.

    Args:
        outputs: output names; left out, they are read from the return annotation (a TypedDict, dataclass, NamedTuple
            or pydantic model), else a returned dict gives its own names and anything else the one output `result`.
        inputs: input names, where the function takes `**kwargs`.
        retries: how often to try again after an exception of `retry_on`; left out, what `run(retry=...)` says.
        backoff_s: seconds before the first retry; doubles each time up to `backoff_cap_s`, with jitter.
        timeout_s: seconds that one attempt may take.
        runs_in: "loop" (async tools, where left out), "thread" (sync ones), "process" (a worker process: its code and
            arguments are sent there by value, a crash or timeout ends that process alone; no context) or "dask" (the
            current `distributed.Client`; no context).
        max_concurrency: how many of its calls run at once in this process, over all runs. A call keeps its place among
            them while it waits for a question or for a run that it started.
        pure: it promises no outside effects and may start before what it depends on is on disk.
        cache: calls of other runs with the same code and arguments get its outputs without running it. An argument that
            cannot be compared is an error that names it. What it asks, sends and saves on the way is then not done.
        mutates: names of arguments that it changes; `()` promises that it changes none (nothing is compared then).
        store: False keeps its outputs out of the store: it runs again when the run is resumed.

    Raises:
        GraphBuildError: an output name cannot be one, or the function is a generator; names file and line.
    """
    if callable(outputs) and inputs is None and not options:
        return _made(outputs)
    known("tool", Tool, options)
    return lambda fn: _made(fn, outputs=outputs, inputs=inputs, **options)


def _made(fn: Callable[..., Any], **options: Any) -> Any:
    kind = next((kind for fits, kind in KINDS if fits(fn)), Tool)
    return kind(fn, **options)
