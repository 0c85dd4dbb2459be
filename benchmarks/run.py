#!/usr/bin/env python3
"""Measure: `python benchmarks/run.py engine`. Prints a table that marks each budget met or missed.

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

from measure import machine, table

SUITES = {
    "engine": "engine",
    "peers": "peers",
    "waits": "waits",
    "view": "drawing",
}  # by module: drawing needs a browser


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
    told, missed = {}, 0
    for name in given.suites:
        told[name], more = _measure(name, given)
        missed += more
    if given.json is not None:
        given.json.write_text(json.dumps({"machine": machine(), "suites": told}, indent=1) + "\n", encoding="utf-8")
    return 1 if given.strict and missed else 0


def _measure(name: str, given: argparse.Namespace) -> tuple[dict[str, object], int]:
    """Measure one suite and print it; its lines as plain data, and how many budgets were missed."""
    suite = importlib.import_module(SUITES[name])
    sizes = suite.sizes(small=given.small, rounds=given.rounds)
    print(f"{name}: " + ", ".join(f"{what} {value}" for what, value in machine().items()), flush=True)
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="benchmark-") as folder:
        rows = suite.measure(
            Path(folder), sizes, lambda row: print(f"measuring {row} ...", file=sys.stderr, flush=True)
        )
    print(table(rows))
    budgets = [row for row in rows if row.verdict]
    missed = [row for row in budgets if row.verdict == "missed"]
    print(f"\n{len(budgets) - len(missed)} of {len(budgets)} budgets met, {len(missed)} missed")
    for what in suite.NOT_MEASURED:
        print(f"not measured here: {what}")
    return {"rows": [row.to_dict() for row in rows], "not_measured": suite.NOT_MEASURED}, len(missed)


if __name__ == "__main__":
    sys.exit(main())
