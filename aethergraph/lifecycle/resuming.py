"""Going on with a run: which code it goes on with, and what that code will reuse."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from ..code import definitions, gathering, merging, source
from ..errors import NotResumable, UnknownRun
from ..graphs.graph import TaskGraph
from ..record import facts as f
from ..record.flow import Flow, Node, is_younger
from ..record.status import NodeStatus
from ..scheduler.slots import MADE
from ..storage import contents, roster
from . import lacking
from .insisting import Insisting, insisting

if TYPE_CHECKING:
    from ..authoring.reactive import Agent
    from .hub import Runtime

_agents: weakref.WeakValueDictionary[tuple[str, str], Agent] = weakref.WeakValueDictionary()
REUSED, RUNS, MAY_RUN = "reused", "runs", "may run"


@dataclass(frozen=True, slots=True)
class PlanRow:
    """What a resume will do about one node; `why` is empty for a node that is simply reused."""

    node_id: str
    callee: str
    verdict: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a resume will reuse (`reused`), run (`runs`), and decide when it knows the values (`may run`)."""

    rows: list[PlanRow]
    notes: list[str] = field(default_factory=list)

    def count(self, verdict: str) -> int:
        """How many nodes have this verdict."""
        return sum(1 for row in self.rows if row.verdict == verdict)

    def text(self, most: int = 12) -> str:
        """A few lines: counts, then each node that is not simply reused, with its reason."""
        lines = [
            f"{self.count(REUSED)} reused, {self.count(RUNS)} to run, {self.count(MAY_RUN)} may run"
            if self.rows
            else "nothing was recorded yet: it starts from the top"
        ]
        told = [row for row in self.rows if row.verdict != REUSED]
        width = max((len(row.node_id) for row in told[:most]), default=0)
        lines += [f"  {row.node_id:<{width}}  {row.verdict}: {row.why}" for row in told[:most]]
        if len(told) > most:
            lines.append(f"  ... and {len(told) - most} more")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


def register(agent: Agent) -> None:
    """Let `find` know the agent that was defined last under its name and in its place."""
    _agents[agent.name, home(agent)] = agent


@contextmanager
def apart() -> Iterator[None]:
    """Agents that are defined meanwhile are not known afterwards: `find` and `named` give those from before."""
    before = dict(_agents)
    try:
        yield
    finally:
        _agents.clear()
        _agents.update(before)


def find(name: str, place: str) -> Agent | None:
    """The agent of that name that was defined last in that place in this process."""
    return _agents.get((name, place))


def named(name: str, names: Mapping[str, Any]) -> Agent:
    """The agent of that name: among the names of whoever asks, else the one that was defined last in this process.

    Raises:
        LookupError: there is none.
    """
    own = [value for value in names.values() if _is_agent(value) and value.name == name]
    found = own or [agent for (known, _), agent in _agents.items() if known == name]
    if not found:
        from difflib import get_close_matches  # for a mistake alone

        known = sorted({value.name for value in names.values() if _is_agent(value)} | {known for known, _ in _agents})
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are: {', '.join(known) or 'none'}"
        raise LookupError(f"no agent {name!r} is defined in this process; {hint}")
    return found[-1]


def as_agent(target: Any) -> Agent:
    """`target`, an agent or the graph of one.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(target, TaskGraph) and target.agent is not None:
        target = target.agent
    if not _is_agent(target) or not hasattr(target, "bind"):
        raise TypeError(
            f"an agent made with @graph_fn or @graphify can be run, got {type(target).__name__}: {target!r:.80}"
        )
    return target


def home(agent: Agent) -> str:
    """Stands for module, qualified name and file of an agent's function; cells, whose files are none, are one place."""
    thing = source.unwrap(agent)
    file = getattr(getattr(thing, "__code__", None), "co_filename", "")
    where = f"@{file}" if file and os.path.exists(file) else ""
    return hashlib.blake2b(f"{thing.__module__}:{thing.__qualname__}{where}".encode(), digest_size=6).hexdigest()


def _is_callee(value: Any) -> bool:
    return getattr(value, "kind", None) in (f.TOOL, f.GRAPH) and hasattr(value, "validity")


def _is_agent(value: Any) -> TypeGuard[Agent]:
    return getattr(value, "kind", None) == f.GRAPH and not value.staged and hasattr(value, "validity")


def agent_of(runtime: Runtime, run_id: str, flow: Flow, namespace: Mapping[str, Any] | None) -> Agent:
    """The agent that a run goes on with.

    What this process has defined wins, name by name, over the definitions that were stored when the run started.

    Raises:
        NotResumable: it is a session, which has no agent.
        UnknownRun: its beginning is not on disk, or its agent is neither stored nor defined here.
        Untrusted: the stored source is not signed with this user's key.
    """
    started = flow.started
    if started is None:
        raise UnknownRun(run_id)
    if started.kind == f.SESSION:
        raise NotResumable(run_id)
    names = namespace or {}
    here = next((v for v in names.values() if _is_agent(v) and v.name == started.name), None)
    if here is None and namespace is None:
        here = find(started.name, started.home)
    if here is not None and not (gathering.unbound(here) and started.definition):
        return here
    if not started.definition:
        raise lacking.not_stored(run_id, started.name)
    stored = definitions.load_definition(runtime.store, runtime.keyring, started.definition)
    whole, values = merging.merged(stored, names)
    module = f"{MADE}{run_id.replace('-', '_').replace('.', '_')}"
    try:
        made = definitions.materialise(whole, module, values)
    except ImportError as error:
        place = roster.read(runtime.store, run_id).session
        lack = lacking.not_importable(run_id, started.name, stored, error, place)
        if lack is None:
            raise
        raise lack from error
    for value in made.values():
        if _is_agent(value) and value.name == started.name:
            value.names = lambda: made
            value.missing = [(one.name, one.why) for one in whole.missing if one.name not in values]
            return value
    raise lacking.not_written(run_id, started.name, stored)


def callees(agent: Agent) -> dict[str, Any]:
    """The tools and agents that `agent` can reach by the names it uses, by their own name."""
    return _reach(agent)[0]


def _reach(agent: Agent) -> tuple[dict[str, Any], list[Any]]:
    """Its callees, and all functions of the user's that it can reach."""
    found: dict[str, Any] = {}
    functions: list[Any] = []
    todo: list[Any] = [agent]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if _is_callee(one):
            found[one.name] = one
            found.update((part.name, part) for part in getattr(one, "parts", ()))
        fn = getattr(one, "fn", one)
        code = getattr(fn, "__code__", None)
        if code is None:
            continue
        functions.append(fn)
        todo.append(getattr(fn, "__wrapped__", None))
        for cell in fn.__closure__ or ():
            try:
                todo.append(cell.cell_contents)
            except ValueError:  # not bound yet
                continue
        for name in _names(code):
            value = fn.__globals__.get(name)
            if _is_callee(value) or getattr(value, "__module__", None) == fn.__module__:
                todo.append(value)
    return found, functions


def _names(code: Any) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            names |= _names(constant)
    return names


def make_plan(flow: Flow, agent: Agent) -> Plan:
    """The plan of resuming `flow` with `agent`, from pins alone: the body is not run."""
    if flow.failure is not None:
        flow.supersede(flow.failure.fatal)
    body = flow.opened.validity if flow.opened else b""
    changed = bool(body) and body != agent.validity()
    planner = _Planner(flow, *_reach(agent), changed)
    rows = [planner.row(node) for node in flow.nodes if node.status is not NodeStatus.SKIPPED]
    notes = []
    if changed:
        notes.append(f"the code of {agent.name}, or of something that it uses, changed since it last ran")
    notes += [
        f"{name!r} is not stored with the agent ({why}): run the cell that makes it" for name, why in agent.missing
    ]
    return Plan(rows, notes)


class _Planner:
    def __init__(self, flow: Flow, known: Mapping[str, Any], functions: list[Any], changed: bool) -> None:
        self.flow, self.known, self.functions, self.changed = flow, known, functions, changed
        self.insisting: dict[str, Insisting] | None = None
        self.pins: dict[str, bytes] = {}
        self.verdicts: dict[int, str] = {}

    def row(self, node: Node) -> PlanRow:
        verdict, why = self._judge(node)
        self.verdicts[node.no] = verdict
        return PlanRow(node.node_id, node.callee, verdict, why)

    def _judge(self, node: Node) -> tuple[str, str]:
        outcome = node.outcome
        if node.cancelled:
            return MAY_RUN, "the body gave it up: it runs only if the body does not do that again"
        if node.kind == f.WAIT:
            if outcome is None and node.status is NodeStatus.CANCELLED:
                return MAY_RUN, "it was withdrawn: it opens only if the code asks it again"
            return (RUNS, self._question(node)) if outcome is None else (REUSED, "")
        if node.fixed:
            return REUSED, ""
        if outcome is None:
            return RUNS, "it was not finished"
        if outcome.volatile:
            return RUNS, outcome.volatile
        target = self.known.get(node.callee)
        if target is None:
            return MAY_RUN, f"no tool {node.callee!r} was found to compare with"
        if self._changed(node, target) and not self._insists(node).always:
            unless = ": it runs unless its call says _same=True" if self._insists(node).sometimes else ""
            return (
                MAY_RUN if unless else RUNS,
                f"the code of {node.callee}, or of something that it uses, changed{unless}",
            )
        for path, size, mtime in outcome.files:
            if not contents.file_is(path, size, mtime):
                return RUNS, f"the file {path} that it returned changed"
        return self._upstream(node, target)

    def _question(self, node: Node) -> str:
        """What becomes of a question that has no answer."""
        if node.status is not NodeStatus.WAITING:
            return "it is asked again"
        asker = self.flow.nodes[node.scope - 1] if node.scope else None
        target = None if asker is None else self.known.get(asker.callee)
        changed = self.changed if asker is None else target is not None and self._changed(asker, target)
        if not changed:
            return "the question is open"
        return "the question is open, and its code changed: it stays if the same is asked, else it is withdrawn"

    def _insists(self, node: Node) -> Insisting:
        """How the code calls this tool."""
        if self.insisting is None:
            self.insisting = insisting(self.functions)
        return self.insisting.get(node.callee, Insisting())

    def _changed(self, node: Node, target: Any) -> bool:
        return self._pin(node.callee, target.validity) != node.validity[:8]

    def _upstream(self, node: Node, target: Any) -> tuple[str, str]:
        for dep in node.deps:
            if self.verdicts.get(dep, REUSED) != REUSED:
                return MAY_RUN, f"it uses what {self.flow.nodes[dep - 1].node_id} gives"
        for before in node.after:
            if target.pure or getattr(target, "cache", False):
                break
            if self.verdicts.get(before, REUSED) != REUSED:
                return MAY_RUN, f"it follows {self.flow.nodes[before - 1].node_id}"
            if is_younger(self.flow.nodes[before - 1], node):
                return MAY_RUN, f"it follows {self.flow.nodes[before - 1].node_id}, which ran again since"
        return REUSED, ""

    def _pin(self, name: str, validity: Callable[[], bytes]) -> bytes:
        if name not in self.pins:
            self.pins[name] = validity()
        return self.pins[name]
