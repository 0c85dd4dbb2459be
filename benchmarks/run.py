#!/usr/bin/env python3
"""Measure: `python benchmarks/run.py engine waits store`. Prints one table that marks each budget met or missed.

Each of the three also measures LangGraph and DBOS beside this project, where an interpreter has them: this one after
`pip install '.[bench]'`, or the one that AETHERGRAPH_BENCH_PYTHON names. `peers` is those comparisons alone.
Missing a budget is no failure of the program: it ends with 0 unless `--strict` is given.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))  # this clone, whatever is installed

import peers
from measure import Row, machine, table

SUITES = {  # the modules of each; a module that two of the named suites share is measured once
    "engine": ("engine", "peer_speed"),
    "waits": ("waits", "peer_waits"),
    "store": ("storing", "peer_space"),
    "services": ("remembering", "artifacts", "plotting"),
    "memory": ("remembering",),
    "peers": ("peer_speed", "peer_space", "peer_waits"),
    "view": ("drawing",),  # needs a browser
}


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="+", choices=sorted(SUITES), help="what to measure")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there, too")
    parser.add_argument("--folder", type=Path, help="measure on this disk; a temporary folder is made in it")
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument("--small", action="store_true", help="tiny sizes: shows that it works, measures nothing")
    parser.add_argument("--strict", action="store_true", help="end with 1 where a budget was missed")
    given = parser.parse_args(arguments)
    try:
        peers.check()
    except ValueError as wrong:
        parser.error(str(wrong))
    before = machine()
    print(f"{' '.join(given.suites)}: " + ", ".join(f"{what} {value}" for what, value in before.items()), flush=True)
    told: dict[str, tuple[list[Row], list[str]]] = {}
    for name in dict.fromkeys(module for suite in given.suites for module in SUITES[suite]):
        told[name] = _measure(name, given)
    after = machine()
    rows = [row for found, _ in told.values() for row in found]
    _tell(rows, [what for _, left_out in told.values() for what in left_out])
    print(f"load at the start {before['load']}, at the end {after['load']}")
    if given.json is not None:
        suites = {
            name: {"rows": [row.to_dict() for row in found], "not_measured": left_out}
            for name, (found, left_out) in told.items()
        }
        written = {"machine": before, "load at the end": after["load"], "suites": suites}
        given.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return 1 if given.strict and any(row.verdict == "missed" for row in rows) else 0


def _measure(name: str, given: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """The lines of one module, and what it could not measure."""
    module = importlib.import_module(name)
    sizes = module.sizes(small=given.small, rounds=given.rounds)
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="benchmark-") as folder:
        rows = module.measure(
            Path(folder), sizes, lambda row: print(f"measuring {row} ...", file=sys.stderr, flush=True)
        )
    return rows, list(module.NOT_MEASURED)


def _tell(rows: list[Row], left_out: list[str]) -> None:
    print(table(rows))
    budgets = [row for row in rows if row.verdict]
    missed = [row for row in budgets if row.verdict == "missed"]
    print(f"\n{len(budgets) - len(missed)} of {len(budgets)} budgets met, {len(missed)} missed")
    for row in missed:
        print(f"missed: {row.name}")
    for what in dict.fromkeys(left_out):
        print(f"not measured here: {what}")


if __name__ == "__main__":
    sys.exit(main())
