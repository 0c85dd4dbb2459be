"""The doorbell: heard from anywhere, silent otherwise."""

from __future__ import annotations

import queue
import selectors
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from aethergraph import NodeContext, Run, Runtime, graph_fn
from aethergraph.lifecycle import inbox
from aethergraph.record import facts as f
from aethergraph.storage import doorbell
from aethergraph.storage.doorbell import Doorbell


@graph_fn
async def patient(*, context: NodeContext) -> str:
    return await context.channel("inbox").ask_text("Go on?")


def asked(run: Run) -> str:
    """The token of what a run asks."""
    found: queue.SimpleQueue[str] = queue.SimpleQueue()
    run.follow(lambda facts: [found.put(fact.token) for fact in facts if isinstance(fact, f.WaitOpened)])
    return found.get(timeout=20)


@contextmanager
def listening(folder: Path) -> Iterator[threading.Semaphore]:
    """A bell that stands; the semaphore counts what it hears."""
    heard, bell = threading.Semaphore(0), Doorbell(folder)
    bell.start(heard.release)
    try:
        assert heard.acquire(timeout=20), "the watch never stood"
        yield heard
    finally:
        bell.stop()


def test_the_doorbell_is_heard_when_it_is_rung(tmp_path: Path) -> None:
    heard = threading.Semaphore(0)
    before = set(threading.enumerate())
    bell = Doorbell(tmp_path)
    bell.start(lambda: heard.release())
    try:
        assert heard.acquire(timeout=20), "the watch never stood"
        doorbell.ring(tmp_path)
        assert heard.acquire(timeout=20), "the ring was not heard"
    finally:
        bell.stop()
    assert not any(thread.name == "aether-doorbell" for thread in set(threading.enumerate()) - before)


def test_a_failing_callback_does_not_deafen_the_doorbell(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    heard = threading.Semaphore(0)

    def callback() -> None:
        heard.release()
        raise ValueError("broken")

    bell = Doorbell(tmp_path)
    bell.start(callback)
    try:
        assert heard.acquire(timeout=20)
        doorbell.ring(tmp_path)
        assert heard.acquire(timeout=20)
    finally:
        bell.stop()
    assert "looking at the answered questions failed" in caplog.text


def test_the_doorbell_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    (tmp_path / "doorbell").write_bytes(b"." * 5000)
    doorbell.ring(tmp_path)
    assert (tmp_path / "doorbell").stat().st_size == 1


def test_ringing_where_nothing_can_be_written_only_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    doorbell.ring(tmp_path / "missing")
    assert "an answer is stored" in caplog.text


def test_without_a_folder_the_doorbell_says_that_it_cannot_listen(tmp_path: Path) -> None:
    deaf: list[bool] = []
    bell = Doorbell(tmp_path / "missing")
    bell.start(lambda: None, lambda: deaf.append(True))
    assert deaf == [True]
    bell.stop()


@pytest.mark.skipif(doorbell._watch is None, reason="there watchfiles listens")
def test_where_the_watch_cannot_be_put_up_the_doorbell_says_so_and_rings_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path) -> Any:
        raise OSError(24, "Too many open files", str(path))

    monkeypatch.setattr(doorbell, "_watch", refuse)
    monkeypatch.setattr(inbox, "POLL_S", 0.01)
    with closing(Runtime(tmp_path)) as here, closing(Runtime(tmp_path)) as there:
        run = here.start(patient, {})
        there.answer(asked(run), "yes")
        assert run.result(20) == {"result": "yes"}
    assert "cannot listen for answers from other processes" in caplog.text
    assert f"{tmp_path} cannot be watched: answers are looked for every 0.01 s" in caplog.text


def test_a_doorbell_that_is_taken_away_is_watched_again(tmp_path: Path) -> None:
    with listening(tmp_path) as heard:
        doorbell.file(tmp_path).unlink()
        assert heard.acquire(timeout=20), "it did not notice"
        doorbell.ring(tmp_path)
        assert heard.acquire(timeout=20), "the new file is not watched"


@pytest.mark.skipif(sys.platform == "win32", reason="there watchfiles listens, which looks again and again")
def test_who_listens_sleeps_until_it_rings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float | None] = []

    class Counting(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> Any:
            limits.append(timeout)
            return super().select(timeout)

    monkeypatch.setattr(doorbell.selectors, "DefaultSelector", Counting)
    with listening(tmp_path) as heard:
        doorbell.ring(tmp_path)
        assert heard.acquire(timeout=20)
    assert limits in ([None, None], [None, None, None])  # for the ring, for the end; one ring may be two events


def test_stopping_twice_and_listening_again_is_fine(tmp_path: Path) -> None:
    heard, bell = threading.Semaphore(0), Doorbell(tmp_path)
    for _ in range(2):
        bell.start(heard.release)
        assert heard.acquire(timeout=20)
        bell.stop()
        bell.stop()
