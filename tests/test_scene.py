"""What stands where, and what each box says."""

from __future__ import annotations

from aethergraph.record import facts as f
from aethergraph.record.status import NodeStatus
from aethergraph.storage import codec
from aethergraph.views.picture import Picture
from aethergraph.views.scene import FRAMED, Box, Face, Scene, face, path, scene
from tests.story import Story


def look(picture: Picture, key: int) -> Face:
    return face(picture, scene(picture).boxes[key], codec.about_outputs)


def edges(placed: Scene) -> set[tuple[int, int]]:
    return {(a, b) for a, b, *_ in placed.paths}


def inside(inner: Box, outer: Box) -> bool:
    across = outer.x <= inner.x and inner.x + inner.w <= outer.x + outer.w
    return across and outer.y <= inner.y and inner.y + inner.h <= outer.y + outer.h


def test_edges_lead_from_what_gave_a_value_to_what_took_it() -> None:
    story = Story()
    load = story.tool("load")
    fit = story.tool("fit", load)
    assert edges(scene(story.picture())) == {(load, fit)}


def test_control_order_is_drawn_where_no_value_says_so_and_only_as_far_as_needed() -> None:
    story = Story()
    a = story.tool("a")
    b = story.node("b", after=(a,))
    c = story.node("c", after=(a, b))
    placed = scene(story.picture())
    assert edges(placed) == {(a, b), (b, c)}
    assert all(soft for *_, soft in placed.paths)


def test_a_fan_out_is_one_box_with_counts_and_a_bar() -> None:
    story = Story()
    root = story.tool("root")
    trials = [story.node("trial", root) for _ in range(40)]
    for no in trials[:30]:
        story.done(no, v=1)
    story.fail(trials[30])
    best = story.tool("best", *trials)
    picture = story.picture()
    placed = scene(picture)
    assert placed.boxes[trials[0]].label == "trial \u00d740" and placed.boxes[trials[0]].count == 40
    assert edges(placed) == {(root, trials[0]), (trials[0], best)}
    shown = look(picture, trials[0])
    assert (shown.status, shown.sub, shown.fraction) == (NodeStatus.FAILED, "30 of 40 \u00b7 1 failed", 0.75)
    assert placed.home(picture, trials[7]) == trials[0]


def test_a_nested_graph_is_a_frame_around_its_nodes() -> None:
    story = Story()
    load = story.tool("load")
    graph = story.node("evaluate", load, kind=f.GRAPH)
    a = story.tool("confusion", load, scope=graph)
    b = story.tool("figure", a, scope=graph)
    story.done(graph)
    report = story.tool("report", b)
    placed = scene(story.picture())
    frame = placed.boxes[graph]
    assert frame.frame and inside(placed.boxes[a], frame) and inside(placed.boxes[b], frame)
    assert not inside(placed.boxes[load], frame)
    # What comes from within leads from the frame, what is given to a node within leads to the frame.
    assert edges(placed) == {(load, graph), (a, b), (graph, report)}


def test_a_big_nested_graph_is_one_box_that_counts() -> None:
    story = Story()
    graph = story.node("search", kind=f.GRAPH)
    inner = [story.node(f"step{i}", scope=graph) for i in range(FRAMED + 1)]
    story.done(inner[0])
    picture = story.picture()
    placed = scene(picture)
    assert set(placed.boxes) == {graph} and placed.home(picture, inner[3]) == graph
    assert look(picture, graph).sub == f"1 of {FRAMED + 1}"


def test_a_tool_that_asks_frames_its_question_and_waits() -> None:
    story = Story()
    tool = story.node("check")
    asked = story.ask("Sure?", scope=tool)
    picture = story.picture()
    assert scene(picture).boxes[tool].frame
    assert look(picture, tool).status is NodeStatus.WAITING
    assert look(picture, asked).sub == "waits for you"


def test_too_many_boxes_are_folded_further() -> None:
    story = Story()
    roots = [story.tool("root", v=i) for i in range(3)]
    nodes = [story.tool(f"t{i % 6}", roots[i % 3], *([len(roots) + i - 1] if i else [])) for i in range(120)]
    picture = story.picture()
    assert len(scene(picture).boxes) > 100
    placed = scene(picture, most=50)
    assert len(placed.boxes) == 9
    assert sum(box.count for box in placed.boxes.values()) == 123
    assert {placed.home(picture, no) for no in nodes} <= set(placed.boxes)


def test_faces_say_what_matters() -> None:
    story = Story()
    done, failed, bar, retry, plain = (story.node(name) for name in ("done", "failed", "bar", "retry", "plain"))
    story.wait(2)
    story.done(done, score=0.987)
    story.fail(failed, "no\nsuch key")
    story.note(bar, "progress", id="p", title="fit", now=3, total=4, sub="epoch 3", end=False)
    story.attempt_failed(retry, 1)
    picture = story.picture()
    assert look(picture, done).sub == "2.0 s \u00b7 0.987"
    assert look(picture, failed).sub == "KeyError: no such key"
    assert (look(picture, bar).sub, look(picture, bar).fraction) == ("epoch 3", 0.75)
    assert look(picture, retry).sub == "attempt 2"  # a store of an earlier version does not say of how many
    story.attempt_failed(retry, 2, most=4)
    assert look(story.picture(), retry).sub == "attempt 3 of 4"
    assert look(picture, plain).sub == "running"
    story.open(2)
    assert look(story.picture(), done).sub == "reused \u00b7 0.987"
    assert look(story.picture(), plain).sub == "to be run again"


def test_an_answered_question_shows_its_answer() -> None:
    story = Story()
    asked = story.ask("Which?")
    story.answer(asked, "svm")
    assert look(story.picture(), asked).sub == "svm"


def test_paths_are_straight_where_they_can_be() -> None:
    assert path([(0, 10), (40, 10)]) == "M0 10H40"
    assert path([(0, 10), (40, 30)]) == "M0 10C20 10 20 30 40 30"
