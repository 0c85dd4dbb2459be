"""What views show of waits that no person answers: signals and other systems."""

from __future__ import annotations

from aethergraph.record import facts as f
from aethergraph.record import schema
from aethergraph.record.status import NodeStatus, RunStatus
from aethergraph.storage import codec
from aethergraph.views.scene import face, scene
from jupyter_ext.static_copy import bundle

from .story import Story


def waits(story: Story, callee: str, question: schema.Question) -> int:
    no = story.node(callee, kind=f.WAIT)
    story.put(f.WaitOpened(no, f"token-{no}", schema.encode(question), story.t))
    return no


def under(story: Story, no: int) -> str:
    """The line under the name of a node."""
    picture = story.picture()
    return face(picture, scene(picture).boxes[no], codec.about_outputs).sub


def test_a_signal_is_a_waiting_node_that_says_what_it_waits_for_and_no_form() -> None:
    story = Story()
    no = waits(story, "event", schema.Question(schema.EVENT, "go", "go"))
    picture = story.picture()
    assert (picture.nodes[no].label, picture.nodes[no].status) == ("event: go", NodeStatus.WAITING)
    assert picture.state is RunStatus.WAITING and not picture.asks
    assert not list(picture.transcript)
    assert under(story, no) == "waits for the signal 'go'"
    assert "waits for: go" in bundle(picture)["text/plain"]
    story.answer(no, {"x": 1})
    assert story.picture().nodes[no].answer == "1"
    assert not story.picture().awaited


def test_an_answer_from_outside_is_waited_for_after_its_address_was_given_out() -> None:
    story = Story()
    no = story.node("wait", kind=f.WAIT)
    story.put(f.WaitReserved(no, "token", story.t))
    assert story.picture().nodes[no].status is NodeStatus.PENDING
    story.put(f.WaitOpened(no, "token", schema.encode(schema.Question(schema.EXTERNAL, "the job")), story.t))
    assert story.picture().nodes[no].label == "wait: the job"
    assert under(story, no) == "waits for an answer from outside"
    story.put(f.WaitWithdrawn(no, story.t, "the run ended"))
    picture = story.picture()
    assert (picture.nodes[no].status, picture.awaited) == (NodeStatus.CANCELLED, {})


def test_a_run_that_goes_on_in_another_is_done_and_names_it() -> None:
    story = Story()
    story.put(f.RunContinued("study-7f3ka.2", story.t))
    picture = story.picture()
    assert (picture.status, picture.why) == (RunStatus.DONE, "it goes on as study-7f3ka.2")
    assert [entry.text for entry in picture.transcript] == ["goes on as: study-7f3ka.2"]
