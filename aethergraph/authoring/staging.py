"""Dual-stage tools: `setup` says what to wait for, `on_resume` is called with the answer, and nothing runs between.

A class with both methods, or a function that returns a `WaitSpec` and whose second stage is given by
`@submit.on_resume`. In a body such a tool is one node that opens into its stages.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import inspect
from collections.abc import Callable, Generator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from ..code import fingerprint, source
from ..errors import GraphBuildError
from ..record import facts as f
from ..record import schema
from ..services import uploads
from ..services.scope import clean
from ..values.annotations import annotations_of, signature_of
from ..values.canonical import canonical
from ..values.outputs import Outputs
from ..values.shapes import declared, location, shape
from .tooling import KINDS, Tool


@dataclass(frozen=True, slots=True)
class WaitSpec:
    """What a dual-stage tool waits for.

    prompt: what is asked, or what is waited for, for a person to read.
    kind: "text", "approval", "choice", "number" or "files" asks a person; "external" waits for an answer from outside
        (`aethergraph.answer(token, payload)` with the token that `setup` took from its context), any plain value.
    name: how scripts and the inbox know it.
    options, multiple, min, max, step, silent, accept, max_size, max_files: as for the questions of a channel.
    default: the answer when nobody gave one within `timeout_s` seconds; without one that is a WaitTimeout.
    channel: where a person is asked.
    poll_s: seconds between two calls of the tool's `poll`, which gives the payload, or None while there is none.
    """

    prompt: str = ""
    kind: str = schema.EXTERNAL
    _: KW_ONLY
    name: str = ""
    options: Sequence[str] = ()
    multiple: bool = False
    min: float | None = None
    max: float | None = None
    step: float | None = None
    silent: bool = False
    accept: str | Sequence[str] | None = None
    max_size: int | None = None
    max_files: int | None = None
    default: Any = None
    timeout_s: float | None = None
    channel: str = ""
    poll_s: float | None = None
    is_wait_spec: ClassVar[bool] = True

    def question(self, who: str) -> schema.Question:
        """It as a question.

        Raises:
            TypeError, ValueError: it does not fit; says why.
        """
        prompt = self.prompt or (f"an answer to {who}" if self.kind == schema.EXTERNAL else "")
        return schema.make(
            self.kind,
            clean(prompt) if isinstance(prompt, str) else prompt,
            name=clean(self.name),
            options=self.options,
            multiple=self.multiple,
            min=self.min,
            max=self.max,
            step=self.step,
            silent=self.silent,
            accept=self.accept,
            max_size=self.max_size,
            max_files=self.max_files,
            default=uploads.default(self.default) if self.kind == schema.FILES else self.default,
            timeout_s=self.timeout_s,
            channel=self.channel,
        )


class DualStageTool:
    """Base of dual-stage tools that are written as a class, under `@tool(outputs=[...])`.

    Both methods may be plain functions, which run in a worker thread. An object of the class is made once, without
    arguments: what has to survive belongs into the payload, the inputs or the store.
    """

    def setup(self, *inputs: Any, **named: Any) -> Any:
        """`setup(self, *, context, **inputs) -> WaitSpec | dict`, async or plain: do what comes before the wait.

        It says what to wait for; outputs instead of that end the node at once.
        """
        raise NotImplementedError

    def on_resume(self, *payload: Any, **named: Any) -> Any:
        """`on_resume(self, payload, *, context, **inputs) -> dict`, async or plain: make the outputs of the answer.

        The inputs come to those parameters that have their names. Another `WaitSpec` waits again. Left out, the answer
        itself gives the outputs.
        """
        raise NotImplementedError

    if TYPE_CHECKING:  # a type checker takes the decorated class for the class: a call of it gives a call

        def __init__(self, *inputs: Any, **named: Any) -> None: ...
        def __await__(self) -> Generator[Any, Any, Outputs]: ...
        def __getattr__(self, name: str) -> Any: ...
        @classmethod
        def map(cls, items: Any, **named: Any) -> Any:
            """As `tool.map`."""


class Step(Tool):
    """One stage of a dual-stage tool. `written` is the user's function, of which `run` is what is called."""

    def __init__(self, tool: StagedTool, run: Callable[..., Any], name: str, own: Callable[[], bytes]) -> None:
        super().__init__(_result_of(run, tool, name), name=f"{tool.name}.{name}", **tool.options)
        self.outputs, self._own = None, own

    def wants(self, name: str) -> bool:
        """Whether it has a parameter of this name, or takes any."""
        parameters = self.signature.parameters
        return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    def validity(self) -> bytes:
        """The fingerprint of its code."""
        return self._own()


def _result_of(run: Callable[..., Any], tool: StagedTool, stage: str) -> Callable[..., Any]:
    """`run`, whose result is turned into what the engine goes on with."""

    @functools.wraps(run)
    async def later(*args: Any, **kwargs: Any) -> dict[str, Any]:
        return _told(await run(*args, **kwargs), tool, stage)

    @functools.wraps(run)
    def now(*args: Any, **kwargs: Any) -> dict[str, Any]:
        return _told(run(*args, **kwargs), tool, stage)

    return later if inspect.iscoroutinefunction(run) else now


def _told(value: Any, tool: StagedTool, stage: str) -> dict[str, Any]:
    if not isinstance(value, WaitSpec):
        if value is None and stage == "setup":
            raise TypeError(f"{tool.name}.setup returned None; it returns a WaitSpec, or the outputs to end at once")
        return {"outputs": shape(value, tool.outputs, tool.name)}
    if value.poll_s is not None and tool.polls is None:
        raise TypeError(f"the WaitSpec of {tool.name} has poll_s={value.poll_s:g}, but the tool has no `poll`")
    if value.poll_s is not None and value.poll_s <= 0:
        raise ValueError(f"poll_s={value.poll_s:g} of {tool.name} is not above 0")
    return {"wait": msgspec.to_builtins(value.question(tool.name), builtin_types=(bytes,)), "poll_s": value.poll_s}


class StagedTool(Tool):
    """A dual-stage tool, made by `@tool`. `setup` and `resumption` are its stages; the latter may be None."""

    kind = f.GRAPH
    staged = True

    def __init__(
        self, written: Callable[..., Any], *, outputs: Sequence[str] | None = None, name: str | None = None,
        inputs: Sequence[str] | None = None, version: str = "0.1.0", **options: Any,
    ) -> None:  # fmt: skip
        for refused in ("pure", "store", "cache"):
            if refused in options:
                raise TypeError(f"{refused}= is not for a dual-stage tool: it acts on the outside, and is done once")
        self.options = options
        self._object = written() if isinstance(written, type) else None
        begin = written if self._object is None else self._object.setup
        super().__init__(begin, outputs=outputs or (), name=name or written.__name__, inputs=inputs, version=version)
        self.fn, self.is_async = written, True
        self.retries = options.get("retries", 0)
        self.outputs = declared(begin, outputs) if outputs is not None else None
        self.setup = Step(self, begin, "setup", functools.partial(self._code_of, begin))
        self.resumption: Step | None = None
        self.polls: Callable[..., Any] | None = None
        self.later: list[Callable[..., Any]] = []  # functions that were given to it by `@tool.on_resume` and the like
        if self._object is not None:
            functools.update_wrapper(self, written, updated=())
            self._take_methods(self._object, outputs)

    def _take_methods(self, made: Any, outputs: Sequence[str] | None) -> None:
        if type(made).setup is DualStageTool.setup:
            raise GraphBuildError(f"{self.name} has no `setup`", where=f"class {type(made).__qualname__}")
        if type(made).on_resume is not DualStageTool.on_resume:
            self._resumes_with(made.on_resume)
        if hasattr(made, "poll"):
            self._polls_with(made.poll)

    def _resumes_with(self, run: Callable[..., Any]) -> None:
        if not list(signature_of(run).parameters):
            raise GraphBuildError(
                f"on_resume of {self.name} takes the answer as its first argument", where=location(run)
            )
        if self.outputs is None:
            self.outputs = declared(run, None)
        self.resumption = Step(self, run, "on_resume", functools.partial(self._code_of, run))

    def _polls_with(self, run: Callable[..., Any]) -> None:
        inputs = self.signature.parameters
        any_input = any(p.kind is p.VAR_KEYWORD for p in inputs.values())
        for p in signature_of(run).parameters.values():
            is_input = (any_input or p.name in inputs) and p.name not in ("context", self.context_name)
            if p.default is p.empty and p.kind in _NAMED and not is_input and p.name != "token":
                what = f"poll of {self.name} takes {p.name}, but it is given the inputs of setup and `token`, no more"
                raise GraphBuildError(f"{what}: take {p.name} out, or give it a default", where=location(run))
        self.polls = run

    # ------------------------------------------------------------------ as a function

    def on_resume(self, fn: Callable[..., Any]) -> StagedTool:
        """`@submit.on_resume`: the second stage, `fn(payload, *, context, **inputs)`; gives the tool."""
        self._resumes_with(fn)
        self.later.append(fn)
        return self

    def poll(self, fn: Callable[..., Any]) -> StagedTool:
        """`@submit.poll`: a function of inputs (and `token`) that gives the payload, or None; gives the tool."""
        self._polls_with(fn)
        self.later.append(fn)
        return self

    async def look(self, inputs: dict[str, Any], token: str) -> Any:
        """What its `poll` gives now."""
        polls = self.polls
        assert polls is not None  # `_told` refuses poll_s without it
        parameters = signature_of(polls).parameters
        everything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        wanted = {n: v for n, v in {"token": token, **inputs}.items() if everything or n in parameters}
        if inspect.iscoroutinefunction(polls):
            return await polls(**wanted)
        return await asyncio.to_thread(polls, **wanted)

    # ------------------------------------------------------------------ as a tool

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The inputs by name, with defaults."""
        parameters = [p for name, p in self.signature.parameters.items() if name != self.context_name]
        bound = self.signature.replace(parameters=parameters).bind(*args, **kwargs)
        bound.apply_defaults()
        inputs = dict(bound.arguments)
        for p in parameters:
            if p.kind is p.VAR_KEYWORD:
                inputs.update(inputs.pop(p.name, {}))
        return inputs

    @property
    def parts(self) -> tuple[Any, ...]:
        """What it makes nodes of."""
        return (self.map, self.setup) if self.resumption is None else (self.map, self.setup, self.resumption)

    def validity(self) -> bytes:
        """The fingerprint of the code of both stages."""
        codes = self.setup.validity() + (self.resumption.validity() if self.resumption else b"")
        return hashlib.blake2b(codes, digest_size=8).digest()

    def _code_of(self, run: Callable[..., Any]) -> bytes:
        """The code of one stage: the function, and of a class all but its other stage."""
        if self._object is None:
            return fingerprint.code(run).digest[:8]
        made = hashlib.blake2b(digest_size=8)
        stage = run.__name__
        for kind in type(self._object).__mro__:
            if kind in (DualStageTool, object) or not source.is_users(kind):
                continue
            for name, value in sorted(vars(kind).items()):
                if name == stage or name not in _STAGES and not name.startswith("__"):
                    code = fingerprint.code(value).digest if callable(value) else canonical(value).data
                    made.update(name.encode() + b"=" + code)
        return made.digest()

    def _plain(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise TypeError(
            f"{self.name} is a dual-stage tool and can wait only as a node: call it in the body of a @graph_fn or "
            f"@graphify (in a tool, ask with `await context.channel().ask_text(...)`)"
        )


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_STAGES = ("setup", "on_resume", "poll")


def is_staged(fn: Any) -> bool:
    """Whether `@tool` makes a dual-stage tool of it: a subclass of `DualStageTool`, or annotated `-> WaitSpec`."""
    if isinstance(fn, type):
        return issubclass(fn, DualStageTool)
    returns = annotations_of(fn).get("return")
    told = returns if isinstance(returns, str) else returns.__name__ if isinstance(returns, type) else str(returns)
    return "WaitSpec" in told


KINDS.append((is_staged, StagedTool))
