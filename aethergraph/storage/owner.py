"""Who runs a run: one process at a time. A process holds one lock file for life; the run's epoch row names it.

The lock dies with its process, however that ends, so a killed kernel frees its runs at once. Reading and answering
need no ownership.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import time
from pathlib import Path

import msgspec

from ..errors import OurBug, RunIsLive
from .lockfile import LockFile
from .store import Store, Transaction

PROBE_S = 0.05  # another process that only looks holds the lock for far less, an owner for longer


class Epoch(msgspec.Struct, frozen=True, array_like=True):
    """The row `e:RUN`: how often the run was taken up, and by whom last; `owner` is "" once it was let go."""

    number: int
    owner: str
    where: str  # "4711 on host"

    @property
    def told(self) -> str:
        """The process, for messages."""
        return f"process {self.where}"


def row_key(run_id: str) -> str:
    """Where the epoch of a run lies."""
    return f"e:{run_id}"


class Owner:
    """This process, as the owner of runs of one store."""

    def __init__(self, store: Store) -> None:
        self._folder, self._network = store.folder / "owners", store.network
        self._folder.mkdir(parents=True, exist_ok=True)
        self.id = f"{int(time.time() * 1000):012x}{secrets.token_hex(4)}"  # its beginning is when it began
        self._pid = os.getpid()
        self._lock = LockFile(self._path(self.id))
        if not self._lock.acquire(PROBE_S):  # who looks for the oldest owner may hold it for an instant
            raise OurBug(f"the lock {self._path(self.id)} of a new owner is taken")
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)
        self._sweep()

    def _path(self, owner: str) -> Path:
        return self._folder / f"{owner}.lock"

    def _forked(self) -> None:
        """A forked child would keep the lock after its parent's death: let go of the descriptor, not of the lock."""
        self._lock.forget()

    def take(self, rows: Transaction, run_id: str) -> Epoch:
        """Become the owner of a run, in a transaction.

        Raises:
            RunIsLive: a live process runs it.
        """
        data = rows.get(row_key(run_id))
        last = msgspec.msgpack.decode(data, type=Epoch) if data is not None else Epoch(0, "", "")
        if last.owner not in ("", self.id):
            self._refuse_other_machine(run_id, last)
            if self.is_alive(last.owner):
                raise RunIsLive(run_id, last.told)
        epoch = self.epoch(last.number + 1)
        rows.set(row_key(run_id), encode(epoch))
        return epoch

    def _refuse_other_machine(self, run_id: str, last: Epoch) -> None:
        """Over a network a lock of another machine may look free, or stay for ever: only its file tells."""
        path, here = self._path(last.owner), f" on {platform.node()}"
        if self._network and not last.told.endswith(here) and path.exists():
            raise RunIsLive(run_id, f"{last.told}, another machine (if that has gone for good, delete {path})")

    def epoch(self, number: int) -> Epoch:
        """The epoch of a run that this process takes, or took, up for the `number`-th time."""
        return Epoch(number, self.id, f"{os.getpid()} on {platform.node()}")

    def is_alive(self, owner: str) -> bool:
        """Whether the process that held this lock still does."""
        if owner == self.id:
            return True
        path = self._path(owner)
        if not path.exists():
            return False
        lock = LockFile(path)
        if not lock.acquire(PROBE_S):
            return True
        lock.release()
        return False

    def oldest(self, *, but_ours: bool = False) -> float:
        """When the oldest process began that has the store open, in seconds since the epoch; inf where there is none.

        `but_ours`: this process does not count.
        """
        ids = [path.stem for path in self._folder.glob("*.lock")]
        living = [one for one in ids if (one != self.id or not but_ours) and self.is_alive(one)]
        return min((int(one[:12], 16) / 1000 for one in living), default=float("inf"))

    def _sweep(self) -> None:
        """Remove the lock files of processes that are gone."""
        if self._network:
            return  # of a process of another machine nobody knows
        for path in self._folder.glob("*.lock"):
            # a young one may be about to be locked: taking it away would make its process look dead
            if path.stem != self.id and _age_s(path) > 60 and not self.is_alive(path.stem):
                with contextlib.suppress(OSError):
                    path.unlink()

    def close(self) -> None:
        """Let go of everything."""
        if os.getpid() == self._pid:
            self._lock.release()
            with contextlib.suppress(OSError):
                self._path(self.id).unlink()


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def encode(epoch: Epoch) -> bytes:
    """The row of an epoch."""
    return msgspec.msgpack.encode(epoch)


def read(store: Store, run_id: str) -> Epoch | None:
    """The epoch of a run as it is on disk."""
    data = store.get(row_key(run_id))
    return None if data is None else msgspec.msgpack.decode(data, type=Epoch)
