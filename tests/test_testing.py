"""The helpers for tests keep their promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from aethergraph.testing import FakeClock, Fragile, PowerCut, ScriptedChannel
from tests.services.fake_desk import room


def write(store: Fragile, key: str) -> None:
    with store.transact() as transaction:
        transaction.set(key, b"x")


def test_a_clock_stands_until_it_is_told() -> None:
    clock = FakeClock(5.0)
    assert clock.now() == clock.now() == 5.0
    clock.advance(2.5)
    assert clock.now() == 7.5
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


@pytest.mark.parametrize(("after", "kept"), [(False, [b"x", None, None]), (True, [b"x", b"x", None])])
def test_a_fragile_store_dies_before_or_after_its_commit(tmp_path: Path, after: bool, kept: list[bytes | None]) -> None:
    store = Fragile(room(tmp_path).store, 2, after=after)
    write(store, "1")
    with pytest.raises(PowerCut, match="transaction 2"):
        write(store, "2")
    with pytest.raises(PowerCut):
        write(store, "3")
    assert [store.get(key) for key in "123"] == kept
    assert (store.count, store.dead) == (2, True)
    assert len(list(store.scan(""))) == sum(one is not None for one in kept)


def test_a_transaction_that_fails_by_itself_counts_but_is_not_the_cut(tmp_path: Path) -> None:
    store = Fragile(room(tmp_path).store, 3)
    with pytest.raises(KeyError), store.transact():
        raise KeyError("mine")
    write(store, "1")
    assert (store.count, store.dead, store.folder) == (2, False, tmp_path)
    assert store.blobs.get(store.blobs.put(b"content")) == b"content"
    store.close()


def test_scripted_channel_is_here_too() -> None:
    with ScriptedChannel(["x"]) as channel:
        assert channel.sent == []
