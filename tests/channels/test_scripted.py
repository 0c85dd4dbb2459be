"""Scripted answers: where they come from and which one is taken."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from aethergraph.channels import scripted
from aethergraph.channels.adapter import Message
from aethergraph.channels.scripted import Asked, Script, ScriptedChannel
from aethergraph.record.schema import Question
from aethergraph.storage import waiting
from aethergraph.storage.store import Store
from tests.services.fake_desk import room

NAME = Question("text", "Your name?", name="who")
MANY = Question("choice", "Which?", options=["a", "b"], multiple=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return room(tmp_path).store


def opened(store: Store, no: int, question: Question = NAME, run_id: str = "r") -> Asked:
    with store.transact() as transaction:
        waiting.open_op(waiting.WaitRow(f"t{no}", run_id, "ask", no, question, 1.0))(transaction)
    return Asked(question, f"t{no}", run_id)


@pytest.mark.parametrize("answers", [{"who": "Ada"}, {"Your name?": "Ada"}, {"who": "Ada", "Your name?": "no"}])
def test_an_answer_is_found_by_name_then_by_prompt(store: Store, answers: Any) -> None:
    assert Script(answers).answer(opened(store, 1), store) == "Ada"


def test_no_entry_is_no_answer(store: Store) -> None:
    script = Script({"else": "x"})
    assert not script.knows(NAME)
    assert script.answer(opened(store, 1), store) is None


def test_a_list_gives_one_answer_each_time_and_the_same_one_when_asked_again(store: Store) -> None:
    script = Script({"who": ["Ada", "Grace"]})
    first, second, third = (opened(store, no) for no in (4, 7, 9))
    assert [script.answer(asked, store) for asked in (first, second, second, first)] == ["Ada", "Grace", "Grace", "Ada"]
    assert script.answer(third, store) is None


def test_a_list_goes_on_where_a_killed_run_was(store: Store) -> None:
    asked = opened(store, 4)
    waiting.answer(store, asked.token, "Ada", "a", 2.0)
    assert Script({"who": ["Ada", "Grace"]}).answer(opened(store, 7), store) == "Grace"


def test_each_run_begins_its_list_anew(store: Store) -> None:
    opened(store, 4, run_id="other")
    assert Script({"who": ["Ada", "Grace"]}).answer(opened(store, 7), store) == "Ada"


def test_a_withdrawn_question_uses_no_answer_up(store: Store) -> None:
    opened(store, 4)
    with store.transact() as transaction:
        waiting.withdraw_op("t4")(transaction)
    assert Script({"who": ["Ada", "Grace"]}).answer(opened(store, 7), store) == "Ada"


def test_answers_in_order_fit_any_questions(store: Store) -> None:
    script = Script(["Ada", ["b"]])
    assert script.answer(opened(store, 1), store) == "Ada"
    assert script.answer(opened(store, 2, MANY), store) == ["b"]


def test_a_list_for_several_options_is_one_answer(store: Store) -> None:
    assert Script({"Which?": ["a", "b"]}).answer(opened(store, 1, MANY), store) == ["a", "b"]
    assert Script({"Which?": [["a"], ["b"]]}).answer(opened(store, 2, MANY), store) == ["b"]


def test_a_function_sees_the_question(store: Store) -> None:
    def reply(asked: Asked) -> str:
        return f"{asked.name}|{asked.prompt}|{asked.kind}|{asked.options}|{asked.run_id}"

    assert Script(reply).answer(opened(store, 1), store) == "who|Your name?|text|[]|r"
    assert Script({"who": reply}).answer(opened(store, 2), store) == "who|Your name?|text|[]|r"


def test_the_environment_holds_json_or_names_a_file(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text(json.dumps({"who": "Ada"}))
    for text in ('{"who": "Ada"}', str(file), ' ["Ada"]'):
        script = scripted.from_environment(text)
        assert script is not None
        assert script.answer(opened(store, 1), store) == "Ada"
    assert scripted.from_environment("  ") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"who": ', "AETHERGRAPH_ANSWERS is not valid JSON"),
        ("/no/such/file.json", "neither JSON nor a file that can be read"),
        ("[", "not valid JSON"),
    ],
)
def test_a_bad_environment_says_what_is_expected(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        scripted.from_environment(text)
    assert '{"name or prompt": answer}' in str(caught.value)


def test_a_file_that_holds_something_else_is_named(tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text("3")
    with pytest.raises(ValueError, match=r"answers\.json.* holds int"):
        scripted.from_environment(str(file))


def test_the_innermost_block_is_active_in_every_thread() -> None:
    seen: list[ScriptedChannel | None] = []
    with ScriptedChannel({}) as outer, ScriptedChannel({}) as inner:
        thread = threading.Thread(target=lambda: seen.append(scripted.active()))
        thread.start()
        thread.join()
        assert seen == [inner]
        assert outer is not inner
    assert scripted.active() is None


def test_blocks_that_end_out_of_order_end_only_themselves() -> None:
    first, second = ScriptedChannel({}), ScriptedChannel({})
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert scripted.active() is second
    second.__exit__(None, None, None)
    assert scripted.active() is None


def test_it_works_as_an_async_block() -> None:
    async def body() -> bool:
        async with ScriptedChannel({}) as channel:
            return scripted.active() is channel

    assert asyncio.run(body())
    assert scripted.active() is None


def test_a_message_is_kept_once() -> None:
    channel = ScriptedChannel({})
    message = Message("text", "hello", "scripted", "r", "n")
    for id in ("1", "1", "2"):
        asyncio.run(channel.send(message, id))
    assert channel.sent == ["hello", "hello"]


@pytest.mark.parametrize("answers", ["Ada", 3, b"x"])
def test_answers_of_a_wrong_type_are_refused(answers: Any) -> None:
    with pytest.raises(TypeError, match="ScriptedChannel takes"):
        ScriptedChannel(answers)
