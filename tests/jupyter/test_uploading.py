"""The kernel's side of an upload: it says how much is there, and takes nothing that is not whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aethergraph.record import schema
from aethergraph.record.schema import Question
from aethergraph.storage import uploads
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.store import MemoryStore
from jupyter_ext import uploading
from jupyter_ext.uploading import PIECE, Uploading

DATA = os.urandom(2 * PIECE + 123)
ASK = schema.make("files", "Data?", accept=".bin", max_size=5 * PIECE, multiple=True)


class Browser:
    """Sends as the view does, and keeps what it is told."""

    def __init__(self, store: MemoryStore, question: Question = ASK) -> None:
        self.store, self.question = store, question
        self.told: list[dict[str, Any]] = []
        self.kernel = Uploading(self.told.append)

    def send(self, offset: int = -1, piece: bytes = b"", **more: Any) -> dict[str, Any]:
        message: dict[str, Any] = {"kind": "upload", "token": "t", "id": "1"}
        message |= {"name": "a.bin", "size": len(DATA), "modified": 5, "offset": offset, **more}
        if piece:
            message["buffers"] = [memoryview(piece)]
        self.kernel.take(self.store, self.question, message)
        uploading._WRITER.submit(lambda: None).result(20)
        return self.told[-1]

    def upload(self) -> dict[str, Any]:
        """All of it, as the browser goes about it."""
        reply = self.send()
        while "file" not in reply:
            assert not reply["why"], reply
            reply = self.send(reply["have"], DATA[reply["have"] : reply["have"] + PIECE])
        return reply


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    yield Browser(MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs")))


def test_pieces_become_a_file_that_can_be_answered_with(browser: Browser) -> None:
    described = browser.upload()["file"]
    answer = uploads.take_in(browser.store, ASK, {"files": [described]})
    assert browser.store.blobs.get(answer["files"][0]["sha256"]) == DATA
    assert [told["have"] for told in browser.told] == [0, PIECE, 2 * PIECE, len(DATA)]


def test_an_upload_goes_on_where_it_stopped_in_another_kernel(browser: Browser) -> None:
    browser.send(0, DATA[:PIECE])
    other = Browser(browser.store)
    assert other.send()["have"] == PIECE
    assert browser.store.blobs.get(other.upload()["file"]["sha256"]) == DATA


def test_a_piece_that_comes_twice_or_ahead_is_left_out(browser: Browser) -> None:
    browser.send(0, DATA[:PIECE])
    assert browser.send(0, DATA[:PIECE])["have"] == PIECE
    assert browser.send(2 * PIECE, DATA[2 * PIECE :])["have"] == PIECE
    assert browser.store.blobs.get(browser.upload()["file"]["sha256"]) == DATA


def test_a_kernel_killed_after_the_last_piece_has_the_file_all_the_same(browser: Browser) -> None:
    key = "\0".join(("t", "a.bin", str(len(DATA)), "5"))
    uploads.Part(browser.store, key, "a.bin", len(DATA)).add(0, DATA)  # written, and then no more
    assert "file" in browser.send()


def test_a_browser_that_did_not_hear_that_its_file_is_there_is_told_again(browser: Browser) -> None:
    described = browser.upload()["file"]
    assert browser.send()["file"] == described
    assert browser.send(2 * PIECE, DATA[2 * PIECE :])["file"] == described


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"name": "a.exe"}, ".bin is asked for"),
        ({"name": ".."}, "no name for a file"),
        ({"size": 6 * PIECE}, "at most 5.2 MB are taken"),
        ({"size": -1}, "not known"),
        ({"size": "x"}, "could not be stored"),
        ({"size": None}, "could not be stored"),
    ],
)
def test_what_does_not_fit_is_refused_before_its_bytes_come(browser: Browser, more: dict[str, Any], why: str) -> None:
    assert why in browser.send(**more)["why"]
    assert list(browser.store.blobs.all()) == [] and not (browser.store.folder / "uploads").exists()


def test_more_than_was_announced_and_pieces_that_are_too_large_are_refused(browser: Browser) -> None:
    assert "more came" in browser.send(0, DATA[:10], size=9)["why"]
    assert "a piece has" in browser.send(0, b"x" * (2 * PIECE + 1))["why"]


def test_a_question_for_something_else_takes_no_files(tmp_path: Path) -> None:
    browser = Browser(MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs")), Question("text", "Name?"))
    assert browser.send()["why"] == "no file is asked for here"


def test_a_disk_that_is_full_says_so(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploads.Part, "add", full)
    assert "No space left on device" in browser.send(0, DATA[:PIECE])["why"]
