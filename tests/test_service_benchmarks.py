"""The suite `memory` of the benchmarks, a part of `services`, runs, and says of each budget whether it was met."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("service-benchmarks")]  # one measures for all of them

ROOT = Path(__file__).resolve().parent.parent
VERDICTS = ("  met", "  missed", "  met, goal missed")
BUDGETS = [
    "recent(limit=50) of 3,000 events",
    "recent of one kind of 3,000 events",
    "recent of two kinds of 3,000 events",
    "recent of a rare tag of 3,000 events",
    "search of a word of 3,000 events",
    "search of a common word of 3,000 events",
    "search of two words of 3,000 events",
    "search of a rare word of 3,000 events",
]
COSTS = [
    "one durable commit of one row, beside kv",
    *(f"kv.{name}, in a body" for name in ("set", "get", "incr", "compare_and_set")),
    "memory.record, in a body",
    *(f"3,000 events, {what}" for what in ("written in groups", "disk each", "the first search", "disk of the index")),
]

Told = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What the suite prints at tiny sizes, and what it writes as JSON."""
    folder = tmp_path_factory.mktemp("benchmarks")
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "memory", "--small", "--rounds", "1"]
    command += ["--folder", str(folder), "--json", str(folder / "told.json")]
    environment = {**os.environ, "AETHERGRAPH_KEY_FILE": str(folder / "key")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((folder / "told.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("begin", BUDGETS + COSTS)
def test_each_line_is_there_once_and_each_budget_is_marked(told: Told, begin: str) -> None:
    lines = [line for line in told[0].splitlines() if line.startswith(begin)]
    assert len(lines) == 1, told[0]
    assert lines[0].endswith(VERDICTS) == (begin in BUDGETS)


def test_each_line_is_in_the_json_with_its_samples(told: Told) -> None:
    rows = [row for suite in told[1]["suites"].values() for row in suite["rows"]]
    assert all(row["samples"] and min(row["samples"]) >= 0 and row["name"] in told[0] for row in rows)
