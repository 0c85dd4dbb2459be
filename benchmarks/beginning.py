"""How long a run takes to begin and to end where it does nothing, in a notebook of few cells and in one of hundreds."""

from __future__ import annotations

import contextlib
import linecache
import statistics
import sys
import types
from collections.abc import Iterator
from typing import Any

from bench import MS, Bench
from measure import Row, ratios, seconds

from aethergraph import run

FEW, MANY = 5, 500

_IMPORTS = """
import asyncio, json, math
from collections import Counter, defaultdict
from dataclasses import dataclass
from aethergraph import graph_fn, tool
"""
_AGENT = """
@dataclass
class Point:
    x: int


@tool
def work(x: int) -> int:
    return math.floor(Point(x).x) + len(Counter([x])) + len(json.dumps(x))


@graph_fn
async def agent() -> int:
    if len(defaultdict(int)):
        await asyncio.gather(work(1), work(2))
    return 0
"""


def begin(bench: Bench) -> list[Row]:
    """A run that does nothing, after the cells of a morning and after those of a long day."""
    runs = 5  # the median of so many: the first after a cell was run looks at that
    samples = bench.interleave({cells: lambda cells=cells: _typical(cells, runs) for cells in (FEW, MANY)})
    name = f"a run that does nothing, in a notebook of {MANY} cells"
    return [
        Row(name, [MS * took for took in samples[MANY]], "ms"),
        Row(f"{name} / of {FEW}", ratios(samples[MANY], samples[FEW]), "x", must=2.0),
    ]


def _typical(cells: int, runs: int) -> float:
    with _notebook(cells) as agent:
        run(agent)
        return statistics.median(seconds(lambda: run(agent)) for _ in range(runs))


@contextlib.contextmanager
def _notebook(cells: int) -> Iterator[Any]:
    """An agent of a notebook of so many cells, as a kernel keeps them: texts in `linecache`, names in `__main__`."""
    others = [f"def helper_{n}(a):\n    return a + {n}\n" for n in range(cells - 2)]
    before, module = sys.modules["__main__"], types.ModuleType("__main__")
    sys.modules["__main__"] = module
    files = [f"/tmp/ipykernel_{cells}/{number}.py" for number in range(cells)]
    try:
        for file, text in zip(files, [_IMPORTS, *others, _AGENT], strict=True):
            linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
            exec(compile(text, file, "exec"), vars(module))
        yield vars(module)["agent"]
    finally:
        sys.modules["__main__"] = before
        for file in files:
            linecache.cache.pop(file, None)
