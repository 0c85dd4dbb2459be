"""The runs of a store as they are to be read now, and ending one for good wherever it runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..engine import Op
from ..errors import RunIsLive
from ..record import facts as f
from ..record.flow import Flow
from ..record.status import NodeStatus, RunStatus
from ..scheduler.execution import Execution
from ..storage import doorbell, journal, owner, roster, waiting
from .running import Run

if TYPE_CHECKING:
    from .hub import Runtime


_SKIPPED = NodeStatus.SKIPPED
ROW_EVERY_S = 5.0  # the row of a run that goes on tells how far it has come, but not at each step
_ENDED = (RunStatus.DONE, RunStatus.FAILED, RunStatus.CANCELLED)


class RunList:
    """The rows of the runs of one runtime's store."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def info(self, row: roster.RunRow, alive: dict[str, bool] | None = None) -> roster.RunInfo:
        """A row as it is to be read now: a run whose process is gone is paused. `alive`: what is known of owners."""
        status, elsewhere = RunStatus(row.status), False
        nodes, done, waits = row.nodes, row.done, row.waiting
        live = self._runtime.live.get(row.run_id)
        if live is not None:
            status = live.status
            execution = live.execution  # asked once: it may leave memory at any time
            if execution is not None:  # the row is older
                nodes, done, waits = _counts(execution.flow)
        elif row.run_id in self._runtime.parking:
            status = RunStatus.WAITING
        elif status in (RunStatus.RUNNING, RunStatus.WAITING):
            epoch, us = owner.read(self._runtime.store, row.run_id), self._runtime.owner
            if epoch is not None and epoch.owner not in ("", us.id):
                alive = {} if alive is None else alive
                elsewhere = alive[epoch.owner] if epoch.owner in alive else us.is_alive(epoch.owner)
                alive[epoch.owner] = elsewhere
            if not elsewhere:
                status = RunStatus.PAUSED
        if status is RunStatus.PAUSED and row.kind == f.SESSION:
            status = RunStatus.CANCELLED  # its block is gone with its process
        end = row.ended or self._runtime.clock.now()
        return roster.RunInfo(
            row.run_id, row.name, status, row.created, end - row.created, nodes, done, waits, row.session,
            row.error, elsewhere, tuple(row.tags), row.parent, row.kind,
        )  # fmt: skip

    def runs(
        self,
        status: str | None = None,
        name: str | None = None,
        limit: int | None = 50,
        *,
        tags: Iterable[str] = (),
        session: str | None = None,
        parent: str | None = None,
    ) -> list[roster.RunInfo]:
        """The runs of the store that fit, newest first. See `aethergraph.runs`."""
        known = [str(one) for one in RunStatus]
        if status is not None and status not in known:
            raise ValueError(f"status={status!r}: a run is {', '.join(known[:-1])} or {known[-1]}")
        if limit is not None and (type(limit) is not int or limit < 0):
            raise ValueError(f"limit={limit!r}: how many runs at most, or None for all")
        wanted = {tags} if isinstance(tags, str) else set(tags)
        rows = (
            row
            for row in roster.everything(self._runtime.store)
            if (name is None or row.name == name)
            and (session is None or row.session == session)
            and (parent is None or row.parent == parent)
            and wanted.issubset(row.tags)
        )
        alive: dict[str, bool] = {}  # a look at a lock that is held takes time
        infos = (self.info(row, alive) for row in rows)
        return list(itertools.islice((info for info in infos if status is None or info.status == status), limit))

    def load(self, run_id: str) -> Run:
        """A run to read; the live one where it runs here."""
        live = self._runtime.parking.find(run_id)
        return live if live is not None else Run(self._runtime, run_id, roster.read(self._runtime.store, run_id).name)

    def cancel(self, run_id: str, by: str = "") -> None:
        """End a run for good, wherever it runs."""
        by = by or "a user"
        run = self._runtime.parking.find(run_id)
        if run is not None:
            self._runtime.parking.cancel(run, by)
            return
        row = roster.read(self._runtime.store, run_id)
        batches = journal.read(self._runtime.store, run_id)
        flow = Flow.of(fact for batch in batches for fact in batch)
        self._cancel_now(row, flow, len(batches), by)
        if flow.started_runs:
            self.cancel_children(run_id)

    def cancel_children(self, run_id: str) -> None:
        """End the runs that run `run_id` started, if they are tied to it and have not ended."""
        for row in list(roster.everything(self._runtime.store)):
            if row.parent == run_id and row.tied and row.status not in _ENDED:
                self.cancel(row.run_id, f"its parent {run_id} was cancelled")

    def pause_children(self, run_id: str, why: str) -> None:
        """Let go of the runs of this process that run `run_id` started, if they are tied to it."""
        for row in list(roster.everything(self._runtime.store)):
            child = self._runtime.parking.find(row.run_id) if row.parent == run_id and row.tied else None
            if child is not None:
                child.pause(f"its parent {run_id} was paused ({why})")

    def _cancel_now(self, row: roster.RunRow, flow: Flow, batches: int, by: str) -> None:
        run_id = row.run_id
        if flow.result is not None or flow.status is RunStatus.CANCELLED:
            return
        with self._runtime.store.transact() as rows:
            try:
                self._runtime.owner.take(rows, run_id)
            except RunIsLive:
                roster.order_op(run_id, by)(rows)
            else:
                end = f.RunCancelled(by, self._runtime.clock.now())
                rows.set(journal.row_key(run_id, batches), f.encode([end]))
                for op in self.end_ops(row, flow, RunStatus.CANCELLED):
                    op(rows)
        doorbell.ring(self._runtime.store.folder)

    def end_ops(self, row: roster.RunRow, flow: Flow, status: RunStatus) -> list[Op]:
        """What belongs into the transaction that ends a run which is not in memory."""
        ended, withdrawn = 0.0, list[Op]()
        if status is RunStatus.CANCELLED:
            ended = self._runtime.clock.now()
            withdrawn = [waiting.withdraw_op(node.token) for node in flow.addresses]
        return [*withdrawn, roster.write_op(_row_of(row, status, flow, ended)), roster.obeyed_op(row.run_id)]

    def row_op(self, execution: Execution, status: RunStatus, error: str = "") -> Op:
        """The row of a live run, to be written with the fact that changes it."""
        flow = execution.flow
        started = flow.started
        base = roster.RunRow(
            execution.run_id, execution.agent.name, status, started.t if started else 0.0,
            session=started.session if started else "", parent=started.parent if started else "", error=error,
            tags=started.tags if started else [], tied=started.tied if started else False,
            kind=started.kind if started else "",
        )  # fmt: skip
        ended = self._runtime.clock.now() if status in (RunStatus.DONE, RunStatus.FAILED, RunStatus.CANCELLED) else 0.0
        return roster.write_op(_row_of(base, status, flow, ended))

    def parked(self, execution: Execution) -> None:
        """A run is quiet: its row says whether only people are waited for, and how far it has come."""
        status = RunStatus.WAITING if execution.only_waits else RunStatus.RUNNING
        flow, now = execution.flow, self._runtime.clock.now()
        if status is RunStatus.RUNNING is execution.row_told[0] and now < execution.row_at + ROW_EVERY_S:
            return
        told = status, flow.deliveries, len(flow.nodes), len(execution.asking.open)
        if told != execution.row_told and not execution.closed:
            execution.row_told, execution.row_at = told, now
            execution.number = self._runtime.journal.append(execution.run_id, None, [self.row_op(execution, status)])
            execution.nudge()


def _counts(flow: Flow) -> tuple[int, int, int]:
    """Its nodes, those of them that are done, and its open questions."""
    done = 0
    for node in (nodes := flow.nodes[:]):  # of a live run, which goes on meanwhile
        outcome = node.outcome
        if outcome is not None and outcome.ok and node.status is not _SKIPPED:
            done += 1
    return len(nodes), done, len(flow.open_waits)


def _row_of(row: roster.RunRow, status: RunStatus, flow: Flow, ended: float) -> roster.RunRow:
    nodes, done, waits = _counts(flow)
    return roster.RunRow(
        row.run_id,
        row.name,
        status,
        row.created,
        ended,
        row.session,
        row.parent,
        nodes=nodes,
        done=done,
        waiting=waits,
        error=row.error,
        tags=row.tags,
        tied=row.tied,
        chain=flow.started.chain if flow.started else "",
        successor=flow.successor,
        kind=row.kind,
    )
