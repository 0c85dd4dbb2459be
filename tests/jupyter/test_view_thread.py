"""One thread for all views: in order, at the right time, and not stopped by one that fails."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from jupyter_ext.view_thread import ViewThread


def finish(thread: ViewThread) -> None:
    done = threading.Event()
    thread.post(done.set)
    assert done.wait(20)


def test_jobs_run_in_order() -> None:
    thread, ran = ViewThread(), list[int]()
    for i in range(50):
        thread.post(lambda i=i: ran.append(i))  # type: ignore[misc]
    finish(thread)
    assert ran == list(range(50))


def test_a_job_that_was_put_off_twice_runs_once_at_the_earlier_time() -> None:
    thread, ran, done = ViewThread(), list[float](), threading.Event()

    def job() -> None:
        ran.append(time.monotonic())
        done.set()

    start = time.monotonic()
    thread.at(job, start + 3600)
    thread.at(job, start + 0.05)
    thread.at(job, start + 1800)
    assert done.wait(20)
    finish(thread)
    assert len(ran) == 1 and ran[0] >= start + 0.05


def test_a_job_can_be_forgotten() -> None:
    thread, ran = ViewThread(), list[int]()

    def job() -> None:
        ran.append(1)

    thread.at(job, time.monotonic() + 0.05)
    thread.forget(job)
    late = threading.Event()
    thread.at(late.set, time.monotonic() + 0.1)
    assert late.wait(20) and not ran


def test_a_job_that_fails_is_logged_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    thread = ViewThread()
    with caplog.at_level(logging.ERROR, "aethergraph.view"):
        thread.post(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
        finish(thread)
    assert "ZeroDivisionError" in caplog.text
