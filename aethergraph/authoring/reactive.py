"""`@graph_fn`: a reactive agent. Its body runs at once; what it calls, asks and does becomes nodes as it happens."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from typing import Any, overload

from ..code import fingerprint
from ..engine import HERE
from ..errors import GraphBuildError, MissingInput
from ..lifecycle import hub
from ..lifecycle.resuming import register
from ..lifecycle.running import Run
from ..record import facts as f
from ..scheduler.calls import Call
from ..scheduler.slots import checked_cap
from ..values.annotations import signature_of
from ..values.arguments import Check, checks
from ..values.outputs import Outputs
from ..values.shapes import declared, location, named
from .building import BUILDING
from .options import known
from .tooling import context_parameter


class Agent:
    """An agent, made by `@graph_fn`. `await agent(x)` runs it; in another agent's body that is one node.

    Attributes:
        last_run: the run that was started last in this process, or None.
    """

    kind = f.GRAPH
    pure = False
    staged = False
    is_async = True

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        name: str | None = None,
        inputs: Sequence[str] | None = None,
        outputs: Sequence[str] | None = None,
        version: str = "0.1.0",
        max_concurrency: int | None = None,
        tags: Sequence[str] | None = None,
        description: str | None = None,
        as_agent: Any = None,
        as_app: Any = None,
        entrypoint: bool = False,
    ) -> None:
        if not callable(fn):
            raise TypeError(f"@graph_fn decorates a function, got {type(fn).__name__}")
        if inspect.isasyncgenfunction(fn) or inspect.isgeneratorfunction(fn):
            raise GraphBuildError(f"{named(fn)} is a generator; an agent returns its outputs", where=location(fn))
        functools.update_wrapper(self, fn)
        self.fn, self.name, self.version = fn, name or named(fn), version
        self.outputs = declared(fn, outputs)
        self.signature = signature_of(fn)
        self.context_name = context_parameter(self.signature)
        self.inputs = tuple(inputs) if inputs else tuple(p for p in self.signature.parameters if p != self.context_name)
        self.max_concurrency = checked_cap(max_concurrency)
        self.tags = tuple(tags or ())
        self.metadata = {"as_agent": as_agent, "as_app": as_app, "entrypoint": entrypoint}
        self.description = description or inspect.getdoc(fn) or ""
        self.last_run: Run | None = None
        self.missing: list[
            tuple[str, str]
        ] = []  # names that it uses and that its stored source lacks, with the reasons
        self.names: Callable[[], Mapping[str, Any]] = lambda: getattr(fn, "__globals__", {})
        self._checks: list[Check] = checks(self.signature)
        register(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """In a body: one node that opens into its own graph. At top level: await it, which starts the run."""
        self.check(args, kwargs)
        builder = BUILDING.get()
        if builder is not None:
            return builder.call(self, args, kwargs)
        place: Any = HERE.get()
        if place is not None and place.in_body:
            return Call(place.run.dispatch.call(place, self, args, kwargs))
        return AgentCall(self, self.bind(args, kwargs))

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raises TypeError: an argument is plainly of another type than its annotation says."""
        for check in self._checks:
            check(self.name, args, kwargs)

    def sync(self, *args: Any, **kwargs: Any) -> Outputs:
        """Run and block until the outputs are there."""
        return hub.current().run(self, self.bind(args, kwargs))

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs by name, with defaults.

        Raises:
            MissingInput: one without a default is missing.
            TypeError: there is no such input.
        """
        parameters = [p for name, p in self.signature.parameters.items() if name != self.context_name]
        signature = self.signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
        try:
            bound = signature.bind_partial(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}; its inputs are: {', '.join(self.inputs) or 'none'}") from None
        bound.apply_defaults()
        missing = [
            p.name
            for p in parameters
            if p.name not in bound.arguments and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        if missing:
            raise MissingInput(self.name, missing, self.inputs)
        inputs = dict(bound.arguments)
        for p in parameters:
            if p.kind is p.VAR_KEYWORD:
                inputs.update(inputs.pop(p.name, {}))
            elif p.kind is p.VAR_POSITIONAL:
                what = f"{self.name} takes *{p.name}: name the inputs of an agent"
                raise GraphBuildError(what, where=location(self.fn))
        self.check((), inputs)
        return inputs

    def validity(self) -> bytes:
        """The fingerprint of its code and of all the user's code and constants that it uses, as they are now."""
        return fingerprint.code(self.fn).digest[:8]

    def own_code(self) -> bytes:
        """The fingerprint of the body's own text alone; empty where its source is not known."""
        return fingerprint.own_text(self.fn)

    @property
    def last_graph(self) -> Any:
        """The graph of the last run, as its nodes stand."""
        return None if self.last_run is None else self.last_run.graph

    def io_signature(self) -> dict[str, list[str]]:
        """Names of inputs and outputs."""
        return {"inputs": list(self.inputs), "outputs": list(self.outputs or ("result",))}

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<agent {self.name}({', '.join(self.inputs)}) -> {', '.join(self.outputs or ('result',))}>"


class AgentCall(Coroutine[Any, Any, Outputs]):
    """A call of an agent at top level. Nothing runs before it is awaited."""

    def __init__(self, agent: Agent, inputs: dict[str, Any]) -> None:
        self.agent, self.inputs = agent, inputs
        self._iterator: Generator[Any, Any, Outputs] | None = None

    def __await__(self) -> Generator[Any, Any, Outputs]:
        run = hub.current().start(self.agent, self.inputs)
        return run.__await__()

    def send(self, value: Any) -> Any:
        """Go on."""
        if self._iterator is None:
            self._iterator = self.__await__()
        return self._iterator.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise at the await."""
        if self._iterator is None:
            raise error[0] if isinstance(error[0], BaseException) else error[0]()
        return self._iterator.throw(*error)

    def close(self) -> None:
        """Nothing was started, or the run goes on."""

    def __repr__(self) -> str:
        name = self.agent.name
        return f"<call of agent {name}: nothing has started; write `await {name}(...)` or `run = start({name}, ...)`>"


@overload
def graph_fn(fn: Callable[..., Any], /) -> Agent: ...
@overload
def graph_fn(
    name: str | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    version: str = "0.1.0",
    *,
    max_concurrency: int | None = None,
    as_agent: Any = None,
    as_app: Any = None,
    tags: Sequence[str] | None = None,
    description: str | None = None,
    entrypoint: bool = False,
) -> Callable[[Callable[..., Any]], Agent]: ...
def graph_fn(
    name: Any = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    version: str = "0.1.0",
    **options: Any,
) -> Any:
    """Make an agent of a function; bare (`@graph_fn`) or with options.

    Args:
        name: how runs of it are called; the function's name where left out.
        outputs: output names; left out, they are read from the return annotation, else a returned dict gives its own
            and anything else the one output `result`.
        max_concurrency: how many of its tools run at once; the cores of the machine and 4 where left out. In another
            agent, where it is one node, it limits what runs in that node.

    Raises:
        GraphBuildError: an output name cannot be one, or the function is a generator; names file and line.
        TypeError: there is no such option.
    """
    if callable(name) and inputs is None and outputs is None and not options:
        return Agent(name)
    known("graph_fn", Agent, options)
    return lambda fn: Agent(fn, name=name, inputs=inputs, outputs=outputs, version=version, **options)
