"""A static graph that was built is used again for as long as all that its function read is as it was.

A body is plain Python, so this holds only where everything that it can reach is known: names of constants made of plain
data, of tools and agents, of functions of which the same is true, and of builtins that only calculate. They are found
in the bytecode, and looked up again each time. A body that reads anything else (a clock, a file, an object with a
state, a module of the user's as a whole) is built anew for each run: it could give another graph without any change
that can be seen from here.
"""

from __future__ import annotations

import builtins
import dis
import itertools
import math
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ..graphs.graph import TaskGraph, arg
from ..graphs.references import Condition, Reference
from .building import branch
from .mapping import Map
from .reactive import Agent
from .tooling import Tool

_LARGE = 100_000  # members of a constant: to compare it would cost as much as to build
_DEEP = 50
_ATOMS = frozenset({type(None), bool, int, str, bytes, complex, type(Ellipsis)})
_CALCULATE = (
    "abs all any ascii bin bool bytes callable chr complex dict divmod enumerate filter float format frozenset hex int "
    "isinstance issubclass iter len list map max min next oct ord pow range repr reversed round set slice sorted str "
    "sum tuple zip"
)
_ERRORS = [one for one in vars(builtins).values() if isinstance(one, type) and issubclass(one, BaseException)]
_KNOWN = {
    id(one)
    for one in (
        *(getattr(builtins, name) for name in _CALCULATE.split()),
        *_ERRORS,
        *(value for module in (itertools, math) for name, value in vars(module).items() if name[0] != "_"),
        arg,
        branch,
    )
    if callable(one)
}
_HIDDEN = ("__", "gi_", "cr_", "f_", "tb_")  # attributes that lead out of what is looked at
_OURS = __name__.partition(".")[0]


class _Unsure(Exception):
    """Something that could be another the next time."""


class Kept:
    """The graph of one agent, as it was built last; nothing of it goes to another process with the agent."""

    def __init__(self) -> None:
        self._last: tuple[TaskGraph, _Reads] | None = None

    def __reduce__(self) -> tuple[type[Kept], tuple[()]]:
        return Kept, ()

    def graph(self, agent: Any) -> TaskGraph:
        """`agent.build()`, or what that gave before.

        Raises:
            GraphBuildError: as `build` does.
        """
        last = self._last
        if last is not None and last[1].hold():
            return last[0]
        self._last = None
        reads = _reads(agent)
        made: TaskGraph = agent.build()
        if reads is not None and reads.hold() and _is_plain(made):
            self._last = made, reads
        return made


class _Same:
    """An object that counts by being itself; it is kept, so that its id is not given to another."""

    __slots__ = ("_thing",)

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._thing is self._thing

    __hash__ = object.__hash__


class _Reads:
    """All that the function of a static agent can read, each with what it was."""

    def __init__(self) -> None:
        self._read: list[tuple[Callable[[], Any], Any]] = []
        self._seen: dict[int, Any] = {}  # functions, tools and agents that were followed, kept while this lasts
        self._agents: list[Any] = []  # whose functions are among them
        self._attributes: set[str] = set()  # that are read of anything
        self._closed: set[str] = set()  # that a tool or agent has: a state that is not looked at

    def hold(self) -> bool:
        """Whether all of it is as it was."""
        try:
            return all(_form(get()) == form for get, form in self._read)
        except Exception:  # noqa: BLE001 (a name that is gone, a module's own `__getattr__`: it is not as it was)
            return False

    def agent(self, agent: Any) -> None:
        """A static agent, and the function that builds it."""
        if all(one is not agent for one in self._agents):
            self._agents.append(agent)
            self._see(lambda: (agent.name, agent.version, agent.outputs, agent.inputs))
            self._read.append((lambda: agent.signature, _Same(agent.signature)))
            self._see(lambda: agent.function)

    def check(self) -> None:
        """Raises _Unsure: an attribute is read that might be one of a tool or agent."""
        if not self._attributes.isdisjoint(self._closed):
            raise _Unsure

    def _see(self, get: Callable[[], Any]) -> None:
        self._read.append((get, _form(get(), self._follow)))

    def _follow(self, thing: Any) -> None:
        """A function, tool, agent or builtin among what is read."""
        if id(thing) in self._seen or id(thing) in _KNOWN:
            return
        if _is_target(thing):
            self._closed.update(name for name in dir(thing) if name != "map")
            if thing.outputs is None and hasattr(thing, "build"):
                self.agent(thing)  # its outputs are read from it
            self._seen[id(thing)] = thing
        elif type(thing) is types.FunctionType:
            self._seen[id(thing)] = thing
            self._function(thing)
        else:
            raise _Unsure

    def _function(self, function: types.FunctionType) -> None:
        if vars(function) or (function.__module__ or "").partition(".")[0] == _OURS:
            raise _Unsure
        self._see(lambda: function.__defaults__)
        self._see(lambda: function.__kwdefaults__)
        for cell in function.__closure__ or ():
            self._see(partial(getattr, cell, "cell_contents"))
        for chain in self._names(function.__code__, frozenset(function.__code__.co_freevars)):
            self._name(function.__globals__, chain)

    def _name(self, names: dict[str, Any], chain: list[str]) -> None:
        """A global, and what is read of it where it is a module."""
        name, *rest = chain

        get: Callable[[], Any] = lambda: names[name] if name in names else vars(builtins)[name]  # noqa: E731
        while isinstance(module := get(), types.ModuleType) and rest:
            self._read.append((get, _Same(module)))
            get = partial(getattr, module, rest.pop(0))
        self._see(get)

    def _names(self, code: types.CodeType, outer: frozenset[str]) -> Iterator[list[str]]:
        """The globals that `code` and the functions inside it read, each with the attributes that are read of it."""
        steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
        for number, step in enumerate(steps):
            if step.opname == "LOAD_GLOBAL":
                read = itertools.takewhile(_reads_attribute, steps[number + 1 :])
                yield [str(step.argval), *(str(following.argval) for following in read)]
            elif _reads_attribute(step):
                if str(step.argval).startswith(_HIDDEN):
                    raise _Unsure
                self._attributes.add(str(step.argval))
            elif step.opcode in dis.hasname or step.opname == "LOAD_BUILD_CLASS":
                raise _Unsure  # an import, a global or an attribute that is set, a class
            elif step.opname in ("STORE_DEREF", "DELETE_DEREF") and step.argval in outer:
                raise _Unsure
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                yield from self._names(constant, outer)


def _reads(agent: Any) -> _Reads | None:
    """What the function of `agent` can read; None where that is not all known."""
    reads = _Reads()
    try:
        reads.agent(agent)
        reads.check()
    except Exception:  # noqa: BLE001 (whatever cannot be looked up now: building says what is wrong with it)
        return None
    return reads


def _reads_attribute(step: dis.Instruction) -> bool:
    return step.opname in ("LOAD_ATTR", "LOAD_METHOD")


def _is_target(thing: Any) -> bool:
    return isinstance(thing, (Tool, Agent, Map)) and type(thing).__module__.partition(".")[0] == _OURS


def _form(value: Any, follow: Callable[[Any], None] | None = None) -> Any:
    """`value` as something to compare: plain data by type, content and order, what can be called by being itself.

    Raises:
        _Unsure: it is neither.
    """
    left = _LARGE

    def form(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        kind = type(value)
        if kind in _ATOMS:
            return kind, value
        if kind is float:
            return kind, value.hex()  # tells -0.0 from 0.0, and nan is itself
        if not left or depth > _DEEP:
            raise _Unsure
        if kind in (list, tuple, set, frozenset):
            return kind, [form(member, depth + 1) for member in value]  # the order of a set is that of its members now
        if kind is dict:
            return kind, [(form(key, depth + 1), form(member, depth + 1)) for key, member in value.items()]
        if follow is not None:
            follow(value)
        if kind is types.FunctionType:
            return _Same(value), _Same(value.__code__), _Same(value.__closure__), bool(vars(value))
        if _is_target(value):
            return _Same(value), value.name, value.kind, value.outputs, value.inputs, _Same(value.signature)
        return _Same(value)

    return form(value, 0)


def _is_plain(graph: TaskGraph) -> bool:
    """Whether its literals are plain data: nothing that a tool could change for the next run."""
    written: list[Any] = [graph.outputs]
    for node in graph.nodes:
        written += [node.args, dict(node.kwargs), node.condition, node.labels]
    return all(map(_is_literal, written))


def _is_literal(value: Any) -> bool:
    kind = type(value)
    if kind in _ATOMS or kind is float:
        return True
    if kind is Reference:
        return all(_is_literal(key) for _, key in value._path)
    if kind is Condition:
        return all(map(_is_literal, value._operands))
    if kind in (list, tuple, frozenset):
        return all(map(_is_literal, value))
    return kind is dict and all(_is_literal(key) and _is_literal(member) for key, member in value.items())
