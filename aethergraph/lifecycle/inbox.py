"""The questions of a store: listing and answering them, hearing of answers, asking while a thread blocks."""

from __future__ import annotations

import concurrent.futures
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import hooks
from ..errors import AlreadyAnswered, BadAnswer
from ..record.schema import Question
from ..record.status import RunStatus
from ..scheduler.execution import Execution
from ..storage import doorbell, roster, uploads, waiting
from ..values.outputs import Outputs
from . import bells
from .running import Run

if TYPE_CHECKING:
    from .hub import Runtime

Asker = Callable[[Question, str, str], Any]
POLL_S = 2.0  # where the file system does not tell of changes
_log = logging.getLogger("aethergraph.inbox")


@dataclass(frozen=True, slots=True)
class WaitInfo:
    """An open question, as the inbox lists it; times in seconds since the epoch, `deadline` 0 for none."""

    token: str
    run_id: str
    node_id: str
    kind: str
    prompt: str
    schema: Question
    created_at: float
    deadline: float


def _too_long(run: Run, timeout_s: float | None) -> str:
    asked = [wait for wait in run.waits if wait.schema.by_person] if run.status is RunStatus.WAITING else []
    goes_on = "it goes on"
    if asked:
        more = f" and {len(asked) - 1} more" if len(asked) > 1 else ""
        goes_on = (
            f"it waits for an answer to {asked[0].prompt!r:.80} (node {asked[0].node_id}){more}: "
            f"`aethergraph.answer({str(asked[0].token)!r}, value)`"
        )
    return f"run {run.run_id} did not end within {timeout_s:g} s; {goes_on}"


def _info(row: waiting.WaitRow) -> WaitInfo:
    asked = row.question
    return WaitInfo(row.token, row.run_id, row.node_id, asked.kind, asked.prompt, asked, row.created, row.deadline)


class Inbox:
    """The questions of one runtime's store."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._doorbell: doorbell.Doorbell | None = None
        self._clerk = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="aether-answers")
        self._closing = threading.Event()
        self._bells = bells.Bells(runtime.store, runtime.journal)
        self._blocked: dict[str, queue.SimpleQueue[tuple[str, Question] | None]] = {}  # threads that wait for a run

    # ------------------------------------------------------------------ blocking

    def wait(self, run: Run, timeout_s: float | None) -> Outputs:
        """Block until `run` ends. Where questions cannot be heard while this thread blocks, ask them from here."""
        asker = hooks.blocking_asker
        if asker is None or threading.current_thread() is not threading.main_thread():
            return self._end_of(run, timeout_s)
        box = self._blocked.setdefault(run.run_id, queue.SimpleQueue())
        run.future.add_done_callback(lambda _: box.put(None))
        for info in run.waits:
            if info.schema.by_person:
                box.put((info.token, info.schema))
        end = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            while (opened := box.get(timeout=None if end is None else max(0.0, end - time.monotonic()))) is not None:
                self._ask_here(asker, *opened)
        except queue.Empty:
            raise TimeoutError(_too_long(run, timeout_s)) from None
        finally:
            self._blocked.pop(run.run_id, None)
        return run.future.result()

    def _end_of(self, run: Run, timeout_s: float | None) -> Outputs:
        if not concurrent.futures.wait([run.future], timeout_s).done:  # `result` would not tell one's own TimeoutError
            raise TimeoutError(_too_long(run, timeout_s))
        return run.future.result()

    def _ask_here(self, asker: Asker, token: str, question: Question) -> None:
        refused = ""
        while True:
            row = waiting.read(self._runtime.store, token)
            if row is None or row.state != "open":
                return
            value = asker(question, token, refused)
            if value is None:  # it is asked elsewhere, where it can be heard
                return
            try:
                self.answer(token, value)
                return
            except BadAnswer as error:
                refused = error.why
            except AlreadyAnswered:
                return

    # ------------------------------------------------------------------ answering

    def waits(self) -> list[WaitInfo]:
        """All open questions of the store, oldest first."""
        return [_info(row) for row in waiting.open_waits(self._runtime.store, self._runtime.clock.now())]

    def named(self, name: str) -> list[WaitInfo]:
        """The open waits that a typed `name` may mean: a token, a run that asks somebody, the beginning of a token."""
        waits = self.waits()
        exact = [wait for wait in waits if wait.token == name]
        of_run = [wait for wait in waits if wait.run_id == name and wait.schema.by_person]
        return exact or of_run or [wait for wait in waits if wait.token.startswith(name)]

    def waits_of(self, tokens: Iterable[str]) -> list[WaitInfo]:
        """Those of these that are open."""
        store = self._runtime.store
        rows = (waiting.read(store, token) for token in tokens)
        return [_info(row) for row in waiting.still_open(store, rows, self._runtime.clock.now())]

    def answer(self, token: str, value: Any, answer_id: str | None = None) -> None:
        """Answer a question, whichever process runs it; it is on disk when this returns.

        Raises:
            UnknownWait, AlreadyAnswered, BadAnswer: it was not taken; says why.
            TypeError: `token` is no text.
        """
        if not isinstance(token, str):
            has = "; it has one: write `answer(it.token, value)`" if hasattr(token, "token") else ""
            raise TypeError(f"what is answered is named by its token, a text, got {type(token).__name__}{has}")
        now = self._runtime.clock.now()
        answer_id = answer_id or secrets.token_hex(8)
        parking = self._runtime.parking
        asked = waiting.read(self._runtime.store, token)
        if asked is not None and asked.state == "open":
            value = self._taken_in(asked, value)
        try:
            row = waiting.answer(self._runtime.store, token, value, answer_id, now, parking.is_ours)
        except AlreadyAnswered:
            late = waiting.read(self._runtime.store, token)  # it may have run out just now, by this very answer
            if late is not None:
                self._ring(late.run_id, token)
            raise
        self._ring(row.run_id, token)

    def _taken_in(self, asked: waiting.WaitRow, value: Any) -> Any:
        """`value` with its files in the store: that takes as long as they are large, and nobody may wait for it."""
        try:
            return uploads.take_in(self._runtime.store, asked.question, value)
        except BadAnswer as error:
            raise BadAnswer(error.why, token=asked.token) from None

    def _ring(self, run_id: str, token: str) -> None:
        if not self._runtime.parking.told(run_id, token):
            doorbell.ring(self._runtime.store.folder)

    def answer_soon(self, token: str, value: Any, answer_id: str, done: Callable[[str], None]) -> None:
        """Answer from any thread without waiting: `done("")`, or `done(why not)`, is called on a worker thread."""

        def work() -> None:
            try:
                self.answer(token, value, answer_id)
            except BadAnswer as error:  # who answers in a view sees that the question is open
                done(error.why)
            except Exception as error:  # noqa: BLE001 (the reason goes to whoever answered)
                done(str(error))
            else:
                done("")

        self._clerk.submit(work)

    def opened(self, execution: Execution, token: str, question: Question) -> None:
        """A question is on disk: tell a thread that blocks on its run."""
        listener = self._blocked.get(execution.run_id)
        if listener is not None and question.by_person:
            listener.put((token, question))

    def listen(self) -> None:
        """Hear of answers from other processes, from now on."""
        if self._doorbell is not None:
            return
        self._doorbell = doorbell.Doorbell(self._runtime.store.folder)
        self._doorbell.start(self._rang, self._deaf)
        if self._runtime.store.network:  # what other machines change is heard by none
            self._look_now_and_then()

    def _deaf(self) -> None:
        _log.warning("%s cannot be watched: answers are looked for every %g s", self._runtime.store.folder, POLL_S)
        if not self._runtime.store.network:
            self._look_now_and_then()

    def _look_now_and_then(self) -> None:
        threading.Thread(target=self._poll, name="aether-doorbell", daemon=True).start()

    def _poll(self) -> None:
        while not self._closing.wait(POLL_S):
            self._rang()

    def _rang(self) -> None:
        """Something was answered or ordered by another process."""
        for token, run_id in waiting.inbox(self._runtime.store):
            self._runtime.parking.told(run_id, token)
        self._runtime.signals.rang()
        self.followed()
        for run_id, by in roster.orders(self._runtime.store):
            run = self._runtime.parking.find(run_id)
            if run is not None:
                self._runtime.parking.cancel(run, by)

    def followed(self) -> None:
        """Another process may follow a run of this one."""
        self._bells.look(self._runtime.parking.is_ours)

    def close(self) -> None:
        """Stop listening; answers that were handed in are still written."""
        if self._doorbell is not None:
            self._doorbell.stop()
        self._closing.set()
        self._clerk.shutdown()
