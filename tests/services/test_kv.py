"""The key-value service: a durable dict that tells the truth to a replay. Semantics 7, 15 and 16."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aethergraph.context import NodeContext
from aethergraph.errors import DamagedRecord, NotStorable
from aethergraph.services.kv import KV
from aethergraph.testing import FakeClock
from tests.services.fake_desk import FakeDesk, Room, loop_thread


def kv(place: Room, desk: FakeDesk | None = None, level: str = "session") -> KV:
    return place.context(desk or FakeDesk(place.store))[0].kv(level)


def test_what_is_set_is_there_until_it_is_deleted(place: Room) -> None:
    async def body() -> list[Any]:
        store = kv(place)
        await store.set("lr", 0.1)
        there = [await store.get("lr"), await store.get("none"), await store.get("none", 3)]
        return [*there, await store.delete("lr"), await store.delete("lr"), await store.get("lr")]

    assert asyncio.run(body()) == [0.1, None, 3, True, False, None]


@pytest.mark.parametrize("value", [None, {"a": [1, (2, 3)]}, {1, 2}, b"\0", 1 << 80, "x" * 100_000, float("inf")])
def test_every_value_comes_back_as_it_was(place: Room, value: Any) -> None:
    async def body() -> Any:
        store = kv(place)
        await store.set("k", value)
        return await store.get("k", "gone")

    assert asyncio.run(body()) == value


def test_several_are_set_together_and_read_in_order(place: Room) -> None:
    async def body() -> list[Any]:
        store = kv(place)
        await store.mset({"a": 1, "b": 2})
        with Path(__file__).open(encoding="utf-8") as file, pytest.raises(NotStorable):
            await store.mset({"a": 9, "c": file})
        return await store.mget(["b", "x", "a"], default=0)

    assert asyncio.run(body()) == [2, 0, 1]


def test_levels_and_owners_are_kept_apart(place: Room) -> None:
    async def body() -> list[Any]:
        here = FakeDesk(place.store)
        other = FakeDesk(place.store, run_id="study-2")
        elsewhere = FakeDesk(place.store, run_id="study-3")
        elsewhere.session_id = "s1:run"  # type: ignore[misc]
        for level in ("run", "session", "user"):
            await kv(place, here, level).set("k", level)
        return [[await kv(place, desk, level).get("k") for level in ("run", "session", "user")]
                for desk in (here, other, elsewhere)]  # fmt: skip

    assert asyncio.run(body()) == [["run", "session", "user"], [None, "session", "user"], [None, None, "user"]]
    with pytest.raises(ValueError, match="level='org' is unknown; there are: run, session, user"):
        place.context()[0].kv("org")


def test_entries_end_by_the_clock_of_the_runs(place: Room) -> None:
    async def body() -> list[Any]:
        store, told = kv(place), []
        await store.set("a", 1, ttl_s=10)
        await store.set("b", 2)
        place.clock.advance(9)
        told += [await store.get("a"), await store.expire("b", 5), await store.expire("c", 5)]
        place.clock.advance(1)
        told += [await store.get("a"), await store.incr("a"), await store.expire("a", None), await store.expire("b", 3)]
        place.clock.advance(3)
        return [*told, await store.mget(["a", "b"]), await store.purge_expired(), await store.purge_expired()]

    assert asyncio.run(body()) == [1, True, False, None, 1, True, True, [1, None], 1, 0]
    assert [key for key, _ in place.store.scan("kv:")] == ["kv:session:s1:a"]


def test_a_sum_keeps_the_end_of_what_it_adds_to(place: Room) -> None:
    async def body() -> list[Any]:
        store = kv(place)
        await store.incr("n", 2, ttl_s=10)
        await store.incr("n", 0.5)
        await store.list_append_unique("l", [1], ttl_s=10)
        await store.list_append_unique("l", [2])
        before = await store.mget(["n", "l"])
        place.clock.advance(10)
        return [before, await store.mget(["n", "l"])]

    assert asyncio.run(body()) == [[2.5, [1, 2]], [None, None]]


def test_of_several_who_compare_one_sets(place: Room) -> None:
    async def body() -> list[Any]:
        store = kv(place)
        first = [await store.compare_and_set("k", None, {"v": 1}), await store.compare_and_set("k", None, 2)]
        same = [await store.compare_and_set("k", {"v": 1.0}, 3), await store.compare_and_set("k", {"v": 1}, None)]
        return [*first, *same, await store.compare_and_set("k", None, 4), await store.get("k")]

    assert asyncio.run(body()) == [True, False, False, True, True, 4]


def test_a_list_takes_what_is_new_and_is_taken_once(place: Room) -> None:
    async def body() -> list[Any]:
        store = kv(place)
        one = await store.list_append_unique("todo", [{"id": 1, "x": 1}, "a", "a", {"id": 2}])
        two = await store.list_append_unique("todo", [{"id": 1, "x": 2}, "b", 1.0, 1, True])
        by = await store.list_append_unique("by", [{"id": 1, "url": "u"}, {"id": 2, "url": "u"}], id_key="url")
        return [one, two, by, await store.list_pop_all("todo"), await store.list_pop_all("todo")]

    one = [{"id": 1, "x": 1}, "a", {"id": 2}]
    two = [*one, "b", 1.0, 1, True]
    assert asyncio.run(body()) == [one, two, [{"id": 1, "url": "u"}], two, []]


class Open:
    """Of a class whose objects cannot be compared."""

    def __reduce__(self) -> Any:
        return Open, ()

    __slots__ = ("hidden",)


WRONG: dict[str, tuple[Callable[[KV], Any], type[Exception], str]] = {
    "no text": (lambda s: s.get(3), TypeError, r"a key of kv\(\) is a text, got 3 \(int\)"),
    "no key": (lambda s: s.set("", 1), ValueError, "has 1 to 512 characters, got 0"),
    "a long key": (lambda s: s.delete("x" * 513), ValueError, "has 1 to 512 characters, got 513"),
    "half a pair": (lambda s: s.get("\ud800"), ValueError, "cannot be written"),
    "keys": (lambda s: s.mget("ab"), TypeError, r"mget\(\) takes several keys, got 'ab'; get\(\) takes one"),
    "values": (lambda s: s.mset([1]), TypeError, r"mset\(\) takes a dict of values by key, got list"),
    "a negative ttl": (lambda s: s.set("k", 1, ttl_s=-1), ValueError, "ttl_s=-1: it is more than 0 seconds; None"),
    "no ttl": (lambda s: s.expire("k", 0), ValueError, "ttl_s=0"),
    "an endless ttl": (lambda s: s.incr("k", ttl_s=float("nan")), ValueError, "ttl_s=nan"),
    "a ttl of text": (lambda s: s.set("k", 1, ttl_s="5"), TypeError, r"a number of seconds, .* got '5' \(str\)"),
    "a bool": (lambda s: s.set("k", 1, ttl_s=True), TypeError, r"got True \(bool\)"),
    "no step": (lambda s: s.incr("n", "1"), TypeError, r"incr\('n'\) adds a number, got '1' \(str\)"),
    "no number": (lambda s: s.incr("text"), TypeError, r"incr\('text'\): there is 'abc' \(str\), which is no number"),
    "no list": (lambda s: s.list_append_unique("text", [1]), TypeError, r"under 'text' is 'abc' \(str\)"),
    "no list to pop": (lambda s: s.list_pop_all("text"), TypeError, "which is no list"),
    "one item": (lambda s: s.list_append_unique("l", "abc"), TypeError, r"for one, write \['abc'\]"),
    "a dict": (lambda s: s.list_append_unique("l", {"id": 1}), TypeError, "takes several items"),
    "too long": (lambda s: s.list_append_unique("l", [bytes(17 << 20)]), ValueError, "at most 16,777,216 are kept"),
    "not comparable": (lambda s: s.compare_and_set("k", Open(), 1), TypeError, "a Open cannot be compared"),
    "a lock": (lambda s: s.set("k", threading.Lock()), NotStorable, "value of 'k'"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_and_changes_nothing(place: Room, what: str) -> None:
    call, kind, told = WRONG[what]

    async def body() -> None:
        store = kv(place)
        await store.set("text", "abc")
        rows = dict(place.store.scan("kv:"))
        with pytest.raises(kind, match=told):
            await call(store)
        assert dict(place.store.scan("kv:")) == rows

    asyncio.run(body())


def test_an_entry_that_was_altered_is_never_returned(place: Room) -> None:
    with place.store.transact() as rows:
        rows.set("kv:session:s1:k", b"\x93\x01")
    for call in (lambda: kv(place).get("k"), lambda: kv(place).incr("k")):
        with pytest.raises(DamagedRecord, match="kv:session:s1:k"):
            asyncio.run(call())


def test_a_sync_tool_blocks_for_it(place: Room) -> None:
    with loop_thread() as loop:
        context: Any = place.context(FakeDesk(place.store, loop=loop))[0]
        context.kv().set("k", [1])
        assert context.kv().get("k") == [1]
        assert context.kv().incr("n") == 1


def test_7_and_16_a_replay_sees_what_was_seen_and_does_nothing_again(place: Room) -> None:
    async def body(context: NodeContext) -> list[Any]:
        store = context.kv()
        told = [await store.get("n", 0), await store.incr("n"), await store.list_append_unique("l", [1])]
        return [*told, await store.list_pop_all("l"), await store.compare_and_set("k", None, 1), await store.get("n")]

    context, desk = place.context()
    first = asyncio.run(body(context))
    asyncio.run(kv(place, FakeDesk(place.store, run_id="other")).set("n", 40))
    rows = dict(place.store.scan("kv:"))
    assert asyncio.run(body(place.context(desk.again())[0])) == first == [0, 1, [1], [1], True, 1]
    assert dict(place.store.scan("kv:")) == rows


KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.none() | st.integers(-3, 3) | st.booleans() | st.sampled_from(["x", 1.5, [1, 2], {"id": 1}, []])
TTLS = st.none() | st.integers(1, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), KEYS, VALUES, TTLS),
        st.tuples(st.just("get"), KEYS),
        st.tuples(st.just("delete"), KEYS),
        st.tuples(st.just("expire"), KEYS, TTLS),
        st.tuples(st.just("incr"), KEYS, st.integers(-2, 2), TTLS),
        st.tuples(st.just("compare_and_set"), KEYS, VALUES, VALUES, TTLS),
        st.tuples(st.just("append"), KEYS, st.lists(st.integers(0, 3), max_size=3), TTLS),
        st.tuples(st.just("pop"), KEYS),
        st.tuples(st.just("purge")),
        st.tuples(st.just("wait"), st.integers(1, 4)),
    ),
    max_size=25,
)  # fmt: skip


class Model:
    """What a dict and a clock would do."""

    def __init__(self) -> None:
        self.now = 0.0
        self.there: dict[str, tuple[Any, float]] = {}

    def get(self, key: str) -> Any:
        value, ends = self.there.get(key, (None, 0.0))
        return value if not ends or ends > self.now else None

    def has(self, key: str) -> bool:
        return key in self.there and (not self.there[key][1] or self.there[key][1] > self.now)

    def put(self, key: str, value: Any, ttl: int | None, *, keep: bool = False) -> None:
        ends = self.there[key][1] if keep and self.has(key) else 0.0
        self.there[key] = value, (ends if ttl is None else self.now + ttl)

    def step(self, what: str, *given: Any) -> Any:
        key = given[0] if given and isinstance(given[0], str) else ""
        was, had = self.get(key), self.has(key)
        if what == "set":
            self.put(key, given[1], given[2])
        elif what == "get":
            return was
        elif what in ("delete", "pop"):
            if what == "pop" and had and not isinstance(was, list):
                return TypeError
            self.there.pop(key, None)
            return had if what == "delete" else (was or [])
        elif what == "expire":
            if had:
                self.put(key, was, given[1])
            return had
        elif what == "incr":
            if had and (isinstance(was, bool) or not isinstance(was, (int, float))):
                return TypeError
            self.put(key, (was if had else 0) + given[1], given[2], keep=True)
            return self.get(key)
        elif what == "compare_and_set":
            same = type(was) is type(given[1]) and was == given[1]
            if same:
                self.put(key, given[2], given[3])
            return same
        elif what == "append":
            if had and not isinstance(was, list):
                return TypeError
            whole = list(was) if had else []
            whole += [item for item in dict.fromkeys(given[1]) if item not in whole]
            self.put(key, whole, given[2], keep=True)
            return whole
        elif what == "purge":
            gone = [key for key in self.there if not self.has(key)]
            for key in gone:
                del self.there[key]
            return len(gone)
        else:
            self.now += given[0]
        return None


async def real_step(store: KV, clock: FakeClock, what: str, *given: Any) -> Any:
    if what == "wait":
        clock.advance(given[0])
        return None
    if what == "purge":
        return await store.purge_expired()
    name = {"append": "list_append_unique", "pop": "list_pop_all"}.get(what, what)
    ttl = {"ttl_s": given[-1]} if what in ("set", "incr", "compare_and_set", "append", "expire") else {}
    try:
        return await getattr(store, name)(*given[: -1 if ttl else None], **ttl)
    except TypeError:
        return TypeError


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS)
def test_it_does_what_a_dict_with_a_clock_does(place: Room, steps: list[tuple[Any, ...]]) -> None:
    with place.store.transact() as rows:
        for key, _ in place.store.scan("kv:"):
            rows.delete(key)
    model, store = Model(), kv(place)

    async def body() -> None:
        for step in steps:
            assert await real_step(store, place.clock, *step) == model.step(*step), step

    asyncio.run(body())
