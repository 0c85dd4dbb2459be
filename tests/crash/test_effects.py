"""Every method of a context, killed (SIGKILL) in the middle: resumed, the outside has all of it once (rules 7 and 16).

Steps are counted as `effects.py` says. Each call of the table is killed at one of them, in the body or in a tool; with
AETHERGRAPH_LONG=1 at every one in both. After that the run goes on in a new process, and what there is has to be what
an undisturbed one leaves.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aethergraph import RunStatus, Runtime
from aethergraph.record import facts as f
from aethergraph.services import artifact, entry, event, folders
from aethergraph.storage import journal, waiting
from tests.channels.receiver import Receiver, receiver
from tests.processes import bounded

from .calls import CALLS, HOOK, VARYING
from .effects import BODY_ALONE, PLACES, RUN_ID

ROOT = Path(__file__).resolve().parents[2]
LONG = os.environ.get("AETHERGRAPH_LONG") == "1"
CASES = [
    (name, place)
    for number, name in enumerate(CALLS)
    for turn, place in enumerate(PLACES)
    if (LONG or turn == number % len(PLACES) or name in BODY_ALONE) and (place == "body" or name not in BODY_ALONE)
]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")


class Forks:
    """Runs the agent in a new process each time, and sees what it leaves outside."""

    def __init__(self, process: subprocess.Popen[str], server: Receiver, errors: Path) -> None:
        self.process, self.server, self.errors = process, server, errors

    def live(self, folder: Path, name: str, place: str, fatal: int = 0) -> int:
        """To its end, or to its death at a step; its exit code."""
        folder.mkdir(exist_ok=True)
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(folder), name, place, fatal]) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        assert code in (0, -signal.SIGKILL), self.errors.read_text()[-4000:]
        return code


@pytest.fixture(scope="module")
def forks(clean_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    errors = tmp_path_factory.mktemp("forks") / "errors"
    with receiver() as server, errors.open("w") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.effects"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told,
            text=True, cwd=ROOT, env=clean_env | {HOOK: server.url},
        )  # fmt: skip
        with bounded(process):
            yield Forks(process, server, errors)


def seen(folder: Path, server: Receiver, name: str) -> dict[str, Any]:
    """What there is once a run has ended, without times, and ids that are made by chance."""
    with contextlib.closing(Runtime(folder / "store")) as runtime:
        run, store, load = runtime.load(RUN_ID), runtime.store, runtime.codec.load
        assert run.status is RunStatus.DONE, run.error
        facts = [fact for batch in journal.read(store, RUN_ID) for fact in batch]
        effects = [fact for fact in facts if isinstance(fact, f.Effect)]
        assert max(Counter(fact.key for fact in effects).values()) == 1
        files = sorted((one.name, one.sha256, one.pinned) for one in artifact.find(store, RUN_ID))
        for _, digest, _ in files:
            data = store.blobs.get(digest)
            for file in folders.decode(data, name).files if folders.is_folder(data) else ():
                store.blobs.check(file.sha256)
        events = [event.decode(data, at) for at, data in store.scan(event.PREFIX) if data and "e:" in at]
        rows = [(at, entry.decode(data, 0.0, at)) for at, data in store.scan(entry.PREFIX)]
        told = (folder / "told").read_text().splitlines() if (folder / "told").exists() else []
        columns = run.points()
        return {
            "gave": None if name in VARYING else (told[:1], dict(run.outputs)),
            "told": len(set(told)),
            "effects": Counter(fact.name for fact in effects),
            "artifacts": files,
            "memory": sorted(
                (row.kind, row.name, "" if row.kind.startswith("summary") else row.text) for row in events
            ),
            "kv": {at: load(one.payload) for at, one in rows if one is not None},
            "points": Counter(zip(columns["track"], columns["step"], strict=True)),
            "logs": Counter(line for line in run.transcript() if "logged" in line),
            "runs": Counter((one.name, one.status) for one in runtime.runs()),
            "waits": Counter((row.question.prompt, row.state) for row in waiting.everything(store)),
            "said": [line.partition("#")[0][20:] for line in lines(folder / "said.txt")],
            "posted": list(server.once.values()),
        }


def lines(path: Path) -> list[str]:
    """The messages in a file; each ends with its mark."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return re.findall(r"^\S+Z .*?#\w{16}$", text, re.MULTILINE | re.DOTALL)


def cuts(steps: int, number: int) -> list[int]:
    """The steps at which a call is killed: all, or one, early for some calls and late for others."""
    if LONG:
        return list(range(1, steps + 1))
    return [1 + number * 7 % steps]


@pytest.mark.timeout(900 if LONG else 120)
@pytest.mark.parametrize(("name", "place"), CASES)
def test_16_killed_in_the_middle_of_a_call_and_resumed_all_of_it_is_there_once(
    tmp_path: Path, forks: Forks, name: str, place: str
) -> None:
    forks.server.got.clear()
    assert forks.live(tmp_path / "whole", name, place) == 0
    wanted = seen(tmp_path / "whole", forks.server, name)
    assert wanted["told"] == 1
    steps = int((tmp_path / "whole" / "steps").read_text())
    assert steps > 2, "nothing of it becomes durable"
    for fatal in cuts(steps, CASES.index((name, place))):
        forks.server.got.clear()
        folder = tmp_path / str(fatal)
        died = forks.live(folder, name, place, fatal)
        assert died or fatal > steps // 2, "it had fewer steps than the run before it"
        assert forks.live(folder, name, place) == 0
        assert seen(folder, forks.server, name) == wanted, f"killed at step {fatal} of {steps}"
