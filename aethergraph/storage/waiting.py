"""Waits as rows of the store: anyone who has the store can answer one, and the first good answer wins.

A row under `w:TOKEN` is the truth about a wait while its run is asleep. It is opened, withdrawn and refused in the
transaction of the fact that says so; it is answered by whoever comes first, from any process, in one transaction.
Who answers for a run of another process puts a row under `in:TOKEN` beside it and rings the doorbell afterwards, so
that the owner reads the few that were answered and not all that wait. It takes the row away when it takes the answer.

The row of a wait that is over is moved to `wo:TOKEN` in the transaction that closes it, and back if the wait opens once
more: whoever lists what is open reads only that, however much was answered before. (A row beside each open one that
says so would do, too; it is an eighth of what a parked run takes on disk.) Earlier versions left it where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import msgspec

from ..engine import Op
from ..errors import AlreadyAnswered, BadAnswer, DamagedRecord, UnknownWait
from ..record import schema
from ..record.schema import Question
from . import uploads
from .store import Store, Transaction

State = Literal["open", "answered", "withdrawn", "timed out", "reserved", "kept"]

PREFIX = "w:"
INBOX = "in:"
OVER = "wo:"


class WaitRow(msgspec.Struct, frozen=True, array_like=True):
    """One wait as it is kept.

    deadline, created, answered_at: seconds since the epoch, 0 for none.
    answer: msgpack of the checked answer, empty unless `state` is "answered".
    answer_id: what the answerer called its answer, so that sending it twice is harmless.
    state: "reserved" where the token is out and what it asks is not known yet; "kept" where an answer came before that.
    round: raised each time an answer is refused or the question changes.
    refused: why the answer of the last round was refused, for whoever answers next.
    by_default: nobody answered in time and the question's default was taken.
    """

    token: str
    run_id: str
    node_id: str
    no: int
    question: Question
    created: float
    deadline: float = 0.0
    state: State = "open"
    answer: bytes = b""
    answer_id: str = ""
    answered_at: float = 0.0
    round: int = 1
    refused: str = ""
    by_default: bool = False

    @property
    def value(self) -> Any:
        """The checked answer."""
        return msgspec.msgpack.decode(self.answer)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(WaitRow)


def open_op(row: WaitRow) -> Op:
    """Write `row`, unless its token has one: then an answer kept there stays, and a withdrawn wait opens again.

    A question that now reads otherwise (prompt or allowed answers were edited) opens in a new round: an answer to the
    old one is not taken for it. The deadline of a wait that is still open is kept, so that resuming gains no time.
    """

    def op(transaction: Transaction) -> None:
        old = _get(transaction, row.token)
        if old is None:
            _write(transaction, PREFIX, row)
        elif old.state == "reserved":
            _save(transaction, msgspec.structs.replace(row, round=old.round))
        elif old.state == "kept":
            _save(transaction, _taken_up(row, old))
        elif not _asks_the_same(old.question, row.question):
            _save(transaction, msgspec.structs.replace(row, round=old.round + 1))
        elif old.state == "withdrawn":
            _save(transaction, msgspec.structs.replace(row, round=old.round, refused=old.refused))
        elif old.state == "open":
            _save(
                transaction,
                msgspec.structs.replace(
                    row, round=old.round, refused=old.refused, created=old.created, deadline=old.deadline
                ),
            )

    return op


def reserve_op(row: WaitRow) -> Op:
    """Let the token of `row` be known before its question is: what is answered from now on is kept for it."""

    def op(transaction: Transaction) -> None:
        old = _get(transaction, row.token)
        if old is None or old.state == "withdrawn":
            round_ = row.round if old is None else old.round  # no round comes twice: it tells which refusals were said
            _save(transaction, msgspec.structs.replace(row, state="reserved", round=round_))

    return op


def close_op(token: str, value: Any, answer_id: str, now: float) -> Op:
    """The wait has got `value` by another way than an answer: from a signal, or from an earlier answer."""

    def op(transaction: Transaction) -> None:
        row = _get(transaction, token)
        if row is not None and row.state in ("open", "reserved"):
            answer = _encoder.encode(value)
            _save(
                transaction,
                msgspec.structs.replace(row, state="answered", answer=answer, answer_id=answer_id, answered_at=now),
            )

    return op


def withdraw_op(token: str) -> Op:
    """Close the wait if it is open; an answer that is there already stays on record."""

    def op(transaction: Transaction) -> None:
        row = _get(transaction, token)
        if row is not None and row.state in ("open", "reserved", "kept"):
            _save(transaction, msgspec.structs.replace(row, state="withdrawn"))
        taken_op(token)(transaction)

    return op


def refuse_op(token: str, why: str) -> Op:
    """Throw the stored answer out and open the next round of the same token, with the reason."""

    def op(transaction: Transaction) -> None:
        row = _get(transaction, token)
        if row is None:
            raise UnknownWait(token)
        _save(
            transaction,
            msgspec.structs.replace(
                row,
                state="open",
                answer=b"",
                answer_id="",
                answered_at=0.0,
                by_default=False,
                round=row.round + 1,
                refused=why,
            ),
        )
        taken_op(token)(transaction)

    return op


def taken_op(token: str) -> Op:
    """The owner took the answer: it is not in the inbox any more."""

    def op(transaction: Transaction) -> None:
        if transaction.get(INBOX + token) is not None:  # most are answered from the process that asks
            transaction.delete(INBOX + token)

    return op


def inbox(store: Store) -> Iterator[tuple[str, str]]:
    """Token and run of what was answered for another process to take, and is not taken yet."""
    for key, run_id in store.scan(INBOX):
        yield key.removeprefix(INBOX), run_id.decode()


def by_run(store: Store) -> dict[str, list[str]]:
    """The tokens of all waits there are rows of, by run."""
    found: dict[str, list[str]] = {}
    for row in everything(store):
        found.setdefault(row.run_id, []).append(row.token)
    return found


def _not_ours(run_id: str) -> bool:
    return False


def answer(
    store: Store, token: str, value: Any, answer_id: str, now: float, ours: Callable[[str], bool] = _not_ours
) -> WaitRow:
    """Answer the wait in one transaction and return its row; the caller tells the owner of the run afterwards.

    The same non-empty `answer_id` again gives the row as it is. Past the deadline the default is written instead,
    or the wait times out, and the answer comes too late.

    Args:
        ours: whether the run is this process's, which then needs no row in the inbox to hear of the answer.

    Raises:
        UnknownWait: no such token.
        AlreadyAnswered: somebody was first, the deadline was, or nobody asks any more.
        BadAnswer: the answer does not fit the question; nothing was written.
    """
    with store.transact() as transaction:
        row = _get(transaction, token)
        if row is None:
            raise UnknownWait(token)
        if row.state in ("answered", "kept") and answer_id and row.answer_id == answer_id:
            return row
        if row.state == "reserved":
            _save(transaction, row := _kept(row, value, answer_id, now))
            return row
        if row.state == "open" and not ours(row.run_id):
            transaction.set(INBOX + token, row.run_id.encode())
        if row.state == "open" and _is_late(row, now):
            _save(transaction, row := _timed_out(row))
        elif row.state == "open":
            _save(transaction, row := _answered(row, value, answer_id, now))
            if row.question.kind == schema.FILES:
                uploads.arrived(transaction, row.run_id, token, row.question.channel, now, row.value)
            return row
    # Raised out here: inside the transaction it would roll the default back.
    raise AlreadyAnswered(token, _how(row))


def expire(store: Store, token: str, now: float) -> WaitRow | None:
    """Take the default (or time out) if the deadline has passed and nobody answered; return the row as it is then.

    Its `answered_at` is the deadline itself, however late anyone came to look.
    """
    with store.transact() as transaction:
        return _expire(transaction, token, now)


def _expire(transaction: Transaction, token: str, now: float) -> WaitRow | None:
    row = _get(transaction, token)
    if row is not None and row.state == "open" and _is_late(row, now):
        _save(transaction, row := _timed_out(row))
    return row


def read(store: Store, token: str, *, over: bool = False) -> WaitRow | None:
    """The row of `token`, or None. `over`: it is most likely that of a wait that is over."""
    # It may have been moved between the two looks of the first.
    return _get(store, token, over=over) or _get(store, token)


def everything(store: Store) -> Iterator[WaitRow]:
    """The rows of all waits, of those that are over, too; in no order."""
    for prefix in (PREFIX, OVER):
        for key, data in store.scan(prefix):
            yield _decode(key.removeprefix(prefix), data)


def open_waits(store: Store, now: float = 0.0) -> list[WaitRow]:
    """All open waits of the store, oldest first. Those whose deadline is over at `now` are closed, and not listed."""
    rows = (_decode(key.removeprefix(PREFIX), data) for key, data in store.scan(PREFIX))
    found = still_open(store, rows, now)
    return sorted(found, key=lambda row: (row.created, row.run_id, row.no))


def still_open(store: Store, rows: Iterable[WaitRow | None], now: float) -> list[WaitRow]:
    """Those of `rows` that are open; those whose deadline is over at `now` are closed, as their owner would.

    One for a signal is not: only its owner knows which signals came for it in time.
    """
    found = [row for row in rows if row is not None and row.state == "open"]
    late = {row.token: row for row in found if _is_late(row, now)}
    closing = [token for token, row in late.items() if row.question.kind != schema.EVENT]
    if closing:
        with store.transact() as transaction:
            for token in closing:
                _expire(transaction, token, now)
    return [row for row in found if row.token not in late]


def row_keys(token: str) -> tuple[str, ...]:
    """The keys of all rows of a wait."""
    return PREFIX + token, OVER + token, INBOX + token


def _get(rows: Store | Transaction, token: str, *, over: bool = False) -> WaitRow | None:
    data = rows.get((OVER if over else PREFIX) + token)
    if data is None:
        data = rows.get((PREFIX if over else OVER) + token)
    return None if data is None else _decode(token, data)


def _decode(token: str, data: bytes) -> WaitRow:
    try:
        return msgspec.structs.replace(_decoder.decode(data), token=token)
    except msgspec.DecodeError as error:
        raise DamagedRecord(f"the question {token!r}", str(error)) from error


def _save(transaction: Transaction, row: WaitRow) -> None:
    here, there = (PREFIX, OVER) if row.state in ("open", "reserved", "kept") else (OVER, PREFIX)
    _write(transaction, here, row)
    transaction.delete(there + row.token)


def _write(transaction: Transaction, prefix: str, row: WaitRow) -> None:
    """Write the row, without its token, which is the key, and without what is not set: many wait, and for long."""
    values = ["", *msgspec.structs.astuple(row)[1:]]
    for default in reversed(WaitRow.__struct_defaults__):
        if values[-1] != default:
            break
        values.pop()
    transaction.set(prefix + row.token, _encoder.encode(values))


def _asks_the_same(old: Question, new: Question) -> bool:
    return schema.essence(old) == msgspec.structs.replace(schema.essence(new), name=old.name)


def _is_late(row: WaitRow, now: float) -> bool:
    return 0.0 < row.deadline <= now


def _answered(row: WaitRow, value: Any, answer_id: str, now: float) -> WaitRow:
    try:
        checked = schema.check(row.question, value)
    except BadAnswer as error:
        raise BadAnswer(error.why, token=row.token) from None
    return msgspec.structs.replace(
        row, state="answered", answer=_encoder.encode(checked), answer_id=answer_id, answered_at=now
    )


def _kept(row: WaitRow, value: Any, answer_id: str, now: float) -> WaitRow:
    """An answer before its question: it is only known that it must be plain."""
    checked = schema.check(Question(schema.EXTERNAL, ""), value)
    return msgspec.structs.replace(
        row, state="kept", answer=_encoder.encode(checked), answer_id=answer_id, answered_at=now
    )


def _taken_up(row: WaitRow, kept: WaitRow) -> WaitRow:
    """The question of `row` opens where an answer is kept: it is taken if it fits, else refused with the reason."""
    try:
        return _answered(msgspec.structs.replace(row, round=kept.round), kept.value, kept.answer_id, kept.answered_at)
    except BadAnswer as error:
        return msgspec.structs.replace(row, round=kept.round + 1, refused=error.why)


def _timed_out(row: WaitRow) -> WaitRow:
    if not row.question.has_default:
        return msgspec.structs.replace(row, state="timed out", answered_at=row.deadline)
    default = _encoder.encode(row.question.default)
    return msgspec.structs.replace(row, state="answered", answer=default, answered_at=row.deadline, by_default=True)


def _how(row: WaitRow) -> str:
    return "timed out" if row.by_default else "answered" if row.state == "kept" else row.state
