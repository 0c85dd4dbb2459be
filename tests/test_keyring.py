"""The user's key: made once, kept from others, and bound to role and content."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from aethergraph.storage.keyring import MAC_SIZE, SIZE, Keyring

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keys" / "key")


def test_a_signature_is_verified_by_another_keyring_of_the_same_file(keyring: Keyring) -> None:
    mac = keyring.sign("pickle", b"content")
    assert len(mac) == MAC_SIZE
    assert Keyring(keyring.path).verify("pickle", b"content", mac)


@pytest.mark.parametrize(("role", "content"), [("source", b"content"), ("pickle", b"other"), ("pickle", b"")])
def test_a_signature_holds_for_its_role_and_content_only(keyring: Keyring, role: str, content: bytes) -> None:
    assert not keyring.verify(role, content, keyring.sign("pickle", b"content"))


def test_a_role_cannot_run_into_the_content(keyring: Keyring) -> None:
    assert keyring.sign("a", b"b") != keyring.sign("ab", b"")


@pytest.mark.parametrize("mac", [b"", b"short", b"x" * MAC_SIZE])
def test_what_is_no_signature_is_refused(keyring: Keyring, mac: bytes) -> None:
    keyring.sign("pickle", b"")
    assert not keyring.verify("pickle", b"content", mac)


def test_another_users_signature_is_refused(keyring: Keyring, tmp_path: Path) -> None:
    assert not keyring.verify("pickle", b"content", Keyring(tmp_path / "other").sign("pickle", b"content"))


def test_verifying_without_a_key_makes_none(keyring: Keyring) -> None:
    assert not keyring.verify("pickle", b"content", b"x" * MAC_SIZE)
    assert not keyring.path.exists()


def test_the_key_id_is_in_each_signature(keyring: Keyring) -> None:
    assert len(keyring.key_id) == 8
    assert keyring.sign("pickle", b"").hex().startswith(keyring.key_id)


@posix
def test_the_key_file_is_readable_by_its_owner_only(keyring: Keyring) -> None:
    keyring.sign("pickle", b"")
    assert stat.S_IMODE(keyring.path.stat().st_mode) == 0o600
    assert keyring.path.stat().st_size == SIZE


@posix
def test_a_key_that_others_can_read_is_refused_with_what_to_do(keyring: Keyring) -> None:
    keyring.sign("pickle", b"")
    keyring.path.chmod(0o640)
    with pytest.raises(PermissionError, match="chmod 600"):
        Keyring(keyring.path).sign("pickle", b"")


def test_a_key_file_of_the_wrong_length_is_refused(keyring: Keyring) -> None:
    keyring.path.parent.mkdir()
    keyring.path.touch(mode=0o600)
    with pytest.raises(ValueError, match="0 bytes instead of 32"):
        keyring.sign("pickle", b"")


def test_many_at_once_make_one_key_and_leave_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "key"
    ids: list[str] = []
    go = threading.Barrier(8)

    def make() -> None:
        keyring = Keyring(path)
        go.wait(5)
        ids.append(keyring.key_id)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_can_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHERGRAPH_KEY_FILE", str(tmp_path / "mine"))
    assert Keyring.default().path == tmp_path / "mine"


def test_by_default_the_key_lies_in_the_users_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AETHERGRAPH_KEY_FILE", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert Keyring.default().path == tmp_path / "aethergraph" / "key"
