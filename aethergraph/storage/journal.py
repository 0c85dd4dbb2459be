"""The journal: facts of all runs of a process, committed in groups by one writer at a time with full durability.

What is on disk is always a prefix of what was appended. Appending does not wake the writer: a barrier or a quiet run
does, else a chain would pay two commits a step. With nobody waiting the writer lingers, so that a group can gather.
Where the disk is fast and the writer sleeps, a barrier commits on the caller's own thread, which saves two thread
hops a step; it never waits there for a busy database. Not on the main thread: Ctrl-C interrupts that anywhere.

What is only for the eye (`soon`) gathers ten times as long, so that a plot costs a few commits a second.

A run's batches are rows `j:RUN:NNNNNNNNN`. Each batch checks, in its own transaction, that the run's epoch row is still
the one this process wrote: that fences a process that was taken for dead.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import get_ident

import msgspec

from ..engine import Op
from ..errors import DamagedRecord, JournalBroken
from ..record import facts as f
from ..record import points
from .store import Store, StoreBusy, Transaction

LINGER_S = 0.010  # how long an unhurried group may gather
CALM_S = 0.100  # how long one may in which there is nothing but notes
INLINE_BELOW_S = 0.001  # commits on the caller's thread only while the disk takes less than this on average
INLINE_AT_MOST = 2_000  # facts; more are for the writer, since they take longer to be put into rows
BATCH_BYTES = 1 << 20  # larger batches are split over rows

ENDS = (f.RunDone, f.RunFailed, f.RunPaused, f.RunCancelled, f.RunContinued)  # of a run, or of a process's part in it

_MAIN = threading.main_thread().ident  # where Ctrl-C may interrupt anything, a commit between two of its steps, too

_log = logging.getLogger("aethergraph.journal")

Listener = Callable[[list[f.AnyFact]], None]


class Late:
    """A fact that is made in the transaction that writes it, from the rows that are there then.

    `make` runs in the thread that commits, which is the writer's as a rule. What it raises undoes the transaction and
    breaks the journal; where it gives None, there is nothing to say. `fact` is what it made, to be read once it is on
    disk.
    """

    __slots__ = ("fact", "make")

    def __init__(self, make: Callable[[Transaction], f.AnyFact | None]) -> None:
        self.make = make
        self.fact: f.AnyFact | None = None


Entry = tuple[str, f.AnyFact | Late | None, Sequence[Op]]


def row_key(run_id: str, batch: int) -> str:
    """Where batch `batch` of a run lies."""
    return f"j:{run_id}:{batch:09d}"


def read(store: Store, run_id: str, since: int = 0) -> list[list[f.AnyFact]]:
    """The batches of a run that are on disk, from batch `since` on.

    Raises:
        DamagedRecord: a row cannot be decoded; names run and row.
    """
    batches: list[list[f.AnyFact]] = []
    for key, row in store.scan(f"j:{run_id}:", after=row_key(run_id, since - 1) if since else ""):
        try:
            batches.append(f.decode(row))
        except Exception as error:  # msgspec raises several classes on flipped bits
            raise DamagedRecord(f"row {key} of run {run_id}", str(error)) from error
    return batches


class _Track(msgspec.Struct):
    """One run that this process writes."""

    batches: int
    epoch: bytes
    lost: Callable[[JournalBroken | None], None]
    taken: bool = False


class _Follower(msgspec.Struct):
    """One listener; `early` keeps batches that were committed while the older ones were still being read.

    seen: rows that were read then. A batch is told of after its commit, so one of them may still come.
    """

    call: Listener
    early: list[tuple[int, list[f.AnyFact]]] | None = msgspec.field(default_factory=list)
    lock: threading.RLock = msgspec.field(default_factory=threading.RLock)
    seen: int = 0

    def take(self, first: int, batch: list[f.AnyFact]) -> None:
        with self.lock:
            if self.early is not None:
                self.early.append((first, batch))
            elif first >= self.seen:
                self.call(batch)


class Journal:
    """Appends facts from any thread; tells when they are on disk."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.commits = 0
        self._lock = threading.RLock()  # what the garbage collector closes while it is held may append, too
        self._wake = threading.Semaphore(0)
        self._hurry = threading.Event()
        self._buffer: list[Entry] = []
        self._waiters: list[tuple[int, Callable[[], None]]] = []
        self._tracks: dict[str, _Track] = {}
        self._followers: dict[str, list[_Follower]] = {}
        self._appended = self._committed = 0
        self._idle, self._stop = True, False
        self._pressed = self._resting = False  # something else than notes was appended; the writer lets notes gather
        self._average_s = 0.0
        self._broken: BaseException | None = None
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------------ writing

    def open(self, run_id: str, batches: int, epoch: bytes, lost: Callable[[JournalBroken | None], None]) -> None:
        """Begin to write a run whose `batches` first rows are there.

        `lost` is called when no more of it can be written: with None if another process took it, else with the reason.
        """
        with self._lock:
            self._tracks[run_id] = _Track(batches, epoch, lost)
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="aether-journal", daemon=True)
                self._thread.start()

    def close_run(self, run_id: str) -> None:
        """No more facts will come for this run."""
        with self._lock:
            self._tracks.pop(run_id, None)

    def was_taken(self, run_id: str) -> bool:
        """Whether another process took this run: what was appended since is not on disk, whatever a barrier says."""
        track = self._tracks.get(run_id)
        return track is not None and track.taken

    def append(self, run_id: str, fact: f.AnyFact | Late | None, ops: Sequence[Op] = ()) -> int:
        """Queue a fact, with rows that belong into its transaction; return its number, for `barrier`.

        Raises:
            JournalBroken: an earlier commit failed.
        """
        with self._lock:
            if self._broken is not None:
                raise self._error()
            self._buffer.append((run_id, fact, ops))
            self._appended += 1
            return self._appended

    def barrier(self, number: int, call: Callable[[], None], *, inline: bool = False) -> bool:
        """True if append `number` is on disk now; else `call` runs in the writer's thread once it is, or once broken.

        Raises:
            JournalBroken: a commit failed.
        """
        with self._lock:
            if self._broken is not None:
                raise self._error()
            if self._committed >= number:
                return True
            quick = self._average_s < INLINE_BELOW_S and len(self._buffer) <= INLINE_AT_MOST
            ours = inline and quick and self._idle and get_ident() != _MAIN
            if ours:
                self._idle = False
            else:
                self._waiters.append((number, call))
        if not ours:
            self._hurry.set()
            self.nudge()
            return False
        if not self._commit(wait=False):  # another process writes: that is for the writer to wait for
            with self._lock:
                self._waiters.append((number, call))
            self._hurry.set()
            self._wake.release()
            return False
        self._idle = True
        if self._buffer:  # appended by other threads meanwhile, whose nudge found us busy
            self.nudge()
        if self._broken is not None:
            raise self._error()
        return True

    def nudge(self) -> None:
        """Nothing more will come for now: let the writer begin."""
        self._pressed = True
        if self._resting:
            self._resting = False
            self._hurry.set()
        self._wake_up()

    def soon(self) -> None:
        """What was appended is only for people to see: it may gather for a while, unless something else comes."""
        self._wake_up()

    def _wake_up(self) -> None:
        if self._idle and self._buffer:
            with self._lock:
                idle, self._idle = self._idle, False
            if idle:
                self._wake.release()

    def flush(self, timeout_s: float | None = None) -> None:
        """Block until all that was appended is on disk.

        Raises:
            JournalBroken: it cannot be written.
        """
        done = threading.Event()
        if not self.barrier(self._appended, done.set):
            done.wait(timeout_s)
        if self._broken is not None:
            raise self._error()

    def close(self) -> None:
        """Write what is left and stop the writer."""
        if self._thread is None:
            return
        with contextlib.suppress(JournalBroken):
            self.flush()
        self._stop = True
        self._wake.release()
        self._thread.join()
        self._thread = None

    def orphaned(self, why: BaseException) -> None:
        """This process was forked: what was appended is the parent's to write, and its lock may be held for ever."""
        self._lock, self._broken, self._thread = threading.RLock(), why, None
        self._buffer, self._waiters = [], []

    def _error(self) -> JournalBroken:
        error = JournalBroken(str(self.store.folder), f"{type(self._broken).__name__}: {self._broken}")
        error.__cause__ = self._broken
        return error

    def _write(self) -> None:
        try:
            self._write_until_stopped()
        except BaseException as error:  # a fault of ours: nobody writes any more, and nobody may wait for that
            self._broken = error
            self._acknowledge(self._committed, [], [])
            raise
        finally:
            self.store.close()  # this thread's connection

    def _write_until_stopped(self) -> None:
        while True:
            self._wake.acquire()
            while True:
                with self._lock:
                    if not self._buffer:
                        self._idle = True
                        break
                self._gather()
                self._commit()
                if self._broken is not None:
                    break
            if self._stop or self._broken is not None:
                return

    def _gather(self) -> None:
        """Let a group gather; whoever waits for it, or hurries, ends this."""
        self._resting = True  # before the look at `_pressed`: a nudge sets that first
        if not self._pressed and not self._waiters and not self._stop and self._hurry.wait(CALM_S - LINGER_S):
            self._hurry.clear()
        self._resting = False
        if not self._waiters and not self._stop:
            self._hurry.wait(LINGER_S)
        self._hurry.clear()

    def _commit(self, *, wait: bool = True) -> bool:
        """Write all that was appended. Only the one who set `_idle` to False may be here.

        False where somebody else writes just now, and this does not `wait`: nothing has changed.
        """
        fresh: list[Entry] = []
        with self._lock:
            self._pressed = False
            buffer, self._buffer = self._buffer, fresh
            # In this order: what the garbage collector appends between any two of these is in the next group.
            appended = self._appended
            number = appended - len(self._buffer)
        written: list[tuple[str, int, list[f.AnyFact]]] = []
        fenced: list[_Track] = []
        if buffer:
            began = time.perf_counter()
            made_s = 0.0  # what it takes to make the rows, which is no matter of the disk
            try:
                with self.store.transact(wait=wait) as rows:
                    begun = time.perf_counter()
                    written, fenced = self._put(rows, buffer)
                    made_s = time.perf_counter() - begun
            except StoreBusy:
                with self._lock:
                    self._buffer[:0] = buffer
                return False
            except BaseException as error:  # noqa: BLE001 (whatever it was, nothing may be acknowledged any more)
                self._broken = error
            self._average_s += 0.1 * (time.perf_counter() - began - made_s - self._average_s)
        self._acknowledge(number, written, fenced)
        return True

    def _put(
        self, rows: Transaction, buffer: list[Entry]
    ) -> tuple[list[tuple[str, int, list[f.AnyFact]]], list[_Track]]:
        by_run: dict[str, list[f.AnyFact]] = {}
        out: set[str] = set()
        fenced: list[_Track] = []
        last: str | None = None
        for run_id, fact, ops in buffer:
            if run_id != last:
                last = run_id
                if run_id in by_run:
                    facts = by_run[run_id]
                else:
                    facts = by_run[run_id] = []
                    track = self._tracks.get(run_id)
                    if track is not None and rows.get(f"e:{run_id}") != track.epoch:
                        out.add(run_id)
                        fenced.append(track)
                        track.taken = True
            if out and run_id in out:
                continue
            if isinstance(fact, Late):
                fact.fact = fact.make(rows)
                fact = fact.fact
            if fact is not None:
                facts.append(fact)
            for op in ops:
                op(rows)
        written = []
        for run_id, batch in by_run.items():
            track = self._tracks.get(run_id)
            if not batch or track is None or run_id in out:
                continue
            batch, first = points.gather(batch), track.batches
            for part in parts(batch):
                rows.set(row_key(run_id, track.batches), part)
                track.batches += 1
            written.append((run_id, first, batch))
        return written, fenced

    def _acknowledge(self, number: int, written: list[tuple[str, int, list[f.AnyFact]]], fenced: list[_Track]) -> None:
        with self._lock:
            if self._broken is None:
                self._committed = number
                self.commits += 1
            ready: list[Callable[[], None]] = []
            if self._waiters:
                ready = [call for n, call in self._waiters if n <= self._committed or self._broken is not None]
                self._waiters = [w for w in self._waiters if w[0] > self._committed and self._broken is None]
        # A run that is lost hears of it before its waiters go on as if all were well.
        for track in fenced:
            _safely(track.lost, None)
        if self._broken is not None:
            for track in list(self._tracks.values()):
                _safely(track.lost, self._error())
        # Who waits goes first, but the end of a run is told to those who show it before anyone can act on it.
        ended = [run_id for run_id, _, batch in written if type(batch[-1]) in ENDS]
        if ended:
            self._tell(written)
        for call in ready:
            _safely(call)
        if not ended:
            self._tell(written)

    def _tell(self, written: list[tuple[str, int, list[f.AnyFact]]]) -> None:
        if self._broken is None and self._followers:
            for run_id, first, batch in written:
                for follower in list(self._followers.get(run_id, ())):
                    try:
                        follower.take(first, batch)
                    except BaseException:  # noqa: BLE001 (not ours: it must not keep the store from being written)
                        _log.exception("what follows run %s has failed; it hears no more of it", run_id)
                        self._unfollow(run_id, follower)

    # ------------------------------------------------------------------ reading along

    def follow(self, run_id: str, call: Listener) -> Callable[[], None]:
        """Give `call` all facts of a run that are on disk, then each batch as it is committed; return the undo.

        Facts come in order and none twice; later ones in the thread that committed them, which may be that of the loop:
        `call` must be quick. One that raises there is logged and hears no more; what it raises at once, of what is on
        disk already, is raised.
        """
        follower = _Follower(call)
        with self._lock:
            self._followers.setdefault(run_id, []).append(follower)
        try:
            self._catch_up(run_id, follower)
        except BaseException:
            self._unfollow(run_id, follower)
            raise
        return partial(self._unfollow, run_id, follower)

    def _catch_up(self, run_id: str, follower: _Follower) -> None:
        batches = read(self.store, run_id)
        with follower.lock:
            if batches:
                follower.call([fact for batch in batches for fact in batch])
            follower.seen = len(batches)
            early, follower.early = follower.early, None
            for first, batch in early or ():
                follower.take(first, batch)

    def _unfollow(self, run_id: str, follower: _Follower) -> None:
        with self._lock, contextlib.suppress(KeyError, ValueError):
            self._followers[run_id].remove(follower)
            if not self._followers[run_id]:
                del self._followers[run_id]


def _safely(call: Callable[..., object], *args: object) -> None:
    """Tell somebody of a commit: whoever fails must not keep the others from hearing of it, nor us from writing."""
    try:
        call(*args)
    except BaseException:  # noqa: BLE001 (see above)
        _log.exception("who waited for a commit has failed")


def parts(batch: list[f.AnyFact]) -> list[bytes]:
    """`batch` encoded, in as few rows of at most `BATCH_BYTES` as its facts allow."""
    row = f.encode(batch)
    if len(row) <= BATCH_BYTES or len(batch) == 1:
        return [row]
    middle = len(batch) // 2
    return parts(batch[:middle]) + parts(batch[middle:])
