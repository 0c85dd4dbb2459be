"""The waits of a store, from two handles on it, against a dict in plain Python: semantics 20, 21 and 22."""

from __future__ import annotations

import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from aethergraph import Runtime
from aethergraph.errors import AlreadyAnswered, BadAnswer, UnknownWait
from aethergraph.lifecycle.inbox import WaitInfo
from aethergraph.record.schema import Question
from aethergraph.storage import waiting
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.disk import DiskStore
from aethergraph.storage.store import MemoryStore, Store, Transaction
from aethergraph.storage.waiting import WaitRow
from aethergraph.testing import FakeClock

from .driving import Counted, drive

TOKENS = ("w0", "w1", "w2")
BAD = object()  # does not fit; it is no plain data either
QUESTIONS = {
    "text": Question("text", "name?", default="nobody", has_default=True),
    "choice": Question("choice", "which?", options=["a", "B"], default="B", has_default=True),
    "number": Question("number", "how many?", min=0, max=10, step=1, default=7, has_default=True),
    "other text": Question("text", "name, please?", default="no one", has_default=True),
    "external": Question("external", "job", default=[], has_default=True),
    "timer": Question("timer", "sleep 5 s", has_default=True),
}
FITS: dict[str, list[tuple[Any, Any]]] = {  # by kind: what is answered, and what the asking code gets of it
    "text": [("a", "a"), (3, "3"), (None, BAD), ([1], BAD)],
    "choice": [("a", "a"), (" b ", "B"), ("c", BAD), (3, BAD)],
    "number": [(3, 3), ("4", 4), (11, BAD), (True, BAD)],
    "external": [({"x": [1, None]}, {"x": [1, None]}), (None, None), ("a", "a"), (BAD, BAD)],
    "timer": [("now", BAD), (None, BAD), (3, BAD), ([1], BAD)],
}
ANYTHING = FITS["external"]


@dataclass
class Wait:
    """A row as it must be. `value` is None unless it is answered."""

    question: Question
    created: float
    deadline: float
    state: str = "open"
    value: Any = None
    answer_id: str = ""
    at: float = 0.0
    round: int = 1
    refused: bool = False
    by_default: bool = False

    def is_late(self, now: float) -> bool:
        return self.state == "open" and 0 < self.deadline <= now

    def run_out(self) -> None:
        self.at = self.deadline
        self.state, self.value = (
            ("answered", self.question.default) if self.question.has_default else ("timed out", None)
        )
        self.by_default = self.question.has_default

    def taken(self, value: Any, answer_id: str, at: float) -> None:
        self.state, self.value, self.answer_id, self.at = "answered", value, answer_id, at

    def again(self, *, refused: bool) -> None:
        """Another round of it is open."""
        self.state, self.value, self.answer_id, self.at, self.by_default = "open", None, "", 0.0, False
        self.round, self.refused = self.round + 1, refused

    def asks_like(self, question: Question) -> bool:
        mine, other = self.question, question
        return (mine.kind, mine.prompt) == (other.kind, other.prompt)


class Waits(Counted):
    """Each rule does one thing, by one of the two handles; `waits` holds what must have come of it."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        self.clock = FakeClock(1000.0)
        self.handles = self._open()
        self.waits: dict[str, Wait] = {}
        self.inbox: set[str] = set()  # answered for the owner to hear of
        self.ids = 0
        self.sent: dict[str, str] = {}  # the answer id that was last used for a token

    def _stores(self) -> list[Store]:
        raise NotImplementedError

    def _open(self) -> list[Runtime]:
        return [Runtime(store, clock=self.clock) for store in self._stores()]

    def teardown(self) -> None:
        for handle in self.handles:
            handle.close()
        self.stack.close()

    def _do(self, handle: int, *ops: Any) -> None:
        with self.handles[handle].store.transact() as rows:
            for op in ops:
                op(rows)

    # ------------------------------------------------------------------ what the owner does

    @rule(
        token=st.sampled_from(TOKENS), handle=st.integers(0, 1), kind=st.sampled_from([*QUESTIONS]),
        lasts=st.sampled_from([None, 5.0, 20.0]), default=st.booleans(),
    )  # fmt: skip
    def ask(self, token: str, handle: int, kind: str, lasts: float | None, default: bool) -> None:
        """Open it, or open it again: an answer that is there stays, unless the question reads otherwise now."""
        self._ask(token, handle, kind, lasts, default)

    @precondition(lambda self: self.waits)
    @rule(pick=st.integers(0, 9), handle=st.integers(0, 1), lasts=st.sampled_from([None, 5.0]), default=st.booleans())
    def ask_the_same_again(self, pick: int, handle: int, lasts: float | None, default: bool) -> None:
        token = sorted(self.waits)[pick % len(self.waits)]
        asked = self.waits[token].question
        kind = next(
            (kind for kind, one in QUESTIONS.items() if (one.kind, one.prompt) == (asked.kind, asked.prompt)), ""
        )
        self._ask(token, handle, kind or "text", lasts, default)

    def _ask(self, token: str, handle: int, kind: str, lasts: float | None, default: bool) -> None:
        question, now = QUESTIONS[kind], self.clock.now()
        if not default and kind != "timer":
            question = Question(question.kind, question.prompt, options=question.options, min=question.min,
                                max=question.max, step=question.step)  # fmt: skip
        deadline = 0.0 if lasts is None else now + lasts
        self._do(handle, waiting.open_op(WaitRow(token, f"run {token}", "ask", 3, question, now, deadline)))
        old, new = self.waits.get(token), Wait(question, now, deadline)
        if old is None:
            self.waits[token] = new
        elif old.state == "kept":
            value = next((got for given, got in FITS[question.kind] if given == old.value), BAD)
            new.round = old.round
            if value is BAD:
                new.again(refused=True)
            else:
                new.taken(value, old.answer_id, old.at)
            self.waits[token] = new
        elif old.state == "reserved":
            new.round = old.round
            self.waits[token] = new
        elif not old.asks_like(question):
            new.round = old.round + 1
            self.waits[token] = new
        elif old.state == "withdrawn":
            new.round, new.refused = old.round, old.refused
            self.waits[token] = new
        elif old.state == "open":
            old.question = question  # its deadline stays: asking again gains no time

    @rule(token=st.sampled_from(TOKENS), handle=st.integers(0, 1))
    def reserve(self, token: str, handle: int) -> None:
        now, old = self.clock.now(), self.waits.get(token)
        external = Question("external", "")
        self._do(handle, waiting.reserve_op(WaitRow(token, f"run {token}", "ask", 3, external, now)))
        if old is None or old.state == "withdrawn":
            self.waits[token] = Wait(external, now, 0.0, "reserved", round=old.round if old else 1)

    @precondition(lambda self: self.waits)
    @rule(pick=st.integers(0, 9), handle=st.integers(0, 1))
    def withdraw(self, pick: int, handle: int) -> None:
        token = sorted(self.waits)[pick % len(self.waits)]
        self._do(handle, waiting.withdraw_op(token))
        wait = self.waits[token]
        self.inbox.discard(token)
        if wait.state in ("open", "reserved", "kept"):
            wait.state, wait.value = "withdrawn", None

    @precondition(lambda self: any(wait.state == "answered" for wait in self.waits.values()))
    @rule(pick=st.integers(0, 9), handle=st.integers(0, 1))
    def refuse(self, pick: int, handle: int) -> None:
        answered = sorted(token for token, wait in self.waits.items() if wait.state == "answered")
        token = answered[pick % len(answered)]
        self._do(handle, waiting.refuse_op(token, "not that"))
        self.waits[token].again(refused=True)
        self.inbox.discard(token)

    @precondition(lambda self: self.waits)
    @rule(pick=st.integers(0, 9), handle=st.integers(0, 1))
    def a_signal_comes(self, pick: int, handle: int) -> None:
        token = sorted(self.waits)[pick % len(self.waits)]
        self._do(handle, waiting.close_op(token, "signal", "signal-1", self.clock.now()))
        if self.waits[token].state in ("open", "reserved"):
            self.waits[token].taken("signal", "signal-1", self.clock.now())

    @rule(handle=st.integers(0, 1))
    def collect(self, handle: int) -> None:
        """The owner hears of each once."""
        found = dict(waiting.inbox(self.handles[handle].store))
        assert found == {token: f"run {token}" for token in self.inbox}
        self._do(handle, *map(waiting.taken_op, found))
        self.inbox.clear()

    @precondition(lambda self: self.waits)
    @rule(pick=st.integers(0, 9), handle=st.integers(0, 1))
    def look_at_the_time(self, pick: int, handle: int) -> None:
        token = sorted(self.waits)[pick % len(self.waits)]
        wait = self.waits[token]
        row = waiting.expire(self.handles[handle].store, token, self.clock.now())
        if wait.is_late(self.clock.now()):
            wait.run_out()
        assert row is not None and row.state == wait.state

    @rule(handle=st.integers(0, 1))
    def list_them(self, handle: int) -> None:
        """Who lists what is open closes what ran out."""
        for wait in self.waits.values():
            if wait.is_late(self.clock.now()):
                wait.run_out()
        assert self.handles[handle].waits() == self._listed()

    @rule(seconds=st.sampled_from([1.0, 5.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    # ------------------------------------------------------------------ what answerers do

    @precondition(lambda self: self.waits)
    @rule(
        pick=st.integers(0, 9),
        handle=st.integers(0, 1),
        which=st.integers(0, 3),
        twice=st.booleans(),
        ours=st.booleans(),
    )
    def answer(self, pick: int, handle: int, which: int, twice: bool, ours: bool) -> None:
        """`twice`: with the id of the last answer; `ours`: from the process that runs the run."""
        token = sorted(self.waits)[pick % len(self.waits)]
        wait, now = self.waits[token], self.clock.now()
        given, got = (ANYTHING if wait.state == "reserved" else FITS[wait.question.kind])[which]
        self.ids += 1
        answer_id = self.sent.get(token, "") if twice else f"a{self.ids}"
        answer_id = answer_id or f"a{self.ids}"
        self.sent[token] = answer_id
        before = self.waits[token].state

        def send() -> None:
            if ours:
                waiting.answer(self.handles[handle].store, token, given, answer_id, now, lambda run_id: True)
            else:
                self.handles[handle].answer(token, given, answer_id)

        if before in ("answered", "kept") and answer_id == wait.answer_id:
            send()  # acknowledged, and nothing of it is taken
        elif before not in ("open", "reserved") or wait.is_late(now):
            if wait.is_late(now):
                wait.run_out()
                self.inbox |= set() if ours else {token}
            with pytest.raises(AlreadyAnswered) as late:
                send()
            kept = "timed out" if wait.by_default else "answered" if wait.state == "kept" else wait.state
            assert late.value.how == kept
        elif got is BAD:
            with pytest.raises(BadAnswer):
                send()
        else:
            send()
            wait.taken(got, answer_id, now)
            if before == "reserved":
                wait.state = "kept"
            else:
                self.inbox |= set() if ours else {token}

    @precondition(lambda self: any(w.state == "open" and w.question.kind == "text" for w in self.waits.values()))
    @rule(pick=st.integers(0, 9))
    def answer_at_once_from_both(self, pick: int) -> None:
        """Two answers at one time: the first counts, whichever that is, and the other is told."""
        texts = sorted(t for t, w in self.waits.items() if w.state == "open" and w.question.kind == "text")
        token = texts[pick % len(texts)]
        wait, now = self.waits[token], self.clock.now()
        start, told = threading.Barrier(2), dict[int, str]()

        def send(number: int) -> None:
            start.wait()
            try:
                self.handles[number].answer(token, f"by {number}", f"both {number}")
                told[number] = "taken"
            except AlreadyAnswered as error:
                told[number] = error.how
            finally:
                self.handles[number].store.close()

        threads = [threading.Thread(target=send, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.inbox.add(token)
        if wait.is_late(now):
            wait.run_out()
            assert [*told.values()] == ["timed out"] * 2
            return
        (first,) = [number for number, how in told.items() if how == "taken"]
        assert told[1 - first] == "answered"
        wait.taken(f"by {first}", f"both {first}", now)

    @rule(handle=st.integers(0, 1))
    def answer_what_nobody_asked(self, handle: int) -> None:
        with pytest.raises(UnknownWait):
            self.handles[handle].answer("none", "a")

    # ------------------------------------------------------------------ what goes wrong

    @rule(token=st.sampled_from(TOKENS), handle=st.integers(0, 1), kind=st.sampled_from([*QUESTIONS]))
    def a_transaction_fails(self, token: str, handle: int, kind: str) -> None:
        """Nothing of it is left."""

        def fail(rows: Transaction) -> None:
            raise ZeroDivisionError

        row = WaitRow(token, f"run {token}", "ask", 3, QUESTIONS[kind], self.clock.now())
        with pytest.raises(ZeroDivisionError):
            self._do(handle, waiting.withdraw_op(token), waiting.reserve_op(row), waiting.open_op(row), fail)

    @rule()
    def both_are_opened_anew(self) -> None:
        raise NotImplementedError

    # ------------------------------------------------------------------ what must hold

    def _listed(self) -> list[WaitInfo]:
        asked = [(token, wait) for token, wait in self.waits.items() if wait.state == "open"]
        asked.sort(key=lambda each: (each[1].created, each[0]))
        return [
            WaitInfo(
                token, f"run {token}", "ask", w.question.kind, w.question.prompt, w.question, w.created, w.deadline
            )
            for token, w in asked
        ]

    @invariant()
    def both_tell_what_the_model_tells(self) -> None:
        late = any(wait.is_late(self.clock.now()) for wait in self.waits.values())
        for handle in self.handles:
            assert late or handle.waits() == self._listed()  # to list them would close those
            assert {token for token, _ in waiting.inbox(handle.store)} == self.inbox
        for token, wait in self.waits.items():
            row = waiting.read(self.handles[0].store, token)
            assert row is not None
            value = row.value if row.state in ("answered", "kept") else None
            assert (row.state, value, row.round, row.by_default) == (
                wait.state, wait.value, wait.round, wait.by_default,
            )  # fmt: skip
            if wait.state != "withdrawn":  # what was known of it before does not matter then
                assert (row.answered_at, row.answer_id, bool(row.refused)) == (wait.at, wait.answer_id, wait.refused)


class InMemory(Waits):
    """Two runtimes on one store in memory."""

    def _stores(self) -> list[Store]:
        store = MemoryStore(self.folder, DiskBlobs(self.folder / "blobs"))
        return [store, store]

    @rule()
    def both_are_opened_anew(self) -> None:
        """The rows outlive who reads them."""
        stores = [handle.store for handle in self.handles]
        for handle in self.handles:
            handle.close()
        self.handles = [Runtime(store, clock=self.clock) for store in stores]


class OnDisk(Waits):
    """Two stores of one folder."""

    def _stores(self) -> list[Store]:
        return [DiskStore(self.folder, durability="process") for _ in range(2)]

    @rule()
    def both_are_opened_anew(self) -> None:
        """All that is known is on disk."""
        for handle in self.handles:
            handle.close()
        self.handles = self._open()


@pytest.mark.parametrize(("machine", "examples", "long"), [(InMemory, 60, 1000), (OnDisk, 48, 300)])
def test_the_waits_of_a_store_are_what_the_model_says(machine: type[Waits], examples: int, long: int) -> None:
    drive(machine, examples=examples, long=long, steps=50)
