"""Runs that are parked in one process, and what others do with them: semantics 21, 25 and 30."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph import RunStatus, Runtime
from aethergraph.errors import RunCancelled, RunIsLive
from aethergraph.storage import waiting

from .victim import LINES

ROOT = Path(__file__).resolve().parents[2]
RUNS = 20
LIMIT_S = 30


class Sleeper:
    """The process, and this one's view of its store."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.crash.sleeper", str(folder), str(RUNS)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.told: list[str] = []
        while self.parked() < RUNS:
            pass
        self.runtime = Runtime(folder)

    def parked(self) -> int:
        """How many runs it has parked now; what it told before is put aside."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        while not (line := self._line()).startswith("parked"):
            self.told.append(line)
        return int(line.split()[1])

    def ended(self) -> str:
        """The next run that ends there."""
        return (self.told.pop(0) if self.told else self._line()).removeprefix("ended ")

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process ended"
        return line.strip()

    def token(self, run_id: str) -> str:
        (wait,) = self.runtime.load(run_id).waits
        return str(wait.token)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sleeper]:
    """A process with parked runs."""
    monkeypatch.setenv(LINES, str(tmp_path / "lines"))
    made = Sleeper(tmp_path / "store")
    with contextlib.closing(made.runtime):
        yield made
        made.kill()
        for stream in (made.process.stdin, made.process.stdout):
            if stream is not None:
                stream.close()


def ran(folder: Path) -> list[int]:
    return [json.loads(line)[1] for line in (folder / "lines").read_text().splitlines()]


def test_25_an_answer_from_another_process_wakes_that_run_and_only_it(other: Sleeper, tmp_path: Path) -> None:
    other.runtime.answer(other.token("sleeper-7"), "yes")
    assert other.ended() == "sleeper-7"
    assert other.parked() == RUNS - 1
    assert other.runtime.load("sleeper-7").outputs == {"y": 14, "word": "yes"}
    assert sorted(ran(tmp_path)) == list(range(RUNS))
    assert list(waiting.inbox(other.runtime.store)) == []


def test_25_answers_to_many_are_all_heard(other: Sleeper) -> None:
    for x in range(0, RUNS, 2):
        other.runtime.answer(other.token(f"sleeper-{x}"), "yes")
    assert {other.ended() for _ in range(0, RUNS, 2)} == {f"sleeper-{x}" for x in range(0, RUNS, 2)}
    assert other.parked() == RUNS // 2


def test_30_a_parked_run_cannot_be_taken_and_is_cancelled_where_it_is(other: Sleeper) -> None:
    with pytest.raises(RunIsLive):
        other.runtime.resume("sleeper-3")
    assert other.runtime.load("sleeper-3").status is RunStatus.WAITING
    other.runtime.cancel("sleeper-3")
    assert other.ended() == "sleeper-3"
    assert other.runtime.load("sleeper-3").status is RunStatus.CANCELLED
    with pytest.raises(RunCancelled):
        other.runtime.load("sleeper-3").result()
    assert list(other.runtime.store.scan("x:")) == []


def test_30_parked_runs_of_a_killed_process_are_free_and_go_on(other: Sleeper, tmp_path: Path) -> None:
    other.kill()
    assert other.runtime.load("sleeper-4").status is RunStatus.PAUSED
    run = other.runtime.resume("sleeper-4")
    other.runtime.answer(other.token("sleeper-4"), "now")
    assert run.result(LIMIT_S) == {"y": 8, "word": "now"}
    assert ran(tmp_path).count(4) == 1


def test_21_an_answer_that_came_while_nobody_ran_the_run_is_taken_by_the_next_who_does(other: Sleeper) -> None:
    other.kill()
    other.runtime.answer(other.token("sleeper-5"), "before")
    assert [run_id for _, run_id in waiting.inbox(other.runtime.store)] == ["sleeper-5"]
    assert other.runtime.resume("sleeper-5").result(LIMIT_S) == {"y": 10, "word": "before"}
    assert list(waiting.inbox(other.runtime.store)) == []
