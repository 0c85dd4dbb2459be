"""Running a finished run's body again against its record, to see whether it still does what it did.

The body runs for real, on a loop of its own, and everything that it calls, asks, does or reads is taken from the
record. The first thing that is not there ends the rehearsal before it begins: no tool runs, nothing is sent, nothing is
written but into a store in memory that is thrown away.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..engine import Op
from ..errors import ReplayDiffers, RunPaused
from ..record import facts as f
from ..record.flow import Flow, Node
from ..record.status import RunStatus
from ..scheduler.calls import CallHandle
from ..scheduler.dispatch import preview
from ..scheduler.execution import Execution
from ..scheduler.places import BodyPlace
from ..storage import codec, journal, owner
from ..storage.codec import canonical
from ..storage.shadow import Shadow
from ..values.outputs import Outputs
from .ancestry import arguments
from .children import Children
from .resuming import agent_of
from .running import Run

if TYPE_CHECKING:
    from ..authoring.reactive import Agent
    from .hub import Runtime

_ENDS = (f.RunDone, f.RunFailed, f.RunContinued)


class Rehearsal(Execution):
    """A run that does nothing new: what is not on record ends it."""

    difference = ""
    how_it_ended: f.AnyFact | None = None

    def new(self, place: BodyPlace, what: Callable[[], str], handle: CallHandle | None = None) -> None:
        """It would do something that is not on record."""
        if not self.closed:
            self._differs(self._told(place, what(), handle))
        raise asyncio.CancelledError(self.difference)

    def _told(self, place: BodyPlace, what: str, handle: CallHandle | None) -> str:
        if handle is None:
            return f"the body {what}, which is not on record"
        if handle.node is not None:
            return f"{handle.node_id} would run again: {handle.why}"
        given = _shown(arguments(preview(handle)), handle.target.inputs)
        expected = next((node for node in self._uncalled() if node.scope == place.no), None)
        on_record = f"; on record is {_call(expected)}" if expected is not None else ""
        return f"the body {what}({given}), which is not on record{on_record}"

    def _uncalled(self) -> list[Node]:
        return [self.flow.nodes[no - 1] for no in self.validity.left(self.effects.bodies)]

    def _differs(self, what: str) -> None:
        self.difference = self.difference or what
        self.break_off(ReplayDiffers(self.run_id, self.difference))

    def fact(self, fact: f.AnyFact, ops: Sequence[Op] = ()) -> int:
        """Nothing happens anew. What calls say of themselves for people may differ: it is nothing that they do."""
        if not self.closed and not isinstance(fact, f.CallMarked):
            self._differs(f"something happens that is not on record ({type(fact).__name__})")
        return -1

    def _settle(self) -> None:
        """The body has come to its end: what it did not do again?"""
        left = self._uncalled()
        if left:
            self._differs(f"the body does not call {_call(left[0])} any more")
            raise asyncio.CancelledError(self.difference)

    def _end(self, fact: f.AnyFact, status: RunStatus, error: str = "", ops: Sequence[Op] = ()) -> None:
        self.how_it_ended = fact


class _Still(Children):
    """The children of a run that starts none."""

    def _found(self, run_id: str, agent: Agent | None = None, *, again: bool = False) -> Run:
        return self._run.runtime.load(run_id)

    def _take_up(self, run_id: str, agent: Agent) -> None:
        return None

    def quiet(self) -> None:
        """Nobody is cancelled."""

    async def ended(self, status: RunStatus, why: str) -> None:
        """They are left alone."""


def rehearse(runtime: Runtime, run: Run, agent: Agent | None = None, timeout_s: float = 30.0) -> Outputs:
    """Run the body of `run` again against its record; what the run gave. See `aethergraph.testing.replay`."""
    history = [fact for batch in journal.read(runtime.store, run.run_id) for fact in batch]
    end = next((fact for fact in reversed(history) if isinstance(fact, _ENDS)), None)
    whole = Flow.of(history)
    if end is None or whole.status not in (RunStatus.DONE, RunStatus.FAILED):
        raise RunPaused(run.run_id, f"a run is replayed when it has ended, and this one is {run.status}")
    agent = agent or agent_of(runtime, run.run_id, whole, None)
    shadow = type(runtime)(Shadow(runtime.store), clock=runtime.clock, keyring=runtime.keyring)
    shadow.bus, shadow.services = runtime.bus, runtime.services
    try:
        flow = Flow.of(fact for fact in history if fact is not end)
        execution = _open(shadow, run.run_id, agent, flow, len(journal.read(runtime.store, run.run_id)))
        _play(shadow, execution, timeout_s)
    finally:
        shadow.services = {}  # which are the other runtime's to close
        shadow.close()
    _compare(execution, end)
    return run.outputs


def _open(shadow: Runtime, run_id: str, agent: Agent, flow: Flow, batches: int) -> Rehearsal:
    epoch = owner.Epoch(flow.openings + 1, shadow.owner.id, "here")
    with shadow.store.transact() as rows:
        rows.set(owner.row_key(run_id), owner.encode(epoch))
    shadow.journal.open(run_id, batches, owner.encode(epoch), lambda broken: None)
    opened = f.RunOpened(
        epoch=epoch.number, t=shadow.clock.now(), validity=agent.validity(), outputs=list(agent.outputs or ()),
        body=agent.own_code(),
    )  # fmt: skip
    flow.fold(opened)
    context = contextvars.copy_context()
    return Rehearsal(shadow, run_id, agent, flow, epoch.number, context, shadow.thread, _Still)


def _play(shadow: Runtime, execution: Rehearsal, timeout_s: float) -> None:
    """Until the body has ended, or differs."""
    over: concurrent.futures.Future[None] = concurrent.futures.Future()
    started = execution.flow.started
    inputs = shadow.codec_for(execution.agent).load(started.inputs) if started is not None else {}

    async def play() -> None:
        try:
            await execution.main((), inputs)
        except BaseException:  # noqa: BLE001 (how it ended is compared with the record)
            pass
        finally:
            over.set_result(None)

    def begin() -> None:
        execution.task = asyncio.Task(play(), loop=execution.loop, context=execution.context.copy())

    shadow.thread.call(begin)
    if not concurrent.futures.wait([over], timeout_s).done:
        why = f"the body does not come to its end within {timeout_s:g} s: what it waits for is not on record"
        shadow.thread.call(execution._differs, why)
        concurrent.futures.wait([over], timeout_s)
    if execution.difference:
        raise ReplayDiffers(execution.run_id, execution.difference)


def _compare(execution: Rehearsal, end: f.AnyFact) -> None:
    """Whether it ended as it did."""
    now = execution.how_it_ended
    if isinstance(now, f.RunFailed) and isinstance(end, f.RunFailed):
        if (now.error.qualname, now.error.message) == (end.error.qualname, end.error.message):
            return
    elif isinstance(now, f.RunDone) and isinstance(end, f.RunDone):
        was, gives = (dict(execution.codec.load_outputs(fact.value)) for fact in (end, now))
        names = [name for name in {**was, **gives} if name not in was or name not in gives]
        names += [name for name in was if name in gives and not _same(was[name], gives[name])]
        if not names:
            return
        was_told, told = (codec.about_outputs(fact.value) for fact in (end, now))
        first = names[0]
        difference = f"{first} is {told.get(first, 'missing')}; on record is {was_told.get(first, 'nothing')}"
        raise ReplayDiffers(execution.run_id, difference)
    elif isinstance(now, f.RunContinued) and isinstance(end, f.RunContinued):
        return
    raise ReplayDiffers(execution.run_id, f"it {_ended(now)}; on record, it {_ended(end)}")


def _same(one: Any, other: Any) -> bool:
    return canonical(one).data == canonical(other).data


def _ended(fact: f.AnyFact | None) -> str:
    if isinstance(fact, f.RunFailed):
        return f"fails with {fact.error.qualname}: {fact.error.message:.200}"
    return "goes on in another run" if isinstance(fact, f.RunContinued) else "comes to its end"


def _call(node: Node) -> str:
    return f"{node.callee} ({node.node_id})"


def _shown(given: dict[str, str], inputs: Sequence[str]) -> str:
    names = {str(number): name for number, name in enumerate(inputs)}  # of what was given by position
    return ", ".join(f"{names.get(name, name)}={value}" for name, value in given.items())[:200]
