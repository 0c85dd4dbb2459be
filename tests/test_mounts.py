"""Folders on network file systems: found, said, and used with care."""

from __future__ import annotations

import logging
import queue
import sqlite3
from pathlib import Path

import pytest

from aethergraph import NodeContext, Run, Runtime, graph_fn
from aethergraph.errors import RunIsLive
from aethergraph.lifecycle import inbox
from aethergraph.record import facts as f
from aethergraph.storage import mounts
from aethergraph.storage import owner as owners
from aethergraph.storage.disk import DiskStore

MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /home rw,relatime shared:20 - nfs4 server:/home rw
41 40 0:36 / /home/ada/local\\040disk rw shared:21 - xfs /dev/sdb1 rw
42 22 0:37 / /mnt/far rw - fuse.sshfs ada@far:/ rw
"""
MOUNT = "/dev/disk1s1 on / (apfs, local, journaled)\n//ada@nas/share on /Volumes/The share (smbfs, nodev, nosuid)\n"


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/home/ada/work", "nfs4"),
        ("/home/ada/local disk/work", ""),
        ("/homeless", ""),
        ("/mnt/far", "fuse.sshfs"),
        ("/srv", ""),
    ],
)
def test_the_nearest_mount_counts(place: str, kind: str) -> None:
    assert mounts.kind_at(Path(place), mounts._of_mountinfo(MOUNTINFO.splitlines())) == kind


def test_what_mount_prints_on_a_mac_is_read(tmp_path: Path) -> None:
    mounted = list(mounts._of_mount(MOUNT.splitlines()))
    assert mounts.kind_at(Path("/Volumes/The share/work"), mounted) == "smbfs"
    assert mounts.kind_at(Path("/Users/ada"), mounted) == ""


def test_a_local_folder_is_local(tmp_path: Path) -> None:
    assert mounts.network(tmp_path) == ""
    assert _mode(DiskStore(tmp_path)) == "wal"


@graph_fn
async def patient(*, context: NodeContext) -> str:
    return await context.channel("inbox").ask_text("Go on?")


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks as if it were on a network."""
    monkeypatch.setattr(mounts, "network", lambda folder: "nfs4")
    return tmp_path / "store"


def test_a_store_on_a_network_says_so_and_does_without_wal(far: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        store = DiskStore(far)
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{far} lies on a network file system (nfs4)")
    assert "AETHERGRAPH_HOME" in record.getMessage() and _mode(store) == "delete"


def _mode(store: DiskStore) -> str:
    connection = sqlite3.connect(store.folder / "cache.db")
    try:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    finally:
        connection.close()
        store.close()


def test_answers_of_another_machine_are_looked_for(far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "POLL_S", 0.01)
    monkeypatch.setattr("aethergraph.storage.doorbell.ring", lambda folder: None)  # nothing is heard over a network
    here, there = Runtime(far), Runtime(far)
    try:
        run = here.start(patient, {})
        for token in _tokens(run):
            there.answer(token, "yes")
        assert run.result(20) == {"result": "yes"}
    finally:
        here.close()
        there.close()


def _tokens(run: Run) -> list[str]:
    found: queue.SimpleQueue[str] = queue.SimpleQueue()

    def look(facts: list[f.AnyFact]) -> None:
        for fact in facts:
            if isinstance(fact, f.WaitOpened):
                found.put(fact.token)

    run.follow(look)
    return [found.get(timeout=20)]


def test_a_run_of_another_machine_is_live_as_long_as_its_lock_file_is_there(far: Path) -> None:
    here = Runtime(far)
    try:
        run = here.start(patient, {})
        _tokens(run)
        run.pause()
        with pytest.raises(Exception, match="is paused"):
            run.result(20)
        lock = far / "owners" / "0123456789ab01234567.lock"
        lock.touch()
        with here.store.transact() as rows:
            other = owners.Epoch(7, lock.stem, "process 1 on another-host")
            rows.set(owners.row_key(run.run_id), owners.encode(other))
        with pytest.raises(RunIsLive, match="another-host, another machine .if that has gone for good, delete"):
            here.resume(run.run_id, agent=patient)
        lock.unlink()
        again = here.resume(run.run_id, agent=patient)
        again.answer("yes")
        assert again.result(20) == {"result": "yes"}
    finally:
        here.close()
