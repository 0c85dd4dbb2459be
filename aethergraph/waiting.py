"""Waits as rows of the store: anyone who has the store can answer one, and the first good answer wins.

A row under `w:TOKEN` is the truth about a wait while its run is asleep. It is opened, withdrawn and refused in the
transaction of the fact that says so; it is answered by whoever comes first, from any process, in one transaction.
After that commit the answerer rings the doorbell, so that the process that owns the run looks at its waits.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from . import schema
from .engine import Op
from .errors import AlreadyAnswered, BadAnswer, DamagedRecord, UnknownWait
from .schema import Question
from .store import Store, Transaction

State = Literal["open", "answered", "withdrawn", "timed out"]

PREFIX = "w:"
_log = logging.getLogger("aethergraph.waiting")


class WaitRow(msgspec.Struct, frozen=True, array_like=True):
    """One wait as it is kept.

    deadline, created, answered_at: seconds since the epoch, 0 for none.
    answer: msgpack of the checked answer, empty unless `state` is "answered".
    answer_id: what the answerer called its answer, so that sending it twice is harmless.
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
        old = _load(row.token, transaction.get(PREFIX + row.token))
        if old is None:
            _save(transaction, row)
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


def withdraw_op(token: str) -> Op:
    """Close the wait if it is open; an answer that is there already stays on record."""

    def op(transaction: Transaction) -> None:
        row = _load(token, transaction.get(PREFIX + token))
        if row is not None and row.state == "open":
            _save(transaction, msgspec.structs.replace(row, state="withdrawn"))

    return op


def refuse_op(token: str, why: str) -> Op:
    """Throw the stored answer out and open the next round of the same token, with the reason."""

    def op(transaction: Transaction) -> None:
        row = _load(token, transaction.get(PREFIX + token))
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

    return op


def answer(store: Store, token: str, value: Any, answer_id: str, now: float) -> WaitRow:
    """Answer the wait in one transaction and return its row; the caller rings the doorbell afterwards.

    The same non-empty `answer_id` again gives the row as it is. Past the deadline the default is written instead,
    or the wait times out, and the answer comes too late.

    Raises:
        UnknownWait: no such token.
        AlreadyAnswered: somebody was first, the deadline was, or nobody asks any more.
        BadAnswer: the answer does not fit the question; nothing was written.
    """
    with store.transact() as transaction:
        row = _load(token, transaction.get(PREFIX + token))
        if row is None:
            raise UnknownWait(token)
        if row.state == "answered" and answer_id and row.answer_id == answer_id:
            return row
        late = row.state == "open" and _is_late(row, now)
        if late:
            _save(transaction, row := _timed_out(row))
        elif row.state == "open":
            _save(transaction, row := _answered(row, value, answer_id, now))
            return row
    # Raised out here: inside the transaction it would roll the default back.
    raise AlreadyAnswered(token, _how(row))


def expire(store: Store, token: str, now: float) -> WaitRow | None:
    """Take the default (or time out) if the deadline has passed and nobody answered; return the row as it is then.

    Its `answered_at` is the deadline itself, however late anyone came to look.
    """
    with store.transact() as transaction:
        row = _load(token, transaction.get(PREFIX + token))
        if row is not None and row.state == "open" and _is_late(row, now):
            _save(transaction, row := _timed_out(row))
        return row


def read(store: Store, token: str) -> WaitRow | None:
    """The row of `token`, or None."""
    return _load(token, store.get(PREFIX + token))


def open_waits(store: Store) -> list[WaitRow]:
    """All open waits of the store, oldest first."""
    rows = (_load(key.removeprefix(PREFIX), data) for key, data in store.scan(PREFIX))
    found = [row for row in rows if row is not None and row.state == "open"]
    return sorted(found, key=lambda row: (row.created, row.run_id, row.no))


def _load(token: str, data: bytes | None) -> WaitRow | None:
    if data is None:
        return None
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise DamagedRecord(f"the question {token!r}", str(error)) from error


def _save(transaction: Transaction, row: WaitRow) -> None:
    transaction.set(PREFIX + row.token, _encoder.encode(row))


def _asks_the_same(old: Question, new: Question) -> bool:
    def asked(question: Question) -> tuple[object, ...]:
        q = question
        return q.kind, q.prompt, q.options, q.multiple, q.min, q.max, q.step

    return asked(old) == asked(new)


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


def _timed_out(row: WaitRow) -> WaitRow:
    if not row.question.has_default:
        return msgspec.structs.replace(row, state="timed out", answered_at=row.deadline)
    default = _encoder.encode(row.question.default)
    return msgspec.structs.replace(row, state="answered", answer=default, answered_at=row.deadline, by_default=True)


def _how(row: WaitRow) -> str:
    return "timed out" if row.by_default else row.state


def ring(folder: Path) -> None:
    """Tell the process that runs the store's runs to look at its waits. Call it after the commit, never before."""
    try:
        handle = os.open(_doorbell(folder), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.fstat(handle).st_size > 4096:
                os.ftruncate(handle, 0)
            os.write(handle, b".")
        finally:
            os.close(handle)
    except OSError as error:
        # The answer is committed: failing here would make the answerer believe that it is not.
        _log.warning("an answer is stored, but %s could not be rung: %s", _doorbell(folder), error)


def _doorbell(folder: Path) -> Path:
    return folder / "doorbell"


class Doorbell:
    """Hears `ring`, also from other processes, by the file system's own notification.

    It watches the doorbell file only, never the database, which changes with each commit. The callback runs on a
    daemon thread: once as soon as the watch stands (what rang before that was not heard) and after each ring; several
    rings within 50 ms are one. Without `watchfiles`, or where the folder cannot be watched, `start` says so by False:
    then an answer from another process is seen when a question opens, a run parks, or a run is taken up.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, callback: Callable[[], None]) -> bool:
        """Begin to listen; whether it can."""
        try:
            import watchfiles
        except ImportError:
            return False
        try:
            _doorbell(self.folder).touch(mode=0o600)
        except OSError as error:
            _log.warning("cannot listen for answers from other processes: %s", error)
            return False

        def listen() -> None:
            armed = _Armed(self._stopping, lambda: _call(callback))
            try:
                for _ in watchfiles.watch(
                    _doorbell(self.folder), watch_filter=None, debounce=50, stop_event=armed, raise_interrupt=False
                ):
                    _call(callback)
            except (OSError, RuntimeError) as error:  # watchfiles raises these where the system cannot watch
                _log.warning("stopped listening for answers from other processes: %s", error)

        self._stopping.clear()
        self._thread = threading.Thread(target=listen, name="aether-doorbell", daemon=True)
        self._thread.start()
        return True

    def stop(self) -> None:
        """Stop listening and wait until the thread has ended."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None


class _Armed:
    """The stop event that watchfiles asks again and again; its first question tells that the watch stands."""

    def __init__(self, stopping: threading.Event, first: Callable[[], None]) -> None:
        self.stopping, self.first = stopping, first
        self.asked = False

    def is_set(self) -> bool:
        if not self.asked:
            self.asked = True
            self.first()
        return self.stopping.is_set()


def _call(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception:  # noqa: BLE001  # the engine's callback: one failure must not deafen the store
        _log.exception("looking at the answered questions failed")
