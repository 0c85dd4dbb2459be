"""A process killed with SIGKILL at random instants, on a real disk: new processes bring the run to the same end."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph import Runtime
from aethergraph.record.facts import AnyFact
from tests.processes import bounded

from .account import Life, facts_of
from .victim import LINES, RUN_ID

KILLS = 60
MOST = 6  # kills of one run; then it may end
LIMIT_S = 60
VICTIM, HEIR = (str(Path(__file__).with_name(name)) for name in ("victim.py", "heir.py"))


class Killed(Life):
    """A run in other processes, whose questions this one answers."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runtime = folder, Runtime(folder)
        super().__init__(self.runtime.store, folder / "lines")

    def live(self, program: str, for_s: float = LIMIT_S) -> bool:
        """Run it in a new process for so long, then kill that; True if it came to its end before."""
        with (self.folder / "errors").open("w+") as errors:
            command = [sys.executable, program, str(self.folder), RUN_ID]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
            with bounded(process):
                assert process.stdout is not None and process.stdout.readline() == "up\n"
                end = time.monotonic() + for_s
                while process.poll() is None and time.monotonic() < end:
                    self.look()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(0.002)
                ended = process.poll()
                process.kill()
            errors.seek(0)
            assert ended in (0, None), f"the process failed: {errors.read()}"
        if process.returncode != 0:
            self.died()
        return process.returncode == 0

    def look(self) -> None:
        """Answer what is asked."""
        for wait in self.runtime.waits():
            self.runtime.answer(wait.token, self.answer(wait.schema.name, wait.token))


@contextlib.contextmanager
def killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Killed]:
    """A run that has not begun."""
    life = Killed(folder)
    monkeypatch.setenv(LINES, str(life.path))
    with contextlib.closing(life.runtime):
        yield life


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[AnyFact]:
    """The facts of a run that nothing disturbed."""
    with killed(tmp_path / "alone", monkeypatch) as life:
        assert life.live(VICTIM)
        life.check(facts_of(life.store))
        return facts_of(life.store)


def test_killed_at_random_instants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: list[AnyFact]) -> None:
    most_s = 0.6 * (alone[-1].t - alone[0].t)  # type: ignore[union-attr]  # start and end of a run have times
    kills = runs = 0
    while kills < KILLS:
        runs += 1
        with killed(tmp_path / f"run-{runs}", monkeypatch) as life:
            most, program = min(MOST, KILLS - kills), VICTIM
            while not life.live(program, random.uniform(0, most_s) if len(life.deaths) < most else LIMIT_S):
                if random.random() < 0.5:
                    life.look()  # answered while nobody runs it
                if facts_of(life.store):
                    program = random.choice([VICTIM, HEIR])
            life.check(alone)
            kills += len(life.deaths)
