"""`Run`: one run as its user holds it, live here or read from the store."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from .. import hooks
from ..engine import here
from ..errors import RunCancelled, RunFailed, RunIsLive, RunPaused, UnknownWait, WouldBlock
from ..record import facts as f
from ..record.failures import rebuild
from ..record.flow import Flow, Node
from ..record.status import NodeStatus, RunStatus
from ..scheduler import budgets
from ..storage import codec, journal, owner, roster
from ..values.outputs import Outputs

_making = threading.Lock()  # of an object that few runs need, so one lock serves all
_LEFT = {  # what nodes that ran are, after such an end
    RunStatus.DONE: NodeStatus.CANCELLED,
    RunStatus.FAILED: NodeStatus.CANCELLED,
    RunStatus.PAUSED: NodeStatus.READY,
}

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..graphs.recorded import RunGraph
    from ..scheduler.execution import Execution
    from ..services.artifact import Artifact
    from ..views.picture import Picture
    from . import ancestry, plotting, telling
    from .hub import Runtime


class _End(concurrent.futures.Future[Outputs]):
    """The end of a run. Who holds it holds the run, until it is there: a parked run is known by its id alone."""

    run: Run | None = None


class Run:
    """A run. Await it for its outputs; `status`, `nodes` and the rest can be read at any time.

    Made by `start`, `resume` and `load_run`. One that is only read takes no ownership: it may be live elsewhere.
    """

    def __init__(self, runtime: Runtime, run_id: str, name: str) -> None:
        self.runtime, self.run_id, self.name = runtime, run_id, name
        self.origin = ""  # the cell that started it
        self.execution: Execution | None = None  # while it is in memory, and afterwards
        self.parked = False  # it is this process's, and only waits: see `parking`
        self._end: _End | None = None
        self._leaves = False
        self.told = False  # some other run was given the exception that it ended with

    @property
    def future(self) -> concurrent.futures.Future[Outputs]:
        """Its end in this process: what it gave, or why it stopped."""
        if self._end is None:
            with _making:
                if self._end is None:
                    end = _End()
                    end.run, self._end = self, end
        return self._end

    def end(self, how: Outputs | BaseException) -> None:
        """It has come to its end in this process."""
        end = self.future
        if isinstance(how, BaseException):
            end.set_exception(how)
        else:
            end.set_result(how)
        if isinstance(end, _End):
            end.run = None  # else the collector would have to find it

    # ------------------------------------------------------------------ waiting for it

    def __await__(self) -> Generator[Any, Any, Outputs]:
        return self._wait().__await__()

    async def _wait(self) -> Outputs:
        run = self
        while (after := run._after(outputs := await run._own_end())) is not None:
            run = after
        return outputs

    async def _own_end(self) -> Outputs:
        desk = here()
        if desk is not None:
            outputs: Outputs = await desk.runs.wait(self.run_id, owned=True)
            return outputs
        if self.execution is None and not self.parked and not self._over:
            return self.ended()
        ended = asyncio.wrap_future(self.future)
        ended.add_done_callback(lambda done: done.cancelled() or done.exception())  # asked for, if only here
        try:
            while not (await asyncio.wait({ended}, timeout=hooks.wake_s))[0]:
                pass
            return ended.result()
        except asyncio.CancelledError as error:
            self._interrupted(error)
            raise

    def _after(self, outputs: Outputs) -> Run | None:
        """The run that goes on from this one, where it ended with these outputs."""
        return self.successor if "successor" in outputs else None

    @property
    def successor(self) -> Run | None:
        """The run that goes on from this one (see `context.continue_as_new`), or None."""
        run_id = roster.read(self.runtime.store, self.run_id).successor
        return self.runtime.load(run_id) if run_id else None

    @property
    def continues(self) -> Run | None:
        """The run that this one goes on from, or None."""
        started = self.flow().started
        return self.runtime.load(started.continues) if started and started.continues else None

    def result(self, timeout_s: float | None = None) -> Outputs:
        """Block until the run ends, and all that go on from it; the outputs of the last.

        Raises:
            TimeoutError: it did not end within `timeout_s` seconds; it goes on.
            RunPaused, RunCancelled: it stopped before its end.
            RunIsLive: another process runs it; `run.events()` follows it to its end.
            Exception: what its body raised, unchanged.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        run = self
        while (after := run._after(outputs := run._own_result(timeout_s))) is not None:
            run, timeout_s = after, None if until is None else max(0.0, until - time.monotonic())
        return outputs

    def _own_result(self, timeout_s: float | None) -> Outputs:
        execution = self.execution
        known = execution is not None or self.parked or self._over
        on_its_loop = execution is not None and execution.host.is_current and not self.future.done()
        if known and (self.runtime.on_loop() or on_its_loop):
            raise WouldBlock(f"run.result() of {self.run_id}", "`await run`")
        desk = here()
        if desk is not None and desk.blocking:  # a sync tool, in its thread
            outputs: Outputs = desk.block(desk.runs.wait(self.run_id, timeout_s, owned=True))
            return outputs
        if not known:
            return self.ended()
        try:
            return self.runtime.inbox.wait(self, timeout_s)
        except KeyboardInterrupt as error:
            self._interrupted(error)
            raise

    def _interrupted(self, error: BaseException) -> None:
        """Whoever waited was interrupted: that pauses, and `error`, which goes on unchanged, says how to resume."""
        if self.live:
            why = "it was interrupted"
            self.pause(why)
            error.add_note(RunPaused.story(self.run_id, why))

    def ended(self) -> Outputs:
        """What is on disk of its end: its outputs, or what ended it raised."""
        flow = self.flow()
        if flow.result is not None:
            return self.outputs
        if flow.status is RunStatus.CANCELLED:
            raise RunCancelled(self.run_id)
        if flow.failure is not None:
            raise self._failure(flow.failure)
        epoch, us = owner.read(self.runtime.store, self.run_id), self.runtime.owner
        if epoch is not None and epoch.owner not in ("", us.id) and us.is_alive(epoch.owner):
            raise RunIsLive(self.run_id, epoch.told)
        raise budgets.exceeded(self.run_id, flow) or RunPaused(self.run_id, "it is not running in this process")

    def _failure(self, failure: f.RunFailed) -> BaseException:
        error = failure.error
        built = rebuild(error, self.runtime.codec.load)
        return built or RunFailed(self.run_id, error.qualname, error.message, error.traceback)

    # ------------------------------------------------------------------ reading it

    def flow(self) -> Flow:
        """The state of the run: the live one, or the fold of what is on disk."""
        execution = self.execution  # asked once: it may leave memory at any time
        if execution is not None:
            return execution.flow
        batches = journal.read(self.runtime.store, self.run_id)
        return Flow.of(fact for batch in batches for fact in batch)

    @property
    def _over(self) -> bool:
        return self._end is not None and self._end.done()

    @property
    def live(self) -> bool:
        """Whether it runs in this process, be it in memory or parked."""
        return (self.execution is not None or self.parked) and not self._over

    @property
    def leaving(self) -> bool:
        """Whether it runs in this process, but not for long: it was paused, cancelled or taken."""
        execution = self.execution
        closed = execution is not None and bool(execution.closed) and not execution.parking
        return self.live and (self._leaves or closed)

    def leaves(self) -> None:
        """It was told to stop, and will in a moment."""
        self._leaves = True

    @property
    def status(self) -> RunStatus:
        """Where it is."""
        execution = self.execution
        if self.live and execution is not None:
            waits = execution.only_waits or execution.parking or execution.woken
            return RunStatus.WAITING if waits else RunStatus.RUNNING
        if self.live:
            return RunStatus.WAITING
        return self.runtime.runlist.info(roster.read(self.runtime.store, self.run_id)).status

    @property
    def why_in_memory(self) -> str:
        """Why it stays in memory although it only waits; "" where it does not wait, or left memory."""
        execution = self.execution
        if not self.live or execution is None or not execution.only_waits:
            return ""
        return execution.lingers or "it has not waited for long"

    @property
    def inputs(self) -> dict[str, Any]:
        """What it was started with."""
        started = self.flow().started
        return dict(self.runtime.codec.load(started.inputs)) if started else {}

    @property
    def outputs(self) -> Outputs:
        """What it gave; empty before its end."""
        result = self.flow().result
        return self.runtime.codec.load_outputs(result.value) if result else Outputs()

    @property
    def error(self) -> BaseException | None:
        """What it failed with, or None."""
        failure = self.flow().failure
        return self._failure(failure) if failure else None

    @property
    def nodes(self) -> list[Node]:
        """Its nodes, in the order in which they came up. Those that the end of the run cut off do not run any more."""
        flow = self.flow()
        left = _LEFT.get(flow.status)
        if left is None:
            return list(flow.nodes)
        return [structs.replace(n, status=left) if n.status is NodeStatus.RUNNING else n for n in flow.nodes]

    @property
    def graph(self) -> RunGraph:
        """Its nodes as a list that can be asked as the graph of a `@graphify`, in either tempo: see `RunGraph`."""
        from ..graphs.recorded import RunGraph

        return RunGraph(self.run_id, self.name, self.nodes, self._drawn)

    def _drawn(self) -> str:
        from ..storage import codec
        from ..views.drawing import to_svg

        return to_svg(self.picture(), codec.about_outputs)

    @property
    def waits(self) -> list[Any]:
        """Its open questions."""
        execution = self.execution
        flow = execution.flow if execution is not None else self.runtime.parking.peek(self.run_id)
        known = [node.wait for node in flow.open_waits]  # one that is withdrawn just now has none any more
        return self.runtime.inbox.waits_of([wait.token for wait in known if wait is not None])

    @property
    def artifacts(self) -> list[Artifact]:
        """What it has saved."""
        from ..services import artifact  # not every run is looked at

        return artifact.find(self.runtime.store, self.run_id)

    @property
    def created_at(self) -> float:
        """When it was started, in seconds since the epoch."""
        started = self.flow().started
        return started.t if started else 0.0

    @property
    def parent(self) -> str:
        """The id of the run that it was forked from, or that started it; "" for none."""
        return roster.read(self.runtime.store, self.run_id).parent

    @property
    def children(self) -> list[roster.RunInfo]:
        """The runs that were forked from it, or started by it, newest first."""
        return self.runtime.runs(limit=None, parent=self.run_id)

    @property
    def duration_s(self) -> float:
        """Seconds from its start to its end, or to now."""
        row = roster.read(self.runtime.store, self.run_id)
        return (row.ended or self.runtime.clock.now()) - row.created

    def follow(self, call: Callable[[list[f.AnyFact]], None]) -> Callable[[], None]:
        """Give `call` all committed facts, then each batch after its commit; return the undo. See `Journal.follow`."""
        return self.runtime.journal.follow(self.run_id, call)

    async def events(self) -> AsyncIterator[f.AnyFact]:
        """The facts of the run as they are committed, from the first, wherever it runs; ends when nobody runs it."""
        if not self.live:
            async for committed in self.runtime.events(self.run_id):
                yield committed
            return
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[f.AnyFact | None] = asyncio.Queue()

        def put(facts: list[f.AnyFact]) -> None:
            for fact in facts:
                loop.call_soon_threadsafe(queue.put_nowait, fact)

        def ended(_: object) -> None:
            with suppress(RuntimeError):  # whoever listened is gone, with the loop: a future keeps its callbacks
                loop.call_soon_threadsafe(queue.put_nowait, None)

        unfollow = self.follow(put)
        self.future.add_done_callback(ended)
        try:
            while (fact := await queue.get()) is not None:
                yield fact
        finally:
            unfollow()

    def transcript(self) -> list[str]:
        """What was said, asked and answered, printed and drawn, a line each, in order."""
        from . import telling  # here as below: what only looks at runs is imported by who looks

        return telling.transcript(self.picture())

    def timeline(self) -> list[telling.Span]:
        """When each node ran."""
        from . import telling

        return telling.timeline(self.picture())

    def lineage(self, thing: str | Artifact) -> ancestry.Lineage:
        """What made a node's result or an artifact: each node with its inputs, code and answers, the earliest first.

        Its `loaded` are the artifacts that these nodes read, its `used_by` the nodes, of any run, that used the thing.

        Args:
            thing: the id of a node; an artifact, its id, uri or name.

        Raises:
            LookupError: the run has no such node or artifact.
        """
        from . import ancestry

        return ancestry.lineage(self.runtime.store, self.flow(), self.picture(), thing)

    def plot(self, track: str | None = None, *, step: float | None = None) -> Figure:
        """What it plotted as a matplotlib figure; of one track, or of those whose name begins with `track` and `/`.

        Args:
            step: of pictures per step the one nearest to it; left out, the latest.

        Raises:
            LookupError: it has no such track, or has plotted nothing.
        """
        from . import plotting

        return plotting.figure([self.plotted()], track, step)

    def points(self, track: str | None = None) -> dict[str, list[Any]]:
        """What it plotted as columns `track`, `step` and `value`, every point: `pandas.DataFrame(run.points())`.

        Of a track of vectors or matrices the values are numpy arrays, of images the bytes of the file, of tables dicts
        of columns; without `track` there are only numbers.

        Raises:
            LookupError: it has no such track, or has plotted nothing.
        """
        from . import plotting

        return plotting.columns(self.plotted(), track)

    def plotted(self) -> plotting.Plotted:
        """What it plotted, for those who draw it."""
        from . import plotting

        return plotting.Plotted(self.run_id, self.picture(), self.runtime.store.blobs.get)

    def picture(self) -> Picture:
        """All there is to see of it, as it is on disk."""
        from . import telling

        batches = journal.read(self.runtime.store, self.run_id)
        return telling.picture_of(fact for batch in batches for fact in batch)

    # ------------------------------------------------------------------ acting on it

    def answer(self, value: Any, wait: str | None = None) -> None:
        """Answer its open question, or the one named by token, node id, name or prompt.

        The node may be one around that which asks: a dual-stage tool (`ask_text(..., _id="who")`), a graph.

        Raises:
            UnknownWait: there is none, or several and `wait` does not say which.
            BadAnswer: it does not fit; the question stays open.
        """
        asked = [w for w in self.waits if w.schema.by_person]
        found = [w for w in asked if wait is None or wait in (w.token, w.node_id, w.schema.name, w.prompt)]
        if not found and wait:
            found = [w for w in asked if wait in self._around(w.node_id)]
        if len(found) != 1:
            raise UnknownWait(wait or "", self._not_asked(wait, asked, len(found)))
        self.runtime.answer(found[0].token, value)

    def _around(self, node_id: str) -> list[str]:
        """The ids of the nodes in whose body a node was called, from the inside."""
        nodes, found = self.nodes, list[str]()
        scope = next((node.scope for node in nodes if node.node_id == node_id), 0)
        while scope:
            found.append(nodes[scope - 1].node_id)
            scope = nodes[scope - 1].scope
        return found

    def _not_asked(self, wait: str | None, asked: list[Any], fit: int) -> str:
        """Why it is not known which of `asked` an answer is for, of which `fit` fit the `wait` that was named."""
        if not asked:
            return f"run {self.run_id} has no open question: it is {self.status}"
        known = ", ".join(f"{w.node_id} ({w.prompt!r:.80})" for w in asked)
        if fit:
            how = f"run.answer(value, {asked[-1].node_id!r})"
            what = f"asks {fit} questions" if wait is None else f"asks {fit} questions that fit {wait!r}"
            return f"run {self.run_id} {what}: say which by its node, `{how}` (open: {known})"
        return f"run {self.run_id} does not ask {wait!r} (open: {known})"

    def cancel(self, by: str = "", *, node: str | None = None) -> None:
        """End it for good, wherever it runs, and what it started; returns at once where it is live.

        node: end one node of it instead, by id: whoever awaits it gets `asyncio.CancelledError`, and in a static graph
            what depends on it is not run. A resume of the run tries it again.

        Raises:
            LookupError: no such node is running; names those that are.
        """
        if node is None:
            self.runtime.cancel(self.run_id, by)
            return
        execution = self.execution
        if not self.live or execution is None:
            raise LookupError(f"no node of run {self.run_id} is running here: it is {self.status}")
        if execution.host.is_current:
            execution.dispatch.cancel_node(node)
        else:
            execution.host.submit(execution.dispatch.cancelling(node)).result()

    def pause(self, why: str = "it was paused") -> None:
        """Let go of it here; it can be resumed."""
        if self.live:
            self.runtime.parking.pause(self, why)

    def fork(self, at: str | None = None, inputs: Mapping[str, Any] | None = None, outputs: Any = None) -> Run:
        """A new run that shares what this one has committed, and goes on differently; returns at once, as `start`.

        This run stays as it is, wherever and whether it runs. What is open in it is open in the fork for itself: its
        questions have tokens of their own, and nodes that run again have idempotency keys of their own.

        Args:
            at: the id of a node, also of one inside a node. It runs again, with all that is inside it. Left out, the
                fork shares all that is committed.
            inputs: inputs that differ: those of the node `at`, or of the run where `at` is left out.
            outputs: what the node `at` is taken to have given: a dict with all its outputs, or the answer to a
                question. It does not run; what follows it goes on with these.

        Raises:
            LookupError: there is no node `at`.
            TypeError, ValueError: inputs or outputs do not fit.
        """
        return self.runtime.fork(self.run_id, at=at, inputs=inputs, outputs=outputs)

    @property
    def pinned(self) -> bool:
        """Whether `gc` leaves it alone, however old it is."""
        return self.runtime.store.get(roster.PIN + self.run_id) is not None

    def pin(self, on: bool = True) -> None:
        """Keep it whatever `gc` is told, or (`False`) let it go with the others."""
        roster.read(self.runtime.store, self.run_id)
        with self.runtime.store.transact() as rows:
            if on:
                rows.set(roster.PIN + self.run_id, b"1")
            else:
                rows.delete(roster.PIN + self.run_id)

    def retry(self) -> Run:
        """Try a failed run again: what failed runs again, what was finished is reused."""
        return self.runtime.resume(self.run_id)

    def export(self, path: str | os.PathLike[str], *, verify: bool = False) -> Path:
        """Write the agent, as this run was started with it, as a module: its tools, and one static graph.

        verify: run the module in a new process with this run's inputs, answers and times, and compare what it gave.

        Raises:
            ExportError: it cannot be written without changing what it does; names the line. With `verify`, also where
                something differs; the message is the table of it.
        """
        exporting = import_module(f"{__name__.partition('.')[0]}.exporting")  # a door: nothing here depends on it
        written: Path = exporting.export_run(self, path)
        if verify:
            exporting.verify(written, self.name, self).check()
        return written

    def to_dict(self) -> dict[str, Any]:
        """The run as plain data that JSON can hold: what it is, its nodes, open questions and artifacts.

        Inputs and outputs, of the run and of each node, are dicts by name whose values are told in words, at most 200
        characters each; times are in seconds, those of nodes from the beginning of the run.
        """
        from ..services import artifact
        from . import ancestry, telling

        info = self.runtime.runlist.info(roster.read(self.runtime.store, self.run_id))
        picture = self.picture()
        nodes = [
            {
                "node_id": node.node_id, "callee": node.callee, "kind": node.kind, "status": str(node.status),
                "alias": node.alias, "labels": list(node.labels), "name": node.name,
                "scope": picture.owner(node.scope), "inputs": ancestry.arguments(node.args),
                "outputs": codec.about_outputs(node.value) if node.value and node.kind != f.WAIT else {},
                "answer": node.answer, "error": telling.error_text(node.error) if node.error else "",
                "attempts": node.attempt, "began_s": node.began, "ended_s": node.ended, "why": node.why,
                "deps": [picture.nodes[no].node_id for no in node.deps],
                "after": [picture.nodes[no].node_id for no in node.after],
            }
            for node in picture.nodes.values()
        ]  # fmt: skip
        waits = [
            {"token": w.token, "node_id": w.node_id, "kind": w.kind, "prompt": w.prompt, "deadline": w.deadline}
            for w in self.waits
        ]
        return {
            "run_id": self.run_id, "name": self.name, "status": str(self.status), "created_at": info.created_at,
            "duration_s": info.duration_s, "session": info.session, "parent": info.parent, "tags": list(info.tags),
            "error": info.error, "inputs": codec.about_outputs(picture.inputs) if picture.inputs else {},
            "outputs": codec.about_outputs(picture.outputs) if picture.outputs else {}, "nodes": nodes, "waits": waits,
            "artifacts": [artifact.record(one) for one in self.artifacts], "why_in_memory": self.why_in_memory,
        }  # fmt: skip

    def __repr__(self) -> str:
        execution = self.execution
        stays = execution.lingers if execution is not None and self.why_in_memory else ""
        status = self.status
        told = f"{status}{self._more(status)}{f' (in memory: {stays})' if stays else ''}"
        return f"<run {self.run_id}: {told}>"

    def _more(self, status: RunStatus) -> str:
        """What a person who sees its status asks next: why it failed, what it waits for, how it goes on."""
        if status is RunStatus.FAILED:
            error = self.runtime.runlist.info(roster.read(self.runtime.store, self.run_id)).error
            return f": {error:.200}" if error else ""
        if status is RunStatus.PAUSED:
            return f", go on with resume({self.run_id!r})"
        asked = [wait.prompt for wait in self.waits if wait.schema.by_person] if status is RunStatus.WAITING else []
        more = f" and {len(asked) - 1} more" if len(asked) > 1 else ""
        return f" for an answer to {asked[0]!r:.80}{more}" if asked else ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """In a notebook: the picture of a run that is over; a live one has its view where it was started."""
        if self.live or hooks.bundle is None:
            return {"text/plain": repr(self)}
        return hooks.bundle(self)
