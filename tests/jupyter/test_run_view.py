"""The widget follows a run, and hands over what a person does."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from aethergraph.lifecycle import hub
from aethergraph.views.frames import write_array
from jupyter_ext import below, build_js, following, lane, notebook, run_view
from jupyter_ext.run_view import RunView
from jupyter_ext.settings import settings
from tests.jupyter.fake_run import FakeRun, FakeRuntime
from tests.story import Story

SOON_S = 20.0  # until a test gives up; nothing waits so long when all is well


class Stage:
    """A story, its run, a view of it, and all that was published and sent."""

    def __init__(self, folder: Path) -> None:
        self.story = Story()
        self.runtime = FakeRuntime(folder, self.story)
        self.run = FakeRun(self.story)
        self.published: list[tuple[dict[str, Any], str, bool]] = []
        self.sent: list[tuple[dict[str, Any], Any]] = []
        self.news = threading.Condition()

    def publish(self, data: dict[str, Any], display_id: str = "", *, update: bool = False) -> None:
        with self.news:
            self.published.append((data, display_id, update))
            self.news.notify_all()

    def send(self, message: dict[str, Any], buffers: Any = None) -> None:
        with self.news:
            self.sent.append((message, buffers))
            self.news.notify_all()

    def until(self, true: Callable[[], bool]) -> None:
        with self.news:
            assert self.news.wait_for(true, SOON_S)

    def kinds(self) -> list[str]:
        return [message["kind"] for message, _ in self.sent]

    def last(self, kind: str) -> Any:
        self.until(lambda: kind in self.kinds())
        return next(message for message, _ in reversed(self.sent) if message["kind"] == kind)

    def view(self) -> RunView:
        view = RunView(self.run)  # type: ignore[arg-type]
        view.send = self.send
        return view

    def hear(self, view: RunView, **message: Any) -> None:
        view._hear(view, message, [])

    def copies(self) -> list[str]:
        return [data["text/html"] for data, _, _ in self.published if "text/html" in data]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    monkeypatch.setattr(hub, "current", lambda: stage.runtime)
    monkeypatch.setattr(following, "publish", stage.publish)
    monkeypatch.setattr(run_view, "SETTLED_S", 0.0)
    monkeypatch.setattr(run_view, "_heard", {})
    monkeypatch.setattr(settings, "static", "full")
    yield stage
    while run_view._open:
        run_view._open.pop().shut()


def test_the_view_is_two_outputs_widget_first(stage: Stage) -> None:
    view = stage.view()
    view.show()
    (widget, no_id, _), (copy, display_id, update) = stage.published
    assert widget["application/vnd.jupyter.widget-view+json"]["model_id"] == view.model_id and not no_id
    assert "text/html" in copy and "application/vnd.jupyter.widget-view+json" not in copy
    assert display_id and not update
    view.shut()


def test_the_state_that_a_browser_gets_is_the_present(stage: Stage) -> None:
    view = stage.view()
    stage.story.tool("load")
    stage.run.play()
    assert view.get_state()["snap"]["head"]["done"] == 1
    view.shut()


def test_new_facts_become_one_patch_however_many_they_are(stage: Stage) -> None:
    view = stage.view()
    for _ in range(200):
        stage.story.tool("trial")
    stage.run.play()
    stage.until(lambda: any(m.get("head", {}).get("done") == 200 for m, _ in stage.sent))
    assert len(stage.sent) <= 2
    view.shut()


def test_a_form_is_told_that_its_question_is_asked_in_the_input_line_and_when_it_no_longer_is(stage: Stage) -> None:
    view, other = stage.view(), RunView(FakeRun(Story()))  # type: ignore[arg-type]
    others: list[dict[str, Any]] = []
    other.send = lambda message, buffers=None: others.append(message)
    no = stage.story.ask("Name?")
    stage.run.play()

    def told() -> list[bool]:
        return [patch["asks"][0]["below"] for patch, _ in stage.sent if patch.get("asks")]

    stage.until(lambda: told() == [False])
    with below.asked_below(f"token-{no}"):
        stage.until(lambda: told() == [False, True])
        assert view.get_state()["snap"]["asks"][0]["below"]
    stage.until(lambda: told() == [False, True, False])
    view.shut()
    other.shut()
    assert not any(message.get("asks") for message in others)
    assert not below.listeners


def test_a_run_that_goes_on_goes_on_in_the_view_and_in_the_saved_copy_of_the_one_before(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "kernel", lambda: SimpleNamespace(get_parent=dict))
    monkeypatch.setattr(notebook, "live", lambda: True)
    run_view.open_view(stage.run)  # type: ignore[arg-type]
    (view,) = run_view._open
    view.send = stage.send
    outputs, second = len(stage.published), stage.story.successor(2)
    stage.run.play()
    third = second.successor(3)
    third.tool("fit")
    monkeypatch.setattr(run_view, "_before", lambda run: run.continues)
    for story in (second, third):
        run_view.open_view(FakeRun(story))  # type: ignore[arg-type]
    assert list(run_view._open) == [view] and view.run_id == third.run_id
    stage.until(lambda: any(m.get("snap", {}).get("head", {}).get("id") == third.run_id for m, _ in stage.sent))
    head = view.get_state()["snap"]["head"]
    assert (head["id"], head["generation"], head["continues"]) == (third.run_id, 3, second.run_id)
    stage.until(lambda: any(third.run_id in copy for copy in stage.copies()))
    assert all(update for _, _, update in stage.published[outputs:])
    stage.run.play()
    seqs = [m["seq"] if m["kind"] == "patch" else m["snap"]["seq"] for m, _ in stage.sent if m["kind"] != "heard"]
    assert seqs == sorted(seqs)


def test_where_nobody_can_answer_a_run_that_goes_on_takes_the_output_of_the_one_before(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "kernel", lambda: SimpleNamespace(get_parent=dict))
    monkeypatch.setattr(notebook, "live", lambda: False)
    run_view.open_view(stage.run)  # type: ignore[arg-type]
    second = stage.story.successor(2)
    stage.run.play()
    monkeypatch.setattr(run_view, "_before", lambda run: run.continues)
    run = FakeRun(second)
    run_view.open_view(run)  # type: ignore[arg-type]
    second.end()
    run.play()
    ((_, first, _), *later) = stage.published
    assert later and all((place, update) == (first, True) for _, place, update in later)
    assert second.run_id in stage.copies()[-1] and "generation 2" in stage.copies()[-1]


def test_a_view_that_missed_a_patch_gets_a_snapshot(stage: Stage) -> None:
    view = stage.view()
    stage.hear(view, kind="sync")
    assert stage.last("snap")["snap"]["head"]["id"] == stage.run.run_id
    view.shut()


def test_an_answer_is_handed_over_and_acknowledged(stage: Stage) -> None:
    stage.story.ask("Which?")
    view = stage.view()
    stage.hear(view, kind="answer", token="token-1", value="svm", answer_id="a1")
    assert stage.last("ack") == {"kind": "ack", "token": "token-1", "answer_id": "a1", "why": ""}
    assert stage.runtime.answers == [("token-1", "svm", "a1")]
    view.shut()


def test_a_refused_answer_comes_back_with_the_reason(stage: Stage) -> None:
    stage.story.ask("Which?")
    stage.runtime.refuse = "'x' is none of 'a', 'b'"
    view = stage.view()
    stage.hear(view, kind="answer", token="token-1", value="x", answer_id="a1")
    assert stage.last("ack")["why"] == "'x' is none of 'a', 'b'"
    view.shut()


def test_an_answer_to_a_question_of_another_run_is_not_handed_over(stage: Stage) -> None:
    view = stage.view()
    stage.hear(view, kind="answer", token="elsewhere", value="x", answer_id="a1")
    assert stage.last("ack")["why"] and not stage.runtime.answers
    view.shut()


def test_the_handler_only_hands_over(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[Any] = []
    monkeypatch.setattr(run_view.THREAD, "post", posted.append)
    stage.story.ask("Which?")
    view = stage.view()
    stage.hear(view, kind="answer", token="token-1", value="x", answer_id="a1")
    assert len(posted) == 1 and not stage.runtime.answers
    view.shut()


def test_ready_is_acknowledged_in_the_handler_and_remembers_its_thread(stage: Stage) -> None:
    view = stage.view()
    stage.hear(view, kind="ready")
    assert stage.kinds() == ["heard"] and not run_view.heard_off_main()
    thread = threading.Thread(target=lambda: stage.hear(view, kind="ready"), name="subshell-1")
    thread.start()
    thread.join()
    assert run_view.heard_off_main() and "subshell-1" in run_view.heard()
    view.shut()


def test_messages_that_make_no_sense_do_no_harm(stage: Stage) -> None:
    view = stage.view()
    for message in (
        {},
        {"kind": "boo"},
        {"kind": "detail", "key": 99},
        {"kind": "bytes", "digest": "../../etc/passwd"},
    ):
        view._hear(view, message, [])
    view._hear(view, "text", [])
    assert stage.last("bytes")["why"] == "this run has no such file"
    assert "detail" not in stage.kinds()
    view.shut()


def test_details_of_a_node_come_on_request(stage: Stage) -> None:
    no = stage.story.tool("load", rows=3)
    view = stage.view()
    stage.hear(view, kind="detail", key=no, no=0)
    assert stage.last("detail")["outputs"] == [["rows", "3"]]
    view.shut()


def test_bytes_of_this_runs_files_are_sent_as_a_buffer(stage: Stage) -> None:
    digest = stage.runtime.store.blobs.put(b"PNG")
    no = stage.story.tool("plot")
    stage.story.save(no, "curve.png", digest)
    view = stage.view()
    stage.hear(view, kind="bytes", digest=digest)
    assert stage.last("bytes")["mime"] == "image/png"
    assert stage.sent[-1][1] == [b"PNG"]
    view.shut()


def test_a_file_that_is_gone_is_named(stage: Stage) -> None:
    no = stage.story.tool("plot")
    stage.story.save(no, "curve.png", "ab" * 32)
    view = stage.view()
    stage.hear(view, kind="bytes", digest="ab" * 32)
    assert stage.last("bytes")["why"]
    view.shut()


def test_pictures_of_plots_and_ranges_of_lines_come_on_request(stage: Stage) -> None:
    no = stage.story.node("fit")
    stage.story.point(no, "loss", 1, 2.0)
    stage.story.frame(no, "attention", 3, "matrix", write_array(np.eye(2)))
    stage.story.frame(no, "attention", 4, "matrix", b"", blob="ab" * 32)
    stage.story.frame(no, "attention", 5, "matrix", b"no array")
    view = stage.view()
    stage.hear(view, kind="frame", track="attention", id=0)
    reply = stage.last("frame")
    assert (reply["track"], reply["id"], reply["shape"], reply["step"]) == ("attention", 0, [2, 2], 3.0)
    assert len(stage.sent[-1][1][0]) == 16
    for id_, why in ((1, "abababab"), (2, "no stored array"), (9, "not there any more"), ("x", "not there any more")):
        stage.sent.clear()
        stage.hear(view, kind="frame", track="attention", id=id_)
        assert why in stage.last("frame")["why"]
    stage.hear(view, kind="plotting")
    stage.last("plotting")
    assert b"Leon Sorokin" in stage.sent[-1][1][0]
    stage.hear(view, kind="range", chart="loss", tracks="loss", low=0, high="x")  # no sense: ignored
    stage.hear(view, kind="range", chart="loss", tracks=["loss", "gone"], low=0, high=9)
    assert stage.last("range")["tracks"].keys() == {"loss"}
    view.shut()


def test_stop_cancels_the_run_on_a_thread_of_its_own(stage: Stage) -> None:
    cancelled = threading.Event()
    stage.run.cancel = cancelled.set  # type: ignore[method-assign]
    view = stage.view()
    stage.hear(view, kind="stop")
    assert cancelled.wait(SOON_S)
    view.shut()


def test_what_was_sent_before_anybody_was_heard_is_sent_once_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_view, "REPEATS_S", (0.0, 0.01))
    view = stage.view()
    view.show()
    stage.until(lambda: stage.kinds().count("snap") == 2)
    view.shut()
    heard = stage.view()
    stage.hear(heard, kind="ready")
    heard.show()
    settled = threading.Event()
    run_view.THREAD.at(settled.set, time.monotonic() + 0.05)
    assert settled.wait(SOON_S) and stage.kinds().count("snap") == 2
    heard.shut()


def test_a_ping_is_answered(stage: Stage) -> None:
    view = stage.view()
    stage.hear(view, kind="ping")
    assert stage.last("heard") == {"kind": "heard", "seq": view._teller.seq}
    view.shut()


def test_resume_goes_on_for_the_cell_of_the_view_and_opens_no_second_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "kernel", lambda: None)
    monkeypatch.setattr(notebook, "namespace", lambda: {"x": 1})
    with notebook.acting_for("cell-1#a", shown=False):
        view = stage.view()
    stage.hear(view, kind="resume")
    assert stage.last("told") == {"kind": "told", "about": "resume", "said": "", "bad": False}
    assert stage.runtime.done == [("resume", stage.run.run_id, {"namespace": {"x": 1}}, "cell-1#a", True)]
    view.shut()


def test_a_fork_names_the_node_and_says_where_it_is_seen(stage: Stage) -> None:
    no = stage.story.tool("load")
    view = stage.view()
    stage.hear(view, kind="fork", no=no)
    assert stage.last("told")["said"] == "study-forked is shown below (else: %aether show study-forked)"
    [(what, run_id, how, _, shown)] = stage.runtime.done
    assert (what, run_id, shown) == ("fork", stage.run.run_id, False)
    assert how["at"] == stage.run.picture().nodes[no].node_id
    view.shut()


def test_what_cannot_be_resumed_or_forked_says_why(stage: Stage) -> None:
    stage.runtime.refuse = "another process runs it"
    view = stage.view()
    stage.hear(view, kind="resume")
    assert stage.last("told") == {
        "kind": "told", "about": "resume", "said": "RuntimeError: another process runs it", "bad": True,
    }  # fmt: skip
    stage.hear(view, kind="fork", no=99)
    stage.until(lambda: stage.last("told")["about"] == "fork")
    assert stage.last("told")["said"] == "LookupError: there is no node 99"
    view.shut()


def test_the_copy_is_brought_up_to_date_when_the_run_parks_and_when_it_ends(stage: Stage) -> None:
    view = stage.view()
    view.show()
    stage.story.tool("load")
    asked = stage.story.ask("Which?")
    stage.run.play()
    stage.until(lambda: len(stage.copies()) == 2)
    assert "Which?" in stage.copies()[-1]
    stage.story.answer(asked, "a")
    stage.story.end()
    stage.run.play()
    stage.until(lambda: len(stage.copies()) == 3)
    assert "done, 2 of 2" in stage.copies()[-1]
    assert len({display_id for data, display_id, _ in stage.published if "text/html" in data}) == 1
    assert [update for data, _, update in stage.published if "text/html" in data] == [False, True, True]
    view.shut()


def test_nodes_alone_do_not_publish_the_copy_again(stage: Stage) -> None:
    view = stage.view()
    view.show()
    for _ in range(3):
        stage.story.node("load")
        stage.run.play()
    stage.until(lambda: any(m.get("head", {}).get("total") == 3 for m, _ in stage.sent))
    assert len(stage.copies()) == 1
    view.shut()


def test_the_copy_can_be_switched_off(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "static", "off")
    view = stage.view()
    view.show()
    assert not stage.copies()
    view.shut()


def test_only_the_latest_views_stay_live(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "kernel", lambda: SimpleNamespace(get_parent=dict))
    monkeypatch.setattr(notebook, "live", lambda: True)
    monkeypatch.setattr(run_view, "LIVE", 2)
    for _ in range(3):
        run_view.open_view(stage.run)  # type: ignore[arg-type]
    assert len(run_view._open) == 2 and len(stage.run._followers) == 2
    assert {view.model_id for view in run_view._open} <= lane.OWN


def test_where_nobody_can_answer_only_the_copy_is_published(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "kernel", object)
    monkeypatch.setattr(notebook, "live", lambda: False)
    run_view.open_view(stage.run)  # type: ignore[arg-type]
    stage.story.tool("load")
    stage.run.play()
    assert len(stage.published) == 1
    stage.story.end()
    stage.run.play()
    assert len(stage.published) == 2 and stage.published[1][2]
    assert not any("application/vnd.jupyter.widget-view+json" in data for data, _, _ in stage.published)


def test_without_a_kernel_nothing_is_shown(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "kernel", lambda: None)
    run_view.open_view(stage.run)  # type: ignore[arg-type]
    assert not stage.published


def test_the_static_copy_can_be_published_alone(stage: Stage) -> None:
    stage.story.tool("load")
    run_view.publish_static(stage.run)  # type: ignore[arg-type]
    assert len(stage.copies()) == 1 and not stage.run._followers


def test_a_closed_view_says_so_and_lets_go(stage: Stage) -> None:
    view = stage.view()
    model_id = view.model_id
    view.shut()
    view.shut()
    assert stage.kinds() == ["closed"] and not stage.run._followers and model_id not in lane.OWN


def test_a_closed_view_leaves_memory_with_its_layout(stage: Stage) -> None:
    view = stage.view()
    view.show()
    stage.story.tool("load")
    stage.run.play()
    stage.until(lambda: "patch" in stage.kinds())
    view.shut()
    gone = weakref.ref(view), weakref.ref(view.layout)
    settled = threading.Event()
    run_view.THREAD.post(settled.set)  # what it had to do for this view is done
    assert settled.wait(SOON_S)
    del view
    gc.collect()
    assert [one() for one in gone] == [None, None]


def test_what_is_sent_to_each_browser_is_small() -> None:
    size = sum((build_js.BUILT / name).stat().st_size for name in ("run_view.js", "run_view.css"))
    assert size < 60_000
