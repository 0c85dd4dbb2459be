"""What kv and memory cost: small ones, and a memory of a million events."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import KIB, MS, US, Bench, Sizes, commit, sizes
from footprint import on_disk
from measure import Row, mark, take_marks

from aethergraph import NodeContext, Runtime, graph_fn, run
from aethergraph.services import event as events
from aethergraph.services.event import Event
from aethergraph.storage.store import Store

__all__ = ["NOT_MEASURED", "measure", "sizes"]

NOT_MEASURED: list[str] = []
HOME = "session::"
AT_ONCE = 5_000  # events in one transaction, while the memory is filled
VOCABULARY = 20_000  # words, used as in language: the second half as often as the first, the third a third as often
KINDS = ("chat", "tool_result", "observation", "note")
RECENT_MS, SEARCH_MS = 5.0, 50.0  # at most, at a million events


@graph_fn
async def keeping(times: int, *, context: NodeContext) -> None:
    kv, memory = context.kv(), context.memory()
    for number in range(times):
        for change in (
            kv.set("k", number), kv.get("k"), kv.incr("n"), kv.compare_and_set("c", number or None, number + 1),
            memory.record("note", {"n": number}, tags=["mine"], text="the loss went down"),
        ):  # fmt: skip
            mark()
            await change
            mark()


@graph_fn
async def recalling(times: int, kinds: list[str], having: list[str], *, context: NodeContext) -> None:
    memory = context.memory()
    for _ in range(times):
        await context.kv().incr("n")  # what was recorded before is on disk: a read waits for nothing else
        mark()
        await memory.recent(kinds or None, limit=50, tags=having)
        mark()


@graph_fn
async def searching(times: int, queries: list[str], *, context: NodeContext) -> None:
    memory = context.memory()
    for number in range(times):
        await context.kv().incr("n")
        mark()
        await memory.search(queries[number % len(queries)])
        mark()


def measure(folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> list[Row]:
    """All rows. `folder` must be empty, and on the disk that is meant."""
    runtime = Runtime(folder / "store")
    try:
        with runtime.use():
            tell("kv and memory: small ones")
            rows = _small(Bench(folder, runtime, sizes))
            tell(f"memory: {sizes.events:,} events are written")
            rows += _filled(folder / "store", runtime, sizes)
            tell(f"memory: {sizes.events:,} events are read and searched")
            return rows + _large(runtime, sizes)
    finally:
        runtime.close()


def _small(bench: Bench) -> list[Row]:
    names = ("kv.set", "kv.get", "kv.incr", "kv.compare_and_set", "memory.record")
    run(keeping, times=3)
    take_marks()
    run(keeping, times=bench.sizes.commits)
    took = _spans()
    rows = [Row("one durable commit of one row, beside kv", [commit(bench) * MS], "ms")]
    return rows + [Row(f"{name}, in a body", [one * MS for one in took[at :: len(names)]], "ms")
                   for at, name in enumerate(names)]  # fmt: skip


def _filled(folder: Path, runtime: Runtime, sizes: Sizes) -> list[Row]:
    before, began = on_disk(folder), time.perf_counter()
    fill(runtime.store, runtime, sizes.events)
    took = time.perf_counter() - began
    each = (on_disk(folder) - before) / sizes.events
    began = time.perf_counter()
    run(searching, times=1, queries=["absent"])
    indexed = time.perf_counter() - began
    take_marks()
    index = on_disk(folder / "index") / sizes.events
    what = f"{sizes.events:,} events"
    return [
        Row(f"{what}, written in groups, each", [took / sizes.events * US], "us"),
        Row(f"{what}, disk each", [each / KIB], "KiB"),
        Row(f"{what}, the first search makes the index, each", [indexed / sizes.events * US], "us"),
        Row(f"{what}, disk of the index each", [index / KIB], "KiB"),
    ]


def _large(runtime: Runtime, sizes: Sizes) -> list[Row]:
    what, times = f"of {sizes.events:,} events", sizes.waits
    asked = {
        "recent(limit=50)": partial(run, recalling, times=times, kinds=[], having=[]),
        "recent of one kind": partial(run, recalling, times=times, kinds=["observation"], having=[]),
        "recent of two kinds": partial(run, recalling, times=times, kinds=["chat", "note"], having=[]),
        "recent of a rare tag": partial(run, recalling, times=times, kinds=[], having=["rare"]),
        "search of a word": partial(run, searching, times=times, queries=_words(range(40, 60))),
        "search of a common word": partial(run, searching, times=times, queries=_words(range(5))),
        "search of two words": partial(run, searching, times=times, queries=_pairs(range(40, 60))),
        "search of a rare word": partial(run, searching, times=times, queries=_words(range(9_000, 9_020))),
    }
    rows = []
    for name, call in asked.items():
        call()
        must = RECENT_MS if name.startswith("recent") else SEARCH_MS
        rows.append(Row(f"{name} {what}", [one * MS for one in _spans()], "ms", must=must))
    return rows


def fill(store: Store, runtime: Runtime, count: int) -> None:
    """Write `count` events of a dozen words."""
    chance = random.Random(7)
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(VOCABULARY)))
    vocabulary = _words(range(VOCABULARY))
    for first in range(0, count, AT_ONCE):
        with store.transact() as rows:
            for number in range(first, min(first + AT_ONCE, count)):
                kind = KINDS[number % len(KINDS)]
                said = " ".join(chance.choices(vocabulary, cum_weights=weights, k=12))
                tags = ["rare"] if number % 10_000 == 0 else []
                name = {"chat": "user", "tool_result": "fit"}.get(kind, "")
                event = Event(f"{number:032x}", kind, 1e9 + number, {"n": number}, said, name, tags=tags)
                events.put(rows, HOME, events.make(event, runtime.codec))


def _words(ranks: range) -> list[str]:
    """Made-up words, told by how common they are."""
    syllables = ["ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu"]
    return ["".join(syllables[int(digit)] for digit in str(rank + 100)) for rank in ranks]


def _pairs(ranks: range) -> list[str]:
    found = _words(ranks)
    return [f"{one} {other}" for one, other in zip(found, found[1:], strict=False)]


def _spans() -> list[float]:
    """Seconds between each two marks."""
    marks = take_marks()
    return [end - began for began, end in zip(marks[::2], marks[1::2], strict=True)]
