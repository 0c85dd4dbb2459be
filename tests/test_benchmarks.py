"""The benchmarks run, and say of each budget whether it was met. What they measure is not judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

BUDGETS = [  # how the lines of section "speed" begin
    "pure chain of 40 / plain asyncio",
    "pure chain, last tenth",
    "pure fan of 40 / plain asyncio",
    "fan of 40 / plain asyncio",
    "chain of 10, beyond one commit",
    "resume, chain of 40 ",
    "resume, chain of 40, until live",
    "resume, fan of 40 ",
    "one wait, beyond two commits",
    "artifact of 0.0625 MiB / copy and sha256",
    "disk, pure chain",
    "disk, fan",
    "memory of finished nodes, pure chain",
    "memory of finished nodes, fan",
    "import aethergraph / import asyncio",
    "import aethergraph, more memory than asyncio",
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, object]]:
    """What the engine suite prints at tiny sizes, and what it writes as JSON."""
    folder = tmp_path_factory.mktemp("benchmarks")
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "engine", "--small"]
    command += ["--folder", str(folder), "--json", str(folder / "told.json")]
    environment = {**os.environ, "AETHERGRAPH_KEY_FILE": str(folder / "key")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((folder / "told.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("budget", BUDGETS)
def test_each_budget_is_marked(told: tuple[str, dict[str, object]], budget: str) -> None:
    lines = [line for line in told[0].splitlines() if line.startswith(budget)]
    assert len(lines) == 1, told[0]
    assert lines[0].endswith((" met", " missed", " met, goal missed"))


def test_what_is_not_measured_is_named(told: tuple[str, dict[str, object]]) -> None:
    assert "not measured here: 10,000 parked runs" in told[0]
    assert "not measured here: the live run view" in told[0]


def test_each_line_is_in_the_json_with_its_samples(told: tuple[str, dict[str, object]]) -> None:
    suites = told[1]["suites"]
    assert isinstance(suites, dict)
    rows = suites["engine"]["rows"]
    assert all(row["samples"] and row["name"] in told[0] for row in rows)
    assert sum(1 for row in rows if row["verdict"]) >= len(BUDGETS)


def test_waits_are_measured_and_one_answer_wakes_one_run(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "waits", "--small", "--folder", str(tmp_path)]
    environment = {**os.environ, "AETHERGRAPH_KEY_FILE": str(tmp_path / "key")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=100)
    assert done.returncode == 0, done.stderr
    marked = [line for line in done.stdout.splitlines() if line.endswith(("  met", "  missed"))]
    assert len(marked) == 7, done.stdout
    (woken,) = [line for line in marked if "that this woke" in line]
    assert woken.endswith(" met")


def test_an_unknown_suite_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "no-such-suite", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2 and "no-such-suite" in done.stderr
    assert not list(tmp_path.iterdir())
