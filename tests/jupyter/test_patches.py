"""What the browser is told: small, numbered, JSON, harmless."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aethergraph.views.picture import Picture
from jupyter_ext.patches import Teller, arguments, head
from tests.story import PROBE, Story


def told(story: Story) -> tuple[Teller, Picture]:
    picture = story.picture()
    teller = Teller(picture)
    picture.changes()
    picture.transcript.changes()
    return teller, picture


def patch_after(story: Story, teller: Teller, known: int) -> Any:
    for fact in story.facts[known:]:
        teller.picture.fold(fact)
    return json.loads(json.dumps(teller.patch(teller.picture.changes(), story.t, live=True), allow_nan=False))


def test_a_patch_holds_only_what_changed() -> None:
    story = Story()
    load = story.tool("load")
    fit = story.node("fit", load)
    teller, _ = told(story)
    known = len(story.facts)
    story.wait(1)
    story.done(fit, score=0.9)
    patch = patch_after(story, teller, known)
    assert patch["seq"] == 1 and list(patch["faces"]) == [str(fit)]
    assert patch["faces"][str(fit)][:3] == ["done", "1.0 s \u00b7 0.9", None]
    assert not {"boxes", "asks", "talk", "tracks", "artifacts"} & patch.keys()


def test_patches_are_numbered_and_a_snapshot_says_where_it_stands() -> None:
    story = Story()
    teller, picture = told(story)
    for _ in range(3):
        teller.patch(picture.changes(), story.t, live=True)
    assert teller.snapshot(story.t, live=True)["seq"] == 3


def test_a_patch_of_a_big_run_is_small() -> None:
    story = Story()
    root = story.tool("root")
    trials = [story.node("trial", root) for _ in range(1000)]
    teller, _ = told(story)
    known = len(story.facts)
    story.done(trials[500], v=1)
    assert len(json.dumps(patch_after(story, teller, known))) < 600


def test_what_a_node_prints_is_told_as_its_last_line() -> None:
    story = Story()
    fit = story.node("fit")
    teller, _ = told(story)
    known = len(story.facts)
    story.printed(fit, "epoch 1\r\x1b[1mepoch 2\x1b[0m\n")
    story.printed(0, "two\nlines\n")
    talk = patch_after(story, teller, known)["talk"]
    assert [entry[3] for entry in talk] == ["epoch 2", "two\nlines"]


def test_a_question_has_all_that_its_form_needs() -> None:
    story = Story()
    story.ask("Which?", "choice", options=["a\u202e", "b"], multiple=True)
    [ask] = Teller(story.picture()).snapshot(story.t, live=True)["asks"]
    assert ask["options"] == ["a\u202e", "b"] and ask["shown"] == ["a\ufffd", "b"]
    assert (ask["kind"], ask["multiple"], ask["token"], ask["round"]) == ("choice", True, "token-1", 1)


@pytest.mark.parametrize(("live", "status"), [(True, "waiting"), (False, "paused")])
def test_a_run_that_nobody_runs_is_paused(live: bool, status: str) -> None:
    story = Story()
    story.ask("Which?")
    assert head(story.picture(), story.t, live=live)["status"] == status


def test_a_snapshot_is_json_whatever_names_and_values_hold() -> None:
    story = Story(name=PROBE)
    story.fail(story.node("fit" + PROBE, x=PROBE), PROBE)
    story.tool("load", y=PROBE)
    story.say(PROBE)
    story.save(2, PROBE)
    story.ask(PROBE, "choice", options=[PROBE])
    text = json.dumps(Teller(story.picture()).snapshot(story.t, live=True), allow_nan=False)
    snapshot = json.loads(text)
    for ask in snapshot["asks"]:
        ask.pop("options")  # the answer has to be the option as it is
    assert "\u202e" not in json.dumps(snapshot, ensure_ascii=False)
    assert snapshot["talk"][0][3].startswith("<img src=x")


def test_arguments_are_shown_by_name_where_they_have_one() -> None:
    assert arguments(b"m\x92\x91\x03\x81\xa1k\xa1v") == [["", "3"], ["k", "'v'"]]
    assert arguments(b"tX=ndarray (3, 4)") == [["", "X=ndarray (3, 4)"]]
    assert arguments(b"") == []


def test_a_folded_box_says_how_many_it_stands_for_by_now() -> None:
    story = Story()
    first = story.node("trial")
    for _ in range(11):
        story.node("trial")
    teller, _ = told(story)
    known = len(story.facts)
    story.node("trial")
    patch = patch_after(story, teller, known)
    assert "boxes" not in patch  # only a count has changed
    assert patch["faces"][str(first)][-1] == "trial \u00d713"


def test_what_was_saved_is_told_with_its_head_and_markup_is_text() -> None:
    story = Story()
    load = story.tool("load")
    table = "name,<b>n</b>\n" + "".join(f"row {n},{n}\n" for n in range(9))
    story.save(
        load, "t.csv", mime="text/csv", preview=table, rows=9, metrics={"loss": 0.25, "bad": "x"}, tags=["final"]
    )
    story.save(load, "notes.md", mime="text/markdown", preview="# title\n\x1b[31mred\u202e\n" + "x" * 900)
    story.save(load, "old.bin", mime="application/octet-stream")
    teller, _ = told(story)
    first, second, third = teller.snapshot(story.t, live=True)["artifacts"]
    assert first["rows"][0] == ["name", "<b>n</b>"] and len(first["rows"]) == 6 and first["head"] == ""
    assert (first["numeric"], first["more"]) == ([False, True], "4 more rows")
    assert (second["numeric"], second["more"]) == ([], "")
    assert (first["metrics"], first["tags"]) == (["loss 0.25", "bad "], ["final"])
    assert second["rows"] == [] and second["head"].startswith("# title\n") and len(second["head"]) <= 400
    assert "\x1b" not in second["head"] and "\u202e" not in second["head"]
    assert (third["rows"], third["head"], third["metrics"], third["tags"]) == ([], "", [], [])


def test_of_many_artifacts_the_last_are_told_with_their_heads() -> None:
    story = Story()
    load = story.tool("load")
    for n in range(150):
        story.save(load, f"{n}.txt", mime="text/plain", preview="text")
    teller, _ = told(story)
    heads = [one["head"] for one in teller.snapshot(story.t, live=True)["artifacts"]]
    assert heads == [""] * 120 + ["text"] * 30
