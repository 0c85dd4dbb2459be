"""One file with all rows, and values that bring no code with them: semantics 15 and 34."""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path

import pytest

from aethergraph import NodeContext, Runtime, graph_fn, tool
from aethergraph.errors import AetherGraphError, NotLoadable
from aethergraph.record import facts as f
from aethergraph.storage import journal
from aethergraph.storage.disk import DiskStore
from aethergraph.testing import Fragile, PowerCut

from .lab import LIMIT_S, Lab

RUN_ID = "keeper-1"
LONG = 100_000  # characters: far longer than what diskcache makes a file of, if it is let


@tool
async def note(x: int, *, context: NodeContext) -> int:
    await context.kv("user").set(f"n{x}", "x" * LONG)
    await context.memory("user").record("said", {"x": x})
    return x


@graph_fn
async def keeper() -> int:
    return (await note(1)).result + (await note(2)).result


def _live(folder: Path, fatal: int, *, after: bool) -> bool:
    """Run it until the power is cut (True) or to its end."""
    fragile = Fragile(DiskStore(folder, durability="process"), fatal, after=after)
    runtime = Runtime(fragile)
    try:
        with runtime.use():
            runtime.start(keeper, {}, run_id=RUN_ID).result(LIMIT_S)
        return False
    except (PowerCut, AetherGraphError):
        return True
    finally:
        with contextlib.suppress(PowerCut, AetherGraphError):
            runtime.close()


@pytest.mark.parametrize("after", [False, True])
def test_15_a_value_and_the_fact_that_it_was_set_are_in_one_transaction(tmp_path: Path, after: bool) -> None:
    """Whichever transaction is the last: there are as many values, and memories, as the journal has facts of them."""
    fatal, seen = 1, set[int]()
    while _live(folder := tmp_path / str(fatal), fatal, after=after):
        with contextlib.closing(DiskStore(folder)) as store:
            facts = [fact for batch in journal.read(store, RUN_ID) for fact in batch if isinstance(fact, f.Effect)]
            for name, prefix in (("kv.set", "kv:"), ("memory.record", "m:user::e:")):
                said = sum(fact.name == name for fact in facts)
                assert said == len(list(store.scan(prefix))), f"{name}, cut at transaction {fatal}"
                seen.add(said)
        fatal += 1
    assert seen >= {0, 1}
    assert {file.suffix for file in folder.rglob("*") if file.is_file()} <= {".db", ".db-wal", ".db-shm", ".json", ""}


def test_34_a_value_of_a_class_that_is_not_loaded_is_refused_and_nothing_is_imported_for_it(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though an import would find it."""
    (tmp_path / "made_up_here.py").write_text(
        "from dataclasses import dataclass\n\n@dataclass\nclass Point:\n    x: int\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    point = importlib.import_module("made_up_here").Point

    @graph_fn
    async def agent() -> object:
        return point(3)

    run = lab.start(agent)
    assert run.result(LIMIT_S)["result"].x == 3
    monkeypatch.delitem(sys.modules, "made_up_here")
    lab.kill()
    with pytest.raises(NotLoadable, match="made_up_here"):
        _ = lab.runtime.load(run.run_id).outputs["result"]
    assert "made_up_here" not in sys.modules
