"""Everything about one node."""

from __future__ import annotations

from typing import Any

from aethergraph.views.scene import scene
from jupyter_ext.details import code_of, detail
from tests.story import Story

SOURCE = '''
from aethergraph import tool

@tool(outputs=["score"],
      retries=2)
def fit(kind):
    """Fit."""
    return 1

def fit_all(): ...
'''


def details(story: Story, key: int, no: int = 0) -> Any:
    picture = story.picture()
    return detail(picture, scene(picture).boxes[key].group, key, no, SOURCE)


def test_a_node_shows_inputs_outputs_attempts_log_code_and_what_it_saved() -> None:
    story = Story()
    fit = story.node("fit", model="svm")
    story.attempt_failed(fit, 1, "busy")
    story.printed(fit, "epoch 1\nepoch 2\n")
    story.save(fit, "curve.png")
    story.wait(3)
    story.done(fit, score=0.9)
    known = details(story, fit)
    assert known["inputs"] == [["model", "'svm'"]] and known["outputs"] == [["score", "0.9"]]
    assert known["failures"] == ["attempt 1: OSError: busy"]
    assert (known["log"], known["lastly"]) == ("epoch 1\nepoch 2", "epoch 2")
    assert known["code"].startswith("@tool(outputs") and known["code"].endswith("return 1")
    assert known["artifacts"][0]["name"] == "curve.png"
    assert known["status"] == "done"


def test_a_node_shows_what_its_call_says_of_itself() -> None:
    story = Story()
    fit = story.node("fit")
    story.mark(fit, "best", ("slow", "<b>"), "fit")
    assert details(story, fit)["tried"] == "@best · #slow · #<b>"
    story.attempt_failed(fit, 1, most=3)
    story.mark(fit, "best", (), "first fit")
    assert details(story, fit)["tried"] == "@best · name:first fit · attempt 2 of 3"
    story.mark(fit)
    assert details(story, fit)["tried"] == "attempt 2 of 3"


def test_a_failed_node_shows_its_traceback() -> None:
    story = Story()
    fit = story.node("fit")
    story.fail(fit, "no such key")
    known = details(story, fit)
    assert known["error"] == "KeyError: no such key" and "Traceback" in known["traceback"]
    story = Story()
    fit = story.node("fit")
    story.fail(fit, "no such key", "in node fit")
    assert details(story, fit)["traceback"].count("in node fit") == 1


def test_a_folded_box_shows_its_members_and_each_of_them() -> None:
    story = Story()
    trials = [story.node("trial") for _ in range(7)]
    story.fail(trials[3])
    members = details(story, trials[0])["members"]
    assert [status for _, _, status in members] == ["running"] * 3 + ["failed"] + ["running"] * 3
    assert details(story, trials[0], trials[3])["label"] == "trial-4"


def test_a_silent_answer_is_not_among_the_details() -> None:
    story = Story()
    asked = story.ask("Password?", silent=True)
    story.answer(asked, "hunter2")
    assert "hunter2" not in str(details(story, asked))


def test_a_graph_says_how_many_nodes_are_inside() -> None:
    story = Story()
    graph = story.node("evaluate", kind="graph")
    story.tool("score", scope=graph)
    assert details(story, graph)["inner"] == "1 node inside"


def test_code_that_is_not_there_is_empty() -> None:
    assert code_of(SOURCE, "other") == "" and code_of("def (", "x") == ""
