"""The context of a body and of a sync tool."""

from __future__ import annotations

import asyncio
import gc
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aethergraph import context as contexts
from aethergraph.channels.scripted import ScriptedChannel
from aethergraph.context import NodeContext
from aethergraph.errors import GraphBuildError, ServiceUnavailable, WouldBlock
from tests.services.fake_desk import FakeDesk, Room, loop_thread, room


@pytest.fixture
def place(tmp_path: Path) -> Room:
    return room(tmp_path)


@pytest.fixture
def blocking(place: Room) -> Iterator[tuple[Any, FakeDesk]]:
    with loop_thread() as loop:
        yield place.context(FakeDesk(place.store, loop=loop))


def test_it_knows_where_it_is(place: Room) -> None:
    context, _ = place.context(FakeDesk(place.store, attempt=2))
    assert (context.run_id, context.graph_id, context.node_id) == ("study-1", "study", "fit")
    assert (context.session_id, context.attempt) == ("s1", 2)
    assert repr(context) == "<NodeContext of fit in run study-1>"


def test_a_sync_tool_calls_services_plainly(blocking: tuple[Any, FakeDesk]) -> None:
    context, desk = blocking
    with ScriptedChannel({"Name?": "Ada"}) as script:
        context.channel().send_text("hello")
        assert context.channel().ask_text("Name?") == "Ada"
    assert script.sent == ["hello"]
    saved: Any = context.artifacts().save_text("x", "a.txt")
    assert context.artifacts().load_text(saved) == "x"
    assert context.clock().now() == 1_000_000_000.0
    context.clock().sleep(0)
    assert context.pending() == []


def test_a_sync_tool_uses_with_for_progress_and_streams(blocking: tuple[Any, FakeDesk]) -> None:
    context, desk = blocking
    bar: Any
    stream: Any
    with context.channel().progress("train", total=2) as bar:
        bar.update(inc=2, subtitle="half")
        assert bar.now == 2
    with context.channel().stream() as stream:
        stream.delta("Hel")
        stream.delta("lo")
    assert [one["now"] for one in desk.noted("progress")] == [0, 2, 3, 5]
    assert [one["text"] for one in desk.journal.args] == ["Hello"]


def test_errors_of_a_service_reach_a_sync_tool_unchanged(blocking: tuple[Any, FakeDesk]) -> None:
    with pytest.raises(FileNotFoundError, match="no/such"):
        blocking[0].artifacts().save_file("no/such")
    with pytest.raises(KeyError), blocking[0].channel().progress("x"):
        raise KeyError("mine")


def test_a_refused_blocking_call_leaves_nothing_behind(place: Room) -> None:
    class InPlace(FakeDesk):
        blocking = True  # a sync tool that runs on the loop's own thread: its desk refuses to block

    context: Any
    context, _ = place.context(InPlace(place.store))
    with pytest.raises(WouldBlock):
        context.channel().send_text("x")
    with pytest.raises(WouldBlock), context.channel().progress("x"):
        raise AssertionError("never entered")
    gc.collect()  # a coroutine that never started would warn now, and warnings are errors


def test_points_need_no_trip_to_the_loop(place: Room) -> None:
    class Deaf(FakeDesk):
        blocking = True

        def block(self, awaitable: Any) -> Any:
            raise AssertionError("a note must not wait")

    context: Any
    context, desk = place.context(Deaf(place.store))
    context.viz().scalar("loss", 1, 0.5)
    assert len(desk.noted("point")) == 1


@pytest.mark.parametrize("sync", [True, False])
def test_the_wrong_kind_of_with_says_which_is_right(place: Room, blocking: tuple[Any, FakeDesk], sync: bool) -> None:
    async def in_sync_tool() -> None:
        async with blocking[0].channel().progress("x"):
            pass

    def in_body() -> None:
        with place.context()[0].channel().progress("x"):  # type: ignore[attr-defined]
            pass

    if sync:
        with pytest.raises(TypeError, match="write `with`"):
            asyncio.run(in_sync_tool())
    else:
        with pytest.raises(TypeError, match="write `async with context.channel"):
            in_body()


def test_an_effect_that_nobody_awaited_is_an_error_at_the_end(place: Room) -> None:
    async def body() -> NodeContext:
        context, _ = place.context()
        await context.channel().send_text("said")
        context.channel("inbox").send_text("lost")  # type: ignore[unused-coroutine]
        context.artifacts().save_text("lost", "a.txt")  # type: ignore[unused-coroutine]
        return context

    context = asyncio.run(body())
    assert context.pending() == ["context.channel('inbox').send_text", "context.artifacts().save_text"]
    with pytest.raises(GraphBuildError) as caught:
        context.close()
    text = str(caught.value)
    assert "`context.channel('inbox').send_text(...)`, `context.artifacts().save_text(...)`" in text
    assert "never awaited" in text and "write `await context.channel('inbox').send_text(...)`" in text
    assert 'send_text("lost")' in text  # the user's own line
    assert caught.value.where.startswith(__file__)
    context.close()  # said once


def test_an_update_of_a_bar_that_nobody_awaited_is_found_too(place: Room) -> None:
    async def body() -> NodeContext:
        context, _ = place.context()
        async with context.channel().progress("x", total=1) as bar:
            bar.update()  # type: ignore[unused-coroutine]
        return context

    with pytest.raises(GraphBuildError, match=r"progress\(\)\.update"):
        asyncio.run(body()).close()


def test_tasks_gathers_and_many_awaited_calls_are_in_order(place: Room) -> None:
    async def body() -> NodeContext:
        context, desk = place.context()
        say = context.channel().send_text
        await asyncio.gather(say("a"), asyncio.create_task(say("b")))
        async with asyncio.TaskGroup() as group:
            group.create_task(say("c"))
        for _ in range(300):
            await say("again")
        assert len(desk.journal.names) == 303
        assert len(context._scope.calls._made) <= 64  # what is done is forgotten
        return context

    context = asyncio.run(body())
    assert context.pending() == []
    context.close()


def test_random_draws_are_the_same_on_replay_and_go_on_within_a_scope(place: Room) -> None:
    def draws(desk: FakeDesk) -> list[float]:
        context, _ = place.context(desk)
        return [context.random().random(), context.random().random(), context.random("other").random()]

    desk = FakeDesk(place.store)
    first = draws(desk)
    assert len(set(first)) == 3
    assert draws(desk.again()) == first
    assert draws(FakeDesk(place.store, no=9)) != first


def test_the_idempotency_key_is_the_engines(place: Room) -> None:
    assert place.context()[0].idempotency_key("order") == "study-1:3:order"


@pytest.mark.parametrize("name", ["llm", "rag", "mcp", "skills", "indices"])
def test_a_service_that_is_not_there_names_itself_and_what_to_do(place: Room, name: str) -> None:
    context, _ = place.context()
    with pytest.raises(ServiceUnavailable, match=rf"context\.{name}\(\) is not available: .*register your own"):
        getattr(context, name)("default")
    with pytest.raises(
        ServiceUnavailable,
        match=r"there are: artifacts, channel, clock, kv, memory, viz.*register_context_service\('smoke', ",
    ):
        context.svc("smoke")
    with pytest.raises(
        AttributeError, match=r"has no 'smoke'; its services are: artifacts.*register_context_service\('smoke', "
    ):
        context.smoke()


class Trainer:
    """A service of a user's own."""

    rounds = 3

    async def train(self, times: int) -> int:
        return times * self.rounds

    def name(self) -> str:
        return "trainer"


def test_services_of_ones_own_are_awaited_or_block(place: Room) -> None:
    context, _ = place.context(services={"trainer": Trainer()})

    async def body() -> list[Any]:
        return [await context.trainer().train(2), await context.svc("trainer").train(1), context.trainer().name()]

    assert asyncio.run(body()) == [6, 3, "trainer"]
    with loop_thread() as loop:
        context, _ = place.context(FakeDesk(place.store, loop=loop), services={"trainer": Trainer()})
        assert context.trainer().train(2) == 6
        assert context.trainer().rounds == 3


def test_a_later_service_plugs_in_by_name(place: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        def __init__(self, scope: Any, level: str = "session") -> None:
            self.run_id, self.level = scope.desk.run_id, level

        async def where(self) -> str:
            return f"{self.run_id}:{self.level}"

    monkeypatch.setitem(contexts.SERVICES, "indices", Memory)
    context, _ = place.context()
    assert asyncio.run(context.indices("run").where()) == "study-1:run"
    assert asyncio.run(context.svc("indices").where()) == "study-1:session"


def test_a_context_stays_with_its_node(place: Room) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(place.context()[0])


def test_services_show_and_complete_as_themselves(place: Room) -> None:
    channel = place.context()[0].channel("inbox")
    assert repr(channel) == "<channel inbox>"
    assert {"send_text", "ask_choice", "progress"} <= set(dir(channel))
    assert channel.send_text.__doc__ == "Say `text`."
