"""`aethergraph.tools`: questions and messages as nodes of static graphs."""

from __future__ import annotations

import pytest

from aethergraph import tools
from aethergraph.errors import BadAnswer, NoOneToAsk
from aethergraph.record import facts as f
from aethergraph.testing import ScriptedChannel

from .lab import LIMIT_S, Lab

GRAPH = """
from aethergraph import graphify
from aethergraph.tools import *
@graphify
def plan(topic):
    named = ask_text(prompt="what name?", name="name")
    go = ask_approval(prompt="go on?", _after=named)
    pick = ask_choice(prompt="which?", options=["svm", "forest"], _condition=go.approved)
    count = ask_number("how many?", min=1, step=1, _after=pick)
    said = send_text(named.text, _after=count)
    phase = send_phase("fit", "done", _after=said)
    return {"name": named.text, "choice": go.choice, "pick": pick.choice, "count": count.number, "ok": said.ok}
"""
ANSWERS = {"name": "Ada", "go on?": True, "which?": "forest", "how many?": 3}


def test_a_static_graph_asks_and_tells(lab: Lab) -> None:
    lab.cell(GRAPH)
    with ScriptedChannel(ANSWERS) as channel:
        outputs = lab.run("plan", topic="x")
    assert outputs == {"name": "Ada", "choice": "Approve", "pick": "forest", "count": 3, "ok": True}
    assert channel.asked == ["what name?", "go on?", "which?", "how many?"]
    assert channel.sent == ["Ada", "fit: done"]


def test_a_question_is_open_in_the_store_and_survives_a_kill(lab: Lab) -> None:
    lab.cell(GRAPH)
    run = lab.start("plan", topic="x")
    lab.answer(run, "what name?", "Ada")
    token = lab.asked(run, "go on?")
    (wait,) = lab.runtime.waits()
    assert (wait.kind, wait.schema.options, wait.schema.by_person) == ("approval", ["Approve", "Reject"], True)
    with pytest.raises(BadAnswer):
        lab.runtime.answer(token, "perhaps")
    lab.kill()
    run = lab.resume(run)
    assert lab.asked(run, "go on?") == token
    lab.runtime.answer(token, "Reject")
    lab.answer(run, "how many?", 2)
    assert run.result(LIMIT_S) == {"name": "Ada", "choice": "Reject", "pick": None, "count": 2, "ok": True}
    assert sum(isinstance(fact, f.WaitOpened) for fact in lab.facts(run)) == 3


def test_where_nobody_can_be_asked_the_run_says_so_and_keeps_the_question(lab: Lab) -> None:
    lab.cell(GRAPH)
    with ScriptedChannel({}):
        run = lab.start("plan", topic="x")
        with pytest.raises(NoOneToAsk, match=r"nobody can be asked name: 'what name\?'"):
            run.result(LIMIT_S)
    assert [wait.prompt for wait in lab.runtime.waits()] == ["what name?"]


def test_the_picture_shows_the_question_with_its_answer(lab: Lab) -> None:
    lab.cell(GRAPH)
    with ScriptedChannel(ANSWERS):
        run = lab.start("plan", topic="x")
        run.result(LIMIT_S)
    picture = run.picture()
    said = [(entry.kind, entry.text, entry.more) for entry in picture.transcript if entry.kind in ("ask", "say")]
    assert said[0] == ("ask", "what name?", "Ada")
    assert ("say", "Ada", "") in said
    assert not picture.asks and not picture.awaited


def test_a_default_is_taken_when_the_time_is_up(lab: Lab) -> None:
    lab.cell(
        """
from aethergraph.tools import ask_text, ask_choice
@graph_fn
async def agent(*, context):
    text = await ask_text("name?", timeout_s=0.02, default="nobody")
    many = await ask_choice("which?", ["a", "b"], multiple=True, timeout_s=0.02, default=["b"])
    return {"text": text.text, "choice": many.choice}
"""
    )
    assert lab.run("agent") == {"text": "nobody", "choice": ["b"]}


def test_every_tool_that_is_named_is_there() -> None:
    for name in tools.__all__:
        assert getattr(tools, name).name == name


SHOWING = r"""
from aethergraph import Button, graphify
from aethergraph.tools import *
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
@tool
def draw():
    ran("draw")
    return PNG
@graphify
def show():
    drawn = draw()
    picture = send_image(file_bytes=drawn.result, title="Loss", channel="inbox")
    file = send_file(file_bytes=b"a,b", filename="t.csv", channel="inbox", _after=picture)
    buttons = send_buttons("Go on?", [Button("Yes", style="primary"), "No"], channel="inbox", _after=file)
    named = ask_text(prompt="what name?", _after=buttons)
    return {"name": named.text, "ok": [picture.ok, file.ok, buttons.ok]}
"""


def test_a_static_graph_shows_pictures_files_and_buttons_once(lab: Lab) -> None:
    lab.cell(SHOWING)
    run = lab.start("show")
    lab.asked(run, "what name?")
    lab.kill()
    lab.took()
    resumed = lab.resume(run)
    lab.answer(resumed, "what name?", "Ada")
    assert resumed.result(LIMIT_S) == {"name": "Ada", "ok": [True, True, True]}
    said = [line.partition(": ")[2] for line in resumed.transcript()]
    assert said[:3] == ["Loss: image.png (image, 48 B)", "t.csv (file, 3 B)", "Go on?\n  [Yes]\n  [No]"]
    assert lab.took() == []
