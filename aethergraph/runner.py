"""Running agents: `run` blocks, `run_async` is awaited, `start` returns at once; `resume` goes on with a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .authoring.reactive import Agent
from .authoring.static import StaticGraph
from .graphs.graph import TaskGraph
from .lifecycle import hub
from .lifecycle.inbox import WaitInfo
from .lifecycle.resuming import as_agent
from .lifecycle.running import Run
from .scheduler.budgets import Given
from .scheduler.retries import RetryPolicy
from .storage.roster import RunInfo
from .values.outputs import Outputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .lifecycle.collecting import Garbage

__all__ = ["answer", "gc", "load_run", "plot_runs", "resume", "run", "run_async", "runs", "signal", "start", "waits"]


def _bound(target: Any, inputs: Mapping[str, Any] | None, named: dict[str, Any]) -> tuple[Agent, dict[str, Any]]:
    target = as_agent(target)
    if isinstance(target, StaticGraph):
        target.built()  # what is wrong with it is told before there is a run
    if inputs is not None and not isinstance(inputs, Mapping):
        raise TypeError(f"inputs are a dict by name, got {type(inputs).__name__}; or write {target.name}(x=...)")
    twice = ", ".join(name for name in inputs or () if name in named)
    if twice:
        raise TypeError(f"{target.name}: {twice} is given twice, in inputs= and by name")
    return target, target.bind((), {**(inputs or {}), **named})


def start(
    target: Agent | TaskGraph,
    inputs: Mapping[str, Any] | None = None,
    *,
    run_id: str | None = None,
    keep: bool = False,
    max_concurrency: int | None = None,
    tags: str | Iterable[str] = (),
    session_id: str | None = None,
    loop: str | None = None,
    retry: RetryPolicy | None = None,
    on_error: str | None = None,
    budget: Given = None,
    **named: Any,
) -> Run:
    """Start a run and return at once; it goes on in the background, and shows itself in a notebook.

    Args:
        inputs: inputs by name; they may also be given as keywords.
        run_id: a name for the run; one that exists and has the same inputs is resumed.
        keep: leave a live run that the same cell started earlier running; without it that one is paused.
        max_concurrency: how many tools run at once; the cores of the machine and 4 where left out.
        tags: by which `runs(tags=...)` finds it, besides those of the agent.
        session_id: what it belongs to; the path of the notebook where left out.
        loop: "kernel" for the asyncio loop that runs where this is called (a notebook's main thread), for code that has
            to be there: a GUI, a client made in a cell. Else the loop that runs have to themselves, in its own thread.
        retry: when tools that do not say it themselves are tried again after a failure; never, where left out.
        on_error: for a static graph, in place of what it says: "finish" (what does not depend on a failed node goes on)
            or "stop" (the rest is cancelled).
        budget: how many seconds it may be at work, in all processes that take it up: `60`, or `{"seconds": 60}`. What
            counts is time in which it runs; not time in which it only waits for people, signals, `context.clock()` or
            other runs, nor in which it is paused. Agents called inside it are part of it, a run that it starts is not:
            that has a budget of its own, if any. When it is used up the run is paused, and `resume` goes on.

    Raises:
        MissingInput, TypeError: the inputs do not fit.
        ValueError: an option has a value that it cannot have.
        NoLoop: `loop="kernel"`, and no loop runs here.
        BudgetExceeded: `run_id` is a run whose budget is used up. Awaiting a run raises it, too.
        RunExists: `run_id` is a run of another agent or with other inputs.
    """
    agent, bound = _bound(target, inputs, named)
    how: dict[str, Any] = {"max_concurrency": max_concurrency, "tags": tags, "session_id": session_id, "loop": loop}
    how |= {"retry": retry, "on_error": on_error, "budget": budget}
    return hub.current().start(agent, bound, run_id=run_id, keep=keep, **how)


def run(
    target: Agent | TaskGraph,
    inputs: Mapping[str, Any] | None = None,
    *,
    run_id: str | None = None,
    max_concurrency: int | None = None,
    tags: str | Iterable[str] = (),
    session_id: str | None = None,
    loop: str | None = None,
    retry: RetryPolicy | None = None,
    on_error: str | None = None,
    budget: Given = None,
    **named: Any,
) -> Outputs:
    """Run and block until the outputs are there; in a notebook cell and in a script. As `start` otherwise.

    With `loop="kernel"` the kernel's loop goes on turning while the cell blocks; a script gets a loop in this thread.

    Raises:
        WouldBlock: called in the body of an agent: await there.
        Exception: what the body raised, unchanged.
    """
    agent, bound = _bound(target, inputs, named)
    how: dict[str, Any] = {"max_concurrency": max_concurrency, "tags": tags, "session_id": session_id, "loop": loop}
    how |= {"retry": retry, "on_error": on_error, "budget": budget}
    return hub.current().run(agent, bound, run_id=run_id, **how)


async def run_async(
    target: Agent | TaskGraph,
    inputs: Mapping[str, Any] | None = None,
    *,
    run_id: str | None = None,
    max_concurrency: int | None = None,
    tags: str | Iterable[str] = (),
    session_id: str | None = None,
    loop: str | None = None,
    retry: RetryPolicy | None = None,
    on_error: str | None = None,
    budget: Given = None,
    **named: Any,
) -> Outputs:
    """`run`, to be awaited."""
    agent, bound = _bound(target, inputs, named)
    how: dict[str, Any] = {"max_concurrency": max_concurrency, "tags": tags, "session_id": session_id, "loop": loop}
    how |= {"retry": retry, "on_error": on_error, "budget": budget}
    return await hub.current().start(agent, bound, run_id=run_id, **how)


def resume(
    run_id: str | None = None,
    *,
    namespace: Mapping[str, Any] | None = None,
    loop: str | None = None,
    budget: Given = None,
) -> Run:
    """Go on with a run, the latest unfinished one where `run_id` is left out; returns at once.

    Args:
        namespace: names of this kernel's cells, which win over the stored definitions.
        loop: as in `start`; where left out, as the run was started.
        budget: its whole budget from here on, of which what is spent stays spent (`math.inf`: none any more); where
            left out, the one that it has.

    Raises:
        UnknownRun: no such run, or none that is unfinished.
        BudgetExceeded: its budget is used up; nothing was done.
        RunIsLive: another process runs it.
        RunCancelled: it was cancelled, which is final.
    """
    return hub.current().resume(run_id, namespace=namespace, loop=loop, budget=budget)


def runs(
    status: str | None = None,
    name: str | None = None,
    limit: int | None = 50,
    *,
    tags: str | Iterable[str] = (),
    session: str | None = None,
    parent: str | None = None,
) -> list[RunInfo]:
    """The runs of the store, newest first.

    Args:
        status: "running", "waiting", "paused", "done", "failed" or "cancelled".
        name: of the agent.
        limit: how many at most; None for all.
        tags: that it has, all of them.
        session: where it was started from: the path of a notebook, or what `start(session_id=)` said.
        parent: the run that it was forked from, or that started it.

    Raises:
        ValueError: there is no such status, or `limit` is no number.
    """
    return hub.current().runs(status, name, limit, tags=tags, session=session, parent=parent)


def load_run(run_id: str) -> Run:
    """A run to read; it may be live in another process.

    Raises:
        UnknownRun: there is none of this id.
    """
    return hub.current().load(run_id)


def plot_runs(*runs: Run | str, track: str | None = None, step: float | None = None) -> Figure:
    """The plots of several runs side by side: lines of all of them in one chart, pictures beside each other.

    Args:
        runs: runs, or their ids.
        track: only this track, or those whose name begins with it and `/`.
        step: of pictures per step the one nearest to it; left out, the latest.

    Raises:
        UnknownRun: there is none of this id.
        LookupError: none of them has such a track.
    """
    from .lifecycle import plotting

    if not runs:
        raise TypeError("plot_runs takes runs or their ids: `plot_runs(one, other)`")
    for one in runs:
        if not isinstance(one, (Run, str)):
            raise TypeError(f"plot_runs takes runs or their ids, got {type(one).__name__}")
    found = [hub.current().load(one) if isinstance(one, str) else one for one in runs]
    return plotting.figure([one.plotted() for one in {one.run_id: one for one in found}.values()], track, step)


def waits() -> list[WaitInfo]:
    """The inbox of the store: every open question, oldest first."""
    return hub.current().waits()


def signal(name: str, payload: Any = None, run_id: str | None = None) -> int:
    """Send a signal: what `await context.wait_event(name)` waits for, in whatever process. It is on disk on return.

    Args:
        payload: plain data (None, bool, number, text, bytes, and lists and dicts of these).
        run_id: the one run that it is for, where it waits in line until it is taken. Without it, every run that
            started before sees it once.

    Returns:
        Its number in the log of the store.

    Raises:
        UnknownRun, RunEnded: there is no such run, or it is over.
        TypeError, ValueError: the payload is not plain, or there is no name.
    """
    return hub.current().signal(name, payload, run_id)


def answer(token: str, value: Any, *, answer_id: str | None = None) -> None:
    """Answer a question, whichever process runs it; it is on disk when this returns.

    Raises:
        UnknownWait: no such question.
        AlreadyAnswered: somebody was first. The same `answer_id` again is acknowledged instead.
        BadAnswer: it does not fit; the question stays open.
    """
    hub.current().answer(token, value, answer_id)


def gc(
    *,
    keep: int | None = None,
    older_than: timedelta | float | None = None,
    runs: str | Iterable[str] = (),
    dry_run: bool = True,
) -> Garbage:
    """Find what the store can do without; with `dry_run=False` delete it. Nothing else ever deletes.

    Runs go only if `keep`, `older_than` or `runs` says so; if both of the first do, those go that fit both. A run stays
    that is pinned, running, waiting for an answer or resumable, and one from which a run that stays was made. Beside
    runs go contents, stored sources and kept results (`cache=True`) that nothing refers to, and signals that no run is
    there for any more; pinned artifacts stay.

    Args:
        keep: how many of the newest runs stay.
        older_than: how long ago a run ended, and a kept result was made; a timedelta, or seconds.
        runs: just these, by id, finished or not, as long as they are neither running nor pinned.
        dry_run: delete nothing, only tell.

    Raises:
        UnknownRun: one of `runs` is unknown.
    """
    return hub.current().gc(keep=keep, older_than=older_than, runs=runs, dry_run=dry_run)
