"""Where a key leads and who is asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aethergraph.channels.adapter import PLAIN, Message, Recorded
from aethergraph.channels.bus import Bus
from aethergraph.channels.scripted import ScriptedChannel
from aethergraph.engine import LeftOpen
from aethergraph.errors import BadAnswer, NoOneToAsk, ServiceUnavailable
from aethergraph.record.schema import Question
from aethergraph.storage.store import Store
from tests.services.fake_desk import room

NAME = Question("text", "Your name?", name="who")
PICK = Question("choice", "Which?", options=["svm", "forest"])


class Person:
    """Somebody at a channel, who says what was laid down."""

    capabilities = PLAIN

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.heard: list[tuple[str, str]] = []

    async def ask(self, question: Question, token: str, refused: str) -> Any:
        self.heard.append((question.prompt, refused))
        if not self.answers:
            raise EOFError("closed")
        return self.answers.pop(0)

    async def send(self, message: Message, id: str) -> None:
        self.heard.append((message.text, id))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return room(tmp_path).store


def bus(terminal: bool = False, notebook: bool | None = None, *, console: Any = None, **environ: str) -> Bus:
    made = Bus(environ, lambda: terminal, **({"console": console} if console else {}))
    if notebook is not None:
        made.notebook = lambda: notebook
    return made


def ask(bus: Bus, store: Store, question: Question = NAME, key: str = "", refused: str = "") -> Any:
    asker = bus.asker(question, key, "run-1", store)
    return "from the store" if asker is None else asyncio.run(_wait(asker, question, refused))


async def _wait(asker: Any, question: Question, refused: str) -> Any:
    return await asker(question, "tok", refused)


@pytest.mark.parametrize(
    ("made", "key", "leads_to"),
    [
        (bus(), "", ""),
        (bus(terminal=True), "", "console"),
        (bus(terminal=True, notebook=True), "", "notebook"),
        (bus(terminal=True, notebook=False), "", "console"),
        (bus(terminal=True, AETHERGRAPH_INTERACTIVE="0"), "", ""),
        (bus(notebook=True, AETHERGRAPH_INTERACTIVE="0"), "", ""),
        (bus(AETHERGRAPH_INTERACTIVE="1"), "", "console"),
        (bus(notebook=False, AETHERGRAPH_INTERACTIVE="1"), "", "notebook"),
        (bus(notebook=False, AETHERGRAPH_INTERACTIVE="Yes"), "", "notebook"),
        (bus(AETHERGRAPH_INTERACTIVE=" on "), "", "console"),
        (bus(terminal=True, AETHERGRAPH_INTERACTIVE="false"), "", ""),
        (bus(terminal=True, AETHERGRAPH_INTERACTIVE=""), "", "console"),
        (bus(notebook=True, AETHERGRAPH_CHANNEL="inbox"), "", "inbox"),
        (bus(notebook=True, AETHERGRAPH_CHANNEL="inbox"), "console", "console"),
    ],
)
def test_where_a_key_leads(made: Bus, key: str, leads_to: str) -> None:
    assert made.route(key).key == leads_to


def test_a_word_that_is_neither_yes_nor_no_is_refused_with_those_that_are() -> None:
    with pytest.raises(
        ValueError, match="AETHERGRAPH_INTERACTIVE='maybe' says neither yes nor no: 1 .or true, yes, on"
    ):
        bus(terminal=True, AETHERGRAPH_INTERACTIVE="maybe").route()


def test_a_default_that_was_set_goes_before_the_environment() -> None:
    made = bus(AETHERGRAPH_CHANNEL="inbox")
    made.set_default_channel("console")
    assert made.route().key == "console"
    made.set_default_channel("")
    assert made.route().key == "inbox"


def test_a_key_may_name_a_place_within_a_channel_or_be_an_alias() -> None:
    made, chat = bus(), Person()
    made.register("chat", chat)
    made.set_alias("team", "chat:#team")
    assert made.route("team").key == "chat:#team"
    assert made.route("team").adapter is chat


def test_an_unknown_channel_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(TypeError, match="a channel is named by a text such as 'console', got int: 3"):
        bus().route(3)  # type: ignore[arg-type]
    with pytest.raises(ServiceUnavailable, match="no channel 'smoke' .*console, file, inbox, notebook, scripted"):
        bus().route("smoke")


def test_an_alias_may_stand_for_another_but_never_for_itself() -> None:
    made, chat = bus(), Person()
    made.register("chat", chat)
    made.set_alias("team", "chat:#team")
    made.set_alias("urgent", "team")
    made.set_default_channel("urgent")
    assert made.route().key == "chat:#team"
    for alias, key in (("chat:#team", "urgent"), ("a", "a"), ("", "a")):
        with pytest.raises(ValueError, match="would stand for itself"):
            made.set_alias(alias, key)
    made.set_alias("team", "inbox")  # but it may stand for something else later
    assert made.route().key == "inbox"


def test_a_factory_makes_one_adapter_for_each_key() -> None:
    asked: list[str] = []

    def chat(address: str) -> Person:
        asked.append(address)
        return Person(address)

    made = bus()
    made.register_factory("chat", chat)
    one, other = made.route("chat:#a:b"), made.route("chat")
    assert made.route("chat:#a:b").adapter is one.adapter is not other.adapter
    assert asked == ["#a:b", ""]
    made.register_factory("chat", chat)  # its cell ran again
    assert made.route("chat").adapter is not other.adapter


def test_what_a_factory_refuses_reaches_whoever_named_the_key() -> None:
    for key, why in (("file:", "names the file"), ("webhook:nowhere", "http or https URL")):
        with pytest.raises(ValueError, match=why):
            bus().route(key)


def test_a_file_and_a_webhook_are_there_and_nobody_answers_in_them(store: Store, tmp_path: Path) -> None:
    for key in (f"file:{tmp_path / 'x.txt'}", "webhook:http://localhost/x"):
        assert not bus().route(key).stores
        assert ask(bus(), store, key=key) == "from the store"


def test_where_questions_are_left_open_for_whoever_answers(tmp_path: Path) -> None:
    made = bus(terminal=True, notebook=True)
    made.register("person", Person("Ada"))
    left = {"inbox": True, "notebook": False, "console": False, "person": False, "": False, "smoke": False}
    left |= {f"file:{tmp_path / 'x.txt'}": True, "file:": False}
    left[made.route("webhook:http://localhost/S3CRET").key] = True
    assert {key: made.leaves_open(key) for key in left} == left


def test_what_lets_one_into_a_webhook_is_not_in_the_key_that_is_told() -> None:
    made = bus()
    made.set_alias("ops", "webhook:https://example.org/S3CRET")
    assert made.route("ops").key == "webhook:https://example.org/..."


def test_each_question_reaches_the_one_who_was_asked(store: Store) -> None:
    made = bus()
    people = {name: Person(f"from {name}") for name in ("ada", "bob", "cyd")}
    made.register_factory("person", people.__getitem__)

    async def all_at_once() -> list[Any]:
        askers = [made.asker(NAME, f"person:{name}", "run-1", store) for name in people]
        return await asyncio.gather(*[asker(NAME, f"tok-{i}", "") for i, asker in enumerate(askers) if asker])

    assert asyncio.run(all_at_once()) == ["from ada", "from bob", "from cyd"]


@pytest.mark.parametrize("name", ["", "a:b"])
def test_a_channel_needs_a_proper_name(name: str) -> None:
    with pytest.raises(ValueError, match="no colon"):
        bus().register(name, Recorded())


def test_messages_to_nobody_and_to_the_notebook_are_their_record() -> None:
    assert bus().route().stores
    assert bus(notebook=True).route().stores
    assert not bus(terminal=True).route().stores


def test_in_a_notebook_and_in_the_inbox_answers_come_through_the_store(store: Store) -> None:
    assert ask(bus(notebook=True), store) == "from the store"
    assert ask(bus(), store, key="inbox") == "from the store"


def test_a_terminal_is_asked(store: Store) -> None:
    person = Person("Ada")
    assert ask(bus(terminal=True, console=person), store) == "Ada"
    assert ask(bus(terminal=True, console=Person("Ada")), store, refused="too short") == "Ada"


def test_where_nobody_is_the_error_says_how_to_answer(store: Store) -> None:
    with pytest.raises(NoOneToAsk) as caught:
        ask(bus(), store)
    text = str(caught.value)
    for part in ("who: 'Your name?'", "AETHERGRAPH_ANSWERS", "answer('tok', value)", "resume('run-1')"):
        assert part in text


def test_a_notebook_key_without_a_notebook_never_waits(store: Store) -> None:
    for made in (bus(), bus(notebook=False), bus(notebook=True, AETHERGRAPH_INTERACTIVE="0")):
        with pytest.raises(NoOneToAsk, match="no notebook front end"):
            ask(made, store, key="notebook")


def test_a_closed_terminal_is_nobody(store: Store) -> None:
    with pytest.raises(NoOneToAsk, match="the console is closed"):
        ask(bus(terminal=True, console=Person()), store)


def test_a_default_is_used_at_once_where_nobody_is(store: Store) -> None:
    question = Question("text", "Your name?", default="Ada", has_default=True)
    assert ask(bus(), store, question) == "Ada"
    assert ask(bus(terminal=True, console=Person()), store, question) == "Ada"
    with ScriptedChannel({}):
        assert ask(bus(), store, question) == "Ada"


def test_a_script_goes_first_on_every_channel(store: Store) -> None:
    person = Person("Bob")
    with ScriptedChannel({"who": "Ada"}) as channel:
        for key in ("", "inbox", "notebook", "console"):
            assert ask(bus(terminal=True, notebook=True, console=person), store, key=key) == "Ada"
    assert person.heard == []
    assert channel.asked == ["Your name?"] * 4


def test_a_scripted_channel_is_the_default_channel_and_no_other(store: Store) -> None:
    with ScriptedChannel({}) as channel:
        assert bus(terminal=True, notebook=True).route().adapter is channel
        assert ask(bus(), store, key="inbox") == "from the store"
        with pytest.raises(NoOneToAsk, match="the ScriptedChannel has no answer to it"):
            ask(bus(terminal=True, notebook=True), store)
    assert channel.asked == ["Your name?"]


def test_the_environment_and_other_sources_fall_through_to_the_channel(store: Store) -> None:
    made = bus(terminal=True, console=Person("Bob"), AETHERGRAPH_ANSWERS='{"Which?": "svm"}')
    made.scripts.append(lambda: {"Keep?": "yes"})
    made.scripts.append(lambda: None)
    assert ask(made, store, PICK) == "svm"
    assert ask(made, store, Question("text", "Keep?")) == "yes"
    assert ask(made, store) == "Bob"


def test_sources_of_the_notebook_go_before_the_environment(store: Store) -> None:
    made = bus(AETHERGRAPH_ANSWERS='{"who": "env"}')
    made.scripts.append(lambda: {"who": "papermill"})
    assert ask(made, store) == "papermill"


def test_a_bad_environment_is_an_error_where_it_is_needed(store: Store) -> None:
    with pytest.raises(ValueError, match="AETHERGRAPH_ANSWERS"):
        ask(bus(AETHERGRAPH_ANSWERS="{"), store)


def test_a_scripted_answer_that_does_not_fit_reaches_the_caller(store: Store) -> None:
    with pytest.raises(BadAnswer, match=r"'Which\?' does not fit: 'tree' is none of 'svm', 'forest'") as caught:
        ask(bus(AETHERGRAPH_ANSWERS='{"Which?": "tree"}'), store, PICK)
    assert caught.value.token == "tok"
    with ScriptedChannel({"Which?": "tree"}), pytest.raises(BadAnswer, match="'tree' is none of"):
        ask(bus(), store, PICK)


def test_a_script_whose_answer_was_refused_is_not_asked_again(store: Store) -> None:
    with ScriptedChannel({"who": "Ada"}), pytest.raises(BadAnswer, match="was refused: taken"):
        ask(bus(), store, refused="taken")
    with pytest.raises(NoOneToAsk):
        ask(bus(AETHERGRAPH_ANSWERS='{"who": "Ada"}'), store, refused="taken")


def test_a_list_that_ran_out_leaves_the_question_to_the_store(store: Store) -> None:
    made = bus(notebook=True, AETHERGRAPH_ANSWERS='{"who": []}')
    asker = made.asker(NAME, "", "run-1", store)
    assert asker is not None

    async def asked() -> Any:
        return await asker(NAME, "tok", "")

    with pytest.raises(LeftOpen):
        asyncio.run(asked())
