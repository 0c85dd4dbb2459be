"""A lock on a file: one process holds it, and it dies with that. Rule 30."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from aethergraph.storage.lockfile import LockFile

HOLDER = """
import pathlib, sys
from aethergraph.storage.lockfile import LockFile
lock = LockFile(pathlib.Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


def _holder(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    return holder


def _end(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.communicate()


def _one_at_a_time(path: Path) -> None:
    one, other = LockFile(path), LockFile(path)
    assert one.acquire()
    assert not other.acquire()
    one.release()
    assert other.acquire()
    other.release()


def test_one_that_is_held_is_not_given_again(tmp_path: Path) -> None:
    _one_at_a_time(tmp_path / "lock")


def test_it_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = _holder(path)
    lock = LockFile(path)
    try:
        assert not lock.acquire(0.05)
    finally:
        _end(holder)
    assert lock.acquire()
    lock.release()


def test_older_versions_which_lock_through_filelock_are_kept_out_and_keep_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    older = filelock.FileLock(path, thread_local=False, is_singleton=False)
    holder = _holder(path)
    try:
        with pytest.raises(filelock.Timeout):
            older.acquire(timeout=0)
    finally:
        _end(holder)
    with older.acquire(timeout=0):
        assert not LockFile(path).acquire()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks there")
def test_a_forked_child_that_forgets_it_leaves_it_to_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = f"""
import os, pathlib
from aethergraph.storage.lockfile import LockFile
lock = LockFile(pathlib.Path({str(path)!r}))
assert lock.acquire()
child = os.fork()
if not child:
    lock.forget()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert not LockFile(pathlib.Path({str(path)!r})).acquire()
lock.release()
assert LockFile(pathlib.Path({str(path)!r})).acquire()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.filterwarnings("ignore:flock not supported")
def test_where_there_is_no_flock_filelock_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def missing(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", missing)
    _one_at_a_time(tmp_path / "lock")
