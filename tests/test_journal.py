"""Facts on their way to the disk."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aethergraph.errors import DamagedRecord, JournalBroken
from aethergraph.record import facts as f
from aethergraph.record import points
from aethergraph.storage import journal
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.journal import Journal, row_key
from aethergraph.storage.store import MemoryStore, Transaction
from aethergraph.testing import Fragile, PowerCut

LIMIT_S = 20
EPOCH = b"1"


def paused(why: str) -> f.RunPaused:
    return f.RunPaused(why, 0.0)


def noted(text: str) -> f.Noted:
    return f.Noted(0, "log", text.encode(), 0.0)


def texts(store: MemoryStore, run_id: str = "r") -> list[str]:
    return [fact.data.decode() for batch in journal.read(store, run_id) for fact in batch if isinstance(fact, f.Noted)]


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    made = MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs"))
    with made.transact() as rows:
        rows.set("e:r", EPOCH)
    return made


@pytest.fixture
def lost() -> list[object]:
    return []


@pytest.fixture
def written(store: MemoryStore, lost: list[object]) -> Iterator[Journal]:
    """A journal that writes run "r"."""
    made = Journal(store)
    made.open("r", 0, EPOCH, lost.append)
    yield made
    made.close()


def test_what_was_appended_is_there_in_order_after_a_flush(written: Journal, store: MemoryStore) -> None:
    for number in range(50):
        written.append("r", noted(str(number)))
    written.flush()
    assert texts(store) == [str(number) for number in range(50)]


def test_appending_alone_does_not_wake_the_writer(written: Journal, store: MemoryStore) -> None:
    for number in range(200):
        written.append("r", noted(str(number)))
    assert written.commits == 0
    written.flush()
    assert written.commits == 1


def test_a_barrier_calls_once_its_own_fact_is_on_disk(written: Journal, store: MemoryStore) -> None:
    number = written.append("r", noted("mine"))
    there = threading.Event()
    seen: list[list[str]] = []
    assert not written.barrier(number, lambda: (seen.append(texts(store)), there.set()))  # type: ignore[func-returns-value]
    assert there.wait(LIMIT_S)
    assert seen == [["mine"]]
    assert written.barrier(number, lambda: pytest.fail("it was there already"))


def test_an_idle_writer_on_a_fast_disk_lets_the_caller_commit(written: Journal, store: MemoryStore) -> None:
    number = written.append("r", noted("mine"))
    with ThreadPoolExecutor(1) as caller:
        barrier = caller.submit(written.barrier, number, lambda: pytest.fail("it was committed at once"), inline=True)
        assert barrier.result(LIMIT_S)
    assert texts(store) == ["mine"]


def test_14_where_another_process_writes_the_caller_does_not_wait_for_it(written: Journal, store: MemoryStore) -> None:
    there = threading.Event()
    with ThreadPoolExecutor(1) as caller:
        with store.transact():  # on another thread, which is to this one as another process
            number = written.append("r", noted("mine"))
            assert not caller.submit(written.barrier, number, there.set, inline=True).result(LIMIT_S)
            last = written.append("r", noted("later"))
            assert texts(store) == [] and not there.is_set()
        assert there.wait(LIMIT_S)
        caller.submit(written.barrier, last, there.set, inline=True).result(LIMIT_S)
    written.flush()
    assert texts(store) == ["mine", "later"] and written.commits <= 2


def test_the_main_thread_commits_nothing_since_ctrl_c_would_break_it_in_the_middle(written: Journal) -> None:
    done, threads = threading.Event(), list[int]()
    put = written._put

    def noting(*args: Any) -> Any:
        threads.append(threading.get_ident())
        return put(*args)

    written._put = noting  # type: ignore[method-assign]
    if not written.barrier(written.append("r", noted("mine")), done.set, inline=True):
        assert done.wait(LIMIT_S)
    assert threads and threading.main_thread().ident not in threads


def test_rows_are_written_with_their_fact_or_not_at_all(store: MemoryStore) -> None:
    fragile = Fragile(store, 2)
    broken = Journal(fragile)
    broken.open("r", 0, EPOCH, lambda why: None)
    broken.append("r", noted("first"), [lambda rows: rows.set("k:1", b"1")])
    broken.flush()
    broken.append("r", noted("second"), [lambda rows: rows.set("k:2", b"2")])
    with pytest.raises(JournalBroken):
        broken.flush()
    broken.close()
    assert texts(store) == ["first"]
    assert [key for key, _ in store.scan("k:")] == ["k:1"]


def test_a_broken_journal_takes_nothing_more_and_tells_each_run(store: MemoryStore, lost: list[object]) -> None:
    broken = Journal(Fragile(store, 1))
    broken.open("r", 0, EPOCH, lost.append)
    number = broken.append("r", noted("first"))
    told = threading.Event()
    broken.barrier(number, told.set)
    assert told.wait(LIMIT_S)
    for act in (lambda: broken.append("r", noted("more")), lambda: broken.barrier(number, told.set), broken.flush):
        with pytest.raises(JournalBroken, match="cannot be written .*PowerCut") as raised:
            act()
        assert isinstance(raised.value.__cause__, PowerCut)
    broken.close()
    assert len(lost) == 1
    assert isinstance(lost[0], JournalBroken)


def test_a_run_that_another_process_took_is_not_written_any_more(
    written: Journal, store: MemoryStore, lost: list[object]
) -> None:
    with store.transact() as rows:
        rows.set("e:r", b"2")
    written.append("r", noted("late"), [lambda rows: rows.set("k:1", b"1")])
    written.flush()
    assert lost == [None]
    assert written.was_taken("r")
    assert list(store.scan("j:")) == []
    assert list(store.scan("k:")) == []


def test_the_other_runs_of_a_commit_are_written_all_the_same(written: Journal, store: MemoryStore) -> None:
    with store.transact() as rows:
        rows.set("e:r", b"2")
        rows.set("e:s", EPOCH)
    written.open("s", 0, EPOCH, lambda why: None)
    written.append("r", noted("late"))
    written.append("s", noted("fine"))
    written.flush()
    assert texts(store, "r") == []
    assert texts(store, "s") == ["fine"]


def test_rows_go_on_after_those_that_are_there(store: MemoryStore) -> None:
    made = Journal(store)
    made.open("r", 7, EPOCH, lambda why: None)
    made.append("r", noted("more"))
    made.close()
    assert [key for key, _ in store.scan("j:")] == [row_key("r", 7)]


def test_a_large_batch_is_split_over_rows(written: Journal, store: MemoryStore) -> None:
    for number in range(6):
        written.append("r", noted(str(number) * 400_000))
    written.flush()
    assert [text[0] for text in texts(store)] == list("012345")
    sizes = [len(row) for _, row in store.scan("j:")]
    assert len(sizes) > 1
    assert max(sizes) <= journal.BATCH_BYTES


def test_a_damaged_row_is_named(store: MemoryStore) -> None:
    with store.transact() as rows:
        rows.set(row_key("r", 0), b"\xc1nonsense")
    with pytest.raises(DamagedRecord, match="row j:r:000000000 of run r in the store is damaged"):
        journal.read(store, "r")


# ---------------------------------------------------------------------- following


def test_a_follower_gets_everything_once_and_in_order(written: Journal) -> None:
    seen: list[str] = []

    def follow(facts: list[f.AnyFact]) -> None:
        seen.extend(fact.data.decode() for fact in facts if isinstance(fact, f.Noted))

    expected = []
    for number in range(20):
        written.append("r", noted(str(number)))
        expected.append(str(number))
        if number == 5:
            written.flush()
        if number == 10:
            unfollow = written.follow("r", follow)
    written.flush()
    assert seen == expected
    unfollow()
    unfollow()
    written.append("r", noted("more"))
    written.flush()
    assert seen == expected


def test_a_follower_that_begins_between_a_commit_and_its_telling_hears_it_once(written: Journal) -> None:
    heard: list[f.AnyFact] = []
    begun = threading.Event()

    def begin() -> None:  # what waits for a commit is called before those who follow are told of it
        written.follow("r", heard.extend)
        begun.set()

    assert not written.barrier(written.append("r", noted("one")), begin)
    assert begun.wait(20)
    written.append("r", noted("two"))
    written.flush()
    written.close()
    assert heard == [noted("one"), noted("two")]


def test_a_follower_misses_nothing_that_is_committed_while_it_reads(tmp_path: Path) -> None:
    class Late(MemoryStore):
        """A store where something is committed between a follower's registration and its reading."""

        meanwhile: Callable[[], None] | None = None

        def scan(self, prefix: str, *, after: str = "", limit: int | None = None) -> Iterator[tuple[str, bytes]]:
            if self.meanwhile is not None:
                meanwhile, self.meanwhile = self.meanwhile, None
                meanwhile()
            return super().scan(prefix, after=after, limit=limit)

        @contextmanager
        def transact(self, *, wait: bool = True) -> Iterator[Transaction]:
            with super().transact(wait=wait) as rows:
                yield rows

    store = Late(tmp_path, DiskBlobs(tmp_path / "blobs"))
    with store.transact() as rows:
        rows.set("e:r", EPOCH)
    made = Journal(store)
    made.open("r", 0, EPOCH, lambda why: None)
    made.append("r", noted("before"))
    made.flush()

    def meanwhile() -> None:
        made.append("r", noted("meanwhile"))
        made.flush()

    store.meanwhile = meanwhile
    seen: list[f.AnyFact] = []
    made.follow("r", seen.extend)
    made.append("r", noted("after"))
    made.close()
    assert [fact.data for fact in seen if isinstance(fact, f.Noted)] == [b"before", b"meanwhile", b"after"]


def test_the_end_of_a_run_is_told_before_anyone_who_waits_for_it_goes_on(written: Journal) -> None:
    order: list[str] = []
    done = threading.Event()
    written.follow("r", lambda facts: order.append("shown"))
    number = written.append("r", paused("its process ended"))
    written.barrier(number, lambda: (order.append("waited"), done.set()))  # type: ignore[func-returns-value]
    assert done.wait(LIMIT_S)
    written.flush()
    assert order == ["shown", "waited"]


def test_notes_alone_gather_longer_and_whatever_else_comes_ends_that(
    written: Journal, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 14: appending does not wake the writer; what is for the eye only (rule 16) may wait, nothing else does."""
    monkeypatch.setattr(journal, "CALM_S", 3600.0)
    for number in range(100):
        written.append("r", noted(str(number)))
        written.soon()
    assert written.commits == 0
    written.append("r", paused("now"))
    written.nudge()  # nobody waits, and yet it is on its way
    end = time.monotonic() + LIMIT_S
    while not list(store.scan("j:r:")):
        assert time.monotonic() < end
    assert len(texts(store)) == 100 and written.commits <= 1


def test_points_are_gathered_on_their_way_to_the_disk(written: Journal, store: MemoryStore) -> None:
    told: list[f.AnyFact] = []
    undo = written.follow("r", told.extend)
    for step in range(100):
        written.append("r", f.Noted(1, "point", msgspec.msgpack.encode({"track": "a", "step": step, "value": 1}), 0.0))
    written.flush(LIMIT_S)
    undo()
    rows = [fact for batch in journal.read(store, "r") for fact in batch]
    assert rows == told and len(rows) <= 2
    assert sum(len(steps) for fact in rows for _, steps, _ in points.unpack(fact.data)) == 100  # type: ignore[union-attr]


def test_a_fact_can_be_made_from_the_rows_of_its_own_transaction(written: Journal, store: MemoryStore) -> None:
    def make(rows: Transaction) -> f.AnyFact | None:
        count = int(rows.get("n") or b"0") + 1
        rows.set("n", b"%d" % count)
        return noted(f"{count}") if count != 2 else None

    late = [journal.Late(make) for _ in range(3)]
    for one in late:
        written.append("r", one)
        written.append("r", noted("beside"))
    written.flush()
    assert texts(store) == ["1", "beside", "beside", "3", "beside"]
    assert [one.fact for one in late] == [noted("1"), None, noted("3")]


def test_no_fact_is_made_for_a_run_that_another_process_took(written: Journal, store: MemoryStore) -> None:
    with store.transact() as rows:
        rows.set("e:r", b"2")
    late = journal.Late(lambda rows: rows.set("n", b"1") or noted("too late"))  # type: ignore[func-returns-value]
    written.append("r", late)
    written.flush()
    assert late.fact is None and store.get("n") is None and texts(store) == []


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit, asyncio.CancelledError])
def test_what_follows_and_fails_hears_no_more_and_keeps_nobody_from_writing(
    written: Journal, caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    """Semantics 14: what is on disk is told; whoever is told must not be able to end that."""
    calls: list[int] = []
    heard: list[f.AnyFact] = []

    def fails(facts: list[f.AnyFact]) -> None:
        calls.append(len(facts))
        raise error

    written.follow("r", fails)
    written.follow("r", heard.extend)
    for text in ("one", "two", "three"):
        written.append("r", noted(text))
        written.flush(LIMIT_S)
    written.close()
    assert heard == [noted("one"), noted("two"), noted("three")]
    assert calls == [1]
    assert [record.message for record in caplog.records] == ["what follows run r has failed; it hears no more of it"]


def test_what_fails_at_once_is_raised_and_does_not_follow(written: Journal) -> None:
    calls: list[int] = []

    def fails(facts: list[f.AnyFact]) -> None:
        calls.append(len(facts))
        raise ZeroDivisionError

    written.append("r", noted("one"))
    written.flush(LIMIT_S)
    with pytest.raises(ZeroDivisionError):
        written.follow("r", fails)
    written.append("r", noted("two"))
    written.flush(LIMIT_S)
    written.close()
    assert calls == [1] and not written._followers


def test_who_waits_for_a_commit_and_fails_keeps_nobody_else_waiting(
    written: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise ZeroDivisionError

    number = written.append("r", noted("one"))
    assert not written.barrier(number, fails)
    written.flush(LIMIT_S)
    written.append("r", noted("two"))
    written.flush(LIMIT_S)
    written.close()
    assert "who waited for a commit has failed" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_dies_breaks_the_journal_so_that_nobody_waits_for_it(
    written: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(self: Journal) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Journal, "_gather", dies)
    written.append("r", noted("one"))
    with pytest.raises(JournalBroken, match="ZeroDivisionError"):
        written.flush(LIMIT_S)
    with pytest.raises(JournalBroken):
        written.append("r", noted("two"))


def test_what_the_garbage_collector_closes_inside_of_an_append_may_append(written: Journal, store: MemoryStore) -> None:
    """The body of a run that was given up is closed wherever the collector finds it, with all its `finally`."""

    def body() -> Iterator[None]:
        try:
            yield
        finally:
            written.append("r", noted("closed"))

    class Growing(list[Any]):
        """A buffer whose next row is one too many for the collector."""

        body: Any = None

        def append(self, row: Any) -> None:
            body, self.body = self.body, None
            if body is not None:
                body.close()
            super().append(row)

    buffer = Growing()
    buffer.body = body()
    next(buffer.body)
    written._buffer = buffer
    appender = threading.Thread(target=written.append, args=("r", noted("appended")), daemon=True)
    appender.start()
    appender.join(LIMIT_S)
    assert not appender.is_alive()
    written.flush(LIMIT_S)
    assert sorted(texts(store)) == ["appended", "closed"]


class Interrupted(Journal):
    """One in whose first commit something is appended when it has just read how much was appended so far."""

    late, commits_begun = 0, 0

    @property  # type: ignore[override]
    def _appended(self) -> int:
        known: int = self.__dict__["_appended"]
        if self.commits_begun == 1 and not self.late:
            self.late = -1
            self.late = self.append("r", noted("late"))
        return known

    @_appended.setter
    def _appended(self, value: int) -> None:
        self.__dict__["_appended"] = value

    def _commit(self, *, wait: bool = True) -> bool:
        self.commits_begun += 1
        return super()._commit(wait=wait)


def test_what_is_appended_while_a_group_is_taken_is_waited_for(store: MemoryStore) -> None:
    """What the garbage collector closes may append between any two steps."""
    written = Interrupted(store)
    written.open("r", 0, EPOCH, lambda why: None)
    first, done = threading.Event(), threading.Event()
    assert not written.barrier(written.append("r", noted("early")), first.set)
    assert first.wait(LIMIT_S)
    if not written.barrier(written.late, done.set):
        assert done.wait(LIMIT_S), "it is on disk, and nobody is told"
    written.close()
    assert texts(store) == ["early", "late"]
