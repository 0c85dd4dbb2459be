"""The benchmarks run, and say of each budget whether it was met. What they measure is not judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("benchmarks")]  # one measures for all of them

ROOT = Path(__file__).resolve().parent.parent

BUDGETS = {  # how the lines of design section "speed" begin, by suite
    "engine": [
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
        "import aethergraph / import asyncio",
        "import aethergraph, more memory than asyncio",
    ],
    "waits": [
        "open, park, answer, wake and finish, beyond two commits",
        "30 parked runs, memory each",
        "30 parked runs, disk each",
        "30 parked runs, processor over",
        "30 parked runs, wake-ups",
        "others of 30 parked runs that this woke",
        "one of 30 parked runs, resumed in a new process, live",
    ],
    "store": [
        "disk, a node with a number",
        "disk, a node with a pydantic model",
        *(f"growth of {what}, {name}" for what in ("time", "disk", "memory") for name in ("pure chain", "fan")),
        "disk, pure chain",
        "disk, fan   ",
        "memory of finished nodes, pure chain",
        "memory of finished nodes, fan",
    ],
    "services": [
        "save_file of 0.0625 MiB / copy and sha256",
        "as_local_file of 0.0625 MiB / copy and sha256",
        "400 points in 20 tracks, disk a point",
        "400 points in 20 tracks, watched live, messages",
        "400 points in 20 tracks, a snapshot in the kernel",
        "400 points in 20 tracks, a snapshot on the wire",
    ],
}
COSTS = ["reading a run of 40 nodes ", "listing 30 runs", "gc of 30 runs, deleting", "one durable commit of one row   "]
VERDICTS = ("  met", "  missed", "  met, goal missed")

Told = tuple[str, dict[str, Any]]


def _measured(folder: Path, *suites: str, python: str = "") -> Told:
    """What suites print at tiny sizes, and what they write as JSON. `python`: the interpreter for the peers."""
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), *suites, "--small", "--rounds", "1"]
    command += ["--folder", str(folder), "--json", str(folder / "told.json")]
    environment = {**os.environ, "AETHERGRAPH_KEY_FILE": str(folder / "key")}
    environment["AETHERGRAPH_BENCH_PYTHON"] = python
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((folder / "told.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """All budgets of one command line."""
    return _measured(tmp_path_factory.mktemp("benchmarks"), *BUDGETS)


def _lines(told: Told, begin: str) -> list[str]:
    return [line for line in told[0].splitlines() if line.startswith(begin)]


@pytest.mark.parametrize("budget", [budget for budgets in BUDGETS.values() for budget in budgets])
def test_each_budget_is_marked(told: Told, budget: str) -> None:
    lines = _lines(told, budget)
    assert len(lines) == 1, told[0]
    assert lines[0].endswith(VERDICTS)


@pytest.mark.parametrize("cost", COSTS)
def test_what_the_store_costs_is_told(told: Told, cost: str) -> None:
    assert len(_lines(told, cost)) == 1, told[0]


def test_several_suites_print_one_table_and_one_count(told: Told) -> None:
    assert len(_lines(told, "what  ")) == 1
    marked = [line for line in told[0].splitlines() if line.endswith(VERDICTS)]
    missed = [line for line in marked if line.endswith("  missed")]
    counts = f"{len(marked) - len(missed)} of {len(marked)} budgets met, {len(missed)} missed"
    assert counts in told[0].splitlines()
    assert len(_lines(told, "missed: ")) == len(missed)
    assert len(_lines(told, "load at the start ")) == 1


def test_what_is_not_measured_is_named(told: Told) -> None:
    assert "not measured here: 10,000 parked runs" in told[0]
    assert "not measured here: the live run view" in told[0]


def test_each_line_is_in_the_json_with_its_samples(told: Told) -> None:
    suites = told[1]["suites"]
    services = {"artifacts", "plotting", "remembering"}
    ran = {"engine", "waits", "storing", *services, "peer_speed", "peer_waits", "peer_space"}
    assert ran == set(suites)
    rows = [row for suite in suites.values() for row in suite["rows"]]
    assert all(row["samples"] and row["name"] in told[0] for row in rows)
    assert sum(1 for row in rows if row["verdict"]) >= sum(map(len, BUDGETS.values()))


def test_one_answer_wakes_one_run(told: Told) -> None:
    (woken,) = _lines(told, "others of 30 parked runs that this woke")
    assert woken.endswith(" met")


@pytest.mark.skipif(os.name == "nt", reason="the interpreter that has no packages is a shell script")
def test_peers_that_are_not_installed_are_told_and_left_out(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.write_text("#!/bin/sh\nexit 1\n")
    nothing.chmod(0o755)
    told = _measured(tmp_path, "peers", python=str(nothing))
    for peer in ("langgraph", "dbos"):
        assert f"not measured here: {peer}: not installed; pip install '.[bench]'" in told[0]
    sides = {row["name"].rpartition(", ")[2] for row in told[1]["suites"]["peer_speed"]["rows"]}
    assert {"ours", "plain"} <= sides and not {"langgraph", "dbos"} & sides


def test_peers_are_measured_beside_ours(tmp_path: Path) -> None:
    python = os.environ.get("AETHERGRAPH_BENCH_PYTHON", "")
    modules = "import langgraph.checkpoint.sqlite, dbos"
    if subprocess.run([python or sys.executable, "-c", modules], capture_output=True, check=False).returncode:
        pytest.skip("langgraph and dbos are not installed; AETHERGRAPH_BENCH_PYTHON may name an interpreter with them")
    told = _measured(tmp_path, "peers", python=python)
    for side in ("ours", "langgraph", "dbos"):
        for begin in ("chain of 10", "fan of 40", "nested, 10 graphs of one step"):
            assert len(_lines(told, f"{begin}, {side}  ")) == 1, told[0]
        assert len(_lines(told, f"30 runs that wait, {side}, ")) == 5
        assert len(_lines(told, f"new process, going on after 40 steps, {side}  ")) == 1
        assert len(_lines(told, f"disk, chain of 20, {side}  ")) == 1
    for begin in ("chain of 10, ours / langgraph", "chain of 10, ours / dbos", "fan of 40, ours / the fastest peer"):
        assert _lines(told, begin)[0].endswith(VERDICTS)


def test_a_peers_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "peers", "--small", "--folder", str(tmp_path)]
    environment = {**os.environ, "AETHERGRAPH_BENCH_PYTHON": str(tmp_path / "no-python")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60)
    assert done.returncode == 2 and "AETHERGRAPH_BENCH_PYTHON" in done.stderr and "no-python" in done.stderr


def test_the_exponent_of_growth_is_that_of_the_law_it_follows() -> None:
    code = "from storing import exponent; n = [100, 1_000, 10_000]; "
    code += "print([round(exponent(n, [7 * one ** b for one in n]), 6) for b in (0.5, 1, 2)])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "benchmarks"), str(ROOT)])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert done.stdout.strip() == "[0.5, 1.0, 2.0]", done.stderr


def test_an_unknown_suite_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "no-such-suite", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2 and "no-such-suite" in done.stderr
    assert not list(tmp_path.iterdir())
