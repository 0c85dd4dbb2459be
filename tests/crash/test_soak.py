"""A soak: random agents in processes that are killed at random instants, until others have brought all to an end.

Counted from outside: the lines that tools leave, the journals on disk at each death, and what plain Python says that
each program gives. A failure is repeated with AETHERGRAPH_SOAK_SEED; AETHERGRAPH_SOAK_S is how long it goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Run, RunStatus, Runtime
from aethergraph.errors import AlreadyAnswered
from aethergraph.lifecycle.inbox import WaitInfo
from aethergraph.record import facts as f
from aethergraph.record.flow import Flow
from aethergraph.record.status import NodeStatus
from aethergraph.storage import journal, waiting
from tests.processes import bounded

from .programs import ASKING, TRACKED, Plain, Step, make, mix
from .soak import LINES

SOAK = str(Path(__file__).with_name("soak.py"))
SHORT_S, LONG_S = 60.0, 1800.0
LIFE_S = (0.0, 0.7)  # of a process that is killed
END_S = 120.0  # by then a process that nobody kills has brought all to an end


_COUNTED = ("runs", "children", "kills", "nodes", "answers", "signals")


@dataclass
class Tally:
    """What was seen in a soak; the last three must stay empty."""

    seed: int
    runs: int = 0
    kills: int = 0
    nodes: int = 0
    answers: int = 0
    signals: int = 0
    children: int = 0
    duplicates: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        good = ", ".join(f"{name} {getattr(self, name)}" for name in _COUNTED)
        bad = ", ".join(f"{name} {len(getattr(self, name))}" for name in ("duplicates", "lost", "wrong"))
        return f"soak: {good}, {bad}, seed {self.seed}"


class Soak:
    """The store, the file of lines, and what is known of each run that was not at its end at the last death."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.rng, self.tally = folder, random.Random(seed), Tally(seed)
        self.runtime = Runtime(folder / "store")
        self.lines = folder / "lines"
        self._told = 0  # bytes of the lines that were read
        self._done: dict[str, dict[str, bytes]] = {}  # by run: the results that were on disk, by node
        self._answered: dict[str, str] = {}  # by token: the answer that was given
        self._heard = set[str]()  # tokens of waits for signals that were sent
        self._listening: dict[str, set[str]] = {}  # by name of a signal: the tokens that waited for it
        self._sent = Counter[str]()  # by name of a signal
        self._ended: set[str] = set()

    # ------------------------------------------------------------------ a process

    def live(self, for_s: float | None) -> None:
        """Let a process live for so long, then kill it; without a limit, until all runs have come to their end."""
        mode, limit = ("finish", END_S) if for_s is None else ("fresh", for_s)
        command = [sys.executable, SOAK, str(self.folder / "store"), str(self.tally.seed), mode]
        with (self.folder / "errors").open("w+") as errors:
            with bounded(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)) as process:
                assert process.stdout is not None
                if process.stdout.readline() == "up\n":
                    end = time.monotonic() + limit
                    while process.poll() is None and time.monotonic() < end:
                        self._answer()
                        with contextlib.suppress(subprocess.TimeoutExpired):
                            process.wait(0.01)
                ended = process.poll()
                process.kill()
            errors.seek(0)
            assert ended == (None if for_s is not None else 0), f"{self.tally}\nthe process failed: {errors.read()}"
        self.tally.kills += for_s is not None
        self._look()

    def _answer(self) -> None:
        """Answer some of what is asked, and send some of the signals that are waited for."""
        for wait in self.runtime.waits():
            if wait.kind != "timer" and self.rng.random() < 0.7:
                if wait.kind == "event":
                    self._signal(wait)
                else:
                    self._reply(wait)

    def _reply(self, wait: WaitInfo) -> None:
        no, x = map(int, wait.prompt.split(":"))
        try:
            self.runtime.answer(wait.token, mix(no, x) if wait.kind == "external" else str(mix(no, x)))
        except AlreadyAnswered:
            if not wait.deadline:  # one with a deadline may just have taken its default
                raise
        if wait.token in self._answered:
            self.tally.duplicates.append(f"{wait.run_id}: {wait.prompt} was asked again after its answer")
        self._answered[wait.token] = wait.prompt
        self.tally.answers += 1

    def _signal(self, wait: WaitInfo) -> None:
        """Send at least as many signals as there were waits for this name, and no more than its step needs."""
        if wait.prompt == "nothing" or (wait.prompt == "bell" and wait.token in self._heard):
            return
        self._heard.add(wait.token)
        if wait.prompt == "bell":
            self._send("bell", None)
            return
        needed = int(wait.prompt.split(":")[1])
        waits = self._listening.setdefault(wait.prompt, set())
        waits.add(wait.token)
        ahead = self.rng.random() < 0.3
        while self._sent[wait.prompt] < min(needed, len(waits) + ahead):
            self._sent[wait.prompt] += 1
            self._send(wait.prompt, self._sent[wait.prompt], self.rng.choice([wait.run_id, None]))

    def _send(self, name: str, payload: int | None, run_id: str | None = None) -> None:
        self.runtime.signal(name, payload, run_id=run_id)
        self.tally.signals += 1

    # ------------------------------------------------------------------ what is left of it

    def _look(self) -> None:
        """The process is gone: what it ran must not have been done before, and what was done must still be there."""
        for run_id, node_id in self._ran():
            if node_id in self._done.get(run_id, {}):
                self.tally.duplicates.append(f"{run_id}: {node_id} ran again after its result was on disk")
        for info in self.runtime.runs(limit=1_000_000):
            if info.run_id not in self._ended:
                self._look_at(info.run_id, ended=info.status is RunStatus.DONE)

    def _ran(self) -> list[tuple[str, str]]:
        if not self.lines.exists():
            return []
        with self.lines.open("rb") as file:
            file.seek(self._told)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._told += len(whole)
        return [(run_id, node_id) for run_id, node_id, *_ in map(json.loads, whole.splitlines())]

    def _look_at(self, run_id: str, *, ended: bool) -> None:
        flow = Flow.of(fact for batch in journal.read(self.runtime.store, run_id) for fact in batch)
        results = {node.node_id: node.outcome.value for node in flow.nodes if node.outcome is not None}
        cancelled = {node.node_id for node in flow.nodes if node.status is NodeStatus.CANCELLED}
        for node_id, before in self._done.get(run_id, {}).items():
            if node_id not in cancelled and results.get(node_id) != before:
                self.tally.lost.append(f"{run_id}: the result of {node_id} is gone, or another")
        self._done[run_id] = results
        if ended:
            self._ended.add(run_id)
            self._close(run_id, flow)

    def _close(self, run_id: str, flow: Flow) -> None:
        """A run is done: is all of it there, once, and what it should be?"""
        run = self.runtime.load(run_id)
        did = self._check_outputs(run)
        facts = [fact for batch in journal.read(self.runtime.store, run_id) for fact in batch]
        opened = [fact for fact in facts if isinstance(fact, f.WaitOpened)]
        once = {
            "node {} ended": [fact.no for fact in facts if isinstance(fact, (f.NodeDone, f.NodeRan))],
            "signal {} was taken": [fact.seq for fact in facts if isinstance(fact, f.SignalTaken)],
            "node {} began to wait": [fact.no for fact in opened],
        }
        for what, numbers in once.items():
            for no, count in Counter(numbers).items():
                if count > 1:
                    self.tally.duplicates.append(f"{run_id}: {what.format(no)} {count} times")
        said = sum(isinstance(fact, f.Effect) and fact.name == "send_text" for fact in facts)
        self._compare(run_id, "messages", said, did["say"])
        saved = sum(1 for _ in self.runtime.store.scan(f"a:{run_id}:"))
        self._compare(run_id, "artifacts", saved, did["save"])
        asked = Counter(row.question.kind for row in self._waits() if row.run_id == run_id)
        slept = sum(fact.token.startswith("sleep") for fact in opened)  # a sleep is in its run's journal only
        self._compare(run_id, "questions", asked["text"], sum(did[kind] for kind in ASKING))
        self._compare(run_id, "calls of another system", asked["external"], sum(did[kind] for kind in TRACKED))
        self._compare(run_id, "sleeps", slept, did["sleep"])
        children = [run for run in run.children if self.runtime.load(run.run_id).continues is None]
        self._compare(run_id, "children", len(children), did["child"])
        self.tally.runs += not run.parent
        self.tally.children += bool(run.parent)
        self.tally.nodes += len(flow.nodes)

    def _check_outputs(self, run: Run) -> Counter[str]:
        """Compare with what plain Python says; which steps that did."""
        step, x, rest = _program(run, self.tally.seed)
        plain = Plain()
        expected = plain.value(step, x)
        after = run.successor
        if rest and after is not None:
            given, wanted = dict(after.inputs), {"parts": rest, "x": expected}
        else:
            given, wanted = dict(run.outputs), {"result": expected}
        if given != wanted:
            self.tally.wrong.append(f"{run.run_id} gave {given}, not {wanted}")
        return plain.did

    def _compare(self, run_id: str, what: str, found: int, expected: int) -> None:
        if found != expected:
            verdict = self.tally.lost if found < expected else self.tally.duplicates
            verdict.append(f"{run_id} has {found} {what}, not {expected}")

    def _waits(self) -> list[waiting.WaitRow]:
        return list(waiting.everything(self.runtime.store))

    def check_keys(self) -> None:
        """All executions of a node had one idempotency key, and no two nodes share one."""
        keys: dict[str, set[Any]] = {}
        for run_id, node_id, _, _, key in map(json.loads, self.lines.read_bytes().splitlines()):
            keys.setdefault(key, set()).add((run_id, node_id))
        shared = [str(nodes) for nodes in keys.values() if len(nodes) > 1]
        assert not shared, f"nodes share an idempotency key: {shared}"
        nodes = Counter(node for found in keys.values() for node in found)
        twice = [str(node) for node, count in nodes.items() if count > 1]
        assert not twice, f"nodes had another idempotency key when they ran again: {twice}"


def _program(run: Run, seed: int) -> tuple[Step, int, list[Step]]:
    """What a run does, with which number, and what it leaves to the run that goes on from it."""
    if not run.parent:
        number = int(run.run_id.removeprefix("soak-"))
        return make(seed + number), number, []
    parts = run.inputs["parts"]
    return parts[0], run.inputs["x"], parts[1:]


def soak(folder: Path, for_s: float, seed: int) -> Tally:
    """Kill processes for so long, then let one bring everything to its end."""
    soaked = Soak(folder, seed)
    with contextlib.closing(soaked.runtime):
        end = time.monotonic() + for_s
        while time.monotonic() < end:
            soaked.live(soaked.rng.uniform(*LIFE_S))
        soaked.live(None)
        soaked.tally.lost += [
            f"{i.run_id} did not end" for i in soaked.runtime.runs(limit=1_000_000) if i.status is not RunStatus.DONE
        ]
        soaked.check_keys()
    return soaked.tally


def _soak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, for_s: float, tell: Callable[[str, object], None]) -> None:
    seed = int(os.environ.get("AETHERGRAPH_SOAK_SEED") or random.getrandbits(30))
    monkeypatch.setenv(LINES, str(tmp_path / "lines"))
    tally = soak(tmp_path, float(os.environ.get("AETHERGRAPH_SOAK_S") or for_s), seed)
    tell("tally", str(tally))
    assert not (tally.duplicates or tally.lost or tally.wrong), "\n".join(
        [str(tally), *tally.duplicates, *tally.lost, *tally.wrong]
    )
    assert tally.runs and tally.kills and tally.nodes > 10 * tally.runs


@pytest.mark.timeout(SHORT_S + END_S + 60)
def test_a_minute_of_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    _soak(tmp_path, monkeypatch, SHORT_S, record_property)


@pytest.mark.long
@pytest.mark.timeout(LONG_S + END_S + 600)
def test_half_an_hour_of_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    _soak(tmp_path, monkeypatch, LONG_S, record_property)
