"""The proof that an exported module does what the notebook did: it runs in a new process, and all is compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ExportError
from ..lifecycle.running import Run
from ..record.status import RunStatus
from .rerunning import MARK

SECONDS = 600.0
TOLD = 4000  # characters of what the process said


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. run, module: the node or output there. differs: where they differ, in words; "" where equal."""

    run: str
    module: str
    differs: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of it: a row for each output and node. `equal` says whether all are the same; prints as a table."""

    run_id: str
    module: Path
    rows: tuple[Row, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not any(row.differs for row in self.rows)

    def check(self) -> None:
        """Raises ExportError: something differs; with the whole table."""
        if not self.equal:
            raise ExportError(f"{self.module.name} does not do what run {self.run_id} did\n{self}")

    def __str__(self) -> str:
        head = Row(f"run {self.run_id}", self.module.name, "")
        widths = [max(len(getattr(row, name)) for row in (head, *self.rows)) for name in ("run", "module")]
        lines = [
            f"{row.run:<{widths[0]}}  {row.module:<{widths[1]}}  {'equal' if not row.differs else row.differs}"
            for row in self.rows
        ]
        unequal = sum(bool(row.differs) for row in self.rows)
        told = f"all {len(self.rows)} equal" if not unequal else f"{unequal} of {len(self.rows)} differ"
        return "\n".join([f"{head.run:<{widths[0]}}  {head.module}", *lines, told])


def verify(path: Path, name: str, run: Run, *, timeout_s: float = SECONDS) -> Proof:
    """Run the agent `name` of the module at `path` in a new process, as `run` ran, and compare all that it gave.

    It gets that run's inputs, recorded answers and times. Nothing is written to the store of the run.

    Raises:
        ExportError: the run has not ended well, or the module does not run to its end; says what it printed.
    """
    (proof,) = verify_all([(path, name, run)], timeout_s=timeout_s)
    if isinstance(proof, ExportError):
        raise proof
    return proof


def verify_all(orders: Sequence[tuple[Path, str, Run]], *, timeout_s: float = SECONDS) -> list[Proof | ExportError]:
    """As `verify`, for several modules in one process; an error where `verify` would raise it."""
    for _, _, run in orders:
        if run.status is not RunStatus.DONE:
            raise ExportError(f"run {run.run_id} is {run.status.value}: a module is compared with a run that is done")
    package = str(Path(__file__).parents[2])
    known = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-m", "aethergraph.exporting.rerunning"],
        input="".join(json.dumps(_order(*order)) + "\n" for order in orders),
        capture_output=True, text=True, encoding="utf-8", timeout=timeout_s, check=False,
        env={**os.environ, "PYTHONPATH": known, "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "agg"},
    )  # fmt: skip
    lines = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
    reports = [json.loads(line) for line in lines]
    reports += [{"error": done.stderr}] * (len(orders) - len(reports))
    return [_proof(path, run, report) for (path, _, run), report in zip(orders, reports, strict=True)]


def _order(path: Path, name: str, run: Run) -> dict[str, object]:
    return {
        "module": str(path.resolve()), "name": name, "store": str(run.runtime.store.folder), "run": run.run_id,
        "here": os.getcwd(), "path": [entry for entry in sys.path if entry],
    }  # fmt: skip


def _proof(path: Path, run: Run, report: dict[str, Any]) -> Proof | ExportError:
    if "error" in report:
        told = str(report["error"]).strip()[-TOLD:]
        return ExportError(f"the module {path.name} did not run as {run.run_id} did; its process said:\n{told}")
    return Proof(run.run_id, path, tuple(Row(*row) for row in report["rows"]))
