"""Reading along with a run that another process runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aethergraph import NodeContext, Run, Runtime, graph_fn, tool
from aethergraph.lifecycle import bells
from aethergraph.record import facts as f
from aethergraph.storage import doorbell, journal
from aethergraph.storage.disk import DiskStore

from .lab import LIMIT_S


@tool(outputs=["n"])
async def step(n: int) -> int:
    return n + 1


@graph_fn
async def patient(*, context: NodeContext) -> Any:
    n = (await step(0)).n
    await context.channel("inbox").ask_text("One?")
    n = (await step(n)).n
    await context.channel("inbox").ask_text("Two?")
    return n


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Runtime, Runtime]]:
    """Two owners on one store, as two processes would be."""
    first, second = (Runtime(DiskStore(tmp_path / "disk", durability="process")) for _ in range(2))
    yield first, second
    first.close()
    second.close()


async def _until_asked(events: Any, seen: list[f.AnyFact]) -> str:
    async for fact in events:
        seen.append(fact)
        if isinstance(fact, f.WaitOpened):
            return fact.token
    raise AssertionError(f"it ended: {seen}")


def test_events_of_a_run_elsewhere_come_as_they_are_committed_and_end_with_it(two: tuple[Runtime, Runtime]) -> None:
    first, second = two
    run = first.start(patient, {})

    async def follow() -> list[f.AnyFact]:
        seen: list[f.AnyFact] = []
        events = second.load(run.run_id).events()
        for answer in ("a", "b"):
            second.answer(await _until_asked(events, seen), answer)
        async for fact in events:
            seen.append(fact)
        return seen

    seen = asyncio.run(asyncio.wait_for(follow(), LIMIT_S))
    run.result(LIMIT_S)
    assert seen == [fact for fact in _on_disk(run)]
    assert isinstance(seen[-1], f.RunDone)


def test_who_follows_is_told_by_the_owner_and_asks_the_database_no_more_than_that(
    two: tuple[Runtime, Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two
    monkeypatch.setattr(bells, "ALIVE_S", 3600.0)  # so that nothing but a bell can wake it
    run = first.start(patient, {})
    reads: list[str] = []
    real = second.store.scan
    monkeypatch.setattr(second.store, "scan", lambda prefix, **how: (reads.append(prefix), real(prefix, **how))[1])

    async def follow() -> None:
        seen: list[f.AnyFact] = []
        events = second.load(run.run_id).events()
        for answer in ("a", "b"):
            second.answer(await _until_asked(events, seen), answer)
        async for _ in events:
            pass

    asyncio.run(asyncio.wait_for(follow(), LIMIT_S))
    batches = len({fact.t for fact in _on_disk(run) if hasattr(fact, "t")})
    assert len([prefix for prefix in reads if prefix.startswith("j:")]) <= 3 * batches


def test_what_a_follower_put_into_the_store_is_gone_when_it_leaves(two: tuple[Runtime, Runtime]) -> None:
    first, second = two
    run = first.start(patient, {})
    folder = first.store.folder / bells.FOLDER

    async def leave() -> None:
        events = second.load(run.run_id).events()
        token = await _until_asked(events, [])
        assert len(list(folder.iterdir())) == 1
        await events.aclose()
        second.answer(token, "a")

    asyncio.run(asyncio.wait_for(leave(), LIMIT_S))
    assert list(folder.iterdir()) == []
    run.pause()


def test_events_of_a_run_that_nobody_runs_end_after_what_is_there(two: tuple[Runtime, Runtime]) -> None:
    first, second = two
    run = first.start(patient, {})
    asyncio.run(_until_asked(run.events(), []))
    run.pause()
    with pytest.raises(Exception, match="is paused"):
        run.result(LIMIT_S)

    async def all_() -> list[f.AnyFact]:
        return [fact async for fact in second.load(run.run_id).events()]

    seen = asyncio.run(asyncio.wait_for(all_(), LIMIT_S))
    assert isinstance(seen[-1], f.RunPaused) and seen == _on_disk(run)


def _on_disk(run: Run) -> list[f.AnyFact]:
    return [fact for batch in journal.read(run.runtime.store, run.run_id) for fact in batch]


def test_a_bell_that_is_being_taken_down_is_not_put_up_again(two: tuple[Runtime, Runtime]) -> None:
    first, _ = two
    run = first.start(patient, {})
    place = first.store.folder / bells.FOLDER / f"{run.run_id}.1"
    place.mkdir(parents=True)
    doorbell.file(place).touch()

    async def answer() -> None:
        events = run.events()
        token = await _until_asked(events, [])
        others = bells.Bells(first.store, first.journal)
        others.look(lambda run_id: run_id == run.run_id)
        doorbell.file(place).unlink()  # its folder follows in a moment
        first.answer(token, "a")
        await _until_asked(events, [])

    asyncio.run(asyncio.wait_for(answer(), LIMIT_S))
    assert list(place.iterdir()) == []
    run.pause()
