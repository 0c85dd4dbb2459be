"""Memory: what was remembered comes back, by kind, tag, name and words. Semantics 7, 15 and 16."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aethergraph.context import NodeContext
from aethergraph.errors import DamagedRecord, NotStorable, ServiceUnavailable
from aethergraph.services.event import Event
from aethergraph.services.memory import Memory
from aethergraph.services.ranking import best_first
from tests.services.fake_desk import FakeDesk, Room, loop_thread


def memory(place: Room, desk: FakeDesk | None = None, level: str = "session") -> Memory:
    return place.context(desk or FakeDesk(place.store))[0].memory(level)


def data(events: list[Event]) -> list[Any]:
    return [event.data for event in events]


def test_events_come_back_as_they_were_oldest_first(place: Room) -> None:
    async def body() -> tuple[list[Event], list[Event]]:
        own = memory(place)
        made = []
        for number in range(4):
            place.clock.advance(1)
            made.append(await own.record("note", {"n": (number,)}, tags=["a"], severity=3, stage="fit",
                                         metrics={"loss": 0.5}, text=f"number {number}"))  # fmt: skip
        return made, await own.recent(limit=3)

    made, found = asyncio.run(body())
    assert found == made[1:]
    one = found[-1]
    assert (one.kind, one.data, one.text, one.tags, one.severity, one.stage) == (
        "note",
        {"n": (3,)},
        "number 3",
        ["a"],
        3,
        "fit",
    )
    assert (one.metrics, one.t, one.run_id, one.session_id, one.node_id) == (
        {"loss": 0.5},
        place.clock.now(),
        "study-1",
        "s1",
        "fit",
    )
    assert len({event.event_id for event in made}) == 4


def test_kinds_and_tags_choose(place: Room) -> None:
    async def body() -> list[list[Any]]:
        own = memory(place)
        for number in range(300):
            await own.record(f"k{number % 3}", number, tags=["even"] if number % 2 == 0 else ["odd", "un:even"])
        return [
            await own.recent_data("k1", 2), await own.recent_data(["k1", "k2"], 3),
            await own.recent_data(tags=["un:even"], limit=2), await own.recent_data(["k0"], 2, tags=["odd"]),
            await own.recent_data("none"), await own.recent_data(limit=100, tags=["odd"]),
        ]  # fmt: skip

    found = asyncio.run(body())
    assert found[:5] == [[295, 298], [296, 298, 299], [297, 299], [291, 297], []]
    assert found[5] == list(range(101, 300, 2))


def test_conversations(place: Room) -> None:
    async def body() -> list[Any]:
        own = memory(place)
        await own.record_chat_system("be kind")
        await own.record_chat_user("hi", tags=["t"])
        await own.record("note", 1)
        await own.record_chat_assistant("hello")
        await own.record_chat("tool", "42")
        chat = [(line["role"], line["text"]) for line in await own.recent_chat(3)]
        said = [line["text"] for line in await own.recent_chat(roles=["user", "assistant"])]
        return [chat, said, await own.chat_history_for_llm(2)]

    chat, said, history = asyncio.run(body())
    assert chat == [("user", "hi"), ("assistant", "hello"), ("tool", "42")]
    assert said == ["hi", "hello"]
    assert history == {
        "summary": "",
        "messages": [{"role": "assistant", "content": "hello"}, {"role": "tool", "content": "42"}],
    }


def test_results_by_tool_and_topic(place: Room) -> None:
    def fit() -> None:
        """A tool."""

    async def body() -> list[Any]:
        own = memory(place)
        await own.record_tool_result(fit, {"x": 1}, {"y": 1})
        await own.record_tool_result("fit", {"x": 2}, {"y": 2}, message="better")
        await own.record_tool_result("plot", outputs="p.png")
        await own.write_result("fit", outputs={"topic": 1})
        return [
            await own.last_by_name("fit"), await own.get_last_outputs_for_topic("fit"),
            await own.get_last_outputs_for_topic("plot"), await own.last_by_name("none"),
            [event.outputs for event in await own.recent_tool_results("fit")],
            [(one["tool"], one["message"], one["inputs"], one["outputs"])
             for one in await own.recent_tool_result_data(limit=2)],
        ]  # fmt: skip

    assert asyncio.run(body()) == [
        {"topic": 1}, {"topic": 1}, None, None, [{"y": 1}, {"y": 2}],
        [("fit", "better", {"x": 2}, {"y": 2}), ("plot", "", None, "p.png")],
    ]  # fmt: skip


def test_raw_events(place: Room) -> None:
    async def body() -> Event:
        own = memory(place)
        await own.record_raw({"kind": "x", "name": "n", "data": 1, "tags": ["a"], "metrics": {"m": 1}}, text="t",
                             metrics={"k": 2})  # fmt: skip
        return (await own.recent())[0]

    one = asyncio.run(body())
    assert (one.kind, one.name, one.data, one.text, one.metrics) == ("x", "n", 1, "t", {"m": 1.0, "k": 2.0})


def test_levels_are_kept_apart_and_can_be_named_at_each_call(place: Room) -> None:
    async def body() -> list[Any]:
        here, other = FakeDesk(place.store), FakeDesk(place.store, run_id="study-2")
        own = memory(place, here)
        for level in ("run", "session", "user"):
            await own.record("x", level, level=level, text="word")
        seen = [await memory(place, desk, level).recent_data() for desk in (here, other)
                for level in ("run", "session", "user")]  # fmt: skip
        found = [data(await memory(place, other).search("word", level=level)) for level in ("run", "session", "user")]
        return [seen, found]

    seen, found = asyncio.run(body())
    assert seen == [["run"], ["session"], ["user"], [], ["session"], ["user"]]
    assert found == [[], ["session"], ["user"]]
    with pytest.raises(ValueError, match="level='org' is unknown; there are: run, session, user"):
        place.context()[0].memory("org")


def test_search_finds_by_words_in_text_name_and_data(place: Room) -> None:
    async def body() -> list[Any]:
        own = memory(place)
        await own.record("note", {"deep": [{"er": "The Adam optimiser"}]}, text="learning rate 0.1")
        await own.record("note", 2, text="the loss of the learning curve", tags=["curve"])
        await own.record_tool_result("train", {"lr": 3}, {"said": "loss went down"})
        await own.record("plan", 4, text="learning learning learning")
        return [
            [event.kind for event in await own.search("adam")], [e.name for e in await own.search("LOSS")],
            [e.name for e in await own.search("train")], data(await own.search("learning")),
            data(await own.search("learning", kinds="note", tags=["curve"])),
            data(await own.search("learning rate", limit=2)),
            await own.search("absent"),
        ]  # fmt: skip

    adam, loss, train, learning, curve, rate, absent = asyncio.run(body())
    assert (adam, loss, train, curve, absent) == (["note"], ["train", ""], ["train"], [2], [])
    assert learning[0] == 4, "that in which the word stands out most"
    assert rate[0] == {"deep": [{"er": "The Adam optimiser"}]}, "all words before any"
    assert len(rate) == 2


def test_the_index_is_made_anew_where_it_is_gone(place: Room) -> None:
    async def body(query: str) -> list[Any]:
        return data(await memory(place, FakeDesk(place.store)).search(query))

    asyncio.run(memory(place).record("note", 1, text="first"))
    assert asyncio.run(body("first")) == [1]
    index = place.store.folder / "index" / "memory.db"
    for damage in (index.unlink, lambda: index.write_bytes(b"no database at all" * 500)):
        damage()
        assert asyncio.run(body("first")) == [1]
    asyncio.run(memory(place).record("note", 2, text="second"))
    assert asyncio.run(body("second")) == [2]


def test_summaries_cover_what_is_new_and_say_what_they_are(place: Room) -> None:
    async def body() -> list[Any]:
        own = memory(place)
        assert await own.distill_long_term() is None and await own.load_last_summary() is None
        for number in range(3):
            await own.record_chat_user(f"question {number} about convergence")
        await own.record("alarm", {"t": 90}, severity=3, text="it is hot")
        await own.record_tool_result("fit", None, {"loss": 0.1}, metrics={"loss": 0.1})
        first = await own.distill_long_term()
        assert await own.distill_long_term() is None
        await own.record_chat_user("later")
        second = await own.distill_long_term()
        meta = await own.distill_meta_summary()
        again = [await own.load_last_summary(), [one["events"] for one in await own.load_recent_summaries()]]
        return [first, second, meta, *again, await own.chat_history_for_llm(1),
                await own.build_prompt_segments(include_recent_tools=True)]  # fmt: skip

    first, second, meta, last, covered, history, parts = asyncio.run(body())
    assert (first["events"], second["events"], first["method"]) == (5, 1, "digest")
    for said in ("Digest of 5 events", "not written by a model", "user: question 2 about convergence",
                 "alarm: it is hot", "fit: ", "loss 0.1", "chat 3, alarm 1", "convergence"):  # fmt: skip
        assert said in first["summary"]
    assert last == second and covered == [5, 1]
    assert meta["summary"].startswith("Of 6 events in 2 summaries:") and "Digest of 5" in meta["summary"]
    assert history["summary"] == second["summary"]
    assert history["messages"][0] == {"role": "system", "content": f"What was before:\n{second['summary']}"}
    assert history["messages"][1] == {"role": "user", "content": "later"}
    assert parts["long_term"] == f"{first['summary']}\n\n{second['summary']}"
    assert [line["text"] for line in parts["recent_chat"]][-1] == "later"
    assert [one["tool"] for one in parts["recent_tools"]] == ["fit"]


def test_a_session_takes_over_what_was_before(place: Room) -> None:
    async def body() -> list[Any]:
        all_runs, own = memory(place, level="user"), memory(place)
        assert await own.soft_hydrate_last_summary() is None
        await all_runs.record_chat_user("remember the magic number")
        last = await all_runs.distill_long_term()
        taken = [await own.soft_hydrate_last_summary(), await own.soft_hydrate_last_summary()]
        return [last, taken, len(await own.recent()), (await own.chat_history_for_llm())["summary"],
                await own.distill_long_term()]  # fmt: skip

    last, taken, count, summary, nothing = asyncio.run(body())
    assert taken == [last, last] and count == 1 and nothing is None
    assert summary == last["summary"] and "magic number" in summary


WRONG: dict[str, tuple[Callable[[Memory], Any], type[Exception], str]] = {
    "kind": (lambda m: m.record(3), TypeError, r"the kind of an event is a text, got 3 \(int\)"),
    "no kind": (lambda m: m.record(""), ValueError, "the kind of an event has 1 to 200 characters, got 0"),
    "tags": (lambda m: m.record("x", tags="abc"), TypeError, r"write tags=\['abc'\]"),
    "tag": (lambda m: m.record("x", tags=[""]), ValueError, "the tag of an event has 1 to 200"),
    "severity": (lambda m: m.record("x", severity=7), ValueError, "severity=7: it is 1"),
    "bool": (lambda m: m.record("x", severity=True), ValueError, "severity=True"),
    "no kinds": (lambda m: m.recent(3), TypeError, "kinds are a text or several, got int"),
    "text": (lambda m: m.record("x", text=3), TypeError, "text and stage of an event are texts, got 3"),
    "metrics": (lambda m: m.record("x", metrics={"a": "b"}), TypeError, "metrics are numbers by name"),
    "half a pair": (lambda m: m.record("x", text="\ud800"), ValueError, "cannot be written"),
    "role": (lambda m: m.record_chat("boss", "x"), ValueError, "role='boss' is unknown; there are: assistant, system"),
    "roles": (lambda m: m.recent_chat(roles="boss"), ValueError, "roles='boss' is unknown"),
    "chat": (lambda m: m.record_chat_user(None), TypeError, "texts, got None"),
    "tool": (lambda m: m.record_tool_result(3), TypeError, "remembered under a name, got ''"),
    "topic": (lambda m: m.write_result(""), TypeError, "a result is remembered under a name"),
    "raw": (lambda m: m.record_raw({"kind": "x", "colour": 1}), TypeError, "an event has no 'colour'; its fields are"),
    "raw without": (lambda m: m.record_raw({}), TypeError, "an event needs its 'kind'"),
    "level": (lambda m: m.record("x", level="org"), ValueError, "level='org' is unknown"),
    "data": (lambda m: m.record("x", threading.Lock()), NotStorable, "data of a 'x' event"),
    "limit": (lambda m: m.recent(limit=0), ValueError, "limit=0: it is between 1 and 10,000"),
    "no limit": (lambda m: m.recent(limit="5"), TypeError, "limit is a number of events, got '5'"),
    "kinds": (lambda m: m.recent([3]), TypeError, "looked for by texts, got 3"),
    "query": (lambda m: m.search(3), TypeError, "the words to look for as a text, got 3"),
    "no words": (lambda m: m.search(" - "), ValueError, "has no words to look for"),
    "summary tag": (lambda m: m.load_last_summary(""), TypeError, "kept under a tag"),
    "meta": (lambda m: m.distill_meta_summary("a", into="a"), ValueError, "needs another tag"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_and_remembers_nothing(place: Room, what: str) -> None:
    call, kind, told = WRONG[what]
    with pytest.raises(kind, match=told):
        asyncio.run(call(memory(place)))
    assert list(place.store.scan("m")) == []


RAG = ["bind", "upsert", "promote_events", "remember_events", "remember_docs", "search", "search_by_key", "answer",
       "answer_by_key"]  # fmt: skip


@pytest.mark.parametrize("name", RAG)
def test_retrieval_over_documents_names_what_to_do(place: Room, name: str) -> None:
    with pytest.raises(ServiceUnavailable, match=rf"memory\(\)\.rag_{name}\(\) needs it.*under 'rag'"):
        asyncio.run(getattr(memory(place), f"rag_{name}")("x", k=1))


def test_a_sync_tool_blocks_for_it(place: Room) -> None:
    with loop_thread() as loop:
        context: Any = place.context(FakeDesk(place.store, loop=loop))[0]
        context.memory().record("note", 1, text="word")
        assert data(context.memory().recent()) == data(context.memory().search("word")) == [1]
        assert context.memory().distill_long_term()["events"] == 1


def test_7_and_16_a_replay_sees_what_was_seen_and_remembers_nothing_again(place: Room) -> None:
    async def body(context: NodeContext) -> list[Any]:
        own = context.memory()
        first = await own.record("note", 1, text="word")
        return [first, await own.recent(), await own.search("word"), await own.distill_long_term()]

    context, desk = place.context()
    before = asyncio.run(body(context))
    place.clock.advance(60)
    asyncio.run(memory(place, FakeDesk(place.store, run_id="other")).record("note", 2, text="word"))
    rows = dict(place.store.scan("m"))
    assert asyncio.run(body(place.context(desk.again())[0])) == before
    assert dict(place.store.scan("m")) == rows


def test_a_row_that_was_altered_is_named(place: Room) -> None:
    asyncio.run(memory(place).record("note", 1))
    ((key, _),) = list(place.store.scan("m:session:s1:e:"))
    with place.store.transact() as rows:
        rows.set(key, b"\x91\x01")
    with pytest.raises(DamagedRecord, match="m:session:s1:e:"):
        asyncio.run(memory(place).recent())


def test_the_best_text_is_that_in_which_the_rare_words_stand_out() -> None:
    texts = ["the the the the", "the cat", "a cat and a dog and the whole of a long story about the town", "dog"]
    assert best_first(["the", "dog"], texts)[0] == 3
    assert best_first(["cat"], texts)[:2] == [1, 2]
    assert best_first(["x"], texts) == [0, 1, 2, 3]
    assert best_first(["x"], []) == []


TAGS = st.sets(st.sampled_from("xy"))
EVENTS = st.lists(st.tuples(st.sampled_from("ab"), TAGS, st.sampled_from(["", "n"])), max_size=12)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(events=EVENTS, kinds=st.sets(st.sampled_from("abc")), tags=TAGS, limit=st.integers(1, 6))
def test_recent_gives_what_a_list_would(
    place: Room, events: list[tuple[str, set[str], str]], kinds: set[str], tags: set[str], limit: int
) -> None:
    with place.store.transact() as rows:
        for key, _ in place.store.scan("m"):
            rows.delete(key)

    async def body() -> list[Any]:
        own = memory(place)
        for number, (kind, having, name) in enumerate(events):
            await own.record_raw({"kind": kind, "tags": having, "name": name, "data": number})
        return await own.recent_data(kinds or None, limit, tags=tags)

    wanted = [n for n, (kind, having, _) in enumerate(events) if (not kinds or kind in kinds) and tags <= having]
    assert asyncio.run(body()) == wanted[-limit:]
