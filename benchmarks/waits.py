"""What waiting costs: one wait from asking to going on, and ten thousand runs that wait and are parked."""

from __future__ import annotations

import gc
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import agents
import psutil
from bench import KIB, MS, Bench, Sizes, commit, sizes
from footprint import on_disk
from measure import Row

from aethergraph import Runtime
from aethergraph.scheduler.watchdog import EVERY_S

__all__ = ["NOT_MEASURED", "measure", "sizes"]

NOT_MEASURED: list[str] = []

_ANSWERER = """
import json, sys, time
began = time.perf_counter()
from aethergraph import Runtime
opened = time.perf_counter()
runtime = Runtime(sys.argv[1])
runtime.answer(sys.argv[2], "yes")
print(json.dumps([opened - began, time.perf_counter() - opened, time.time()]))
runtime.close()
"""

_HEIR = """
import json, sys, time
import aethergraph.runner, agents
from aethergraph import Runtime
began = time.perf_counter()
runtime = Runtime(sys.argv[1])
opened = time.perf_counter()
run = runtime.resume(sys.argv[2])
while not run.execution.only_waits:
    time.sleep(0.0002)
print(json.dumps([opened - began, time.perf_counter() - opened]))
runtime.close()
"""

_COMPILES = """
import ctypes, aethergraph.runner, aethergraph.services.channel, aethergraph.storage.disk, agents
print([])
"""


def measure(folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> list[Row]:
    """All rows. `folder` must be empty, and on the disk that is meant."""
    runtime = Runtime(folder / "store", park_after_s=0.0)
    try:
        with runtime.use():
            count_parked(runtime)
            tell("one wait")
            rows = _one(Bench(folder, runtime, sizes))
            tell(f"{sizes.parked:,} parked runs")
            return rows + _many(folder / "store", runtime, sizes)
    finally:
        runtime.close()


# ------------------------------------------------------------------ one


def _one(bench: Bench) -> list[Row]:
    """A run that asks, leaves memory, is answered, comes back and ends; against one that does nothing."""
    samples = bench.interleave(
        {
            "commit": lambda: commit(bench),
            "asked": lambda: _typical(bench.sizes.waits, partial(_asked, bench.runtime)),
            "empty": lambda: _typical(bench.sizes.waits, partial(bench.runtime.run, agents.nothing, {})),
        }
    )
    each = [asked - empty for asked, empty in zip(samples["asked"], samples["empty"], strict=True)]
    beyond = [MS * (one - 2 * commit) for one, commit in zip(each, samples["commit"], strict=True)]
    return [
        Row("open, park, answer, wake and finish one wait", [MS * s for s in each], "ms"),
        Row("open, park, answer, wake and finish, beyond two commits", beyond, "ms", must=1.0),
    ]


def _typical(n: int, call: Callable[[], object]) -> float:
    """The median of the seconds that n calls take: one takes long where another process has the disk or the core.

    Garbage is collected once before all: a look at all that there is before each call of a millisecond or two would
    measure how long it takes to fetch the rest into the caches again.
    """
    gc.collect()
    gc.freeze()
    try:
        return statistics.median([_took(call) for _ in range(n)])
    finally:
        gc.unfreeze()


def _took(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _asked(runtime: Runtime) -> None:
    run = runtime.start(agents.waiting, {"n": 0})
    _parked.acquire()
    run.answer("yes")
    run.result(60.0)


_parked = threading.Semaphore(0)  # counts the runs that left memory


def count_parked(runtime: Runtime) -> None:
    """Let `parked` know of each run that leaves memory."""
    left = runtime.parking.left

    def counted(*run: Any) -> None:
        left(*run)
        _parked.release()

    runtime.parking.left = counted  # type: ignore[method-assign]


# ------------------------------------------------------------------ many


def _many(store: Path, runtime: Runtime, sizes: Sizes) -> list[Row]:
    n = sizes.parked
    parked(runtime, n // 10)  # what is made once and kept does not count
    before = _weight(store)
    ids = parked(runtime, n)
    traced, rss, disk = (new - old for new, old in zip(_weight(store), before, strict=True))
    tracemalloc.stop()
    share, switches = _idle(sizes.idle_s)
    warm = [answered(runtime, run_id) for run_id in ids[: sizes.waits]]
    _in_new_process(_COMPILES, store)
    imported, answering, heard = _answer_elsewhere(runtime, store, ids[sizes.waits])
    others = len(runtime.parking)
    runtime.close()
    resumed = [_taken_up(store, run_id) for run_id in ids[-sizes.rounds :]]
    name = f"{n:,} parked runs"
    return [
        Row(f"{name}, memory each", [traced / n / KIB], "KiB", must=1.0),
        Row(f"{name}, memory of the process each", [rss / n / KIB], "KiB"),
        Row(f"{name}, disk each", [disk / n / KIB], "KiB", must=1.0),
        Row(f"{name}, processor over {sizes.idle_s:g} s", [100 * share], "%", must=0.05),
        Row(f"{name}, wake-ups of our threads over {sizes.idle_s:g} s", [switches], "", must=0.0),
        Row(f"one of {name}, answered here and done", [MS * s for s in warm], "ms"),
        Row(f"one of {name}, answered in a new process, import", [MS * imported], "ms"),
        Row(f"one of {name}, answered in a new process, open and answer", [MS * answering], "ms"),
        Row(f"one of {name}, answered in a new process, done here after", [MS * heard], "ms"),
        Row(f"others of {name} that this woke", [n + n // 10 - sizes.waits - 1 - others], "", must=0.0),
        Row(f"one of {name}, resumed in a new process, live", [MS * sum(each) for each in resumed], "ms", must=20.0),
        Row(f"one of {name}, resumed in a new process, of that opening", [MS * each[0] for each in resumed], "ms"),
    ]


def parked(runtime: Runtime, n: int) -> list[str]:
    """Start n runs and let them leave memory; nobody holds them. A hundred at once are in memory."""
    ids = []
    for number in range(n):
        ids.append(runtime.start(agents.waiting, {"n": number}).run_id)
        if number >= 100:
            _parked.acquire()
    for _ in range(min(n, 100)):
        _parked.acquire()
    agents.waiting.last_run = None
    return ids


def _weight(store: Path) -> tuple[float, float, float]:
    """Bytes that Python holds, bytes of the process, bytes of the store."""
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    gc.collect()
    return tracemalloc.get_traced_memory()[0], psutil.Process().memory_info().rss, on_disk(store)


def _idle(for_s: float) -> tuple[float, float]:
    """Share of a processor that this process takes while nothing happens; how often threads of ours woke up."""
    time.sleep(0.5 + EVERY_S)  # what was begun comes to rest; the watchdog looks once more
    used, woken = _used_s(), _switches()
    time.sleep(for_s)
    return (_used_s() - used) / for_s, _switches() - woken


def _used_s() -> float:
    used = psutil.Process().cpu_times()
    return float(used.user + used.system)


def _switches() -> float:
    """Voluntary context switches so far of the threads other than this one; 0 where the system does not tell them."""
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        return 0.0
    found = [
        re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.MULTILINE)
        for task in tasks.iterdir()
        if task.name != str(os.getpid())
    ]
    return float(sum(int(each[1]) for each in found if each is not None))


def answered(runtime: Runtime, run_id: str) -> float:
    """Seconds from the answer to a run of this process that waits until it is done."""
    run = runtime.load(run_id)
    (wait,) = run.waits
    began = time.perf_counter()
    runtime.answer(wait.token, "yes")
    run.result(60.0)
    return time.perf_counter() - began


def _answer_elsewhere(runtime: Runtime, store: Path, run_id: str) -> tuple[float, float, float]:
    """Seconds for the import there, for opening and answering there, and from then until the run is done here."""
    run = runtime.load(run_id)
    done: list[float] = []
    run.future.add_done_callback(lambda _: done.append(time.time()))
    imported, answering, at = _in_new_process(_ANSWERER, store, run.waits[0].token)
    run.result(60.0)
    return imported, answering, max(0.0, done[0] - at)


def _taken_up(store: Path, run_id: str) -> tuple[float, float]:
    """Seconds for opening the store in a new process, and from there until the run waits again."""
    opened, live = _in_new_process(_HEIR, store, run_id)
    return opened, live


def _in_new_process(code: str, store: Path, *arguments: Any) -> list[float]:
    """What the code prints in a new process, which finds its modules compiled, as installed ones are."""
    compiled = str(store.parent / "compiled")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONPYCACHEPREFIX": compiled}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", code, *map(str, (store, *arguments))]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return [float(each) for each in json.loads(done.stdout)]
