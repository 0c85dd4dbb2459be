"""Whether a folder lies on a network file system, where SQLite's WAL and the notification of changes fail."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

NETWORKS = frozenset(
    {
        "9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.davfs2", "fuse.gcsfuse",
        "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs",
        "nfs", "nfs4", "orangefs", "smb2", "smb3", "smbfs", "webdav",
    }
)  # fmt: skip
REMOTE_DRIVE = 4  # of GetDriveTypeW


def network(folder: Path) -> str:
    """The kind of network file system that `folder` lies on ("nfs", "smbfs"); "" for a local one, or an unknown one."""
    place = folder.resolve()
    try:
        if sys.platform == "win32":
            return _windows(place)
        if sys.platform == "darwin":
            told = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=True, timeout=5).stdout
            return kind_at(place, _of_mount(told.splitlines()))
        return kind_at(
            place,
            _of_mountinfo(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()),
        )
    except (OSError, subprocess.SubprocessError):
        return ""


def kind_at(place: Path, mounts: Iterable[tuple[str, str]]) -> str:
    """The kind of the mount, of (path, kind), that `place` lies in, if it is a network."""
    found = {path: kind for path, kind in mounts if place.is_relative_to(path)}  # a later one hides an earlier one
    kind = found[max(found, key=len)] if found else ""
    return kind if kind in NETWORKS else ""


def _of_mountinfo(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:  # 36 35 98:0 /root /mount/point rw,noatime master:1 - nfs4 server:/export rw
        head, _, tail = line.partition(" - ")
        fields = head.split(" ")
        if len(fields) > 4 and tail:
            yield fields[4].replace("\\040", " "), tail.split(" ")[0]


def _of_mount(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:  # //user@server/share on /Volumes/share (smbfs, nodev, nosuid)
        _, _, rest = line.partition(" on ")
        path, _, options = rest.rpartition(" (")
        if path:
            yield path, options.rstrip(")").split(",")[0]


def _windows(place: Path) -> str:
    if place.drive.startswith("\\\\"):
        return "smbfs"
    import ctypes

    drive: int = ctypes.windll.kernel32.GetDriveTypeW(os.path.join(place.drive, "\\"))  # type: ignore[attr-defined]
    return "smbfs" if drive == REMOTE_DRIVE else ""
