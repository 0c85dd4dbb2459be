"""Messages and questions of a run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aethergraph.channels.adapter import Message, Progress
from aethergraph.channels.scripted import ScriptedChannel
from aethergraph.errors import BadAnswer, NoOneToAsk, ServiceUnavailable
from aethergraph.record.schema import Question
from aethergraph.services.channel import Channel
from aethergraph.storage import waiting
from tests.services.fake_desk import FakeDesk, Room, room


class Pager:
    """An outside channel that keeps what reached it."""

    stores = False
    ask = None

    def __init__(self) -> None:
        self.got: list[tuple[Message, str]] = []
        self.bars: list[Progress] = []

    async def send(self, message: Message, id: str) -> None:
        self.got.append((message, id))

    def progress(self, state: Progress) -> None:
        self.bars.append(state)


@pytest.fixture
def place(tmp_path: Path) -> Room:
    return room(tmp_path)


def channel(place: Room, desk: FakeDesk | None = None, key: str | None = None) -> tuple[Channel, FakeDesk]:
    context, desk = place.context(desk)
    return context.channel(key), desk


def opened(place: Room) -> Question:
    found, *_ = waiting.open_waits(place.store)
    return found.question


def test_a_message_to_nobody_or_the_notebook_is_its_record(place: Room) -> None:
    said, desk = channel(place)
    asyncio.run(said.send_text("hello"))
    assert desk.journal.names == ["send_text"]
    assert desk.journal.args == [{"channel": "", "text": "hello"}]
    assert desk.journal.intents == []


def test_a_message_to_the_outside_is_intended_sent_once_and_not_again_on_replay(place: Room) -> None:
    pager = Pager()
    place.bus.register("pager", pager)

    async def body(said: Channel) -> None:
        await said.send_text("one")
        await said.send_text("one")
        await said.send_phase("fit", "done", detail="3 models")

    said, desk = channel(place, key="pager")
    asyncio.run(body(said))
    again, _ = channel(place, desk.again(), key="pager")
    asyncio.run(body(again))
    assert desk.journal.intents == ["send_text", "send_text", "send_phase"]
    assert [message.text for message, _ in pager.got] == ["one", "one", "fit: done (3 models)"]
    assert [message.kind for message, _ in pager.got] == ["text", "text", "phase"]
    assert len({id for _, id in pager.got}) == 3


def test_a_message_keeps_its_id_when_it_is_sent_again_after_a_kill(place: Room) -> None:
    pager = Pager()
    place.bus.register("pager", pager)
    for _ in range(2):  # the first record was lost with its process
        said, _ = channel(place, FakeDesk(place.store), key="pager")
        asyncio.run(said.send_text("one"))
    (_, first), (_, second) = pager.got
    assert first == second
    retried, _ = channel(place, FakeDesk(place.store, attempt=2), key="pager")
    asyncio.run(retried.send_text("one"))
    assert pager.got[-1][1] != first


def test_a_run_that_moves_to_another_channel_does_not_say_it_again(place: Room) -> None:
    said, desk = channel(place)
    asyncio.run(said.send_text("hello"))
    pager = Pager()
    place.bus.register("pager", pager)
    place.bus.set_default_channel("pager")
    again, _ = channel(place, desk.again())
    asyncio.run(again.send_text("hello"))
    assert pager.got == []


def test_channel_argument_goes_before_the_bound_key(place: Room) -> None:
    pager = Pager()
    place.bus.register("pager", pager)
    said, _ = channel(place, key="inbox")
    asyncio.run(said.send_text("x", channel="pager"))
    assert [message.channel for message, _ in pager.got] == ["pager"]
    with pytest.raises(ServiceUnavailable, match="no channel 'smoke'"):
        asyncio.run(said.send_text("x", channel="smoke"))


def test_a_text_is_waited_for_without_a_question(place: Room) -> None:
    with ScriptedChannel({"Your message?": "hello"}):
        assert asyncio.run(channel(place)[0].wait_text()) == "hello"


def test_a_text_that_cannot_be_written_as_utf8_is_mended(place: Room) -> None:
    said, desk = channel(place)
    asyncio.run(said.send_text("a\ud800b"))
    assert desk.journal.args[0]["text"] == "a?b"


def test_only_texts_are_sent(place: Room) -> None:
    with pytest.raises(TypeError, match=r"takes a text, got int: write send_text\(str"):
        asyncio.run(channel(place)[0].send_text(3))  # type: ignore[arg-type]


def test_questions_are_answered_in_their_form(place: Room) -> None:
    async def body(ask: Channel) -> list[Any]:
        return [
            await ask.ask_text("Name?", name="who"),
            await ask.ask_approval("Deploy?"),
            await ask.ask_choice("Which?", ["svm", "forest"]),
            await ask.ask_choice("All?", ["a", "b", "c"], multiple=True),
            await ask.ask_number("How many?", min=1, max=9, step=1),
        ]

    answers = {"who": "Ada", "Deploy?": "approve", "Which?": "SVM", "All?": ["c", "a"], "How many?": "3"}
    want = ["Ada", {"approved": True, "choice": "Approve"}, "svm", ["a", "c"], 3]
    with ScriptedChannel(answers) as script:
        ask, desk = channel(place)
        assert asyncio.run(body(ask)) == want
        assert asyncio.run(body(channel(place, desk.again())[0])) == want
    assert script.asked == ["Name?", "Deploy?", "Which?", "All?", "How many?"]


def test_without_anyone_the_question_stays_open_for_later(place: Room) -> None:
    ask, _ = channel(place)
    with pytest.raises(NoOneToAsk, match="who: 'Name\\?'") as caught:
        asyncio.run(ask.ask_text("Name?", name="who", timeout_s=5))
    (row,) = waiting.open_waits(place.store)
    assert row.token == caught.value.token
    assert (row.question.name, row.question.timeout_s) == ("who", 5)


def test_an_inbox_question_waits_for_an_answer_from_anywhere(place: Room) -> None:
    ask, desk = channel(place, key="inbox")

    async def story() -> str:
        asking = asyncio.ensure_future(ask.ask_text("Name?"))
        while not waiting.open_waits(place.store):
            await asyncio.sleep(0)
        assert opened(place).channel == "inbox"
        waiting.answer(place.store, waiting.open_waits(place.store)[0].token, "Ada", "x", 1.0)
        return await asking

    assert asyncio.run(story()) == "Ada"


@pytest.mark.parametrize(
    ("how", "default"),
    [
        ({"default": "Ada"}, "Ada"),
        ({"default": 3}, "3"),
    ],
)
def test_a_default_is_used_where_nobody_is(place: Room, how: dict[str, Any], default: str) -> None:
    assert asyncio.run(channel(place)[0].ask_text("Name?", **how)) == default


def test_defaults_of_each_kind(place: Room) -> None:
    async def body(ask: Channel) -> list[Any]:
        return [
            await ask.ask_approval("Go?", default=False),
            await ask.ask_approval("Stop?", ["Stop", "Go on"], default="Go on"),
            await ask.ask_choice("Which?", ["a", "b"], default="b"),
            await ask.ask_choice("All?", ["a", "b"], multiple=True, default=("b",)),
            await ask.ask_number("n?", default=0),
        ]

    no = {"approved": False, "choice": "Reject"}
    assert asyncio.run(body(channel(place)[0])) == [no, {"approved": False, "choice": "Go on"}, "b", ["b"], 0]


@pytest.mark.parametrize(
    ("call", "error", "why"),
    [
        (lambda c: c.ask_choice("Which?", ["a"], default="z"), ValueError, "default='z' does not fit 'Which\\?'"),
        (lambda c: c.ask_choice("Which?", []), ValueError, "no options"),
        (lambda c: c.ask_choice("Which?", "abc"), TypeError, "a list of texts"),
        (lambda c: c.ask_choice("Which?", ["a", 1]), TypeError, "a list of texts"),
        (lambda c: c.ask_choice("Which?", ["a", "a"]), ValueError, "there twice: 'a'|are there twice"),
        (lambda c: c.ask_text(""), ValueError, "needs a prompt"),
        (lambda c: c.ask_text("Name?", timeout_s=0), ValueError, "not above 0"),
        (lambda c: c.ask_number("n?", min=3, max=1), ValueError, "min=3 is above max=1"),
        (lambda c: c.ask_number("n?", step=0), ValueError, "step=0"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_when_asked(
    place: Room, call: Any, error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        asyncio.run(call(channel(place)[0]))
    assert waiting.open_waits(place.store) == []


def test_a_scripted_answer_outside_the_options_reaches_the_caller(place: Room) -> None:
    with ScriptedChannel({"Which?": "tree"}), pytest.raises(BadAnswer, match="'tree' is none of"):
        asyncio.run(channel(place)[0].ask_choice("Which?", ["svm"]))


def test_a_stream_is_one_message_when_it_is_whole(place: Room) -> None:
    async def body(said: Channel) -> None:
        async with said.stream() as stream:
            with pytest.raises(TypeError, match="delta takes a text, got int"):
                await stream.delta(3)  # type: ignore[arg-type]
            await stream.delta("Hel")
            await stream.delta("lo")
            await stream.end()
        async with said.stream():
            pass  # nothing was said

    said, desk = channel(place)
    asyncio.run(body(said))
    assert [args["text"] for args in desk.journal.args] == ["Hello"]
    assert [(one["sub"], one["end"]) for one in desk.noted("progress")][:2] == [("Hel", False), ("Hello", True)]


def test_a_stream_that_broke_off_says_nothing_and_an_ended_one_takes_no_more(place: Room) -> None:
    said, desk = channel(place)

    async def broken() -> None:
        async with said.stream() as stream:
            await stream.delta("Hel")
            raise KeyError("cut")

    async def ended() -> None:
        async with said.stream() as stream:
            await stream.end()
            await stream.delta("x")

    with pytest.raises(KeyError):
        asyncio.run(broken())
    with pytest.raises(ValueError, match="has ended"):
        asyncio.run(ended())
    assert desk.journal.names == []


def test_progress_is_noted_and_drawn(place: Room) -> None:
    pager = Pager()
    place.bus.register("pager", pager)

    async def body(said: Channel) -> None:
        async with said.progress("train", total=3) as bar:
            await bar.update()
            place.clock.advance(1)
            await bar.update(inc=1, subtitle="epoch 2")
            place.clock.advance(1)
            await bar.update(current=3)

    said, desk = channel(place, key="pager")
    asyncio.run(body(said))
    noted = desk.noted("progress")
    assert [one["now"] for one in noted] == [0, 2, 3, 3]
    assert noted[1] == {
        "id": noted[0]["id"], "title": "train", "now": 2.0, "total": 3.0, "sub": "epoch 2", "end": False,
    }  # fmt: skip
    assert [one["end"] for one in noted] == [False, False, False, True]
    assert [state.now for state in pager.bars] == [0, 2, 3, 3]
    assert desk.journal.names == []  # cosmetic: nothing to replay
