"""The sides of a comparison, each asked in a process of its own: this project, plain asyncio, and durable peers.

The peers' packages are no part of this project: `pip install '.[bench]'`, or name an interpreter that has them in
AETHERGRAPH_BENCH_PYTHON. A peer that is not installed is told, and left out.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench import Sizes
from measure import interleave

HERE = Path(__file__).parent
PYTHON = "AETHERGRAPH_BENCH_PYTHON"
PEERS = {"langgraph": ("langgraph", "langgraph.checkpoint.sqlite"), "dbos": ("dbos",)}  # and what each imports
ROUNDS = 3  # at most: a fan of DBOS takes many seconds
LIMIT_S = 60.0  # a side that needs longer is given fewer steps or waits, and its line says how many

Found = dict[str, Any]


class SideFailed(Exception):
    """A side ended with an error. Holds what it printed there."""

    def __init__(self, side: str, task: str, printed: str) -> None:
        super().__init__(f"{side} could not do {task!r}; it printed: {printed.strip()[-2_000:]}")


@dataclass(frozen=True, slots=True)
class Sides:
    """Those that are there. `folder`: where each task of each side gets one of its own."""

    folder: Path
    sizes: Sizes
    names: list[str] = field(default_factory=lambda: ["ours", *(name for name in PEERS if installed(name))])

    @property
    def absent(self) -> list[str]:
        """A sentence about each peer that is left out."""
        return [f"{name}: not installed; pip install '.[bench]'" for name in PEERS if name not in self.names]

    def interleave(self, task: str, plain: bool = False, **given: Any) -> dict[str, list[Found]]:
        """What each side found in each round; with `plain`, asyncio too."""
        found: dict[str, list[Found]] = {name: [] for name in [*self.names, *(["plain"] if plain else [])]}
        parts = {name: partial(self._keep, found[name], name, task, given) for name in found}
        interleave(parts, min(ROUNDS, self.sizes.rounds))
        return found

    def _keep(self, kept: list[Found], name: str, task: str, given: Found) -> float:
        with self.place() as folder:
            kept.append(ask(name, task, folder, **given))
        return 0.0

    def place(self) -> tempfile.TemporaryDirectory[str]:
        """An empty folder."""
        return tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True)

    def each(self, call: Callable[[str, str], None]) -> None:
        """Call with each side's name and an empty folder, one after the other."""
        for name in self.names:
            with self.place() as folder:
                call(name, folder)


def ask(side: str, task: str, folder: str, **given: Any) -> Found:
    """What `task` of `side` found.

    Raises:
        SideFailed: it ended with an error.
    """
    python = _peers_python() if side in PEERS else sys.executable
    environment = dict(os.environ) if side in PEERS else {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [python, str(HERE / f"side_{side}.py"), task, folder, json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode or not done.stdout.strip():
        raise SideFailed(side, task, done.stderr or done.stdout)
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


@functools.cache
def installed(peer: str) -> bool:
    """Whether the interpreter for the peers has this one."""
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    return subprocess.run([_peers_python(), "-c", code, *PEERS[peer]], capture_output=True, check=False).returncode == 0


def check() -> None:
    """See that the interpreter for the peers can be run.

    Raises:
        ValueError: the environment names one that is not there.
    """
    if shutil.which(_peers_python()) is None:
        raise ValueError(
            f"{PYTHON} names {_peers_python()!r}, which is no program; give the path of a Python with them"
        )


def _peers_python() -> str:
    return os.environ.get(PYTHON) or sys.executable
