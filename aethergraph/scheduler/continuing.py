"""A run that goes on in a new one, whose journal is fresh: for conversations and watches without end.

The end of the one and the beginning of the other are one transaction, so a kill at any instant leaves exactly one that
can go on. Signals that the first has not taken are the next one's to take.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from .. import ids
from ..code import definitions
from ..engine import Op
from ..record import facts as f
from ..record.status import RunStatus
from ..storage import journal, roster
from ..storage.store import Transaction
from .places import BodyPlace

if TYPE_CHECKING:
    from .execution import Execution


class Continuing(BaseException):
    """Ends the body of a run that goes on in a new one. No `Exception`, so that `except Exception` lets it pass."""

    def __init__(self, inputs: dict[str, Any], payload: bytes) -> None:
        self.inputs, self.payload = inputs, payload
        super().__init__("the run goes on in a new one")


def order(run: Execution, place: BodyPlace, inputs: Mapping[str, Any]) -> Continuing:
    """What ends the body of `run`, once the inputs fit.

    Raises:
        TypeError: it is not the run's own body that asks for it, or there is no such input.
        NotStorable: an input cannot be stored.
    """
    if place.no or place.path:
        where = "a nested agent" if place.no else "a task of the body"
        raise TypeError(f"continue_as_new ends a run: call it in the run's own body, not in {where}")
    started, agent = run.flow.started, run.agent
    given = run.codec.load(started.inputs) if started else {}
    bound = agent.bind((), {**given, **inputs})
    return Continuing(bound, run.codec.dump(bound, f"the inputs of {agent.name}"))


def begin(run: Execution, order: Continuing) -> tuple[f.RunStarted, Op]:
    """The first fact of the run that goes on from `run`, and what writes it."""
    before = run.flow.started
    assert before is not None  # a live run has one
    heard, had = run.events.heard()
    started = msgspec.structs.replace(
        before,
        run_id=_name(run, before),
        t=run.clock(),
        inputs=order.payload,
        secret=secrets.token_bytes(16),
        continues=run.run_id,
        chain=before.chain or run.run_id,
        heard=heard,
        generation=before.generation + 1,
        had=had,
        budget=run.flow.budget,  # one for all that go on from each other
        spent=run.budget.left()[0] if run.budget is not None else {},
    )
    row = roster.RunRow(
        started.run_id, started.name, RunStatus.RUNNING, started.t, session=started.session, parent=started.parent,
        tags=started.tags, tied=started.tied, chain=started.chain,
    )  # fmt: skip
    owner = run.runtime.owner
    keep = definitions.keep_op(run.runtime.store, started.definition) if started.definition else None

    def op(rows: Transaction) -> None:
        owner.take(rows, started.run_id)
        roster.write_op(row)(rows)
        rows.set(roster.index_key(row.created, row.run_id), b"")
        for number, batch in enumerate(journal.parts([started])):
            rows.set(journal.row_key(started.run_id, number), batch)
        if keep is not None:
            keep(rows)

    return started, op


def _name(run: Execution, before: f.RunStarted) -> str:
    """`chat-7f3ka.2`, `chat-7f3ka.3`: the chain by its first run; another id where that is taken."""
    chain = before.chain or run.run_id
    last = run.run_id.removeprefix(f"{chain}.")
    wanted = f"{chain}.{int(last) + 1 if last.isdecimal() else 2}"
    if run.runtime.store.get(roster.row_key(wanted)) is None:
        return wanted
    return ids.run_id(before.name, secrets.token_bytes(8))
