"""The engine against its speed budget: what a durable node, a resume, a wait, an import and a saved file cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from beginning import begin
from bench import Bench, Sizes, sizes
from footprint import artifact, imports
from measure import Row
from nodes import durable_chain, durable_fan, pure_chain, pure_fan, static_graphs
from recovery import replay, wait
from viewing import view

from aethergraph import Runtime

__all__ = ["NOT_MEASURED", "measure", "sizes"]

NOT_MEASURED = [
    "10,000 parked runs: suite `waits`",
    "disk and memory of a node, growth: suite `store`",
    "the live run view in a browser: suite `view`",
]


ROWS = (
    pure_chain,
    pure_fan,
    durable_fan,
    durable_chain,
    static_graphs,
    replay,
    wait,
    begin,
    artifact,
    view,
    imports,
)


def measure(folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> list[Row]:
    """All rows. `folder` must be empty, and on the disk that is meant."""
    runtime = Runtime(folder / "store")
    try:
        with runtime.use():
            bench = Bench(folder, runtime, sizes)
            rows: list[Row] = []
            for row in ROWS:
                tell(row.__name__)
                rows += row(bench)
            return rows
    finally:
        runtime.close()
