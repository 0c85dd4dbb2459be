"""The user's key, which signs what would run code when it is read: pickles and stored source.

The key lies outside every store, so a store that comes from somebody else never carries a valid signature. A lost key
blocks pickles and stored source until they are trusted again; plain data still opens.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from ..record.facts import FORMAT

SIZE = 32  # bytes of a key
ID_SIZE = 4  # bytes of a key id in a signature
MAC_SIZE = ID_SIZE + 32


class Keyring:
    """One key file. It is made on first need, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._key: bytes | None = None
        self._lock = threading.Lock()

    @classmethod
    def default(cls) -> Keyring:
        """The key of this user: `AETHERGRAPH_KEY_FILE`, or a file in the platform's folder for user data."""
        named = os.environ.get("AETHERGRAPH_KEY_FILE")
        return cls(Path(named).expanduser() if named else _data_folder() / "aethergraph" / "key")

    @property
    def key_id(self) -> str:
        """Which key this is, in 8 hex digits; tells nothing about the key."""
        return _id(self._secret()).hex()

    def sign(self, role: str, content: bytes) -> bytes:
        """The signature of `content` in its `role` ("pickle", "source"): key id and HMAC, `MAC_SIZE` bytes."""
        key = self._secret()
        return _id(key) + _mac(key, role, content)

    def verify(self, role: str, content: bytes, mac: bytes) -> bool:
        """Whether this key made `mac` for exactly this role and content."""
        if self._key is None and not self.path.exists():
            return False  # a key made now could not have signed anything
        return hmac.compare_digest(self.sign(role, content), bytes(mac))

    def _secret(self) -> bytes:
        with self._lock:
            if self._key is None:
                if not self.path.exists():
                    _make(self.path)
                self._key = _read(self.path)
            return self._key


def _id(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=ID_SIZE, person=b"aethergraph key").digest()


def _mac(key: bytes, role: str, content: bytes) -> bytes:
    # The content goes in as a hash of fixed length, so no role can be mistaken for the beginning of a content.
    message = b"%d\n%s\n" % (FORMAT, role.encode()) + hashlib.sha256(content).digest()
    return hmac.digest(key, message, "sha256")


def _data_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def _make(path: Path) -> None:
    """Write a new key to `path`, or leave the one that another process wrote meanwhile; never a half-written one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(SIZE))
            file.flush()
            os.fsync(file.fileno())
        _publish(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _publish(draft: Path, path: Path) -> None:
    """Give `draft` the name `path` unless that is taken."""
    # Renaming replaces on POSIX and refuses on Windows; linking refuses on POSIX. Refusing is what we need.
    place: Callable[[Path, Path], None] = os.rename if sys.platform == "win32" else os.link
    try:
        place(draft, path)
    except FileExistsError:
        return
    except OSError:
        # No hard links on this file system: the last of several writers at the same instant wins.
        os.replace(draft, path)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        key = file.read(SIZE + 1)
    if os.name == "posix" and mode & 0o077:
        raise PermissionError(
            f"the key file {path} can be read by others (mode {mode:o}), so its signatures prove nothing: "
            f"`chmod 600 {path}` if nobody else had it, or delete it to get a new key; "
            f"AETHERGRAPH_KEY_FILE names another place"
        )
    if len(key) != SIZE:
        raise ValueError(
            f"the key file {path} is damaged ({len(key)} bytes instead of {SIZE}): "
            f"restore it, or delete it to get a new key"
        )
    return key
