"""`@graphify`: a static agent. Its function is called with references to build a `TaskGraph`; a run walks that."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

from ..code import fingerprint
from ..engine import HERE
from ..errors import GraphBuildError
from ..graphs.graph import TaskGraph
from ..values.arguments import checks
from ..values.shapes import location
from .building import BUILDING, build
from .keeping import Kept
from .options import known
from .reactive import Agent
from .walking import walk

Inputs = Sequence[str] | Mapping[str, Any] | None
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class StaticGraph(Agent):
    """A static agent, made by `@graphify`. `run(graph, x=1)` runs it; `graph()` gives its `TaskGraph`.

    Called in the body of another agent, static or not, it is one node that opens into its own graph.
    """

    def __init__(
        self, fn: Callable[..., Any], *, inputs: Inputs = None, on_error: str = "finish", **options: Any
    ) -> None:
        where = location(fn)
        if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
            what = (
                f"{getattr(fn, '__name__', fn)} is `async def`, but a static graph is written, not run: nothing can be"
            )
            raise GraphBuildError(
                f"{what} awaited in it. Write `def` and leave out `await`, or use @graph_fn", where=where
            )
        if on_error not in ("finish", "stop"):
            raise ValueError(f'on_error={on_error!r}: "finish" (the rest goes on) or "stop" (the rest is cancelled)')
        super().__init__(fn, **options)
        if self.context_name:
            what = (
                f"{self.name} takes {self.context_name}, but a static graph has none: give it to the tools that need it"
            )
            raise GraphBuildError(what, where=where)
        self.on_error, self.function, self._where = on_error, fn, where
        self._kept = Kept()
        self.signature = _signature(self.signature, inputs, where)
        self.inputs = tuple(self.signature.parameters)
        self._checks = checks(self.signature)
        self.fn = _body(self, fn)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """In the body of an agent: one node. Elsewhere, without arguments: the `TaskGraph`."""
        place: Any = HERE.get()
        if BUILDING.get() is not None or (place is not None and place.in_body):
            return super().__call__(*args, **kwargs)
        if args or kwargs:
            raise TypeError(
                f"{self.name}() builds the graph and takes no inputs; to run it write run({self.name}, ...)"
            )
        return self.build()

    def build(self) -> TaskGraph:
        """The graph, built anew.

        Raises:
            GraphBuildError: the function does what cannot be done with references; names file and line.
        """
        defaults = {p.name: p.default for p in self.signature.parameters.values() if p.default is not p.empty}
        return build(self, self.function, defaults, self._where)

    def built(self) -> TaskGraph:
        """As `build`, or the graph of last time where nothing that the function reads has changed; see `keeping`."""
        return self._kept.graph(self)

    def spec(self) -> dict[str, Any]:
        """The graph as plain data."""
        return self.build().spec_json()

    def io(self) -> dict[str, Any]:
        """Names of inputs, required and optional, and of outputs."""
        return self.build().io_signature()

    def validity(self) -> bytes:
        """The fingerprint of the function that builds it, and of all the user's code that this uses."""
        return fingerprint.code(self.function).digest[:8]

    def __repr__(self) -> str:
        return f"<static graph {self.name}({', '.join(self.inputs)})>"


def _body(graph: StaticGraph, fn: Callable[..., Any]) -> Callable[..., Any]:
    """What a run calls: `fn` is its `__wrapped__`, by which source and fingerprints find the user's function."""

    @functools.wraps(fn)
    async def body(*args: Any, **kwargs: Any) -> dict[str, Any] | None:
        return await walk(graph.built(), graph.bind(args, kwargs), on_error=graph.on_error)

    return body


def _signature(own: inspect.Signature, inputs: Inputs, where: str) -> inspect.Signature:
    """The inputs: as given (a list is required, a dict has defaults), else those of the function.

    Raises:
        GraphBuildError: the function has a parameter that no input fills, or cannot be given by name.
    """
    for p in own.parameters.values():
        if p.kind is p.VAR_KEYWORD and inputs:
            continue  # it gets the inputs that the function does not name
        if p.kind not in _BY_NAME:
            how = "write it without the `*`" if p.kind is p.VAR_POSITIONAL else "write `x` before a `/` without it"
            if p.kind is p.VAR_KEYWORD:
                how = f'say which inputs {p} takes: `@graphify(inputs=["x", "y"])`, or a dict of their defaults'
            raise GraphBuildError(f"inputs of a graph have names, and {p} has none: {how}", where=where)
    if inputs is None or (not inputs and own.parameters):
        return own.replace(return_annotation=inspect.Signature.empty)
    names = [inputs] if isinstance(inputs, str) else list(inputs)
    named = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
    unfilled = [p.name for p in named if p.default is p.empty and p.name not in names]
    if unfilled:
        what = f"the function takes {', '.join(unfilled)}, which inputs= does not have: {', '.join(names)}"
        raise GraphBuildError(what, where=where)
    made = []
    for name in names:
        default = inputs[name] if isinstance(inputs, Mapping) else inspect.Parameter.empty
        annotation = own.parameters[name].annotation if name in own.parameters else inspect.Parameter.empty
        made.append(inspect.Parameter(name, _BY_NAME[0], default=default, annotation=annotation))
    return inspect.Signature(made)


@overload
def graphify(fn: Callable[..., Any], /) -> StaticGraph: ...
@overload
def graphify(
    name: str | None = None,
    inputs: Inputs = (),
    outputs: Sequence[str] | None = None,
    version: str = "0.1.0",
    *,
    on_error: str = "finish",
    max_concurrency: int | None = None,
    as_agent: Any = None,
    as_app: Any = None,
    tags: Sequence[str] | None = None,
    description: str | None = None,
    entrypoint: bool = False,
) -> Callable[[Callable[..., Any]], StaticGraph]: ...
def graphify(
    name: Any = None,
    inputs: Inputs = (),
    outputs: Sequence[str] | None = None,
    version: str = "0.1.0",
    **options: Any,
) -> Any:
    """Make a static agent of a function; bare (`@graphify`) or with options.

    The function is called once per build, with a reference for each input. Calls of tools and agents in it become
    nodes and give handles (`h.out`, `h["out"]`); it returns references. Loops over plain Python values are fine.

    Args:
        name: how runs of it are called; the function's name where left out.
        inputs: a list of names (required), a dict of defaults, or left out: those of the function.
        outputs: output names; left out, those of the dict that it returns, else the one output `result`.
        on_error: whether the rest of a run finishes when a node fails ("finish") or is cancelled ("stop").
        max_concurrency: how many of its tools run at once; the cores of the machine and 4 where left out.

    Raises:
        GraphBuildError: the function is `async`, or has a parameter that no input fills; names file and line.
    """
    if callable(name):
        return StaticGraph(name)
    known("graphify", StaticGraph, options)
    return lambda fn: StaticGraph(fn, name=name, inputs=inputs, outputs=outputs, version=version, **options)
