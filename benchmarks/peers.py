"""Durable peers beside ours: LangGraph with its SQLite saver and DBOS on SQLite, each fully durable, in one run.

Each peer runs in a process of its own, since its packages are no part of this project: `pip install '.[bench]'`, or
name an interpreter that has them in AETHERGRAPH_BENCH_PYTHON. A peer that is not installed is told, and left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import agents
from bench import US, Sizes, sizes
from measure import Row, interleave, ratios, seconds

from aethergraph import Runtime, run

__all__ = ["NOT_MEASURED", "measure", "sizes"]

NOT_MEASURED: list[str] = []
PEERS = {"langgraph": ("langgraph", "langgraph.checkpoint.sqlite"), "dbos": ("dbos",)}
ROUNDS = 3  # at most: a fan of DBOS takes many seconds
HERE = Path(__file__).parent

Sample = dict[str, float]  # seconds a node, by "chain" and "fan"


def measure(folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> list[Row]:
    """Chains and fans, interleaved round by round, with the ratios that the budget names."""
    steps, width = sizes.durable_chain, min(1_000, sizes.largest)
    python = os.environ.get("AETHERGRAPH_BENCH_PYTHON") or sys.executable
    there = [name for name in PEERS if _installed(python, PEERS[name])]
    NOT_MEASURED[:] = [f"{name}: not installed; pip install '.[bench]'" for name in PEERS if name not in there]
    samples: dict[str, list[Sample]] = {name: [] for name in ("ours", *there)}
    runtime = Runtime(folder / "store")
    try:
        with runtime.use():
            parts = {name: partial(_peer, python, name, folder, steps, width) for name in there}
            parts["ours"] = partial(_ours, steps, width)
            tell(", ".join(parts))
            kept = {name: _keeping(samples[name], part) for name, part in parts.items()}
            interleave(kept, min(ROUNDS, sizes.rounds))
    finally:
        runtime.close()
    return [*_rows("chain", steps, samples), *_rows("fan", width, samples)]


def _keeping(kept: list[Sample], part: Callable[[], Sample]) -> Callable[[], float]:
    def call() -> float:
        kept.append(part())
        return 0.0

    return call


def _ours(steps: int, width: int) -> Sample:
    """The second time counts, as with the peers."""
    run(agents.chain, n=steps), run(agents.fan, n=width)
    chain = seconds(lambda: run(agents.chain, n=steps)) / steps
    return {"chain": chain, "fan": seconds(lambda: run(agents.fan, n=width)) / width}


def _peer(python: str, name: str, folder: Path, steps: int, width: int) -> Sample:
    with tempfile.TemporaryDirectory(dir=folder) as own:
        command = [python, str(HERE / f"peer_{name}.py"), own, str(steps), str(width), "1"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {what: values[0] for what, values in json.loads(done.stdout.splitlines()[-1]).items()}


def _installed(python: str, modules: tuple[str, ...]) -> bool:
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    return subprocess.run([python, "-c", code, *modules], capture_output=True, check=False).returncode == 0


def _rows(what: str, n: int, samples: dict[str, list[Sample]]) -> list[Row]:
    each = {name: [sample[what] for sample in found] for name, found in samples.items()}
    rows = [Row(f"{what} of {n:,}, {name}", [US * s for s in values], "us a node") for name, values in each.items()]
    ours, peers = each["ours"], {name: values for name, values in each.items() if name != "ours"}
    if what == "fan" and peers:
        fastest = [min(values) for values in zip(*peers.values(), strict=True)]
        rows.append(Row(f"{what} of {n:,}, ours / the fastest peer", ratios(ours, fastest), "x", must=1 / 20))
    for name, must in (("langgraph", 1 / 3), ("dbos", 1 / 8)) if what == "chain" else ():
        if name in peers:
            rows.append(Row(f"{what} of {n:,}, ours / {name}", ratios(ours, peers[name]), "x", must=must))
    return rows
