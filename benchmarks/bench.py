"""What all rows share: how much is measured, and the store to measure in."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from measure import interleave, seconds

from aethergraph import Runtime

KIB, MIB = 1 << 10, 1 << 20
US, MS = 1e6, 1e3  # in a second

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. chains: nodes of chains and fans, rising; file: bytes of the artifact.

    parked: runs that wait at once; idle_s: for how long they are watched, in seconds.
    growth: nodes of the runs whose costs are fitted on a line; runs: how many are listed and deleted.
    events: of the memory that is read and searched.
    """

    rounds: int = 7
    chains: tuple[int, ...] = (100, 1_000, 10_000)
    durable_chain: int = 200
    commits: int = 100
    waits: int = 50
    imports: int = 9
    file: int = 16 * MIB
    parked: int = 10_000
    idle_s: float = 5.0
    growth: tuple[int, ...] = (100, 316, 1_000, 3_162, 10_000)
    runs: int = 10_000
    events: int = 1_000_000

    @property
    def largest(self) -> int:
        """The longest chain."""
        return self.chains[-1]


_SMALL = Sizes(
    rounds=2, chains=(10, 20, 40), durable_chain=10, commits=5, waits=3, imports=1, file=64 * KIB, parked=30,
    idle_s=0.2, growth=(30, 60, 120), runs=30, events=3_000,
)  # fmt: skip


def sizes(*, small: bool = False, rounds: int | None = None) -> Sizes:
    """What is measured; with `small` only enough to see that it works."""
    chosen = _SMALL if small else Sizes()
    return chosen if rounds is None else replace(chosen, rounds=rounds)


@dataclass(frozen=True, slots=True)
class Bench:
    """A store to measure in."""

    folder: Path
    runtime: Runtime
    sizes: Sizes

    def interleave(self, parts: dict[Any, Callable[[], float]]) -> dict[Any, list[float]]:
        """Each part in each round; one more round before them, which does not count."""
        interleave(parts, 1)
        return interleave(parts, self.sizes.rounds)


def commit(bench: Bench) -> float:
    """Seconds for one transaction of one new row, as long as the facts of one node, into the same store."""
    store, row = bench.runtime.store, os.urandom(160)

    def write() -> None:
        for _ in range(bench.sizes.commits):
            with store.transact() as rows:
                rows.set(f"benchmark:{next(_numbers):09d}", row)

    return seconds(write) / bench.sizes.commits
