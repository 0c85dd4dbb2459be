"""What a person sees of a run follows from its facts alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from aethergraph import Runtime, graph_fn, tool
from aethergraph.record import facts as f
from aethergraph.record import schema
from aethergraph.record.status import NodeStatus, RunStatus
from aethergraph.testing import FakeClock
from aethergraph.views.picture import HIDDEN, Picture, answer_text, tried
from tests.story import Story


@pytest.fixture
def story() -> Story:
    return Story()


def texts(picture: Picture) -> list[str]:
    return [entry.text for entry in picture.transcript]


def test_a_node_runs_and_is_done_with_times_of_the_run(story: Story) -> None:
    story.wait(2)
    no = story.node("load", n=3)
    assert story.picture().nodes[no].status is NodeStatus.RUNNING
    story.wait(1.5)
    story.done(no, rows=10)
    node = story.picture().nodes[no]
    assert (node.status, node.began, node.ended) == (NodeStatus.DONE, 2.0, 3.5)
    assert story.picture().done == 1


def test_marks_of_a_call_are_those_that_it_said_last_before_or_after_it_became_a_node(story: Story) -> None:
    story.mark(1, "best", ("slow", "big"))
    story.mark(2, "nobody")  # which never became a node
    no = story.node("load")
    picture = story.picture()
    assert picture.nodes[no].marks == ["@best", "#slow", "#big"]
    picture.changes()
    picture.fold(f.CallMarked(b"n1", labels=("new",), name="first"))
    assert picture.nodes[no].marks == ["#new", "name:first"] and picture.changes().nodes == {no}
    story.again(no)
    assert story.picture().nodes[no].marks == ["@best", "#slow", "#big"]


def test_a_result_that_cannot_be_stored_is_told(story: Story) -> None:
    no = story.node("read")
    why = "output 'lines' of node read of run r of type generator cannot be stored"
    story.put(f.NodeDone(no, True, b"", story.t, volatile=why))
    assert texts(story.picture()) == [f"will run again on resume: {why}"]


def test_a_pure_node_that_ran_in_one_fact_began_before_it_ended(story: Story) -> None:
    story.wait(3)
    story.put(f.NodeRan(1, b"k", 0, "", 0, "square", "square", b"", story.t, 2.0, True, b"m\x80"))
    node = story.picture().nodes[1]
    assert (node.began, node.ended, node.status) == (3.0, 5.0, NodeStatus.DONE)


def test_a_pure_node_of_a_real_run_is_drawn_where_it_ran(tmp_path: Path) -> None:
    clock = FakeClock()

    @tool(pure=True)
    async def takes(seconds: float) -> float:
        clock.advance(seconds)
        return seconds

    @graph_fn
    async def agent() -> float:
        return float((await takes(2.0)).result + (await takes(1.0)).result)

    runtime = Runtime(tmp_path, clock=clock)
    try:
        run = runtime.start(agent, {})
        run.result(30)
        assert [(node.began, node.ended) for node in run.picture().nodes.values()] == [(0.0, 2.0), (2.0, 3.0)]
    finally:
        runtime.close()


def test_what_was_done_counts_as_reused_from_the_next_opening_on(story: Story) -> None:
    done, running = story.tool("load"), story.node("fit")
    story.open(2)
    picture = story.picture()
    assert picture.nodes[done].status is NodeStatus.REUSED
    assert picture.nodes[running].status is NodeStatus.READY
    assert picture.counts[NodeStatus.REUSED] == 1 and picture.done == 1


def test_a_graph_that_was_open_is_entered_again_and_goes_on_running(story: Story) -> None:
    graph = story.node("evaluate", kind=f.GRAPH)
    story.open(2)
    assert story.picture().nodes[graph].status is NodeStatus.RUNNING


def test_times_when_nobody_ran_the_run_do_not_count(story: Story) -> None:
    story.wait(5)
    story.put(f.RunPaused("interrupted", story.t))
    story.wait(3600)
    story.open(2)
    story.wait(2)
    no = story.tool("load")
    picture = story.picture()
    assert picture.nodes[no].began == 7.0
    assert picture.elapsed(story.t + 1) == 8.0


def test_elapsed_stands_still_after_the_end(story: Story) -> None:
    story.wait(4)
    story.end()
    assert story.picture().elapsed(story.t + 100) == 4.0


def test_a_failed_attempt_is_kept_and_the_node_goes_on(story: Story) -> None:
    no = story.node("fit")
    story.attempt_failed(no, 1)
    node = story.picture().nodes[no]
    assert (node.status, node.attempt, len(node.failures)) == (NodeStatus.RUNNING, 2, 1)


def test_attempts_are_told_with_their_most_and_counted_on_after_a_kill(story: Story) -> None:
    no, first = story.node("fit"), story.node("load")
    assert tried(story.picture().nodes[no]) == ""
    story.attempt_failed(no, 1, most=3)
    story.open(2)
    story.again(no, execution=1)
    assert tried(story.picture().nodes[no]) == "attempt 2 of 3"
    story.put(f.NodeDone(no, True, b"", story.t, attempt=2))
    assert tried(story.picture().nodes[no]) == "attempt 2 of 3"
    story.again(no, execution=2)
    assert tried(story.picture().nodes[no]) == tried(story.picture().nodes[first]) == ""


def test_points_of_a_failed_attempt_go(story: Story) -> None:
    no, other = story.node("fit"), story.node("fit")
    story.point(no, "loss", 0, 1.0)
    story.point(other, "loss", 1, 2.0)
    story.attempt_failed(no, 1)
    assert story.picture().tracks["loss"].points == [(1.0, 2.0)]


def test_plots_of_nodes_that_no_code_calls_any_more_are_hidden_until_one_may(story: Story) -> None:
    """Rule 26: what no final execution claimed is hidden from plots; rule 11: a result that is found again is kept."""
    old, new = story.tool("fit"), story.tool("fit")
    for no in (old, new):
        story.point(no, "loss", no, no)
        story.frame(no, "map", no, "matrix", b"x")
    story.put(f.NodesLeft([old], story.t))
    picture = story.picture()
    assert picture.tracks["loss"].points == [(new, new)]
    assert [frame.no for frame in picture.frames["map"].frames] == [new]
    assert (picture.changes().tracks, picture.changes().tracks) == ({"loss": 0}, {})
    story.open(2)
    picture = story.picture()
    assert sorted(picture.tracks["loss"].points) == [(old, old), (new, new)]
    assert [frame.no for frame in picture.frames["map"].frames] == [old, new]
    story.again(old)
    assert story.picture().tracks["loss"].points == [(new, new)]


def test_a_node_that_runs_again_loses_what_its_earlier_execution_left_behind(story: Story) -> None:
    no = story.node("fit")
    story.printed(no, "epoch 1\n")
    story.say("half way", scope=no)
    story.save(no, "model.bin")
    story.point(no, "loss", 0, 1.0)
    story.note(no, "progress", id="p", title="t", now=1, total=2, sub="", end=False)
    story.done(no)
    story.open(2)
    story.again(no)
    picture = story.picture()
    assert texts(picture) == []
    assert not picture.artifacts
    assert picture.tracks["loss"].points == []
    assert picture.nodes[no].notes is None
    assert picture.nodes[no].why == "the code changed"
    assert picture.nodes[no].status is NodeStatus.RUNNING


def test_a_node_that_was_in_flight_keeps_its_messages_because_they_are_replayed(story: Story) -> None:
    no = story.node("fit")
    story.say("half way", scope=no)
    story.printed(no, "epoch 1\n")
    story.open(2)
    story.again(no, execution=1, why="it was not finished")
    assert texts(story.picture()) == ["half way"]


def test_prints_of_the_body_come_again_when_it_is_entered_again(story: Story) -> None:
    story.printed(0, "hello\n")
    story.say("said once")
    story.open(2)
    assert texts(story.picture()) == ["said once"]
    assert not story.picture().body.log


def test_an_open_question_makes_a_run_wait_that_has_nothing_else_to_do(story: Story) -> None:
    no = story.ask("Which one?", "choice", options=["a", "b"])
    picture = story.picture()
    assert picture.state is RunStatus.WAITING
    assert picture.asks[no].question.options == ["a", "b"]
    assert picture.nodes[no].label == "ask: Which one?"
    story.node("fit")
    assert story.picture().state is RunStatus.RUNNING


def test_a_tool_that_asks_does_not_count_as_working(story: Story) -> None:
    tool = story.node("check")
    story.ask("Sure?", scope=tool)
    assert story.picture().state is RunStatus.WAITING


def test_an_answer_shows_in_the_transcript_beside_its_question(story: Story) -> None:
    no = story.ask("Under which name?")
    assert [entry.open for entry in story.picture().transcript] == [True]
    story.answer(no, "digits")
    picture = story.picture()
    [entry] = picture.transcript
    assert (entry.text, entry.more, entry.open) == ("Under which name?", "digits", False)
    assert not picture.asks


def test_a_silent_answer_is_shown_nowhere(story: Story) -> None:
    no = story.ask("Password?", silent=True)
    story.answer(no, "hunter2")
    picture = story.picture()
    [entry] = picture.transcript
    assert entry.more == picture.nodes[no].answer == HIDDEN
    assert b"hunter2" not in picture.nodes[no].value


def test_a_refused_answer_leaves_the_question_open_with_the_reason(story: Story) -> None:
    no = story.ask("How many?", "number")
    story.put(f.WaitRefused(no, 2, "not even", story.t))
    ask = story.picture().asks[no]
    assert (ask.refused, ask.round) == ("not even", 2)


def test_a_question_is_as_old_as_its_first_asking_also_after_a_resume_and_a_refusal(story: Story) -> None:
    no = story.ask("How many?", "number")
    asked = story.t
    opened = next(fact for fact in story.facts if isinstance(fact, f.WaitOpened))
    story.wait(3600)
    story.open(2)
    story.put(msgspec.structs.replace(opened, t=story.t))
    story.wait(5)
    story.put(f.WaitRefused(no, 2, "not even", story.t), msgspec.structs.replace(opened, t=story.t, round=2))
    assert story.picture().asks[no].asked == asked
    other = schema.encode(schema.Question("number", "How many, now that the code has changed?"))
    story.put(msgspec.structs.replace(opened, t=story.t, question=other))
    assert story.picture().asks[no].asked == story.t


def test_a_withdrawn_question_goes(story: Story) -> None:
    no = story.ask("Still there?")
    story.put(f.WaitWithdrawn(no, story.t, "the code that asked gave up"))
    picture = story.picture()
    assert not picture.asks and texts(picture) == []
    assert picture.nodes[no].status is NodeStatus.CANCELLED


def test_a_question_whose_code_is_gone_says_so(story: Story) -> None:
    no = story.ask("Still there?")
    story.put(f.WaitWithdrawn(no, story.t, f.ORPHANED))
    assert texts(story.picture()) == ["withdrawn, since the code that asked is gone: Still there?"]


def test_a_call_that_the_body_cancelled_is_cancelled(story: Story) -> None:
    no = story.node("slow")
    story.put(f.CallCancelled(no, b"n%d" % no))
    assert story.picture().nodes[no].status is NodeStatus.CANCELLED


def test_a_question_asked_again_after_a_failure_stands_once(story: Story) -> None:
    no = story.ask("Which?")
    story.answer(no, "a")
    story.open(2)
    story.again(no)
    story.put(f.WaitOpened(no, "token-next", story.facts[3].question, story.t, 0.0, 2))  # type: ignore[union-attr]
    picture = story.picture()
    [entry] = picture.transcript
    assert entry.open and entry.more == ""
    assert picture.asks[no].token == "token-next"


def test_at_the_end_of_a_run_nothing_goes_on(story: Story) -> None:
    running, asked = story.node("slow"), story.ask("Ignored?")
    story.end(x=1)
    picture = story.picture()
    assert picture.state is RunStatus.DONE
    assert {picture.nodes[no].status for no in (running, asked)} == {NodeStatus.CANCELLED}


def test_a_failed_run_says_why_until_it_is_taken_up_again(story: Story) -> None:
    no = story.node("fit")
    story.fail(no)
    story.put(f.RunFailed(f.Error("builtins", "KeyError", "no such key"), [no], story.t))
    picture = story.picture()
    assert picture.state is RunStatus.FAILED and picture.error is not None
    assert texts(picture) == ["KeyError: no such key"]
    story.open(2)
    assert story.picture().error is None and texts(story.picture()) == []


def test_a_cancelled_run_asks_nothing(story: Story) -> None:
    story.ask("Go on?")
    story.put(f.RunCancelled("a person", story.t))
    picture = story.picture()
    assert not picture.asks and picture.state is RunStatus.CANCELLED


def test_a_paused_run_keeps_its_questions(story: Story) -> None:
    no, running = story.ask("Go on?"), story.node("fit")
    story.put(f.RunPaused("interrupted", story.t))
    picture = story.picture()
    assert no in picture.asks and picture.why == "interrupted"
    assert picture.nodes[running].status is NodeStatus.READY


def test_what_is_shown_and_drawn_is_kept_with_its_node(story: Story) -> None:
    no = story.node("plot")
    story.note(no, "figure", png="cd" * 32)
    story.note(no, "show", **{"text/plain": "a table", "text/html": "<b>"})
    picture = story.picture()
    notes = picture.nodes[no].notes
    assert notes is not None and notes.figures == ["cd" * 32] and notes.shows[0]["text/plain"] == "a table"
    assert picture.drew("cd" * 32) and not picture.drew("ef" * 32)


def test_notes_of_a_kind_that_is_not_known_yet_are_left_alone(story: Story) -> None:
    story.note(0, "hologram", x=1)
    assert texts(story.picture()) == []


def test_log_lines_are_in_the_log_and_the_louder_ones_in_the_transcript(story: Story) -> None:
    no = story.node("fit")
    story.note(no, "log", level="INFO", text="started")
    story.note(no, "log", level="DEBUG", text="detail")
    picture = story.picture()
    assert str(picture.nodes[no].notes.log) == "info: started\ndebug: detail\n"  # type: ignore[union-attr]
    assert texts(picture) == ["info: started"]


def test_printed_text_of_a_run_is_bounded(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aethergraph.views.picture.effects.KEPT", 1000)
    first, second = story.node("a"), story.node("b")
    for i in range(200):
        story.printed(first, f"a line {i}\n")
        story.printed(second, f"b line {i}\n")
    picture = story.picture()
    logs = [str(picture.nodes[no].notes.log) for no in (first, second)]  # type: ignore[union-attr]
    assert sum(map(len, logs)) <= 1100
    assert logs[0].endswith("a line 199\n")


def test_changes_name_what_changed_and_nothing_else(story: Story) -> None:
    load = story.tool("load")
    picture = story.picture()
    assert picture.changes().shape
    assert not picture.changes()
    fit = Story.node(story, "fit", load)
    picture.fold(story.facts[-1])
    picture.fold(f.Noted(fit, "point", b"\x83\xa5track\xa1l\xa4step\x01\xa5value\x02", story.t))
    changes = picture.changes()
    assert (changes.nodes, changes.tracks, changes.asks) == ({fit}, {"l": 0}, False)


def test_folding_a_fact_does_not_grow_with_the_run(story: Story) -> None:
    root = story.tool("root")
    picture = story.picture()
    picture.changes()
    for _ in range(50):
        no = story.node("trial", root)
        picture.fold(story.facts[-1])
        assert picture.changes().nodes <= {no, root}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("svm", "svm"),
        ({"approved": True, "choice": "Yes"}, "Yes"),
        ({"answer": 3}, "3"),
        (["a", "b"], "a, b"),
        (None, ""),
        (2.5, "2.5"),
    ],
)
def test_answers_read_as_a_person_would_write_them(value: object, text: str) -> None:
    assert answer_text(value) == text
